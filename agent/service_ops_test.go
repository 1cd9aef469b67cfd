package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/machine"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// referenceRig is the rig of virtual units.
func referenceRig(t *testing.T) *rigfile.Rig {
	t.Helper()
	rig, err := rigfile.Load(filepath.Join("..", "testdata", "rig", "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return rig
}

// still names the valve and the meter of still water.
func (v *virtual) still() (valve, meter string) {
	for _, p := range v.plant.Rig().Parts() {
		if p.Kind == hal.KindValve && p.Carrier == "water.still" {
			valve = p.ID
		}
	}
	for _, p := range v.plant.Rig().Parts() {
		if p.Kind == hal.KindMeter && slices.Contains(p.Serves, valve) {
			meter = p.ID
		}
	}
	return valve, meter
}

// begin starts an operation and attends to it: beats, says yes, enters what number says. until, if not nil, says when the
// person walks away without a word.
func (v *virtual) begin(req api.StartOp, number func() float64, until func(api.Op) bool) (id string) {
	v.t.Helper()
	req.Person = "ann"
	op, err := v.a.ops.Start(context.Background(), req)
	if err != nil {
		v.t.Fatalf("start %s: %v", req.Kind, err)
	}
	v.leases.Go(func() {
		for v.a.ops.Beat(op.ID) == nil {
			now, err := v.a.ops.Op(op.ID)
			if err != nil || until != nil && until(now) {
				return
			}
			if now.Ask != nil {
				a := api.Answer{Yes: true}
				if now.Ask.Kind == api.AskNumber {
					a.Number = number()
				} else {
					v.plant.NewCup()
					v.plant.EmptyTray()
				}
				_, _ = v.a.ops.Answer(op.ID, a) // it may have ended
			}
			time.Sleep(api.BeatEvery)
		}
	})
	return op.ID
}

// work runs an operation to its end.
func (v *virtual) work(req api.StartOp, number func() float64) api.Op {
	v.t.Helper()
	id := v.begin(req, number, nil)
	var op api.Op
	v.await("the operation ends", time.Hour, func() bool {
		op, _ = v.a.ops.Op(id)
		return op.Outcome != ""
	})
	return op
}

// warm lets the water that the sensor sees be warm: what is connected is cleaner.
func (v *virtual) warm(celsius float64) { v.inject(sim.Fault{Kind: sim.WaterWarm, Amount: celsius}) }

func (v *virtual) cool() { v.clear(sim.Fault{Kind: sim.WaterWarm}) }

func (v *virtual) cupML() float64 {
	sum := int64(0)
	for _, ul := range v.plant.CupUL() {
		sum += ul
	}
	return float64(sum) / 1000
}

// TestCallerLeavesAtTheStart: an operation whose caller goes away while the machine takes it on is not said to have never
// begun: it ends for want of a lease, and its lock-out stands.
func TestCallerLeavesAtTheStart(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		valve, _ := v.still()
		ctx, leave := context.WithCancel(context.Background())
		leave()
		op, err := v.a.ops.Start(ctx, api.StartOp{Kind: api.OpClean, Line: valve, Person: "ann"})
		if err != nil {
			t.Fatalf("the machine has it, and the caller is told %v", err)
		}
		v.await("it ends", 5*time.Second, func() bool { op, err = v.a.ops.Op(op.ID); return err == nil && op.Outcome != "" })
		v.await("it is entered", time.Second, func() bool { return v.a.ops.session(op.ID) == nil })
		if op, _ = v.a.ops.Op(op.ID); op.Reason != pour.ReasonLeaseLost || v.a.ops.book.LockedOut()[valve] != maintenance.LockCleaning {
			t.Errorf("ended %s %s, locked out: %v", op.Outcome, op.Reason, v.a.ops.book.LockedOut())
		}
	})
}

// TestCleaningSurvivesAPowerCut: the power fails while the cleaner stands in the line. After the restart the line pours
// for nobody, nothing but a whole cleaning changes that, and the book says what happened.
func TestCleaningSurvivesAPowerCut(t *testing.T) {
	rig, before, after := referenceRig(t), t.TempDir(), t.TempDir()
	if _, err := catalogues(); err != nil {
		t.Fatal(err)
	}
	clean := func(valve string) api.StartOp { return api.StartOp{Kind: api.OpClean, Line: valve} }
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t, before, rig, nil, nil)
		valve, _ := v.still()
		v.warm(38)
		standing := func(op api.Op) bool { return strings.HasSuffix(op.Steps[op.Step].Name, "dwell") }
		id := v.begin(clean(valve), nil, nil)
		v.await("the cleaner stands", time.Hour, func() bool { op, _ := v.a.ops.Op(id); return standing(op) })
		if err := os.CopyFS(after, os.DirFS(before)); err != nil { // what the disk holds at this moment
			t.Fatal(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t, after, rig, nil, nil)
		valve, _ := v.still()
		if c := v.a.ops.book.Cut(); c == nil || c.Kind != api.OpClean || c.Line != valve {
			t.Fatalf("the book says of the power cut: %+v", c)
		}
		drink := v.onStill()
		for _, src := range []string{"touch", "service"} {
			_, err := commands{v.a}.Start(context.Background(), api.StartPour{Beverage: drink, TargetUL: 240_000, Mode: api.ModePortion, Source: src})
			if err == nil {
				t.Fatalf("%s pours through a line full of cleaner", src)
			}
		}
		v.await("the alarm", time.Minute, func() bool { return slices.Contains(v.standing(), alarm.CleanUnfinished.String()+"/"+valve) })
		if err := v.a.mended(alarm.CleanUnfinished, valve); err == nil && v.a.ops.book.LockedOut()[valve] == "" {
			t.Fatal("a word cleared a cleaning")
		}
		v.a.board.Clear(alarm.CleanUnfinished, valve) // and without the alarm the machine refuses by itself
		_, err := v.a.machine.Start(context.Background(), machine.StartRequest{Beverage: drink, TargetUL: 240_000, Source: wire.SourceService})
		if p := problem.From(err); err == nil || p.Code != problem.CodeUnsafe || p.Where != valve {
			t.Fatalf("the machine itself: %v", err)
		}
		if op := v.work(api.StartOp{Kind: api.OpRinse, Line: valve, Params: map[string]string{"ml": "2000"}}, nil); op.Outcome != api.OpDone {
			t.Fatalf("rinse: %+v", op)
		}
		if v.a.ops.book.LockedOut()[valve] != maintenance.LockCleaning {
			t.Fatal("a rinse alone counts as a cleaning")
		}
		v.warm(38)
		if op := v.work(clean(valve), nil); op.Outcome != api.OpDone {
			t.Fatalf("clean: %s %s %+v", op.Outcome, op.Reason, op.Evidence)
		}
		if got := v.a.ops.book.LockedOut(); len(got) != 0 {
			t.Fatalf("proven, and still locked out: %v", got)
		}
		v.cool()
		v.await("it is offered again", 5*time.Minute, func() bool { return v.blocked(drink) == "" && v.a.view.Snapshot().Unit == api.UnitReady })
		if p := v.pour(drink, 120_000); p.Outcome != "completed" {
			t.Errorf("afterwards: %s %s", p.Outcome, p.Reason)
		}
	})
}

// TestUnprovenRinseKeepsTheLockOut: the water fails while the sanitiser is rinsed out, and then the cleaner is cold: both
// runs fail with evidence, and the line goes on pouring for nobody.
func TestUnprovenRinseKeepsTheLockOut(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		t := v.t
		valve, _ := v.still()
		v.warm(38)
		id := v.begin(api.StartOp{Kind: api.OpClean, Line: valve}, nil, nil)
		v.await("the rinse", time.Hour, func() bool {
			op, _ := v.a.ops.Op(id)
			return strings.HasSuffix(op.Steps[op.Step].Name, "rinse") && op.FlowedUL > 2_500_000
		})
		v.inject(sim.Fault{Kind: sim.SupplyCut})
		var op api.Op
		v.await("it ends", time.Minute, func() bool { op, _ = v.a.ops.Op(id); return op.Outcome != "" })
		bad := slices.ContainsFunc(op.Evidence, func(e api.Evidence) bool { return !e.OK && strings.Contains(e.What, "rinse") })
		if op.Outcome != api.OpFailed || op.Reason != pour.ReasonNoFlow || op.Remedy == "" || !bad {
			t.Errorf("%s %s, evidence %+v", op.Outcome, op.Reason, op.Evidence)
		}
		v.clear(sim.Fault{Kind: sim.SupplyCut})
		v.cool()
		if op := v.work(api.StartOp{Kind: api.OpClean, Line: valve}, nil); op.Outcome != api.OpFailed || op.Reason != maintenance.ReasonTooCold {
			t.Errorf("with a cleaner of 3 °C: %s %s", op.Outcome, op.Reason)
		}
		if got := v.a.ops.book.LockedOut()[valve]; got != maintenance.LockCleaning {
			t.Errorf("locked out: %q", got)
		}
		if _, err := v.start(v.onStill(), 240_000); err == nil {
			t.Error("it pours")
		}
	})
}

// TestCalibrationWithoutARestart: what is calibrated over the API is in the next cup; undone, it is gone; and both
// outlast the process (peers: CocktailBerry #705, #714).
func TestCalibrationWithoutARestart(t *testing.T) {
	rig, dir := referenceRig(t), t.TempDir()
	if _, err := catalogues(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t, dir, rig, nil, nil)
		_, meter := v.still()
		drink := v.onStill()
		cup := func() float64 { v.pour(drink, 240_000); v.pour(drink, 240_000); return v.cupML() }
		plate := cup()
		if op := v.work(api.StartOp{Kind: api.OpCalibrate, Line: meter}, func() float64 { return 0.9 * v.cupML() }); op.Outcome != api.OpDone {
			t.Fatalf("calibrate: %+v", op)
		}
		changed := cup() // the meter is thought to give 10 % less, so that more flows
		if r := changed / plate; r < 1.07 || r > 1.13 {
			t.Errorf("cup %.1f ml before, %.1f ml after a calibration by 0.9", plate, changed)
		}
		l, err := v.a.ops.Undo(meter, "ann")
		if err != nil || l.Calibration != nil {
			t.Fatalf("undo: %+v %v", l, err)
		}
		if again := cup(); again < plate-3 || again > plate+3 {
			t.Errorf("cup %.1f ml after undo, %.1f ml before", again, plate)
		}
		if op := v.work(api.StartOp{Kind: api.OpCalibrate, Line: meter}, func() float64 { return 0.9 * v.cupML() }); op.Outcome != api.OpDone {
			t.Fatalf("calibrate again: %+v", op)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t, dir, rig, nil, nil)
		_, meter := v.still()
		if f := v.a.ops.book.Factors()[meter]; f < 0.88 || f > 0.92 {
			t.Errorf("factor %v after a restart", f)
		}
		drink := v.onStill()
		v.pour(drink, 240_000)
		v.pour(drink, 240_000)
		if ml := v.cupML(); ml < 255 {
			t.Errorf("cup %.1f ml: the calibration did not outlast the process", ml)
		}
	})
}

// TestServiceLeavesTraces: what an operation used is counted as waste and taken from the cartridge, it stands in the
// trail, and no pour record is made of it.
func TestServiceLeavesTraces(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		t := v.t
		slot := v.a.planogram.Slots[0].Slot
		before, _ := v.a.book.Level(slot)
		last := v.a.store.Last()
		op := v.work(api.StartOp{Kind: api.OpPrime, Line: slot}, nil)
		if op.Outcome != api.OpDone || op.FlowedUL == 0 {
			t.Fatalf("prime: %+v", op)
		}
		level, _ := v.a.book.Level(slot)
		left := v.plant.State().Slots
		held := left[slices.IndexFunc(left, func(s sim.SlotState) bool { return s.Slot == slot })].LevelUL
		if d := level.LeftUL - held; level.LeftUL >= before.LeftUL || d > 500 || d < -500 {
			t.Errorf("the book holds %d µL, before %d, the cartridge %d", level.LeftUL, before.LeftUL, held)
		}
		if w := v.a.waste()[api.OpPrime]; w != op.FlowedUL {
			t.Errorf("%d µL of waste, %d flowed", w, op.FlowedUL)
		}
		if v.a.store.Last() != last {
			t.Error("a pour record was made")
		}
		trail, err := v.a.audit.List()
		if err != nil || len(trail) < 2 || trail[0].Action != api.OpPrime || !strings.Contains(trail[0].Result, "done") || trail[1].Action != "start prime" {
			t.Errorf("trail %+v, %v", trail, err)
		}
	})
}

// TestOpsRefuse: one at a time, and none beside a pour; a refused cleaning locks nothing out.
func TestOpsRefuse(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		t := v.t
		valve, _ := v.still()
		drink := v.onStill()
		p, err := v.start(drink, 240_000)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.a.ops.Start(context.Background(), api.StartOp{Kind: api.OpClean, Line: valve, Person: "ann"})
		if problem.From(err).Code != problem.CodeBusy {
			t.Errorf("beside a pour: %v", err)
		}
		if l := v.a.ops.book.LockedOut(); len(l) != 0 {
			t.Errorf("a refused cleaning locks out %v", l)
		}
		v.await("the pour is recorded", time.Minute, func() bool {
			p, err = v.a.view.Pour(p.ID)
			return p.Phase == api.PhaseDone && !v.a.machine.State().Busy
		})
		id := v.begin(api.StartOp{Kind: api.OpRinse, Params: map[string]string{"ml": "500"}}, nil, nil)
		if _, err := v.a.ops.Start(context.Background(), api.StartOp{Kind: api.OpRinse, Person: "bob"}); problem.From(err).Code != problem.CodeBusy {
			t.Errorf("two at a time: %v", err)
		}
		if s := v.a.view.Snapshot(); s.Unit != api.UnitOutOfOrder || s.Reason != reasonService {
			t.Errorf("the screen shows %s %s", s.Unit, s.Reason)
		}
		if _, err := v.start(drink, 240_000); err == nil {
			t.Error("a pour beside an operation")
		}
		if err := v.a.ops.Stop(id, "stopped"); err != nil {
			t.Fatal(err)
		}
		v.await("stopped", 5*time.Second, func() bool { op, _ := v.a.ops.Op(id); return op.Outcome == api.OpStopped })
		if err := v.a.ops.Beat(id); problem.From(err).Code != problem.CodeConflict {
			t.Errorf("a beat after the end: %v", err)
		}
		if err := v.a.ops.Stop(id, "stopped"); err != nil {
			t.Errorf("stopping what has ended: %v", err)
		}
		if _, err := v.a.ops.Op("nothing"); problem.From(err).Code != problem.CodeNotFound {
			t.Errorf("an unknown operation: %v", err)
		}
	})
}

// TestDrySelfTestFromAfar needs nobody there and opens nothing; passed, it is known to the wizard.
func TestDrySelfTestFromAfar(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		t := v.t
		op, err := v.a.ops.Start(context.Background(), api.StartOp{Kind: api.OpSelfTest, Person: "ann", Params: map[string]string{"dry": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		v.await("it ends", 10*time.Second, func() bool { op, _ = v.a.ops.Op(op.ID); return op.Outcome != "" })
		if op.Outcome != api.OpDone || op.FlowedUL != 0 || !v.a.setup.rigChecked() {
			t.Errorf("%s %s %+v", op.Outcome, op.Reason, op.Evidence)
		}
	})
}

// TestBrixBySyrupLine: the line of a syrup stands for a beverage made of it.
func TestBrixBySyrupLine(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		t := v.t
		slot := v.a.planogram.Slots[0]
		id := v.begin(api.StartOp{Kind: api.OpBrix, Line: slot.Slot}, func() float64 { return 1 }, nil)
		v.await("water has run", time.Minute, func() bool { op, _ := v.a.ops.Op(id); return op.Step >= 3 || op.Outcome != "" })
		if got := v.plant.CupUL()[string(slot.Ingredient)]; got == 0 {
			op, _ := v.a.ops.Op(id)
			t.Errorf("no %s in the cup %v: %+v", slot.Ingredient, v.plant.CupUL(), op)
		}
		_ = v.a.ops.Stop(id, "stopped")
		v.await("stopped", 5*time.Second, func() bool { op, _ := v.a.ops.Op(id); return op.Outcome != "" })
	})
}

// TestAgitateForService runs an agitator of the reference board, with MASTER shut. It is in the list of what is in
// service, where a screen finds it, and nothing falls due with it; a pump there names its slot.
func TestAgitateForService(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		t := v.t
		lines, err := v.a.ops.Lines()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, l := range lines {
			switch hal.Kind(l.Kind) {
			case hal.KindAgitator:
				if found++; l.Calibration != nil || l.CleanDue != nil || l.Slot != "" {
					t.Errorf("the agitator %+v has something due", l)
				}
			case hal.KindPump:
				if v.a.scopes.parts[l.Slot].Pump != l.ID {
					t.Errorf("the pump %s names the slot %q", l.ID, l.Slot)
				}
			}
		}
		if found != 2 {
			t.Errorf("%d agitators are listed, the board has 2", found)
		}
		id := v.begin(api.StartOp{Kind: api.OpAgitate, Line: "stir_left", Params: map[string]string{"s": "5"}}, nil, nil)
		time.Sleep(2 * time.Second)
		st := v.plant.State()
		i := slices.IndexFunc(st.Agitators, func(a sim.ValveState) bool { return a.ID == "stir_left" })
		if i < 0 || !st.Agitators[i].Commanded || st.Master.Commanded {
			t.Errorf("agitators %+v, MASTER %v", st.Agitators, st.Master.Commanded)
		}
		var op api.Op
		v.await("it ends", 10*time.Second, func() bool { op, _ = v.a.ops.Op(id); return op.Outcome != "" })
		if op.Outcome != api.OpDone || v.plant.State().Agitators[i].Commanded {
			t.Errorf("%s %s, still runs: %v", op.Outcome, op.Reason, v.plant.State().Agitators[i].Commanded)
		}
	})
}

// onStill is a mixed drink on still water.
func (v *virtual) onStill() beverage.ID {
	for _, it := range v.a.menu.items {
		if p, err := v.a.machine.Plan(it.id, 240_000); err == nil && p.Carrier.Ingredient == "water.still" && len(p.Doses) > 0 {
			return it.id
		}
	}
	v.t.Fatal("no drink on still water")
	return ""
}

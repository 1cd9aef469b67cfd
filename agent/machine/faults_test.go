package machine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"fountain/agent/beat"
	"fountain/agent/pour"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// allShut tells whether the agent's valves are commanded shut.
func (u *unit) allShut() bool {
	for _, v := range u.plant.State().Valves {
		if v.Commanded && v.ID != "master" {
			return false
		}
	}
	return true
}

func (u *unit) masterShut() bool { return !u.plant.State().Master.Commanded }

func (u *unit) inject(f sim.Fault) {
	u.t.Helper()
	if err := u.plant.Inject(f); err != nil {
		u.t.Fatal(err)
	}
}

func (u *unit) clearFault(f sim.Fault) {
	u.t.Helper()
	if err := u.plant.Clear(f); err != nil {
		u.t.Fatal(err)
	}
}

// carrierOf is the valve and meter of a beverage, and the slot of its first ingredient.
func (u *unit) carrierOf(t *testing.T) (valve, meter, slot string) {
	l, err := u.m.newLease(StartRequest{Beverage: rich(u), TargetUL: 240_000, Source: wire.SourceTouch})
	if err != nil {
		t.Fatal(err)
	}
	return l.plan.Carrier.Valve, l.plan.Carrier.Meter, l.plan.Doses[0].Slot
}

// TestFaultsInIdle: what forbids a pour refuses its start, and the unit is ready again when it has gone.
func TestFaultsInIdle(t *testing.T) {
	for _, tc := range []struct {
		kind  sim.FaultKind
		fault string // State.Fault
		where string // of the refusal
	}{
		{sim.EStopPressed, pour.ReasonEStop, pour.ReasonEStop},
		{sim.LeakSeen, pour.ReasonLeak, pour.ReasonLeak},
		{sim.DoorOpen, pour.ReasonDoor, pour.ReasonDoor},
		{sim.TrayFull, pour.ReasonTrayFull, pour.ReasonTrayFull},
		{sim.CupRemoved, "", FaultNoCup},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			bubble(t, sim.Config{Seed: 3}, func(t *testing.T, u *unit) {
				u.inject(sim.Fault{Kind: tc.kind})
				time.Sleep(100 * time.Millisecond)
				s := u.m.State()
				if s.Fault != tc.fault || s.Cup == (tc.kind == sim.CupRemoved) {
					t.Errorf("fault %q, cup %v; want %q", s.Fault, s.Cup, tc.fault)
				}
				_, err := u.m.Start(context.Background(), StartRequest{Beverage: rich(u), TargetUL: 240_000, Source: wire.SourceTouch})
				if p := problem.From(err); err == nil || p.Code != problem.CodeUnsafe || p.Where != tc.where {
					t.Errorf("start: %v, want %s at %s", err, problem.CodeUnsafe, tc.where)
				}
				u.clearFault(sim.Fault{Kind: tc.kind})
				time.Sleep(100 * time.Millisecond)
				if r := u.pour(rich(u), 120); r.Outcome != wire.Completed {
					t.Errorf("afterwards: %s %s", r.Outcome, r.Reason)
				}
				if in, _ := u.book.count(); in != 1 {
					t.Errorf("%d intents for one pour: a refused start made one", in)
				}
			})
		})
	}
}

// TestFaultsWhilePouring injects every fault while arming, flowing and settling.
func TestFaultsWhilePouring(t *testing.T) {
	const arming, flowing, settling = "arming", "flowing", "settling"
	interlock := func(k sim.FaultKind) func(u *unit) sim.Fault {
		return func(*unit) sim.Fault { return sim.Fault{Kind: k} }
	}
	valve := func(k sim.FaultKind) func(u *unit) sim.Fault {
		return func(u *unit) sim.Fault { v, _, _ := u.carrierOf(u.t); return sim.Fault{Kind: k, Part: v} }
	}
	meter := func(u *unit) sim.Fault {
		_, m, _ := u.carrierOf(u.t)
		return sim.Fault{Kind: sim.MeterDead, Part: m}
	}
	cartridge := func(k sim.FaultKind) func(u *unit) sim.Fault {
		return func(u *unit) sim.Fault { _, _, s := u.carrierOf(u.t); return sim.Fault{Kind: k, Part: s} }
	}
	ms := time.Millisecond
	for _, tc := range []struct {
		name    string
		when    string
		fault   func(u *unit) sim.Fault
		outcome wire.Outcome
		reason  string
		shut    time.Duration // from the fault to the valves commanded shut; 0 = not asked
		spill   float64       // ml that may miss the cup
	}{
		{"supply cut", arming, interlock(sim.SupplyCut), wire.Faulted, pour.ReasonNoFlow, 0, 0},
		{"supply cut", flowing, interlock(sim.SupplyCut), wire.Faulted, pour.ReasonNoFlow, 400 * ms, 0},
		{"supply cut", settling, interlock(sim.SupplyCut), wire.Completed, "", 0, 0},
		{"stuck open", arming, valve(sim.StuckOpen), wire.Faulted, pour.ReasonStuckOpen, 0, 0},
		{"stuck open", flowing, valve(sim.StuckOpen), wire.Faulted, pour.ReasonStuckOpen, 0, 0},
		{"stuck closed", arming, valve(sim.StuckShut), wire.Faulted, pour.ReasonNoFlow, 0, 0},
		{"stuck closed", flowing, valve(sim.StuckShut), wire.Faulted, pour.ReasonNoFlow, 250 * ms, 0},
		{"meter dead", arming, meter, wire.Faulted, pour.ReasonNoFlow, 0, 0},
		{"meter dead", flowing, meter, wire.Faulted, pour.ReasonMeterLost, 160 * ms, 0},
		{"meter dead", settling, meter, wire.Completed, "", 0, 0},
		{"cartridge empty", arming, cartridge(sim.CartridgeEmpty), wire.Faulted, pour.ReasonSoldOut, 0, 0},
		{"cartridge empty", flowing, cartridge(sim.CartridgeEmpty), wire.Faulted, pour.ReasonSoldOut, 300 * ms, 0},
		{"cartridge empty", settling, cartridge(sim.CartridgeEmpty), wire.Completed, "", 0, 0},
		{"cartridge pulled", flowing, cartridge(sim.CartridgeGone), wire.Faulted, pour.ReasonSoldOut, 300 * ms, 0},
		{"e-stop", arming, interlock(sim.EStopPressed), wire.Faulted, pour.ReasonEStop, 0, 0},
		{"e-stop", flowing, interlock(sim.EStopPressed), wire.Faulted, pour.ReasonEStop, 20 * ms, 0},
		{"e-stop", settling, interlock(sim.EStopPressed), wire.Completed, "", 0, 0},
		{"leak", flowing, interlock(sim.LeakSeen), wire.Faulted, pour.ReasonLeak, 20 * ms, 0},
		{"door", arming, interlock(sim.DoorOpen), wire.Faulted, pour.ReasonDoor, 0, 0},
		{"door", flowing, interlock(sim.DoorOpen), wire.Faulted, pour.ReasonDoor, 20 * ms, 0},
		{"door", settling, interlock(sim.DoorOpen), wire.Completed, "", 0, 0},
		{"tray full", flowing, interlock(sim.TrayFull), wire.Completed, "", 0, 0},
		{"cup removed", arming, interlock(sim.CupRemoved), wire.Stopped, pour.ReasonPausedOut, 0, 1},
		{"cup removed", flowing, interlock(sim.CupRemoved), wire.Stopped, pour.ReasonPausedOut, 20 * ms, 10},
		{"cup removed", settling, interlock(sim.CupRemoved), wire.Completed, "", 0, 5},
	} {
		t.Run(tc.name+"/"+tc.when, func(t *testing.T) {
			bubble(t, sim.Config{Seed: 4}, func(t *testing.T, u *unit) {
				bev := rich(u)
				f := tc.fault(u)
				if tc.when == arming {
					u.book.delay = 40 * ms
				}
				u.plant.NewCup()
				id := u.start(bev, 240, false)
				defer u.hold(id)()
				switch tc.when {
				case arming:
					u.wait("arming", 30*ms, func() bool { return u.m.State().Phase == pour.Arm })
				case flowing:
					u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
				case settling:
					u.wait("settling", 8*time.Second, u.phase(pour.Settle))
				}
				u.inject(f)
				at := u.plant.Now()
				if tc.shut > 0 {
					u.wait("valves commanded shut", tc.shut, u.allShut)
					t.Logf("valves commanded shut after %v", u.plant.Now()-at)
				}
				r := u.recorded(id)
				if r.Outcome != tc.outcome || r.Reason != tc.reason {
					t.Fatalf("outcome %s %q, want %s %q", r.Outcome, r.Reason, tc.outcome, tc.reason)
				}
				u.wait("MASTER shut", 100*ms, u.masterShut)
				time.Sleep(time.Second)
				if !u.allShut() || !u.masterShut() {
					t.Error("something opened again by itself")
				}
				sum, _ := u.cupUL()
				spilled := float64(u.plant.SpilledUL()) / 1000
				if spilled > tc.spill {
					t.Errorf("%.1f ml spilled", spilled)
				}
				if f.Kind != sim.MeterDead { // what is recorded is what flowed
					within(t, "recorded ml", float64(r.CountedUL)/1000, float64(sum)/1000+spilled, max(2, 0.02*float64(sum)/1000))
				}
				switch tc.reason {
				case pour.ReasonStuckOpen:
					if s := u.m.State(); s.Fault != pour.ReasonStuckOpen {
						t.Errorf("the unit is not locked out: %q", s.Fault)
					}
					_, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 240_000, Source: wire.SourceTouch})
					if !isProblem(err, problem.CodeUnsafe) {
						t.Errorf("start with a stuck valve: %v", err)
					}
				case pour.ReasonSoldOut:
					if s := u.m.State(); !slices.Equal(s.Empty, []string{f.Part}) || !slices.Equal(u.shelf.empty, []string{f.Part}) {
						t.Errorf("empty: state %v, stock %v, want %s", s.Empty, u.shelf.empty, f.Part)
					}
					_, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 240_000, Source: wire.SourceTouch})
					if !isProblem(err, problem.CodeUnavailable) {
						t.Errorf("start of a sold-out drink: %v", err)
					}
					u.m.Refilled(f.Part)
					if s := u.m.State(); s.Phase.Active() {
						t.Error("a refill started a pour")
					}
				}
			})
		})
	}
}

// TestLoss: what ends a pour as interrupted. Nothing resumes by itself, and a new start works.
func TestLoss(t *testing.T) {
	ms := time.Millisecond
	for _, tc := range []struct {
		name   string
		lose   func(u *unit, letGo func())
		mend   func(u *unit)
		reason string
		shut   time.Duration
	}{
		{
			"guard answers no more", func(u *unit, _ func()) { u.wire.set(func(w *cable) { w.silent = true }) },
			func(u *unit) { u.wire.set(func(w *cable) { w.silent = false }) }, pour.ReasonGuardGone, beat.Period + beat.Limit + 5*ms,
		},
		{
			"guard is gone", func(u *unit, _ func()) { u.wire.set(func(w *cable) { w.dead = true; w.state = 3 }) },
			func(u *unit) { u.wire.set(func(w *cable) { w.dead = false }) }, pour.ReasonGuardGone, 50 * ms,
		},
		{
			"loop stands still", func(u *unit, _ func()) { u.pacer.extra.Store(int64(700 * ms)) },
			func(*unit) {}, pour.ReasonLoopGap, 705 * ms,
		},
		{
			"loop stands still for 120 ms", func(u *unit, _ func()) { u.pacer.extra.Store(int64(120 * ms)) },
			func(*unit) {}, pour.ReasonLoopGap, 125 * ms,
		},
		{
			"lease is lost", func(_ *unit, letGo func()) { letGo() },
			func(*unit) {}, pour.ReasonLeaseLost, 302 * ms,
		},
		{
			"screen lost the finger", func(u *unit, _ func()) { u.m.Stop(u.m.State().Pour, pour.ReasonScreenLost) },
			func(*unit) {}, pour.ReasonScreenLost, 20 * ms,
		},
	} {
		for _, hold := range []bool{false, true} {
			t.Run(tc.name+map[bool]string{false: "/portion", true: "/hold"}[hold], func(t *testing.T) {
				bubble(t, sim.Config{Seed: 5}, func(t *testing.T, u *unit) {
					bev := rich(u)
					u.pour(bev, 120)
					u.plant.NewCup()
					id := u.start(bev, 350, hold)
					letGo := u.hold(id)
					defer letGo()
					u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
					at := u.plant.Now()
					tc.lose(u, letGo)
					u.wait("valves commanded shut", tc.shut, u.allShut)
					t.Logf("valves commanded shut after %v", u.plant.Now()-at)
					u.wait("MASTER shut", 200*ms, u.masterShut)
					r := u.recorded(id)
					if r.Outcome != wire.Interrupted || r.Reason != tc.reason {
						t.Fatalf("outcome %s %q, want interrupted %s", r.Outcome, r.Reason, tc.reason)
					}
					sum, _ := u.cupUL()
					within(t, "recorded ml", float64(r.CountedUL+r.EstimatedUL)/1000, float64(sum)/1000, 5)
					tc.mend(u)
					time.Sleep(2 * time.Second)
					if after, _ := u.cupUL(); after != sum || !u.allShut() || !u.masterShut() {
						t.Error("the pour resumed by itself")
					}
					if in, out := u.book.count(); in != 2 || out != 2 {
						t.Errorf("%d intents, %d results of two pours", in, out)
					}
					letGo()
					if r := u.pour(bev, 120); r.Outcome != wire.Completed {
						t.Errorf("the next pour: %s %s", r.Outcome, r.Reason)
					}
				})
			})
		}
	}
}

// TestGuardGoneInIdle: without the guard nothing starts.
func TestGuardGoneInIdle(t *testing.T) {
	bubble(t, sim.Config{Seed: 6}, func(t *testing.T, u *unit) {
		u.wire.set(func(w *cable) { w.dead = true; w.state = 3 })
		time.Sleep(200 * time.Millisecond)
		_, err := u.m.Start(context.Background(), StartRequest{Beverage: rich(u), TargetUL: 240_000, Source: wire.SourceTouch})
		if p := problem.From(err); p.Code != problem.CodeUnsafe || p.Where != pour.ReasonGuardGone {
			t.Errorf("start without guard: %v", err)
		}
	})
}

// TestShutdown: ending the context while water flows shuts, settles and records.
func TestShutdown(t *testing.T) {
	bubble(t, sim.Config{Seed: 7}, func(t *testing.T, u *unit) {
		id := u.start(rich(u), 350, true)
		defer u.hold(id)()
		u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
		at := u.plant.Now()
		u.stop()
		u.wait("valves commanded shut", 20*time.Millisecond, u.allShut)
		if err := <-u.done; err != nil {
			t.Error(err)
		}
		if err := <-u.done; err != nil {
			t.Error(err)
		}
		u.done <- nil
		u.done <- nil
		r := u.book.last(t)
		sum, _ := u.cupUL()
		t.Logf("run returned after %v", u.plant.Now()-at)
		if r.Outcome != wire.Interrupted || r.Reason != pour.ReasonShutdown || r.Intent.Pour != id {
			t.Errorf("recorded %s %s", r.Outcome, r.Reason)
		}
		within(t, "recorded ml", float64(r.CountedUL)/1000, float64(sum)/1000, 3)
		if _, err := u.m.Start(context.Background(), StartRequest{Beverage: rich(u), TargetUL: 240_000, Source: wire.SourceTouch}); err == nil {
			t.Error("a stopped machine started a pour")
		}
	})
}

// TestRigLost: the plant's connection ends while water flows.
func TestRigLost(t *testing.T) {
	bubble(t, sim.Config{Seed: 8}, func(t *testing.T, u *unit) {
		id := u.start(rich(u), 350, false)
		defer u.hold(id)()
		u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
		u.plant.Kill("agent") // lines hold; every further call says that the rig is closed
		u.wait("MASTER shut", 100*time.Millisecond, u.masterShut)
		r := u.recorded(id)
		if r.Outcome != wire.Interrupted || r.Reason != pour.ReasonRigLost {
			t.Errorf("recorded %s %s", r.Outcome, r.Reason)
		}
		sum, _ := u.cupUL()
		within(t, "counted + estimated ml", float64(r.CountedUL+r.EstimatedUL)/1000, float64(sum)/1000, 5)
		if s := u.m.State(); s.Fault != pour.ReasonRigLost {
			t.Errorf("fault %q", s.Fault)
		}
		if a, err := u.plant.Open("agent"); err != nil { // the cleanup expects shut lines: what a restart does
			t.Error(err)
		} else {
			_ = a.Close()
		}
	})
}

// TestOrder: nothing opens before the intent is durable, and one pour at a time.
func TestOrder(t *testing.T) {
	bubble(t, sim.Config{Seed: 9}, func(t *testing.T, u *unit) {
		bev := rich(u)
		u.book.delay = 80 * time.Millisecond
		id := u.start(bev, 150, false)
		defer u.hold(id)()
		_, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 240_000, Source: wire.SourceTouch})
		if !isProblem(err, problem.CodeBusy) {
			t.Errorf("second start: %v", err)
		}
		time.Sleep(70 * time.Millisecond)
		if !u.allShut() || !u.masterShut() {
			t.Error("something opened before the intent was durable")
		}
		if r := u.recorded(id); r.Outcome != wire.Completed {
			t.Errorf("%s %s", r.Outcome, r.Reason)
		}
		u.book.delay, u.book.refuse = 0, errors.New("disk full")
		id = u.start(bev, 150, false)
		u.wait("refused", time.Second, func() bool { s := u.m.State(); return s.Pour == id && s.Phase == pour.Faulted })
		if s := u.m.State(); s.Reason != pour.ReasonJournal || s.Seq != 0 || s.PouredUL != 0 {
			t.Errorf("state %+v", s)
		}
		for _, e := range u.plant.State().Events[8:] {
			if e.What == sim.CommandedOpen {
				t.Errorf("%s opened without a durable intent", e.Part)
			}
		}
	})
}

// TestRefusals: what Compute and Start refuse.
func TestRefusals(t *testing.T) {
	bubble(t, sim.Config{Seed: 10}, func(t *testing.T, u *unit) {
		bev := rich(u)
		for _, tc := range []struct {
			req  StartRequest
			code string
		}{
			{StartRequest{Beverage: "no.such", TargetUL: 240_000, Source: wire.SourceTouch}, problem.CodeNotFound},
			{StartRequest{Beverage: bev, TargetUL: 5_000, Source: wire.SourceTouch}, problem.CodeBadRequest},
			{StartRequest{Beverage: bev, TargetUL: 1_000_000, Source: wire.SourceTouch}, problem.CodeBadRequest},
			{StartRequest{Beverage: bev, TargetUL: -1, Source: wire.SourceTouch}, problem.CodeBadRequest},
			{StartRequest{Beverage: bev, TargetUL: 240_000, Source: "cloud"}, problem.CodeBadRequest},
		} {
			if _, err := u.m.Start(context.Background(), tc.req); !isProblem(err, tc.code) {
				t.Errorf("%+v: %v, want %s", tc.req, err, tc.code)
			}
		}
		if err := u.m.Beat("nobody"); !isProblem(err, problem.CodeNotFound) {
			t.Errorf("beat of no pour: %v", err)
		}
		u.m.Stop("nobody", "")
	})
}

// TestFlowInIdle: water that flows although everything is shut locks the unit out until a technician clears it.
func TestFlowInIdle(t *testing.T) {
	bubble(t, sim.Config{Seed: 11}, func(t *testing.T, u *unit) {
		time.Sleep(5 * time.Second)
		if s := u.m.State(); s.Fault != "" {
			t.Fatalf("a dry machine shows %q", s.Fault)
		}
		stuck := []sim.Fault{{Kind: sim.StuckOpen, Part: "still"}, {Kind: sim.StuckOpen, Part: "master"}}
		for _, f := range stuck {
			u.inject(f)
		}
		u.wait("the flow is noticed", 500*time.Millisecond, func() bool { return u.m.State().Fault == FaultFlow })
		u.m.ClearFault()
		time.Sleep(20 * time.Millisecond)
		u.wait("it comes back while it flows", 2*time.Second, func() bool { return u.m.State().Fault == FaultFlow })
		for _, f := range stuck {
			u.clearFault(f)
		}
		time.Sleep(3 * time.Second)
		if s := u.m.State(); s.Fault != FaultFlow {
			t.Errorf("the fault went away by itself: %q", s.Fault)
		}
		u.m.ClearFault()
		time.Sleep(100 * time.Millisecond)
		if r := u.pour(rich(u), 120); r.Outcome != wire.Completed {
			t.Errorf("afterwards: %s %s", r.Outcome, r.Reason)
		}
	})
}

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/pour"
	"fountain/hal/sim"
)

// flowing starts a pour and returns when it flows.
func (v *virtual) flowing(id beverage.ID, ul int64) api.Pour {
	v.t.Helper()
	p, err := v.start(id, ul)
	if err != nil {
		v.t.Fatalf("start %s: %v", id, err)
	}
	v.await("it flows", 5*time.Second, func() bool {
		s := v.a.machine.State()
		return s.Pour == p.ID && s.PouredUL > 30_000
	})
	return p
}

// over waits for the end of a pour.
func (v *virtual) over(p api.Pour) api.Pour {
	v.t.Helper()
	v.await("the pour is recorded", time.Minute, func() bool {
		var err error
		p, err = v.a.view.Pour(p.ID)
		return err == nil && p.Phase == api.PhaseDone && !v.a.machine.State().Busy
	})
	return p
}

// raised waits for an alarm and returns it.
func (v *virtual) raised(n alarm.Name, scope string, limit time.Duration) alarm.Alarm {
	v.t.Helper()
	v.await(n.String()+" at "+scope, limit, func() bool { return v.a.board.Has(n, scope) })
	time.Sleep(100 * time.Millisecond) // for the menu to follow
	a, _ := v.a.board.Get(n, scope)
	return a
}

// goesOn proves that a line pours, and another does not, for a reason.
func (v *virtual) goesOn(well, ill beverage.IngredientID, why string) {
	v.t.Helper()
	if p := v.pour(v.some(well, "", ""), 150_000); p.Outcome != "completed" {
		v.t.Errorf("%s: %+v", well, p)
	}
	for _, it := range v.a.menu.items {
		if it.carrier == ill {
			if got := v.blocked(it.id); got != why {
				v.t.Errorf("%s is blocked by %q, want %q", it.id, got, why)
			}
			return
		}
	}
}

func (v *virtual) clearAlarm(n alarm.Name, scope string) error {
	return alarmDesk{v.a}.Clear(context.Background(), api.ClearAlarm{Name: n.String(), Scope: scope, Person: "ada"})
}

// Two pours in a row without water take the line away for five minutes; the other line and the rest go on.
func TestNoWaterOnOneLine(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.StuckShut, sim.MeterDead} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(v *virtual) {
				part := map[sim.FaultKind]string{sim.StuckShut: "still", sim.MeterDead: "flow_still"}[kind]
				id := v.some(still, "", "")
				v.inject(sim.Fault{Kind: kind, Part: part})
				for i := range dryAfter {
					if p := v.pour(id, 150_000); p.Reason != pour.ReasonNoFlow {
						t.Errorf("pour %d: %+v", i, p)
					}
				}
				v.raised(alarm.NoFlow, "still", 2*time.Second)
				v.goesOn(sparkling, still, "no_water")
				v.clear(sim.Fault{Kind: kind, Part: part})
				v.await("it is offered again", dryFor+5*time.Second, func() bool { return v.blocked(id) == "" })
				if p := v.pour(id, 150_000); p.Outcome != "completed" {
					t.Errorf("mended: %+v", p)
				}
				v.await("the alarm ends", 3*time.Second, func() bool { return len(v.standing()) == 0 })
			})
		})
	}
}

// A meter that dies in full flow locks its line out until a person has mended it; the other line pours.
func TestMeterDiesInAPour(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		fault := sim.Fault{Kind: sim.MeterDead, Part: "flow_still"}
		p := v.flowing(v.some(still, "", ""), 300_000)
		v.inject(fault)
		if p = v.over(p); p.Reason != pour.ReasonMeterLost {
			t.Errorf("pour %+v", p)
		}
		if a := v.raised(alarm.MeterDead, "still", 2*time.Second); !strings.Contains(a.Evidence, "flow_still") {
			t.Errorf("evidence %q", a.Evidence)
		}
		v.goesOn(sparkling, still, "line_fault")
		v.clear(fault)
		time.Sleep(time.Minute)
		if !v.a.board.Has(alarm.MeterDead, "still") {
			t.Error("it ended without a person")
		}
		if err := v.clearAlarm(alarm.MeterDead, "still"); err != nil {
			t.Fatal(err)
		}
		v.await("the line is offered again", 2*time.Second, func() bool { return len(v.a.view.Snapshot().Blocked) == 0 })
		if p := v.pour(v.some(still, "", ""), 150_000); p.Outcome != "completed" {
			t.Errorf("mended: %+v", p)
		}
	})
}

// hiccup is a store that takes no record for a while.
type hiccup struct {
	recordStore
	until time.Time
}

func (h *hiccup) Append(ctx context.Context, pour string, build func(string, uint64) ([]byte, error)) (uint64, error) {
	if time.Now().Before(h.until) {
		return 0, errors.New("no space left on device")
	}
	return h.recordStore.Append(ctx, pour, build)
}

// A store that works again ends what it caused, and nothing that waits for a person.
func TestStoreMendsNothingElse(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		fault := sim.Fault{Kind: sim.MeterDead, Part: "flow_still"}
		p := v.flowing(v.some(still, "", ""), 300_000)
		v.inject(fault)
		v.over(p)
		v.raised(alarm.MeterDead, "still", 2*time.Second)
		v.a.journal.store = &hiccup{v.a.journal.store, time.Now().Add(20 * time.Second)}
		v.flowing(v.some(sparkling, "", ""), 150_000)
		v.await("the journal's silence blocks the unit", 15*time.Second, func() bool { return v.a.machine.State().Fault == pour.ReasonJournal })
		v.await("it is over", 30*time.Second, func() bool { return v.a.machine.State().Fault == "" })
		for _, f := range v.a.machine.Lockouts() {
			if f.Scope == "still" && f.Code == pour.ReasonMeterLost {
				return
			}
		}
		t.Errorf("the lock-out of the dead meter ended without a person: %v", v.a.machine.Lockouts())
	})
}

// A valve that stays open keeps the unit from opening MASTER for anybody, and no word ends it while water runs.
func TestStuckValveBlocksTheUnit(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		fault := sim.Fault{Kind: sim.StuckOpen, Part: "still"}
		p := v.flowing(v.some(still, "", ""), 150_000)
		v.inject(fault)
		v.over(p)
		a := v.raised(alarm.StuckOpen, alarm.ScopeUnit, 2*time.Second)
		if !strings.Contains(a.Evidence, "still") {
			t.Errorf("evidence %q", a.Evidence)
		}
		if s := v.a.view.Snapshot(); s.Unit != api.UnitOutOfOrder || s.Reason != "stuck_open" {
			t.Errorf("unit %s %s", s.Unit, s.Reason)
		}
		v.clear(fault)
		time.Sleep(10 * time.Second)
		if err := v.clearAlarm(alarm.StuckOpen, ""); err != nil {
			t.Fatal(err)
		}
		v.await("the unit is ready", 2*time.Second, func() bool { return v.a.view.Snapshot().Unit == api.UnitReady })
		if got := v.standing(); len(got) != 0 {
			t.Errorf("stands %v", got)
		}
	})
}

// Swapped meters are told at both lines.
func TestSwappedMetersAreTold(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		id := v.some(still, "", "")
		v.inject(sim.Fault{Kind: sim.MetersSwapped, Part: "flow_still", With: "flow_sparkling"})
		if p := v.pour(id, 150_000); p.Reason != pour.ReasonWrongWay {
			t.Errorf("pour %+v", p)
		}
		v.raised(alarm.WrongWay, "still", 2*time.Second)
		v.raised(alarm.WrongWay, "sparkling", 2*time.Second)
		if why := v.blocked(id); why != "line_fault" {
			t.Errorf("blocked by %q", why)
		}
	})
}

// A cartridge that is pulled ends the pour at once; the tag of no other slot is waited for.
func TestCartridgePulledInAPour(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		p := v.flowing(v.some(still, lemon, ""), 600_000)
		begin := time.Now()
		v.inject(sim.Fault{Kind: sim.CartridgeGone, Part: "s02"})
		v.await("the pour ends", 2*time.Second, func() bool { return v.a.machine.State().Phase >= pour.Settle })
		if took := time.Since(begin); took > slotTick+100*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		if p = v.over(p); p.Reason != pour.ReasonCartridge {
			t.Errorf("pour %+v", p)
		}
		v.raised(alarm.CartridgeAbsent, "s02", 2*time.Second)
		if p := v.pour(v.some(still, "", lemon), 150_000); p.Outcome != "completed" {
			t.Errorf("another drink: %+v", p)
		}
	})
}

// A cartridge that runs dry takes away its drinks alone, until another one is put in.
func TestCartridgeRunsDry(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		id := v.some(still, lemon, "")
		v.inject(sim.Fault{Kind: sim.CartridgeEmpty, Part: "s02"})
		if p := v.pour(id, 300_000); p.Reason != pour.ReasonSoldOut {
			t.Errorf("pour %+v", p)
		}
		v.raised(alarm.CartridgeEmpty, "s02", 2*time.Second)
		if why := v.blocked(id); why != "sold_out" {
			t.Errorf("blocked by %q", why)
		}
		if p := v.pour(v.some(still, "", lemon), 150_000); p.Outcome != "completed" {
			t.Errorf("another drink: %+v", p)
		}
		v.clear(sim.Fault{Kind: sim.CartridgeEmpty, Part: "s02"})
		if err := v.plant.SetCartridge(sim.Cartridge{Slot: "s02", ID: "new", Ingredient: string(lemon), VolumeUL: 5_000_000, Primed: true}); err != nil {
			t.Fatal(err)
		}
		v.await("it is offered again", 3*time.Second, func() bool { return v.blocked(id) == "" && len(v.standing()) == 0 })
	})
}

// With a second slot of the same ingredient, nothing that happens to the first takes a drink away.
func TestSecondSlotGoesOn(t *testing.T) {
	plano := filepath.Join(t.TempDir(), "planogram.json")
	inBubble(t, func(c *config.Config) {
		cat, _ := catalogues()
		p, err := beverage.LoadPlanogram("", cat)
		if err != nil {
			t.Fatal(err)
		}
		p.Slots[2].Ingredient = lemon // s03 beside s02
		b, err := json.Marshal(p)
		if err == nil {
			err = os.WriteFile(plano, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Planogram.File = plano
	}, func(v *virtual) {
		if err := v.plant.SetCartridge(sim.Cartridge{Slot: "s03", ID: "second", Ingredient: string(lemon), VolumeUL: 5_000_000, Primed: true}); err != nil {
			t.Fatal(err)
		}
		v.await("the second cartridge is seen", 3*time.Second, func() bool { return len(v.standing()) == 0 })
		id := v.some(still, lemon, "")
		for _, f := range []sim.Fault{
			{Kind: sim.CartridgeGone, Part: "s02"}, {Kind: sim.CartridgeExpired, Part: "s02"}, {Kind: sim.CartridgeForeign, Part: "s02"},
		} {
			v.inject(f)
			v.await("the alarm", 3*time.Second, func() bool { return len(v.standing()) == 1 })
			time.Sleep(100 * time.Millisecond)
			if why := v.blocked(id); why != "" {
				t.Errorf("%s: blocked by %q", f.Kind, why)
			}
			if p := v.pour(id, 150_000); p.Outcome != "completed" {
				t.Errorf("%s: %+v", f.Kind, p)
			}
			v.clear(f)
			v.await("the alarm ends", 3*time.Second, func() bool { return len(v.standing()) == 0 })
		}
	})
}

// A guard that is gone is told, and the unit is ready again when it is back.
func TestGuardGone(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		v.wire.cut(true)
		v.raised(alarm.GuardGone, alarm.ScopeUnit, time.Second)
		if s := v.a.view.Snapshot(); s.Unit != api.UnitOutOfOrder || s.Reason != "guard_gone" {
			t.Errorf("unit %s %s", s.Unit, s.Reason)
		}
		v.wire.cut(false)
		v.await("it is back", 2*time.Second, func() bool { return len(v.standing()) == 0 && v.a.view.Snapshot().Unit == api.UnitReady })
	})
}

// A watchdog that the guard cannot feed is told; it blocks nothing.
func TestWatchdogOff(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		says := func(unfed bool) {
			v.wire.mu.Lock()
			defer v.wire.mu.Unlock()
			v.wire.unfed = unfed
		}
		says(true)
		v.raised(alarm.WatchdogOff, alarm.ScopeUnit, time.Second)
		v.pour(v.some(still, "", ""), 150_000)
		says(false)
		v.await("it ends", time.Second, func() bool { return len(v.standing()) == 0 })
	})
}

// A valve that shuts later with every pour is told long before it fails, with its history.
func TestValveWears(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		id := v.some(still, "", "")
		for range wearSkip + wearBase + 3 {
			v.pour(id, 100_000)
		}
		time.Sleep(time.Minute)
		if v.a.board.Has(alarm.ValveWearing, "still") {
			t.Fatal("a sound valve wears")
		}
		v.inject(sim.Fault{Kind: sim.SlowClose, Part: "still", Amount: 2})
		n := 0
		for ; !v.a.board.Has(alarm.ValveWearing, "still"); n++ {
			if n > 40 {
				t.Fatalf("not told after %d pours, lag %v", n, v.a.machine.Lags()["still"])
			}
			if p := v.pour(id, 100_000); p.Outcome != "completed" {
				t.Fatalf("it failed before: %+v", p)
			}
		}
		a, _ := v.a.board.Get(alarm.ValveWearing, "still")
		t.Logf("told after %d pours: %s", n, a.Evidence)
		if !strings.Contains(a.Evidence, "pours") || a.Severity != alarm.Warns {
			t.Errorf("alarm %+v", a)
		}
		if got := v.standing(); !slices.Equal(got, []string{"valve_wearing/still"}) {
			t.Errorf("stands %v", got)
		}
	})
}

//go:build linux

package device

import (
	"context"
	"math"
	"slices"
	"syscall"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/hal/sim"
	"fountain/sync/wire"
)

// strong makes the first pump strong enough for a 1:5 juice.
var strong = []string{"{ id: p01, owner: agent, chip: d1, line: 0, active: high, stroke_ul: 20, max_rate: 200", "{ id: p01, owner: agent, chip: d1, line: 0, active: high, stroke_ul: 100, max_rate: 300"}

// TestTwentyPours lets the shipping guard and agent pour twenty drinks over the kernel's lines: what is in the cup is
// what was asked for, and the store has each pour once with what flowed.
func TestTwentyPours(t *testing.T) {
	// DESIGN 8: mean and p99 after learning. The plant's meters repeat to 0.3 %, which no controller can see.
	const learning, mean, worst = 6, 0.005, 0.015 // pours; shares of the target
	u := newUnit(t, "emulator.yaml", strong...)
	u.guard.start()
	u.agent.start()
	u.ready()
	checkSensors(t, u)
	ids := map[string]int64{}
	errs := map[beverage.ID][]float64{}
	drinks := []beverage.ID{"house-water.still", "orchard-clock.apple", "house-water.sparkling"}
	for i := range 20 {
		drink, target := drinks[i%len(drinks)], int64(120_000+60_000*(i%4))
		if _, err := u.control.NewCup(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		p, err := u.client.Hold(ctx, api.StartPour{Beverage: drink, TargetUL: target, Mode: api.ModePortion, Source: wire.SourceService}, nil)
		cancel()
		if err != nil {
			t.Fatalf("pour %d, %s: %v", i, drink, err)
		}
		time.Sleep(100 * time.Millisecond)
		cup := u.state().Cup
		off := float64(cup.TotalUL-target) / float64(target)
		t.Logf("pour %d: %s %d ml, in the cup %+.2f %%, %s", i, drink, target/1000, 100*off, p.Outcome)
		if p.Outcome != string(wire.Completed) {
			t.Errorf("pour %d: %s %s", i, p.Outcome, p.Reason)
		}
		if i >= learning {
			errs[drink] = append(errs[drink], math.Abs(off))
		}
		checkParts(t, drink, cup)
		ids[p.ID] = cup.TotalUL
	}
	for drink, list := range errs {
		sum := 0.0
		for _, off := range list {
			sum += off
		}
		avg, most := sum/float64(len(list)), slices.Max(list)
		t.Logf("figure: %s after learning: mean %.2f %% off, at most %.2f %%, %d pours", drink, 100*avg, 100*most, len(list))
		if avg > mean || most > worst {
			t.Errorf("%s: mean %.2f %% off, at most %.2f %%; want %.1f %% and %.1f %%", drink, 100*avg, 100*most, 100*mean, 100*worst)
		}
	}
	s := u.state()
	if s.SpilledUL != 0 || s.Master.Open {
		t.Errorf("%d µL spilled, MASTER open %v", s.SpilledUL, s.Master.Open)
	}
	u.agent.stop(syscall.SIGTERM)
	u.guard.stop(syscall.SIGTERM)
	records := u.records()
	if len(records) != len(ids) {
		t.Errorf("%d records of %d pours", len(records), len(ids))
	}
	for _, r := range records {
		cup, ok := ids[r.ID]
		delete(ids, r.ID)
		if !ok || r.Rig != "hw" || r.Outcome != wire.Completed {
			t.Errorf("record %s (known: %v): rig %s, %s", r.ID, ok, r.Rig, r.Outcome)
		}
		if off := math.Abs(float64(r.CountedUL - cup)); off > math.Max(0.02*float64(cup), 5_000) {
			t.Errorf("record %s counts %d µL, the cup has %d", r.ID, r.CountedUL, cup)
		}
	}
}

// checkParts compares the shares in the cup with the recipe.
func checkParts(t *testing.T, drink beverage.ID, cup sim.CupState) {
	t.Helper()
	if drink != "orchard-clock.apple" {
		return
	}
	want := 1.002 / 6 // of the catalogue
	if got := float64(cup.Parts["juice.apple"]) / float64(cup.TotalUL); math.Abs(got/want-1) > 0.02 {
		t.Errorf("%s: %.2f %% juice, want %.2f %%", drink, 100*got, 100*want)
	}
}

// checkSensors sees that what the agent knows of temperature, pressure and cartridges comes through a file, the ADC and
// the tag reader: it says so when the plant's truth changes, and when it is well again.
func checkSensors(t *testing.T, u *unit) {
	t.Helper()
	carts, err := u.client.Cartridges(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(carts) != 1 || carts[0].Tag != "cart-s01" || carts[0].Contents != "juice.apple" {
		t.Errorf("cartridges %+v", carts)
	}
	for _, tt := range []struct {
		fault sim.Fault
		alarm string
	}{
		{sim.Fault{Kind: sim.SensorFalse, Part: "t_water", Amount: 7}, "water_warm"},
		{sim.Fault{Kind: sim.SensorFalse, Part: "p_water", Amount: 60}, "water_pressure_low"},
	} {
		told := func() string {
			alarms, err := u.client.Alarms(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range alarms {
				if a.Name == tt.alarm {
					return a.Evidence
				}
			}
			return ""
		}
		if said := told(); said != "" {
			t.Errorf("%s before its time: %s", tt.alarm, said)
		}
		if _, err := u.control.Inject(t.Context(), tt.fault); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, tt.alarm+" is told", func() bool { time.Sleep(100 * time.Millisecond); return told() != "" })
		t.Logf("%s at %v: %s", tt.alarm, tt.fault.Amount, told())
		if _, err := u.control.Clear(t.Context(), tt.fault); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, tt.alarm+" is over", func() bool { time.Sleep(100 * time.Millisecond); return told() == "" })
	}
}

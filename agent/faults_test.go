package agent

import (
	"slices"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/hal/sim"
)

func TestQuietUnitHasNoAlarm(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		time.Sleep(11 * time.Minute) // longer than every delay
		if got := v.standing(); len(got) != 0 {
			t.Errorf("alarms of a healthy unit: %v", got)
		}
		for _, c := range []beverage.IngredientID{"water.still", "water.sparkling"} {
			if p := v.pour(v.some(c, "", ""), 200_000); p.Outcome != "completed" {
				t.Errorf("%s: pour %+v", c, p)
			}
		}
		time.Sleep(time.Minute)
		if got := v.standing(); len(got) != 0 {
			t.Errorf("alarms after pours: %v", got)
		}
	})
}

const (
	still     beverage.IngredientID = "water.still"
	sparkling beverage.IngredientID = "water.sparkling"
	lemon     beverage.IngredientID = "juice.lemon" // in s02, pump p02
)

// quick shortens the delays that wait for a chiller.
func quick(c *config.Config) {
	c.Limits = config.DefaultLimits()
	c.Limits.TempDelay, c.Limits.Carbonate = time.Minute, 30*time.Second
	c.Limits.WaterMin = 250 // above what trips the switch
}

// Every fault that is seen while nothing is poured: which alarm with which scope in which time, what it blocks, that the
// rest still pours, and that it ends when its cause does.
func TestFaultsOfARestingUnit(t *testing.T) {
	type want struct {
		name  alarm.Name
		scope string
	}
	for _, c := range []struct {
		fault  sim.Fault
		want   []want
		within time.Duration
		ends   time.Duration // after the fault is cleared; 0: it stays, by a person or for an hour
		blocks string        // code of what needs the carrier or the ingredient below; empty: nothing is blocked
		line   beverage.IngredientID
		needs  beverage.IngredientID
		unit   string // the unit's reason, when all of it is blocked
	}{
		{fault: sim.Fault{Kind: sim.EStopPressed}, want: []want{{alarm.EStop, "unit"}}, within: time.Second, ends: time.Second, unit: "e_stop"},
		{fault: sim.Fault{Kind: sim.LeakSeen}, want: []want{{alarm.Leak, "unit"}}, within: time.Second, ends: time.Second, unit: "leak"},
		{fault: sim.Fault{Kind: sim.DoorOpen}, want: []want{{alarm.DoorOpen, "unit"}}, within: time.Second, ends: time.Second, unit: "door"},
		{fault: sim.Fault{Kind: sim.TrayFull}, want: []want{{alarm.TrayFull, "unit"}}, within: time.Second, ends: time.Second, unit: "tray_full"},
		{fault: sim.Fault{Kind: sim.SupplyCut}, want: []want{{alarm.NoWater, "unit"}}, within: 20 * time.Second, ends: 20 * time.Second, unit: "no_water"},

		{fault: sim.Fault{Kind: sim.CO2Out}, want: []want{{alarm.CO2Out, "sparkling"}}, within: time.Minute, ends: 2 * time.Minute, blocks: "no_fizz", line: sparkling},
		{fault: sim.Fault{Kind: sim.CarbonatorFault}, want: []want{{alarm.CarbonatorNotReady, "sparkling"}}, within: time.Minute, ends: 2 * time.Minute, blocks: "no_fizz", line: sparkling},
		{fault: sim.Fault{Kind: sim.WaterWarm}, want: []want{{alarm.WaterWarm, "unit"}, {alarm.WaterTooWarm, "sparkling"}}, within: time.Hour, ends: time.Hour, blocks: "too_warm", line: sparkling},
		{fault: sim.Fault{Kind: sim.WaterWarm, Amount: 7}, want: []want{{alarm.WaterWarm, "unit"}}, within: time.Hour, ends: time.Hour},
		{fault: sim.Fault{Kind: sim.WaterWarm, Amount: -1}, want: []want{{alarm.WaterFreezing, "unit"}}, within: time.Hour, ends: time.Hour},
		{fault: sim.Fault{Kind: sim.CabinetWarm, Amount: 40}, want: []want{{alarm.CabinetTemperature, "unit"}}, within: time.Hour, ends: time.Hour},
		{fault: sim.Fault{Kind: sim.SupplySag, Amount: 0.6}, want: []want{{alarm.WaterPressureLow, "unit"}}, within: time.Minute, ends: time.Minute},
		{fault: sim.Fault{Kind: sim.SensorOpen, Part: "t_water"}, want: []want{{alarm.SensorBad, "t_water"}}, within: 30 * time.Second, ends: 10 * time.Second},
		{fault: sim.Fault{Kind: sim.SensorShort, Part: "p_co2"}, want: []want{{alarm.SensorBad, "p_co2"}}, within: 30 * time.Second, ends: 10 * time.Second},
		{fault: sim.Fault{Kind: sim.SensorFalse, Part: "p_water", Amount: 700}, want: []want{{alarm.WaterPressureHigh, "unit"}}, within: time.Minute, ends: time.Minute},

		{fault: sim.Fault{Kind: sim.CartridgeGone, Part: "s02"}, want: []want{{alarm.CartridgeAbsent, "s02"}}, within: 3 * time.Second, ends: 3 * time.Second, blocks: "sold_out", needs: lemon},
		{fault: sim.Fault{Kind: sim.CartridgeForeign, Part: "s02"}, want: []want{{alarm.CartridgeForeign, "s02"}}, within: 3 * time.Second, ends: 3 * time.Second, blocks: "wrong_cartridge", needs: lemon},
		{fault: sim.Fault{Kind: sim.CartridgeWrong, Part: "s02", With: "juice.mango"}, want: []want{{alarm.CartridgeWrong, "s02"}}, within: 3 * time.Second, ends: 3 * time.Second, blocks: "wrong_cartridge", needs: lemon},
		{fault: sim.Fault{Kind: sim.CartridgeExpired, Part: "s02"}, want: []want{{alarm.CartridgeExpired, "s02"}}, within: 3 * time.Second, ends: 3 * time.Second, blocks: "expired", needs: lemon},
		{fault: sim.Fault{Kind: sim.CartridgeUnreadable, Part: "s02"}, want: []want{{alarm.CartridgeUnreadable, "s02"}}, within: 10 * time.Second, ends: 3 * time.Second},

		{fault: sim.Fault{Kind: sim.ChipGone, Part: "d1"}, want: []want{{alarm.ChipGone, "d1"}}, within: 3 * time.Second, ends: 3 * time.Second, blocks: "line_fault", needs: lemon},
		{fault: sim.Fault{Kind: sim.ChipGone, Part: "r1"}, want: []want{{alarm.ChipGone, "r1"}}, within: 3 * time.Second, ends: 3 * time.Second},
		{fault: sim.Fault{Kind: sim.ChipGone, Part: "a1"}, want: []want{{alarm.ChipGone, "a1"}, {alarm.SensorBad, "p_co2"}, {alarm.SensorBad, "p_water"}}, within: 30 * time.Second, ends: 10 * time.Second},
		{fault: sim.Fault{Kind: sim.ChipSlow, Part: "d1"}, want: []want{{alarm.BusSlow, "d1"}}, within: 3 * time.Second, ends: time.Minute},
		{fault: sim.Fault{Kind: sim.ChipReset, Part: "x1"}, want: []want{{alarm.ExpanderReset, "x1"}}, within: 3 * time.Second},
		{fault: sim.Fault{Kind: sim.PhantomPulses, Part: "flow_still"}, want: []want{{alarm.MeterNoise, "still"}}, within: 20 * time.Second, ends: 13 * time.Minute},
	} {
		name := string(c.fault.Kind)
		if c.fault.Part != "" {
			name += " " + c.fault.Part
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, quick, func(v *virtual) {
				stand := func() bool {
					return !slices.ContainsFunc(c.want, func(w want) bool { return !v.a.board.Has(w.name, w.scope) })
				}
				struck := beverage.ID("")
				if c.blocks != "" {
					line := c.line
					if line == "" {
						line = still
					}
					struck = v.some(line, c.needs, "")
				}
				v.inject(c.fault)
				took := v.await("the alarm is raised", c.within, stand)
				time.Sleep(100 * time.Millisecond)
				t.Logf("%s: %v in %s", name, v.standing(), took)
				if more := v.standing(); len(more) != len(c.want) {
					t.Errorf("stands %v, want %v", more, c.want)
				}
				for _, w := range c.want {
					if a, _ := v.a.board.Get(w.name, w.scope); a.Evidence == "" || a.What == "" || a.Remedy == "" {
						t.Errorf("%s says nothing: %+v", w.name, a)
					}
				}
				s := v.a.view.Snapshot()
				switch {
				case c.unit != "":
					if s.Unit != "out_of_order" || s.Reason != c.unit {
						t.Errorf("unit %s %s, want %s", s.Unit, s.Reason, c.unit)
					}
					if _, err := v.start(v.some(still, "", ""), 150_000); err == nil {
						t.Error("it pours all the same")
					}
				case c.blocks == "":
					if len(s.Blocked) > 0 || s.Unit != "ready" {
						t.Errorf("unit %s, %d beverages blocked by a warning", s.Unit, len(s.Blocked))
					}
				default:
					if s.Blocked[struck] != c.blocks {
						t.Errorf("%s is blocked by %q, want %q", struck, s.Blocked[struck], c.blocks)
					}
					if _, err := v.start(struck, 150_000); err == nil {
						t.Errorf("%s pours all the same", struck)
					}
				}
				if c.unit == "" { // others pour as always
					if p := v.pour(v.some(still, "", c.needs), 150_000); p.Outcome != "completed" {
						t.Errorf("another drink: %+v", p)
					}
				}
				v.clear(c.fault)
				if c.ends == 0 {
					return
				}
				v.await("the alarm ends", c.ends, func() bool { return len(v.standing()) == 0 })
				if struck != "" {
					v.await("it is offered again", time.Second, func() bool { return v.blocked(struck) == "" })
				}
			})
		})
	}
}

package sim

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
)

// Every kind of fault changes the physics as it says, and clearing it restores the machine.
func TestEveryFault(t *testing.T) {
	trials := slices.Concat(waterFaults, meterFaults, cartridgeFaults, sensorFaults, inputFaults, boardFaults)
	kinds := map[FaultKind]bool{}
	for _, tt := range trials {
		kinds[tt.fault.Kind] = true
		t.Run(string(tt.fault.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := full(t, nil)
				b.try(t).want(t, well)
				must(t, b.p.Inject(tt.fault))
				if f := b.p.State().Faults; len(f) != 1 || f[0] != tt.fault {
					t.Errorf("the state says %v", f)
				}
				tt.check(t, b)
				must(t, b.p.Clear(Fault{Kind: tt.fault.Kind, Part: tt.fault.Part}))
				if f := b.p.State().Faults; len(f) != 0 {
					t.Errorf("after clearing: %v", f)
				}
				if tt.after != nil {
					tt.after(t, b)
					return
				}
				b.try(t).want(t, well)
				time.Sleep(10 * time.Second)
				b.sees(t, b.agent, 0)
				b.sees(t, b.guard, 0)
			})
		})
	}
	for _, info := range Faults() {
		if !kinds[info.Kind] {
			t.Errorf("%s has no trial", info.Kind)
		}
		if info.What == "" || info.Group == "" {
			t.Errorf("%s is not described", info.Kind)
		}
	}
	if len(kinds) < 35 {
		t.Errorf("only %d kinds", len(kinds))
	}
}

var waterFaults = []trial{
	{Fault{Kind: SupplyCut}, func(t *testing.T, b *bench) {
		b.try(t).want(t, changed(func(s *seen) { s.water, s.pulses, s.late = 0, 0, 0 }))
		b.sees(t, b.agent, hal.NoWater)
		if r := b.reads(t, "p_water"); r.Value > 5 {
			t.Errorf("pressure %+v", r)
		}
	}, nil},
	{Fault{Kind: SupplySag, Amount: 0.6}, pourShows(func(s *seen) { s.water, s.pulses, s.late = 45_000, 45, 2295 }), nil},
	{Fault{Kind: SupplyRamp, Amount: 1}, func(t *testing.T, b *bench) {
		time.Sleep(30 * time.Second)
		got := b.try(t)
		near(t, "water half a minute on", float64(got.water), 37_000, 2000)
		time.Sleep(40 * time.Second)
		b.try(t).want(t, changed(func(s *seen) { s.water, s.pulses, s.late = 0, 0, 0 }))
		b.sees(t, b.agent, hal.NoWater)
	}, nil},
	{Fault{Kind: AirSlugs, Part: "still"}, func(t *testing.T, b *bench) {
		var water int64
		var pulses uint64
		for range 4 {
			s := b.try(t)
			water, pulses = water+s.water, pulses+s.pulses
		}
		if per := float64(pulses) / float64(water) * 1000; water > 250_000 || per < 1.4 {
			t.Errorf("%d µL, %d pulses: %.2f a ml", water, pulses, per)
		}
	}, nil},
	{Fault{Kind: StuckOpen, Part: "still"}, func(t *testing.T, b *bench) {
		before := b.p.State().Cup.TotalUL
		must(t, b.guard.Outputs().Apply(b.master, b.master))
		time.Sleep(2 * time.Second)
		must(t, b.guard.Outputs().Apply(b.master, 0))
		time.Sleep(time.Second)
		near(t, "flow that only MASTER stopped", float64(b.p.State().Cup.TotalUL-before), 150_000, 1500)
	}, nil},
	{Fault{Kind: StuckShut, Part: "still"}, pourShows(func(s *seen) { s.water, s.pulses, s.late = 0, 0, 0 }), nil},
	{Fault{Kind: HalfFlow, Part: "still", Amount: 0.4}, pourShows(func(s *seen) { s.water, s.pulses, s.late = 30_000, 30, 1530 }), nil},
	{Fault{Kind: SlowClose, Part: "still", Amount: 50}, func(t *testing.T, b *bench) {
		for i := range int64(4) { // 50 ms and 3.75 ml more each time
			near(t, "after the close", float64(b.try(t).late), float64(3825+3750*(i+1)), 300)
		}
	}, nil},
	{Fault{Kind: Weep, Part: "still", Amount: 360}, func(t *testing.T, b *bench) {
		m, err := b.agent.Meter("flow_still")
		must(t, err)
		at, pulses := b.p.State().Cup.TotalUL, m.Count().Pulses
		must(t, b.guard.Outputs().Apply(b.master, b.master))
		time.Sleep(50 * time.Second)
		near(t, "drip of 100 µL/s behind an open MASTER", float64(b.p.State().Cup.TotalUL-at), 5000, 100)
		must(t, b.guard.Outputs().Apply(b.master, 0))
		time.Sleep(time.Hour)
		near(t, "and what was trapped behind it", float64(b.p.State().Cup.TotalUL-at), 5000+trapped, 100)
		if n := m.Count().Pulses - pulses; n != 0 {
			t.Errorf("the meter saw %d pulses of a drip", n)
		}
	}, nil},
	{Fault{Kind: ValvesSwapped, Part: "still", With: "sparkling"}, func(t *testing.T, b *bench) {
		m, err := b.agent.Meter("flow_sparkling")
		must(t, err)
		b.try(t).want(t, changed(func(s *seen) { s.water, s.pulses, s.late = 0, 0, 0 }))
		near(t, "pulses of the other meter", float64(m.Count().Pulses), 75, 2)
		if il, err := b.agent.Interlocks().Now(); err != nil || il != 0 {
			t.Errorf("%v, %v", il, err)
		}
		if err := b.p.Inject(Fault{Kind: ValvesSwapped, Part: "master", With: "still"}); err == nil {
			t.Error("one valve is exchanged with two")
		}
	}, nil},
}

var meterFaults = []trial{
	{Fault{Kind: MeterDead, Part: "flow_still"}, pourShows(func(s *seen) { s.pulses = 0 }), nil},
	{Fault{Kind: MeterDrift, Part: "flow_still", Amount: 0.5}, func(t *testing.T, b *bench) {
		for range 4 {
			b.try(t)
		}
		near(t, "pulses after 300 ml at half a litre's worth of gain", float64(b.try(t).pulses), 75*(1+0.5*0.34), 3)
	}, nil},
	{Fault{Kind: PhantomPulses, Part: "flow_still"}, func(t *testing.T, b *bench) {
		m, err := b.agent.Meter("flow_still")
		must(t, err)
		at, before := b.p.State().Cup.TotalUL, m.Count().Pulses
		time.Sleep(20 * time.Second)
		if n := m.Count().Pulses - before; n < 60 || n > 600 || b.p.State().Cup.TotalUL != at {
			t.Errorf("%d pulses without water, %d µL", n, b.p.State().Cup.TotalUL-at)
		}
	}, nil},
	{Fault{Kind: MissedPulses, Part: "flow_still", Amount: 0.4}, func(t *testing.T, b *bench) {
		var n uint64
		for range 8 {
			n += b.try(t).pulses
		}
		near(t, "pulses of 600 ml", float64(n), 0.6*600, 40)
	}, nil},
	{Fault{Kind: Coasting, Part: "flow_still", Amount: 200}, func(t *testing.T, b *bench) {
		s := b.try(t)
		near(t, "pulses with a wheel that runs on", float64(s.pulses), 75+14, 3)
		near(t, "water", float64(s.water), float64(well.water), 1500)
	}, nil},
	{Fault{Kind: LostPulses, Part: "flow_still", Amount: 30}, func(t *testing.T, b *bench) {
		m, err := b.agent.Meter("flow_still")
		must(t, err)
		before := m.Count()
		b.try(t).want(t, changed(func(s *seen) { s.pulses = 0 })) // nobody reads
		must(t, b.p.Clear(Fault{Kind: LostPulses, Part: "flow_still"}))
		c := m.Count()
		near(t, "pulses", float64(c.Pulses-before.Pulses), 75, 2)
		near(t, "of them lost", float64(c.Lost), float64(c.Pulses-before.Pulses-30), 0)
	}, nil},
	{Fault{Kind: MetersSwapped, Part: "flow_still", With: "flow_sparkling"}, func(t *testing.T, b *bench) {
		m, err := b.agent.Meter("flow_sparkling")
		must(t, err)
		b.try(t).want(t, changed(func(s *seen) { s.pulses = 0 }))
		near(t, "pulses at the other meter's line", float64(m.Count().Pulses), 75, 2)
	}, nil},
	{Fault{Kind: StrokeLoss, Part: "p01", Amount: 0.5}, func(t *testing.T, b *bench) {
		s := b.try(t)
		if s.strokes < 15 || s.strokes > 35 || s.syrup != int64(20*s.strokes) {
			t.Errorf("%d strokes, %d µL", s.strokes, s.syrup)
		}
	}, nil},
	{Fault{Kind: StrokeUnseen, Part: "p01"}, pourShows(func(s *seen) { s.strokes = 0 }), nil},
	{Fault{Kind: LineAir, Part: "s01", Amount: 0.6}, func(t *testing.T, b *bench) {
		b.try(t).want(t, changed(func(s *seen) { s.syrup = 400 })) // 30 strokes of air first, all confirmed
		b.try(t).want(t, well)
	}, nil},
}

var cartridgeFaults = []trial{
	{Fault{Kind: CartridgeEmpty, Part: "s01", Amount: 0.2}, func(t *testing.T, b *bench) {
		b.try(t).want(t, changed(func(s *seen) { s.syrup, s.strokes = 200, 10 }))
	}, func(t *testing.T, b *bench) {
		b.try(t).want(t, changed(func(s *seen) { s.syrup, s.strokes = 0, 0 }))
		must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 500_000}))
		b.try(t).want(t, well)
	}},
	{Fault{Kind: CartridgeGone, Part: "s01"}, func(t *testing.T, b *bench) {
		tagShows(hal.ErrNoTag)(t, b)
		b.try(t).want(t, changed(func(s *seen) { s.syrup, s.strokes = 0, 0 }))
	}, nil},
	{Fault{Kind: CartridgeForeign, Part: "s01"}, func(t *testing.T, b *bench) {
		tagShows(hal.ErrForeign)(t, b)
		b.try(t).want(t, well)
		if b.p.CupUL()[foreign] != 1000 {
			t.Errorf("cup %v", b.p.CupUL())
		}
	}, nil},
	{Fault{Kind: CartridgeExpired, Part: "s01"}, func(t *testing.T, b *bench) {
		if tag, err := b.tag(t, "s01"); err != nil || !tag.Expires.Before(time.Now()) || tag.Ingredient != "syrup.sugar" {
			t.Errorf("tag %+v, %v", tag, err)
		}
	}, nil},
	{Fault{Kind: CartridgeWrong, Part: "s01", With: "tea.green"}, func(t *testing.T, b *bench) {
		if tag, err := b.tag(t, "s01"); err != nil || tag.Ingredient != "tea.green" || tag.ID == "cart-s01" {
			t.Errorf("tag %+v, %v", tag, err)
		}
		b.try(t).want(t, well)
		if b.p.CupUL()["tea.green"] != 1000 {
			t.Errorf("cup %v", b.p.CupUL())
		}
	}, func(t *testing.T, b *bench) {
		if tag, err := b.tag(t, "s01"); err != nil || tag.Ingredient != "syrup.sugar" || tag.ID != "cart-s01" {
			t.Errorf("tag %+v, %v", tag, err)
		}
	}},
	{Fault{Kind: CartridgeUnreadable, Part: "s01"}, func(t *testing.T, b *bench) {
		tagShows(hal.ErrUnreadable)(t, b)
		b.try(t).want(t, well)
	}, tagShows(nil)},
}

var sensorFaults = []trial{
	{Fault{Kind: CarbonatorFault}, func(t *testing.T, b *bench) {
		time.Sleep(200 * time.Millisecond)
		b.sees(t, b.agent, hal.Carbonating)
		must(t, b.guard.Outputs().Apply(b.master, b.master))
		must(t, b.agent.Outputs().Apply(b.sparkling, b.sparkling))
		time.Sleep(30 * time.Second)
		must(t, b.agent.Outputs().Apply(b.sparkling, 0))
		if c := b.p.State().Carbonator; c.LevelUL > 0 || c.Filling {
			t.Errorf("after 30 s of sparkling water: %+v", c)
		}
		v, _ := b.p.Valve("sparkling")
		near(t, "what it had", float64(v.SuppliedUL), 1_000_000, 60_000)
		must(t, b.guard.Outputs().Apply(b.master, 0))
	}, func(t *testing.T, b *bench) {
		time.Sleep(50 * time.Second)
		if c := b.p.State().Carbonator; c.LevelUL != 1_000_000 || c.Filling {
			t.Errorf("refilled: %+v", c)
		}
		b.sees(t, b.agent, 0)
		b.try(t).want(t, well)
	}},
	{Fault{Kind: CO2Out}, func(t *testing.T, b *bench) {
		time.Sleep(3 * time.Second)
		b.sees(t, b.agent, 0)
		time.Sleep(27 * time.Second)
		b.sees(t, b.agent, hal.NoCO2)
		if r := b.reads(t, "p_co2"); r.Value > 60 {
			t.Errorf("pressure %+v", r)
		}
		at, _ := b.p.Valve("sparkling")
		b.open(t, b.sparkling, time.Second)
		v, _ := b.p.Valve("sparkling")
		near(t, "sparkling water without gas", float64(v.SuppliedUL-at.SuppliedUL), 4000, 2000)
		b.try(t).want(t, well) // still water does not need it
	}, nil},
	{Fault{Kind: WaterWarm, Amount: 14}, func(t *testing.T, b *bench) {
		time.Sleep(1200 * time.Millisecond)
		if r := b.reads(t, "t_water"); r.Quality != hal.Good || r.Value < 13.9 {
			t.Errorf("reading %+v", r)
		}
	}, func(t *testing.T, b *bench) {
		time.Sleep(30 * time.Minute)
		if r := b.reads(t, "t_water"); r.Value > 3.6 {
			t.Errorf("half an hour of cooling later: %+v", r)
		}
	}},
	{Fault{Kind: CabinetWarm}, func(t *testing.T, b *bench) {
		time.Sleep(1200 * time.Millisecond)
		if r := b.reads(t, "t_cabinet"); r.Quality != hal.Good || r.Value < 17.9 {
			t.Errorf("reading %+v", r)
		}
	}, func(t *testing.T, b *bench) {
		time.Sleep(time.Hour)
		if r := b.reads(t, "t_cabinet"); r.Value > 5.1 {
			t.Errorf("an hour later: %+v", r)
		}
	}},
	{Fault{Kind: SensorOpen, Part: "t_water"}, badSensor, sensorWell},
	{Fault{Kind: SensorShort, Part: "t_water"}, badSensor, sensorWell},
	{Fault{Kind: SensorFrozen, Part: "t_water"}, func(t *testing.T, b *bench) {
		must(t, b.p.Inject(Fault{Kind: WaterWarm, Amount: 12}))
		time.Sleep(3 * time.Second)
		if r := b.reads(t, "t_water"); r.Quality != hal.Good || r.Value > 4 || b.p.Now()-r.At > time.Second {
			t.Errorf("reading %+v of 12 °C", r)
		}
		must(t, b.p.Clear(Fault{Kind: WaterWarm}))
	}, func(t *testing.T, b *bench) {
		time.Sleep(1200 * time.Millisecond)
		if r := b.reads(t, "t_water"); r.Value < 10 {
			t.Errorf("reading %+v", r)
		}
	}},
	{Fault{Kind: SensorFalse, Part: "t_water", Amount: 9.5}, func(t *testing.T, b *bench) {
		time.Sleep(1200 * time.Millisecond)
		if r := b.reads(t, "t_water"); r.Quality != hal.Good || r.Value != 9.5 {
			t.Errorf("reading %+v", r)
		}
	}, sensorWell},
}

func sensorWell(t *testing.T, b *bench) {
	time.Sleep(1200 * time.Millisecond)
	if r := b.reads(t, "t_water"); r.Quality != hal.Good || r.Value > 3.6 || r.Value < 2.4 {
		t.Errorf("reading %+v", r)
	}
}

var inputFaults = []trial{
	{Fault{Kind: EStopPressed}, trips(hal.OwnerGuard, hal.EStop), nil},
	{Fault{Kind: LeakSeen}, trips(hal.OwnerGuard, hal.Leak), nil},
	{Fault{Kind: DoorOpen}, trips(hal.OwnerAgent, hal.Door), nil},
	{Fault{Kind: TrayFull}, trips(hal.OwnerAgent, hal.TrayFull), nil},
	{Fault{Kind: CupRemoved}, func(t *testing.T, b *bench) {
		trips(hal.OwnerAgent, hal.NoCup)(t, b)
		before := b.p.SpilledUL()
		b.try(t).want(t, well)
		near(t, "spilled", float64(b.p.SpilledUL()-before), 76_000, 1500)
	}, nil},
	{Fault{Kind: InputChatter, Part: "door"}, func(t *testing.T, b *bench) {
		raw := map[bool]bool{}
		for range 50 {
			raw[slices.Contains(b.p.State().Tripped, "door")] = true
			b.sees(t, b.agent, 0)
			time.Sleep(time.Millisecond)
		}
		if len(raw) != 2 {
			t.Error("the contact does not bounce")
		}
		must(t, b.p.Inject(Fault{Kind: InputChatter, Part: "door", Amount: 12})) // longer than the debounce
		both := map[hal.Interlocks]bool{}
		for range 50 {
			il, err := b.agent.Interlocks().Now()
			must(t, err)
			both[il] = true
			time.Sleep(time.Millisecond)
		}
		if !both[0] || !both[hal.Door] {
			t.Errorf("slow chatter was seen as %v", both)
		}
	}, nil},
	{Fault{Kind: InputStuck, Part: "door"}, func(t *testing.T, b *bench) {
		must(t, b.p.Inject(Fault{Kind: DoorOpen}))
		time.Sleep(20 * time.Millisecond)
		b.sees(t, b.agent, 0)
		must(t, b.p.Clear(Fault{Kind: InputStuck, Part: "door"}))
		time.Sleep(20 * time.Millisecond)
		b.sees(t, b.agent, hal.Door)
		must(t, b.p.Clear(Fault{Kind: DoorOpen}))
	}, nil},
}

package sim

import (
	"context"
	"errors"
	"testing"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// full is a quiet plant of testdata/full.yaml with both owners, inside a bubble.
func full(t *testing.T, change func(*rigfile.Rig)) *bench {
	t.Helper()
	rig, err := rigfile.Load("testdata/full.yaml")
	must(t, err)
	if change != nil {
		change(rig)
	}
	return newBench(t, Config{Rig: rig, Quiet: true, Seed: 3, Cartridges: []Cartridge{
		{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 1_000_000}, {Slot: "s02", Ingredient: "juice.orange", VolumeUL: 1_000_000},
	}})
}

// seen is what a trial pour of one second and 50 strokes of p01 shows.
type seen struct {
	water   int64  // µL of still water that left the nozzle
	pulses  uint64 // counted by flow_still
	syrup   int64  // µL of everything that came from s01's pump
	strokes uint64 // confirmed
	late    int64  // µL of still water after the command to shut
}

func (b *bench) try(t *testing.T) (s seen) {
	t.Helper()
	m, err := b.agent.Meter("flow_still")
	must(t, err)
	u, err := b.agent.Pump("p01")
	must(t, err)
	water := func() int64 { v, _ := b.p.Valve("still"); return v.SuppliedUL }
	syrup := func() (ul int64) {
		for _, by := range []map[string]int64{b.p.State().Cup.Parts, b.p.State().Spilled} {
			for name, x := range by {
				if name != "water.still" && name != "water.sparkling" {
					ul += x
				}
			}
		}
		return ul
	}
	w, c, y, n := water(), m.Count(), syrup(), u.Delivered()
	_ = b.guard.Outputs().Apply(b.master, b.master) // some faults refuse it
	_ = b.agent.Outputs().Apply(b.still, b.still)
	_ = u.Dose(50, 10*time.Millisecond)
	time.Sleep(time.Second)
	before := water()
	_ = b.agent.Outputs().Apply(b.still, 0)
	time.Sleep(500 * time.Millisecond)
	_ = b.guard.Outputs().Apply(b.master, 0)
	time.Sleep(time.Second)
	return seen{
		water: water() - w, pulses: m.Count().Pulses - c.Pulses, syrup: syrup() - y, strokes: u.Delivered() - n, late: water() - before,
	}
}

// well is what try shows on a machine in order.
var well = seen{water: 75_000, pulses: 75, syrup: 1000, strokes: 50, late: 3825}

func (s seen) close(to seen) bool {
	off := func(a, b, by int64) bool { return max(a-b, b-a) <= by }
	return off(s.water, to.water, 1500) && off(int64(s.pulses), int64(to.pulses), 2) && off(s.syrup, to.syrup, 25) && off(int64(s.strokes), int64(to.strokes), 1) && off(s.late, to.late, 600)
}

func (s seen) want(t *testing.T, to seen) {
	t.Helper()
	if !s.close(to) {
		t.Errorf("a pour showed %+v, want about %+v", s, to)
	}
}

// changed is well with something else.
func changed(f func(*seen)) seen {
	s := well
	f(&s)
	return s
}

func (b *bench) sees(t *testing.T, who hal.Rig, want hal.Interlocks) {
	t.Helper()
	if got, err := who.Interlocks().Now(); err != nil || got != want {
		t.Errorf("inputs: %v, %v; want %v", got, err, want)
	}
}

func (b *bench) reads(t *testing.T, id string) hal.Reading {
	t.Helper()
	s, err := b.agent.Sensor(id)
	must(t, err)
	return s.Read()
}

func (b *bench) tag(t *testing.T, id string) (hal.Tag, error) {
	t.Helper()
	s, err := b.agent.Slot(id)
	must(t, err)
	return s.Tag(context.Background())
}

// trial is one kind of fault: what it changes, and, when that is not a pour as on a machine in order, what is so after it
// was cleared.
type trial struct {
	fault Fault
	check func(t *testing.T, b *bench)
	after func(t *testing.T, b *bench) // nil: a pour as on a machine in order
}

func pourShows(f func(*seen)) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) { b.try(t).want(t, changed(f)) }
}

func tagShows(want error) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) {
		if _, err := b.tag(t, "s01"); !errors.Is(err, want) {
			t.Errorf("tag: %v, want %v", err, want)
		}
	}
}

func badSensor(t *testing.T, b *bench) {
	time.Sleep(1200 * time.Millisecond)
	if r := b.reads(t, "t_water"); r.Quality != hal.Bad || r.Why == "" {
		t.Errorf("reading %+v", r)
	}
}

func refusesOpen(want error) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) {
		b.try(t).want(t, well) // those who have their lines keep them
		must(t, b.agent.Close())
		if _, err := b.p.Open(hal.OwnerAgent); !errors.Is(err, want) {
			t.Errorf("open: %v, want %v", err, want)
		}
	}
}

func reopens(t *testing.T, b *bench) {
	var err error
	b.agent, err = b.p.Open(hal.OwnerAgent)
	must(t, err)
	b.try(t).want(t, well)
}

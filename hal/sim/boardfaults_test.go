package sim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

func isGone(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, hal.ErrGone) {
		t.Errorf("%s: %v, want ErrGone", what, err)
	}
}

var boardFaults = []trial{
	{Fault{Kind: ChipGone, Part: "x1"}, func(t *testing.T, b *bench) {
		must(t, b.p.Clear(Fault{Kind: ChipGone, Part: "x1"}))
		out := b.agent.Outputs()
		line := func() bool { v, _ := b.p.Valve("sparkling"); return v.Commanded }
		must(t, out.Apply(b.sparkling, b.sparkling))
		must(t, b.p.Inject(Fault{Kind: ChipGone, Part: "x1"}))
		isGone(t, "renewing", out.Apply(b.sparkling, b.sparkling))
		if time.Sleep(15 * time.Millisecond); !line() {
			t.Error("the line fell before the reset line was asserted")
		}
		if time.Sleep(10 * time.Millisecond); line() {
			t.Error("the reset line did not let the line fall")
		}
		isGone(t, "Safe", b.agent.Safe(nil))
		b.try(t).want(t, well) // what is on other chips works
		if h := b.agent.Health(); len(h) != 1 || h[0].Part != "x1" || h[0].Kind != hal.FaultGone {
			t.Errorf("health %v", h)
		}
	}, func(t *testing.T, b *bench) {
		must(t, b.agent.Outputs().Apply(b.sparkling, b.sparkling)) // Safe took note
		must(t, b.agent.Outputs().Apply(b.sparkling, 0))
		time.Sleep(time.Second)
		b.try(t).want(t, well)
	}},
	{Fault{Kind: BusStuck, Part: "x1"}, func(t *testing.T, b *bench) {
		u, err := b.agent.Pump("p01")
		must(t, err)
		isGone(t, "dose of a chip on the same bus", u.Dose(1, 0))
		if _, err := b.tag(t, "s01"); err != nil {
			t.Errorf("a reader on another bus: %v", err)
		}
		if n := len(b.agent.Health()); n != 3 {
			t.Errorf("health %v", b.agent.Health())
		}
		time.Sleep(5 * time.Second)
		if r := b.reads(t, "p_water"); r.Quality != hal.Stale || r.Why == "" {
			t.Errorf("an ADC on the same bus: %+v", r)
		}
	}, nil},
	{Fault{Kind: ChipSlow, Part: "x1"}, func(t *testing.T, b *bench) {
		line := func() bool { v, _ := b.p.Valve("sparkling"); return v.Commanded }
		must(t, b.agent.Outputs().Apply(b.sparkling, b.sparkling))
		time.Sleep(45 * time.Millisecond)
		early := line()
		time.Sleep(10 * time.Millisecond)
		if early || !line() {
			t.Errorf("the line after 45 ms: %v, after 55 ms: %v", early, line())
		}
		must(t, b.agent.Outputs().Apply(b.sparkling, 0))
		time.Sleep(45 * time.Millisecond)
		if !line() {
			t.Error("the line fell before the delay was over")
		}
		time.Sleep(10 * time.Millisecond)
		if line() {
			t.Error("the line did not fall")
		}
	}, nil},
	{Fault{Kind: ChipReset, Part: "x1"}, func(t *testing.T, b *bench) {
		must(t, b.p.Clear(Fault{Kind: ChipReset, Part: "x1"}))
		must(t, b.guard.Outputs().Apply(b.master, b.master))
		must(t, b.agent.Outputs().Apply(b.sparkling|b.still, b.sparkling|b.still))
		time.Sleep(500 * time.Millisecond)
		must(t, b.p.Inject(Fault{Kind: ChipReset, Part: "x1", Amount: 100}))
		time.Sleep(150 * time.Millisecond)
		if v, _ := b.p.Valve("sparkling"); v.Commanded || v.Open {
			t.Errorf("mid-pour: %+v", v)
		}
		if v, _ := b.p.Valve("still"); !v.Open {
			t.Error("a valve of another chip fell")
		}
		if h := b.agent.Health(); len(h) != 1 || h[0].Kind != hal.FaultReset {
			t.Errorf("health %v", h)
		}
		out := b.agent.Outputs()
		isGone(t, "opening again before anybody took note", out.Apply(b.sparkling, b.sparkling))
		isGone(t, "taking note", out.Apply(b.sparkling, 0))
		must(t, out.Apply(b.sparkling, b.sparkling)) // it was set up again
		if v, _ := b.p.Valve("sparkling"); !v.Commanded {
			t.Error("it takes no commands")
		}
		time.Sleep(120 * time.Millisecond) // and forgets once more
		if v, _ := b.p.Valve("sparkling"); v.Commanded {
			t.Error("the second reset did not come")
		}
		must(t, b.agent.Safe(nil))
		must(t, b.guard.Safe(nil))
		time.Sleep(time.Second)
	}, nil},
	{Fault{Kind: LineBusy, Part: "agent"}, refusesOpen(hal.ErrBusy), reopens},
	{Fault{Kind: ChipMissing, Part: "d1"}, refusesOpen(hal.ErrGone), reopens},
	{Fault{Kind: RigStall, Part: "agent"}, func(t *testing.T, b *bench) {
		m, err := b.agent.Meter("flow_still")
		must(t, err)
		before := m.Count()
		must(t, b.p.Inject(Fault{Kind: DoorOpen}))
		must(t, b.guard.Outputs().Apply(b.master, b.master))
		must(t, b.agent.Outputs().Apply(b.still, b.still))
		time.Sleep(250 * time.Millisecond)
		b.sees(t, b.agent, 0) // the door is open since
		if c := m.Count(); c != before {
			t.Errorf("the count moves: %+v", c)
		}
		time.Sleep(100 * time.Millisecond)
		_, err = b.agent.Interlocks().Now()
		isGone(t, "inputs after 350 ms", err)
		if h := b.agent.Health(); len(h) != 1 || h[0].Kind != hal.FaultGone {
			t.Errorf("health %v", h)
		}
		must(t, b.agent.Safe(nil)) // commands still arrive
		time.Sleep(time.Second)
		if v, _ := b.p.Valve("still"); v.Open {
			t.Error("Safe did not arrive")
		}
		must(t, b.p.Clear(Fault{Kind: RigStall, Part: "agent"}))
		if c := m.Count(); c.Pulses < before.Pulses+15 || c.Lost != 0 {
			t.Errorf("after the stall: %+v", c)
		}
		b.sees(t, b.agent, hal.Door)
		must(t, b.p.Clear(Fault{Kind: DoorOpen}))
	}, nil},
	{Fault{Kind: ValvePowerCut}, func(t *testing.T, b *bench) {
		b.try(t).want(t, changed(func(s *seen) { s.water, s.pulses, s.late = 0, 0, 0 }))
		must(t, b.agent.Outputs().Apply(b.still, b.still))
		v, _ := b.p.Valve("still")
		if !v.Commanded || v.Open || !b.p.State().Unpowered {
			t.Errorf("%+v", v)
		}
		must(t, b.agent.Outputs().Apply(b.still, 0))
	}, nil},
	{Fault{Kind: PowerCut}, func(t *testing.T, b *bench) {
		must(t, b.p.Clear(Fault{Kind: PowerCut}))
		must(t, b.guard.Outputs().Apply(b.master, b.master))
		must(t, b.agent.Outputs().Apply(b.still, b.still))
		time.Sleep(time.Second)
		m, err := b.agent.Meter("flow_still")
		must(t, err)
		must(t, b.p.Inject(Fault{Kind: PowerCut}))
		at := m.Count()
		time.Sleep(500 * time.Millisecond)
		s := b.p.State()
		for _, v := range s.Valves {
			if v.Commanded || v.Open {
				t.Errorf("%+v", v)
			}
		}
		if c := m.Count(); c != at || c.Pulses < 50 {
			t.Errorf("counted %+v, then %+v", at, c)
		}
		isGone(t, "apply", b.agent.Outputs().Apply(b.still, b.still))
		_, err = b.agent.Interlocks().Now()
		isGone(t, "inputs", err)
		must(t, b.agent.Close())
		_, err = b.p.Open(hal.OwnerAgent)
		isGone(t, "open", err)
	}, reopens},
}

// Without a reset line the outputs of a chip that hangs stay open; when it is back they are shut, and stay so until
// somebody took note.
func TestChipWithoutReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := full(t, func(r *rigfile.Rig) { r.Chips[1].Reset = nil })
		out, gone := b.agent.Outputs(), Fault{Kind: ChipGone, Part: "x1"}
		line := func() bool { v, _ := b.p.Valve("sparkling"); return v.Commanded }
		must(t, out.Apply(b.sparkling, b.sparkling))
		must(t, b.p.Inject(gone))
		time.Sleep(5 * time.Second)
		isGone(t, "shutting", out.Apply(b.sparkling, 0))
		if !line() || out.Commanded() != b.sparkling {
			t.Errorf("line %v, commanded %b", line(), out.Commanded())
		}
		must(t, b.p.Clear(gone))
		if line() || out.Commanded() != 0 {
			t.Errorf("back: line %v, commanded %b", line(), out.Commanded())
		}
		must(t, out.Apply(b.sparkling, b.sparkling)) // the shutting took note
		must(t, b.p.Inject(gone))
		time.Sleep(time.Second)
		must(t, b.p.Clear(gone))
		isGone(t, "renewing what fell meanwhile", out.Apply(b.sparkling, b.sparkling))
		if line() {
			t.Error("it opened again by itself")
		}
	})
}

package sim

import (
	"errors"
	"testing"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// fullServed is a live plant of testdata/full.yaml behind a socket, with both owners in other processes as far as they
// can tell.
func fullServed(t *testing.T, change func(*rigfile.Rig)) (s *served, guard, agent hal.Rig) {
	t.Helper()
	rig, err := rigfile.Load("testdata/full.yaml")
	must(t, err)
	if change != nil {
		change(rig)
	}
	p, err := NewPlant(Config{Rig: rig, Quiet: true, Live: true, Cartridges: []Cartridge{{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 1_000_000, Lot: "L7"}}})
	must(t, err)
	s = serve(t, p)
	guard, _, err = Dial(t.Context(), s.socket, hal.OwnerGuard)
	must(t, err)
	t.Cleanup(func() { _ = guard.Close() })
	agent, _, err = Dial(t.Context(), s.socket, hal.OwnerAgent)
	must(t, err)
	t.Cleanup(func() { _ = agent.Close() })
	return s, guard, agent
}

// soon waits until cond holds on a live host.
func soon(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestSocketTags(t *testing.T) {
	s, _, agent := fullServed(t, nil)
	slot, err := agent.Slot("s01")
	must(t, err)
	tag, err := slot.Tag(t.Context())
	if err != nil || tag.Lot != "L7" || tag.Ingredient != "syrup.sugar" {
		t.Errorf("tag %+v, %v", tag, err)
	}
	for _, tt := range []struct {
		fault Fault
		want  error
	}{
		{Fault{Kind: CartridgeForeign, Part: "s01"}, hal.ErrForeign},
		{Fault{Kind: CartridgeUnreadable, Part: "s01"}, hal.ErrUnreadable},
		{Fault{Kind: CartridgeGone, Part: "s01"}, hal.ErrNoTag},
		{Fault{Kind: ChipGone, Part: "r1"}, hal.ErrGone},
	} {
		must(t, s.p.Inject(tt.fault))
		if _, err := slot.Tag(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.fault.Kind, err, tt.want)
		}
		must(t, s.p.Clear(tt.fault))
	}
	if _, err := slot.Tag(t.Context()); err != nil {
		t.Errorf("after all: %v", err)
	}
}

func TestSocketRefusals(t *testing.T) {
	s, _, agent := fullServed(t, nil)
	must(t, agent.Close())
	for _, tt := range []struct {
		fault Fault
		want  error
	}{{Fault{Kind: ChipMissing, Part: "d1"}, hal.ErrGone}, {Fault{Kind: LineBusy, Part: "agent"}, hal.ErrBusy}} {
		must(t, s.p.Inject(tt.fault))
		if _, _, err := Dial(t.Context(), s.socket, hal.OwnerAgent); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.fault.Kind, err, tt.want)
		}
		must(t, s.p.Clear(tt.fault))
	}
	again, _, err := Dial(t.Context(), s.socket, hal.OwnerAgent)
	must(t, err)
	must(t, again.Close())
}

// A stall of the plant's answers is seen as what it is: old, then gone, then all there again.
func TestSocketStall(t *testing.T) {
	s, _, agent := fullServed(t, nil)
	must(t, s.p.Inject(Fault{Kind: RigStall, Part: "agent"}))
	must(t, s.p.Inject(Fault{Kind: DoorOpen}))
	s.server.Wake()
	soon(t, "inputs are gone", func() bool {
		il, err := agent.Interlocks().Now()
		if err == nil && il != 0 {
			t.Fatalf("an answer came through: %v", il)
		}
		return errors.Is(err, hal.ErrGone)
	})
	if h := agent.Health(); len(h) != 1 || h[0].Kind != hal.FaultGone {
		t.Errorf("health %v", h)
	}
	x, err := agent.Sensor("t_water")
	must(t, err)
	if r := x.Read(); r.Quality != hal.Stale || r.Why == "" {
		t.Errorf("a sensor of a stalled rig: %+v", r)
	}
	must(t, s.p.Clear(Fault{Kind: RigStall, Part: "agent"}))
	s.server.Wake()
	soon(t, "the door is seen", func() bool { il, err := agent.Interlocks().Now(); return err == nil && il == hal.Door })
}

// The one-shot falls when the guard's beats end, over the socket as well.
func TestSocketHeartbeat(t *testing.T) {
	s, guard, _ := fullServed(t, func(r *rigfile.Rig) { r.Sim.HeartbeatHold = 300 * time.Millisecond })
	heart := guard.(hal.Heart)
	powered := func() bool { return !s.p.State().Unpowered }
	if powered() {
		t.Error("the supply is on before the first edge")
	}
	soon(t, "the supply is on", func() bool { must(t, heart.Beat()); return powered() })
	soon(t, "the supply falls", func() bool { return !powered() })
	if n := testing.AllocsPerRun(20, func() { _ = heart.Beat() }); n > 1 { // the plant's side runs in this process too
		t.Errorf("Beat allocates %v times", n)
	}
}

// A shut that a chip does not take is said to the caller, and done when the chip is back.
func TestSocketSafeBehindAGoneChip(t *testing.T) {
	s, _, agent := fullServed(t, func(r *rigfile.Rig) { r.Chips[1].Reset = nil })
	bit := mustBit(t, agent, "sparkling") // on x1
	must(t, agent.Outputs().Apply(bit, bit))
	line := func() bool { v, _ := s.p.Valve("sparkling"); return v.Commanded }
	soon(t, "the line opens", line)
	must(t, s.p.Inject(Fault{Kind: ChipGone, Part: "x1"}))
	s.server.Wake()
	soon(t, "Safe says that the chip is gone", func() bool { return errors.Is(agent.Safe(nil), hal.ErrGone) })
	if !line() || agent.Outputs().Commanded() != bit {
		t.Errorf("line %v, commanded %b", line(), agent.Outputs().Commanded())
	}
	r := agent.(*remoteRig)
	r.out.Lock()
	r.note(bit, 0) // by a Safe that was sent before the chip was known to be gone,
	r.sent += 1000 // and commands are always under way since
	r.out.Unlock()
	for range 2 {
		if err := agent.Safe(nil); !errors.Is(err, hal.ErrGone) || agent.Outputs().Commanded() != bit {
			t.Errorf("%v, commanded %b: nobody hears that the line stays open", err, agent.Outputs().Commanded())
		}
	}
	r.out.Lock()
	r.sent -= 1000
	r.out.Unlock()
	must(t, s.p.Clear(Fault{Kind: ChipGone, Part: "x1"}))
	s.server.Wake()
	soon(t, "the line is shut when the chip is back", func() bool { return !line() && agent.Outputs().Commanded() == 0 })
	soon(t, "it opens again", func() bool { return agent.Outputs().Apply(bit, bit) == nil && line() })
	must(t, s.p.Inject(Fault{Kind: ChipReset, Part: "x1"}))
	s.server.Wake()
	soon(t, "an output that fell with its chip is known to be shut", func() bool { return agent.Outputs().Commanded() == 0 })
	soon(t, "renewing it is refused", func() bool { return errors.Is(agent.Outputs().Apply(bit, bit), hal.ErrGone) })
	if line() {
		t.Error("it opened again by itself")
	}
	must(t, agent.Safe(nil))
	soon(t, "after Safe it opens", func() bool { return agent.Outputs().Apply(bit, bit) == nil && line() })
}

package haltest

import (
	"errors"
	"testing"

	"fountain/hal"
)

func interlocks(t *testing.T, b Bench) {
	guard, agent := open(t, b, hal.OwnerGuard), open(t, b, hal.OwnerAgent)
	read := func(h *hand) hal.Interlocks {
		il, err := h.Rig.Interlocks().Now()
		if err != nil {
			t.Fatalf("interlocks: %v", err)
		}
		return il
	}
	if il := read(agent) | read(guard); il != 0 {
		t.Fatalf("%v tripped at the start", il)
	}
	for _, tt := range []struct {
		sig         hal.Interlocks
		mine, other *hand
	}{{hal.Door, agent, guard}, {hal.EStop, guard, agent}} {
		b.Plant.Trip(tt.sig, true)
		b.eventually(t, react, tt.sig.String()+" is seen", func() bool { return read(tt.mine) == tt.sig })
		if il := read(tt.other); il != 0 {
			t.Errorf("the other owner sees %v", il)
		}
		b.Plant.Trip(tt.sig, false)
		b.eventually(t, react, tt.sig.String()+" ends", func() bool { return read(tt.mine) == 0 })
	}
}

func closeIsSafe(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	h.apply(t, h.all, h.all)
	b.eventually(t, react, "lines open", h.lines(true))
	for range 2 {
		if err := h.Rig.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	b.eventually(t, react, "lines shut after Close", h.lines(false))
	if err := h.Rig.Outputs().Apply(h.all, h.all); !errors.Is(err, hal.ErrClosed) {
		t.Errorf("apply after Close: %v, want ErrClosed", err)
	}
	if _, err := h.Rig.Interlocks().Now(); err == nil {
		t.Error("a closed rig says that all is safe")
	}
	if !h.lines(false)() {
		t.Error("a closed rig opened a line")
	}
}

func unknownParts(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	_, bit := h.Rig.Outputs().Bit("nothing")
	_, meter := h.Rig.Meter("nothing")
	_, pump := h.Rig.Pump(hal.Master)
	_, slot := h.Rig.Slot("nothing")
	for what, err := range map[string]error{"Bit": bit, "Meter": meter, "Pump of a valve": pump, "Slot": slot} {
		if !errors.Is(err, hal.ErrUnknownPart) {
			t.Errorf("%s: %v, want ErrUnknownPart", what, err)
		}
	}
	if _, err := h.Rig.Outputs().Bit(hal.Master); !errors.Is(err, hal.ErrNotOwner) {
		t.Errorf("agent asks for MASTER: %v, want ErrNotOwner", err)
	}
	g := open(t, b, hal.OwnerGuard)
	for _, v := range h.valves {
		if _, err := g.Rig.Outputs().Bit(v.ID); !errors.Is(err, hal.ErrNotOwner) {
			t.Errorf("guard asks for %s: %v, want ErrNotOwner", v.ID, err)
		}
	}
	if _, err := g.Rig.Meter(partOf(t, h.Rig, hal.KindMeter, hal.OwnerAgent)); !errors.Is(err, hal.ErrNotOwner) {
		t.Errorf("guard asks for the agent's meter: %v, want ErrNotOwner", err)
	}
	if _, err := b.Open("nobody"); !errors.Is(err, hal.ErrNotOwner) {
		t.Errorf("open as nobody: %v, want ErrNotOwner", err)
	}
}

// partOf finds the first part of a kind.
func partOf(t *testing.T, r hal.Rig, kind hal.Kind, owner hal.Owner) string {
	t.Helper()
	for _, p := range r.Parts() {
		if p.Kind == kind && p.Owner == owner {
			return p.ID
		}
	}
	t.Fatalf("no %s of %s: the bench's rig file is too small", kind, owner)
	return ""
}

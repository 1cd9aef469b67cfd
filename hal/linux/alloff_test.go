package linux

import (
	"path/filepath"
	"testing"

	"fountain/hal"
	"fountain/hal/chips/chipmodel"
	"fountain/hal/rigfile"
)

// emulated is the emulator's machine on the fake kernel.
func emulated(t *testing.T, file string) (*rigfile.Rig, *fakeKernel, *chipmodel.MCP23017, *chipmodel.Doser) {
	t.Helper()
	rf, err := rigfile.Load(filepath.Join("..", "..", "testdata", "rig", file))
	if err != nil {
		t.Fatal(err)
	}
	rf.Sensors = nil // their files are not here
	k := newFakeKernel("rig")
	bus, x, d := chipmodel.NewBus(), chipmodel.NewMCP23017(), chipmodel.NewDoser()
	bus.Put(0x20, x)
	bus.Put(0x40, d)
	k.buses[9] = bus
	return rf, k, x, d
}

// opened says which outputs of the file are at their open level.
func opened(rf *rigfile.Rig, k *fakeKernel, x *chipmodel.MCP23017) (out []string) {
	c := k.chips[0]
	for _, v := range rf.Valves {
		if c.out(v.Line.Line) == v.Line.ActiveHigh {
			out = append(out, v.ID)
		}
	}
	for _, p := range rf.Pumps {
		if p.Line.Chip == "soc" && c.out(p.Line.Line) == p.Line.ActiveHigh {
			out = append(out, p.ID)
		}
	}
	levels, driven := x.Pins()
	for _, a := range rf.Agitators {
		if on := levels>>a.Line.Line&1 != 0; driven>>a.Line.Line&1 != 0 && on == a.Line.ActiveHigh {
			out = append(out, a.ID)
		}
	}
	return out
}

// Both programs die with everything open and lines that keep their level: AllOff shuts every one of them.
func TestAllOffAfterBothDied(t *testing.T) {
	for _, file := range []string{"emulator.yaml", "emulator-low.yaml"} {
		t.Run(file, func(t *testing.T) {
			rf, k, x, _ := emulated(t, file)
			for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
				rig, _, err := Open(t.Context(), rf, owner, withSystem(k.system()), WithPriority(0))
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range rig.Parts() {
					if p.Owner != owner || p.Kind != hal.KindValve && p.Kind != hal.KindAgitator {
						continue
					}
					bit, err := rig.Outputs().Bit(p.ID)
					if err != nil {
						t.Fatal(err)
					}
					if err := rig.Outputs().Apply(bit, bit); err != nil {
						t.Fatal(err)
					}
				}
				if owner == hal.OwnerAgent {
					waitFor(t, "everything is open", func() bool { return len(opened(rf, k, x)) == 4 })
				}
				Abandon(rig)
			}
			if n := opened(rf, k, x); len(n) != 4 {
				t.Fatalf("open after both died: %v; the fake kernel should keep levels", n)
			}
			list, err := AllOff(t.Context(), rf, withSystem(k.system()))
			if err != nil {
				t.Fatal(err)
			}
			if n := opened(rf, k, x); len(n) != 0 {
				t.Errorf("still open: %v", n)
			}
			if len(list) != 6 || list[0].ID != hal.Master { // three valves, a pump on lines, the doser and the expander
				t.Errorf("told of %+v", list)
			}
			for _, o := range list {
				if o.Err != nil || o.Busy != "" {
					t.Errorf("%+v", o)
				}
			}
			for line, f := range k.chips[0].owner {
				if f != nil {
					t.Errorf("line %d is still held", line)
				}
			}
			if k.held["i2c-9-0x20"] || k.held["i2c-9-0x40"] {
				t.Error("a chip is still held")
			}
			rig, _, err := Open(t.Context(), rf, hal.OwnerAgent, withSystem(k.system()), WithPriority(0))
			if err != nil {
				t.Fatalf("after AllOff nobody can open: %v", err)
			}
			_ = rig.Close()
		})
	}
}

// What a living process holds is his: it is told, and left alone.
func TestAllOffLeavesTheLiving(t *testing.T) {
	rf, k, x, _ := emulated(t, "emulator.yaml")
	agent, _, err := Open(t.Context(), rf, hal.OwnerAgent, withSystem(k.system()), WithPriority(0))
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	bit, _ := agent.Outputs().Bit("still")
	if err := agent.Outputs().Apply(bit, bit); err != nil {
		t.Fatal(err)
	}
	list, err := AllOff(t.Context(), rf, withSystem(k.system()))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		switch {
		case o.Err != nil:
			t.Errorf("%+v", o)
		case (o.Busy == "") != (o.ID == hal.Master):
			t.Errorf("%s is told busy by %q", o.ID, o.Busy)
		case (o.ID == "still") && o.Busy != "fountain-agent":
			t.Errorf("still is held by %q", o.Busy)
		}
	}
	if n := opened(rf, k, x); len(n) != 1 || n[0] != "still" {
		t.Errorf("open: %v, want still alone", n)
	}
}

// A bus that hangs keeps no line open, and an expander with a reset line is held in reset.
func TestAllOffWithoutTheBus(t *testing.T) {
	rf, k, _, _ := emulated(t, "emulator.yaml")
	k.buses[9].Fail(0x20, hal.ErrGone)
	k.buses[9].Fail(0x40, hal.ErrGone)
	k.chips[0].level[0], k.chips[0].level[1] = true, true // as two dead processes left them
	list, err := AllOff(t.Context(), rf, withSystem(k.system()))
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]bool{}
	for _, o := range list {
		failed[o.ID] = o.Err != nil
	}
	if !failed["d1"] || !failed["x1"] || failed["master"] || failed["still"] || failed["p09"] {
		t.Errorf("%+v", list)
	}
	if k.chips[0].out(0) || k.chips[0].out(1) {
		t.Error("a valve is open")
	}
	if k.chips[0].out(11) { // active low
		t.Error("x1 is not held in reset")
	}
}

// A machine without the chip says so for every part, at once.
func TestAllOffOnTheWrongMachine(t *testing.T) {
	rf, _, _, _ := emulated(t, "emulator.yaml")
	k := newFakeKernel("other")
	list, err := AllOff(t.Context(), rf, withSystem(k.system()))
	if err != nil || len(list) != 6 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, o := range list {
		if o.Err == nil {
			t.Errorf("%s: shut on a machine without its chip", o.ID)
		}
	}
}

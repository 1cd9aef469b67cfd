package sim

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
)

// bench is a plant with both owners, inside a synctest bubble.
type bench struct {
	p            *Plant
	guard, agent hal.Rig
	master       uint64
	still        uint64
	sparkling    uint64
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	p, err := NewPlant(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{p: p}
	if b.guard, err = p.Open(hal.OwnerGuard); err != nil {
		t.Fatal(err)
	}
	if b.agent, err = p.Open(hal.OwnerAgent); err != nil {
		t.Fatal(err)
	}
	b.master = mustBit(t, b.guard, hal.Master)
	b.still = mustBit(t, b.agent, "still")
	b.sparkling = mustBit(t, b.agent, "sparkling")
	return b
}

func mustBit(t *testing.T, r hal.Rig, id string) uint64 {
	t.Helper()
	bit, err := r.Outputs().Bit(id)
	if err != nil {
		t.Fatal(err)
	}
	return bit
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens MASTER and the agent's valves in mask for d, shuts the valves, then MASTER, and waits until all is still.
func (b *bench) open(t *testing.T, mask uint64, d time.Duration) {
	t.Helper()
	must(t, b.guard.Outputs().Apply(b.master, b.master))
	must(t, b.agent.Outputs().Apply(mask, mask))
	time.Sleep(d)
	must(t, b.agent.Outputs().Apply(mask, 0))
	time.Sleep(300 * time.Millisecond)
	must(t, b.guard.Outputs().Apply(b.master, 0))
	time.Sleep(300 * time.Millisecond)
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %.1f, want %.1f ± %.1f", what, got, want, tolerance)
	}
}

// conserved checks that what left the supply and the cartridges is in the cup or on the floor.
func conserved(t *testing.T, p *Plant, cartridges int64) {
	t.Helper()
	s := p.State()
	var out int64
	for _, v := range s.Valves {
		out += v.SuppliedUL
	}
	left := int64(0)
	for _, c := range s.Slots {
		left += c.LevelUL
	}
	near(t, "volume out against cup and spill", float64(out+cartridges-left), float64(s.Cup.TotalUL+s.SpilledUL), 5)
}

func TestPhysics(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"water reaches the cup after the lag and coasts after the close", func(t *testing.T) {
			b := newBench(t, Config{Quiet: true})
			b.open(t, b.still, 2*time.Second)
			// both lags and ramps are alike, so the open time is what flows; the inertia of the line evens out
			near(t, "cup", float64(b.p.CupUL()["water.still"]), 150_000, 800)
			m, err := b.agent.Meter("flow_still")
			must(t, err)
			near(t, "pulses", float64(m.Count().Pulses), 150, 1.5)
			conserved(t, b.p, 0)
		}},
		{"nothing flows behind a shut MASTER", func(t *testing.T) {
			b := newBench(t, Config{Quiet: true})
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			time.Sleep(5 * time.Second)
			if s := b.p.State(); s.Cup.TotalUL != 0 || s.Pulses["flow_still"] != 0 {
				t.Errorf("cup %d µL, %d pulses", s.Cup.TotalUL, s.Pulses["flow_still"])
			}
		}},
		{"two valves share the pressure", func(t *testing.T) {
			b := newBench(t, Config{Quiet: true})
			b.open(t, b.still|b.sparkling, 2*time.Second)
			near(t, "still", float64(b.p.CupUL()["water.still"]), 150_000/1.12, 1500)
		}},
		{"strokes come from the cartridge and are confirmed", func(t *testing.T) {
			b := newBench(t, Config{Seed: 7, Cartridges: []Cartridge{{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 50_000}}})
			u, err := b.agent.Pump("p01")
			must(t, err)
			must(t, u.Dose(300, 0))
			time.Sleep(500 * time.Millisecond)
			near(t, "strokes after half a second at 300/s", float64(u.Delivered()), 150, 1)
			time.Sleep(time.Second)
			if u.Delivered() != 300 {
				t.Errorf("delivered %d strokes, want 300", u.Delivered())
			}
			near(t, "cup", float64(b.p.CupUL()["syrup.sugar"]), 30_000, 500)
			must(t, u.Dose(300, 0))
			time.Sleep(2 * time.Second)
			near(t, "strokes from an emptied cartridge", float64(u.Delivered()), 499, 8)
			conserved(t, b.p, 50_000)
		}},
		{"stop lets only the stroke under way finish", func(t *testing.T) {
			b := newBench(t, Config{Quiet: true, Cartridges: []Cartridge{{Slot: "s30", Ingredient: "tea.green", VolumeUL: 50_000}}})
			u, err := b.agent.Pump("p30")
			must(t, err)
			must(t, u.Dose(1000, 20*time.Millisecond))
			time.Sleep(210 * time.Millisecond)
			at := u.Delivered()
			must(t, u.Stop())
			time.Sleep(time.Second)
			if got := u.Delivered(); got > at+1 || at < 10 || at > 11 {
				t.Errorf("%d strokes at the stop, %d after", at, got)
			}
		}},
		{"a cup that is away or full spills; the tray fills and leaks", func(t *testing.T) {
			b := newBench(t, Config{Quiet: true})
			must(t, b.p.Inject(Fault{Kind: CupRemoved}))
			b.open(t, b.still, time.Second)
			near(t, "spilled", float64(b.p.SpilledUL()), 75_000, 500)
			must(t, b.p.Clear(Fault{Kind: CupRemoved}))
			b.open(t, b.still, 20*time.Second)
			s := b.p.State()
			near(t, "cup", float64(s.Cup.TotalUL), 1_000_000, 1)
			conserved(t, b.p, 0)
			b.open(t, b.still, 29*time.Second)
			if il, err := b.guard.Interlocks().Now(); err != nil || il != hal.Leak {
				t.Errorf("guard sees %v, %v; want leak", il, err)
			}
			if il, err := b.agent.Interlocks().Now(); err != nil || il != hal.TrayFull {
				t.Errorf("agent sees %v, %v; want tray-full", il, err)
			}
			b.p.EmptyTray()
			b.p.NewCup()
			time.Sleep(10 * time.Millisecond)
			if il, _ := b.guard.Interlocks().Now(); il != 0 {
				t.Errorf("guard still sees %v", il)
			}
			if n := len(b.p.CupUL()); n != 0 {
				t.Errorf("a new cup holds %d ingredients", n)
			}
		}},
		{"nobody closes: the floor floods", func(t *testing.T) {
			b := newBench(t, Config{Quiet: true})
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			time.Sleep(time.Second)
			b.p.Kill(hal.OwnerAgent)
			b.p.Kill(hal.OwnerGuard)
			time.Sleep(2 * time.Minute)
			near(t, "flood", float64(b.p.SpilledUL()), 75_000*121-1_000_000, 10_000)
			// a new owner finds the lines, and shuts them
			g, err := b.p.Open(hal.OwnerGuard)
			must(t, err)
			time.Sleep(200 * time.Millisecond)
			if s := b.p.State(); s.Master.Open || s.Master.ShutNS == 0 {
				t.Errorf("MASTER after take-over: %+v", s.Master)
			}
			must(t, g.Close())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.do) })
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault Fault
		check func(t *testing.T, b *bench)
	}{
		{"supply cut", Fault{Kind: SupplyCut}, func(t *testing.T, b *bench) {
			b.open(t, b.still, time.Second)
			near(t, "cup", float64(b.p.State().Cup.TotalUL), 0, 2500)
		}},
		{"stuck shut", Fault{Part: "still", Kind: StuckShut}, func(t *testing.T, b *bench) {
			b.open(t, b.still, time.Second)
			near(t, "cup", float64(b.p.State().Cup.TotalUL), 0, 0)
		}},
		{"stuck open: only MASTER stops it", Fault{Part: "still", Kind: StuckOpen}, func(t *testing.T, b *bench) {
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			time.Sleep(2 * time.Second)
			must(t, b.guard.Outputs().Apply(b.master, 0))
			time.Sleep(10 * time.Second)
			near(t, "cup", float64(b.p.State().Cup.TotalUL), 150_000, 1000)
		}},
		{"half flow", Fault{Part: "still", Kind: HalfFlow}, func(t *testing.T, b *bench) {
			b.open(t, b.still, 2*time.Second)
			near(t, "cup", float64(b.p.State().Cup.TotalUL), 75_000, 1000)
		}},
		{"meter dead: water flows uncounted", Fault{Part: "flow_still", Kind: MeterDead}, func(t *testing.T, b *bench) {
			b.open(t, b.still, time.Second)
			s := b.p.State()
			if s.Pulses["flow_still"] != 0 || s.Cup.TotalUL < 70_000 {
				t.Errorf("%d pulses, cup %d µL", s.Pulses["flow_still"], s.Cup.TotalUL)
			}
		}},
		{"cartridge empty", Fault{Part: "s01", Kind: CartridgeEmpty}, func(t *testing.T, b *bench) {
			u, err := b.agent.Pump("p01")
			must(t, err)
			must(t, u.Dose(50, 0))
			time.Sleep(time.Second)
			if u.Delivered() != 0 || b.p.State().Cup.TotalUL != 0 {
				t.Errorf("delivered %d", u.Delivered())
			}
		}},
		{"cartridge gone", Fault{Part: "s01", Kind: CartridgeGone}, func(t *testing.T, b *bench) {
			s, err := b.agent.Slot("s01")
			must(t, err)
			if _, err := s.Tag(context.Background()); !errors.Is(err, hal.ErrNoTag) {
				t.Errorf("tag of an empty slot: %v", err)
			}
			must(t, b.p.Clear(Fault{Part: "s01", Kind: CartridgeGone}))
			tag, err := s.Tag(context.Background())
			if err != nil || tag.Ingredient != "syrup.sugar" {
				t.Errorf("tag %+v, %v", tag, err)
			}
		}},
		{"chip gone: errors, not zeros", Fault{Part: "soc", Kind: ChipGone}, func(t *testing.T, b *bench) {
			if err := b.agent.Outputs().Apply(b.still, b.still); !errors.Is(err, hal.ErrGone) {
				t.Errorf("Apply: %v", err)
			}
			if _, err := b.agent.Interlocks().Now(); !errors.Is(err, hal.ErrGone) {
				t.Errorf("Interlocks: %v", err)
			}
			if h := b.agent.Health(); len(h) != 1 || h[0].Part != "soc" {
				t.Errorf("Health: %v", h)
			}
		}},
		{"door", Fault{Kind: DoorOpen}, trips(hal.OwnerAgent, hal.Door)},
		{"e-stop", Fault{Kind: EStopPressed}, trips(hal.OwnerGuard, hal.EStop)},
		{"leak", Fault{Kind: LeakSeen}, trips(hal.OwnerGuard, hal.Leak)},
		{"tray full", Fault{Kind: TrayFull}, trips(hal.OwnerAgent, hal.TrayFull)},
		{"cup removed", Fault{Kind: CupRemoved}, trips(hal.OwnerAgent, hal.NoCup)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{Quiet: true, Cartridges: []Cartridge{{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 1_000_000}}})
				must(t, b.p.Inject(tt.fault))
				tt.check(t, b)
				conserved(t, b.p, b.p.State().slotsUL())
			})
		})
	}
	t.Run("unknown", func(t *testing.T) {
		p, err := NewPlant(Config{})
		must(t, err)
		for _, f := range []Fault{{Kind: "fire"}, {Part: "flow_still", Kind: StuckOpen}, {Part: "x", Kind: SupplyCut}, {Kind: MeterDead}} {
			if p.Inject(f) == nil {
				t.Errorf("%+v was accepted", f)
			}
		}
	})
}

func (s State) slotsUL() (ul int64) {
	for _, c := range s.Slots {
		ul += c.LevelUL
	}
	return ul
}

func trips(who hal.Owner, want hal.Interlocks) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) {
		time.Sleep(6 * time.Millisecond)
		for owner, rig := range map[hal.Owner]hal.Rig{hal.OwnerAgent: b.agent, hal.OwnerGuard: b.guard} {
			expect := hal.Interlocks(0)
			if owner == who {
				expect = want
			}
			if got, err := rig.Interlocks().Now(); err != nil || got != expect {
				t.Errorf("%s sees %v, %v; want %v", owner, got, err, expect)
			}
		}
	}
}

// The same seed and commands give the same pour, however often somebody looks.
func TestDeterministic(t *testing.T) {
	run := func(look time.Duration) (s State) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, Config{Seed: 42})
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			for end := time.Now().Add(2100 * time.Millisecond); time.Now().Before(end); {
				time.Sleep(look)
				b.p.CupUL()
			}
			must(t, b.agent.Outputs().Apply(b.still, 0))
			time.Sleep(time.Second)
			s = b.p.State()
		})
		return s
	}
	a, b := run(time.Millisecond), run(700*time.Millisecond)
	if a.Cup.TotalUL != b.Cup.TotalUL || a.Pulses["flow_still"] != b.Pulses["flow_still"] || a.Valves[1] != b.Valves[1] {
		t.Errorf("looking changed the pour:\n%+v\n%+v", a.Cup, b.Cup)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	p, err := NewPlant(Config{Seed: 1})
	must(t, err)
	r, err := p.Open(hal.OwnerAgent)
	must(t, err)
	m, err := r.Meter("flow_still")
	must(t, err)
	u, err := r.Pump("p01")
	must(t, err)
	out, locks := r.Outputs(), r.Interlocks()
	bit := mustBit(t, r, "still")
	n := testing.AllocsPerRun(100, func() {
		_ = out.Apply(bit, bit)
		_ = m.Count()
		_ = u.Dose(1, 0)
		_ = u.Delivered()
		_, _ = locks.Now()
		_ = r.Safe(nil)
	})
	if n != 0 {
		t.Errorf("%v allocations in one turn of the loop", n)
	}
}

package sim

import (
	"encoding/json"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal/rigfile"
)

func lined(r *rigfile.Rig) {
	r.Sim.Lines = rigfile.SimLines{VolumeUL: 400, AirUL: 100}
	r.Sim.Nozzle.FilmUL = 300
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, b *bench)
	}{
		{"a machine starts with its lines full", func(t *testing.T, b *bench) {
			b.pump(t, "p01", 50)
			near(t, "cup", float64(b.p.CupUL()["syrup.sugar"]), 1000, 1)
		}},
		{"a new cartridge: the old one's rest, air, then the new one, all confirmed", func(t *testing.T, b *bench) {
			must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "tea.green", VolumeUL: 500_000}))
			u, err := b.agent.Pump("p01")
			must(t, err)
			b.pump(t, "p01", 15)
			near(t, "the rest", float64(b.p.CupUL()["syrup.sugar"]), 300, 1)
			b.pump(t, "p01", 5)
			near(t, "cup after the air", float64(b.p.State().Cup.TotalUL), 300, 1)
			b.pump(t, "p01", 20)
			near(t, "the new one", float64(b.p.CupUL()["tea.green"]), 400, 1)
			if u.Delivered() != 40 {
				t.Errorf("%d strokes confirmed", u.Delivered())
			}
		}},
		{"an empty cartridge sucks air into the line, unconfirmed", func(t *testing.T, b *bench) {
			must(t, b.p.Inject(Fault{Kind: CartridgeEmpty, Part: "s01", Amount: 0.1}))
			u, err := b.agent.Pump("p01")
			must(t, err)
			b.pump(t, "p01", 100)
			near(t, "line and rest", float64(b.p.CupUL()["syrup.sugar"]), 500, 1)
			if u.Delivered() != 5 {
				t.Errorf("%d strokes confirmed", u.Delivered())
			}
			must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 500_000}))
			b.pump(t, "p01", 20)
			near(t, "nothing but air for a whole line", float64(b.p.CupUL()["syrup.sugar"]), 500, 1)
			b.pump(t, "p01", 10)
			near(t, "then it is primed", float64(b.p.CupUL()["syrup.sugar"]), 700, 1)
		}},
		{"cleaner stays in the line until it is rinsed out", func(t *testing.T, b *bench) {
			must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "cleaner.alkaline", VolumeUL: 100_000}))
			b.pump(t, "p01", 60)
			must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "water.rinse", VolumeUL: 100_000}))
			b.p.NewCup()
			b.pump(t, "p01", 10)
			if b.p.CupUL()["cleaner.alkaline"] != 200 {
				t.Errorf("a drink without a rinse: %v", b.p.CupUL())
			}
			b.pump(t, "p01", 50)
			b.p.NewCup()
			b.pump(t, "p01", 50)
			// 300 µL left the line as cleaner, 800 µL of water washed the film of 300 µL after it
			near(t, "a short rinse leaves in the nozzle", float64(b.p.State().Cup.CarryOver["cleaner.alkaline"]), 300*math.Exp(-800.0/300), 1)
			if n := b.p.CupUL()["cleaner.alkaline"]; n != 0 {
				t.Errorf("%d µL from the line", n)
			}
			b.pump(t, "p01", 200)
			b.p.NewCup()
			b.pump(t, "p01", 50)
			if s := b.p.State().Cup; s.Parts["cleaner.alkaline"] != 0 || s.CarryOver["cleaner.alkaline"] != 0 {
				t.Errorf("a drink after the rinse: %+v", s)
			}
		}},
		{"a leaving plant takes the lines along", func(t *testing.T, b *bench) {
			must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "tea.green", VolumeUL: 500_000}))
			b.pump(t, "p01", 3)
			s := b.p.State()
			rig, err := rigfile.Load("testdata/full.yaml")
			must(t, err)
			lined(rig)
			next, err := NewPlant(Config{Rig: rig, Quiet: true, Cartridges: []Cartridge{{Slot: "s01", Ingredient: "tea.green", VolumeUL: 500_000}, {Slot: "s02", Ingredient: "juice.orange", VolumeUL: 1_000_000}}})
			must(t, err)
			must(t, next.Restore(s))
			was, _ := json.Marshal([]any{s.Slots, s.Nozzle, s.Carbonator})
			now := next.State()
			is, _ := json.Marshal([]any{now.Slots, now.Nozzle, now.Carbonator})
			if string(was) != string(is) {
				t.Errorf("restored %s, was %s", is, was)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.do(t, full(t, lined)) })
		})
	}
}

func TestNozzle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := full(t, func(r *rigfile.Rig) { r.Sim.Nozzle.FilmUL = 300 })
		b.pump(t, "p02", 200) // juice, and nothing after it
		near(t, "in the nozzle", float64(b.p.State().Nozzle["juice.orange"]), 300, 1)
		if c := b.p.State().Cup.CarryOver; len(c) != 0 {
			t.Errorf("the first drink carries %v", c)
		}
		b.p.NewCup()
		b.open(t, b.still, time.Second)
		s := b.p.State().Cup
		near(t, "carried into the next cup", float64(s.CarryOver["juice.orange"]), 300, 1)
		if s.Parts["juice.orange"] != 0 {
			t.Errorf("the cup's own book: %v", s.Parts)
		}
		b.p.NewCup()
		b.pump(t, "p02", 200)
		must(t, b.p.Inject(Fault{Kind: CupRemoved})) // the guest takes the cup; the machine rinses into the tray
		b.open(t, b.still, 4*time.Millisecond+40*time.Millisecond)
		rinsed := float64(b.p.State().Spilled["water.still"])
		b.p.NewCup()
		b.open(t, b.still, time.Second)
		left := float64(b.p.State().Cup.CarryOver["juice.orange"])
		if rinsed < 300 || left > 300 {
			t.Fatalf("rinsed with %v µL, carried %v", rinsed, left)
		}
		b.p.NewCup()
		b.pump(t, "p02", 200)
		must(t, b.p.Inject(Fault{Kind: CupRemoved}))
		b.open(t, b.still, 300*time.Millisecond)
		b.p.NewCup()
		b.open(t, b.still, time.Second)
		if c := b.p.State().Cup.CarryOver; len(c) > 1 || c["juice.orange"] != 0 {
			t.Errorf("after a rinse of 20 ml: %v", c)
		}
	})
}

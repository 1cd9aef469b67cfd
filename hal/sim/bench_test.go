package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
)

// 200 pours of 4 s with a dose, by a loop of 1 ms: 13 minutes of machine time.
func BenchmarkPours(b *testing.B) {
	for b.Loop() {
		// synctest.Test wants a *testing.T; a subtest of a benchmark has none, so the bubble is run by a test of its own
		testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "pours", F: func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { pours(t, 200) })
		}}})
	}
}

func pours(t *testing.T, n int) {
	p, err := NewPlant(Config{Seed: 5, Cartridges: []Cartridge{{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 5_000_000}}})
	must(t, err)
	g, err := p.Open(hal.OwnerGuard)
	must(t, err)
	a, err := p.Open(hal.OwnerAgent)
	must(t, err)
	m, err := a.Meter("flow_still")
	must(t, err)
	u, err := a.Pump("p01")
	must(t, err)
	master, still := mustBit(t, g, hal.Master), mustBit(t, a, "still")
	for range n {
		must(t, g.Outputs().Apply(master, master))
		must(t, a.Outputs().Apply(still, still))
		for i := range 3000 {
			if i%10 == 0 {
				must(t, u.Dose(2, 0))
				must(t, g.Outputs().Apply(master, master))
				must(t, a.Outputs().Apply(still, still))
			}
			_ = m.Count()
			time.Sleep(time.Millisecond)
		}
		must(t, a.Outputs().Apply(still, 0))
		must(t, g.Outputs().Apply(master, 0))
		time.Sleep(time.Second)
		p.NewCup()
	}
}

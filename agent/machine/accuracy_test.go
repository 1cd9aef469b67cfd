package machine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fountain/agent/beverage"
	"fountain/hal/sim"
	"fountain/sync/wire"
)

// stocked lists what the demo planogram can pour.
func stocked(u *unit) (all []*beverage.Beverage) {
	for i := range u.catalogue.Brands {
		for j := range u.catalogue.Brands[i].Beverages {
			if v := &u.catalogue.Brands[i].Beverages[j]; len(u.catalogue.Missing(v, u.plano)) == 0 {
				all = append(all, v)
			}
		}
	}
	return all
}

// commission pours a few drinks per carrier so that the close lags are learned, as the commissioning does.
func commission(u *unit) {
	drinks := stocked(u)
	for _, carrier := range []string{"still", "sparkling"} {
		i := slices.IndexFunc(drinks, func(b *beverage.Beverage) bool { return b.Recipe.Carrier == carrier })
		for range 5 {
			u.pour(drinks[i].ID, 150)
		}
	}
}

// TestAccuracy pours on machines with the simulator's default noise (meters calibrated to 0.3 %) and judges what is in
// the cup: its volume against the target over 200 portions of 120 to 590 ml, and the share of every ingredient at
// 240 ml.
func TestAccuracy(t *testing.T) {
	const machines, pours, ratioPours = 10, 20, 12
	var errs []float64
	worst, worstOf := 0.0, ""
	for seed := range uint64(machines) {
		bubble(t, sim.Config{Seed: 100 + seed}, func(t *testing.T, u *unit) {
			commission(u)
			rng := rand.New(rand.NewPCG(seed, 7))
			drinks := stocked(u)
			for range pours {
				b := drinks[rng.IntN(len(drinks))]
				ml := float64(120 + rng.IntN(471))
				r := u.pour(b.ID, ml)
				if r.Outcome != wire.Completed {
					t.Fatalf("seed %d: %s %.0f ml: %s %s", seed, b.ID, ml, r.Outcome, r.Reason)
				}
				sum, _ := u.cupUL()
				errs = append(errs, math.Abs(float64(sum)/1000-ml)/ml)
			}
			for range ratioPours {
				b := drinks[rng.IntN(len(drinks))]
				r := u.pour(b.ID, 240)
				if e := worstRatio(u, r); e > worst {
					worst, worstOf = e, string(b.ID)
				}
			}
		})
	}
	slices.Sort(errs)
	mean := 0.0
	for _, e := range errs {
		mean += e / float64(len(errs))
	}
	p99 := errs[len(errs)*99/100-1]
	t.Logf("%d portions of 120-590 ml on %d machines: cup error mean %.2f %%, p99 %.2f %%, worst %.2f %%; worst ratio error of %d drinks of 240 ml %.2f %% (%s)",
		len(errs), machines, 100*mean, 100*p99, 100*errs[len(errs)-1], machines*ratioPours, 100*worst, worstOf)
	if mean > 0.005 {
		t.Errorf("mean error %.2f %%, want at most 0.5 %%", 100*mean)
	}
	if p99 > 0.015 {
		t.Errorf("p99 error %.2f %%, want at most 1.5 %%", 100*p99)
	}
	if worst > 0.02 {
		t.Errorf("ratio error %.2f %% in %s, want at most 2 %%", 100*worst, worstOf)
	}
}

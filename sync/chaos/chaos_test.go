package chaos

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// seed of the first run; FOUNTAIN_SEED sets another.
func firstSeed(t *testing.T) uint64 {
	s := os.Getenv("FOUNTAIN_SEED")
	if s == "" {
		return 20261123
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("FOUNTAIN_SEED: %v", err)
	}
	return n
}

// TestLinkCuts cuts the lines of units that pour, 500 times and more, or 10,000 with FOUNTAIN_LONG: nothing is lost,
// nothing has a second effect, and the order of every log is kept.
func TestLinkCuts(t *testing.T) {
	total, each := 500, 100
	if os.Getenv("FOUNTAIN_LONG") != "" {
		total, each = 10_000, 250
	}
	first := firstSeed(t)
	cuts, all := 0, map[string]int{}
	began := time.Now()
	for run := 0; cuts < total; run++ {
		seed := first + uint64(run)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, 2, nil)
				w.run(each)
				for name, x := range map[string]tally{"too early": w.early, "lost": w.lost, "doubled": w.doubled, "out of order": w.disorder} {
					if x.n > 0 {
						t.Errorf("FOUNTAIN_SEED=%d: %s: %d, such as %s", seed, name, x.n, x.first)
					}
				}
				cuts += w.cuts
				for k, n := range w.counts {
					all[k] += n
				}
			})
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d cuts in %v:", cuts, time.Since(began).Round(time.Second))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		t.Logf("%7d %s", all[k], k)
	}
}

// TestTheJudgeCatches runs units and clouds that do what must not be done, under the same faults.
func TestTheJudgeCatches(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world)
		caught func(*world) tally
	}{
		// Nothing that was accepted is lost here, so no PUBACK is behind what is caught. Only if the unit stops before
		// paho has sent it again is it lost, too.
		"acknowledging on reconnect, as paho does": {func(w *world) { w.how = pahosWay }, func(w *world) tally { return w.unheard }},
		"acknowledging on PUBACK":                  {func(w *world) { w.how = onPuback }, func(w *world) tally { return w.lost }},
		"a cloud without a key":                    {func(w *world) { w.dedup, w.interval = false, 5*time.Minute }, func(w *world) tally { return w.doubled }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the same is innocent as long as nothing happens
				w := newWorld(t, firstSeed(t), 1, tc.change)
				w.setCalm(true)
				w.units[0].current().Pour(100)
				w.run(0)
				for _, x := range []tally{w.unheard, w.lost, w.doubled, w.disorder} {
					if x.n > 0 {
						t.Errorf("without a fault: %d, such as %s", x.n, x.first)
					}
				}
			})
			for seed := firstSeed(t); ; seed++ {
				var got tally
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, seed, 1, tc.change)
					w.run(30)
					got = tc.caught(w)
				})
				if got.n > 0 {
					t.Logf("seed %d: caught %d, such as: %s", seed, got.n, got.first)
					return
				}
				if seed == firstSeed(t)+5 {
					t.Fatal("not caught in six runs")
				}
			}
		})
	}
}

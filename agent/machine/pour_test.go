package machine

import (
	"testing"
	"time"

	"fountain/agent/pour"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

func codeOf(err error) string { return problem.From(err).Code }

func TestPortion(t *testing.T) {
	bubble(t, sim.Config{Seed: 1, Quiet: true}, func(t *testing.T, u *unit) {
		bev := rich(u)
		var r Result
		for range 6 {
			r = u.pour(bev, 240)
			sum, _ := u.cupUL()
			t.Logf("counted %d cup %d lag %v took %v", r.CountedUL, sum, u.m.Lags(), r.Duration)
		}
		if r.Outcome != wire.Completed || r.Reason != "" {
			t.Fatalf("outcome %s %q", r.Outcome, r.Reason)
		}
		sum, parts := u.cupUL()
		within(t, "cup ml", float64(sum)/1000, 240, 1.5)
		for _, p := range r.Parts {
			within(t, "recorded ml of "+p.Ingredient, float64(p.UL)/1000, float64(parts[p.Ingredient])/1000, 1.2)
		}
		s := u.m.State()
		if s.Phase != pour.Done || s.PouredUL != r.CountedUL || s.Last != 6 || s.MasterOpen {
			t.Errorf("state %+v", s)
		}
	})
}

func TestHoldRelease(t *testing.T) {
	bubble(t, sim.Config{Seed: 2}, func(t *testing.T, u *unit) {
		bev := rich(u)
		for range 5 {
			u.pour(bev, 200)
		}
		for _, ml := range []float64{30, 60, 120, 240} {
			u.plant.NewCup()
			id := u.start(bev, 350, true)
			letGo := u.hold(id)
			u.wait("volume", 20*time.Second, func() bool { return float64(u.m.State().PouredUL) >= ml*1000 })
			u.m.Stop(id, pour.ReasonReleased)
			at := u.plant.Now()
			u.wait("valves commanded shut", 20*time.Millisecond, func() bool {
				s, _ := u.plant.Valve("still")
				p, _ := u.plant.Valve("sparkling")
				return !s.Commanded && !p.Commanded
			})
			took := u.plant.Now() - at
			r := u.recorded(id)
			letGo()
			if r.Outcome != wire.Stopped || r.Reason != pour.ReasonReleased {
				t.Errorf("outcome %s %q", r.Outcome, r.Reason)
			}
			worst := worstRatio(u, r)
			t.Logf("hold %3.0f ml: cup %.1f, shut in %v, worst ratio error %.2f %%", ml, float64(r.CountedUL)/1000, took, 100*worst)
			if ml >= 240 && worst > 0.02 {
				t.Errorf("ratio error %.2f %% at %.0f ml", 100*worst, ml)
			}
		}
	})
}

// worstRatio is the largest error of an ingredient's part of the drink, by what is in the cup.
func worstRatio(u *unit, r Result) float64 {
	sum, parts := u.cupUL()
	worst := 0.0
	for _, p := range r.Intent.Parts {
		want := float64(sum) * float64(p.Share) / 1e6
		e := float64(parts[string(p.Ingredient)])/want - 1
		worst = max(worst, e, -e)
	}
	return worst
}

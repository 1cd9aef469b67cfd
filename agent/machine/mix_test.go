package machine

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// mixed pours a mix into a new cup.
func (u *unit) mixed(mix []beverage.MixPart, ml float64) Result {
	u.t.Helper()
	u.plant.NewCup()
	id, err := u.m.Start(context.Background(), StartRequest{Mix: mix, TargetUL: int64(ml * 1000), Source: wire.SourceTouch})
	if err != nil {
		u.t.Fatalf("start %v: %v", mix, err)
	}
	letGo := u.hold(id)
	defer letGo()
	return u.recorded(id)
}

// randomMix draws one that may be poured.
func randomMix(u *unit, rng *rand.Rand, drinks []*beverage.Beverage) []beverage.MixPart {
	for {
		n := 2 + rng.IntN(2)
		parts, left := make([]beverage.MixPart, n), 20-n
		for i := range parts {
			more := left
			if i < n-1 {
				more = rng.IntN(left + 1)
			}
			left -= more
			parts[i] = beverage.MixPart{Beverage: drinks[rng.IntN(len(drinks))].ID, Share: 5 * (1 + more)}
		}
		if _, err := beverage.Mix(u.catalogue, parts); err == nil {
			return parts
		}
	}
}

// TestMixInTheCup: whatever is mixed, the cup holds the volume, and every ingredient in the share that the parts' recipes
// give: within 2 %, or a stroke and a half where that is more.
func TestMixInTheCup(t *testing.T) {
	bubble(t, sim.Config{Seed: 61}, func(t *testing.T, u *unit) {
		commission(u)
		rng := rand.New(rand.NewPCG(61, 7))
		drinks := stocked(u)
		worst, worstVolume := 0.0, 0.0
		for range 24 {
			mix := randomMix(u, rng, drinks)
			r := u.mixed(mix, 240)
			if r.Outcome != wire.Completed || r.Intent.Beverage != beverage.MixID || !slices.Equal(r.Intent.Mix, mix) {
				t.Fatalf("%v: %s %s, %s %v", mix, r.Outcome, r.Reason, r.Intent.Beverage, r.Intent.Mix)
			}
			sum, cup := u.cupUL()
			worstVolume = max(worstVolume, math.Abs(float64(sum)/240_000-1))
			within(t, "recorded ml", float64(r.CountedUL)/1000, float64(sum)/1000, 3)
			want := map[beverage.IngredientID]float64{} // from the parts' own recipes, not from the mix
			for _, p := range mix {
				_, b, _ := u.catalogue.Beverage(p.Beverage)
				parts := 0.0
				for _, rp := range b.Recipe.Parts {
					parts += rp.Parts
				}
				for _, rp := range b.Recipe.Parts {
					want[rp.Ingredient] += float64(sum) * float64(p.Share) / 100 * rp.Parts / parts
				}
			}
			for ing, ul := range want {
				off := math.Abs(float64(cup[string(ing)]) - ul)
				if off > max(0.02*ul, 1.5*strokeUL(u, ing)) {
					t.Errorf("%v: %s is %d µL, want %.0f", mix, ing, cup[string(ing)], ul)
				}
				worst = max(worst, off/ul)
			}
			for ing := range cup {
				if want[beverage.IngredientID(ing)] == 0 {
					t.Errorf("%v: %s does not belong there", mix, ing)
				}
			}
		}
		t.Logf("worst volume error %.2f %%, worst share error %.2f %%", 100*worstVolume, 100*worst)
		if worstVolume > 0.015 {
			t.Errorf("volume error %.2f %%", 100*worstVolume)
		}
	})
}

// strokeUL is the largest stroke of the pumps that give an ingredient.
func strokeUL(u *unit, ing beverage.IngredientID) (ul float64) {
	for _, d := range u.m.menu.Load().lineup.Dosers(ing) {
		ul = max(ul, float64(d.StrokeNL)/1000)
	}
	return ul
}

// TestMixRefused: nothing opens for a mix that the rules forbid, and a top-off has to be of the same mix.
func TestMixRefused(t *testing.T) {
	bubble(t, sim.Config{Seed: 62}, func(t *testing.T, u *unit) {
		drinks := stocked(u)
		still := drinks[slices.IndexFunc(drinks, func(b *beverage.Beverage) bool { return b.Recipe.Carrier == beverage.TagStill })]
		fizzy := drinks[slices.IndexFunc(drinks, func(b *beverage.Beverage) bool { return b.Recipe.Carrier == beverage.TagSparkling })]
		try := func(req StartRequest, code string) {
			t.Helper()
			req.Source = wire.SourceTouch
			if _, err := u.m.Start(context.Background(), req); problem.From(err).Code != code || err == nil {
				t.Errorf("%+v: %v", req, err)
			}
		}
		try(StartRequest{Mix: []beverage.MixPart{{Beverage: still.ID, Share: 50}, {Beverage: fizzy.ID, Share: 50}}, TargetUL: 240_000}, problem.CodeBadRequest)
		try(StartRequest{Mix: []beverage.MixPart{{Beverage: still.ID, Share: 50}}, TargetUL: 240_000}, problem.CodeBadRequest)
		if in, _ := u.book.count(); in != 0 || !u.allShut() {
			t.Fatalf("%d intents", in)
		}
		mix := randomMix(u, rand.New(rand.NewPCG(62, 7)), drinks)
		r := u.mixed(mix, 240)
		other := slices.Clone(mix)
		other[0].Share, other[1].Share = other[0].Share+other[1].Share-5, 5
		if slices.Equal(other, mix) {
			other[0].Share, other[1].Share = 5, other[0].Share+other[1].Share-5
		}
		try(StartRequest{Mix: other, TargetUL: 20_000, TopOff: r.Intent.Pour}, problem.CodeConflict)
		try(StartRequest{Beverage: mix[0].Beverage, TargetUL: 20_000, TopOff: r.Intent.Pour}, problem.CodeConflict)
		id, err := u.m.Start(context.Background(), StartRequest{Mix: mix, TargetUL: 20_000, Source: wire.SourceTouch, TopOff: r.Intent.Pour})
		if err != nil {
			t.Fatal(err)
		}
		letGo := u.hold(id)
		defer letGo()
		if r := u.recorded(id); r.Outcome != wire.Completed || !slices.Equal(r.Intent.Mix, mix) {
			t.Errorf("%s %s %v", r.Outcome, r.Reason, r.Intent.Mix)
		}
	})
}

// TestMixRinse: the nozzle keeps what a mix leaves, and a mix minds what is there: both by the union of what is in it.
func TestMixRinse(t *testing.T) {
	bubble(t, sim.Config{Seed: 63}, func(t *testing.T, u *unit) {
		_, allergic, _ := u.catalogue.Beverage(u.allergic())
		same := func(b *beverage.Beverage) bool {
			return b.Recipe.Carrier == allergic.Recipe.Carrier && beverage.Mixable(u.catalogue, []beverage.ID{allergic.ID}, b.ID)
		}
		plain := u.drink(func(b *beverage.Beverage) bool { return same(b) && len(b.Allergens) == 0 && b.Sugar > 1 })
		third := u.drink(func(b *beverage.Beverage) bool {
			return same(b) && len(b.Allergens) == 0 && b.Sugar > 1 && b.ID != plain && beverage.Mixable(u.catalogue, []beverage.ID{plain}, b.ID)
		})
		lo := &pour.Residue{}
		mix, err := beverage.Mix(u.catalogue, []beverage.MixPart{{Beverage: allergic.ID, Share: 50}, {Beverage: plain, Share: 50}})
		if err != nil {
			t.Fatal(err)
		}
		menu := u.m.menu.Load()
		plan, err := recipe.ComputeOf(menu.catalogue, menu.lineup, stockView{u.m}, u.m.cfg.Limits, &mix, 240_000, true)
		if err != nil {
			t.Fatal(err)
		}
		lo.Poured(u.catalogue, plan, 200_000, 0)
		clean, err := beverage.Mix(u.catalogue, []beverage.MixPart{{Beverage: plain, Share: 50}, {Beverage: third, Share: 50}})
		if err != nil {
			t.Fatal(err)
		}
		if what := lo.Conflict(u.catalogue, &clean); what != allergic.Allergens[0] {
			t.Errorf("after a mix with %v, a mix without may follow: %q", allergic.Allergens, what)
		}
		if what := lo.Conflict(u.catalogue, &mix); what != "" {
			t.Errorf("the same mix may not follow itself: %q", what)
		}
		// And so on the machine: held, because a portion washes its own nozzle.
		hold := func(mix []beverage.MixPart) (string, error) {
			return u.m.Start(context.Background(), StartRequest{Mix: mix, TargetUL: 350_000, Hold: true, Source: wire.SourceTouch})
		}
		id, err := hold([]beverage.MixPart{{Beverage: allergic.ID, Share: 95}, {Beverage: plain, Share: 5}})
		if err != nil {
			t.Fatal(err)
		}
		letGo := u.hold(id)
		u.wait("volume", 20*time.Second, func() bool { return u.m.State().PouredUL >= 150_000 })
		u.m.Stop(id, pour.ReasonReleased)
		u.recorded(id)
		letGo()
		u.inject(sim.Fault{Kind: sim.TrayFull}) // no rinse into a full tray
		time.Sleep(20 * time.Millisecond)
		u.inject(sim.Fault{Kind: sim.CupRemoved})
		time.Sleep(time.Second)
		u.clearFault(sim.Fault{Kind: sim.TrayFull})
		u.plant.NewCup()
		time.Sleep(20 * time.Millisecond)
		if _, err := hold([]beverage.MixPart{{Beverage: plain, Share: 50}, {Beverage: third, Share: 50}}); err == nil || problem.From(err).Where != allergic.Allergens[0] {
			t.Errorf("a mix without %v after one with it: %v", allergic.Allergens, err)
		}
	})
}

// TestTopOffOffer: the offer is what Start takes, as long as it stands; foam only stands on what is sparkling.
func TestTopOffOffer(t *testing.T) {
	bubble(t, sim.Config{Seed: 64}, func(t *testing.T, u *unit) {
		if o, ok := u.m.TopOff(); ok {
			t.Fatalf("an offer before anything was poured: %+v", o)
		}
		for _, carrier := range []string{beverage.TagStill, beverage.TagSparkling} {
			bev := u.drink(func(b *beverage.Beverage) bool { return b.Recipe.Carrier == carrier })
			r := u.pour(bev, 473)
			o, ok := u.m.TopOff()
			if !ok || o.Pour != r.Intent.Pour || o.UL != 473_000*15/100 || o.Left <= 25*time.Second || o.Left > 30*time.Second {
				t.Fatalf("%s: %v %+v", carrier, ok, o)
			}
			if (o.Foam > 0) != (carrier == beverage.TagSparkling) || o.Foam > 6*time.Second {
				t.Errorf("%s: foam for %s", carrier, o.Foam)
			}
			time.Sleep(o.Foam)
			if o, ok = u.m.TopOff(); !ok || o.Foam != 0 {
				t.Errorf("the foam never settles: %v %+v", ok, o)
			}
			top := func(ul int64) error {
				id, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: ul, Source: wire.SourceTouch, TopOff: o.Pour})
				if err != nil {
					return err
				}
				letGo := u.hold(id)
				defer letGo()
				u.recorded(id)
				return nil
			}
			if err := top(30_000); err != nil {
				t.Fatal(err)
			}
			next, ok := u.m.TopOff()
			if !ok || next.Pour != o.Pour || next.UL != o.UL-30_000 || next.Left >= o.Left || (next.Foam > 0) != (carrier == beverage.TagSparkling) {
				t.Errorf("after a top-off: %v %+v, before %+v", ok, next, o)
			}
			if err := top(next.UL + 1); err == nil {
				t.Error("more than offered is poured")
			}
			if err := top(next.UL); err != nil {
				t.Errorf("less than offered is poured: %v", err)
			}
			if o, ok := u.m.TopOff(); ok {
				t.Errorf("nothing is left, and offered: %+v", o)
			}
		}
		u.pour(u.drink(func(*beverage.Beverage) bool { return true }), 200)
		u.inject(sim.Fault{Kind: sim.CupRemoved})
		time.Sleep(50 * time.Millisecond)
		if o, ok := u.m.TopOff(); ok {
			t.Errorf("without a cup: %+v", o)
		}
		u.clearFault(sim.Fault{Kind: sim.CupRemoved})
		time.Sleep(50 * time.Millisecond)
		u.pour(u.drink(func(*beverage.Beverage) bool { return true }), 200)
		time.Sleep(31 * time.Second)
		if o, ok := u.m.TopOff(); ok {
			t.Errorf("too late: %+v", o)
		}
	})
}

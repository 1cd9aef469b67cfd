package agent

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// startMix begins a mix and keeps its lease, as start does.
func (v *virtual) startMix(source string, mix ...api.MixPart) (api.Pour, error) {
	v.plant.NewCup()
	time.Sleep(50 * time.Millisecond)
	p, err := commands{v.a}.Start(context.Background(), api.StartPour{Mix: mix, TargetUL: 240_000, Mode: api.ModePortion, Source: source})
	if err != nil {
		return p, err
	}
	v.leases.Go(func() {
		for v.a.machine.Beat(p.ID) == nil {
			time.Sleep(api.BeatEvery)
		}
	})
	return p, nil
}

func (v *virtual) ended(id string) (p api.Pour) {
	v.t.Helper()
	v.await("the pour is recorded", time.Minute, func() bool {
		var err error
		p, err = v.a.view.Pour(id)
		return err == nil && p.Phase == api.PhaseDone
	})
	v.await("the machine is free", 5*time.Second, func() bool { return !v.a.machine.State().Busy })
	return p
}

// TestMixIsRecorded: the screen sees a mix, the record says what of, the cartridges give what it took, and favourites do
// not know it.
func TestMixIsRecorded(t *testing.T) {
	inBubble(t, func(c *config.Config) { c.Unit.Mixes = true }, func(v *virtual) {
		a := v.some("water.sparkling", "syrup.sugar", "")
		var b beverage.ID
		v.await("a second drink", time.Second, func() bool {
			for _, it := range v.a.menu.items {
				if v.blocked(it.id) == "" && it.id != a && beverage.Mixable(v.a.catalogue, []beverage.ID{a}, it.id) {
					b = it.id
				}
			}
			return b != ""
		})
		mix := []api.MixPart{{Beverage: a, Share: 65}, {Beverage: b, Share: 35}}
		left, _ := v.a.book.Remaining("syrup.sugar")
		p, err := v.startMix(wire.SourceTouch, mix...)
		if err != nil {
			t.Fatal(err)
		}
		if p.Beverage != beverage.MixID || !slices.Equal(p.Mix, mix) {
			t.Errorf("started: %+v", p)
		}
		v.await("flowing", 10*time.Second, func() bool { return v.a.view.Snapshot().Pour.Phase == api.PhaseFlowing })
		if s := v.a.view.Snapshot(); s.Pour.Beverage != beverage.MixID || !slices.Equal(s.Pour.Mix, mix) || !s.Mixes {
			t.Errorf("live: %+v", s.Pour)
		}
		p = v.ended(p.ID)
		raw, err := json.Marshal(p.Record)
		if err != nil {
			t.Fatal(err)
		}
		r, err := wire.DecodeRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		want := []wire.Share{{Beverage: string(a), Share: 65}, {Beverage: string(b), Share: 35}}
		if r.Beverage != wire.Mixed || !slices.Equal(r.Mix, want) || r.Outcome != wire.Completed || !slices.Equal(p.Mix, mix) {
			t.Errorf("record %s", raw)
		}
		poured := int64(0)
		for _, part := range r.Parts {
			if part.Ingredient == "syrup.sugar" {
				poured += part.UL
			}
		}
		if now, _ := v.a.book.Remaining("syrup.sugar"); poured == 0 || left-now != poured {
			t.Errorf("the cartridge gave %d µL, the record says %d", left-now, poured)
		}
		for _, f := range v.a.book.Favourites(v.a.now(), 100, nil) {
			if f == beverage.MixID {
				t.Error("a mix is a favourite")
			}
		}
		s := v.a.view.Snapshot()
		if s.Pour.TopOffID != p.ID || s.Pour.TopOffUL != 36_000 || s.Pour.TopOffMS <= 0 || s.Pour.FoamMS <= 0 {
			t.Errorf("no offer to top it off: %+v", s.Pour)
		}
		time.Sleep(31 * time.Second)
		if s := v.a.view.Snapshot(); s.Pour.TopOffID != "" || s.Pour.TopOffUL != 0 || s.Pour.TopOffMS != 0 {
			t.Errorf("an offer for ever: %+v", s.Pour)
		}

		// One beverage alone is no mix.
		if p, err = v.startMix(wire.SourceTouch, api.MixPart{Beverage: a, Share: 100}); err != nil {
			t.Fatal(err)
		}
		if p = v.ended(p.ID); p.Beverage != a || len(p.Mix) != 0 {
			t.Errorf("one beverage: %+v", p)
		}
	})
}

// TestMixIsRefused: what is blocked is not poured in a mix either, and a unit without mixes pours none for a consumer.
func TestMixIsRefused(t *testing.T) {
	inBubble(t, func(c *config.Config) { c.Unit.Mixes = true }, func(v *virtual) {
		a, b := v.some("water.sparkling", "", "flavour.lime"), v.some("water.sparkling", "flavour.lime", "")
		mix := []api.MixPart{{Beverage: a, Share: 50}, {Beverage: b, Share: 50}}
		if !beverage.Mixable(v.a.catalogue, []beverage.ID{a}, b) {
			t.Fatalf("%s and %s do not mix: choose others", a, b)
		}
		for _, s := range v.a.planogram.Slots {
			if s.Ingredient == "flavour.lime" {
				v.a.book.SetEmpty(s.Slot)
			}
		}
		v.a.stockChanged()
		_, err := v.startMix(wire.SourceTouch, mix...)
		if p := problem.From(err); err == nil || p.Code != problem.CodeUnavailable || p.Where != string(b) {
			t.Errorf("with %s: %v", b, err)
		}
		if err := v.a.setTechnician("unit.mixes", "false"); err != nil {
			t.Fatal(err)
		}
		_, err = v.startMix(wire.SourceTouch, mix...)
		if p := problem.From(err); err == nil || p.Code != problem.CodeUnavailable || p.Where != "mix" {
			t.Errorf("switched off: %v", err)
		}
	})
}

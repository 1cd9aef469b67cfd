package recipe

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/hal"
	"fountain/internal/problem"
)

// full is a stock whose cartridges hold left µL each.
type full struct {
	l    *Lineup
	left int64
}

func (f full) Source(ing beverage.IngredientID, need int64) (Source, bool) {
	for _, d := range f.l.Dosers(ing) {
		if f.left >= need {
			return Source{Slot: d.Slot, Cartridge: "c-" + d.Slot}, true
		}
	}
	return Source{}, false
}

func demo(t *testing.T) (*beverage.Catalogue, *Lineup) {
	t.Helper()
	c, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	pl, err := beverage.LoadPlanogram("", c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Build(parts(len(pl.Slots)), pl)
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

func parts(slots int) []hal.Part {
	ps := []hal.Part{
		{ID: "still", Kind: hal.KindValve, Carrier: "water.still", MaxOpen: 30 * time.Second},
		{ID: "fizz", Kind: hal.KindValve, Carrier: "water.sparkling", MaxOpen: 30 * time.Second},
		{ID: "m1", Kind: hal.KindMeter, PulsesPerLitre: 1000, Serves: []string{"still"}},
		{ID: "m2", Kind: hal.KindMeter, PulsesPerLitre: 500, Serves: []string{"fizz"}},
	}
	for i := range slots {
		p, s := fmt.Sprintf("p%02d", i+1), fmt.Sprintf("s%02d", i+1)
		ps = append(ps, hal.Part{ID: p, Kind: hal.KindPump, StrokeUL: 20, MaxRate: 1000}, hal.Part{ID: s, Kind: hal.KindSlot, Pump: p})
	}
	return ps
}

// TestEveryBeverage: every drink of the catalogue at every size adds up exactly and keeps its recipe's proportions.
func TestEveryBeverage(t *testing.T) {
	c, l := demo(t)
	n := 0
	for _, b := range c.Brands {
		for _, v := range b.Beverages {
			for _, target := range []int64{20_000, 120_000, 240_001, 355_000, 590_000, 940_000} {
				p, err := Compute(c, l, full{l, 1e9}, DefaultLimits(), v.ID, target, false)
				if problem.ExitCode(err) != 0 && problem.From(err).Code == problem.CodeUnavailable {
					continue // the demo planogram does not stock it
				}
				if err != nil {
					t.Fatalf("%s %d: %v", v.ID, target, err)
				}
				n++
				sum, ppm, parts := p.CarrierUL, p.CarrierShare, 0.0
				for _, r := range v.Recipe.Parts {
					parts += r.Parts
				}
				for i, d := range p.Doses {
					sum += d.UL()
					ppm += d.Share
					want := 0.0
					for _, r := range v.Recipe.Parts {
						if r.Ingredient == d.Ingredient {
							want = float64(target) * r.Parts / parts
						}
					}
					if e := float64(d.UL()) - want; e > 11 || e < -11 {
						t.Errorf("%s %d: dose %d is %d µL, want %.0f ± half a stroke", v.ID, target, i, d.UL(), want)
					}
				}
				if sum != target || ppm != Million {
					t.Errorf("%s: %d µL of %d, %d ppm", v.ID, sum, target, ppm)
				}
				if p.MaxUL > 1_000_000 || p.MaxUL < target || p.MaxUL > target*105/100+5_001 {
					t.Errorf("%s %d: bound %d µL", v.ID, target, p.MaxUL)
				}
				if p.MaxTime < 4*time.Second || p.MaxTime > 30*time.Second {
					t.Errorf("%s %d: bound %v", v.ID, target, p.MaxTime)
				}
			}
		}
	}
	if n < 600 {
		t.Errorf("only %d plans", n)
	}
}

func TestRefusals(t *testing.T) {
	c, l := demo(t)
	id := c.Brands[0].Beverages[0].ID
	bare, err := Build(parts(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		l      *Lineup
		stock  Stock
		id     beverage.ID
		target int64
		code   string
	}{
		{"unknown", l, full{l, 1e9}, "no.such", 240_000, problem.CodeNotFound},
		{"not stocked", bare, full{bare, 1e9}, id, 240_000, problem.CodeUnavailable},
		{"sold out", l, full{l, 100}, id, 240_000, problem.CodeUnavailable},
		{"too little", l, full{l, 1e9}, id, 19_999, problem.CodeBadRequest},
		{"nothing", l, full{l, 1e9}, id, 0, problem.CodeBadRequest},
		{"too much", l, full{l, 1e9}, id, 950_000, problem.CodeBadRequest},
		{"overflow", l, full{l, 1e9}, id, 1 << 62, problem.CodeBadRequest},
	} {
		_, err := Compute(c, tc.l, tc.stock, DefaultLimits(), tc.id, tc.target, false)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != tc.code || p.Where == "" || p.Remedy == "" {
			t.Errorf("%s: %v, want %s with place and remedy", tc.name, err, tc.code)
		}
	}
}

func TestBadRecipes(t *testing.T) {
	_, l := demo(t)
	ings := []beverage.Ingredient{{ID: "water.still", Kind: beverage.KindCarrier}, {ID: "water.sparkling", Kind: beverage.KindCarrier}, {ID: "syrup.sugar", Kind: beverage.KindSyrup}}
	for name, parts := range map[string][]beverage.RecipePart{
		"no carrier":   {{Ingredient: "syrup.sugar", Parts: 1}},
		"two carriers": {{Ingredient: "water.still", Parts: 1}, {Ingredient: "water.sparkling", Parts: 1}},
		"twice":        {{Ingredient: "water.still", Parts: 1}, {Ingredient: "syrup.sugar", Parts: 1}, {Ingredient: "syrup.sugar", Parts: 1}},
		"negative":     {{Ingredient: "water.still", Parts: 1}, {Ingredient: "syrup.sugar", Parts: -1}},
		"unknown":      {{Ingredient: "water.still", Parts: 1}, {Ingredient: "ghost", Parts: 1}},
		"empty":        {},
	} {
		c := &beverage.Catalogue{Ingredients: ings, Brands: []beverage.Brand{{ID: "b", Beverages: []beverage.Beverage{{ID: "b.v", Recipe: beverage.Recipe{Parts: parts}}}}}}
		_, err := Compute(c, l, full{l, 1e9}, DefaultLimits(), "b.v", 240_000, false)
		if err == nil || problem.From(err).Code != problem.CodeBadConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	slot := func(id string) *beverage.Planogram {
		return &beverage.Planogram{Slots: []beverage.Slot{{Slot: id, Ingredient: "x"}}}
	}
	noPump := append(parts(1), hal.Part{ID: "s99", Kind: hal.KindSlot})
	noMeter := []hal.Part{{ID: "still", Kind: hal.KindValve, Carrier: "water.still"}}
	for name, f := range map[string]func() (*Lineup, error){
		"slot the rig lacks": func() (*Lineup, error) { return Build(parts(1), slot("s02")) },
		"slot without pump":  func() (*Lineup, error) { return Build(noPump, slot("s99")) },
		"no meter":           func() (*Lineup, error) { return Build(noMeter, nil) },
		"two valves": func() (*Lineup, error) {
			return Build(append(parts(0), hal.Part{ID: "still2", Kind: hal.KindValve, Carrier: "water.still"}, hal.Part{ID: "m3", Kind: hal.KindMeter, PulsesPerLitre: 1, Serves: []string{"still2"}}), nil)
		},
	} {
		_, err := f()
		if err == nil || problem.From(err).Code != problem.CodeBadConfig || problem.From(err).Where == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A mix may have as many ingredients as a pour can dose, and no more.
func TestMixFitsAPour(t *testing.T) {
	if beverage.MaxDosed != MaxDoses {
		t.Errorf("a mix may have %d ingredients, a pour doses %d", beverage.MaxDosed, MaxDoses)
	}
}

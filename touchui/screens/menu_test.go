package screens

import (
	"slices"
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

func catalogue(t testing.TB) *beverage.Catalogue {
	t.Helper()
	c, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFilters(t *testing.T) {
	m := NewMenu(catalogue(t), api.Snapshot{})
	if a, all := len(m.Brands(FilterAll)), len(catalogue(t).Brands); a != all {
		t.Errorf("All shows %d of %d brands", a, all)
	}
	for _, f := range Filters {
		rows := m.Brands(f)
		if len(rows) == 0 {
			t.Errorf("%s shows nothing", f)
		}
		for _, r := range rows {
			for _, o := range m.Variants(r.Brand.ID, f) {
				v := o.Beverage
				switch {
				case f == FilterNoSugar && v.Sugar > .5, f == FilterNoCaffeine && v.Caffeine > 0,
					f == FilterFizzy && v.Recipe.Carrier != "sparkling", f == FilterStill && v.Recipe.Carrier == "sparkling":
					t.Errorf("%s lets %s pass", f, v.ID)
				}
			}
		}
	}
	if m.Count(FilterFizzy)+m.Count(FilterStill) != m.Count(FilterAll) {
		t.Error("fizzy and still are not everything")
	}
}

func TestWhatAUnitOffers(t *testing.T) {
	c := catalogue(t)
	blocked := map[beverage.ID]string{}
	for _, v := range c.Brands[0].Beverages {
		blocked[v.ID] = whyNotStocked
	}
	for _, v := range c.Brands[1].Beverages {
		blocked[v.ID] = whySoldOut
	}
	blocked[c.Brands[2].Beverages[0].ID] = whyRecalled
	m := NewMenu(c, api.Snapshot{Blocked: blocked, Favourites: []beverage.ID{c.Brands[1].Beverages[0].ID, c.Brands[3].Beverages[0].ID, "gone.gone"}})
	rows := m.Brands(FilterAll)
	if len(rows) != len(c.Brands)-1 {
		t.Errorf("%d rows: a brand that is not stocked is on the wall", len(rows))
	}
	if last := rows[len(rows)-1]; last.Brand.ID != c.Brands[1].ID || !last.Drained || last.Why != whySoldOut {
		t.Errorf("the sold-out brand does not stand last and drained: %+v", last)
	}
	if _, ok := m.Offer(c.Brands[2].Beverages[0].ID); ok {
		t.Error("a recalled beverage is offered")
	}
	favs, history := m.Favourites()
	if len(favs) != 1 || !history || favs[0].Beverage.ID != c.Brands[3].Beverages[0].ID {
		t.Errorf("favourites are %v", favs)
	}
	if o, ok := m.Water(); !ok || o.Beverage.KCal != 0 || sparkling(o.Beverage) {
		t.Errorf("just water is %+v", o.Beverage)
	}
}

// Whatever runs out, no substitute needs it.
func TestSubstitutesNeverShareWhatIsMissing(t *testing.T) {
	c := catalogue(t)
	checked := 0
	for _, missing := range c.Ingredients {
		blocked := map[beverage.ID]string{}
		var wanted []beverage.ID
		for i := range c.Brands {
			for j := range c.Brands[i].Beverages {
				v := &c.Brands[i].Beverages[j]
				if uses(v, map[beverage.IngredientID]bool{missing.ID: true}) {
					blocked[v.ID] = whySoldOut
					wanted = append(wanted, v.ID)
				}
			}
		}
		m := NewMenu(c, api.Snapshot{Blocked: blocked})
		for _, id := range wanted[:min(len(wanted), 5)] {
			if !m.Missing(id)[missing.ID] {
				t.Errorf("%s: %s is not recognised as missing", id, missing.ID)
			}
			subs := m.Substitutes(id, 3)
			brands := map[beverage.BrandID]int{}
			for _, s := range subs {
				brands[s.Brand.ID]++
				if !s.Pourable() || uses(s.Beverage, m.Missing(id)) || s.Beverage.ID == id || brands[s.Brand.ID] > 2 {
					t.Errorf("%s is out of %s and %s is recommended", id, missing.ID, s.Beverage.ID)
				}
				checked++
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d recommendations were looked at", checked)
	}
}

func TestClosestIsCloseInTaste(t *testing.T) {
	c := catalogue(t)
	m := NewMenu(c, api.Snapshot{Blocked: map[beverage.ID]string{"kolvane.cherry-zero": whySoldOut}})
	if s := m.Substitutes("kolvane.cherry-zero", 1); len(s) != 1 || s[0].Beverage.ID != "night-tram.black-cherry-zero" {
		t.Errorf("for a cherry cola without sugar: %+v", s)
	}
}

func TestNeighboursDiffer(t *testing.T) {
	rows := NewMenu(catalogue(t), api.Snapshot{}).Brands(FilterAll)
	near := 0
	for i := range rows {
		if i%wallColumns != 0 && colourDistance(rows[i].Brand.Palette.Primary, rows[i-1].Brand.Palette.Primary) < 60 {
			near++
		}
	}
	if near > len(rows)/20 {
		t.Errorf("%d of %d neighbours look alike", near, len(rows))
	}
}

func TestFlowPlanKeepsTextApart(t *testing.T) {
	p := flowPlan{top: 200, bottom: 1500, sink: 530, above: 348, under: 44, numberH: 288, nameGap: 92, tight: 30, nameH: 200, limit: 1520}
	for ul := range 1001 {
		level := p.levelAt(float64(ul) / 1000)
		number, name, numberDry, nameDry := p.place(level)
		switch {
		case number < 180 || name+p.nameH > p.limit:
			t.Fatalf("level %d: number at %d, name at %d leave the page", level, number, name)
		case number < name+p.nameH && name < number+p.numberH:
			t.Fatalf("level %d: number at %d and name at %d overlap", level, number, name)
		case numberDry != (number+p.numberH <= level) || nameDry != (name+p.nameH <= level):
			t.Fatalf("level %d: a text stands in the surface: number %d, name %d", level, number, name)
		}
	}
}

func TestWords(t *testing.T) {
	v := &beverage.Beverage{KCal: 1, Caffeine: 9.6, Sweeteners: []string{"aspartame"}, Notices: []string{"phenylalanine"}, Allergens: []string{"almond"}}
	if got, want := facts(english(t), v, Cup{"medium", 473}), "Medium cup without ice. Sweeteners: aspartame. Contains a source of phenylalanine. Contains almond."; got != want {
		t.Errorf("facts: %q", got)
	}
	if kcal(v, 473) != 5 || caffeineMG(v, 473) != 45 || sugarG(v, 473) != 0 {
		t.Errorf("figures: %d %d %d", kcal(v, 473), caffeineMG(v, 473), sugarG(v, 473))
	}
}

func TestCupsFollowTheUnit(t *testing.T) {
	cups := cupsOf([]api.Size{{ID: "small", UL: 300_000}, {ID: "large", UL: 591_000}})
	want := []Cup{{"small", 300}, {"large", 591}}
	if !slices.Equal(cups, want) || usual(cups) != 0 {
		t.Errorf("got %v, usual %d", cups, usual(cups))
	}
	if one := cupsOf(nil); len(one) != 1 || one[usual(one)].ML != 473 {
		t.Errorf("before the agent has spoken: %v", one)
	}
}

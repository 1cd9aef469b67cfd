package beverage

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

var shared = sync.OnceValues(Default) // nothing changes a loaded catalogue

func catalogue(t interface{ Fatal(...any) }) *Catalogue {
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// everything lists all beverages.
func everything(c *Catalogue) (all []*Beverage) {
	for i := range c.Brands {
		for j := range c.Brands[i].Beverages {
			all = append(all, &c.Brands[i].Beverages[j])
		}
	}
	return all
}

func reasonOf(err error) string {
	var e *MixError
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestMixRefusals(t *testing.T) {
	c := catalogue(t)
	half := func(a, b ID) []MixPart { return []MixPart{{a, 50}, {b, 50}} }
	for _, tc := range []struct {
		name, reason string
		parts        []MixPart
	}{
		{"nothing", MixEmpty, nil},
		{"four", MixTooMany, []MixPart{{"kolvane.original", 25}, {"zestrel.lemon-lime", 25}, {"gingerlock.ginger-ale", 25}, {"orangerie.orange", 25}}},
		{"not 100", MixShares, []MixPart{{"kolvane.original", 50}, {"zestrel.lemon-lime", 45}}},
		{"no step", MixShares, []MixPart{{"kolvane.original", 52}, {"zestrel.lemon-lime", 48}}},
		{"nothing of one", MixShares, []MixPart{{"kolvane.original", 100}, {"zestrel.lemon-lime", 0}}},
		{"less than nothing", MixShares, []MixPart{{"kolvane.original", 105}, {"zestrel.lemon-lime", -5}}},
		{"twice", MixTwice, half("kolvane.original", "kolvane.original")},
		{"unknown", MixUnknown, half("kolvane.original", "kolvane.moon")},
		{"still and sparkling", MixCarriers, half("kolvane.original", "lemonpark.classic")},
		{"two energy drinks", MixCaffeine, half("dynamo-fox.original", "kilowatt-hare.lime-volt")},
		{"too much energy", MixCaffeine, []MixPart{{"dynamo-fox.original", 60}, {"zestrel.lemon-lime", 40}}},
		{"strong tea for children", MixCaffeine, []MixPart{{"wakewell.green-wake", 5}, {"puddle-club.apple-splash", 95}}},
	} {
		_, err := Mix(c, tc.parts)
		if got := reasonOf(err); got != tc.reason {
			t.Errorf("%s: %q (%v), want %q", tc.name, got, err, tc.reason)
		}
	}
	for _, parts := range [][]MixPart{
		half("kolvane.original", "zestrel.lemon-lime"),
		{{"dynamo-fox.original", 40}, {"zestrel.lemon-lime", 60}},
		{{"zestrel.lemon-lime", 50}, {"rhubarb-radio.rhubarb", 30}, {"gingerlock.ginger-ale", 20}},
		{{"dynamo-fox.original", 100}},
		half("kolvane.original", "house-water.sparkling"),
	} {
		if _, err := Mix(c, parts); err != nil {
			t.Errorf("%v: %v", parts, err)
		}
	}
}

// What the default catalogue has no example of.
func TestMixRefusesByData(t *testing.T) {
	var parts []RecipePart
	ings := []Ingredient{{ID: "water.still", Kind: KindCarrier}, {ID: "milk", Category: []string{"dairy"}}, {ID: "lemon", Category: []string{"juice"}}}
	for i := range MaxDosed {
		id := IngredientID(rune('a' + i))
		ings = append(ings, Ingredient{ID: id})
		parts = append(parts, RecipePart{Ingredient: id, Parts: 1})
	}
	drink := func(id ID, parts ...RecipePart) Beverage {
		return Beverage{ID: id, Recipe: Recipe{Carrier: TagStill, Parts: append(parts, RecipePart{Ingredient: "water.still", Parts: 5})}}
	}
	alone := drink("x.alone")
	alone.NoMix = true
	c := &Catalogue{Ingredients: ings, Brands: []Brand{{Beverages: []Beverage{
		drink("x.water"), alone, drink("x.milk", RecipePart{Ingredient: "milk", Parts: 1}), drink("x.lemon", RecipePart{Ingredient: "lemon", Parts: 1}),
		drink("x.many", parts...), drink("x.shake", RecipePart{Ingredient: "milk", Parts: 1}, RecipePart{Ingredient: "lemon", Parts: 1}),
	}}}}
	for _, tc := range []struct {
		a, b   ID
		reason string
	}{
		{"x.water", "x.alone", MixAlone},
		{"x.milk", "x.lemon", MixCurdles},
		{"x.many", "x.lemon", MixIngredients},
		{"x.milk", "x.water", ""},
		{"x.many", "x.water", ""},
	} {
		_, err := Mix(c, []MixPart{{tc.a, 50}, {tc.b, 50}})
		if got := reasonOf(err); got != tc.reason || Mixable(c, []ID{tc.a}, tc.b) != (tc.reason == "") {
			t.Errorf("%s and %s: %q, want %q; mixable %v", tc.a, tc.b, got, tc.reason, Mixable(c, []ID{tc.a}, tc.b))
		}
	}
	if _, err := Mix(c, []MixPart{{"x.alone", 100}}); err != nil {
		t.Errorf("alone: %v", err)
	}
}

func drawParts(t *rapid.T, all []*Beverage) []MixPart {
	n := rapid.IntRange(1, MixMost).Draw(t, "beverages")
	parts := make([]MixPart, n)
	left := mixWhole/MixStep - n
	for i := range parts {
		more := left
		if i < n-1 {
			more = rapid.IntRange(0, left).Draw(t, "share")
		}
		left -= more
		parts[i] = MixPart{rapid.SampledFrom(all).Draw(t, "beverage").ID, MixStep * (1 + more)}
	}
	return parts
}

// TestMixConserves: whatever is mixed, every ingredient and all nutrition of the parts is in the mix, the mix is as sound
// as a beverage of the catalogue, and nothing unsafe comes out. Mixable says the same as Mix.
func TestMixConserves(t *testing.T) {
	c := catalogue(t)
	all := everything(c)
	rapid.Check(t, func(t *rapid.T) {
		parts := drawParts(t, all)
		m, err := Mix(c, parts)
		var ids []ID
		for _, p := range parts {
			ids = append(ids, p.Beverage)
		}
		last := len(ids) - 1
		if err != nil {
			if len(parts) == 1 || reasonOf(err) == "" {
				t.Fatalf("%v: %v", parts, err)
			}
			if r := reasonOf(err); r != MixCaffeine && Mixable(c, ids[:last], ids[last]) {
				t.Fatalf("%v is offered, and refused: %v", ids, err)
			}
			return
		}
		if !Mixable(c, ids[:last], ids[last]) {
			t.Fatalf("%v can be mixed, and is not offered", parts)
		}
		if len(parts) > 1 && m.Caffeine > HighCaffeine {
			t.Fatalf("%g mg caffeine", m.Caffeine)
		}
		if err := c.checkBeverage(&m, "mix", ""); err != nil {
			t.Fatalf("%v: %v", parts, err)
		}
		want := map[IngredientID]float64{}
		kcal, sugar := 0.0, 0.0
		for _, p := range parts {
			_, b, _ := c.Beverage(p.Beverage)
			kcal, sugar = kcal+b.KCal*float64(p.Share)/100, sugar+b.Sugar*float64(p.Share)/100
			sum := 0.0
			for _, r := range b.Recipe.Parts {
				sum += r.Parts
			}
			for _, r := range b.Recipe.Parts {
				want[r.Ingredient] += r.Parts / sum * float64(p.Share)
			}
			for _, n := range b.Allergens {
				if !slices.Contains(m.Allergens, n) {
					t.Fatalf("allergen %s is not told", n)
				}
			}
			for _, n := range b.Notices {
				if n != NoticeCaffeine && !slices.Contains(m.Notices, n) {
					t.Fatalf("notice %s is not told", n)
				}
			}
		}
		total := 0.0
		for _, r := range m.Recipe.Parts {
			total += r.Parts
			if math.Abs(r.Parts-want[r.Ingredient]) > 1e-9 {
				t.Fatalf("%s: %g, want %g", r.Ingredient, r.Parts, want[r.Ingredient])
			}
			delete(want, r.Ingredient)
		}
		if len(want) > 0 || math.Abs(total-100) > 1e-9 || math.Abs(m.KCal-kcal) > 1e-9 || math.Abs(m.Sugar-sugar) > 1e-9 {
			t.Fatalf("missing %v; %g parts; %g kcal, %g g", want, total, m.KCal, m.Sugar)
		}
		if slices.Contains(m.Notices, NoticeCaffeine) != (m.Caffeine > HighCaffeine) {
			t.Fatalf("%g mg caffeine, notices %v", m.Caffeine, m.Notices)
		}
		if len(m.Liquid) != 7 || m.ID != MixID || m.Recipe.Carrier == "" {
			t.Fatalf("%+v", m)
		}
	})
}

// Whoever holds a notice for caffeine is above the limit, and nobody else: the rule and the data agree.
func TestCatalogueAgreesOnCaffeine(t *testing.T) {
	for _, b := range everything(catalogue(t)) {
		if slices.Contains(b.Notices, NoticeCaffeine) != (b.Caffeine > HighCaffeine) {
			t.Errorf("%s has %g mg in 100 ml, notices %v", b.ID, b.Caffeine, b.Notices)
		}
	}
}

// Everything the screen offers can be mixed in some shares.
func TestMixableHolds(t *testing.T) {
	c := catalogue(t)
	all := everything(c)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SampledFrom(all).Draw(t, "a"), rapid.SampledFrom(all).Draw(t, "b")
		if Mixable(c, []ID{a.ID}, b.ID) != Mixable(c, []ID{b.ID}, a.ID) {
			t.Fatal("the order decides")
		}
		found := false
		for share := MixLeast; share <= 100-MixLeast && !found; share += MixStep {
			_, err := Mix(c, []MixPart{{a.ID, share}, {b.ID, 100 - share}})
			found = err == nil
		}
		if found != Mixable(c, []ID{a.ID}, b.ID) {
			t.Fatalf("%s and %s: mixes %v, offered %v", a.ID, b.ID, found, !found)
		}
	})
	if Mixable(c, nil, "nothing") || !Mixable(c, nil, all[0].ID) || Mixable(c, []ID{all[0].ID, all[1].ID, all[2].ID}, all[3].ID) {
		t.Error("the ends are wrong")
	}
}

func TestRebalance(t *testing.T) {
	for _, tc := range []struct {
		in       []int
		i, share int
		out      []int
	}{
		{[]int{50, 50}, 0, 70, []int{70, 30}},
		{[]int{50, 30, 20}, 0, 90, []int{90, 5, 5}},
		{[]int{50, 30, 20}, 0, 100, []int{90, 5, 5}},
		{[]int{50, 30, 20}, 0, 0, []int{5, 55, 40}},
		{[]int{100}, 0, 40, []int{100}},
		{[]int{50, 25, 25}, 1, 33, []int{45, 35, 20}},
	} {
		in := make([]MixPart, len(tc.in))
		for j, s := range tc.in {
			in[j] = MixPart{ID(rune('a' + j)), s}
		}
		var got []int
		for _, p := range Rebalance(in, tc.i, tc.share) {
			got = append(got, p.Share)
		}
		if !slices.Equal(got, tc.out) {
			t.Errorf("%v with %d at %d: %v, want %v", tc.in, tc.i, tc.share, got, tc.out)
		}
	}
	all := []*Beverage{{ID: "a.a"}, {ID: "b.b"}, {ID: "c.c"}, {ID: "d.d"}, {ID: "e.e"}}
	rapid.Check(t, func(t *rapid.T) {
		parts := drawParts(t, all)
		i := rapid.IntRange(-1, len(parts)).Draw(t, "i")
		share := rapid.IntRange(-50, 200).Draw(t, "share")
		before := slices.Clone(parts)
		got := Rebalance(parts, i, share)
		if !slices.Equal(parts, before) {
			t.Fatal("the parts were changed")
		}
		sum := 0
		for j, p := range got {
			sum += p.Share
			if p.Share < MixLeast && len(got) > 1 || p.Share%MixStep != 0 || p.Beverage != parts[j].Beverage {
				t.Fatalf("%v", got)
			}
		}
		if sum != 100 {
			t.Fatalf("%v is %d", got, sum)
		}
		if i < 0 || i >= len(got) {
			return
		}
		if most := 100 - MixLeast*(len(got)-1); got[i].Share != min(max((share+2)/5*5, MixLeast), most) && share >= 0 && len(got) > 1 {
			t.Fatalf("asked for %d, got %v", share, got)
		}
	})
}

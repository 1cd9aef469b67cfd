package beverage

import (
	"slices"
	"testing"
)

// TestMixTellsOfAll: whoever must not drink one part is told so of the mix, wherever in it that part stands and however
// small its share is. The catalogue has too few allergens that may be mixed to prove it.
func TestMixTellsOfAll(t *testing.T) {
	drink := func(id ID, allergen, sweetener, notice string) Beverage {
		return Beverage{
			ID: id, Recipe: Recipe{Carrier: TagStill, Parts: []RecipePart{{Ingredient: "water.still", Parts: 1}}},
			Allergens: []string{allergen, "all"}, Sweeteners: []string{sweetener}, Notices: []string{notice},
		}
	}
	c := &Catalogue{Ingredients: []Ingredient{{ID: "water.still", Kind: KindCarrier}}, Brands: []Brand{{Beverages: []Beverage{
		drink("x.a", "soy", "s1", "n1"), drink("x.b", "gluten", "s2", "n2"), drink("x.c", "sulphites", "s3", "n3"),
	}}}}
	for _, ids := range [][]ID{{"x.a", "x.b", "x.c"}, {"x.b", "x.c", "x.a"}, {"x.c", "x.a", "x.b"}} {
		m, err := Mix(c, []MixPart{{ids[0], 90}, {ids[1], 5}, {ids[2], 5}})
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			what      string
			got, want []string
		}{
			{"allergens", m.Allergens, []string{"all", "gluten", "soy", "sulphites"}},
			{"sweeteners", m.Sweeteners, []string{"s1", "s2", "s3"}},
			{"notices", m.Notices, []string{"n1", "n2", "n3"}},
		} {
			if !slices.Equal(tc.got, tc.want) {
				t.Errorf("%v: %s are %v, want %v", ids, tc.what, tc.got, tc.want)
			}
		}
	}
	for _, b := range c.Brands[0].Beverages { // the catalogue's own lists are not touched
		if len(b.Allergens) != 2 || b.Allergens[1] != "all" {
			t.Errorf("%s now has %v", b.ID, b.Allergens)
		}
	}
}

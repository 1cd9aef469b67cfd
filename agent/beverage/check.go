package beverage

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Tolerances between a beverage's stated nutrition and what its recipe gives per 100 ml: stated values are rounded.
const (
	kcalTolerance  = 0.7
	gramTolerance  = 0.15
	noSugarLimit   = 0.5 // g in 100 ml, Regulation (EC) 1924/2006
	noCaffeineMg   = 0.1
	minContrast    = 4.5 // WCAG 2.2 AA for text
	carrierMinimum = 0.5 // share of the finished drink: the carrier rinses the nozzle
)

// carrierOf names the ingredient of a recipe's carrier.
func carrierOf(r Recipe) IngredientID { return IngredientID("water." + r.Carrier) }

// check enforces what a schema cannot say.
func (c *Catalogue) check(where string) error {
	ids := map[string]string{}
	once := func(at, id string) error {
		if first, ok := ids[id]; ok {
			return bad(where, at, fmt.Sprintf("id %q is used twice, first at %s", id, first))
		}
		ids[id] = at
		return nil
	}
	for i, ing := range c.Ingredients {
		if err := once(fmt.Sprintf("/ingredients/%d/id", i), string(ing.ID)); err != nil {
			return err
		}
	}
	for i, b := range c.Brands {
		at := fmt.Sprintf("/brands/%d", i)
		if err := once(at+"/id", string(b.ID)); err != nil {
			return err
		}
		if err := b.Palette.check(where, at+"/palette"); err != nil {
			return err
		}
		for j := range b.Beverages {
			v := &b.Beverages[j]
			at := fmt.Sprintf("%s/beverages/%d", at, j)
			if err := once(at+"/id", string(v.ID)); err != nil {
				return err
			}
			if !strings.HasPrefix(string(v.ID), string(b.ID)+".") {
				return bad(where, at+"/id", fmt.Sprintf("id %q must start with %q", v.ID, b.ID+"."))
			}
			if err := c.checkBeverage(v, where, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Catalogue) checkBeverage(v *Beverage, where, at string) error {
	var total, carrier float64
	var sugar, kcal, caffeine float64
	var sweeteners, allergens []string
	seen := map[IngredientID]bool{}
	for k, p := range v.Recipe.Parts {
		at := fmt.Sprintf("%s/recipe/parts/%d/ingredient", at, k)
		ing, ok := c.Ingredient(p.Ingredient)
		if !ok {
			return bad(where, at, fmt.Sprintf("ingredient %q is not in the catalogue", p.Ingredient))
		}
		if seen[p.Ingredient] {
			return bad(where, at, fmt.Sprintf("ingredient %q is in the recipe twice", p.Ingredient))
		}
		seen[p.Ingredient] = true
		if ing.Kind == KindCarrier {
			if ing.ID != carrierOf(v.Recipe) {
				return bad(where, at, fmt.Sprintf("carrier %q does not fit \"carrier\": %q", ing.ID, v.Recipe.Carrier))
			}
			carrier += p.Parts
		}
		total += p.Parts
		sugar += ing.Sugar * p.Parts
		kcal += ing.KCal * p.Parts
		caffeine += ing.Caffeine * p.Parts
		sweeteners = append(sweeteners, ing.Sweeteners...)
		allergens = append(allergens, ing.Allergens...)
	}
	if carrier < carrierMinimum*total {
		return bad(where, at+"/recipe", fmt.Sprintf("the carrier is %.0f %% of the drink, at least %.0f %% is needed", 100*carrier/total, 100*carrierMinimum))
	}
	for _, n := range []struct {
		key                  string
		stated, given, limit float64
	}{
		{"sugar", v.Sugar, sugar / total, gramTolerance},
		{"kcal", v.KCal, kcal / total, kcalTolerance},
		{"caffeine", v.Caffeine, caffeine / total, gramTolerance},
	} {
		if math.Abs(n.stated-n.given) > n.limit {
			return bad(where, at+"/"+n.key, fmt.Sprintf("states %g, the recipe gives %.2f", n.stated, n.given))
		}
	}
	for _, n := range []struct {
		key           string
		stated, given []string
	}{{"sweeteners", v.Sweeteners, sweeteners}, {"allergens", v.Allergens, allergens}} {
		if !slices.Equal(sortedSet(n.stated), sortedSet(n.given)) {
			return bad(where, at+"/"+n.key, fmt.Sprintf("states %q, the recipe gives %q", n.stated, sortedSet(n.given)))
		}
	}
	for _, n := range []struct {
		tag  string
		want bool
	}{
		{TagStill, v.Recipe.Carrier == TagStill},
		{TagSparkling, v.Recipe.Carrier == TagSparkling},
		{TagNoSugar, v.Sugar < noSugarLimit},
		{TagCaffeineFree, v.Caffeine < noCaffeineMg},
	} {
		if slices.Contains(v.Tags, n.tag) != n.want {
			return bad(where, at+"/tags", fmt.Sprintf("tag %q does not fit the recipe", n.tag))
		}
	}
	return nil
}

func sortedSet(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

func (p *Palette) check(where, at string) error {
	for _, n := range []struct{ key, fg, bg string }{
		{"ink", p.Ink, p.Primary},
		{"well", p.Ink, p.Well},
		{"onSecondary", p.OnSecondary, p.Secondary},
	} {
		if k := Contrast(n.fg, n.bg); k < minContrast {
			return bad(where, at+"/"+n.key, fmt.Sprintf("%s on %s has a contrast of %.2f, text needs %.1f", n.fg, n.bg, k, minContrast))
		}
	}
	return nil
}

// Contrast is the WCAG 2 contrast ratio (1 to 21) of two #RRGGBB colours.
func Contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	v, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		return 0 // the schema has refused it
	}
	lin := func(shift uint) float64 {
		c := float64(v>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(16) + 0.7152*lin(8) + 0.0722*lin(0)
}

package screens

import (
	"slices"
	"strings"

	"fountain/agent/beverage"
)

// Filter narrows the wall.
type Filter string

// The filters of the home screen, in order: what is or is not in a drink, then kinds.
const (
	FilterAll        Filter = "all"
	FilterNoSugar    Filter = "no-sugar"
	FilterNoCaffeine Filter = "no-caffeine"
	FilterFizzy      Filter = "fizzy"
	FilterStill      Filter = "still"
	FilterCola       Filter = "cola"
	FilterLemonade   Filter = "lemonade"
	FilterTea        Filter = "tea"
	FilterJuice      Filter = "juice"
	FilterWater      Filter = "water"
	FilterSports     Filter = "sports"
	FilterEnergy     Filter = "energy"
	FilterKids       Filter = "kids"
)

// Filters lists the filters that hold on every unit, in the order of the dock.
var Filters = [...]Filter{FilterAll, FilterNoSugar, FilterNoCaffeine, FilterFizzy, FilterStill}

// kinds lists the filters by kind; a unit shows those it has at least kindLeast brands of.
var kinds = [...]Filter{FilterTea, FilterJuice, FilterLemonade, FilterWater, FilterCola, FilterSports, FilterEnergy, FilterKids}

const kindLeast = 3

// words are those in a brand's kind that make it one of a filter by kind.
func (f Filter) words() []string {
	switch f {
	case FilterCola:
		return []string{"cola"}
	case FilterLemonade:
		return []string{"lemonade", "limeade"}
	case FilterTea:
		return []string{"tea", "maté", "chamomile", "rooibos"}
	case FilterJuice:
		return []string{"juice", "nectar"}
	case FilterWater:
		return []string{"water"}
	case FilterSports:
		return []string{"isotonic", "electrolyte"}
	case FilterEnergy:
		return []string{"energy"}
	case FilterKids:
		return []string{"kids"}
	case FilterAll, FilterNoSugar, FilterNoCaffeine, FilterFizzy, FilterStill:
	}
	return nil
}

// Takes reports whether an offer passes. Sugar and caffeine are judged by the figures, not by tags, so that a screen
// never promises what the nutrition line denies; 0.5 g in 100 ml is the legal limit of "sugar free".
func (f Filter) Takes(o Offer) bool {
	switch f {
	case FilterNoSugar:
		return noSugar(o.Beverage)
	case FilterNoCaffeine:
		return noCaffeine(o.Beverage)
	case FilterFizzy:
		return sparkling(o.Beverage)
	case FilterStill:
		return !sparkling(o.Beverage)
	}
	if words := f.words(); words != nil {
		return slices.ContainsFunc(strings.Fields(strings.ToLower(o.Brand.Kind)), func(w string) bool { return slices.Contains(words, w) })
	}
	return true
}

// icon is the sign of a filter, "" when its word says it all.
func (f Filter) icon() string {
	switch f {
	case FilterAll:
		return "all"
	case FilterNoSugar:
		return "zero"
	case FilterNoCaffeine:
		return "moon"
	case FilterFizzy:
		return "bubbles"
	case FilterStill:
		return "still"
	}
	return ""
}

// sign is the picture of a kind where there is room for one beside its word.
func (f Filter) sign() string {
	switch f {
	case FilterWater:
		return "hold"
	case FilterTea:
		return "leaf"
	case FilterJuice:
		return "citrus"
	case FilterSports:
		return "bolt"
	}
	return f.icon()
}

func noSugar(v *beverage.Beverage) bool    { return v.Sugar <= .5 }
func noCaffeine(v *beverage.Beverage) bool { return v.Caffeine == 0 }
func sparkling(v *beverage.Beverage) bool {
	return v.Recipe.Carrier == "sparkling" || slices.Contains(v.Tags, beverage.TagSparkling)
}

// Filters lists the filters that this unit's dock shows.
func (m *Menu) Filters() []Filter {
	out := slices.Clone(Filters[:])
	for _, f := range kinds {
		if len(m.Brands(f)) >= kindLeast {
			out = append(out, f)
		}
	}
	return out
}

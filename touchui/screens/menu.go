package screens

import (
	"math"
	"slices"
	"strings"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/theme"
)

// Reasons in Snapshot.Blocked.
const (
	whySoldOut    = "sold_out"
	whyNotStocked = "not_stocked"
	whyNoFizz     = "no_fizz"
	whyTooWarm    = "too_warm"
	whyRecalled   = "recalled"
)

// Offer is a beverage with its brand and whether it can be poured now.
type Offer struct {
	Brand    *beverage.Brand
	Beverage *beverage.Beverage
	Why      string // "" when it can be poured
}

// Pourable reports whether it can be poured now.
func (o Offer) Pourable() bool { return o.Beverage != nil && o.Why == "" }

// Menu is what this unit offers now: the catalogue seen through a snapshot. It never changes after NewMenu.
type Menu struct {
	offers  map[beverage.ID]Offer
	brands  map[beverage.BrandID][]Offer // stocked, in catalogue order
	order   []*beverage.Brand            // of the wall, everything
	favs    []Offer
	history bool   // favs come from what was poured here
	fizz    bool   // fizz is there, or none was ever stocked
	fizzWhy string // why it is not
}

// NewMenu combines a catalogue and a snapshot. What the unit does not stock, or what was recalled, is not in it.
func NewMenu(c *beverage.Catalogue, s api.Snapshot) *Menu {
	m := &Menu{offers: map[beverage.ID]Offer{}, brands: map[beverage.BrandID][]Offer{}, fizz: true}
	var open, out []*beverage.Brand
	fizzy, noFizz, warm := 0, 0, 0
	for i := range c.Brands {
		b := &c.Brands[i]
		pourable := false
		for j := range b.Beverages {
			v := &b.Beverages[j]
			o := Offer{Brand: b, Beverage: v, Why: s.Blocked[v.ID]}
			if o.Why == whyNotStocked || o.Why == whyRecalled {
				continue
			}
			m.offers[v.ID] = o
			m.brands[b.ID] = append(m.brands[b.ID], o)
			pourable = pourable || o.Pourable()
			if sparkling(v) {
				fizzy++
				switch o.Why {
				case whyNoFizz:
					noFizz++
				case whyTooWarm:
					warm++
				}
			}
		}
		switch {
		case pourable:
			open = append(open, b)
		case len(m.brands[b.ID]) > 0:
			out = append(out, b) // sold-out brands go last
		}
	}
	switch {
	case noFizz > 0:
		m.fizz, m.fizzWhy = false, whyNoFizz
	case warm > 0 && warm == fizzy:
		m.fizz, m.fizzWhy = false, whyTooWarm
	}
	m.order = append(apart(open), apart(out)...)
	m.favourites(s)
	return m
}

const maxFavourites = 8

func (m *Menu) favourites(s api.Snapshot) {
	for _, id := range s.Favourites {
		if o, ok := m.offers[id]; ok && o.Pourable() && len(m.favs) < maxFavourites {
			m.favs = append(m.favs, o)
		}
	}
	m.history = len(m.favs) > 0
	if m.history {
		return
	}
	for i, b := range m.order { // a machine without history suggests one of every few brands
		if i%2 == 1 || len(m.favs) == maxFavourites-2 {
			continue
		}
		for _, o := range m.brands[b.ID] {
			if o.Pourable() {
				m.favs = append(m.favs, o)
				break
			}
		}
	}
}

// Favourites lists what the first row shows, and whether that is what people poured here.
func (m *Menu) Favourites() (offers []Offer, fromHistory bool) { return m.favs, m.history }

// Fizz reports whether sparkling beverages can be had as far as gas goes.
func (m *Menu) Fizz() bool { return m.fizz }

// Offer finds one beverage of this unit.
func (m *Menu) Offer(id beverage.ID) (Offer, bool) { o, ok := m.offers[id]; return o, ok }

// Variants lists what the unit stocks of a brand that passes every filter.
func (m *Menu) Variants(id beverage.BrandID, fs ...Filter) []Offer {
	var out []Offer
	for _, o := range m.brands[id] {
		if !slices.ContainsFunc(fs, func(f Filter) bool { return !f.Takes(o) }) {
			out = append(out, o)
		}
	}
	return out
}

// BrandRow is one tile of the wall.
type BrandRow struct {
	Brand   *beverage.Brand
	Drained bool   // nothing that passes the filter can be poured
	Why     string // of a drained brand
}

// Brands lists the wall: every brand the unit stocks that has a beverage passing f, pourable ones first.
func (m *Menu) Brands(f Filter) []BrandRow {
	var open, out []BrandRow
	for _, b := range m.order {
		offers := m.Variants(b.ID, f)
		if len(offers) == 0 {
			continue
		}
		if slices.ContainsFunc(offers, Offer.Pourable) {
			open = append(open, BrandRow{Brand: b})
		} else {
			out = append(out, BrandRow{Brand: b, Drained: true, Why: offers[0].Why})
		}
	}
	return append(open, out...)
}

// Count is the number of beverages that can be poured and pass f.
func (m *Menu) Count(f Filter) int {
	n := 0
	for _, o := range m.offers {
		if o.Pourable() && f.Takes(o) {
			n++
		}
	}
	return n
}

// Water finds the plainest water: only still carrier, and nothing else if there is one.
func (m *Menu) Water() (Offer, bool) {
	best, found := Offer{}, false
	for _, b := range m.order {
		for _, o := range m.brands[b.ID] {
			v := o.Beverage
			if !o.Pourable() || sparkling(v) || v.KCal > 0 || len(v.Recipe.Parts) != 1 || v.Recipe.Parts[0].Ingredient != "water.still" {
				continue
			}
			if !found {
				best, found = o, true
			}
		}
	}
	return best, found
}

// Missing lists the ingredients that may have run out: those of the beverage that nothing pourable uses.
func (m *Menu) Missing(id beverage.ID) map[beverage.IngredientID]bool {
	o, ok := m.offers[id]
	if !ok {
		return nil
	}
	missing := map[beverage.IngredientID]bool{}
	for _, p := range o.Beverage.Recipe.Parts {
		missing[p.Ingredient] = true
	}
	for _, other := range m.offers {
		if !other.Pourable() {
			continue
		}
		for _, p := range other.Beverage.Recipe.Parts {
			delete(missing, p.Ingredient)
		}
	}
	return missing
}

// Substitutes lists up to n pourable beverages nearest in taste that share no missing ingredient, best first, at most
// two of a brand.
func (m *Menu) Substitutes(id beverage.ID, n int) []Offer {
	want, ok := m.offers[id]
	if !ok {
		return nil
	}
	missing := m.Missing(id)
	type ranked struct {
		o Offer
		s float64
	}
	var all []ranked
	for _, b := range m.order {
		for _, o := range m.brands[b.ID] {
			if o.Pourable() && o.Beverage.ID != id && !uses(o.Beverage, missing) {
				all = append(all, ranked{o, nearness(want, o)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		switch {
		case a.s > b.s:
			return -1
		case a.s < b.s:
			return 1
		}
		return strings.Compare(string(a.o.Beverage.ID), string(b.o.Beverage.ID))
	})
	perBrand := map[beverage.BrandID]int{}
	var out []Offer
	for _, r := range all {
		if len(out) < n && perBrand[r.o.Brand.ID] < 2 {
			perBrand[r.o.Brand.ID]++
			out = append(out, r.o)
		}
	}
	return out
}

func uses(v *beverage.Beverage, set map[beverage.IngredientID]bool) bool {
	return slices.ContainsFunc(v.Recipe.Parts, func(p beverage.RecipePart) bool { return set[p.Ingredient] })
}

// nearness weighs what a person tastes: fizz, sugar, caffeine, the flavours themselves, and the words of the names.
func nearness(a, b Offer) float64 {
	s := 0.0
	if sparkling(a.Beverage) == sparkling(b.Beverage) {
		s += 3
	}
	if noSugar(a.Beverage) == noSugar(b.Beverage) {
		s += 3
	}
	if noCaffeine(a.Beverage) == noCaffeine(b.Beverage) {
		s++
	}
	if a.Brand.ID == b.Brand.ID {
		s += 2
	}
	for w := range flavours(a) {
		if flavours(b)[w] {
			s += 3
		}
	}
	for _, w := range strings.Fields(strings.ToLower(a.Brand.Kind)) {
		if slices.Contains(strings.Fields(strings.ToLower(b.Brand.Kind)), w) {
			s++
		}
	}
	return s
}

// flavours are the words for what a beverage tastes of, from its name and its flavouring ingredients.
func flavours(o Offer) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(strings.ToLower(o.Beverage.Name)) {
		if len(w) > 2 && w != "zero" && w != "light" && w != "free" {
			out[w] = true
		}
	}
	for _, p := range o.Beverage.Recipe.Parts {
		kind, name, _ := strings.Cut(string(p.Ingredient), ".")
		if kind == "flavour" || kind == "juice" || kind == "tea" {
			out[name] = true
		}
	}
	return out
}

// wallColumns is how far apart two tiles are neighbours above each other; the wall has four columns.
const wallColumns = 4

// apart orders brands so that neighbours (left and above, four in a row) differ in colour, staying near the given order.
func apart(in []*beverage.Brand) []*beverage.Brand {
	rest := slices.Clone(in)
	out := make([]*beverage.Brand, 0, len(in))
	for len(rest) > 0 {
		best, bestD := 0, -1.0
		for i := range min(len(rest), 12) {
			d := math.Inf(1)
			p := rest[i].Palette.Primary
			if n := len(out); n > 0 {
				if n%wallColumns != 0 {
					d = colourDistance(p, out[n-1].Palette.Primary)
				}
				if n >= wallColumns {
					d = min(d, colourDistance(p, out[n-wallColumns].Palette.Primary))
				}
			}
			if d >= farEnough {
				best = i
				break
			}
			if d > bestD {
				best, bestD = i, d
			}
		}
		out = append(out, rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
	return out
}

// farEnough is a distance in RGB at which two fields are told apart across a room; found by eye on the wall.
const farEnough = 110

func colourDistance(a, b string) float64 {
	x, y := theme.Hex(a), theme.Hex(b)
	d := func(p, q uint8) float64 { return (float64(p) - float64(q)) * (float64(p) - float64(q)) }
	return math.Sqrt(d(x.R, y.R) + d(x.G, y.G) + d(x.B, y.B))
}

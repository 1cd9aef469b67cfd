package agent

import (
	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/inventory"
	"fountain/agent/recall"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/sync/wire"
)

// smallestUL is the smallest cup when the configuration names none: what a sold-out drink cannot fill any more.
const smallestUL = 120_000

// menu is what the catalogue and the rig say about every beverage; it never changes.
type menu struct {
	catalogue *beverage.Catalogue
	items     []item
	index     map[beverage.ID]int
}

type item struct {
	id      beverage.ID
	carrier beverage.IngredientID
	line    bool                            // the rig has the carrier's line
	needs   map[beverage.IngredientID]int64 // for the smallest cup
}

func newMenu(c *beverage.Catalogue, parts []hal.Part, cfg *config.Config) *menu {
	smallest := int64(0)
	for _, s := range cfg.Pour.Sizes {
		if ul := int64(s.ML * 1000); ul > 0 && (smallest == 0 || ul < smallest) {
			smallest = ul
		}
	}
	if smallest == 0 {
		smallest = smallestUL
	}
	lines := map[beverage.IngredientID]bool{}
	for _, p := range parts {
		if p.Kind == hal.KindValve && p.Carrier != "" {
			lines[beverage.IngredientID(p.Carrier)] = true
		}
	}
	m := &menu{catalogue: c, index: map[beverage.ID]int{}}
	for _, b := range c.Brands {
		for i := range b.Beverages {
			v := &b.Beverages[i]
			it := item{id: v.ID, needs: recipe.Needs(c, v.ID, smallest)}
			for _, p := range v.Recipe.Parts {
				if ing, ok := c.Ingredient(p.Ingredient); ok && ing.Kind == beverage.KindCarrier {
					it.carrier, it.line = p.Ingredient, lines[p.Ingredient]
				}
			}
			m.index[v.ID] = len(m.items)
			m.items = append(m.items, it)
		}
	}
	return m
}

// blocked lists what cannot be poured and why. line tells why a carrier's line does not pour; "" when it does. What was
// recalled is so whatever else it lacks.
func (m *menu) blocked(book *inventory.Book, recalled *recall.List, line func(beverage.IngredientID) string) map[beverage.ID]string {
	out := map[beverage.ID]string{}
	lines := map[beverage.IngredientID]string{}
	for _, it := range m.items {
		why, asked := lines[it.carrier]
		switch {
		case it.recalled(recalled):
			why = alarm.CodeRecalled
		case !it.line:
			why = inventory.NotStocked
		case !asked:
			why = line(it.carrier)
			lines[it.carrier] = why
		}
		if why == "" {
			why = book.Missing(it.needs)
		}
		if why != "" {
			out[it.id] = why
		}
	}
	return out
}

// recalled tells whether a beverage or something in it was recalled.
func (it item) recalled(list *recall.List) bool {
	if list.Beverage(string(it.id)) || list.Ingredient(string(it.carrier)) {
		return true
	}
	for ing := range it.needs {
		if list.Ingredient(string(ing)) {
			return true
		}
	}
	return false
}

// recalled names what of a beverage, or of a mix, was recalled; "" when nothing was.
func (m *menu) recalled(list *recall.List, id beverage.ID, mix []beverage.MixPart) beverage.ID {
	ids := []beverage.ID{id}
	if len(mix) > 0 {
		ids = ids[:0]
		for _, p := range mix {
			ids = append(ids, p.Beverage)
		}
	}
	for _, id := range ids {
		if i, ok := m.index[id]; ok && m.items[i].recalled(list) {
			return id
		}
	}
	return ""
}

// needs are the ingredients of one serving in the smallest cup, µL; of a mix, those of its beverages.
func (m *menu) needs(id beverage.ID, mix []beverage.MixPart) map[beverage.IngredientID]int64 {
	if len(mix) == 0 {
		if i, ok := m.index[id]; ok {
			return m.items[i].needs
		}
		return nil
	}
	out := map[beverage.IngredientID]int64{}
	for _, p := range mix {
		for ing, ul := range m.needs(p.Beverage, nil) {
			out[ing] += (ul*int64(p.Share) + 99) / 100
		}
	}
	return out
}

// servings is the most that one serving in the smallest cup takes of each ingredient, µL.
func (m *menu) servings() map[beverage.IngredientID]int64 {
	out := map[beverage.IngredientID]int64{}
	for _, it := range m.items {
		for ing, ul := range it.needs {
			out[ing] = max(out[ing], ul)
		}
	}
	return out
}

// carrierSparkling is the soda line.
const carrierSparkling beverage.IngredientID = "water.sparkling"

// carrier is the carrier of a beverage, or of a mix, whose beverages have one.
func (m *menu) carrier(id beverage.ID, mix []wire.Share) beverage.IngredientID {
	if len(mix) > 0 {
		id = beverage.ID(mix[0].Beverage)
	}
	if i, ok := m.index[id]; ok {
		return m.items[i].carrier
	}
	return ""
}

// favourites lists what is poured most, filled up with the first beverages of the brands, so that a new unit's screen
// has a first row too; at most n, all pourable.
func (m *menu) favourites(poured []beverage.ID, n int, pourable func(beverage.ID) bool) []beverage.ID {
	out := make([]beverage.ID, 0, n)
	has := map[beverage.ID]bool{}
	add := func(id beverage.ID) {
		if len(out) < n && !has[id] && pourable(id) {
			has[id] = true
			out = append(out, id)
		}
	}
	for _, id := range poured {
		add(id)
	}
	for _, b := range m.catalogue.Brands {
		if len(out) == n {
			break
		}
		if len(b.Beverages) > 0 {
			add(b.Beverages[0].ID)
		}
	}
	return out
}

// brands lists every brand with what of it can be poured. unit, if not empty, is why nothing can.
func (m *menu) brands(blocked map[beverage.ID]string, unit string) []api.Brand {
	out := make([]api.Brand, 0, len(m.catalogue.Brands))
	for _, b := range m.catalogue.Brands {
		row := api.Brand{ID: b.ID, Name: b.Name}
		for _, v := range b.Beverages {
			why := blocked[v.ID]
			if unit != "" {
				why = unit
			}
			row.Beverages = append(row.Beverages, api.BeverageStatus{ID: v.ID, Name: v.Name, Available: why == "", Why: why})
			row.Available = row.Available || why == ""
			if row.Why == "" {
				row.Why = why
			}
		}
		if row.Available {
			row.Why = ""
		}
		out = append(out, row)
	}
	return out
}

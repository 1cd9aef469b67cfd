package agent

import (
	"slices"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beverage"
	"fountain/agent/inventory"
)

// What a unit offers: this file is the part of the view that follows inventory, alarms and dry lines.

// stockChanged follows a change of the inventory.
func (v *view) stockChanged() {
	v.restock()
	v.bump()
}

// restock computes again what is blocked and favourite.
func (v *view) restock() {
	v.stocking.Lock() // what was computed last is what is shown
	defer v.stocking.Unlock()
	alarms := v.a.board.Blocked()
	bars := map[string]string{}
	for slot, on := range v.a.scopes.slot {
		if a, ok := alarms.Of(on...); ok {
			bars[slot] = a.Code()
		}
	}
	v.a.book.Bar(bars)
	blocked := v.a.menu.blocked(v.a.book, v.a.recalls.list, func(c beverage.IngredientID) string { return v.line(alarms, c) })
	pourable := func(id beverage.ID) bool {
		_, known := v.a.menu.index[id]
		return known && blocked[id] == ""
	}
	favours := v.a.menu.favourites(v.a.book.Favourites(v.a.now(), favouriteMost, pourable), favouriteMost, pourable)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blocked, v.favours = blocked, favours
	v.hour = time.Now().In(v.a.cfg.Config.Location()).Hour()
}

// line says why a carrier's line does not pour; "" when it does.
func (v *view) line(alarms alarm.Blocked, c beverage.IngredientID) string {
	on := v.a.scopes.carrier(c)
	a, blocked := alarms.Without(alarm.NoFlow).Of(on...)
	switch {
	case blocked:
		return a.Code()
	case v.isDry(c) && c == carrierSparkling:
		return alarm.CodeNoFizz
	case v.isDry(c):
		return alarm.CodeNoWater
	}
	return v.a.readiness.passes(on...)
}

func (v *view) isDry(c beverage.IngredientID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := v.dry[c]
	return d.misses >= dryAfter && time.Now().Before(d.until)
}

// dryLines are the valves of the carriers that found no water.
func (v *view) dryLines() []string {
	var out []string
	for c, valve := range v.a.scopes.valve {
		if v.isDry(c) {
			out = append(out, valve)
		}
	}
	slices.Sort(out)
	return out
}

// turned tells whether favourites were last weighed in another hour of the venue.
func (v *view) turned() bool {
	hour := time.Now().In(v.a.cfg.Config.Location()).Hour()
	v.mu.Lock()
	defer v.mu.Unlock()
	return hour != v.hour
}

// now is the time as favourites and the day's drinks are counted by.
func (a *Agent) now() inventory.When {
	return inventory.When{Now: time.Now(), Days: favouriteDays, Known: a.known()}
}

// expire offers lines again whose time is up, and reports whether any was.
func (v *view) expire() bool {
	v.mu.Lock()
	any := false
	for c, d := range v.dry {
		if d.misses >= dryAfter && !time.Now().Before(d.until) {
			v.dry[c] = dryness{misses: dryAfter - 1} // one more miss and it is dry again
			any = true
		}
	}
	v.mu.Unlock()
	if any {
		v.restock()
	}
	return any
}

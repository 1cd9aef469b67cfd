package inventory

import (
	"maps"
	"slices"
	"time"

	"fountain/agent/beverage"
)

// Bar says from which slots nothing is drawn, and why; slots that are not named are free. It reports whether anything
// changed.
func (b *Book) Bar(why map[string]string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	for id, s := range b.slots {
		if s.barred != why[id] {
			s.barred, changed = why[id], true
		}
	}
	return changed
}

// Level is one slot; false when the planogram has no such slot.
func (b *Book) Level(slotID string) (Level, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.slots[slotID]; !ok {
		return Level{}, false
	}
	return b.level(slotID), true
}

// Remaining is what can be poured of an ingredient, µL, over all slots that are not barred; stocked is false when the
// planogram has no slot for it.
func (b *Book) Remaining(ing beverage.IngredientID) (ul int64, stocked bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.meant[ing] {
		stocked = true
		if l := b.level(id); l.Barred == "" {
			ul += l.LeftUL
		}
	}
	return ul, stocked
}

// Source returns the slot to draw needUL of an ingredient from: of those that hold enough the one that expires first
// (first expired, first out), then the first of the planogram, so that opened cartridges are used up. ok is false when
// none does: a pour never changes cartridge midway.
func (b *Book) Source(ing beverage.IngredientID, needUL int64) (l Level, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.meant[ing] {
		c := b.level(id)
		if c.Barred != "" || c.LeftUL < max(needUL, 1) {
			continue
		}
		if !ok || sooner(c.Expires, l.Expires) {
			l, ok = c, true
		}
	}
	return l, ok
}

// sooner tells whether a comes before b; a zero date never comes.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// Why a beverage cannot be poured; the words of api.Snapshot.Blocked, besides those Bar was told.
const (
	SoldOut    = "sold_out"
	NotStocked = "not_stocked"
)

// Missing says why a drink that needs these volumes (µL per ingredient, carriers left out) cannot be poured: "" when
// it can, NotStocked when no slot is meant for an ingredient, else SoldOut, or why its slots are barred when no other
// slot is meant for it.
func (b *Book) Missing(needs map[beverage.IngredientID]int64) string {
	why := ""
	for _, ing := range slices.Sorted(maps.Keys(needs)) {
		if _, ok := b.Source(ing, needs[ing]); ok {
			continue
		}
		bar, stocked := b.barred(ing)
		if !stocked {
			return NotStocked
		}
		if why == "" || why == SoldOut && bar != SoldOut {
			why = bar
		}
	}
	return why
}

// barred is why nothing comes of an ingredient that has no source: SoldOut, unless all its slots are barred.
func (b *Book) barred(ing beverage.IngredientID) (why string, stocked bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.meant[ing] {
		s := b.slots[id]
		stocked = true
		if s.barred == "" {
			return SoldOut, true
		}
		if why == "" || why == SoldOut {
			why = s.barred
		}
	}
	return why, stocked
}

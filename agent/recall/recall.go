// Package recall keeps what the cloud has forbidden to pour: beverages and ingredients. It may import sync/wire and
// internal packages.
//
//	shadow recall ──Take──► List (in memory: it counts at once) ──Save──► store ──► reported
//	                          └──► Beverage, Ingredient ──► menu, pours
//
// What was forbidden stays so over restarts, offline, and when the shadow is deleted or begun anew: only the cloud's
// false or null allows it again, never its silence and nobody on the unit. A List owns its state and is safe for
// concurrent use.
package recall

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"fountain/sync/wire"
)

// setting is the key in the store.
const setting = "recall"

// Store keeps small values durably.
type Store interface {
	Setting(key string) (value []byte, ok bool, err error)
	PutSetting(key string, value []byte) error
}

// names is a set of ids.
type names map[string]bool

// saved is what the store holds.
type saved struct {
	Beverages   []string `json:"beverages"`
	Ingredients []string `json:"ingredients"`
}

// List is what must not be poured.
type List struct {
	store  Store
	saving sync.Mutex // one save at a time, so that the newest is the last

	mu          sync.Mutex
	beverages   names
	ingredients names
	released    map[string]int64 // "beverages.<id>" -> version of the shadow at which it was allowed again
	dirty       bool
}

// Open reads what was forbidden.
func Open(s Store) (*List, error) {
	l := &List{store: s, beverages: names{}, ingredients: names{}, released: map[string]int64{}}
	b, ok, err := s.Setting(setting)
	if err != nil {
		return nil, fmt.Errorf("read recalls: %w", err)
	}
	if !ok {
		return l, nil
	}
	var k saved
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, fmt.Errorf("read recalls: %w", err)
	}
	for _, id := range k.Beverages {
		l.beverages[id] = true
	}
	for _, id := range k.Ingredients {
		l.ingredients[id] = true
	}
	return l, nil
}

// Beverage tells whether a beverage itself is forbidden.
func (l *List) Beverage(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.beverages[id]
}

// Ingredient tells whether an ingredient is.
func (l *List) Ingredient(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ingredients[id]
}

// All lists everything that is, sorted.
func (l *List) All() (beverages, ingredients []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.beverages)), slices.Sorted(maps.Keys(l.ingredients))
}

// Take takes in what version of the shadow says and reports whether anything changed. It counts from now on, and is
// durable after Save. What was said on the way (not whole) may come late: it does not forbid again what a later version
// allowed. The whole document, asked for and answered, settles it. An error changes nothing.
func (l *List) Take(doc wire.Recall, version int64, whole bool) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	more := 0
	for _, sec := range []struct {
		have names
		said map[string]*bool
	}{{l.beverages, doc.Beverages}, {l.ingredients, doc.Ingredients}} {
		for id, v := range sec.said {
			if v != nil && *v && !sec.have[id] {
				more++
			}
		}
	}
	if n := len(l.beverages) + len(l.ingredients) + more; n > wire.MaxRecalled {
		return false, fmt.Errorf("%w: %d ids would be forbidden, at most %d", wire.ErrRecall, n, wire.MaxRecalled)
	}
	a := l.take("beverages.", l.beverages, doc.Beverages, version, whole)
	b := l.take("ingredients.", l.ingredients, doc.Ingredients, version, whole)
	l.dirty = l.dirty || a || b
	return a || b, nil
}

func (l *List) take(prefix string, have names, said map[string]*bool, version int64, whole bool) (changed bool) {
	for id, v := range said {
		forbid := v != nil && *v
		switch {
		case !forbid:
			l.released[prefix+id] = version
			if have[id] {
				delete(have, id)
				changed = true
			}
		case !whole && version <= l.released[prefix+id]: // overtaken on the way
		case !have[id]:
			delete(l.released, prefix+id)
			have[id] = true
			changed = true
		}
	}
	return changed
}

// Save makes what counts durable; it writes only what has changed.
func (l *List) Save() error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	dirty := l.dirty
	k := saved{slices.Sorted(maps.Keys(l.beverages)), slices.Sorted(maps.Keys(l.ingredients))}
	l.dirty = false
	l.mu.Unlock()
	if !dirty {
		return nil
	}
	b, err := json.Marshal(k)
	if err == nil {
		err = l.store.PutSetting(setting, b)
	}
	if err != nil {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
		return fmt.Errorf("store recalls: %w", err)
	}
	return nil
}

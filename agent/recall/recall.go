// Package recall keeps what the cloud has forbidden to pour: beverages and ingredients. It may import sync/wire and
// internal packages.
//
//	shadow recall ──Take──► List (in memory: it counts at once) ──Save──► store, file ──► reported
//	                          └──► Beverage, Ingredient ──► menu, pours
//
// It is kept twice, and the newer copy counts: a store that was restored from a backup, or lost its settings, does not
// know the newest recalls, and the file does.
//
// What was forbidden stays so over restarts, offline, and when the shadow is deleted or begun anew: only the cloud's
// false or null allows it again, never its silence and nobody on the unit. What the unit could pour is always taken in;
// of names that it does not know, Most. A List owns its state and is safe for concurrent use.
package recall

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"fountain/internal/atomicfile"
	"fountain/sync/wire"
)

// Name is the file in the state directory that keeps the second copy.
const Name = "recall.json"

// setting is the key in the store.
const setting = "recall"

// Most is how many unknown ids are kept. A document of 8 KB names fewer; they pile up only if none is ever allowed again.
const Most = 2000

// Store keeps small values durably.
type Store interface {
	Setting(key string) (value []byte, ok bool, err error)
	PutSetting(key string, value []byte) error
}

// Sections of a recall document.
const (
	Beverages   = "beverages"
	Ingredients = "ingredients"
)

// names is a set of ids.
type names map[string]bool

// saved is what a copy holds.
type saved struct {
	N           uint64   `json:"n"` // counts the saves
	Beverages   []string `json:"beverages"`
	Ingredients []string `json:"ingredients"`
}

// List is what must not be poured.
type List struct {
	store  Store
	file   string
	known  func(section, id string) bool
	saving sync.Mutex // one save at a time, so that the newest is the last

	mu          sync.Mutex
	beverages   names
	ingredients names
	released    map[string]int64 // "beverages.<id>" -> version of the shadow at which it was allowed again
	told        map[string]int64 // the same, at which it was forbidden last
	n           uint64           // of the newest copy
	dirty       bool
}

// Open reads what was forbidden: the newer of the store's copy and the file's. known tells what the unit could pour.
func Open(s Store, file string, known func(section, id string) bool) (*List, error) {
	l := &List{store: s, file: file, known: known, beverages: names{}, ingredients: names{}, released: map[string]int64{}, told: map[string]int64{}}
	stored, ok, err := s.Setting(setting)
	var inStore, inFile saved
	if err == nil && ok {
		err = json.Unmarshal(stored, &inStore)
	}
	kept, ferr := os.ReadFile(file)
	if ferr == nil {
		ferr = json.Unmarshal(kept, &inFile)
	}
	k := inStore
	switch {
	case ferr == nil && (err != nil || !ok || inFile.N > inStore.N):
		k = inFile
	case err != nil:
		return nil, fmt.Errorf("read recalls: %w", err)
	case !ok && errors.Is(ferr, fs.ErrNotExist):
		return l, nil // nothing was ever forbidden
	}
	for _, id := range k.Beverages {
		l.beverages[id] = true
	}
	for _, id := range k.Ingredients {
		l.ingredients[id] = true
	}
	l.n, l.dirty = k.N, err != nil || !ok || ferr != nil || inStore.N != inFile.N
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
// durable after Save. What was said on the way (not whole) may come late: it neither forbids again what a later version
// allowed, nor the other way round. The whole document, asked for and answered, settles it. The error tells of unknown ids
// that found no room; all else counts.
func (l *List) Take(doc wire.Recall, version int64, whole bool) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := map[string]map[string]*bool{Beverages: doc.Beverages, Ingredients: doc.Ingredients}
	for section, have := range l.sections() {
		changed = l.allow(section, have, said[section], version, whole) || changed
	}
	room, left := Most-l.unknown(), 0
	for section, have := range l.sections() {
		for _, id := range slices.Sorted(maps.Keys(said[section])) {
			place := section + "." + id
			switch v := said[section][id]; {
			case v == nil || !*v:
				continue
			case !whole && version <= l.released[place]: // overtaken on the way
				continue
			case have[id] || l.known(section, id):
			case room <= 0:
				left++
				continue
			default:
				room--
			}
			changed = changed || !have[id]
			have[id] = true
			delete(l.released, place)
			l.told[place] = version
		}
	}
	l.dirty = l.dirty || changed
	if left > 0 {
		err = fmt.Errorf("%w: %d ids that nobody here knows are not kept, for %d others are", wire.ErrRecall, left, Most)
	}
	return changed, err
}

// allow takes in what may be poured again.
func (l *List) allow(section string, have names, said map[string]*bool, version int64, whole bool) (changed bool) {
	for id, v := range said {
		place := section + "." + id
		if v != nil && *v || !whole && version < l.told[place] { // overtaken on the way
			continue
		}
		l.released[place] = version
		delete(l.told, place)
		changed = changed || have[id]
		delete(have, id)
	}
	return changed
}

func (l *List) sections() map[string]names {
	return map[string]names{Beverages: l.beverages, Ingredients: l.ingredients}
}

// unknown counts the names that the unit does not know.
func (l *List) unknown() (n int) {
	for section, have := range l.sections() {
		for id := range have {
			if !l.known(section, id) {
				n++
			}
		}
	}
	return n
}

// Save makes what counts durable; it writes only what has changed. One copy is enough to be durable; the other is then
// written with the next Save.
func (l *List) Save() error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	dirty := l.dirty
	k := saved{l.n + 1, slices.Sorted(maps.Keys(l.beverages)), slices.Sorted(maps.Keys(l.ingredients))}
	l.dirty = false
	l.mu.Unlock()
	if !dirty {
		return nil
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("encode recalls: %w", err)
	}
	err = l.store.PutSetting(setting, b)
	ferr := atomicfile.Write(l.file, b, 0o600)
	l.mu.Lock()
	l.dirty = l.dirty || err != nil || ferr != nil
	if err == nil || ferr == nil {
		l.n = k.N
	}
	l.mu.Unlock()
	if err != nil && ferr != nil {
		return fmt.Errorf("store recalls: %w", errors.Join(err, ferr))
	}
	return nil
}

// Package inventory folds records into cartridge levels and favourites. It may import agent/beverage, sync/wire and
// internal packages; a Book owns its state and is safe for concurrent use.
//
//	store.Fold ──records──► Book.Apply ──Save──► store.MarkApplied (same commit as the mark)
//	tag read, crew ──Put, Remove, SetEmpty, Bar──► Book ──Source──► machine; Missing, Favourites──► snapshot
//
// A level belongs to the cartridge, not to its place: one taken out and put back continues where it was. Levels may
// turn out below zero in the sum of the records; they are reported as zero.
package inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// stateVersion is the version of the saved state this build writes.
const stateVersion = 1

// maxRemembered bounds how many cartridges that are in no slot keep their level; the longest unseen go first.
const maxRemembered = 512

// Level is one cartridge slot and what is in it.
type Level struct {
	Slot       string                `json:"slot"`
	Ingredient beverage.IngredientID `json:"ingredient"` // what belongs there
	Cartridge  string                `json:"cartridge,omitempty"`
	LeftUL     int64                 `json:"left_ul"`
	FullUL     int64                 `json:"full_ul"`
	Empty      bool                  `json:"empty,omitempty"`   // the machine found it empty, whatever the sum says
	Foreign    beverage.IngredientID `json:"foreign,omitempty"` // the cartridge holds this instead; it counts for nothing
	Expires    time.Time             `json:"expires,omitzero"`
	Lot        string                `json:"lot,omitempty"`
	By         string                `json:"by,omitempty"`       // who registered it; empty: its tag was read
	Refilled   bool                  `json:"refilled,omitempty"` // its tag has claimed more than it did before
	Barred     string                `json:"barred,omitempty"`   // why nothing is drawn from the slot, whatever is in it
}

// Cartridge is what a tag says, or a person who registers a cartridge.
type Cartridge struct {
	ID      string // unique
	Holds   beverage.IngredientID
	LeftUL  int64 // negative: not known, a new one is taken as full
	FullUL  int64 // 0: the planogram's volume
	Expires time.Time
	Lot     string
	By      string // the person, when no tag was read
}

type cartridge struct {
	Ingredient beverage.IngredientID `json:"ingredient"`
	LeftUL     int64                 `json:"left_ul"`
	FullUL     int64                 `json:"full_ul"`
	Empty      bool                  `json:"empty,omitempty"`
	Seen       int64                 `json:"seen"`             // counts insertions, to forget the oldest
	TagUL      int64                 `json:"tag_ul,omitempty"` // what its tag said last, if it knew
	Expires    time.Time             `json:"expires,omitzero"`
	Lot        string                `json:"lot,omitempty"`
	By         string                `json:"by,omitempty"`
	Refilled   bool                  `json:"refilled,omitempty"`
}

type slot struct {
	ingredient beverage.IngredientID
	fullUL     int64
	cartridge  string
	barred     string // not saved: whoever bars a slot judges anew at every start
}

// state is what Save writes.
type state struct {
	V          int                       `json:"v"`
	Applied    map[string]uint64         `json:"applied"` // log -> seq
	Cartridges map[string]cartridge      `json:"cartridges"`
	Slots      map[string]string         `json:"slots"` // slot -> cartridge
	Seen       int64                     `json:"seen"`
	Poured     map[string]map[string]int `json:"poured"`           // day -> beverage -> pours: what has no hour, "" for no day
	Habits     map[string]string         `json:"habits,omitempty"` // beverage -> hours, see encodeHabits
	Today      today                     `json:"today,omitzero"`
}

// today counts the drinks of one day in the venue's zone.
type today struct {
	Day string `json:"day"`
	N   int    `json:"n"`
}

// Book is the inventory of one unit.
type Book struct {
	mu    sync.Mutex
	order []string                           // slots in planogram order
	meant map[beverage.IngredientID][]string // those meant for an ingredient, likewise
	slots map[string]*slot
	st    state

	zone   *time.Location
	habits map[beverage.ID][]tick // hours in order; st has them for Save only
	ticks  int                    // of all habits
}

// New makes the book of a planogram from saved state (nil: none). A slot the state says nothing about starts empty:
// Insert puts a cartridge there. zone is the venue's: whose midnight and hours count.
func New(p *beverage.Planogram, saved []byte, zone *time.Location) (*Book, error) {
	b := &Book{meant: map[beverage.IngredientID][]string{}, slots: map[string]*slot{}, st: state{V: stateVersion}, zone: zone}
	if len(saved) > 0 {
		if err := json.Unmarshal(saved, &b.st); err != nil {
			return nil, fmt.Errorf("read inventory: %w", err)
		}
		if b.st.V > stateVersion {
			return nil, &problem.Problem{
				Code: problem.CodeNewerSchema, Where: "inventory",
				What:   fmt.Sprintf("the inventory was written by a newer version (v%d, this build reads v%d)", b.st.V, stateVersion),
				Remedy: "install the newer version again",
			}
		}
	}
	b.st.V = stateVersion
	if b.st.Applied == nil {
		b.st.Applied = map[string]uint64{}
	}
	if b.st.Cartridges == nil {
		b.st.Cartridges = map[string]cartridge{}
	}
	if b.st.Slots == nil {
		b.st.Slots = map[string]string{}
	}
	if b.st.Poured == nil {
		b.st.Poured = map[string]map[string]int{}
	}
	var err error
	if b.habits, b.ticks, err = decodeHabits(b.st.Habits); err != nil { // no unit stands still for want of its favourites
		b.habits, b.ticks = map[beverage.ID][]tick{}, 0
	}
	b.st.Habits = nil
	for _, s := range p.Slots {
		if _, dup := b.slots[s.Slot]; dup {
			return nil, fmt.Errorf("read planogram %s: cartridge slot %s appears twice", p.Name, s.Slot)
		}
		b.order = append(b.order, s.Slot)
		b.meant[s.Ingredient] = append(b.meant[s.Ingredient], s.Slot)
		b.slots[s.Slot] = &slot{ingredient: s.Ingredient, fullUL: int64(s.VolumeML * 1000), cartridge: b.st.Slots[s.Slot]}
	}
	return b, nil
}

// Save encodes the state for the store.
func (b *Book) Save() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.st
	st.Habits = encodeHabits(b.habits)
	out, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("save inventory: %w", err)
	}
	return out, nil
}

// Applied is the newest seq of a log that Apply has taken in.
func (b *Book) Applied(log string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.st.Applied[log]
}

// Apply takes one record into account and reports whether it was new: one at or below Applied changes nothing.
func (b *Book) Apply(r *wire.Record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Seq <= b.st.Applied[r.Log] {
		return false
	}
	b.st.Applied[r.Log] = r.Seq
	for _, p := range r.Parts {
		if p.Cartridge == "" {
			continue // a carrier
		}
		c, known := b.st.Cartridges[p.Cartridge]
		if !known {
			continue // gone from memory: nothing to subtract from
		}
		c.LeftUL -= p.UL
		b.st.Cartridges[p.Cartridge] = c
	}
	b.count(r)
	return true
}

// Insert says that a cartridge sits in a slot. leftUL is what its tag says, or negative when the tag does not know:
// then a new one is taken as full (fullUL, or the planogram's volume when that is 0). The level of a cartridge seen
// before is kept, unless the tag says there is less.
func (b *Book) Insert(slotID, cartridgeID string, holds beverage.IngredientID, leftUL, fullUL int64) error {
	return b.Put(slotID, Cartridge{ID: cartridgeID, Holds: holds, LeftUL: leftUL, FullUL: fullUL})
}

// Put is Insert with everything that is known of the cartridge. A known one whose tag claims more than it did before was
// refilled or copied: that is noted, and the lower level stays.
func (b *Book) Put(slotID string, in Cartridge) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.slots[slotID]
	if !ok {
		return &problem.Problem{Code: problem.CodeNotFound, Where: slotID, What: "no such cartridge slot in the planogram", Remedy: "check the slot's id or the planogram file"}
	}
	if in.ID == "" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: slotID, What: "the cartridge has no id", Remedy: "read its tag again"}
	}
	for id, other := range b.slots {
		if id != slotID && other.cartridge == in.ID { // it cannot be in two places: it moved
			other.cartridge = ""
			delete(b.st.Slots, id)
		}
	}
	if in.FullUL <= 0 {
		in.FullUL = s.fullUL
	}
	c, known := b.st.Cartridges[in.ID]
	switch {
	case !known:
		c = cartridge{Ingredient: in.Holds, LeftUL: in.LeftUL, FullUL: in.FullUL}
		if in.LeftUL < 0 {
			c.LeftUL = in.FullUL
		}
	case in.LeftUL >= 0 && in.LeftUL < c.LeftUL:
		c.LeftUL = in.LeftUL
	case c.TagUL > 0 && in.LeftUL > c.TagUL:
		c.Refilled = true
	}
	c.TagUL = max(in.LeftUL, 0)
	c.Expires, c.Lot, c.By = in.Expires, in.Lot, in.By
	b.st.Seen++
	c.Seen = b.st.Seen
	b.st.Cartridges[in.ID] = c
	b.st.Slots[slotID], s.cartridge = in.ID, in.ID
	b.forget()
	return nil
}

// Draw takes ul from the cartridge now in a slot: service work draws too, and makes no record.
func (b *Book) Draw(slotID string, ul int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.slots[slotID]
	if !ok || s.cartridge == "" {
		return
	}
	c := b.st.Cartridges[s.cartridge]
	c.LeftUL -= ul
	b.st.Cartridges[s.cartridge] = c
}

// Remove says that a slot is vacant.
func (b *Book) Remove(slotID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.slots[slotID]; ok {
		s.cartridge = ""
		delete(b.st.Slots, slotID)
	}
}

// SetEmpty marks the cartridge now in the slot as empty: its pump drew air. It stays so until another is inserted.
func (b *Book) SetEmpty(slotID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.slots[slotID]; ok && s.cartridge != "" {
		c := b.st.Cartridges[s.cartridge]
		c.Empty = true
		b.st.Cartridges[s.cartridge] = c
	}
}

// SetEmptyCartridge is SetEmpty by the cartridge's id.
func (b *Book) SetEmptyCartridge(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.st.Cartridges[id]; ok {
		c.Empty = true
		b.st.Cartridges[id] = c
	}
}

// Levels lists the slots in planogram order.
func (b *Book) Levels() []Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Level, len(b.order))
	for i, id := range b.order {
		out[i] = b.level(id)
	}
	return out
}

func (b *Book) level(id string) Level {
	s := b.slots[id]
	l := Level{Slot: id, Ingredient: s.ingredient, Cartridge: s.cartridge, FullUL: s.fullUL, Barred: s.barred}
	if s.cartridge == "" {
		return l
	}
	c := b.st.Cartridges[s.cartridge]
	l.FullUL, l.Empty = c.FullUL, c.Empty
	l.Expires, l.Lot, l.By, l.Refilled = c.Expires, c.Lot, c.By, c.Refilled
	if c.Ingredient != s.ingredient {
		l.Foreign = c.Ingredient
	}
	if !c.Empty && l.Foreign == "" {
		l.LeftUL = max(c.LeftUL, 0)
	}
	return l
}

// forget drops the longest unseen cartridges that are in no slot.
func (b *Book) forget() {
	if len(b.st.Cartridges) <= maxRemembered {
		return
	}
	in := map[string]bool{}
	for _, c := range b.st.Slots {
		in[c] = true
	}
	ids := slices.SortedFunc(maps.Keys(b.st.Cartridges), func(x, y string) int {
		return int(b.st.Cartridges[x].Seen - b.st.Cartridges[y].Seen)
	})
	for _, id := range ids {
		if len(b.st.Cartridges) <= maxRemembered {
			return
		}
		if !in[id] {
			delete(b.st.Cartridges, id)
		}
	}
}

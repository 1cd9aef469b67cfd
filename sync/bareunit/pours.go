package bareunit

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// Pours is a unit's log in memory. Any goroutine may use it.
type Pours struct {
	thing, name string
	edit        func(*wire.Record)
	note        chan struct{}

	mu       sync.Mutex
	entries  []uplink.Entry
	acked    uint64
	restored uint64
	rewinds  int
	aside    []uint64
}

var _ uplink.Source = (*Pours)(nil)

// NewPours makes an empty log. edit may change what a record says; it may be nil.
func NewPours(thing, name string, edit func(*wire.Record)) *Pours {
	return &Pours{thing: thing, name: name, edit: edit, note: make(chan struct{}, 1)}
}

// Pour appends n records of a drink of 250 ml each.
func (p *Pours) Pour(n int) {
	p.mu.Lock()
	for range n {
		seq := uint64(len(p.entries) + 1)
		r := wire.Record{
			V: 1, ID: fmt.Sprintf("01J%023d", seq), Thing: p.thing, Log: p.name, Seq: seq, Boot: "b", Started: "2026-11-22T20:00:00.000Z",
			Clock: "trusted", Beverage: "kolvane.zero", TargetUL: 250_000, CountedUL: 250_000, DurationMS: 4000,
			Parts: []wire.Part{{Ingredient: "water", UL: 250_000, How: "metered"}}, Outcome: wire.Completed,
			Source: wire.SourceTouch, SW: "test", Rig: "sim",
		}
		if p.edit != nil {
			p.edit(&r)
		}
		raw, err := json.Marshal(r)
		if err != nil {
			panic(err) // impossible: a plain struct
		}
		p.entries = append(p.entries, uplink.Entry{Seq: seq, Body: raw})
	}
	p.mu.Unlock()
	select {
	case p.note <- struct{}{}:
	default:
	}
}

func (p *Pours) locked(f func()) { p.mu.Lock(); defer p.mu.Unlock(); f() }

// Entries returns what was poured.
func (p *Pours) Entries() (all []uplink.Entry) {
	p.locked(func() { all = slices.Clone(p.entries) })
	return all
}

// Rewinds counts how often the log went back.
func (p *Pours) Rewinds() (n int) { p.locked(func() { n = p.rewinds }); return n }

// Aside lists the records that were set aside.
func (p *Pours) Aside() (seqs []uint64) {
	p.locked(func() { seqs = slices.Clone(p.aside) })
	return seqs
}

// Log implements uplink.Source.
func (p *Pours) Log() string { return p.name }

// Notify implements uplink.Source.
func (p *Pours) Notify() <-chan struct{} { return p.note }

// Oldest implements uplink.Source.
func (p *Pours) Oldest() uint64 { return 1 }

// Last implements uplink.Source.
func (p *Pours) Last() (seq uint64) { p.locked(func() { seq = uint64(len(p.entries)) }); return seq }

// Acked implements uplink.Source.
func (p *Pours) Acked() (seq uint64) { p.locked(func() { seq = p.acked }); return seq }

// Restored implements uplink.Source.
func (p *Pours) Restored() (gen uint64) { p.locked(func() { gen = p.restored }); return gen }

// Read implements uplink.Source.
func (p *Pours) Read(from uint64, limit, maxBytes int) (out []uplink.Entry, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.entries[min(int(from)-1, len(p.entries)):] {
		if len(out) == limit || len(out) > 0 && len(e.Body) > maxBytes {
			break
		}
		maxBytes -= len(e.Body)
		out = append(out, e)
	}
	return out, nil
}

// SetAcked implements uplink.Source.
func (p *Pours) SetAcked(upto uint64) error {
	p.locked(func() { p.acked = max(p.acked, upto) })
	return nil
}

// Rewind implements uplink.Source.
func (p *Pours) Rewind(upto, restore uint64) error {
	p.locked(func() { p.acked, p.restored, p.rewinds = min(p.acked, upto), restore, p.rewinds+1 })
	return nil
}

// Quarantine implements uplink.Source.
func (p *Pours) Quarantine(seq uint64, _ string, _ []byte) error {
	p.locked(func() { p.aside = append(p.aside, seq) })
	return nil
}

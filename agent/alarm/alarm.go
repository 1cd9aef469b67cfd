// Package alarm keeps the unit's named conditions: what is wrong now, since when, and what to do about it.
// It imports nothing of Fountain; the Board owns its state and is safe for concurrent use.
//
//	machine, store, guard link ──Set/Clear──► Board ──List, Changed──► apiserver ──► screens, fountainctl
package alarm

import (
	"sort"
	"sync"
	"time"
)

// Severity says what an alarm does to pouring.
type Severity string

// Severities.
const (
	Blocks Severity = "blocks" // nothing in its scope pours
	Warns  Severity = "warns"
)

// ScopeUnit is the scope of an alarm about the whole unit; other scopes are a line id or a beverage id.
const ScopeUnit = "unit"

// Alarm is one named condition. Name and Scope identify it.
type Alarm struct {
	Name     string
	Severity Severity
	Scope    string // empty is taken as ScopeUnit
	What     string // one plain sentence
	Evidence string // what was measured, for a technician
	Remedy   string
	Since    time.Time // when it was set first; Set fills it in
}

type key struct{ name, scope string }

// Board holds the alarms that stand.
type Board struct {
	now func() time.Time

	mu      sync.Mutex
	alarms  map[key]Alarm
	rev     uint64
	changed chan struct{}
}

// New makes an empty board. now is the wall clock; nil means time.Now.
func New(now func() time.Time) *Board {
	if now == nil {
		now = time.Now
	}
	return &Board{now: now, alarms: map[key]Alarm{}, changed: make(chan struct{})}
}

// Set raises a, or updates its text when it already stands; Since stays that of the first Set. It reports whether
// anything changed.
func (b *Board) Set(a Alarm) bool {
	if a.Scope == "" {
		a.Scope = ScopeUnit
	}
	if a.Severity == "" {
		a.Severity = Warns
	}
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{a.Name, a.Scope}
	old, stood := b.alarms[k]
	a.Since = now
	if stood {
		a.Since = old.Since
		if a == old {
			return false
		}
	}
	b.alarms[k] = a
	b.bump()
	return true
}

// Clear removes the alarm with this name and scope (empty: ScopeUnit). It reports whether it stood.
func (b *Board) Clear(name, scope string) bool {
	if scope == "" {
		scope = ScopeUnit
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{name, scope}
	if _, stood := b.alarms[k]; !stood {
		return false
	}
	delete(b.alarms, k)
	b.bump()
	return true
}

// ClearAll removes the alarms of this name in every scope and returns how many stood.
func (b *Board) ClearAll(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for k := range b.alarms {
		if k.name == name {
			delete(b.alarms, k)
			n++
		}
	}
	if n > 0 {
		b.bump()
	}
	return n
}

// Has reports whether the alarm stands (empty scope: ScopeUnit).
func (b *Board) Has(name, scope string) bool {
	if scope == "" {
		scope = ScopeUnit
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.alarms[key{name, scope}]
	return ok
}

// List returns what stands: blocking first, then oldest first, then by name and scope.
func (b *Board) List() []Alarm {
	b.mu.Lock()
	list := make([]Alarm, 0, len(b.alarms))
	for _, a := range b.alarms {
		list = append(list, a)
	}
	b.mu.Unlock()
	sort.Slice(list, func(i, j int) bool {
		x, y := list[i], list[j]
		switch {
		case x.Severity != y.Severity:
			return x.Severity == Blocks
		case !x.Since.Equal(y.Since):
			return x.Since.Before(y.Since)
		case x.Name != y.Name:
			return x.Name < y.Name
		}
		return x.Scope < y.Scope
	})
	return list
}

// Blocking returns the first alarm that blocks the scope: one of the unit, or one of the scope itself.
func (b *Board) Blocking(scope string) (Alarm, bool) {
	for _, a := range b.List() {
		if a.Severity == Blocks && (a.Scope == ScopeUnit || a.Scope == scope) {
			return a, true
		}
	}
	return Alarm{}, false
}

// Rev grows by one with every change.
func (b *Board) Rev() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rev
}

// Changed returns a channel that is closed at the next change. Take it before List, so that no change is missed.
func (b *Board) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

func (b *Board) bump() {
	b.rev++
	close(b.changed)
	b.changed = make(chan struct{})
}

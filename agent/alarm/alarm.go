// Package alarm is the catalogue of everything that can be wrong with a unit, and the board of what is wrong now, since
// when, and what to do about it. It imports nothing of Fountain; the catalogue never changes; the Board owns its state
// and is safe for concurrent use.
//
//	catalogue (names, severity, words) ─┐
//	machine, store, sensors ──Set/Clear─┴─► Board ──List, Changed──► apiserver ──► screens, fountainctl
//	                                         └──── Blocking(scopes) ──► which beverages cannot be poured
//
// A Name is a constant of this package, so nobody can raise what the catalogue does not describe. One channel's fault
// never blocks another: an alarm blocks its scope and nothing else. docs/ALARMS.md is made from the catalogue.
package alarm

import (
	"slices"
	"sort"
	"strings"
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

// ScopeUnit is the scope of an alarm about the whole unit; other scopes are ids of the kind the catalogue names.
const ScopeUnit = "unit"

// Alarm is one named condition. Name and Scope identify it.
type Alarm struct {
	Name     Name
	Scope    string   // empty is taken as ScopeUnit
	Severity Severity // the catalogue's; Set fills it in
	What     string   // one plain sentence; empty: the catalogue's
	Evidence string   // what was measured, for a technician
	Remedy   string   // empty: the catalogue's
	Since    time.Time
}

// Code is why its scope does not pour, as screens know it; empty for an alarm that only warns.
func (a Alarm) Code() string {
	if a.Severity != Blocks {
		return ""
	}
	return a.Name.Definition().Code
}

type key struct {
	name  Name
	scope string
}

// Board holds the alarms that stand.
type Board struct {
	now func() time.Time

	mu      sync.Mutex
	alarms  map[key]Alarm
	raised  [names]uint64
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

// Set raises a, or updates its text when it already stands; Since stays that of the first Set. Severity is the
// catalogue's, and so are What and Remedy when they are empty. It reports whether anything changed. A Name that is no
// constant of this package panics.
func (b *Board) Set(a Alarm) bool {
	a = whole(a)
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := b.set(a, now)
	if changed {
		b.bump()
	}
	return changed
}

// Keep makes what stands of the names in owned exactly want: one source's view, told again and again. It reports whether
// anything changed, and is one change.
func (b *Board) Keep(owned []Name, want []Alarm) bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	stays := map[key]bool{}
	for _, a := range want {
		a = whole(a)
		stays[key{a.Name, a.Scope}] = true
		changed = b.set(a, now) || changed
	}
	for k := range b.alarms {
		if slices.Contains(owned, k.name) && !stays[k] {
			delete(b.alarms, k)
			changed = true
		}
	}
	if changed {
		b.bump()
	}
	return changed
}

// whole fills in what the catalogue knows.
func whole(a Alarm) Alarm {
	d := a.Name.Definition()
	if a.Scope == "" {
		a.Scope = ScopeUnit
	}
	a.Severity = d.Severity
	if a.What == "" {
		a.What = fill(d.Cause, a.Scope)
	}
	if a.Remedy == "" {
		a.Remedy = fill(d.Remedy, a.Scope)
	}
	return a
}

func (b *Board) set(a Alarm, now time.Time) bool {
	k := key{a.Name, a.Scope}
	old, stood := b.alarms[k]
	a.Since = now
	if stood {
		a.Since = old.Since
		if a == old {
			return false
		}
	} else {
		b.raised[a.Name]++
	}
	b.alarms[k] = a
	return true
}

// fill puts the scope's id into the catalogue's words.
func fill(words, scope string) string { return strings.ReplaceAll(words, "{scope}", scope) }

// Clear removes the alarm with this name and scope (empty: ScopeUnit). It reports whether it stood.
func (b *Board) Clear(name Name, scope string) bool {
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
func (b *Board) ClearAll(name Name) int {
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
func (b *Board) Has(name Name, scope string) bool {
	if scope == "" {
		scope = ScopeUnit
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.alarms[key{name, scope}]
	return ok
}

// Get returns the alarm with this name and scope (empty: ScopeUnit).
func (b *Board) Get(name Name, scope string) (Alarm, bool) {
	if scope == "" {
		scope = ScopeUnit
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.alarms[key{name, scope}]
	return a, ok
}

// List returns what stands: blocking first, then oldest first, then in the catalogue's order and by scope.
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

// Blocking returns the first alarm that blocks something in one of these scopes: one of the whole unit always does.
func (b *Board) Blocking(scopes ...string) (Alarm, bool) {
	return b.Blocked().By(scopes...)
}

// Blocked is what blocks now, taken at one moment, for looking at many scopes.
type Blocked struct{ list []Alarm }

// Blocked takes what blocks now.
func (b *Board) Blocked() Blocked {
	list := b.List()
	n := 0
	for n < len(list) && list[n].Severity == Blocks {
		n++
	}
	return Blocked{list[:n]}
}

// By returns the first alarm of the unit or of one of these scopes.
func (b Blocked) By(scopes ...string) (Alarm, bool) {
	for _, a := range b.list {
		if a.Scope == ScopeUnit || slices.Contains(scopes, a.Scope) {
			return a, true
		}
	}
	return Alarm{}, false
}

// Of returns the first alarm of one of these scopes, leaving the unit's aside.
func (b Blocked) Of(scopes ...string) (Alarm, bool) {
	for _, a := range b.list {
		if slices.Contains(scopes, a.Scope) {
			return a, true
		}
	}
	return Alarm{}, false
}

// Without leaves one name aside.
func (b Blocked) Without(n Name) Blocked {
	return Blocked{slices.DeleteFunc(slices.Clone(b.list), func(a Alarm) bool { return a.Name == n })}
}

// Raised counts how often an alarm was raised since the board was made, over all scopes.
func (b *Board) Raised(name Name) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raised[name]
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

package ingest

import (
	"container/heap"
	"time"
)

// agenda holds the units for whom something is due, the earliest first.
type agenda []*pace

// noPlace is the place of a unit that is not in the agenda.
const noPlace = -1

// next is when something is to be done for a unit; zero: never.
func (p *pace) next() time.Time {
	if p.due.IsZero() || !p.look.IsZero() && p.look.Before(p.due) {
		return p.look
	}
	return p.due
}

// put moves a unit to where it belongs after its times have changed.
func (a *agenda) put(p *pace) {
	switch {
	case p.next().IsZero():
		if p.place != noPlace {
			heap.Remove(a, p.place)
		}
	case p.place == noPlace:
		heap.Push(a, p)
	default:
		heap.Fix(a, p.place)
	}
}

// Len implements heap.Interface.
func (a agenda) Len() int { return len(a) }

// Less implements heap.Interface.
func (a agenda) Less(i, j int) bool { return a[i].next().Before(a[j].next()) }

// Swap implements heap.Interface.
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push implements heap.Interface.
func (a *agenda) Push(x any) {
	p := x.(*pace)
	p.place = len(*a)
	*a = append(*a, p)
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	p.place = noPlace
	return p
}

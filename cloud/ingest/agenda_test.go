package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The agenda is compared with a look at every unit, after each of many changes.
func TestAgendaAgainstLookingAtAll(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	base := time.Now()
	moment := func() time.Time {
		if rnd.IntN(3) == 0 {
			return time.Time{}
		}
		return base.Add(time.Duration(rnd.IntN(1000)) * time.Second)
	}
	var units []*pace
	for i := range 200 {
		units = append(units, &pace{thing: fmt.Sprint(i), place: noPlace})
	}
	var a agenda
	for step := range 20_000 {
		p := units[rnd.IntN(len(units))]
		if rnd.IntN(2) == 0 {
			p.due = moment()
		} else {
			p.look = moment()
		}
		a.put(p)
		var first time.Time
		n := 0
		for _, u := range units {
			for _, at := range []time.Time{u.due, u.look} {
				if !at.IsZero() && (first.IsZero() || at.Before(first)) {
					first = at
				}
			}
			if !u.due.IsZero() || !u.look.IsZero() {
				n++
			}
		}
		if len(a) != n || n > 0 && !a[0].next().Equal(first) {
			t.Fatalf("step %d: %d units, want %d; first %v, want %v", step, len(a), n, a[0].next(), first)
		}
	}
}

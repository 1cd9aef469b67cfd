// Package throttle bounds and orders the requests of each thing, as the device services of AWS IoT do. It imports nothing
// of the module and keeps the budgets of things that were busy lately.
package throttle

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// sweepAt is the number of things from which on idle ones are forgotten; it doubles when all are busy.
const sweepAt = 1024

// Gate lets so many requests a second of one thing pass, and so many at the same time. It is safe for concurrent use.
type Gate struct {
	perSecond, together int

	mu     sync.Mutex
	things map[string]*budget
	sweep  int
}

type budget struct {
	rate   *rate.Limiter
	inside int
}

// New makes a Gate.
func New(perSecond, together int) *Gate {
	return &Gate{perSecond: perSecond, together: together, things: map[string]*budget{}, sweep: sweepAt}
}

// Enter asks for one request of a thing. When ok, leave must be called at its end.
func (g *Gate) Enter(thing string) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.things[thing]
	if b == nil {
		g.forgetIdle()
		b = &budget{rate: rate.NewLimiter(rate.Limit(g.perSecond), g.perSecond)}
		g.things[thing] = b
	}
	if b.inside >= g.together || !b.rate.Allow() {
		return nil, false
	}
	b.inside++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		b.inside--
	}, true
}

// forgetIdle drops things whose budget is full again: forgetting them changes nothing.
func (g *Gate) forgetIdle() {
	if len(g.things) < g.sweep {
		return
	}
	now := time.Now()
	for name, b := range g.things {
		if b.inside == 0 && b.rate.TokensAt(now) >= float64(g.perSecond) {
			delete(g.things, name)
		}
	}
	g.sweep = max(sweepAt, 2*len(g.things))
}

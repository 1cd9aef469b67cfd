package machine

import (
	"fmt"
	"sync/atomic"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// Rules of a top-off (spec/hal.md 6): for foam that has settled, not for a second drink.
const (
	topOffWithin = 30 * time.Second
	topOffShare  = 15 // per cent of the pour's target, all its top-offs together
)

// ended is a pour that may be topped off. The loop makes it; what changes are atomics.
type ended struct {
	id       string
	beverage beverage.ID
	target   int64
	at       time.Duration // on the Pacer's clock
	well     bool          // completed, or stopped by a person
	cupGone  atomic.Bool
	topped   atomic.Int64 // µL asked for by top-offs
}

// endedAt makes the note of the pour that ends now. A top-off leaves the note of the pour it tops off.
func (l *lease) endedAt(now time.Duration, p *pour.State) *ended {
	if l.topped != nil {
		l.topped.topped.Add(l.plan.TargetUL)
		return l.topped
	}
	return &ended{
		id: l.id, beverage: l.plan.Beverage, target: l.plan.TargetUL, at: now, well: p.Outcome == wire.Completed || p.Outcome == wire.Stopped,
	}
}

// toppedOff finds the pour that req tops off, and the limits for it.
func (m *Machine) toppedOff(req StartRequest) (recipe.Limits, *ended, error) {
	if req.TopOff == "" {
		return m.cfg.Limits, nil, nil
	}
	e := m.last.Load()
	switch {
	case e == nil || e.id != req.TopOff:
		return recipe.Limits{}, nil, noTopOff("only the last drink can be topped off", "start a new drink")
	case !e.well:
		return recipe.Limits{}, nil, noTopOff("that drink did not end well", "start a new drink")
	case e.beverage != req.Beverage:
		return recipe.Limits{}, nil, noTopOff("that drink was "+string(e.beverage), "top it off with the same beverage")
	case req.TargetUL > e.target*topOffShare/100-e.topped.Load():
		return recipe.Limits{}, nil, noTopOff(
			fmt.Sprintf("%.0f ml are more than %d %% of that drink, top-offs before included", float64(req.TargetUL)/1000, topOffShare), "ask for less, or start a new drink")
	}
	lim := m.cfg.Limits
	lim.MinUL = recipe.TopOffMinUL
	return lim, e, nil
}

// topOffStill tells whether a top-off may still begin; nil also when the pour is none.
func (l *lease) topOffStill(now time.Duration) error {
	switch e := l.topped; {
	case e == nil:
	case e.cupGone.Load():
		return noTopOff("the cup was taken away", "start a new drink")
	case now-e.at > topOffWithin:
		return noTopOff(fmt.Sprintf("that drink ended more than %v ago", topOffWithin), "start a new drink")
	}
	return nil
}

func noTopOff(what, remedy string) error {
	return &problem.Problem{Code: problem.CodeConflict, Where: "top_off", What: what, Remedy: remedy}
}

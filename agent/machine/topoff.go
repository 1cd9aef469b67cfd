package machine

import (
	"fmt"
	"slices"
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

// How long the foam of a sparkling drink takes to settle until there is room to see. Nobody measured it on a real nozzle:
// chosen so that a medium cup waits about four seconds, which is what foam of a soft drink takes to fall by half.
const (
	foamLeast    = 1500 * time.Millisecond
	foamPerLitre = 6 * time.Second
)

// ended is a pour that may be topped off. The loop makes it; what changes are atomics.
type ended struct {
	id       string
	beverage beverage.ID
	mix      []beverage.MixPart
	target   int64
	at       time.Duration // on the Pacer's clock
	well     bool          // completed, or stopped by a person
	cupGone  atomic.Bool
	topped   atomic.Int64 // µL asked for by top-offs
	foam     atomic.Int64 // until when foam stands, ns on the Pacer's clock
}

// Offer is what the last drink may still get: the answer to StartRequest.TopOff as it would be now.
type Offer struct {
	Pour string        // the pour to name in TopOff
	UL   int64         // at most this much
	Left time.Duration // for so long
	Foam time.Duration // until the foam has settled
}

// TopOff is the offer for the last drink; false when there is none: nothing was poured, it did not end well, its cup is
// gone, it is too long ago, or what is left cannot be dosed. Safe for concurrent use.
func (m *Machine) TopOff() (Offer, bool) {
	e := m.last.Load()
	if e == nil || !e.well || e.cupGone.Load() {
		return Offer{}, false
	}
	now := m.deps.Pacer.Now()
	o := Offer{
		Pour: e.id, UL: e.target*topOffShare/100 - e.topped.Load(), Left: e.at + topOffWithin - now,
		Foam: max(0, time.Duration(e.foam.Load())-now),
	}
	return o, o.UL >= recipe.TopOffMinUL && o.Left > 0
}

// foamed is how long the foam of what flowed stands.
func foamed(p *recipe.Plan, flowedUL int64) time.Duration {
	if p.Carrier.Ingredient != carrierSparkling || flowedUL <= 0 {
		return 0
	}
	return foamLeast + time.Duration(flowedUL)*foamPerLitre/1_000_000
}

// endedAt makes the note of the pour that ends now. A top-off leaves the note of the pour it tops off.
func (l *lease) endedAt(now time.Duration, p *pour.State) *ended {
	foam := int64(now + foamed(l.plan, p.FlowedUL()))
	if l.topped != nil {
		l.topped.topped.Add(l.plan.TargetUL)
		l.topped.foam.Store(foam)
		return l.topped
	}
	e := &ended{
		id: l.id, beverage: l.plan.Beverage, mix: l.req.Mix, target: l.plan.TargetUL, at: now, well: p.Outcome == wire.Completed || p.Outcome == wire.Stopped,
	}
	e.foam.Store(foam)
	return e
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
	case len(req.Mix) > 0 && !slices.Equal(e.mix, req.Mix):
		return recipe.Limits{}, nil, noTopOff("that drink was another mix", "top it off with the same shares")
	case len(req.Mix) == 0 && e.beverage != req.Beverage:
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

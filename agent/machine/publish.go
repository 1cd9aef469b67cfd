package machine

import (
	"slices"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/sync/wire"
)

// view is what a published state was made from; a new one is made only when it differs.
type view struct {
	lease    *lease
	fault    string
	locks    hal.Interlocks
	blind    bool
	guard    bool
	master   bool
	unfed    bool
	outcome  wire.Outcome
	reason   string
	last     uint64
	noFlow   int
	emptyRev uint64
	faultRev uint64
	pause    string
	rinsing  bool
	rinses   uint64
}

// publish makes the state visible. While a pour flows steadily it only moves numbers.
func (lo *loop) publish(now time.Duration) {
	v := view{
		lease: lo.lease, fault: lo.fault(now), locks: lo.locks, blind: lo.locksErr != nil, guard: lo.guard.alive,
		master: lo.guard.reply.MasterOpen, unfed: lo.guard.reply.Unfed, last: lo.last, noFlow: lo.noFlow, emptyRev: lo.m.emptyRev.Load(),
		faultRev: lo.faultRev, rinsing: lo.rinse.Phase != pour.Rest, rinses: lo.rinses,
	}
	if lo.lease != nil {
		v.outcome, v.reason, v.pause = lo.pour.Outcome, lo.pour.Reason, lo.pour.Cause
		lo.lease.live.phase.Store(uint32(lo.pour.Phase))
		lo.lease.live.poured.Store(lo.pour.CountedUL() + lo.pour.EstimatedUL())
	} else {
		v.lease, v.outcome, v.reason = lo.shown.lease, lo.shown.outcome, lo.shown.reason // the last pour stays
	}
	old := lo.m.state.Load()
	if v != lo.shown || !slices.Equal(lo.health, old.base.HealthNote) {
		seq := uint64(0) // of an active pour; publishEnd shows it
		if lo.lease == nil {
			seq = old.base.Seq
		}
		lo.show(v, seq)
		lo.signalAt = now
		lo.m.signal()
	}
	if lo.lease == nil {
		return
	}
	ul := lo.pour.FlowedUL()
	if lo.pour.Phase != lo.shownStep || (ul != lo.shownUL && now-lo.signalAt >= signalEvery) {
		lo.shownStep, lo.shownUL, lo.signalAt = lo.pour.Phase, ul, now
		lo.m.signal()
	}
}

// show publishes v.
func (lo *loop) show(v view, seq uint64) {
	s := &shared{base: State{
		Last: v.last, Fault: v.fault, Interlocks: v.locks, Cup: lo.m.cups && v.locks&hal.NoCup == 0 && !v.blind, Guard: v.guard,
		MasterOpen: v.master, Unfed: v.unfed, NoFlow: v.noFlow, Empty: lo.m.emptySlots(), HealthNote: lo.health,
		Faults: slices.Clone(lo.faults), Rinses: lo.rinses, RinsedUL: lo.rinsedUL, Rinsing: v.rinsing,
	}}
	if l := v.lease; l != nil {
		s.live = &l.live
		b := &s.base
		b.Pour, b.Beverage, b.Hold, b.Source, b.TargetUL = l.id, l.plan.Beverage, l.plan.Hold, l.req.Source, l.plan.TargetUL
		b.Mix = l.req.Mix
		b.Outcome, b.Reason, b.Pause = v.outcome, v.reason, v.pause
		b.Seq = seq
	}
	lo.shown = v
	lo.m.state.Store(s)
}

// publishEnd shows a recorded pour with its seq before the next may start.
func (lo *loop) publishEnd(l *lease) {
	l.live.phase.Store(uint32(lo.pour.Phase))
	l.live.poured.Store(lo.pour.CountedUL() + lo.pour.EstimatedUL())
	v := lo.shown
	v.lease, v.last, v.outcome, v.reason, v.pause = l, lo.last, lo.pour.Outcome, lo.pour.Reason, ""
	seq := uint64(0)
	if r := l.commit.Load(); r != nil && r.err == nil {
		seq = r.seq
	}
	lo.show(v, seq)
	lo.m.signal()
}

// result is the ended pour for the journal.
func (lo *loop) result() Result {
	p := &lo.pour
	plan := p.Plan()
	r := Result{
		Intent: lo.lease.intent, Duration: p.Duration(), Outcome: p.Outcome, Reason: p.Reason,
		CountedUL: p.CountedUL(), EstimatedUL: p.EstimatedUL(),
	}
	r.Phantom, r.AtMostUL = p.Phantom(), p.AtMostUL()
	if i, ul := p.Short(); i >= 0 {
		r.Short, r.ShortUL = string(plan.Doses[i].Ingredient), ul
	}
	r.Parts = append(make([]wire.Part, 0, 2+len(plan.Doses)), wire.Part{
		Ingredient: string(plan.Carrier.Ingredient), UL: p.CarrierUL(), How: "metered",
	})
	for i, d := range plan.Doses {
		alt := p.AltUL(i)
		if alt == 0 || p.DoseUL(i) > 0 {
			r.Parts = append(r.Parts, wire.Part{Ingredient: string(d.Ingredient), Cartridge: d.Cartridge, UL: p.DoseUL(i), How: "strokes"})
		}
		if alt > 0 {
			r.Parts = append(r.Parts, wire.Part{Ingredient: string(d.Ingredient), Cartridge: d.Alt.Cartridge, UL: alt, How: "strokes"})
		}
	}
	for i := range lo.watches { // water that came through another line is in the cup as well
		if w := &lo.watches[i]; w.strays >= pour.StrayPulses && w.line.meter != lo.lease.meter {
			ul := int64(float64(w.strays) * 1e6 / w.line.perLitre)
			r.CountedUL += ul
			r.Parts = append(r.Parts, wire.Part{Ingredient: w.line.carrier, UL: ul, How: "metered"})
		}
	}
	return r
}

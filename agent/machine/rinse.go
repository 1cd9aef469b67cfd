package machine

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// rinseLease is a rinse that a person asked for.
type rinseLease struct {
	id     string
	beats  atomic.Uint64
	stop   atomic.Bool
	answer chan error // capacity 1: whether it began
}

// Rinse runs water through the nozzle into the tray until the residue of the last drink is below its limits, and returns
// an id to Beat and to Stop. With a cup sensor it needs no cup under the nozzle; without one a person has to have taken
// it away, and their lease is what proves that somebody is there. Errors are problems, as those of Start. The water is
// waste: it is counted in State and stands in no record.
func (m *Machine) Rinse(ctx context.Context) (string, error) {
	select {
	case <-m.ready:
	default:
		return "", notRunning("the machine is still starting")
	}
	if m.current.Load() != nil {
		return "", busy()
	}
	r := &rinseLease{id: ulid.MustNew(ulid.Timestamp(time.Now()), rand.Reader).String(), answer: make(chan error, 1)} // crypto/rand does not fail
	if !m.rinse.CompareAndSwap(nil, r) {
		return "", busy()
	}
	select {
	case err := <-r.answer:
		if err != nil {
			return "", err
		}
		return r.id, nil
	case <-ctx.Done():
		r.stop.Store(true)
		return "", ctx.Err()
	case <-m.stopped:
		return "", notRunning("the machine is stopping")
	}
}

// StopRinse ends the rinse with this id; false when it is none, or over.
func (m *Machine) StopRinse(id string) bool {
	r := m.rinse.Load()
	if r == nil || r.id != id {
		return false
	}
	r.stop.Store(true)
	return true
}

// after notes what a pour left in the nozzle.
func (lo *loop) after(now time.Duration) {
	p := &lo.pour
	if p.FlowedUL() > 0 {
		lo.residue.Poured(lo.lease.menu.catalogue, p.Plan(), p.CarrierUL(), p.TailUL())
		lo.cupChanged, lo.rinsed = false, false
	}
	lo.m.last.Store(lo.lease.endedAt(now, p))
}

// followCup notes that the cup was taken away: a top-off is over, and the nozzle may be rinsed. Not after a safety input
// was tripped meanwhile: its reset must not start anything.
func (lo *loop) followCup(now time.Duration) {
	if lo.tripped() {
		lo.rinsed = true
	}
	if !lo.m.cups || lo.locksErr != nil {
		return
	}
	if lo.locks&hal.NoCup == 0 {
		lo.cupGone, lo.rinsed = 0, false
		return
	}
	if lo.cupGone == 0 {
		lo.cupGone = now
	}
	lo.cupChanged = true
	if e := lo.m.last.Load(); e != nil {
		e.cupGone.Store(true)
	}
}

// conflict is what of the residue the next drink must not meet; "" when it may follow. A cup that was not taken away
// since the last drink holds that drink: what the nozzle adds changes nothing.
func (lo *loop) conflict(l *lease) string {
	if lo.m.cups && !lo.cupChanged {
		return ""
	}
	return lo.residue.Conflict(l.menu.catalogue, l.drink)
}

// washing starts, runs and ends rinses.
func (lo *loop) washing(now time.Duration) {
	if lo.rinse.Phase == pour.Rest {
		lo.rinseIfDue(now)
		return
	}
	l := lo.rinseBy
	if l != nil {
		if b := l.beats.Load(); b != lo.rinseSeen {
			lo.rinseSeen, lo.rinseSeenAt = b, now
		}
		switch {
		case l.stop.Load():
			lo.rinse.Stop(now, pour.ReasonStopped, &lo.fx)
		case now-lo.rinseSeenAt > lo.m.cfg.Lease:
			lo.rinse.Stop(now, pour.ReasonLeaseLost, &lo.fx)
		default:
			lo.fx = pour.Effects{}
		}
		lo.doRinse()
	}
	if !lo.guard.alive {
		lo.rinse.Stop(now, pour.ReasonGuardGone, &lo.fx)
		lo.doRinse()
	}
	var in pour.Inputs
	in.Water, in.Locks, in.LocksErr, in.Guard = lo.m.lines[lo.rinseLine].meter.Count(), lo.locks, lo.locksErr != nil, lo.guard.said()
	lo.rinse.Tick(now, &in, &lo.fx)
	lo.doRinse()
	if lo.rinse.Phase == pour.Rest {
		lo.rinseEnded()
	}
}

// refuseRinse refuses a rinse that was asked for while something else runs: it must not begin when that ends.
func (lo *loop) refuseRinse() {
	if l := lo.m.rinse.Load(); l != nil && l != lo.rinseBy {
		lo.m.rinse.Store(nil)
		l.answer <- busy()
	}
}

// rinseIfDue starts a rinse when a person asks for one, or when the cup has left and the nozzle is not clean.
func (lo *loop) rinseIfDue(now time.Duration) {
	if l := lo.m.rinse.Load(); l != nil {
		err := lo.rinseRefused(now)
		if l.stop.Load() {
			err = context.Canceled // nobody waits for it any more
		}
		if err != nil {
			lo.m.rinse.Store(nil)
			l.answer <- err
			return
		}
		lo.rinseBy, lo.rinseSeen, lo.rinseSeenAt = l, l.beats.Load(), now
		lo.rinseStart(now, max(lo.residue.Rinse(lo.m.menu.Load().catalogue), pour.RinseMinUL))
		l.answer <- nil
		return
	}
	if !lo.m.cups || lo.rinsed || lo.cupGone == 0 || now-lo.cupGone < pour.RinseAfter || lo.rinseRefused(now) != nil {
		return
	}
	lo.rinsed = true // once for each time the cup is away: a rinse that fails is no reason to try for ever
	if ul := lo.residue.Rinse(lo.m.menu.Load().catalogue); ul > 0 {
		lo.rinseStart(now, ul)
	}
}

// rinseRefused says why the nozzle cannot be rinsed now.
func (lo *loop) rinseRefused(now time.Duration) error {
	switch {
	case lo.m.current.Load() != nil || lo.occupied():
		return busy()
	case lo.m.cups && lo.locks&hal.NoCup == 0:
		return &problem.Problem{Code: problem.CodeUnsafe, Where: "cup", What: "there is a cup under the nozzle", Remedy: "take it away", Retry: true}
	}
	if f := lo.fault(now); f != "" {
		return refusal(f)
	}
	if lo.rinseLine = lo.washLine(); lo.rinseLine < 0 {
		return &problem.Problem{Code: problem.CodeUnavailable, What: "no water line can be used", Remedy: "look at the alarms and clear what is mended"}
	}
	return nil
}

// washLine is the line to rinse with: still water, or any other that is not locked out; −1 when there is none.
func (lo *loop) washLine() int {
	best, under := -1, lo.m.barred.Load()
	for i := range lo.m.lines {
		l := &lo.m.lines[i]
		if l.mask == 0 {
			continue
		}
		barred := under != nil && (*under)[l.valve] != "" // cleaner may stand in it
		for j := range lo.faults {
			barred = barred || lo.faults[j].Locked && lo.faults[j].Scope == l.valve
		}
		if !barred && (best < 0 || l.carrier == carrierStill) {
			best = i
		}
	}
	return best
}

func (lo *loop) rinseStart(now time.Duration, ul int64) {
	lo.stillStirs(now)
	l := &lo.m.lines[lo.rinseLine]
	lo.rinse.Start(now, ul, l.perLitre, lo.m.cups, l.meter.Count(), &lo.fx)
	lo.doRinse()
}

// doRinse does what the rule of the rinse says.
func (lo *loop) doRinse() {
	l := &lo.m.lines[lo.rinseLine]
	for i := range lo.fx.Len() {
		switch e := lo.fx.At(i); e.Action {
		case pour.Rearm:
			lo.guard.rearm()
		case pour.Master:
			lo.guard.packet.WantMaster, lo.urgent = e.On, true
		case pour.Open:
			if err := lo.m.deps.Rig.Outputs().Apply(l.mask, l.mask); err != nil {
				lo.disobeyed(l.valve, l.valve, err)
				lo.rinse.Stop(lo.now, pour.ReasonHardware, &lo.fx)
				lo.doRinse()
				return
			}
		case pour.Shut:
			lo.ended(lo.m.deps.Rig.Outputs().Apply(lo.m.all, 0))
		}
	}
}

func (lo *loop) rinseEnded() {
	ul := lo.rinse.UL()
	lo.residue.Wash(ul)
	lo.rinses++
	lo.rinsedUL += ul
	lo.clerk.rinsed(ul, lo.rinse.Failed)
	if lo.rinse.Stuck() {
		v := lo.m.lines[lo.rinseLine].valve
		lo.lock(Fault{Scope: ScopeUnit, Code: pour.ReasonStuckOpen, Part: v, Evidence: "water went on through " + v + " after a rinse; MASTER serves every line, so none can be opened"})
	}
	if lo.rinseBy != nil {
		lo.m.rinse.CompareAndSwap(lo.rinseBy, nil)
		lo.rinseBy = nil
	}
}

// stopRinse ends a rinse because the loop stood still or the unit stops.
func (lo *loop) stopRinse(now time.Duration, why string) {
	if lo.rinse.Phase == pour.Rest {
		return
	}
	lo.rinse.Stop(now, why, &lo.fx)
	lo.doRinse()
}

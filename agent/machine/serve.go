package machine

import (
	"net/http"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// accept takes the pour that Start has prepared, or refuses it.
func (lo *loop) accept(now time.Duration, stopping bool) {
	l := lo.m.current.Load()
	if l == nil || l == lo.lease {
		return
	}
	if stopping {
		lo.refuse(l, notRunning("the machine is stopping"))
		return
	}
	if lo.svc.session != nil || lo.m.service.Load() != nil {
		lo.refuse(l, inService())
		return
	}
	if lo.rinse.Phase != pour.Rest && lo.locks&hal.NoCup == 0 {
		lo.stopRinse(now, pour.ReasonCup)
		return // until its water stands still: it must not be counted as the drink's
	}
	if err := lo.refuses(now, l); err != nil {
		lo.refuse(l, err)
		return
	}
	lo.stillStirs(now)
	lo.lease, lo.seen, lo.seenAt = l, l.beats.Load(), now
	lo.guard.rearm()
	l.intent.Session, lo.guard.packet.Pour = lo.guard.packet.Session, l.pour
	for i := range lo.watches {
		w := &lo.watches[i]
		w.stray.Begin(w.line.meter.Count())
		w.strays = 0
	}
	lo.ev = pour.Event{Kind: pour.Begin, Now: now, Plan: l.plan, Lag: l.lag}
	lo.inputs()
	lo.handle()
	lo.publish(now) // first: who is told that the pour began must not see the one before it
	l.answer <- nil
}

// refuses says why a pour cannot begin now; nil when it can.
func (lo *loop) refuses(now time.Duration, l *lease) error {
	fault := lo.fault(now)
	sparkling := l.plan.Carrier.Ingredient == carrierSparkling
	switch {
	case fault != "":
	case lo.locks&hal.NoCup != 0:
		fault = FaultNoCup
	case sparkling && lo.locks&hal.NoCO2 != 0:
		fault = CodeNoCO2
	case sparkling && lo.locks&hal.Carbonating != 0:
		fault = CodeCarbonating
	}
	if fault != "" {
		return refusal(fault)
	}
	if f := lo.lockedFor(l); f != nil {
		return &problem.Problem{
			Code: problem.CodeUnavailable, Where: f.Scope + " " + f.Code, What: "this drink needs " + f.Scope + ", which is locked out: " + f.Evidence,
			Remedy: "choose another drink; a technician checks it and clears the lock-out",
		}
	}
	if err := l.topOffStill(now); err != nil {
		return err
	}
	if what := lo.conflict(l); what != "" && l.topped == nil {
		remedy := "take the cup away for a moment: the nozzle rinses itself"
		if !lo.m.cups {
			remedy = "take the cup away and rinse the nozzle"
		}
		return &problem.Problem{
			Code: CodeRinseFirst, Where: what, What: "the nozzle still holds " + what + " of the last drink, which this one must not meet",
			Remedy: remedy, Retry: true, Status: http.StatusConflict,
		}
	}
	return nil
}

func (lo *loop) refuse(l *lease, err error) {
	lo.m.release()
	l.answer <- err
}

// serve runs the active pour.
func (lo *loop) serve(now time.Duration) {
	l := lo.lease
	if r := l.begun.Load(); r != nil && lo.pour.Phase == pour.Arm {
		lo.ev = pour.Event{Kind: pour.Durable, Now: now}
		if r.err != nil {
			lo.ev.Kind = pour.Refused
		}
		l.begun.Store(nil)
		lo.beginAt = 0
		lo.handle()
	}
	if lo.beginAt > 0 && now-lo.beginAt > commitLimit { // its answer, if it comes, finishes the pour
		lo.lock(journalSilent)
		lo.stop(now, pour.ReasonJournal)
	}
	if b := l.beats.Load(); b != lo.seen {
		lo.seen, lo.seenAt = b, now
	} else if now-lo.seenAt > lo.m.cfg.Lease && lo.pour.Phase < pour.Settle {
		lo.stop(now, pour.ReasonLeaseLost)
	}
	if reason := l.stop.Load(); reason != nil && lo.pour.Phase < pour.Settle {
		lo.stop(now, *reason)
	}
	if lo.pour.Phase.Active() {
		lo.pulled(now)
		lo.ev = pour.Event{Kind: pour.Tick, Now: now}
		lo.inputs()
		lo.handle()
	}
	if lo.rigFault {
		lo.rigFault = false
		lo.stop(now, pour.ReasonHardware)
	}
	lo.wishes(now)
	lo.settled(now)
}

// journalSilent stands while pours cannot be recorded.
var journalSilent = Fault{Scope: ScopeUnit, Code: pour.ReasonJournal, Evidence: "the journal did not answer, or refused"}

// pulled tells the pour of cartridges it must not draw from any more.
func (lo *loop) pulled(now time.Duration) {
	l := lo.lease
	for i := range l.plan.Doses {
		for j, st := range l.slots[i] {
			if st == nil || SlotState(st.Load()) == SlotOK {
				continue
			}
			l.slots[i][j] = nil // told once
			lo.ev = pour.Event{Kind: pour.Pulled, Now: now, Index: i, Alt: j == 1}
			lo.handle()
		}
	}
}

// settled lets go of a pour that is recorded.
func (lo *loop) settled(now time.Duration) {
	if lo.pour.Phase.Active() {
		return
	}
	l := lo.lease
	if lo.commitAt > 0 {
		r := l.commit.Load()
		switch {
		case r == nil && now-lo.commitAt > commitLimit:
			lo.lock(journalSilent)
			return
		case r == nil:
			return
		case r.err != nil:
			lo.lock(journalSilent)
		default:
			lo.last = r.seq
			lo.drop(ScopeUnit, pour.ReasonJournal) // it was only slow, with this or with the intent
		}
	}
	lo.commitAt = 0
	lo.lease = nil
	lo.guard.packet.Pour = [16]byte{}
	close(l.over)
	lo.m.release() // first: who sees the pour recorded may start the next
	lo.publishEnd(l)
}

// inputs fills the event with what the hardware and the guard say.
func (lo *loop) inputs() {
	l, in := lo.lease, &lo.ev.Inputs
	in.Water = l.meter.Count()
	for i := range l.plan.Doses {
		in.Delivered[i] = l.pumps[i].Delivered()
		if l.alts[i] != nil {
			in.Alternate[i] = l.alts[i].Delivered()
		}
	}
	for i := range lo.watches {
		if w := &lo.watches[i]; w.line.meter != l.meter {
			w.strays = w.stray.Look(w.line.meter.Count())
			in.Stray = max(in.Stray, w.strays)
		}
	}
	in.Locks, in.LocksErr = lo.locks, lo.locksErr != nil
	in.Guard = lo.guard.said()
}

// stop ends the active pour.
func (lo *loop) stop(now time.Duration, reason string) {
	lo.stopService(now, reason)
	if !lo.pour.Phase.Active() {
		return
	}
	lo.ev = pour.Event{Kind: pour.Stop, Now: now, Reason: reason}
	lo.handle()
}

// handle runs the event in lo.ev through the rule and does what it says.
func (lo *loop) handle() {
	lo.pour.Handle(&lo.ev, &lo.fx)
	for i := range lo.fx.Len() {
		lo.do(lo.fx.At(i))
	}
}

func (lo *loop) do(e pour.Effect) {
	l, rig := lo.lease, lo.m.deps.Rig
	switch e.Action {
	case pour.Journal:
		lo.beginAt = lo.ev.Now
		lo.clerk.begin(l)
	case pour.Master:
		lo.guard.packet.WantMaster, lo.urgent = e.On, true
	case pour.Rearm:
		lo.guard.rearm()
	case pour.Open:
		lo.disobeyed(l.plan.Carrier.Valve, l.plan.Carrier.Valve, rig.Outputs().Apply(l.valve, l.valve))
	case pour.Shut:
		lo.ended(rig.Outputs().Apply(lo.m.all, 0))
	case pour.Dose:
		pump, slot, part := l.source(e.Index, e.Alt)
		lo.disobeyed(slot, part, pump.Dose(int(e.N), 0))
	case pour.Switch:
		lo.stopPump(e.Index, false)
	case pour.StopDose:
		lo.stopPump(e.Index, e.Alt)
	case pour.StopPumps:
		for i := range l.plan.Doses {
			lo.stopPump(i, false)
			if l.alts[i] != nil {
				lo.stopPump(i, true)
			}
		}
	case pour.Wake:
		lo.wake = e.At
	case pour.Empty:
		d := &l.plan.Doses[e.Index]
		if e.Alt {
			lo.ranDry(d.Alt.Slot, d.Alt.Cartridge)
		} else {
			lo.ranDry(d.Slot, d.Cartridge)
		}
	case pour.Learn:
		lo.m.mu.Lock()
		lo.m.lags[l.plan.Carrier.Valve] = e.Lag
		lo.m.mu.Unlock()
		lo.clerk.learned()
	case pour.Commit:
		lo.commitAt = lo.ev.Now
		lo.conclude(lo.ev.Now)
		lo.clerk.commit(l, lo.result())
	}
}

// ended notes a valve that was told to shut and did not obey: until that is done, shut goes on trying and nothing new is
// poured, for the next pour would open MASTER with the valve of this one open.
func (lo *loop) ended(err error) {
	lo.unshut = lo.unshut || err != nil
	lo.rigFault = lo.rigFault || err != nil && lo.lease != nil
}

// stopPump stops one pump of the pour. One that does not obey makes the strokes it was given, then stands: its slot waits
// for a check, the others go on.
func (lo *loop) stopPump(i int, alt bool) {
	pump, slot, part := lo.lease.source(i, alt)
	if err := pump.Stop(); err != nil {
		lo.disobeyed(slot, part, err)
		if len(lo.runaway) < cap(lo.runaway) {
			lo.runaway = append(lo.runaway, pump)
		}
	}
}

// shut tells what did not obey again to stop.
func (lo *loop) shut() {
	if lo.unshut {
		lo.unshut = lo.m.deps.Rig.Outputs().Apply(lo.m.all, 0) != nil
	}
	keep := lo.runaway[:0]
	for _, p := range lo.runaway {
		if p.Stop() != nil {
			keep = append(keep, p)
		}
	}
	lo.runaway = keep
}

func (lo *loop) ranDry(slot, cartridge string) {
	lo.m.mu.Lock()
	lo.m.emptied[slot] = cartridge
	lo.m.mu.Unlock()
	lo.m.emptyRev.Add(1)
	lo.clerk.empty(slot)
}

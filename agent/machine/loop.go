package machine

import (
	"context"
	"errors"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
)

// Timing of the loop (DESIGN 3).
const (
	tickFlow    = time.Millisecond
	gapLimit    = 100 * time.Millisecond
	signalEvery = 33 * time.Millisecond
	lateTick    = 2 * time.Millisecond
	veryLate    = 20 * time.Millisecond
	healthEvery = time.Second
	guardGrace  = time.Second     // at the start, before a silent guard counts as gone
	commitLimit = 5 * time.Second // the journal is broken when it takes longer
	watchTime   = 2 * time.Second // window for water that flows while nothing is poured
	watchPulses = 3               // allowed in it
)

var (
	errStops = errors.New("the machine stops")
	errPanic = errors.New("the control loop panicked")
)

// loop is what the control loop's goroutine owns.
type loop struct {
	m       *Machine
	clerk   *clerk
	guard   guardSide
	svc     serving
	started time.Duration

	pour     pour.State
	ev       pour.Event
	fx       pour.Effects
	lease    *lease
	wake     time.Duration // pour asked to run then; 0 = no
	urgent   bool          // beat at once
	rigFault bool          // an output or pump did not obey
	unshut   bool          // a valve or pump was told to stop and did not obey: told again every tick
	seen     uint64        // beats of the lease
	seenAt   time.Duration
	beginAt  time.Duration // the journal was asked to keep the intent
	commitAt time.Duration // and the result

	locks    hal.Interlocks // of agent and guard
	locksErr error
	sticky   string // fault until ClearFault
	noFlow   int
	last     uint64 // seq
	health   []hal.Fault
	healthAt time.Duration
	watches  []watch
	watchAt  time.Duration // start of the window; 0 = none

	shown     view
	signalAt  time.Duration
	shownUL   int64
	shownStep pour.Phase
}

func (m *Machine) run(ctx context.Context) error {
	c := newClerk(m)
	go c.run()
	defer c.close(m.cfg.Drain)

	p := m.deps.Pacer
	lo := &loop{m: m, clerk: c, guard: guardSide{link: m.deps.Guard, limit: m.cfg.GuardReply}, started: p.Now()}
	for _, meter := range m.meters {
		lo.watches = append(lo.watches, watch{meter: meter})
	}
	lo.guard.packet.Session = newSession()
	defer func() {
		if r := recover(); r != nil {
			_ = m.deps.Rig.Safe(errPanic) // the panic is what is told
			panic(r)
		}
	}()

	prev := p.Now()
	target := prev
	var stopAt time.Duration
	close(m.ready)
	for {
		now := p.Now()
		lo.measure(now-target, now-prev)
		if now-prev > gapLimit {
			lo.stop(now, pour.ReasonLoopGap) // whatever was open is shut before anything else is looked at
		}
		prev = now
		if ctx.Err() != nil {
			if stopAt == 0 {
				stopAt = now + m.cfg.Drain
				lo.stop(now, pour.ReasonShutdown)
			}
			if lo.lease == nil && lo.svc.session == nil || now > stopAt {
				break
			}
		}
		lo.once(now, stopAt > 0)
		target = lo.next(now, target)
		p.SleepUntil(target)
	}
	return lo.leave(p.Now())
}

// measure counts late ticks.
func (lo *loop) measure(late, gap time.Duration) {
	t := &lo.m.ticks
	if late > lateTick {
		t.late.Add(1)
	}
	if late > veryLate {
		t.veryLate.Add(1)
	}
	if gap > gapLimit {
		t.gaps.Add(1)
	}
	if int64(late) > t.worst.Load() {
		t.worst.Store(int64(late))
	}
}

// once is one turn of the loop.
func (lo *loop) once(now time.Duration, stopping bool) {
	lo.guard.poll(now)
	own, err := lo.m.deps.Rig.Interlocks().Now()
	lo.locks, lo.locksErr = own|lo.guard.locks(), err
	if lo.pour.Phase.Active() && !lo.guard.alive {
		lo.stop(now, pour.ReasonGuardGone)
	}
	if lo.pour.Phase.Active() && err != nil && gone(err) {
		lo.stop(now, pour.ReasonRigLost)
	}
	if lo.m.clear.CompareAndSwap(true, false) {
		lo.sticky = ""
	}
	if lo.unshut {
		lo.shut()
	}
	lo.accept(now, stopping)
	if lo.lease != nil {
		lo.serve(now)
	}
	lo.acceptService(now, stopping)
	lo.serveService(now)
	lo.checkHealth(now)
	lo.watchIdle(now)
	lo.beat(now)
	lo.publish(now)
}

// next is when to run again.
func (lo *loop) next(now, target time.Duration) time.Duration {
	period := lo.m.cfg.IdleTick
	if lo.lease != nil || lo.svc.session != nil && lo.svc.session.run.Live() {
		period = tickFlow
	}
	target += period
	if target <= now || target > now+period {
		target = now + period
	}
	if lo.wake > now && lo.wake < target {
		target = lo.wake
	}
	lo.wake = 0
	return target
}

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
	fault := lo.fault(now)
	if fault == "" && lo.locks&hal.NoCup != 0 {
		fault = FaultNoCup
	}
	if fault != "" {
		lo.refuse(l, refusal(fault))
		return
	}
	lo.lease, lo.seen, lo.seenAt = l, l.beats.Load(), now
	lo.guard.packet.Session, lo.guard.packet.Pour = l.session, l.pour
	lo.ev = pour.Event{Kind: pour.Begin, Now: now, Plan: l.plan, Lag: l.lag}
	lo.inputs()
	lo.handle()
	lo.publish(now) // first: who is told that the pour began must not see the one before it
	l.answer <- nil
}

func (lo *loop) refuse(l *lease, err error) {
	lo.m.current.Store(nil)
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
		lo.sticky = pour.ReasonJournal
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
		lo.ev = pour.Event{Kind: pour.Tick, Now: now}
		lo.inputs()
		lo.handle()
	}
	if lo.rigFault {
		lo.rigFault = false
		lo.stop(now, pour.ReasonRigLost)
	}
	lo.settled(now)
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
			lo.sticky = pour.ReasonJournal
			return
		case r == nil:
			return
		case r.err != nil:
			lo.sticky = pour.ReasonJournal
		default:
			lo.last = r.seq
			if lo.sticky == pour.ReasonJournal { // it was only slow, with this or with the intent
				lo.sticky = ""
			}
		}
	}
	lo.commitAt = 0
	lo.lease = nil
	lo.guard.packet.Pour = [16]byte{}
	lo.m.current.Store(nil) // first: who sees the pour recorded may start the next
	lo.publishEnd(l)
}

// inputs fills the event with what the hardware and the guard say.
func (lo *loop) inputs() {
	l, in := lo.lease, &lo.ev.Inputs
	in.Water = l.meter.Count()
	for i := range l.plan.Doses {
		in.Delivered[i] = l.pumps[i].Delivered()
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
	case pour.Open:
		lo.obeyed(rig.Outputs().Apply(l.valve, l.valve))
	case pour.Shut:
		lo.ended(rig.Outputs().Apply(lo.m.all, 0))
	case pour.Dose:
		lo.obeyed(l.pumps[e.Index].Dose(int(e.N), 0))
	case pour.StopPumps:
		for i := range l.plan.Doses {
			lo.ended(l.pumps[i].Stop())
		}
	case pour.Wake:
		lo.wake = e.At
	case pour.Empty:
		lo.ranDry(l.plan.Doses[e.Index].Slot, l.plan.Doses[e.Index].Cartridge)
	case pour.Learn:
		lo.m.mu.Lock()
		lo.m.lags[l.plan.Carrier.Valve] = e.Lag
		lo.m.mu.Unlock()
		lo.clerk.learned()
	case pour.Commit:
		lo.commitAt = lo.ev.Now
		lo.conclude()
		lo.clerk.commit(l, lo.result())
	}
}

// obeyed notes that the hardware did not do what it was told.
func (lo *loop) obeyed(err error) {
	if err != nil {
		lo.rigFault = true
	}
}

// ended is obeyed for what makes things stop: until that is done, shut goes on trying and nothing new is poured, for
// the next pour would open MASTER with the valve of this one open.
func (lo *loop) ended(err error) {
	lo.unshut = lo.unshut || err != nil
	lo.obeyed(err)
}

// shut tells every valve and pump again to stop.
func (lo *loop) shut() {
	lo.unshut = lo.m.deps.Rig.Outputs().Apply(lo.m.all, 0) != nil
	for _, p := range lo.m.pumps {
		if p.Stop() != nil {
			lo.unshut = true
		}
	}
}

func (lo *loop) ranDry(slot, cartridge string) {
	lo.m.mu.Lock()
	lo.m.emptied[slot] = cartridge
	lo.m.mu.Unlock()
	lo.m.emptyRev.Add(1)
	lo.clerk.empty(slot)
}

// conclude draws from a pour that has ended what concerns the unit.
func (lo *loop) conclude() {
	if lo.pour.Stuck() {
		lo.sticky = pour.ReasonStuckOpen
	}
	switch {
	case lo.pour.Reason == pour.ReasonNoFlow:
		lo.noFlow++
	case lo.pour.CarrierUL() > 0:
		lo.noFlow = 0
	}
}

// fault is why nothing can be poured now; "" when the unit is ready.
func (lo *loop) fault(now time.Duration) string {
	switch {
	case lo.locks&hal.EStop != 0:
		return pour.ReasonEStop
	case lo.locks&hal.Leak != 0:
		return pour.ReasonLeak
	case lo.locks&hal.Door != 0:
		return pour.ReasonDoor
	case lo.sticky != "":
		return lo.sticky
	case lo.unshut, lo.locksErr != nil && gone(lo.locksErr):
		return pour.ReasonRigLost
	case lo.locksErr != nil:
		return pour.ReasonInterlock
	case !lo.guard.alive && !lo.guard.answered && now-lo.started < guardGrace:
		return FaultStarting
	case !lo.guard.alive:
		return pour.ReasonGuardGone
	case lo.locks&hal.TrayFull != 0:
		return pour.ReasonTrayFull
	}
	return ""
}

func gone(err error) bool { return errors.Is(err, hal.ErrGone) || errors.Is(err, hal.ErrClosed) }

func (lo *loop) beat(now time.Duration) {
	p := &lo.guard.packet
	p.CountedUL, p.RateULs = 0, 0
	if lo.lease != nil {
		p.CountedUL, p.RateULs = lo.pour.CountedUL(), lo.pour.RateULs()
	} else if s := lo.svc.session; s != nil {
		p.CountedUL, p.RateULs = s.run.BurstUL(), s.run.RateULs()
	}
	lo.guard.send(now, lo.urgent)
	lo.urgent = false
}

// leave shuts everything for good.
func (lo *loop) leave(now time.Duration) error {
	lo.guard.packet.WantMaster = false
	lo.guard.send(now, true)
	if l := lo.m.current.Load(); l != nil && l != lo.lease {
		lo.refuse(l, notRunning("the machine is stopping"))
	}
	lo.abandonService()
	if err := lo.m.deps.Rig.Safe(errStops); err != nil && !gone(err) {
		return err
	}
	return nil
}

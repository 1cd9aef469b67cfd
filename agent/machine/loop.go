package machine

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/internal/problem"
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
	unshut   bool          // a valve was told to shut and did not obey: told again every tick
	runaway  []hal.Pump    // pumps that were told to stop and did not obey: told again every tick
	now      time.Duration // of this turn
	seen     uint64        // beats of the lease
	seenAt   time.Duration
	beginAt  time.Duration // the journal was asked to keep the intent
	commitAt time.Duration // and the result

	locks    hal.Interlocks // of agent and guard
	passed   hal.Interlocks // of them, those that stand among faults
	locksErr error
	faults   []Fault
	faultRev uint64
	noFlow   int
	last     uint64 // seq
	health   []hal.Fault
	healthAt time.Duration
	watches  []watch
	weepAt   time.Duration // the hour's drips were looked at
	stirs    stirring

	residue     pour.Residue
	cupChanged  bool          // since the last pour
	cupGone     time.Duration // since when it is away; 0 = it is there
	rinsed      bool          // since it is away
	rinse       pour.Rinse
	rinseLine   int
	rinseBy     *rinseLease // nil: nobody asked
	rinseSeen   uint64
	rinseSeenAt time.Duration
	rinses      uint64
	rinsedUL    int64

	shown     view
	signalAt  time.Duration
	shownUL   int64
	shownStep pour.Phase
}

// Carriers by name: readiness inputs of the carbonator concern only what is sparkling, and the nozzle is rinsed with still
// water where there is any.
const (
	carrierStill     = "water.still"
	carrierSparkling = "water.sparkling"
)

func newLoop(m *Machine, c *clerk) *loop {
	lo := &loop{
		m: m, clerk: c, guard: guardSide{link: m.deps.Guard, limit: m.cfg.GuardReply, salt: newSession()}, started: m.deps.Pacer.Now(),
		faults: append(make([]Fault, 0, 16), m.kept...), faultRev: 1, runaway: make([]hal.Pump, 0, 2*recipe.MaxDoses),
	}
	lo.guard.rearm()
	lo.openWatches()
	return lo
}

func (m *Machine) run(ctx context.Context) error {
	c := newClerk(m)
	go c.run()
	defer c.close(m.cfg.Drain)

	p := m.deps.Pacer
	lo := newLoop(m, c)
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
			lo.stopRinse(now, pour.ReasonLoopGap)
		}
		prev = now
		if ctx.Err() != nil {
			if stopAt == 0 {
				stopAt = now + m.cfg.Drain
				lo.stop(now, pour.ReasonShutdown)
				lo.stopRinse(now, pour.ReasonShutdown)
			}
			if lo.lease == nil && lo.svc.session == nil && lo.rinse.Phase == pour.Rest || now > stopAt {
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
	lo.now = now
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
		lo.clearAll()
	}
	if lo.unshut || len(lo.runaway) > 0 {
		lo.shut()
	}
	lo.followCup(now)
	lo.answer(now)
	lo.accept(now, stopping)
	if lo.rinse.Phase == pour.Rest {
		lo.acceptService(now, stopping)
	} else if lo.m.service.Load() != nil {
		lo.stopRinse(now, pour.ReasonStopped) // the operation begins when its water stands still
	}
	switch {
	case lo.lease != nil:
		lo.serve(now)
	case lo.svc.session != nil:
		lo.serveService(now)
	case !stopping || lo.rinse.Phase != pour.Rest:
		lo.washing(now)
	}
	lo.checkHealth(now)
	lo.watchIdle(now)
	lo.stir(now)
	lo.passing()
	lo.beat(now)
	lo.publish(now)
}

// occupied tells whether a service operation holds the outputs.
func (lo *loop) occupied() bool { return lo.svc.session != nil || lo.m.service.Load() != nil }

// passing shows what keeps drinks from being poured and passes by itself. What changes nothing costs nothing.
func (lo *loop) passing() {
	if lo.locksErr != nil {
		return
	}
	for _, p := range [...]struct {
		bit     hal.Interlocks
		code    string
		carrier string
		why     string
	}{
		{hal.NoCO2, CodeNoCO2, carrierSparkling, "the CO2 pressure switch says there is no gas"},
		{hal.Carbonating, CodeCarbonating, carrierSparkling, "the carbonator fills"},
	} {
		on := lo.locks&p.bit != 0
		if on == (lo.passed&p.bit != 0) {
			continue
		}
		lo.passed ^= p.bit
		for i := range lo.m.lines {
			if l := &lo.m.lines[i]; l.carrier == p.carrier && on {
				lo.raise(Fault{Scope: l.valve, Code: p.code, Evidence: p.why})
			} else if l.carrier == p.carrier {
				lo.drop(l.valve, p.code)
			}
		}
	}
}

// clearAll ends every lock-out; what is still wrong comes back.
func (lo *loop) clearAll() {
	n := len(lo.faults)
	lo.faults = slices.DeleteFunc(lo.faults, func(f Fault) bool { return f.Locked })
	if len(lo.faults) != n {
		lo.faultsChanged(true)
	}
}

// next is when to run again.
func (lo *loop) next(now, target time.Duration) time.Duration {
	period := lo.m.cfg.IdleTick
	if lo.lease != nil || lo.rinse.Phase != pour.Rest || lo.svc.session != nil && lo.svc.session.run.Live() {
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

// fault is why nothing can be poured now; "" when the unit is ready.
func (lo *loop) fault(now time.Duration) string {
	switch {
	case lo.locks&hal.EStop != 0:
		return pour.ReasonEStop
	case lo.locks&hal.Leak != 0:
		return pour.ReasonLeak
	case lo.locks&hal.Door != 0:
		return pour.ReasonDoor
	case lo.lockedUnit() != "":
		return lo.lockedUnit()
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
	case lo.locks&hal.NoWater != 0:
		return CodeNoWater
	}
	return ""
}

func gone(err error) bool { return errors.Is(err, hal.ErrGone) || errors.Is(err, hal.ErrClosed) }

func (lo *loop) beat(now time.Duration) {
	p := &lo.guard.packet
	p.CountedUL, p.RateULs = 0, 0
	if lo.lease != nil {
		p.CountedUL, p.RateULs = lo.pour.FlowedUL(), lo.pour.RateULs()
	} else if lo.rinse.Phase != pour.Rest {
		p.CountedUL = lo.rinse.UL()
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
	if r := lo.m.rinse.Load(); r != nil && r != lo.rinseBy {
		lo.m.rinse.Store(nil)
		r.answer <- notRunning("the machine is stopping")
	}
	lo.abandonService()
	if err := lo.m.deps.Rig.Safe(errStops); err != nil && !gone(err) {
		return err
	}
	return nil
}

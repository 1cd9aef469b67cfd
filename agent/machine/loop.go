package machine

import (
	"context"
	"errors"
	"time"

	"fountain/agent/pour"
	"fountain/agent/recipe"
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
	crashWait   = 250 * time.Millisecond
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
			m.closeRig()
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
			lo.calmStirs(now)
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

// closeRig waits, when the process is about to crash, until outputs behind a bus are shut as well: Safe only asks for it,
// and such chips hold what they were told last.
func (m *Machine) closeRig() {
	closed := make(chan struct{})
	go func() {
		_ = m.deps.Rig.Close() // as for Safe
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(crashWait):
	}
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
		lo.refuseRinse()
		lo.serve(now)
	case lo.svc.session != nil:
		lo.refuseRinse()
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

// tripped tells whether a person may be at the machine: a safety input is tripped, or nobody can tell.
func (lo *loop) tripped() bool {
	return lo.locks&(hal.EStop|hal.Leak|hal.Door) != 0 || lo.locksErr != nil || !lo.guard.alive
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

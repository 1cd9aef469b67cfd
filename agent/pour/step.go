package pour

import (
	"time"

	"fountain/agent/beat"
	"fountain/hal"
	"fountain/sync/wire"
)

// Step returns the state after e and what is to be done.
func Step(s State, e Event) (State, Effects) {
	var fx Effects
	s.Handle(&e, &fx)
	return s, fx
}

// Handle is Step in place, for a loop that copies nothing: fx is cleared and filled.
func (s *State) Handle(e *Event, fx *Effects) {
	fx.n = 0
	switch e.Kind {
	case Begin:
		if !s.Phase.Active() && e.Plan != nil {
			s.begin(e, fx)
		}
	case Durable:
		s.journalled(e.Now, fx)
	case Refused:
		if s.Phase == Arm && !s.durable {
			// Nothing was opened and nothing can be recorded, whatever ended the pour meanwhile.
			s.Phase, s.Outcome, s.Reason, s.endAt = Faulted, wire.Faulted, ReasonJournal, e.Now
		}
	case Stop:
		s.end(e.Reason, e.Now, fx)
	case Pause:
		s.pause(e.Reason, e.Now, fx)
	case Resume:
		s.resume = s.Phase == Paused
	case Pulled:
		s.pulled(e, fx)
	case Tick:
		s.tick(e.Now, &e.Inputs, fx)
	}
}

func (s *State) begin(e *Event, fx *Effects) {
	c := &e.Plan.Carrier
	*s = State{
		Phase: Arm, plan: e.Plan, lag: e.Lag, begunAt: e.Now, n: len(e.Plan.Doses),
		perPulse: 1e6 / c.PulsesPerLitre,
	}
	s.water.base, s.water.lostBase = e.Inputs.Water.Pulses, e.Inputs.Water.Lost
	s.water.shortest = Shortest(c.PulsesPerLitre, c.QMaxULs)
	for i := range s.n {
		p, d := &e.Plan.Doses[i], &s.doses[i]
		d.src[0] = source{base: e.Inputs.Delivered[i], stroke: time.Duration(float64(time.Second) / p.MaxRate)}
		if p.Alt != nil {
			d.src[1] = source{base: e.Inputs.Alternate[i], stroke: time.Duration(float64(time.Second) / p.Alt.MaxRate)}
		}
		d.patience = max(StrokeWait, 3*d.src[0].stroke, 3*d.src[1].stroke)
	}
	fx.add(Effect{Action: Journal})
}

func (s *State) journalled(now time.Duration, fx *Effects) {
	if s.Phase != Arm || s.durable {
		return
	}
	s.durable = true
	if s.Outcome != "" { // it ended while the journal was writing
		s.finish(now, fx)
		return
	}
	if s.noCup {
		s.pause(ReasonCupRemoved, now, fx)
		return
	}
	s.arming(now, fx)
}

// arming asks for MASTER.
func (s *State) arming(now time.Duration, fx *Effects) {
	s.Phase, s.masterAt, s.asked, s.armBase, s.retryAt = Arm, now, true, s.water.pulses, 0
	s.setMaster(true, fx)
}

func (s *State) tick(now time.Duration, in *Inputs, fx *Effects) {
	if !s.Phase.Active() {
		return
	}
	s.water.observe(in.Water)
	s.delivered(now, in)
	s.noCup = in.Locks&hal.NoCup != 0
	if in.Stray > s.stray {
		if s.stray == 0 {
			s.strayOwn = s.water.pulses
		}
		s.stray, s.strayAt = in.Stray, now
	}
	if reason := unsafe(in); reason != "" {
		s.end(reason, now, fx)
	} else if s.noCup && s.durable && s.Phase < Paused {
		s.pause(ReasonCupRemoved, now, fx)
	}
	switch s.Phase {
	case Arm:
		s.arm(now, in, fx)
	case Lead, Flow, Tail:
		s.flow(now, in, fx)
	case Paused:
		s.wait(now, fx)
	}
	if s.Phase == Settle {
		s.settle(now, fx)
	}
}

// unsafe names the input that ends a pour; "" when there is none. Those of hal.Readiness end none, and the cup pauses.
func unsafe(in *Inputs) string {
	switch l := in.Locks; {
	case l&hal.EStop != 0:
		return ReasonEStop
	case l&hal.Leak != 0:
		return ReasonLeak
	case l&hal.Door != 0:
		return ReasonDoor
	case in.LocksErr:
		return ReasonInterlock
	}
	return ""
}

func (s *State) arm(now time.Duration, in *Inputs, fx *Effects) {
	switch {
	case s.Outcome != "" || !s.durable:
		return
	case in.Guard.Latched:
		s.end(guardReason(in.Guard.Reason), now, fx)
	case s.water.pulses >= s.armBase+stuckPulses: // water before the valve is open
		s.stuck, s.stuckAt = true, now
		s.end(ReasonStuckOpen, now, fx)
	case in.Stray >= strayPulses:
		s.end(s.strayed(), now, fx)
	case s.retryAt > now:
		if !in.Guard.Open {
			s.end(guardReason(in.Guard.Reason), now, fx)
		}
	case in.Guard.Open:
		s.Phase, s.Carrier, s.flowed, s.openAt, s.retryAt = Lead, true, true, now, 0
		s.water.opened(now)
		fx.add(Effect{Action: Open})
	case now-s.masterAt > MasterWait:
		s.end(ReasonMaster, now, fx)
	}
}

// guardReason translates why the guard holds MASTER shut.
func guardReason(r beat.Reason) string {
	switch r {
	case beat.ReasonEStop:
		return ReasonEStop
	case beat.ReasonLeak:
		return ReasonLeak
	case beat.ReasonTime:
		return ReasonTimeBound
	case beat.ReasonVolume:
		return ReasonVolumeBound
	case beat.ReasonNoBeat:
		return ReasonLoopGap
	case beat.ReasonShutdown, beat.ReasonDisconnect:
		return ReasonGuardGone
	}
	return ReasonMaster
}

func (s *State) flow(now time.Duration, in *Inputs, fx *Effects) {
	w := s.estimate(now)
	if reason := s.fails(now, w, in); reason != "" {
		if reason == ReasonNoFlow && !s.retried && s.water.pulses == 0 {
			s.retry(now, fx)
			return
		}
		s.end(reason, now, fx)
		return
	}
	if s.supply(now, fx) {
		s.end(ReasonSoldOut, now, fx)
		return
	}
	if s.reached(now, w, fx) {
		s.end("", now, fx)
		return
	}
	if s.Phase == Lead && s.water.first > 0 && now-s.water.first >= LeadTime {
		s.Phase = Flow
		if !s.led {
			s.leadW, s.led = w, true
		}
	}
	if s.Phase == Flow || s.Phase == Tail { // in Tail what was lost is asked for again
		s.follow(now, s.due(w), fx)
	}
}

// fails names what ends a flowing pour; "" when all is well.
func (s *State) fails(now time.Duration, w float64, in *Inputs) string {
	switch {
	case in.Guard.Latched || !in.Guard.Open:
		return guardReason(in.Guard.Reason)
	case s.FlowedUL() >= s.plan.MaxUL || int64(w) >= s.plan.MaxUL:
		return ReasonVolumeBound
	case s.openFor+now-s.openAt >= s.plan.MaxTime:
		return ReasonTimeBound
	case in.Stray >= strayPulses:
		return s.strayed()
	}
	if reason := s.water.racing(); reason != "" {
		return reason
	}
	if q := s.plan.Carrier.QMaxULs; q > 0 && s.water.known() && s.water.rate*s.perPulse > overFlow*float64(q) {
		return ReasonOverFlow
	}
	return s.stalled(now)
}

// strayed says what pulses on another meter mean: if this one counts as well, the other line's valve does not hold; if
// not, the water that this valve let through went past the other meter.
func (s *State) strayed() string {
	if s.water.pulses-s.strayOwn <= s.stray/3 {
		return ReasonWrongWay
	}
	return ReasonStuckOpen
}

// retry shuts the valve and opens it once more a little later: a sticking armature, a relay that bounced.
func (s *State) retry(now time.Duration, fx *Effects) {
	s.retried, s.Carrier, s.Phase = true, false, Arm
	s.openFor += now - s.openAt
	s.closeAt = now
	s.retryAt, s.armBase = now+RetryAfter, s.water.pulses
	fx.add(Effect{Action: Shut})
}

// reached tells whether closing now lets exactly the rest through. It asks to be woken when that is before the next
// tick.
func (s *State) reached(now time.Duration, w float64, fx *Effects) bool {
	rest := float64(s.plan.CarrierUL) - w
	if rest <= 0 {
		return true
	}
	rate := s.water.rate
	if rate <= 0 {
		rate = s.lastRate // of the opening before: a pour that was paused near its end
	}
	if rate <= 0 {
		return false
	}
	wait := time.Duration(rest/(rate*s.perPulse)*float64(time.Second)) - s.lag.Value()
	if wait <= 0 {
		return true
	}
	if wait < tick {
		fx.add(Effect{Action: Wake, At: now + wait})
	}
	return false
}

func (s *State) setMaster(on bool, fx *Effects) {
	if s.Master != on {
		s.Master = on
		fx.add(Effect{Action: Master, On: on})
	}
}

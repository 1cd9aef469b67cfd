package pour

import (
	"time"

	"fountain/sync/wire"
)

// decide fixes the outcome, once.
func (s *State) decide(reason string, now time.Duration) {
	if s.Outcome == "" {
		s.Outcome, s.Reason, s.endAt = OutcomeOf(reason), reason, now
	}
}

// hard tells whether an end leaves no time to dose what the poured water still lacks.
func hard(reason string) bool {
	switch OutcomeOf(reason) {
	case wire.Completed, wire.Stopped:
		return reason == ReasonRecalled
	}
	return reason != ReasonSoldOut && reason != ReasonCartridge
}

// end stops the pour for a reason; "" means that the target was reached.
func (s *State) end(reason string, now time.Duration, fx *Effects) {
	switch {
	case !s.Phase.Active():
		return
	case s.Phase == Settle:
		if reason == ReasonRigLost && s.Reason == ReasonMeterLost {
			s.heardLate()
		}
		if hard(reason) { // the outcome stands, but nothing more may come
			s.halt(fx)
			s.setMaster(false, fx)
		}
		return
	}
	was := s.Phase
	s.decide(reason, now)
	if was == Arm && !s.asked {
		if s.durable {
			s.finish(now, fx)
		}
		return // else the journal's answer finishes it
	}
	open := s.Carrier
	s.Phase, s.Cause = Settle, ""
	if was != Paused {
		s.shut(now, fx)
	}
	if open && (reason == ReasonRigLost || reason == ReasonMeterLost) {
		// The water went on at the pace it had, until now and for as long as the valve takes to shut.
		since := s.openAt
		if s.water.last > 0 {
			since = max(s.openAt, s.water.last)
		}
		rate := s.closeRate
		if rate <= 0 { // nothing was counted yet: at the pace of the pour before
			rate = float64(s.lag.RateULs)
		}
		s.estimated, s.gapCount = int64(rate*(now-since+s.lag.Value()).Seconds()), s.water.pulses
	}
	if hard(reason) || was == Paused { // who was paused is owed nothing: there may be no cup
		s.halt(fx)
		s.setMaster(false, fx)
	} else if reason == ReasonSoldOut || reason == ReasonCartridge {
		s.setMaster(false, fx)
	}
}

// shut closes the carrier's valve and notes how things stood.
func (s *State) shut(now time.Duration, fx *Effects) {
	s.closeEst, s.closeRate = s.estimate(now), s.water.rate*s.perPulse
	if s.Carrier {
		s.openFor += now - s.openAt
		if s.water.known() {
			s.lastRate = s.water.rate
		}
	}
	s.Carrier, s.closeAt, s.late = false, now, lateFlow{}
	fx.add(Effect{Action: Shut})
}

// pause shuts everything and keeps the count.
func (s *State) pause(cause string, now time.Duration, fx *Effects) {
	if s.Phase < Arm || s.Phase > Tail || !s.durable || s.Outcome != "" {
		return
	}
	s.shut(now, fx)
	s.Phase, s.Cause, s.paused, s.pausedAt, s.resume = Paused, cause, true, now, false
	fx.add(Effect{Action: StopPumps})
	s.setMaster(false, fx)
}

// wait is a paused pour: it counts what still comes, and goes on when a person asked for it and nothing forbids it.
func (s *State) wait(now time.Duration, fx *Effects) {
	if s.flowed && s.flowsOn(now) {
		s.stuck, s.stuckAt = true, now
		s.end(ReasonStuckOpen, now, fx)
		return
	}
	if now-s.pausedAt > PauseMax {
		s.end(ReasonPausedOut, now, fx)
		return
	}
	if s.noCup {
		s.Cause, s.resume = ReasonCupRemoved, false // also when a person paused first
		return
	}
	if s.resume && now-s.closeAt >= SettleMin && now-s.water.last >= quietTime {
		s.resume, s.Cause = false, ""
		for i := range s.n { // what was dropped is asked for again
			d := &s.doses[i]
			d.src[d.use].asked, d.silent, d.busy = d.src[d.use].got, false, 0
		}
		fx.add(Effect{Action: Rearm})
		s.arming(now, fx)
	}
}

// Resumable tells whether a paused pour may be told to go on.
func (s *State) Resumable() bool { return s.Phase == Paused && !s.noCup }

// halt stops the pumps for good.
func (s *State) halt(fx *Effects) {
	if !s.halted {
		s.halted = true
		fx.add(Effect{Action: StopPumps})
	}
}

// settle counts what comes after closing, doses what the poured water still lacks, and finishes.
func (s *State) settle(now time.Duration, fx *Effects) {
	if !s.stuck && s.flowsOn(now) {
		s.stuck, s.stuckAt = true, now
		s.fault(ReasonStuckOpen)
		s.halt(fx)
		s.setMaster(false, fx)
	}
	if s.stray >= strayPulses { // water still comes through another line: MASTER is what stops it
		s.fault(s.strayed())
		s.halt(fx)
		s.setMaster(false, fx)
	}
	if !s.halted {
		s.follow(now, s.owed(), fx)
		if s.supply(now, fx) {
			s.fault(ReasonSoldOut)
		}
	}
	still := now-s.closeAt >= SettleMin && now-s.water.last >= quietTime
	if s.Reason == ReasonMeterLost && !s.stuck {
		if s.water.pulses >= s.gapCount+stuckPulses {
			s.heardLate()
			s.estimated = 0 // it is counted
		}
		still = still && now-s.closeAt >= lateAnswers
	}
	if still && !s.stuck {
		s.setMaster(false, fx) // last, when nothing moves any more
	}
	if s.stuck {
		still = now-s.water.last >= SettleMin || now-s.stuckAt >= stuckWait
	}
	if s.stray > 0 && now-s.strayAt < quietTime && now-s.closeAt < stuckWait {
		still = false
	}
	if still && (s.halted || s.served()) {
		s.finish(now, fx)
	}
}

// heardLate takes back that the meter is lost: its pulses, or the rig's every answer, were only late. That is the rig's
// fault, and nothing is wrong with the line.
func (s *State) heardLate() { s.Outcome, s.Reason = wire.Interrupted, ReasonRigLost }

// lateAnswers is how long a meter that seems lost is given to prove that only its answers were late.
const lateAnswers = 600 * time.Millisecond

// served tells whether every ingredient that can be had is in the cup.
func (s *State) served() bool {
	share := s.owed()
	for i := range s.n {
		if d := &s.doses[i]; !d.out && (d.outstanding() || d.src[d.use].got < s.strokes(i, share)) {
			return false
		}
	}
	return true
}

// owed is the share of the ingredients that belongs to the water that came.
func (s *State) owed() float64 {
	if s.Outcome == wire.Completed && s.Reason == "" || s.plan.CarrierUL <= 0 {
		return 1
	}
	if s.water.pulses == 0 {
		return 0
	}
	// The wheel stands somewhere between two pulses: half a pulse more is right on average.
	w := (float64(s.water.pulses) + 0.5) * s.perPulse
	return min(w/float64(s.plan.CarrierUL), 1)
}

// fault turns a pour that ended well into a faulted one.
func (s *State) fault(reason string) {
	if s.Outcome == wire.Completed || s.Outcome == wire.Stopped {
		s.Outcome, s.Reason = wire.Faulted, reason
	}
}

func (s *State) finish(now time.Duration, fx *Effects) {
	s.setMaster(false, fx)
	if s.endAt == 0 {
		s.endAt = now
	}
	s.Phase = Done
	if s.Outcome == wire.Faulted {
		s.Phase = Faulted
	}
	good := (s.Outcome == wire.Completed || s.Outcome == wire.Stopped) && !s.paused && s.water.lost == 0
	if good && s.closeRate > 0 && s.water.known() {
		over := float64(s.water.pulses)*s.perPulse - s.closeEst
		sample := time.Duration(over / s.closeRate * float64(time.Second))
		lag := s.lag.Learn(sample)
		lag.RateULs = int64(s.closeRate)
		fx.add(Effect{Action: Learn, Lag: lag})
	}
	fx.add(Effect{Action: Commit})
}

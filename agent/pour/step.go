package pour

import (
	"math"
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
	case Tick:
		s.tick(e.Now, &e.Inputs, fx)
	}
}

func (s *State) begin(e *Event, fx *Effects) {
	*s = State{
		Phase: Arm, plan: e.Plan, lag: e.Lag, begunAt: e.Now, n: len(e.Plan.Doses),
		perPulse: 1e6 / e.Plan.Carrier.PulsesPerLitre,
	}
	s.water.base = e.Inputs.Water.Pulses
	for i := range s.n {
		stroke := time.Duration(float64(time.Second) / e.Plan.Doses[i].MaxRate)
		s.doses[i] = dose{base: e.Inputs.Delivered[i], patience: max(StrokeWait, 3*stroke)}
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
	s.masterAt, s.asked = now, true
	s.setMaster(true, fx)
}

func (s *State) tick(now time.Duration, in *Inputs, fx *Effects) {
	if !s.Phase.Active() {
		return
	}
	s.observe(now, in)
	if reason := unsafe(in); reason != "" {
		if s.Phase == Settle {
			s.halt(fx) // the outcome stands; what is still owed is not dosed
			s.setMaster(false, fx)
		} else {
			s.end(reason, now, fx)
		}
	}
	switch s.Phase {
	case Arm:
		s.arm(now, in, fx)
	case Lead, Flow, Tail:
		s.flow(now, in, fx)
	}
	if s.Phase == Settle {
		s.settle(now, fx)
	}
}

// unsafe names the interlock that forbids flow; "" when all is well.
func unsafe(in *Inputs) string {
	switch l := in.Locks; {
	case l&hal.EStop != 0:
		return ReasonEStop
	case l&hal.Leak != 0:
		return ReasonLeak
	case l&hal.Door != 0:
		return ReasonDoor
	case l&hal.NoCup != 0:
		return ReasonCupRemoved
	case l&hal.TrayFull != 0:
		return ReasonTrayFull
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
	case s.water.pulses >= stuckPulses: // water before the valve is open
		s.stuck, s.stuckAt = true, now
		s.end(ReasonStuckOpen, now, fx)
	case in.Guard.Open:
		s.Phase, s.Carrier, s.flowed, s.openAt = Lead, true, true, now
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
	switch {
	case in.Guard.Latched || !in.Guard.Open:
		s.end(guardReason(in.Guard.Reason), now, fx)
		return
	case s.CountedUL() >= s.plan.MaxUL || int64(w) >= s.plan.MaxUL:
		s.end(ReasonVolumeBound, now, fx)
		return
	case now-s.openAt >= s.plan.MaxTime:
		s.end(ReasonTimeBound, now, fx)
		return
	case s.stalled(now):
		s.end(ReasonNoFlow, now, fx)
		return
	}
	if i, ok := s.dry(now); ok {
		fx.add(Effect{Action: Empty, Index: i})
		s.end(ReasonSoldOut, now, fx)
		return
	}
	if s.reached(now, w, fx) {
		s.end("", now, fx)
		return
	}
	if s.Phase == Lead && s.water.first > 0 && now-s.water.first >= LeadTime {
		s.Phase, s.leadW = Flow, w
	}
	if s.Phase == Flow {
		s.follow(now, s.due(w), fx)
	}
}

// reached tells whether closing now lets exactly the rest through. It asks to be woken when that is before the next
// tick.
func (s *State) reached(now time.Duration, w float64, fx *Effects) bool {
	rest := float64(s.plan.CarrierUL) - w
	if rest <= 0 {
		return true
	}
	rate := s.water.rate * s.perPulse
	if rate <= 0 {
		return false
	}
	wait := time.Duration(rest/rate*float64(time.Second)) - s.lag.Value()
	if wait <= 0 {
		return true
	}
	if wait < tick {
		fx.add(Effect{Action: Wake, At: now + wait})
	}
	return false
}

// due is the share of the ingredients that belongs to w of water, 0 to 1.
func (s *State) due(w float64) float64 {
	c := float64(s.plan.CarrierUL)
	if s.plan.Hold {
		return min(max(w/c, 0), 1)
	}
	end := RinseFrom * c
	if end <= s.leadW {
		return 1
	}
	return min(max((w-s.leadW)/(end-s.leadW), 0), 1)
}

// follow asks for the strokes that are due and not asked for yet, and goes to Tail when that was the last.
func (s *State) follow(now time.Duration, share float64, fx *Effects) {
	all := true
	for i := range s.n {
		total := s.plan.Doses[i].Strokes
		s.ask(i, int64(math.Floor(float64(total)*share+0.5)), now, fx)
		all = all && s.doses[i].asked >= total
	}
	if all && s.Phase == Flow {
		s.Phase = Tail
	}
}

func (s *State) ask(i int, upTo int64, now time.Duration, fx *Effects) {
	d := &s.doses[i]
	n := min(upTo, s.plan.Doses[i].Strokes) - d.asked
	if n <= 0 {
		return
	}
	if d.asked == d.got {
		d.progress = now
	}
	d.asked += n
	fx.add(Effect{Action: Dose, Index: i, N: n})
}

// stalled tells that no water comes.
func (s *State) stalled(now time.Duration) bool {
	if s.water.first == 0 {
		return now-s.openAt > FirstPulse
	}
	return now-max(s.water.last, s.openAt) > max(PulseGap, gapPeriods*s.water.period)
}

// dry finds a pump that was asked for strokes and confirms none.
func (s *State) dry(now time.Duration) (int, bool) {
	for i := range s.n {
		if d := &s.doses[i]; d.asked > d.got && now-d.progress > d.patience {
			return i, true
		}
	}
	return 0, false
}

// decide fixes the outcome, once.
func (s *State) decide(reason string, now time.Duration) {
	if s.Outcome == "" {
		s.Outcome, s.Reason, s.endAt = OutcomeOf(reason), reason, now
	}
}

// end stops the pour for a reason; "" means that the target was reached.
func (s *State) end(reason string, now time.Duration, fx *Effects) {
	if !s.Phase.Active() {
		return
	}
	hard := OutcomeOf(reason) != wire.Completed && OutcomeOf(reason) != wire.Stopped
	if s.Phase == Settle {
		if hard { // the outcome stands, but nothing more may come
			s.halt(fx)
			s.setMaster(false, fx)
		}
		return
	}
	s.decide(reason, now)
	if s.Phase == Arm && !s.asked {
		if s.durable {
			s.finish(now, fx)
		}
		return // else the journal's answer finishes it
	}
	s.closeEst, s.closeRate = s.estimate(now), s.water.rate*s.perPulse
	s.Phase, s.Carrier, s.closeAt = Settle, false, now
	fx.add(Effect{Action: Shut})
	if reason == ReasonRigLost && s.flowed {
		open := s.lag.Value()
		if s.water.last > 0 {
			open += now - s.water.last
		}
		s.estimated = int64(s.closeRate * open.Seconds())
	}
	if hard {
		s.halt(fx)
		s.setMaster(false, fx)
	}
}

// halt stops the pumps for good.
func (s *State) halt(fx *Effects) {
	if !s.halted {
		s.halted = true
		fx.add(Effect{Action: StopPumps})
	}
}

func (s *State) setMaster(on bool, fx *Effects) {
	if s.Master != on {
		s.Master = on
		fx.add(Effect{Action: Master, On: on})
	}
}

// settle counts what comes after closing, doses what the poured water still lacks, and finishes.
func (s *State) settle(now time.Duration, fx *Effects) {
	since := now - s.closeAt
	if since > StuckAfter && !s.lateSet {
		s.lateBase, s.lateSet = s.water.pulses, true
	}
	if s.lateSet && !s.stuck && s.water.pulses >= s.lateBase+stuckPulses {
		s.stuck, s.stuckAt = true, now
		s.fault(ReasonStuckOpen)
		s.halt(fx)
		s.setMaster(false, fx)
	}
	if !s.halted {
		s.follow(now, s.owed(), fx)
		if i, ok := s.dry(now); ok {
			fx.add(Effect{Action: Empty, Index: i})
			s.fault(ReasonSoldOut)
			s.halt(fx)
		}
	}
	still := since >= SettleMin && now-s.water.last >= quietTime
	if still && !s.stuck {
		s.setMaster(false, fx) // last, when nothing moves any more
	}
	if s.stuck {
		still = now-s.water.last >= SettleMin || now-s.stuckAt >= stuckWait
	}
	if still && (s.halted || !s.Outstanding()) {
		s.finish(now, fx)
	}
}

// owed is the share of the ingredients that belongs to the water that came.
func (s *State) owed() float64 {
	if s.Outcome == wire.Completed || s.plan.CarrierUL <= 0 {
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
	good := s.Outcome == wire.Completed || s.Outcome == wire.Stopped
	if good && s.closeRate > 0 && s.water.marks == len(s.water.ring) {
		over := float64(s.water.pulses)*s.perPulse - s.closeEst
		sample := time.Duration(over / s.closeRate * float64(time.Second))
		fx.add(Effect{Action: Learn, Lag: s.lag.Learn(sample)})
	}
	fx.add(Effect{Action: Commit})
}

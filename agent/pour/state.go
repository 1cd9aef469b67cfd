package pour

import (
	"math"
	"time"

	"fountain/agent/recipe"
	"fountain/sync/wire"
)

// State is one pour. The zero State is Idle.
type State struct {
	Phase   Phase
	Outcome wire.Outcome // set as soon as it is decided, while the pour may still settle
	Reason  string
	Cause   string // why it is paused; empty when it is not
	Carrier bool   // the carrier's valve is commanded open
	Master  bool   // MASTER is asked for

	plan     *recipe.Plan
	lag      Lag
	perPulse float64 // µL
	durable  bool    // the journal answered yes
	asked    bool    // MASTER was asked for at some time
	flowed   bool    // the carrier's valve was open at some time
	halted   bool    // pumps are stopped for good
	paused   bool    // at some time
	resume   bool    // a person wants it to go on
	retried  bool
	noCup    bool
	stuck    bool
	begunAt  time.Duration
	masterAt time.Duration // MASTER was asked for
	retryAt  time.Duration // the valve opens again then; 0 = no retry
	openAt   time.Duration
	openFor  time.Duration // of earlier openings
	closeAt  time.Duration
	pausedAt time.Duration
	endAt    time.Duration
	stuckAt  time.Duration
	stray    uint64 // pulses of other lines' meters
	strayAt  time.Duration
	strayOwn uint64 // pulses of this line when the first of another came

	water    water
	lastRate float64 // pulses per second before the last closing
	leadW    float64 // water at the end of the lead, µL
	led      bool    // leadW is set
	armBase  uint64  // pulses when arming began
	doses    [recipe.MaxDoses]dose
	n        int
	stroked  uint64 // pulses when the last stroke was confirmed
	turn     int    // the pump that is asked first when the current is limited

	closeEst  float64 // estimate at closing, µL
	closeRate float64 // µL/s
	late      lateFlow
	estimated int64  // of the gap before a meter was lost, µL
	gapCount  uint64 // pulses when it was estimated
}

// lateFlow judges pulses after closing: water that still flows keeps its pace, a wheel that runs on slows down.
type lateFlow struct {
	armed  bool   // StuckAfter has passed
	seen   uint64 // pulses
	steady int    // of them, that came no slower than the one before
	period time.Duration
}

// Plan is the plan of the pour; nil before the first.
func (s *State) Plan() *recipe.Plan { return s.plan }

// CarrierUL is the water counted so far, also after closing, with what the meter is known to have missed, µL.
func (s *State) CarrierUL() int64 {
	return int64(math.Round(float64(s.water.pulses) * s.perPulse))
}

// LostUL is the part of CarrierUL whose pulses nobody saw: their number is known from gaps in the kernel's count, µL.
func (s *State) LostUL() int64 {
	return int64(math.Round(float64(min(s.water.lost, s.water.pulses)) * s.perPulse))
}

// Phantom is how many pulses were left out because no water could have made them.
func (s *State) Phantom() uint64 { return s.water.phantom }

// DoseUL is what dose i has delivered from its first cartridge, by confirmed strokes, µL.
func (s *State) DoseUL(i int) int64 { return s.plan.Doses[i].Given(s.doses[i].src[0].got) }

// AltUL is what dose i has delivered from its alternate, µL.
func (s *State) AltUL(i int) int64 {
	if a := s.plan.Doses[i].Alt; a != nil {
		return a.Given(s.doses[i].src[1].got)
	}
	return 0
}

// FlowedUL is everything counted so far, µL.
func (s *State) FlowedUL() int64 {
	sum := s.CarrierUL()
	for i := range s.n {
		sum += s.DoseUL(i) + s.AltUL(i)
	}
	return sum
}

// CountedUL is FlowedUL without what had to be estimated, µL.
func (s *State) CountedUL() int64 { return s.FlowedUL() - s.LostUL() }

// EstimatedUL is what flowed uncounted, computed: after the rig or the meter was lost, and pulses that are known to have
// been missed, µL.
func (s *State) EstimatedUL() int64 {
	gap := s.estimated
	if came := s.water.pulses - s.gapCount; gap > 0 && came > 0 { // they were only late
		gap = max(0, gap-int64(float64(came)*s.perPulse))
	}
	return gap + s.LostUL()
}

// AtMostUL bounds what may have flowed uncounted when a valve was open and its meter stood still: no water came, or the
// meter is dead, and nobody can tell. 0 when there is no such doubt, µL.
func (s *State) AtMostUL() int64 {
	if s.Reason != ReasonNoFlow || s.water.pulses > 0 {
		return 0
	}
	rate := s.lag.RateULs
	if q := s.plan.Carrier.QMaxULs; rate <= 0 {
		rate = q
	}
	return min(int64(float64(rate)*s.openFor.Seconds()), s.plan.MaxUL)
}

// Short is the first ingredient that ran out and what it lacks for the water that came, µL; −1 when none did.
func (s *State) Short() (dose int, ul int64) {
	for i := range s.n {
		if !s.doses[i].out {
			continue
		}
		want := float64(s.plan.Doses[i].UL()) * s.owed()
		return i, max(0, int64(math.Round(want))-s.DoseUL(i)-s.AltUL(i))
	}
	return -1, 0
}

// TailUL is the water that came after the last stroke of an ingredient, µL.
func (s *State) TailUL() int64 {
	return int64(math.Round(float64(s.water.pulses-min(s.stroked, s.water.pulses)) * s.perPulse))
}

// RateULs is the flow of all lines now, µL/s.
func (s *State) RateULs() int64 {
	if !s.Carrier || s.plan == nil || s.plan.CarrierShare <= 0 {
		return 0
	}
	return int64(s.water.rate * s.perPulse * recipe.Million / float64(s.plan.CarrierShare))
}

// Duration is the time from the start to the end of flow.
func (s *State) Duration() time.Duration {
	switch {
	case s.flowed && s.closeAt > 0:
		return s.closeAt - s.begunAt
	case s.endAt > 0:
		return s.endAt - s.begunAt
	}
	return 0
}

// Stuck tells whether the carrier's valve did not shut.
func (s *State) Stuck() bool { return s.stuck }

// Outstanding tells whether strokes are asked for and not confirmed.
func (s *State) Outstanding() bool {
	for i := range s.n {
		if s.doses[i].outstanding() {
			return true
		}
	}
	return false
}

// Missed is how many strokes of dose i were asked for and never confirmed.
func (s *State) Missed(i int) int64 { return s.doses[i].missed }

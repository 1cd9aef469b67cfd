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
	Carrier bool // the carrier's valve is commanded open
	Master  bool // MASTER is asked for

	plan     *recipe.Plan
	lag      Lag
	perPulse float64 // µL
	durable  bool    // the journal answered yes
	asked    bool    // MASTER was asked for at some time
	flowed   bool    // the carrier's valve was open at some time
	halted   bool    // pumps are stopped for good
	stuck    bool
	begunAt  time.Duration
	masterAt time.Duration // MASTER was asked for
	openAt   time.Duration
	closeAt  time.Duration
	endAt    time.Duration
	stuckAt  time.Duration

	water water
	leadW float64 // water at the end of the lead, µL
	doses [recipe.MaxDoses]dose
	n     int

	closeEst  float64 // estimate at closing, µL
	closeRate float64 // µL/s
	lateBase  uint64  // pulses when StuckAfter had passed
	lateSet   bool
	estimated int64
}

// water follows the carrier's meter.
type water struct {
	base   uint64
	pulses uint64 // since base
	last   time.Duration
	period time.Duration
	first  time.Duration // arrival of the first pulse
	ring   [8]mark       // newest pulses, to average the rate over
	marks  int
	rate   float64 // pulses per second, 0 = unknown
}

type mark struct {
	pulses uint64
	at     time.Duration
}

// dose follows one pump.
type dose struct {
	base     uint64
	got      int64 // confirmed
	asked    int64
	progress time.Duration // last confirmation, or when something was asked of an idle pump
	patience time.Duration
}

// Plan is the plan of the pour; nil before the first.
func (s *State) Plan() *recipe.Plan { return s.plan }

// CarrierUL is the water counted so far, also after closing, µL.
func (s *State) CarrierUL() int64 {
	return int64(math.Round(float64(s.water.pulses) * s.perPulse))
}

// DoseUL is what dose i has delivered, by confirmed strokes, µL.
func (s *State) DoseUL(i int) int64 { return s.plan.Doses[i].Given(s.doses[i].got) }

// CountedUL is everything counted so far, µL.
func (s *State) CountedUL() int64 {
	sum := s.CarrierUL()
	for i := range s.n {
		sum += s.DoseUL(i)
	}
	return sum
}

// EstimatedUL is what flowed after the rig was lost, computed, µL.
func (s *State) EstimatedUL() int64 { return s.estimated }

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
		if s.doses[i].asked > s.doses[i].got {
			return true
		}
	}
	return false
}

// estimate is the water that has flowed by now, between pulses too, µL.
func (s *State) estimate(now time.Duration) float64 {
	w := &s.water
	frac := 0.0
	if w.pulses > 0 && w.rate > 0 && now > w.last {
		frac = min((now-w.last).Seconds()*w.rate, 0.999)
	}
	return (float64(w.pulses) + frac) * s.perPulse
}

// observe takes in the counters.
func (s *State) observe(now time.Duration, in *Inputs) {
	w := &s.water
	if c := in.Water; c.Pulses > w.base+w.pulses {
		w.pulses = c.Pulses - w.base
		w.last, w.period = c.Last, c.Period
		if w.first == 0 {
			w.first = c.Last
		}
		w.mark()
	}
	for i := range s.n {
		d := &s.doses[i]
		if got := int64(in.Delivered[i] - d.base); got > d.got {
			d.got, d.progress = got, now
		}
	}
}

// mark averages the rate over the newest pulses: one period alone shows the wheel's unevenness.
func (w *water) mark() {
	if w.marks == len(w.ring) {
		copy(w.ring[:], w.ring[1:])
		w.marks--
	}
	w.ring[w.marks] = mark{w.pulses, w.last}
	w.marks++
	if a, b := w.ring[0], w.ring[w.marks-1]; b.at > a.at {
		w.rate = float64(b.pulses-a.pulses) / (b.at - a.at).Seconds()
	} else if w.period > 0 {
		w.rate = 1 / w.period.Seconds()
	}
}

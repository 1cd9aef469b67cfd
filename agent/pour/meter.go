package pour

import (
	"math"
	"time"

	"fountain/hal"
)

// water follows the carrier's meter and leaves out what no water can have caused.
type water struct {
	base     uint64
	seen     uint64 // since base, all of them
	pulses   uint64 // since base, plausible ones
	phantom  uint64 // since base, the others
	lostBase uint64
	lost     uint64 // of pulses, never seen but known to have been
	last     time.Duration
	period   time.Duration
	first    time.Duration // arrival of the first pulse of this opening
	shortest time.Duration // between two pulses that water can make; 0 = not known
	ring     [8]mark       // newest pulses, to average the rate over
	marks    int
	rate     float64 // pulses per second, 0 = unknown

	fast     int    // pulses in a row that came too fast
	fastBase uint64 // plausible pulses before them
	fastSum  float64
	fastSq   float64 // of their periods, s and s²
}

type mark struct {
	pulses uint64
	at     time.Duration
}

// opened begins a new opening of the valve: the rate is not known any more.
func (w *water) opened() {
	w.first, w.marks, w.rate, w.fast = 0, 0, 0, 0
}

// known tells whether the rate is averaged over enough pulses.
func (w *water) known() bool { return w.marks == len(w.ring) }

// observe takes in the meter's counter.
func (w *water) observe(c hal.Count) {
	if c.Pulses <= w.base+w.seen {
		return
	}
	n := c.Pulses - w.base - w.seen
	w.seen += n
	if c.Lost > w.lostBase+w.lost {
		w.lost = c.Lost - w.lostBase
	}
	take := w.plausible(n, c)
	w.phantom += n - take
	if take == 0 {
		return
	}
	w.pulses += take
	w.last, w.period = c.Last, c.Period
	if w.first == 0 {
		w.first = c.Last
	}
	w.mark()
}

// plausible tells how many of n new pulses water can have made. Interference comes in bursts that are far too fast; of
// such a burst as many count as were due. Pulses that were read late come many at a time, but at their own pace.
func (w *water) plausible(n uint64, c hal.Count) uint64 {
	if w.shortest <= 0 {
		return n
	}
	since := c.Last - w.last
	if w.last == 0 {
		since = w.shortest
	}
	if n == 1 && c.Period > 0 {
		w.pace(c.Period)
	}
	if n > 1 && c.Period > 0 && c.Period < w.shortest/2 { // a burst
		return min(n, uint64(max(0, math.Round(since.Seconds()*w.rate))))
	}
	return min(n, uint64(since/w.shortest)+lateOne(n))
}

// lateOne allows for one pulse more than whole periods when several were read together.
func lateOne(n uint64) uint64 {
	if n > 1 {
		return 1
	}
	return 0
}

// pace notes pulses that come too fast one after the other, but not as fast as interference.
func (w *water) pace(period time.Duration) {
	if period >= w.shortest || period < w.shortest/8 {
		w.fast = 0
		return
	}
	if w.fast == 0 {
		w.fastBase, w.fastSum, w.fastSq = w.pulses, 0, 0
	}
	w.fast++
	p := period.Seconds()
	w.fastSum += p
	w.fastSq += p * p
}

// racing judges a run of fast pulses: even ones are water, too much of it; uneven ones are air.
func (w *water) racing() string {
	if w.fast < fastPulses {
		return ""
	}
	n := float64(w.fast)
	mean := w.fastSum / n
	if dev := math.Sqrt(max(0, w.fastSq/n-mean*mean)); dev > unevenly*mean {
		w.phantom += w.pulses - w.fastBase
		w.pulses = w.fastBase
		return ReasonAir
	}
	w.pulses += w.phantom // they were water after all
	w.phantom = 0
	return ReasonOverFlow
}

// unevenly is the standard deviation of periods, relative to their mean, from which on they are air's: a wheel in water
// stays within some per cent, air in front of and behind water makes it jump by a factor of 2 to 5 (peers.md 3).
const unevenly = 0.25

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

// slowing tells whether the newest pulses came slower than those before: the water ebbed. A meter that dies, or a wire
// that breaks, ends in full flow.
func (w *water) slowing() bool {
	n := w.marks
	if n < 4 {
		return true // not enough to accuse the meter
	}
	a, b, c := w.ring[0], w.ring[n-2], w.ring[n-1]
	before := (b.at - a.at).Seconds() / float64(max(b.pulses-a.pulses, 1))
	newest := (c.at - b.at).Seconds() / float64(max(c.pulses-b.pulses, 1))
	return newest > ebbing*before
}

// ebbing is how much longer than the average the last period of a drying line is at least. Cut off at the valve, which is
// the quickest, water and wheel come to rest in some 20 ms, during which one more pulse comes, later than it was due; a
// wheel in full flow stays within some 3 per cent.
const ebbing = 1.08

// stalled tells why no water comes; "" when it does.
func (s *State) stalled(now time.Duration) string {
	w := &s.water
	if w.first == 0 {
		if now-s.openAt > FirstPulse {
			return ReasonNoFlow
		}
		return ""
	}
	limit := max(PulseGap, gapPeriods*w.period)
	if w.known() {
		limit = max(RateGap, time.Duration(gapPeriods/w.rate*float64(time.Second)))
	}
	switch {
	case now-max(w.last, s.openAt) <= limit:
		return ""
	case w.known() && !w.slowing():
		return ReasonMeterLost
	}
	return ReasonNoFlow
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

// flowsOn judges the pulses after closing and tells whether the valve did not shut.
func (s *State) flowsOn(now time.Duration) bool {
	l, w := &s.late, &s.water
	if now-s.closeAt <= StuckAfter {
		return false
	}
	if !l.armed {
		*l = lateFlow{armed: true, seen: w.pulses, period: w.period}
	}
	if w.pulses > l.seen {
		if w.period <= l.period+l.period/8 || w.pulses-l.seen > 1 || now-s.closeAt > coastMost {
			l.steady += int(w.pulses - l.seen)
		}
		l.seen, l.period = w.pulses, w.period
	}
	return l.steady >= stuckPulses
}

// coastMost is how long a wheel may run on, ever slower, before its pulses count as water.
const coastMost = time.Second

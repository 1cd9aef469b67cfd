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
	openAt   time.Duration // 0 = it was never open
	shortest time.Duration // between two pulses that water can make; 0 = not known
	ring     [8]mark       // newest pulses, to average the rate over
	marks    int
	rate     float64 // pulses per second, 0 = unknown

	recent  [32]time.Duration // newest periods, of all pulses, to judge their shape
	next    int
	quick   int           // of recent, shorter than water can make but longer than interference
	runAt   time.Duration // since when there are some; 0 = there are none
	runBase uint64        // plausible pulses then
	burst   time.Duration // since when interference goes on; 0 = it does not
	tick    time.Duration // its newest pulse
}

type mark struct {
	pulses uint64
	at     time.Duration
}

// opened begins a new opening of the valve: the rate is not known any more.
func (w *water) opened(now time.Duration) {
	w.openAt = now
	w.first, w.marks, w.rate = 0, 0, 0
	w.recent, w.next, w.quick, w.runAt, w.burst = [len(w.recent)]time.Duration{}, 0, 0, 0, 0
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
	since := c.Last - max(w.last, w.openAt)
	if w.last == 0 && w.openAt == 0 {
		since = w.shortest * time.Duration(n) // nothing was let in: whatever comes is looked at
	}
	if n == 1 && c.Period > 0 {
		w.shape(c)
	}
	every := w.shortest
	if c.Period > 0 && c.Period < w.shortest && w.rate > 0 { // a burst: what was due counts
		every = max(every, time.Duration(burstShare/w.rate*float64(time.Second)))
	}
	return min(n, uint64(since/every)+lateOne(n, c.Period >= w.shortest))
}

// burstShare of a known period has to pass before another pulse of a burst can be the wheel's.
const burstShare = 0.9

// lateOne allows for one pulse more than whole periods when several were read together at the pace of water.
func lateOne(n uint64, pace bool) uint64 {
	if n > 1 && pace {
		return 1
	}
	return 0
}

// shape notes the newest period: at the pace of water, faster than that by less than double (too much water, or air that
// turns the wheel), or faster still (interference).
func (w *water) shape(c hal.Count) {
	if w.between(w.recent[w.next]) {
		w.quick--
	}
	w.recent[w.next] = c.Period
	w.next = (w.next + 1) % len(w.recent)
	if w.between(c.Period) {
		w.quick++
	}
	switch {
	case w.quick < someQuick:
		w.runAt = 0
	case w.runAt == 0:
		w.runAt, w.runBase = c.Last, w.pulses-min(w.pulses, someQuick)
	}
	switch {
	case c.Period < w.shortest/2:
		if w.burst == 0 || c.Last-w.tick > airTime {
			w.burst = c.Last
		}
		w.tick = c.Last
	case c.Last-w.tick > airTime:
		w.burst = 0
	}
}

func (w *water) between(p time.Duration) bool { return p >= w.shortest/2 && p < w.shortest }

// racing judges pulses that keep coming faster than water can make them: even ones are water, too much of it; uneven ones
// are air. Interference is over after some 100 ms; when it is not, the meter is not to be trusted.
func (w *water) racing() string {
	if w.burst > 0 && w.tick-w.burst > burstMost {
		return ReasonMeterLost
	}
	if w.runAt == 0 || w.quick < manyQuick {
		return ""
	}
	sum, sq := 0.0, 0.0
	for _, p := range w.recent {
		if w.between(p) {
			x := p.Seconds()
			sum += x
			sq += x * x
		}
	}
	n := float64(w.quick)
	mean := sum / n
	switch uneven := math.Sqrt(max(0, sq/n-mean*mean)) > unevenly*mean; {
	case uneven && w.last-w.runAt > airTime:
		w.phantom += w.pulses - w.runBase
		w.pulses = w.runBase
		return ReasonAir
	case !uneven && w.quick >= allQuick:
		w.pulses += w.phantom // they were water after all
		w.phantom = 0
		return ReasonOverFlow
	}
	return ""
}

const (
	someQuick = 4                      // of 32 periods: something begins
	manyQuick = 12                     // it can be judged
	allQuick  = 28                     // it is nothing else
	airTime   = 100 * time.Millisecond // uneven pulses that last longer are air
	burstMost = 500 * time.Millisecond // interference that lasts longer leaves nothing to count by
)

// unevenly is the standard deviation of periods, relative to their mean, from which on they are air's: a wheel in water
// stays within some 4 per cent, air in front of and behind water makes it jump by a factor of 2 to 5 (peers.md 3).
const unevenly = 0.10

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
const ebbing = 1.05

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

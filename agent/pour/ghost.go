package pour

import (
	"math"
	"time"

	"fountain/hal"
)

// Ghost is what pulses mean that come while everything is shut and settled. None of them is ever a sale.
type Ghost uint8

// Ghosts, by the shape of their pulses.
const (
	GhostNone Ghost = iota
	GhostDrip       // single pulses, far apart
	GhostEMI        // bursts that are faster than any water turns the wheel
	GhostAir        // a short uneven burst that ends by itself: gas moves in the line
	GhostLeak       // more than LeakPulses in LeakTime, even or going on: water flows
	GhostWeep       // drips, more than WeepPerHour
)

var ghostNames = [...]string{"none", "drip", "emi", "air", "leak", "weep"}

// String names the ghost for logs.
func (g Ghost) String() string {
	if int(g) < len(ghostNames) {
		return ghostNames[g]
	}
	return "unknown"
}

// Limits of flow while everything is shut (spec/hal.md 6).
const (
	LeakTime   = 2 * time.Second
	LeakPulses = 3 // allowed in it
	// WeepPerHour pulses are allowed in an hour. A healthy line gives none; people who lean on the machine, and the
	// pressure that rises while the carbonator's pump runs, rock a wheel by a pulse or two now and then. 12 pulses are 12 ml
	// at 1000 pulses/l: a drip every 15 seconds, 0.3 l a day into the tray.
	WeepPerHour = 12

	evenly    = 0.4                    // deviation of periods, relative to their mean, of water that flows
	airEnds   = 500 * time.Millisecond // of silence at the end of the window: the burst is over
	hourSlice = 10 * time.Minute
)

// Watch judges one meter while everything is shut. The zero Watch is ready; Reset begins anew after a pour.
type Watch struct {
	// Shortest time between two pulses that water can make; 0 = not known: then every pulse may be water.
	Shortest time.Duration

	on     bool
	base   uint64
	since  time.Duration // first pulse of the window; 0 = none
	last   time.Duration
	water  int // plausible pulses in the window
	fast   int // the others
	sum    float64
	sq     float64 // of plausible periods, s and s²
	n      int     // of them
	tally  [6]int  // drips by slice of the last hour
	slice  int
	sliced time.Duration // start of the present slice
}

// Reset forgets the window, not the hour: something flowed for a reason.
func (w *Watch) Reset() {
	w.on, w.since, w.water, w.fast, w.n, w.sum, w.sq = false, 0, 0, 0, 0, 0, 0
}

// Drips is how many drips came in the last hour.
func (w *Watch) Drips() int {
	n := 0
	for _, t := range w.tally {
		n += t
	}
	return n
}

// Look takes in the counter. It is called again and again while everything is shut, and answers with what a burst was
// once that is clear, else with GhostNone. It does not allocate.
func (w *Watch) Look(now time.Duration, c hal.Count) Ghost {
	if !w.on {
		w.on, w.base = true, c.Pulses
		if w.sliced == 0 {
			w.sliced = now
		}
	}
	w.age(now)
	if n := int(c.Pulses - w.base); n > 0 {
		w.base = c.Pulses
		w.pulses(now, n, c)
	}
	if w.since == 0 {
		return GhostNone
	}
	if w.water > LeakPulses && w.n >= LeakPulses && w.even() && w.water > w.fast {
		w.close()
		return GhostLeak
	}
	if now-w.since < LeakTime {
		return GhostNone
	}
	defer w.close()
	switch {
	case w.fast >= w.water:
		return GhostEMI
	case w.water > LeakPulses && now-w.last >= airEnds:
		return GhostAir
	case w.water > LeakPulses:
		return GhostLeak
	}
	w.tally[w.slice] += w.water
	if w.Drips() > WeepPerHour {
		return GhostWeep
	}
	return GhostDrip
}

func (w *Watch) pulses(now time.Duration, n int, c hal.Count) {
	if w.since == 0 {
		w.since = now
	}
	w.last = now
	period := c.Period
	if w.Shortest > 0 && period > 0 && period < w.Shortest || n > 2 {
		w.fast += n
		return
	}
	w.water += n
	if period > 0 && period < LeakTime {
		p := period.Seconds()
		w.n++
		w.sum += p
		w.sq += p * p
	}
}

func (w *Watch) even() bool {
	mean := w.sum / float64(w.n)
	return math.Sqrt(max(0, w.sq/float64(w.n)-mean*mean)) < evenly*mean
}

func (w *Watch) close() { w.since, w.water, w.fast, w.n, w.sum, w.sq = 0, 0, 0, 0, 0, 0 }

// age moves the hour on.
func (w *Watch) age(now time.Duration) {
	for now-w.sliced >= hourSlice {
		w.sliced += hourSlice
		w.slice = (w.slice + 1) % len(w.tally)
		w.tally[w.slice] = 0
	}
}

// StrayPulses on another line's meter are water that goes the wrong way.
const StrayPulses = strayPulses

// Stray counts plausible pulses of a meter whose valve is shut while another line pours.
type Stray struct {
	Shortest time.Duration
	base     uint64
	last     time.Duration
	n        uint64
}

// Begin starts to count.
func (s *Stray) Begin(c hal.Count) { s.base, s.last, s.n = c.Pulses, 0, 0 }

// Look takes in the counter and returns the pulses so far that water can have made.
func (s *Stray) Look(c hal.Count) uint64 {
	if c.Pulses <= s.base {
		return s.n
	}
	n := c.Pulses - s.base
	s.base = c.Pulses
	if s.Shortest > 0 {
		if c.Period > 0 && c.Period < s.Shortest || s.last > 0 && c.Last-s.last < s.Shortest {
			return s.n // a burst of interference
		}
		if s.last > 0 { // read late, several at a time
			n = min(n, uint64((c.Last-s.last)/s.Shortest))
		}
	}
	s.last = c.Last
	s.n += n
	return s.n
}

// Shortest is the shortest time between two pulses that water can make in a machine whose largest flow is qmax; 0 when
// that is not known.
func Shortest(pulsesPerLitre float64, qmaxULs int64) time.Duration {
	if qmaxULs <= 0 || pulsesPerLitre <= 0 {
		return 0
	}
	return time.Duration(1e6 / pulsesPerLitre / (implausible * float64(qmaxULs)) * float64(time.Second))
}

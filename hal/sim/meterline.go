package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"fountain/hal"
)

// wire is the input a meter's pulses arrive at, with the event buffer behind it.
type wire struct {
	seen   hal.Count
	dead   bool // nothing answers for the input: pulses pass unseen
	frozen bool // nobody empties the buffer
	buffer uint64
	held   hal.Count // what the reader knew when it stopped
}

func (w *wire) add(at time.Duration) {
	if w.dead {
		return
	}
	w.seen.Pulses++
	if at <= w.seen.Last { // two sources within a step: edges cannot be told apart below a nanosecond
		at = w.seen.Last + 1
	}
	if w.seen.Last != 0 {
		w.seen.Period = at - w.seen.Last
	}
	w.seen.Last = at
}

// count is what the HAL knows.
func (w *wire) count() hal.Count {
	if w.frozen {
		return w.held
	}
	return w.seen
}

// stall stops the reader of the buffer, or lets it go on; then what did not fit is known to be lost.
func (w *wire) stall(on bool, buffer int) {
	if on == w.frozen {
		return
	}
	w.frozen = on
	if on {
		w.held, w.buffer = w.seen, uint64(buffer)
		return
	}
	if n := w.seen.Pulses - w.held.Pulses; n > w.buffer {
		w.seen.Lost += n - w.buffer
	}
}

// emission is a burst of pulses that no water made.
type emission struct {
	left  int
	every time.Duration
	next  time.Duration
}

func (m *meter) phantoms(until time.Duration) {
	for e := &m.emit; e.left > 0 && e.next < until; e.left-- {
		m.pulses++
		m.out.add(e.next)
		e.next += e.every
	}
}

func (m *meter) coast(tau float64) {
	m.coastTau, m.coastKeep = tau, 0
	if tau > 0 {
		m.coastKeep = math.Exp(-step.Seconds() / tau)
	}
}

// Air in the water of a valve. Typical of a supply that was off or of a filter just changed; meters see gas as they see
// water, only faster (spec/peers.md 3).
const (
	airShare = 0.1 // of the water flow that passes while a slug does
	airTurn  = 30 * time.Millisecond
)

// slugs are stretches of air between stretches of water.
type slugs struct {
	rng    *rand.Rand
	left   float64 // µL of air still to come; < 0: it does not end
	inAir  bool
	until  time.Duration
	spin   float64 // how many times too fast the wheel turns in this stretch of air
	turnAt time.Duration
}

// newSlugs takes µL of air; 0 does not end.
func newSlugs(air float64, rng *rand.Rand) *slugs {
	s := &slugs{rng: rng, left: air}
	if air == 0 {
		s.left = -1
	}
	return s
}

// pass turns what would have flowed in a step into water and what the meter makes of it; done when the air is out.
func (s *slugs) pass(t time.Duration, vol float64) (water, spun float64, done bool) {
	if t >= s.until {
		s.inAir = !s.inAir
		ms := 100 + 250*s.rng.Float64()
		if s.inAir {
			ms = 60 + 190*s.rng.Float64()
		}
		s.until = t + time.Duration(ms*float64(time.Millisecond))
	}
	if !s.inAir {
		return vol, vol, false
	}
	if t >= s.turnAt {
		s.spin = 2 + 3*s.rng.Float64()
		s.turnAt = t + airTurn
	}
	if s.left >= 0 {
		if s.left -= vol; s.left <= 0 {
			return vol * airShare, vol * s.spin, true
		}
	}
	return vol * airShare, vol * s.spin, false
}

package alarm

import "time"

// Limit is a bound that a value must not pass for long.
type Limit struct {
	Bound float64
	Above bool          // bad above Bound; else below it
	Hyst  float64       // good again this far inside
	Delay time.Duration // bad for so long, of the time that counts
}

// Gauge judges one value against a Limit, sample by sample. The zero value with a Limit is good.
type Gauge struct {
	Limit
	bad    bool
	beyond bool          // at the last sample
	held   time.Duration // beyond the bound, as far as it counts
	last   time.Duration
}

// Step takes a sample at now, on any clock that never goes back, and reports whether the value is bad. Time between two
// samples beyond the bound counts towards Delay when counts is set: so a rise while a pour flows does not.
func (g *Gauge) Step(now time.Duration, v float64, counts bool) bool {
	if g.bad {
		if g.by(v) <= -g.Hyst {
			g.bad, g.beyond, g.held = false, false, 0
		}
		g.last = now
		return g.bad
	}
	switch {
	case g.by(v) <= 0:
		g.beyond, g.held = false, 0
	case g.beyond && counts:
		g.held += now - g.last
	}
	g.beyond = g.by(v) > 0
	g.bad = g.beyond && g.held >= g.Delay
	g.last = now
	return g.bad
}

// Skip says that there is no sound value at now: what is bad stays so, and the gap counts for nothing.
func (g *Gauge) Skip(now time.Duration) { g.beyond, g.last = false, now }

// Bad is what the last Step said.
func (g *Gauge) Bad() bool { return g.bad }

// by is how far v is beyond the bound.
func (g *Gauge) by(v float64) float64 {
	if g.Above {
		return v - g.Bound
	}
	return g.Bound - v
}

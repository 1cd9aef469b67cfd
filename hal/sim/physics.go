package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"fountain/hal"
)

// Constants of the physics. Sources: spec/hal.md 5 (Monte Carlo model) and typical data sheets.
const (
	driftTau  = 60 * time.Second      // correlation time of the supply's drift
	rippleTau = 80 * time.Millisecond // of the ripple within a pour
	cutTau    = 30 * time.Millisecond // pressure falls and returns this fast when the supply is cut
	travel    = 6 * time.Millisecond  // armature from seat to stop
	waterTau  = 8 * time.Millisecond  // inertia and elasticity of the line: water coasts after close
	wheelTau  = 10 * time.Millisecond // a turbine follows the flow this fast
	gainTau   = 5 * time.Second       // correlation time of a meter's repeatability error
	repeat    = 0.003                 // repeatability of a meter
	vaneSigma = 0.02                  // unevenness of the vanes, pulses
	minLag    = time.Millisecond
)

var (
	rippleKeep = math.Exp(-float64(step) / float64(rippleTau))
	cutKeep    = math.Exp(-float64(step) / float64(cutTau))
	waterKeep  = math.Exp(-float64(step) / float64(waterTau))
	wheelKeep  = math.Exp(-float64(step) / float64(wheelTau))
)

// wander is an Ornstein-Uhlenbeck process with standard deviation sigma, evaluated where it is needed.
type wander struct {
	sigma float64
	tau   time.Duration
	x     float64
	at    time.Duration
	rng   *rand.Rand
}

func newWander(rng *rand.Rand, sigma float64, tau, at time.Duration) wander {
	return wander{sigma: sigma, tau: tau, x: sigma * rng.NormFloat64(), at: at, rng: rng}
}

// to moves the process to time t; short moves wait until 20 ms have gathered.
func (w *wander) to(t time.Duration) float64 {
	if w.sigma == 0 {
		return 0
	}
	if dt := t - w.at; dt >= 20*time.Millisecond {
		k := math.Exp(-float64(dt) / float64(w.tau))
		w.x = w.x*k + w.sigma*math.Sqrt(1-k*k)*w.rng.NormFloat64()
		w.at = t
	}
	return w.x
}

// supply is the water line; its pressure is relative to nominal.
type supply struct {
	drift   wander
	ripple  float64
	rippleS float64
	sag     float64
	level   float64 // 1 = all there; follows goal
	goal    float64 // 0 when cut
	rng     *rand.Rand
}

func (s *supply) step(t time.Duration) float64 {
	d := max(-0.2, min(0.2, s.drift.to(t)))
	if s.rippleS > 0 {
		s.ripple = s.ripple*rippleKeep + s.rippleS*math.Sqrt(1-rippleKeep*rippleKeep)*s.rng.NormFloat64()
	}
	s.level = s.goal + (s.level-s.goal)*cutKeep
	if math.Abs(s.level-s.goal) < 1e-4 {
		s.level = s.goal
	}
	return s.level * (1 + d) * (1 + s.ripple)
}

// stuck says how a valve's armature is jammed.
type stuck uint8

const (
	free stuck = iota
	stuckOpen
	stuckShut
)

// valve is a solenoid valve and, for a carrier, the line behind it.
type valve struct {
	part       hal.Part
	chip       string
	ingredient int
	nominal    float64 // µL/s wide open
	openLag    time.Duration
	closeLag   time.Duration
	jitter     time.Duration
	rng        *rand.Rand

	sparkles  bool          // it carries sparkling water
	motor     bool          // an agitator: it runs or not, without lag
	commanded bool          // level of its line
	wired     int           // the valve its line drives: itself, unless wires are exchanged
	driven    bool          // its coil has current
	moveAt    time.Duration // the armature starts towards the driven end then
	pos       float64       // 0 seated … 1 open
	avg       float64       // mean over the last step
	jam       stuck
	scale     float64 // of the flow: clog × push
	clog      float64 // 1 = clean
	push      float64 // 1 = the pressure is there (carbonator, CO2)
	slower    time.Duration
	extra     time.Duration // what slower has added up to
	weep      float64       // µL/s past the shut seat
	air       *slugs        // nil: none in its water
	flow      float64       // µL/s through the line, follows the opening with inertia
	passed    float64       // µL of water in the last step
	spun      float64       // what a meter takes for water in the last step, µL
	supplied  float64       // µL since the start

	commandedOpenAt, commandedShutAt, openedAt, shutAt time.Duration
}

// drive switches the coil.
func (v *valve) drive(on bool, at time.Duration) {
	v.driven = on
	if v.motor {
		v.pos = 0
		if on {
			v.pos = 1
		}
		return
	}
	lag := v.closeLag
	if on {
		lag = v.openLag
	} else if v.slower > 0 {
		v.extra += v.slower
		lag += v.extra
	}
	if v.jitter > 0 {
		n := max(-3, min(3, v.rng.NormFloat64()))
		lag += time.Duration(n * float64(v.jitter))
	}
	v.moveAt = at + max(minLag, lag)
}

func (v *valve) goal() float64 {
	switch {
	case v.jam == stuckOpen:
		return 1
	case v.jam == stuckShut:
		return 0
	case v.driven:
		return 1
	}
	return 0
}

func (v *valve) moving() bool     { return v.pos != v.goal() }
func (v *valve) opening() float64 { return v.pos }

// step moves the armature from t0 to t1.
func (v *valve) step(t0, t1 time.Duration) {
	goal := v.goal()
	if v.pos == goal {
		v.avg = v.pos
		return
	}
	wait := max(0, min(t1-t0, v.moveAt-t0))
	way := float64(t1-t0-wait) / float64(travel)
	from := v.pos
	if goal > v.pos {
		v.pos = math.Min(goal, v.pos+way)
	} else {
		v.pos = math.Max(goal, v.pos-way)
	}
	share := float64(wait) / float64(t1-t0)
	v.avg = from*share + (from+v.pos)/2*(1-share)
}

// mean is the opening over the last step, 0 to 1.
func (v *valve) mean() float64 {
	return v.avg * v.scale
}

func (v *valve) tune() { v.scale = v.clog * v.push }

// pass lets the flow follow its target and returns the volume of this step in µL.
func (v *valve) pass(target float64) float64 {
	if target == 0 && v.flow == 0 {
		return 0
	}
	before := v.flow
	v.flow = target + (v.flow-target)*waterKeep
	vol := target*step.Seconds() + (before-target)*waterTau.Seconds()*(1-waterKeep)
	if target == 0 && v.flow < 50 { // a drop's worth of creeping water ends here
		v.flow = 0
	}
	return vol
}

// meter is a turbine flow meter.
type meter struct {
	part    hal.Part
	chip    string
	serves  []int   // valves
	perUL   float64 // pulses per µL, gain error included
	minFlow float64 // µL/s
	gain    wander
	vane    float64 // standard deviation of the vanes
	rng     *rand.Rand

	dead       bool
	missed     float64 // share of the pulses that is not sent
	driftPerUL float64
	drift      float64 // of the gain
	coastTau   float64 // s; 0: the wheel slows as it gathers speed
	coastKeep  float64
	emit       emission
	chance     *rand.Rand
	line       wire  // its own
	out        *wire // where its pulses go: line, unless wires are exchanged

	wheel  float64 // µL/s the wheel turns with
	turned float64 // pulses' worth of turning, with the random start phase
	next   float64 // turning at which the next pulse comes
	index  float64
	pulses uint64 // that left the meter
}

func (m *meter) step(t0 time.Duration, vol float64) {
	if m.emit.left > 0 {
		m.phantoms(t0 + step)
	}
	flow := vol / step.Seconds()
	if flow == 0 && m.wheel == 0 {
		return
	}
	before := m.wheel
	keep, tau := wheelKeep, wheelTau.Seconds()
	if m.coastTau > 0 && flow < m.wheel {
		keep, tau = m.coastKeep, m.coastTau
	}
	m.wheel = flow + (m.wheel-flow)*keep
	if flow == 0 && m.wheel < 50 {
		m.wheel = 0
	}
	if m.wheel < m.minFlow && flow < m.minFlow {
		return
	}
	swept := flow*step.Seconds() + (before-flow)*tau*(1-keep)
	if m.driftPerUL != 0 {
		m.drift = max(-0.5, min(0.5, m.drift+m.driftPerUL*swept))
	}
	d := swept * m.perUL * (1 + m.gain.to(t0) + m.drift)
	if d <= 0 {
		return
	}
	from := m.turned
	m.turned += d
	for m.turned >= m.next {
		at := t0 + time.Duration(float64(step)*max(0, m.next-from)/d)
		m.index++
		m.next = m.index + 1
		if m.vane > 0 {
			m.next += m.vane * max(-3, min(3, m.rng.NormFloat64()))
		}
		if m.dead || m.missed > 0 && m.chance.Float64() < m.missed {
			continue
		}
		m.pulses++
		m.out.add(at)
	}
}

// pump is a dosing pump.
type pump struct {
	part   hal.Part
	chip   string
	slot   int // −1: none
	bias   float64
	spread float64
	rng    *rand.Rand
	stroke time.Duration // shortest time of one stroke

	loss   float64 // share of the strokes that moves nothing
	unseen float64 // share of the strokes that the sensor misses
	chance *rand.Rand

	queue     int
	interval  time.Duration
	next      time.Duration // the stroke under way ends then
	last      time.Duration
	delivered uint64 // confirmed by the stroke sensor
}

func (u *pump) volume() float64 {
	v := float64(u.part.StrokeUL) * (1 + u.bias)
	if u.spread > 0 {
		v *= 1 + u.spread*max(-3, min(3, u.rng.NormFloat64()))
	}
	return v
}

// dose queues n strokes at time now; tells whether the pump was idle.
func (u *pump) dose(n int, every, now time.Duration) (wasIdle bool) {
	u.interval = max(every, u.stroke)
	wasIdle = u.queue == 0
	if wasIdle {
		u.next = max(now+u.stroke, u.last+u.interval)
	}
	u.queue += n
	return wasIdle
}

// stop drops what is queued; the stroke under way completes.
func (u *pump) stop(now time.Duration) {
	if u.queue > 0 && now >= u.next-u.stroke {
		u.queue = 1
	} else {
		u.queue = 0
	}
}

// cup is what stands under the nozzle, and the tray below it.
type cup struct {
	present      bool
	capacity     float64
	parts        []float64 // by ingredient, µL
	total        float64
	spilled      []float64
	spilledTotal float64
	tray         float64
	trayCap      float64
	touched      bool      // the tray changed in this step
	solids       []float64 // by ingredient: volume × how well it was stirred
	film         film
	foam         float64 // µL of head, at foamAt
	foamAt       time.Duration
}

// registry numbers the ingredients so that the hot path needs no map.
type registry struct {
	names []string
	index map[string]int
}

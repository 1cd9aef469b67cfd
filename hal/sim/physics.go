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
	level   float64 // 1 = connected, falls to 0 when cut
	rng     *rand.Rand
}

func (s *supply) step(t time.Duration, cut bool) float64 {
	d := max(-0.2, min(0.2, s.drift.to(t)))
	if s.rippleS > 0 {
		s.ripple = s.ripple*rippleKeep + s.rippleS*math.Sqrt(1-rippleKeep*rippleKeep)*s.rng.NormFloat64()
	}
	goal := 1.0
	if cut {
		goal = 0
	}
	s.level = goal + (s.level-goal)*cutKeep
	if math.Abs(s.level-goal) < 1e-4 {
		s.level = goal
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

	commanded bool
	moveAt    time.Duration // the armature starts towards the commanded end then
	pos       float64       // 0 seated … 1 open
	avg       float64       // mean over the last step
	jam       stuck
	half      bool    // scaled up: half flow
	flow      float64 // µL/s through the line, follows the opening with inertia
	passed    float64 // µL in the last step
	supplied  float64 // µL since the start

	commandedOpenAt, commandedShutAt, openedAt, shutAt time.Duration
}

func (v *valve) command(open bool, at time.Duration) {
	v.commanded = open
	lag := v.closeLag
	if open {
		lag = v.openLag
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
	case v.commanded:
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
	if v.half {
		return v.avg / 2
	}
	return v.avg
}

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

	dead   bool
	wheel  float64 // µL/s the wheel turns with
	turned float64 // pulses' worth of turning, with the random start phase
	next   float64 // turning at which the next pulse comes
	index  float64
	pulses uint64 // that left the meter
	last   time.Duration
	period time.Duration
}

func (m *meter) step(t0 time.Duration, vol float64) {
	flow := vol / step.Seconds()
	if flow == 0 && m.wheel == 0 {
		return
	}
	before := m.wheel
	m.wheel = flow + (m.wheel-flow)*wheelKeep
	if flow == 0 && m.wheel < 50 {
		m.wheel = 0
	}
	if m.wheel < m.minFlow && flow < m.minFlow {
		return
	}
	swept := flow*step.Seconds() + (before-flow)*wheelTau.Seconds()*(1-wheelKeep)
	d := swept * m.perUL * (1 + m.gain.to(t0))
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
		if m.dead {
			continue
		}
		m.pulses++
		if m.last != 0 {
			m.period = at - m.last
		}
		m.last = at
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

// slot is a cartridge slot.
type slot struct {
	id         string
	pump       int
	present    bool
	ingredient int
	level      float64 // µL left
	tag        hal.Tag
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
	touched      bool // the tray changed in this step
}

// interlock is one debounced safety input.
type interlock struct {
	part      hal.Part
	chip      string
	signal    hal.Interlocks
	debounce  time.Duration
	raw       bool // tripped, as the contact says
	shown     bool // tripped, after debouncing
	changedAt time.Duration
}

func (l *interlock) set(raw bool, at time.Duration) {
	if raw == l.raw {
		return
	}
	l.read(at)
	l.raw, l.changedAt = raw, at
}

func (l *interlock) read(now time.Duration) bool {
	if l.shown != l.raw && now-l.changedAt >= l.debounce {
		l.shown = l.raw
	}
	return l.shown
}

// registry numbers the ingredients so that the hot path needs no map.
type registry struct {
	names []string
	index map[string]int
}

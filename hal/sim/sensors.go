package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// Why a reading is not good. The socket sends the index.
var whys = []string{
	"",
	"never read",
	"no new value for three polls",
	"out of its plausible range",
	"the wire is open",
	"the wires touch",
	"the simulated hardware does not answer",
}

const (
	whyNone uint8 = iota
	whyNever
	whyOld
	whyRange
	whyOpen
	whyShort
	whyGone
)

// sensor is a slow reading and what polls it.
type sensor struct {
	part     hal.Part
	chip     string
	every    time.Duration
	next     time.Duration
	min, max float64
	noise    float64
	rng      *rand.Rand
	got      reading
}

// reading is a hal.Reading without its text.
type reading struct {
	value float64
	at    time.Duration
	why   uint8
}

// now judges the reading's age.
func (r reading) now(now, every time.Duration) hal.Reading {
	out := hal.Reading{Value: r.value, At: r.at, Why: whys[r.why]}
	switch {
	case r.at == 0:
		out.Quality, out.Why = hal.Bad, whys[whyNever]
	case r.why != whyNone:
		out.Quality = hal.Bad
	case now-r.at > 3*every:
		out.Quality, out.Why = hal.Stale, whys[whyOld]
	}
	return out
}

// truth is what a sensor of a role would say if it were well.
func (p *Plant) truth(role hal.Role) float64 {
	switch role {
	case hal.RoleWaterTemp:
		return p.waterC
	case hal.RoleCabinetTemp:
		return p.cabinetC
	case hal.RoleWaterPressure:
		flow := 0.0
		for i := range p.valves[:p.flowing] {
			flow += p.valves[i].flow
		}
		return waterKPa * p.supply.goal * (1 + max(-0.2, min(0.2, p.supply.drift.x))) * max(0, 1-flowDrop*flow/100_000)
	case hal.RoleCO2Pressure:
		return p.co2
	}
	return 0
}

// poll reads a sensor as the HAL's poller does.
func (p *Plant) poll(s *sensor, t time.Duration) {
	if s.chip != "" && p.goneChips[s.chip] {
		return
	}
	r := reading{value: p.truth(s.part.Role), at: t}
	if s.noise > 0 {
		r.value += s.noise * max(-3, min(3, s.rng.NormFloat64()))
	}
	id := s.part.ID
	if v, on := p.has(SensorFalse, id); on {
		r.value = v
	}
	if p.is(SensorFrozen, id) && s.got.at != 0 {
		r.value = s.got.value
	}
	switch {
	case p.is(SensorOpen, id):
		r.why, r.value = whyOpen, s.got.value
	case p.is(SensorShort, id):
		r.why, r.value = whyShort, s.got.value
	case s.min < s.max && (r.value < s.min || r.value > s.max):
		r.why = whyRange
	}
	if math.Round(r.value*10) != math.Round(s.got.value*10) || r.why != s.got.why {
		p.changes++
	}
	s.got = r
}

// followSensor polls at the next slow step what a fault begins or ends at.
func (p *Plant) followSensor(id string, now time.Duration) {
	i := slices.IndexFunc(p.sensors, func(s sensor) bool { return s.part.ID == id })
	p.sensors[i].next = min(p.sensors[i].next, now)
}

func (p *Plant) buildSensors() {
	for i, s := range p.rig.Sensors {
		every := s.Every
		if every <= 0 {
			every = time.Second
		}
		noise := map[hal.Role]float64{hal.RoleWaterTemp: 0.05, hal.RoleCabinetTemp: 0.1, hal.RoleWaterPressure: 2, hal.RoleCO2Pressure: 3}[s.Role]
		if p.cfg.Quiet {
			noise = 0
		}
		x := sensor{part: p.part(s.ID), every: every, next: p.at + every, min: s.Min, max: s.Max, noise: noise, rng: p.random(uint64(3000 + i))}
		if s.Kind == rigfile.SensorADC {
			x.chip = s.Chip
		}
		p.sensors = append(p.sensors, x)
	}
}

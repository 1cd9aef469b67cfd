package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// random gives every part its own stream, so that one part's noise never shifts another's.
func (p *Plant) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.cfg.Seed, 0x9e3779b97f4a7c15*(stream+1)))
}

// noise is a standard deviation: def when the rig file leaves it out, 0 in a quiet plant.
func (p *Plant) noise(given, def float64) float64 {
	switch {
	case p.cfg.Quiet:
		return 0
	case given > 0:
		return given
	}
	return def
}

// build makes the parts from the rig file and draws what it leaves open.
func (p *Plant) build() {
	s := p.rig.Sim
	p.ingredients.index = map[string]int{}
	rng := p.random(0)
	p.supply = supply{
		drift: newWander(rng, p.noise(s.Supply.Drift, 0.05), driftTau, p.at), rippleS: p.noise(s.Supply.Ripple, 0.01),
		sag: p.orDefault(s.Supply.Sag, 0.12), level: 1, goal: 1, rng: rng,
	}
	p.chance = p.random(9000)
	p.co2, p.valvePower, p.trapped = co2KPa, true, trapped
	for i, v := range p.rig.Valves {
		p.valves = append(p.valves, p.buildValve(v, p.random(uint64(100+i))))
		if v.ID == hal.Master {
			p.master = i
		}
	}
	p.flowing = len(p.valves)
	for i, m := range p.rig.Meters {
		p.meters = append(p.meters, p.buildMeter(m, p.random(uint64(200+i))))
	}
	for i := range p.meters {
		p.meters[i].out = &p.meters[i].line // the slice does not grow any more
	}
	for i, u := range p.rig.Pumps {
		rng := p.random(uint64(1000 + i))
		p.pumps = append(p.pumps, pump{
			part: p.part(u.ID), chip: u.Line.Chip, slot: -1,
			bias: p.noise(s.Pumps.Bias, 0.003) * rng.NormFloat64(), spread: p.noise(s.Pumps.Spread, 0.02), rng: rng,
			stroke: time.Duration(float64(time.Second) / u.MaxRate), chance: p.chance,
		})
	}
	for i, sl := range p.rig.Slots {
		pi := slices.IndexFunc(p.pumps, func(u pump) bool { return u.part.ID == sl.Pump })
		p.pumps[pi].slot = i
		p.slots = append(p.slots, slot{id: sl.ID, pump: pi, reader: sl.Reader, stirred: 1})
	}
	p.buildAgitators()
	p.buildSensors()
	p.buildClimate()
	p.cup.present = !s.Cup.Absent
	p.cup.capacity = p.orDefault(float64(s.Cup.CapacityUL), 1_000_000)
	p.cup.film.volume, p.cup.film.left, p.cup.film.grown = float64(s.Nozzle.FilmUL), 1, 1
	p.cup.trayCap = p.orDefault(float64(s.TrayUL), 2_000_000)
	for _, l := range p.rig.Interlocks {
		p.locks = append(p.locks, interlock{part: p.part(l.ID), chip: l.Line.Chip, signal: l.Signal, debounce: l.Debounce})
	}
	for i := range p.locks { // what is so at power-on has been so for long
		l := &p.locks[i]
		l.raw = p.tripped(l.signal)
		l.shown = l.raw
	}
	p.events.buf = make([]Event, 0, eventsKept)
	p.active = make([]int, 0, len(p.pumps))
}

func (p *Plant) orDefault(given, def float64) float64 {
	if given > 0 {
		return given
	}
	return def
}

func (p *Plant) part(id string) hal.Part {
	parts := p.rig.Parts()
	return parts[slices.IndexFunc(parts, func(x hal.Part) bool { return x.ID == id })]
}

func (p *Plant) buildValve(v rigfile.Valve, rng *rand.Rand) valve {
	between := func(low, high, quiet float64) float64 {
		x := low + (high-low)*rng.Float64() // drawn always: a given value must not shift the rest
		if p.cfg.Quiet {
			return quiet
		}
		return x
	}
	ms := float64(time.Millisecond)
	out := valve{
		part: p.part(v.ID), chip: v.Line.Chip, rng: rng,
		nominal: between(45_000, 90_000, 75_000), openLag: time.Duration(between(15*ms, 60*ms, 40*ms)), closeLag: time.Duration(between(15*ms, 60*ms, 40*ms)),
		jitter: time.Duration(p.noise(0, 4*ms)), clog: 1, push: 1, wired: len(p.valves), sparkles: strings.Contains(v.Carrier, "sparkling"),
	}
	out.tune()
	if v.Carrier != "" {
		out.ingredient = p.ingredient(v.Carrier)
	}
	for _, s := range p.rig.Sim.Valves {
		if s.ID != v.ID {
			continue
		}
		if s.FlowUL > 0 {
			out.nominal = float64(s.FlowUL)
		}
		if s.OpenLag > 0 {
			out.openLag = s.OpenLag
		}
		if s.CloseLag > 0 {
			out.closeLag = s.CloseLag
		}
		if s.Jitter > 0 && !p.cfg.Quiet {
			out.jitter = s.Jitter
		}
	}
	return out
}

func (p *Plant) buildMeter(m rigfile.Meter, rng *rand.Rand) meter {
	cfg := rigfile.SimMeter{}
	for _, s := range p.rig.Sim.Meters {
		if s.ID == m.ID {
			cfg = s
		}
	}
	gain := p.noise(cfg.GainSigma, 0.003) * rng.NormFloat64()
	if cfg.GainSet {
		gain = cfg.GainError
	}
	out := meter{
		part: p.part(m.ID), chip: m.Line.Chip, perUL: m.PulsesPerLitre / 1e6 * (1 + gain), minFlow: p.orDefault(float64(cfg.MinFlowUL), 1500),
		gain: newWander(rng, p.noise(0, repeat), gainTau, p.at), vane: p.noise(0, vaneSigma), rng: rng, next: 1, chance: p.chance,
	}
	if !p.cfg.Quiet {
		out.turned = rng.Float64() // random wheel phase
	}
	for _, s := range m.Serves {
		out.serves = append(out.serves, slices.IndexFunc(p.valves, func(v valve) bool { return v.part.ID == s }))
	}
	return out
}

// buildAgitators puts the motors behind the valves and ties them to their slots.
func (p *Plant) buildAgitators() {
	for _, a := range p.rig.Agitators {
		i := len(p.valves)
		p.valves = append(p.valves, valve{part: p.part(a.ID), chip: a.Line.Chip, motor: true, wired: i, clog: 1, push: 1, scale: 1})
		x := agitator{output: i}
		for _, id := range a.Slots {
			if k := p.slotIndex(id); k >= 0 {
				x.slots = append(x.slots, k)
				p.slots[k].settles = p.rig.Sim.Settle > 0
			}
		}
		p.agitators = append(p.agitators, x)
	}
}

// buildClimate sets up what changes slowly, and its steps if the rig file has any of it.
func (p *Plant) buildClimate() {
	s := p.rig.Sim
	p.heat()
	if s.Cooling != nil {
		c := *s.Cooling
		c.WaterC, c.CabinetC, c.AmbientC = p.orDefault(c.WaterC, 3), p.orDefault(c.CabinetC, 5), p.orDefault(c.AmbientC, 22)
		c.BathUL, c.CoolWatts = int64(p.orDefault(float64(c.BathUL), 10_000_000)), p.orDefault(c.CoolWatts, 600)
		p.cooling, p.waterC, p.cabinetC = &c, c.WaterC, c.CabinetC
	}
	if c := s.Carbonator; c != nil {
		capacity := p.orDefault(float64(c.CapacityUL), 2_000_000)
		p.carb = &carbonator{capacity: capacity, level: capacity, refillAt: p.orDefault(float64(c.RefillAtUL), capacity/2), rate: p.orDefault(float64(c.RefillULS), 30_000)}
	}
	if p.rig.Heartbeat != nil {
		p.hold = s.HeartbeatHold
	}
	if p.hold > 0 {
		p.valvePower = false // until the first edge
		p.beatAt = p.at - 2*p.hold
	}
	for i := range p.sensors {
		p.poll(&p.sensors[i], p.at)
	}
	if len(p.sensors) > 0 || p.cooling != nil || p.carb != nil || s.Settle > 0 || p.hold > 0 {
		p.slowNext = p.at + slowStep
	}
}

package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
		sag: p.orDefault(s.Supply.Sag, 0.12), level: 1, rng: rng,
	}
	for i, v := range p.rig.Valves {
		p.valves = append(p.valves, p.buildValve(v, p.random(uint64(100+i))))
		if v.ID == hal.Master {
			p.master = i
		}
	}
	for i, m := range p.rig.Meters {
		p.meters = append(p.meters, p.buildMeter(m, p.random(uint64(200+i))))
	}
	for i, u := range p.rig.Pumps {
		rng := p.random(uint64(1000 + i))
		p.pumps = append(p.pumps, pump{
			part: p.part(u.ID), chip: u.Line.Chip, slot: -1,
			bias: p.noise(s.Pumps.Bias, 0.003) * rng.NormFloat64(), spread: p.noise(s.Pumps.Spread, 0.02), rng: rng,
			stroke: time.Duration(float64(time.Second) / u.MaxRate),
		})
	}
	for i, sl := range p.rig.Slots {
		pi := slices.IndexFunc(p.pumps, func(u pump) bool { return u.part.ID == sl.Pump })
		p.pumps[pi].slot = i
		p.slots = append(p.slots, slot{id: sl.ID, pump: pi})
	}
	p.cup.present = !s.Cup.Absent
	p.cup.capacity = p.orDefault(float64(s.Cup.CapacityUL), 1_000_000)
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
		jitter: time.Duration(p.noise(0, 4*ms)),
	}
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
		gain: newWander(rng, p.noise(0, repeat), gainTau, p.at), vane: p.noise(0, vaneSigma), rng: rng, next: 1,
	}
	if !p.cfg.Quiet {
		out.turned = rng.Float64() // random wheel phase
	}
	for _, s := range m.Serves {
		out.serves = append(out.serves, slices.IndexFunc(p.valves, func(v valve) bool { return v.part.ID == s }))
	}
	return out
}

// ingredient numbers a name; new names grow the cup's books.
func (p *Plant) ingredient(name string) int {
	if i, ok := p.ingredients.index[name]; ok {
		return i
	}
	i := len(p.ingredients.names)
	p.ingredients.names = append(p.ingredients.names, name)
	p.ingredients.index[name] = i
	p.cup.parts = append(p.cup.parts, 0)
	p.cup.spilled = append(p.cup.spilled, 0)
	return i
}

// SetCartridge puts a cartridge into its slot, replacing what is there.
func (p *Plant) SetCartridge(c Cartridge) error {
	p.lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.slots, func(s slot) bool { return s.id == c.Slot })
	if i < 0 {
		return unknown(c.Slot)
	}
	if c.Ingredient == "" || c.VolumeUL < 0 {
		return fmt.Errorf("cartridge for slot %s: needs an ingredient and a volume of 0 or more", c.Slot)
	}
	if c.ID == "" {
		c.ID = "cart-" + c.Slot
	}
	if c.Expires.IsZero() {
		c.Expires = time.Now().AddDate(0, 0, 180)
	}
	s := &p.slots[i]
	s.present, s.ingredient, s.level = true, p.ingredient(c.Ingredient), float64(c.VolumeUL)
	s.tag = hal.Tag{ID: c.ID, Ingredient: c.Ingredient, VolumeUL: c.VolumeUL, Expires: c.Expires}
	p.changes++
	return nil
}

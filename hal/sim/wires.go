package sim

import (
	"time"

	"fountain/hal"
)

// Wires are a plant's terminals. Through them hal/sim/lines puts real kernel lines in the place of a hal.Rig: the
// levels come from outside, and so does whoever enforces max_open. Indexes are those of the rig file's lists. A plant
// is used either through Wires or through Open, not both.
type Wires struct{ p *Plant }

// Wires returns the plant's terminals.
func (p *Plant) Wires() Wires { return Wires{p} }

// Terminals is what the machine puts on its input lines.
type Terminals struct {
	Pulses  []uint64 // that arrived at each meter's line since the start
	Tripped []bool   // each safety input, before debouncing
}

// Tick sets each valve, and after the valves each agitator, to open or shut, integrates the physics up to now and fills
// t; agitators may be left out. It does not allocate once t has its sizes. It returns the time on the plant's clock.
func (w Wires) Tick(open []bool, t *Terminals) time.Duration {
	p := w.p
	now := p.lock()
	defer p.mu.Unlock()
	for i := range p.valves[:min(len(open), len(p.valves))] {
		p.command(i, open[i], now)
	}
	t.Pulses, t.Tripped = t.Pulses[:0], t.Tripped[:0]
	for i := range p.meters {
		t.Pulses = append(t.Pulses, p.meters[i].line.seen.Pulses)
	}
	for i := range p.locks {
		t.Tripped = append(t.Tripped, p.locks[i].raw)
	}
	return now
}

// Stroke makes one stroke of a pump now; true when its chamber was full, so that a stroke sensor sees it.
func (w Wires) Stroke(pump int) bool {
	p := w.p
	p.lock()
	defer p.mu.Unlock()
	u := &p.pumps[pump]
	before := u.delivered
	p.stroke(u)
	p.changes++
	return u.delivered != before
}

// Gone tells whether a chip does not answer.
func (w Wires) Gone(chip string) bool {
	w.p.lock()
	defer w.p.mu.Unlock()
	return w.p.goneChips[chip]
}

// Tag is what the cartridge in a slot says; hal.ErrNoTag without one.
func (w Wires) Tag(slot int) (hal.Tag, error) {
	w.p.lock()
	defer w.p.mu.Unlock()
	return w.p.tag(slot)
}

// Sensor is what the element of a sensor gives, in the unit of its role; false when its wire is broken or shorted. It
// changes with the sensor's poll period.
func (w Wires) Sensor(sensor int) (float64, bool) {
	w.p.lock()
	defer w.p.mu.Unlock()
	r := w.p.sensors[sensor].got
	return r.value, r.why != whyOpen && r.why != whyShort
}

// Beat is an edge of the board's heartbeat line.
func (w Wires) Beat() {
	now := w.p.lock()
	defer w.p.mu.Unlock()
	if w.p.hold > 0 {
		w.p.beat(now)
	}
}

// Powered tells whether the valve supply is on.
func (w Wires) Powered() bool {
	w.p.lock()
	defer w.p.mu.Unlock()
	return w.p.valvePower
}

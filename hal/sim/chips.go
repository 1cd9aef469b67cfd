package sim

import (
	"fmt"
	"slices"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// An I²C chip that fails is treated as hal/linux does it: while something was open on it, every call that touches it
// answers hal.ErrGone until one has shut its outputs; its reset line, where it has one, lets them fall without the bus;
// and when it is back everything on it is shut. Nothing opens again by itself.
const resetAfter = 20 * time.Millisecond // how soon the HAL finds out and asserts the reset line

// followChip lets the boards' chips follow their faults.
func (p *Plant) followChip(a *active, on bool, now time.Duration) {
	p.wireChips(now)
	if a.Kind == ChipReset && on {
		p.resetChip(a, now)
	}
}

// wireChips works out which chips answer, and how fast.
func (p *Plant) wireChips(now time.Duration) {
	dark := p.is(PowerCut, "")
	for _, c := range p.rig.Chips {
		stuck := dark || p.is(ChipGone, c.ID)
		for _, other := range p.rig.Chips {
			stuck = stuck || c.Kind != rigfile.ChipGPIO && other.Kind != rigfile.ChipGPIO && other.Bus == c.Bus && p.is(BusStuck, other.ID)
		}
		was := p.goneChips[c.ID]
		p.goneChips[c.ID] = stuck
		switch {
		case c.Kind == rigfile.ChipGPIO || was == stuck || dark:
		case stuck:
			p.failChip(c, now)
		default:
			p.chipBack(c, now)
		}
		ms, _ := p.has(ChipSlow, c.ID)
		p.slowChips[c.ID] = time.Duration(ms * float64(time.Millisecond))
	}
	for i := range p.meters {
		p.meters[i].line.dead = p.goneChips[p.meters[i].chip]
	}
	for i := range p.locks {
		p.locks[i].delay = p.slowChips[p.locks[i].chip]
	}
}

// failChip notes what was open on a chip that stopped answering.
func (p *Plant) failChip(c rigfile.Chip, now time.Duration) {
	for _, o := range p.holders {
		o.failed |= p.openOn(o, c.ID)
	}
	if c.Reset == nil {
		return // its outputs stay as they are
	}
	p.plan(now+resetAfter, func(at time.Duration) {
		if p.goneChips[c.ID] && !p.goneChips[c.Reset.Chip] {
			p.dropChip(c.ID, at)
		}
	})
}

// chipBack shuts everything on a chip that answers again.
func (p *Plant) chipBack(c rigfile.Chip, now time.Duration) {
	p.dropChip(c.ID, now)
	for _, o := range p.holders {
		for i, k := range o.outputs {
			if p.valves[k].chip == c.ID {
				o.forget(i)
			}
		}
	}
	for i := range p.pumps {
		if u := &p.pumps[i]; u.chip == c.ID {
			u.stop(now)
		}
	}
}

// openOn is all of an owner's outputs on a chip if any of them is open, else none.
func (p *Plant) openOn(o *owner, chip string) (bits uint64) {
	for i, k := range o.outputs {
		if p.valves[k].chip == chip {
			bits |= 1 << i
		}
	}
	if o.want&bits == 0 {
		return 0
	}
	return bits
}

// dropChip lets the lines of a chip's outputs fall.
func (p *Plant) dropChip(chip string, now time.Duration) {
	for i := range p.valves {
		if p.valves[i].chip == chip {
			p.command(i, false, now)
		}
	}
}

// resetChip makes a chip forget: its outputs fall, its strokes are gone. The HAL finds it at its defaults and sets it up
// again, with everything shut.
func (p *Plant) resetChip(a *active, now time.Duration) {
	for _, o := range p.holders {
		o.failed |= p.openOn(o, a.Part)
		for i, k := range o.outputs {
			if p.valves[k].chip == a.Part {
				o.forget(i)
			}
		}
	}
	p.dropChip(a.Part, now)
	for i := range p.pumps {
		if u := &p.pumps[i]; u.chip == a.Part {
			u.queue = 0
		}
	}
	p.changes++
	if a.amount > 0 {
		p.plan(now+time.Duration(a.amount*float64(time.Millisecond)), func(at time.Duration) {
			if p.faults[a.key()] == a {
				p.resetChip(a, at)
			}
		})
	}
}

// powerCut makes everything fall, or brings the power back with everything shut.
func (p *Plant) powerCut(on bool, now time.Duration) {
	p.wireChips(now)
	if !on {
		return
	}
	for i := range p.valves {
		p.command(i, false, now)
	}
	for _, o := range p.holders {
		for i := range o.outputs {
			o.forget(i)
		}
	}
	for i := range p.pumps {
		p.pumps[i].queue = 0
	}
}

// forget drops what the holder wanted of its i-th output.
func (o *owner) forget(i int) {
	o.want &^= 1 << i
	o.deadline[i] = 0
}

// takeNote answers an Apply that touches outputs which failed while something was open: hal.ErrGone, for the last time
// when it opens none of them. Opening is refused meanwhile; it returns what may still be done.
func (p *Plant) takeNote(o *owner, mask, bits uint64) (allowed uint64) {
	if mask&bits&o.failed != 0 {
		return bits &^ o.failed
	}
	for i, k := range o.outputs {
		if mask&o.failed&(1<<i) == 0 {
			continue
		}
		for j, other := range o.outputs {
			if p.valves[other].chip == p.valves[k].chip {
				o.failed &^= 1 << j
			}
		}
	}
	return bits
}

// refuseOpen is why an owner cannot have its lines now.
func (p *Plant) refuseOpen(name hal.Owner) error {
	if p.is(LineBusy, string(name)) {
		return fmt.Errorf("open the lines of %s: %w", name, hal.ErrBusy)
	}
	for _, c := range p.rig.Chips {
		if (p.is(ChipMissing, c.ID) || p.is(PowerCut, "")) && p.uses(name, c.ID) {
			return fmt.Errorf("open the lines of %s: chip %s: %w", name, c.ID, hal.ErrGone)
		}
	}
	return nil
}

// uses tells whether a part of an owner is on a chip.
func (p *Plant) uses(name hal.Owner, chip string) bool {
	return slices.ContainsFunc(p.rig.Parts(), func(part hal.Part) bool { return part.Owner == name && part.Chip == chip })
}

// health lists what the HAL knows to be wrong.
func (p *Plant) health() []hal.Fault {
	var out []hal.Fault
	for _, c := range p.rig.Chips {
		switch {
		case p.goneChips[c.ID]:
			out = append(out, hal.Fault{Part: c.ID, What: "the chip does not answer", Kind: hal.FaultGone})
		case p.is(ChipReset, c.ID):
			out = append(out, hal.Fault{Part: c.ID, What: "the chip lost its settings and was set up again", Kind: hal.FaultReset})
		case p.slowChips[c.ID] > 0:
			out = append(out, hal.Fault{Part: c.ID, What: "the chip answers late", Kind: hal.FaultSlow})
		}
	}
	return out
}

// frozen is what an owner still sees while the hardware's answers stand still.
type frozen struct {
	at        time.Duration
	counts    []hal.Count // of all meters
	delivered []uint64    // of all pumps
	sensors   []reading
	locks     hal.Interlocks
	gone      bool
}

// freeze stops the answers to an owner, or lets them go on.
func (p *Plant) freeze(o *owner, on bool, now time.Duration) {
	o.frozen = nil
	if !on {
		return
	}
	f := &frozen{at: now}
	for i := range p.meters {
		f.counts = append(f.counts, p.meters[i].line.count())
	}
	for i := range p.pumps {
		f.delivered = append(f.delivered, p.pumps[i].delivered)
	}
	for i := range p.sensors {
		f.sensors = append(f.sensors, p.sensors[i].got)
	}
	f.locks, f.gone = p.interlocks(o.name, now)
	o.frozen = f
}

// tooOld tells whether the answers have stood still for so long that nothing may rely on them.
func (o *owner) tooOld(now time.Duration) bool {
	return o.frozen != nil && now-o.frozen.at >= staleAfter
}

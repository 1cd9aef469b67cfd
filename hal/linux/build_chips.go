package linux

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// onExpander notes an output on an expander.
func (b *builder) onExpander(l rigfile.Line, where string, add func(*expander)) error {
	c := b.chipOf[l.Chip]
	switch c.Kind {
	case rigfile.ChipMCP23017, rigfile.ChipTCA9535, rigfile.ChipPCA9685:
	default:
		return bad(where, fmt.Sprintf("a %s has no outputs", c.Kind), "name a gpiochip, an mcp23017, a tca9535 or a pca9685")
	}
	if l.Line < 0 || l.Line > 15 {
		return bad(where, fmt.Sprintf("chip %s has lines 0 to 15, not %d", c.ID, l.Line), "correct the line")
	}
	if c.Kind == rigfile.ChipPCA9685 && !l.ActiveHigh {
		return bad(where, "a pca9685 drives its lines low after a reset: an active-low output would be on", "use active: high, with a driver stage that is off at low level")
	}
	e := b.exp[c.ID]
	if e == nil {
		e = &expander{id: c.ID}
		b.exp[c.ID] = e
	}
	e.used |= 1 << l.Line
	if !l.ActiveHigh {
		e.low |= 1 << l.Line
	}
	add(e)
	return nil
}

// chipPump notes a pump behind a doser or an expander.
func (b *builder) chipPump(p rigfile.Pump, where string) error {
	c := b.chipOf[p.Line.Chip]
	if c.Kind != rigfile.ChipDoser {
		return b.onExpander(p.Line, where, func(e *expander) {
			x := &expanderPump{e: e, line: uint8(p.Line.Line), stroker: stroker{shortest: shortest(p.MaxRate)}}
			e.strokes = append(e.strokes, x)
			b.rig.pumps[p.ID] = x
		})
	}
	if p.Line.Line < 0 || p.Line.Line >= chips.DoserChannels {
		return bad(where, fmt.Sprintf("chip %s has channels 0 to 15, not %d", c.ID, p.Line.Line), "correct the line")
	}
	d := b.dosers[c.ID]
	if d == nil {
		d = &doser{id: c.ID}
		b.dosers[c.ID] = d
	}
	x := &doserPump{d: d, ch: p.Line.Line, shortest: shortest(p.MaxRate)}
	d.pumps[p.Line.Line] = x
	b.rig.pumps[p.ID] = x
	return nil
}

// adapter opens an I²C bus once.
func (b *builder) adapter(c rigfile.Chip) (i2c.Bus, error) {
	if a := b.rig.adapters[c.Bus]; a != nil {
		return a, nil
	}
	a, err := b.opt.sys.bus(c.Bus)
	if err != nil {
		return nil, fmt.Errorf("%s chips(%s).bus: %w", b.rf.Path, c.ID, err)
	}
	b.rig.adapters[c.Bus] = a
	b.keep(a.Close)
	return a, nil
}

// worker is the goroutine of a bus.
func (b *builder) worker(n int) *bus {
	w := b.buses[n]
	if w == nil {
		w = newBus(n, b.rig.log)
		b.buses[n] = w
		b.rig.buses = append(b.rig.buses, w)
	}
	return w
}

// chips makes the expanders and pump drivers of this owner safe and known.
func (b *builder) chips() error {
	for _, c := range b.rf.Chips { // in the order of the file
		e, d := b.exp[c.ID], b.dosers[c.ID]
		if e == nil && d == nil {
			continue
		}
		if err := b.exclusive(c); err != nil {
			return err
		}
		a, err := b.adapter(c)
		if err != nil {
			return err
		}
		w := b.worker(c.Bus)
		if d != nil {
			d.bus, d.chip = w, chips.NewDoser(a, uint16(c.Addr))
			if err := attempt(d.open); errors.Is(err, chips.ErrNotDoser) {
				return bad(fmt.Sprintf("%s chips(%s).addr", b.rf.Path, c.ID), err.Error(), "correct the address")
			} else if err != nil {
				d.fail(b.silent(c, err))
			}
			w.dosers = append(w.dosers, d)
			continue
		}
		e.bus, e.shut = w, b.rig.outs.shut
		e.chip = newExpanderChip(c, a)
		if c.Reset != nil {
			if err := b.reset(c, e); err != nil {
				return err
			}
		}
		if err := attempt(e.init); err != nil {
			e.fail(b.silent(c, err))
		}
		w.expanders = append(w.expanders, e)
		b.sinks = append(b.sinks, e)
	}
	return nil
}

// newExpanderChip makes the driver of an expander; onExpander lets no other kind through.
func newExpanderChip(c rigfile.Chip, a i2c.Bus) chips.Expander {
	switch c.Kind {
	case rigfile.ChipMCP23017:
		return chips.NewMCP23017(a, uint16(c.Addr))
	case rigfile.ChipTCA9535:
		return chips.NewTCA9535(a, uint16(c.Addr))
	default:
		return chips.NewPCA9685(a, uint16(c.Addr))
	}
}

// silent is what Health says of a chip that does not answer.
func (b *builder) silent(c rigfile.Chip, err error) error {
	return &problem.Problem{
		Code: problem.CodeUnreachable, Where: fmt.Sprintf("%s chips(%s)", b.rf.Path, c.ID), What: err.Error(),
		Remedy: fmt.Sprintf("check its supply, its wiring and its address (i2cdetect -y %d)", c.Bus), Retry: true,
	}
}

// exclusive sees to it that a chip has one owner, in the file and on the machine: an expander's lines are written together,
// so two writers would undo each other's, and the bus itself refuses nobody.
func (b *builder) exclusive(c rigfile.Chip) error {
	owners := map[hal.Owner]bool{}
	for _, v := range b.rf.Valves {
		owners[v.Owner] = owners[v.Owner] || v.Line.Chip == c.ID
	}
	for _, a := range b.rf.Agitators {
		owners[a.Owner] = owners[a.Owner] || a.Line.Chip == c.ID
	}
	for _, p := range b.rf.Pumps {
		owners[p.Owner] = owners[p.Owner] || p.Line.Chip == c.ID
	}
	where := fmt.Sprintf("%s chips(%s)", b.rf.Path, c.ID)
	if owners[hal.OwnerAgent] && owners[hal.OwnerGuard] {
		return bad(where, "the chip has lines of the guard and of the agent", "give each its own chip")
	}
	name := fmt.Sprintf("i2c-%d-%#02x", c.Bus, c.Addr)
	for {
		hold, err := b.opt.sys.hold(name)
		switch {
		case err == nil:
			b.keep(hold.Close)
			return nil
		case !errors.Is(err, unix.EADDRINUSE):
			return fmt.Errorf("hold %s: %w", name, err)
		case b.ctx.Err() != nil || !time.Now().Before(b.until):
			p := &problem.Problem{Code: problem.CodeBusy, Where: where, What: "the chip is held by another process", Remedy: "stop the other process", Retry: true}
			return fmt.Errorf("%w (%w)", p, hal.ErrBusy)
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// reset opens a chip's reset line, asserted: nothing on it is driven until it was set up.
func (b *builder) reset(c rigfile.Chip, e *expander) error {
	where := fmt.Sprintf("%s chips(%s).reset", b.rf.Path, c.ID)
	lines := batches{b: b}
	direct, err := lines.add(*c.Reset, 0, where)
	if err != nil {
		return err
	}
	if !direct {
		return bad(where, "a reset line may not sit behind an I²C chip", "wire it to a gpiochip line")
	}
	t := lines.list[0]
	t.wish.output, t.wish.initial = true, 1
	f, err := b.granted(t.chip, t.id, t.wish)
	if err != nil {
		return b.refused(t.id, err)
	}
	e.reset = func(assert bool) error {
		if assert {
			return f.set(1, 1)
		}
		return f.set(1, 0)
	}
	return nil
}

// sensors opens file sensors and inputs of converters. They are the agent's.
func (b *builder) sensors() error {
	if b.owner != hal.OwnerAgent {
		return nil
	}
	adcs := map[string]*chips.ADS1115{}
	for _, s := range b.rf.Sensors {
		raw := fileRaw(b.opt.root, s.Path)
		if s.Kind == rigfile.SensorADC {
			c, ok := b.chipOf[s.Chip]
			if !ok || c.Kind != rigfile.ChipADS1115 {
				return bad(b.where("sensors", s.ID, "chip"), fmt.Sprintf("%q is no ads1115", s.Chip), "name one under chips")
			}
			adc := adcs[c.ID]
			if adc == nil {
				a, err := b.adapter(c)
				if err != nil {
					return err
				}
				adc = chips.NewADS1115(a, uint16(c.Addr))
				adcs[c.ID] = adc
			}
			raw = func(ctx context.Context) (float64, error) {
				v, err := adc.Read(ctx, s.Channel)
				return float64(v) / float64(physic.MilliVolt), err
			}
		}
		b.rig.sensors[s.ID] = newSensor(s, b.rig.pacer.Now, raw)
	}
	return nil
}

// slots gives each cartridge slot its reader. They are the agent's.
func (b *builder) slots() error {
	if b.owner != hal.OwnerAgent {
		return nil
	}
	readers := map[string]*tagReader{}
	for _, s := range b.rf.Slots {
		x := &slot{rig: b.rig}
		if s.Reader != "" {
			c, ok := b.chipOf[s.Reader]
			if !ok || c.Kind != rigfile.ChipPN532 {
				return bad(b.where("slots", s.ID, "reader"), fmt.Sprintf("%q is no pn532", s.Reader), "name one under chips")
			}
			if readers[c.ID] != nil {
				return bad(b.where("slots", s.ID, "reader"), fmt.Sprintf("reader %s serves another slot already", c.ID), "give each slot its own reader")
			}
			a, err := b.adapter(c)
			if err != nil {
				return err
			}
			readers[c.ID] = newTagReader(s.ID, chips.NewPN532(a, uint16(c.Addr)))
			b.rig.readers = append(b.rig.readers, readers[c.ID])
			x.reader = readers[c.ID]
		}
		b.rig.slots[s.ID] = x
	}
	return nil
}

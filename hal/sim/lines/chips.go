//go:build linux

package lines

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/hal/chips/chipmodel"
	"fountain/hal/rigfile"
)

// model is one I²C chip.
type model struct {
	chip     rigfile.Chip
	bus      *chipmodel.Bus
	expander *expanderPins
	doser    *chipmodel.Doser
	adc      *chipmodel.ADS1115
	reader   *chipmodel.PN532
	reset    func() // what its RESET pin does; nil: it has none
	pumps    [16]int
	gone     bool
	held     bool    // in reset, by its reset line
	shown    hal.Tag // what the reader's field holds
}

// expanderPins is what an expander's lines do, for the plant's loop: no lock of the model is taken there.
type expanderPins struct {
	levels, driven atomic.Uint32
	off            atomic.Bool        // held in reset, or its outputs disabled
	bias           atomic.Uint32      // of lines nobody drives
	input          func(level uint16) // nil: the chip has no inputs
}

func (e *expanderPins) changed(levels, driven uint16) {
	e.driven.Store(uint32(driven))
	e.levels.Store(uint32(levels))
}

// makeBuses puts a model of every I²C chip on its bus.
func (b *Board) makeBuses(log *slog.Logger) error {
	buses := map[int]*chipmodel.Bus{}
	for _, c := range b.rig.Chips {
		if c.Kind == rigfile.ChipGPIO {
			continue
		}
		if buses[c.Bus] == nil {
			buses[c.Bus] = chipmodel.NewBus()
		}
		m := &model{chip: c, bus: buses[c.Bus]}
		for i := range m.pumps {
			m.pumps[i] = -1
		}
		for i, u := range b.rig.Pumps {
			if u.Line.Chip == c.ID {
				m.pumps[u.Line.Line] = i
			}
		}
		m.bus.Put(uint16(c.Addr), b.device(m))
		b.models = append(b.models, m)
	}
	for n, bus := range buses {
		x, err := newBus(n, bus, log)
		if err != nil {
			return err
		}
		b.buses = append(b.buses, x)
	}
	return nil
}

func (b *Board) device(m *model) chipmodel.Device {
	switch m.chip.Kind {
	case rigfile.ChipMCP23017:
		d := chipmodel.NewMCP23017()
		m.expander = &expanderPins{input: d.Input}
		d.OnChange, m.reset = m.expander.changed, d.Reset
		return d
	case rigfile.ChipTCA9535:
		d := chipmodel.NewTCA9535()
		m.expander = &expanderPins{input: d.Input}
		d.OnChange = m.expander.changed
		return d
	case rigfile.ChipPCA9685:
		d := chipmodel.NewPCA9685()
		m.expander = &expanderPins{}
		m.expander.driven.Store(0xFFFF)
		d.OnChange = func(levels uint16) { m.expander.changed(levels, 0xFFFF) }
		return d
	case rigfile.ChipDoser:
		d := chipmodel.NewDoser()
		d.Now = monotonic
		d.Stroke = func(ch int) bool {
			return m.pumps[ch] >= 0 && b.wires.Stroke(m.pumps[ch])
		}
		m.doser, m.reset = d, d.Reset
		return d
	case rigfile.ChipADS1115:
		m.adc = chipmodel.NewADS1115()
		return m.adc
	default:
		m.reader = chipmodel.NewPN532()
		return m.reader
	}
}

// silence lets a chip that is gone, or held in reset, answer nothing. A PCA9685 has OE in the place of RESET: it answers.
func (m *model) silence() {
	var err error
	if m.gone || m.held && m.chip.Kind != rigfile.ChipPCA9685 {
		err = chipmodel.ErrNAK
	}
	m.bus.Fail(uint16(m.chip.Addr), err)
}

// hold asserts or lifts a chip's reset line.
func (m *model) hold(on bool) {
	m.held = on
	m.silence()
	if m.expander != nil {
		m.expander.off.Store(on)
	}
	if on && m.reset != nil {
		m.reset()
	}
}

// modelPin is a line behind an I²C chip.
func (b *Board) modelPin(l rigfile.Line) (pin, error) {
	for _, m := range b.models {
		if m.chip.ID == l.Chip && m.expander != nil {
			return expanderPin{m.expander, uint32(1) << l.Line}, nil
		}
	}
	return nil, fmt.Errorf("chip %s has no lines", l.Chip)
}

type expanderPin struct {
	e   *expanderPins
	bit uint32
}

func (p expanderPin) high() (bool, error) {
	levels := p.e.bias.Load()
	if p.e.driven.Load()&p.bit != 0 && !p.e.off.Load() {
		levels = p.e.levels.Load()
	}
	return levels&p.bit != 0, nil
}

func (p expanderPin) pull(high bool) error {
	bits := p.e.bias.Load() &^ p.bit
	if high {
		bits |= p.bit
	}
	p.e.bias.Store(bits) // the board alone writes it
	if p.e.input != nil {
		p.e.input(uint16(bits))
	}
	return nil
}

// tickChips gives the strokes that are due, and now and then looks after what changes slowly.
func (b *Board) tickChips() error {
	slow := b.ticks%16 == 0
	for _, m := range b.models {
		if m.doser != nil {
			m.doser.Advance()
		}
		if !slow {
			continue
		}
		gone := b.wires.Gone(m.chip.ID)
		if gone != m.gone {
			m.gone = gone
			m.silence()
		}
		if m.reader != nil {
			if err := b.place(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// place puts the tag of the slot's cartridge in the reader's field.
func (b *Board) place(m *model) error {
	for i, s := range b.rig.Slots {
		if s.Reader != m.chip.ID {
			continue
		}
		tag, err := b.wires.Tag(i)
		if err != nil && !errors.Is(err, hal.ErrNoTag) {
			continue // what the field holds does not matter: the reader itself is in trouble
		}
		if tag == m.shown {
			return nil
		}
		m.shown = tag
		if tag == (hal.Tag{}) {
			m.reader.Place(nil)
			return nil
		}
		body, err := chips.EncodeTag(tag)
		if err != nil {
			return fmt.Errorf("tag of %s: %w", s.ID, err)
		}
		m.reader.Place(chipmodel.NewNTAG213([7]byte{4, byte(i), 1, 2, 3, 4, 5}, body))
	}
	return nil
}

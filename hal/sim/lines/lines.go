//go:build linux

// Package lines is the simulated plant behind real kernel lines, for the emulator only: what hal/linux drives is seen
// from outside, as water would, and what the plant measures comes in as edges, levels and registers.
//
//	hal/linux (another process) ──► /dev/gpiochipN (gpio-sim) ──value──► Board ──► sim.Wires (physics)
//	                            ◄── edges, levels ────────────────pull── Board ◄──┘
//	                            ◄─► /dev/i2c-N (CUSE) ◄──► chip models ◄─► Board
//	                            ◄── files ◄── sensors ◄── Board
//
// The board is modelled too: every output has a bias that shuts it, so lines nobody drives are shut; the plant has the
// one-shot that drops the valve supply when the heartbeat's edges stop (sim.heartbeat_hold).
//
// One locked thread owns the lines and steps the plant every millisecond. The I²C bus has to be served by
// another process than its user: opening the device makes the kernel ask its server within epoll_ctl. The package may
// import hal, hal/rigfile, hal/sim, hal/chips/chipmodel and internal packages.
package lines

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

const (
	period  = time.Millisecond       // of the plant's loop
	longest = 100 * time.Millisecond // period of a meter's pulse, for its active half
)

// output is one line that drives something.
type output struct {
	id        string
	pin       pin
	activeLow bool
	valve     int    // index in the rig file's outputs, agitators after them; -1: none
	pump      int    // index in the rig file's pumps; -1: none
	resets    *model // the chip it holds in reset while active; nil: none
	open      bool
	changed   time.Duration // when open last changed
	switched  int           // how often it went to open
}

// input is one line the machine drives.
type input struct {
	pin  pin
	high bool // what we last put on it
}

// meterLine sends pulses.
type meterLine struct {
	input
	turned uint64 // pulses of the physics so far
	queue  uint64 // pulses still to send
	sent   uint64
	extra  int // pulses to come, whatever flows
	every  time.Duration
	next   time.Duration
	last   time.Duration // the newest pulse
	ends   time.Duration // of its active half
}

// pin is one line of a gpio-sim chip or of an expander's model.
type pin interface {
	high() (bool, error)  // what the machine sees
	pull(high bool) error // what the machine puts there
}

// Board is a plant wired to kernel lines.
type Board struct {
	plant  *sim.Plant
	wires  sim.Wires
	rig    *rigfile.Rig
	chips  map[string]*gpioChip // by id
	buses  []*bus
	models []*model
	files  []*sensorFile

	mu      sync.Mutex // guards what follows against the observers below; the loop holds it for a tick
	outputs []output
	meters  []meterLine
	locks   []input
	senses  []input // stroke sensors, by pump; pin nil: none
	open    []bool
	seen    sim.Terminals
	beat    int // index of the heartbeat in outputs; -1: the board has none
	beatOld bool
	ticks   uint64
	late    time.Duration // the longest gap between two ticks
}

// New makes the gpio-sim chips and I²C buses of the rig and wires plant to them. Sensors' files are written below root
// ("" for /).
func New(plant *sim.Plant, root string, log *slog.Logger) (*Board, error) {
	b := &Board{plant: plant, wires: plant.Wires(), rig: plant.Rig(), chips: map[string]*gpioChip{}, beat: -1}
	if err := b.makeChips(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.makeBuses(log); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.wire(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.makeSensors(root); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// wire finds the pin of every part.
func (b *Board) wire() error {
	var errs []error
	find := func(id string, l rigfile.Line) pin {
		p, err := b.pin(l)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
		return p
	}
	drive := func(id string, l rigfile.Line, valve, pump int) {
		p := find(id, l)
		if p == nil {
			return
		}
		errs = append(errs, p.pull(!l.ActiveHigh)) // the board's bias shuts what nobody drives
		b.outputs = append(b.outputs, output{id: id, pin: p, activeLow: !l.ActiveHigh, valve: valve, pump: pump})
	}
	for _, m := range b.models {
		r := m.chip.Reset
		if r == nil {
			continue
		}
		drive(m.chip.ID+".reset", *r, -1, -1)
		o := &b.outputs[len(b.outputs)-1]
		o.resets = m
		errs = append(errs, o.pin.pull(r.ActiveHigh)) // nobody drives it: the expander is in reset, its lines shut
	}
	for i, v := range b.rig.Valves {
		drive(v.ID, v.Line, i, -1)
	}
	for i, a := range b.rig.Agitators {
		drive(a.ID, a.Line, len(b.rig.Valves)+i, -1)
	}
	b.senses = make([]input, len(b.rig.Pumps))
	for i, u := range b.rig.Pumps {
		if b.kind(u.Line.Chip) == rigfile.ChipDoser {
			continue // it gives the strokes itself
		}
		drive(u.ID, u.Line, -1, i)
		if u.Sense != nil {
			p := find(u.ID, *u.Sense)
			if p != nil {
				errs = append(errs, p.pull(!u.Sense.ActiveHigh))
				b.senses[i] = input{pin: p, high: !u.Sense.ActiveHigh}
			}
		}
	}
	if h := b.rig.Heartbeat; h != nil {
		b.beat = len(b.outputs)
		drive("heartbeat", h.Line, -1, -1)
	}
	for _, m := range b.rig.Meters {
		p := find(m.ID, m.Line)
		if p == nil {
			continue
		}
		errs = append(errs, p.pull(false)) // a meter's pulse is a rising edge
		b.meters = append(b.meters, meterLine{input: input{pin: p}})
	}
	for _, l := range b.rig.Interlocks {
		p := find(l.ID, l.Line)
		if p == nil {
			continue
		}
		errs = append(errs, p.pull(l.SafeHigh))
		b.locks = append(b.locks, input{pin: p, high: l.SafeHigh})
	}
	b.open = make([]bool, len(b.rig.Valves)+len(b.rig.Agitators))
	return errors.Join(errs...)
}

func (b *Board) kind(chip string) string {
	for _, c := range b.rig.Chips {
		if c.ID == chip {
			return c.Kind
		}
	}
	return ""
}

// Close takes the buses away. The chips stay: a kernel's chips do not vanish either.
func (b *Board) Close() error {
	var errs []error
	for _, x := range b.buses {
		errs = append(errs, x.close())
	}
	for _, c := range b.chips {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// monotonic is the kernel's clock that edges are stamped with.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error()) // cannot fail with these arguments
	}
	return time.Duration(ts.Nano())
}

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// chip finds a gpiochip of the rig file by its label.
func (b *builder) chip(c rigfile.Chip) (gpioChip, error) {
	if g := b.gpio[c.ID]; g != nil {
		return g, nil
	}
	where := fmt.Sprintf("%s chips(%s).label", b.rf.Path, c.ID)
	if b.found == nil {
		found, err := b.opt.sys.chips()
		if err != nil {
			code := problem.CodeBadConfig
			if errors.Is(err, fs.ErrPermission) {
				code = problem.CodeNotWritable
			}
			return nil, &problem.Problem{Code: code, Where: where, What: "the GPIO chips cannot be opened: " + err.Error(), Remedy: "add the user to the group gpio"}
		}
		b.found = found
	}
	var labels []string
	var match gpioChip
	n := 0
	for _, g := range b.found {
		labels = append(labels, g.label())
		if g.label() == c.Label {
			match = g
			n++
		}
	}
	switch {
	case len(labels) == 0:
		return nil, bad(where, "this machine has no GPIO chips", "use --rig sim, or run on the board")
	case n == 0:
		slices.Sort(labels)
		return nil, bad(where, fmt.Sprintf("there is no GPIO chip with the label %q", c.Label), "use one of: "+strings.Join(slices.Compact(labels), ", "))
	case n > 1:
		return nil, bad(where, fmt.Sprintf("%d GPIO chips have the label %q", n, c.Label), "use a kernel or device tree that names them apart")
	}
	b.gpio[c.ID] = match
	return match, nil
}

// offset finds a line of a gpiochip by its number or name.
func (b *builder) offset(g gpioChip, l rigfile.Line, where string) (int, error) {
	if l.Name == "" {
		if l.Line < 0 || l.Line >= g.lines() {
			return 0, bad(where, fmt.Sprintf("%s has lines 0 to %d, not %d", g.label(), g.lines()-1, l.Line), "correct the line")
		}
		return l.Line, nil
	}
	at := -1
	var names []string
	for o := range g.lines() {
		name, _, _, err := g.line(o)
		if err != nil {
			return 0, bad(where, err.Error(), "check the chip")
		}
		if name == l.Name {
			if at >= 0 {
				return 0, bad(where, fmt.Sprintf("lines %d and %d of %s are both named %q", at, o, g.label(), l.Name), "name the line by its number")
			}
			at = o
		} else if name != "" {
			names = append(names, name)
		}
	}
	if at < 0 {
		return 0, bad(where, fmt.Sprintf("%s has no line named %q", g.label(), l.Name), "use one of: "+strings.Join(names, ", "))
	}
	return at, nil
}

// batch is the lines of one chip that go into one request.
type batch struct {
	id      string // of the chip
	chip    gpioChip
	wish    wish
	members []int // what each line is, in the caller's count
}

// batches collects lines by chip, in the order of the rig file.
type batches struct {
	b    *builder
	list []*batch
}

// add places a line; false when its chip is no gpiochip.
func (bs *batches) add(l rigfile.Line, member int, where string) (bool, error) {
	c, ok := bs.b.chipOf[l.Chip]
	if !ok {
		return false, bad(where, fmt.Sprintf("unknown chip %q", l.Chip), "add it under chips")
	}
	if c.Kind != rigfile.ChipGPIO {
		return false, nil
	}
	g, err := bs.b.chip(c)
	if err != nil {
		return false, err
	}
	o, err := bs.b.offset(g, l, where)
	if err != nil {
		return false, err
	}
	var t *batch
	for _, x := range bs.list {
		if x.id == c.ID && len(x.wish.offsets) < 64 {
			t = x
		}
	}
	if t == nil {
		t = &batch{id: c.ID, chip: g}
		bs.list = append(bs.list, t)
	}
	if !l.ActiveHigh {
		t.wish.activeLow |= 1 << len(t.wish.offsets)
	}
	t.wish.offsets = append(t.wish.offsets, o)
	t.members = append(t.members, member)
	return true, nil
}

// outputs opens valves and agitators: the group of hal.Outputs.
func (b *builder) outputs() error {
	type output struct {
		section, id string
		line        rigfile.Line
		maxOpen     time.Duration
	}
	var list []output
	for _, v := range b.rf.Valves {
		if v.Owner == b.owner {
			list = append(list, output{"outputs", v.ID, v.Line, v.MaxOpen})
		}
	}
	for _, a := range b.rf.Agitators {
		if a.Owner == b.owner {
			list = append(list, output{"agitators", a.ID, a.Line, a.MaxOpen})
		}
	}
	if len(list) > 64 {
		return bad(b.rf.Path+" outputs", fmt.Sprintf("%s has %d outputs, a group takes 64", b.owner, len(list)), "share them out")
	}
	lines := batches{b: b}
	for i, o := range list {
		where := b.where(o.section, o.id, "line")
		if o.maxOpen <= 0 {
			return bad(b.where(o.section, o.id, "max_open"), "no dead-man time", "say how long it may stay open without being renewed")
		}
		b.rig.outs.add(o.id, o.maxOpen)
		direct, err := lines.add(o.line, i, where)
		if err != nil {
			return err
		}
		if !direct {
			if err := b.onExpander(o.line, where, func(e *expander) {
				e.lines = append(e.lines, expanderLine{bit: uint8(i), line: uint8(o.line.Line)})
				e.own |= 1 << i
			}); err != nil {
				return err
			}
		}
	}
	for _, t := range lines.list {
		t.wish.output = true
		f, err := b.granted(t.chip, t.id, t.wish)
		if err != nil {
			return b.refused(t.id, err)
		}
		bits := make([]uint8, len(t.members))
		for i, m := range t.members {
			bits[i] = uint8(m)
		}
		b.sinks = append(b.sinks, newGPIOSink(f, bits))
	}
	return nil
}

// linePumps opens pumps that are driven by lines; those behind a doser or an expander are noted for chips.
func (b *builder) linePumps() error {
	lines := batches{b: b}
	for i, p := range b.rf.Pumps {
		if p.Owner != b.owner {
			continue
		}
		where := b.where("pumps", p.ID, "line")
		if p.MaxRate <= 0 {
			return bad(b.where("pumps", p.ID, "max_rate"), "no stroke rate", "give the strokes per second it can do")
		}
		direct, err := lines.add(p.Line, i, where)
		if err != nil {
			return err
		}
		if !direct {
			if err := b.chipPump(p, where); err != nil {
				return err
			}
		}
		if p.Sense == nil && b.chipOf[p.Line.Chip].Kind != rigfile.ChipDoser {
			b.rig.unsensed = append(b.rig.unsensed, p.ID)
		}
	}
	for _, t := range lines.list {
		t.wish.output = true
		f, err := b.granted(t.chip, t.id, t.wish)
		if err != nil {
			return b.refused(t.id, err)
		}
		a, err := newAlarm()
		if err != nil {
			return fmt.Errorf("open the pumps of %s: %w", b.owner, err)
		}
		b.keep(a.close)
		l := &linePumps{file: f, now: b.rig.pacer.Now, alarm: a, wait: pollAlarm}
		for n, m := range t.members {
			p := b.rf.Pumps[m]
			l.pumps = append(l.pumps, stroker{shortest: shortest(p.MaxRate)})
			b.rig.pumps[p.ID] = &linePump{l: l, i: n}
		}
		b.rig.lines = append(b.rig.lines, l)
	}
	return nil
}

func shortest(rate float64) time.Duration { return time.Duration(float64(time.Second) / rate) }

// heart opens the guard's heartbeat line.
func (b *builder) heart() error {
	h := b.rf.Heartbeat
	if h == nil || b.owner != hal.OwnerGuard {
		return nil
	}
	where := b.rf.Path + " heartbeat.line"
	lines := batches{b: b}
	direct, err := lines.add(h.Line, 0, where)
	if err != nil {
		return err
	}
	if !direct {
		return bad(where, "the heartbeat may not sit behind an I²C chip", "wire it to a gpiochip line")
	}
	t := lines.list[0]
	t.wish.output = true
	f, err := b.granted(t.chip, t.id, t.wish)
	if err != nil {
		return b.refused(t.id, err)
	}
	b.rig.heart = &heart{file: f, every: h.Every}
	return nil
}

// counters opens meters and stroke sensors: one request a chip.
func (b *builder) counters() error {
	type input struct {
		section, id string
		line        rigfile.Line
		debounce    time.Duration
		tell        func(*counter)
	}
	var list []input
	for _, m := range b.rf.Meters {
		if m.Owner == b.owner {
			m.Line.ActiveHigh = true // a meter has no polarity: rising edges are counted
			list = append(list, input{"meters", m.ID, m.Line, m.Debounce, func(c *counter) { b.rig.meters[m.ID] = c }})
		}
	}
	for _, p := range b.rf.Pumps {
		if p.Owner == b.owner && p.Sense != nil {
			list = append(list, input{"pumps", p.ID, *p.Sense, 0, func(c *counter) { b.confirm(p.ID, c) }})
		}
	}
	lines := batches{b: b}
	for i, in := range list {
		where := b.where(in.section, in.id, "line")
		direct, err := lines.add(in.line, i, where)
		if err != nil {
			return err
		}
		if !direct {
			return bad(where, "edges cannot be counted behind an I²C chip: it loses them", "wire it to a gpiochip line")
		}
	}
	for _, t := range lines.list {
		t.wish.edges, t.wish.buffer = lineRising, eventBuffer
		f, err := b.granted(t.chip, t.id, t.wish)
		if err != nil {
			return b.refused(t.id, err)
		}
		c := &counters{file: f}
		for i, m := range t.members {
			k := &counter{id: list[m].id, dead: list[m].debounce}
			list[m].tell(k)
			c.all, c.offsets = append(c.all, k), append(c.offsets, uint32(t.wish.offsets[i]))
		}
		b.rig.counters = append(b.rig.counters, c)
	}
	return nil
}

// confirm gives a pump its stroke sensor.
func (b *builder) confirm(id string, c *counter) {
	switch p := b.rig.pumps[id].(type) {
	case *linePump:
		p.sense = c
	case *expanderPump:
		p.sense = c
	}
}

// interlocks opens the safety inputs: one request a chip, both edges.
func (b *builder) interlocks() error {
	lines := batches{b: b}
	for i, l := range b.rf.Interlocks {
		if l.Owner != b.owner {
			continue
		}
		where := b.where("interlocks", l.ID, "line")
		l.Line.ActiveHigh = !l.SafeHigh // so that a set bit means tripped
		direct, err := lines.add(l.Line, i, where)
		if err != nil {
			return err
		}
		if !direct {
			return bad(where, "a safety input may not sit behind an I²C chip", "wire it to a gpiochip line")
		}
	}
	for _, t := range lines.list {
		t.wish.edges, t.wish.buffer = lineRising|lineFalling, eventBuffer
		in := &inputs{now: b.rig.pacer.Now, index: map[uint32]int{}}
		f, err := b.granted(t.chip, t.id, t.wish)
		if err != nil {
			return b.refused(t.id, err)
		}
		in.file = f
		for i, m := range t.members {
			in.ids, in.signals = append(in.ids, b.rf.Interlocks[m].ID), append(in.signals, b.rf.Interlocks[m].Signal)
			in.index[uint32(t.wish.offsets[i])] = i
			in.lines = append(in.lines, debouncer{hold: b.rf.Interlocks[m].Debounce})
		}
		in.begin()
		b.rig.bank.files = append(b.rig.bank.files, in)
	}
	return nil
}

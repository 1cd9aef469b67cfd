package linux

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
)

// inputs are the safety inputs of one owner on one chip: one request, both edges.
//
// Now reads the levels and debounces them here, by the kernel's time stamps of the edges: the kernel's own debounce counts
// in ticks of its timer without help of the hardware, so that 5 ms are up to 12 at 250 Hz. The reader thread sees edges
// besides, so that contacts that opened for a moment between two calls are known, and a trip that came and went is still
// told once. Once a read has failed, the chip stays gone until the rig is opened again: nothing clears by itself.
type inputs struct {
	file    lineFile
	ids     []string
	signals []hal.Interlocks // of each line; a set bit of the file means tripped
	now     func() time.Duration

	mu    sync.Mutex
	lines []debouncer
	blink uint64 // lines that tripped and recovered since the last Now
	err   error
	index map[uint32]int // offset → line
}

func (b *inputs) all() uint64 { return ^uint64(0) >> (64 - len(b.signals)) }

// begin takes the levels as they are: an emergency stop that is pressed when the rig opens counts at once.
func (b *inputs) begin() {
	bits, err := b.file.get(b.all())
	b.err = err
	for i := range b.lines {
		level := bits>>i&1 != 0
		b.lines[i].stable, b.lines[i].raw = level, level
	}
}

// read returns what is tripped.
func (b *inputs) read() (hal.Interlocks, error) {
	bits, err := b.file.get(b.all())
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && b.err == nil {
		b.err = err
	}
	if b.err != nil {
		return 0, b.err
	}
	t := b.now()
	var out hal.Interlocks
	for i, s := range b.signals {
		if b.lines[i].level(t, bits>>i&1 != 0) || b.blink>>i&1 != 0 {
			out |= s
		}
	}
	b.blink = 0
	return out, nil
}

func (b *inputs) handle() lineFile { return b.file }
func (b *inputs) settle()          {}

func (b *inputs) take(ev []lineEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range ev {
		n, ok := b.index[ev[i].offset]
		if !ok {
			continue
		}
		if b.lines[n].edge(time.Duration(ev[i].timestamp), ev[i].id == unix.GPIO_V2_LINE_EVENT_RISING_EDGE) {
			b.blink |= 1 << n
		}
	}
}

func (b *inputs) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = fmt.Errorf("read %v: %w", b.ids, err)
	}
}

func (b *inputs) broken() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// debouncer accepts a level when it has stood for the whole of its time.
type debouncer struct {
	hold   time.Duration
	stable bool
	raw    bool
	since  time.Duration // of raw
}

// edge is told each change the kernel saw; true when it ends a trip that stood for its time.
func (d *debouncer) edge(at time.Duration, level bool) bool {
	if at < d.since {
		return false // level has seen it already
	}
	if level != d.raw && at-d.since >= d.hold {
		d.stable = d.raw
	}
	over := d.stable && d.raw && !level
	d.raw, d.since = level, at
	return over
}

// level is the debounced level at t, the line reading raw.
func (d *debouncer) level(t time.Duration, raw bool) bool {
	if raw != d.raw {
		d.raw, d.since = raw, t
	}
	if t-d.since >= d.hold {
		d.stable = d.raw
	}
	return d.stable
}

// bank is all safety inputs of an owner.
type bank struct {
	rig   *rig
	files []*inputs
}

// Now implements hal.InterlockBank.
func (b *bank) Now() (hal.Interlocks, error) {
	if b.rig.closed.Load() {
		return 0, hal.ErrClosed
	}
	var out hal.Interlocks
	for _, f := range b.files {
		bits, err := f.read()
		if err != nil {
			return 0, err
		}
		out |= bits
	}
	return out, nil
}

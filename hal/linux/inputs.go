package linux

import (
	"fmt"
	"sync"
	"time"

	"fountain/hal"
)

// inputs are the safety inputs of one owner on one chip: one request, both edges, debounced by the kernel. Where the kernel
// refuses to, soft debounces here.
//
// Now reads the levels. The reader thread sees the edges besides, so that a trip that came and went between two calls of Now
// is still told once. Once a read has failed, the chip stays gone until the rig is opened again: nothing clears by itself.
type inputs struct {
	file    lineFile
	ids     []string
	signals []hal.Interlocks // of each line; a set bit of the file means tripped
	soft    []debouncer      // empty: the kernel debounces
	now     func() time.Duration

	mu    sync.Mutex
	blink uint64 // lines that tripped since the last Now
	err   error
	index map[uint32]int // offset → line
}

func (b *inputs) all() uint64 { return ^uint64(0) >> (64 - len(b.signals)) }

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
	if len(b.soft) > 0 {
		t := b.now()
		for i := range b.soft {
			if b.soft[i].level(t, bits&(1<<i) != 0) {
				bits |= 1 << i
			} else {
				bits &^= 1 << i
			}
		}
	}
	bits |= b.blink
	b.blink = 0
	var out hal.Interlocks
	for i, s := range b.signals {
		if bits&(1<<i) != 0 {
			out |= s
		}
	}
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
		rising := ev[i].id == 1 // GPIO_V2_LINE_EVENT_RISING_EDGE, of the logical value
		if len(b.soft) > 0 {
			b.soft[n].edge(time.Duration(ev[i].timestamp), rising)
		} else if rising {
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

// edge is told each change the kernel saw.
func (d *debouncer) edge(at time.Duration, level bool) {
	if at >= d.since {
		d.raw, d.since = level, at
	}
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

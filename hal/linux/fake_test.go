package linux

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"fountain/hal/chips/chipmodel"
)

// fakeKernel is chips whose lines the test sees and drives. Events travel through real descriptors, so that the reader
// thread is the real one.
type fakeKernel struct {
	model string // of the board
	mu    sync.Mutex
	chips []*fakeChip
	buses map[int]*chipmodel.Bus
	held  map[string]bool
	clock Pacer
}

func newFakeKernel(labels ...string) *fakeKernel {
	k := &fakeKernel{buses: map[int]*chipmodel.Bus{}, held: map[string]bool{}, clock: NewPacer()}
	for _, l := range labels {
		k.chips = append(k.chips, &fakeChip{k: k, lab: l, names: map[int]string{}, owner: map[int]*fakeFile{}, level: map[int]bool{}})
	}
	return k
}

func (k *fakeKernel) system() system {
	return system{
		model: func() string { return k.model },
		chips: func() ([]gpioChip, error) {
			var out []gpioChip
			for _, c := range k.chips {
				out = append(out, c)
			}
			return out, nil
		},
		bus: func(n int) (i2c.BusCloser, error) {
			if k.buses[n] == nil {
				return OpenI2C(253) // the real message for a bus that is not there
			}
			return modelBus{k.buses[n]}, nil
		},
		hold: func(name string) (io.Closer, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.held[name] {
				return nil, &net.OpError{Op: "listen", Err: unix.EADDRINUSE}
			}
			k.held[name] = true
			return closer(func() { k.held[name] = false }), nil
		},
	}
}

func withSystem(s system) Option { return func(o *options) { o.sys = s } }

type closer func()

func (c closer) Close() error { c(); return nil }

// modelBus makes the models' bus one of periph's.
type modelBus struct{ *chipmodel.Bus }

func (modelBus) String() string                  { return "models" }
func (modelBus) SetSpeed(physic.Frequency) error { return nil }
func (modelBus) Close() error                    { return nil }

type fakeChip struct {
	k     *fakeKernel
	lab   string
	names map[int]string
	owner map[int]*fakeFile
	level map[int]bool // electrical, of inputs and outputs
	log   []change     // of outputs
	wants []wish
}

type change struct {
	line  int
	level bool
	at    time.Duration // on the Pacer's clock
}

func (c *fakeChip) label() string { return c.lab }
func (c *fakeChip) lines() int    { return 32 }
func (c *fakeChip) close()        {}

func (c *fakeChip) line(o int) (string, string, bool, error) {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	if f := c.owner[o]; f != nil {
		return c.names[o], f.w.consumer, true, nil
	}
	return c.names[o], "", false, nil
}

func (c *fakeChip) request(w wish) (lineFile, error) {
	if _, err := w.request(); err != nil {
		return nil, err
	}
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	c.wants = append(c.wants, w)
	for _, o := range w.offsets {
		if c.owner[o] != nil {
			return nil, unix.EBUSY
		}
	}
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &fakeFile{requestFD: requestFD(p[0]), chip: c, w: w, peer: p[1], lineSeq: make([]uint32, len(w.offsets))}
	now := c.k.clock.Now()
	for i, o := range w.offsets {
		c.owner[o] = f
		if w.output {
			c.drive(f, i, w.initial>>i&1 != 0, now)
		}
	}
	return f, nil
}

// drive sets an output; k.mu is held.
func (c *fakeChip) drive(f *fakeFile, i int, logical bool, now time.Duration) {
	o := f.w.offsets[i]
	level := logical != (f.w.activeLow>>i&1 != 0)
	if old, known := c.level[o]; !known || old != level {
		c.log = append(c.log, change{o, level, now})
	}
	c.level[o] = level
}

func (c *fakeChip) out(o int) bool {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	return c.level[o]
}

// in drives an input from outside; edges that were asked for become events.
func (c *fakeChip) in(o int, level bool) {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	if c.level[o] == level {
		return
	}
	c.level[o] = level
	if f := c.owner[o]; f != nil {
		f.edge(o, level)
	}
}

// unplug takes the chip away: every call fails, pollers are told.
func (c *fakeChip) unplug() {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	for _, f := range c.owner {
		if f != nil && !f.gone {
			f.gone = true
			_ = unix.Shutdown(f.peer, unix.SHUT_RDWR)
		}
	}
}

type fakeFile struct {
	requestFD
	chip    *fakeChip
	w       wish
	peer    int
	seq     uint32
	lineSeq []uint32
	gone    bool
	closed  bool
}

func (f *fakeFile) edge(o int, level bool) {
	for i, x := range f.w.offsets {
		logical := level != (f.w.activeLow>>i&1 != 0)
		id, want := uint32(unix.GPIO_V2_LINE_EVENT_FALLING_EDGE), uint64(lineFalling)
		if logical {
			id, want = unix.GPIO_V2_LINE_EVENT_RISING_EDGE, lineRising
		}
		if x != o || f.w.edges&want == 0 {
			continue
		}
		now, _ := monotonic()
		f.seq++
		f.lineSeq[i]++
		e := lineEvent{timestamp: uint64(now), id: id, offset: uint32(o), seqno: f.seq, lineSeqno: f.lineSeq[i]}
		_, _ = unix.Write(f.peer, unsafe.Slice((*byte)(unsafe.Pointer(&e)), unsafe.Sizeof(e)))
	}
}

func (f *fakeFile) set(mask, bits uint64) error {
	f.chip.k.mu.Lock()
	defer f.chip.k.mu.Unlock()
	if f.gone || f.closed {
		return gone(unix.ENODEV)
	}
	now := f.chip.k.clock.Now()
	for i := range f.w.offsets {
		if mask>>i&1 != 0 {
			f.chip.drive(f, i, bits>>i&1 != 0, now)
		}
	}
	return nil
}

func (f *fakeFile) get(mask uint64) (bits uint64, err error) {
	f.chip.k.mu.Lock()
	defer f.chip.k.mu.Unlock()
	if f.gone || f.closed {
		return 0, gone(unix.ENODEV)
	}
	for i, o := range f.w.offsets {
		if f.chip.level[o] != (f.w.activeLow>>i&1 != 0) {
			bits |= 1 << i
		}
	}
	return bits & mask, nil
}

func (f *fakeFile) read(ev []lineEvent) (int, error) {
	n, err := f.requestFD.read(ev[:1])
	f.chip.k.mu.Lock()
	defer f.chip.k.mu.Unlock()
	if f.gone {
		return 0, gone(unix.ENODEV)
	}
	return n, err
}

func (f *fakeFile) close() error {
	f.chip.k.mu.Lock()
	defer f.chip.k.mu.Unlock()
	if !f.closed {
		f.closed = true
		for _, o := range f.w.offsets {
			f.chip.owner[o] = nil
		}
		_ = unix.Close(f.peer)
		return f.requestFD.close()
	}
	panic("a descriptor is closed twice")
}

// waitFor polls for what another thread does; the limit is generous because hosts stall.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

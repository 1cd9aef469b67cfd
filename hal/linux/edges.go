package linux

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
)

// eventBuffer is what the kernel keeps for us per request: at 180 pulses/s a reader may be away for 5.7 s. Its default of 16
// a line would lose pulses after 89 ms, and without a word.
const eventBuffer = 1024

// runs is how long after its last pulse a meter counts as running: 4 pulses/s, slower than any meter turns in a pour.
const runs = 250 * time.Millisecond

// counter is one input whose edges are counted: a meter or a stroke sensor.
type counter struct {
	id   string
	dead time.Duration // edges so soon after a counted one are bounces of its contact
	mu   sync.Mutex    // held for a few loads and stores by the reader and whoever asks
	c    hal.Count

	lineSeq uint32 // of the newest event; owned by the reader
}

// Count implements hal.FlowMeter.
func (m *counter) Count() hal.Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.c
}

// pulse counts an edge, and edges before it that were lost. The kernel's own debounce is not used: without help of the
// hardware it waits for whole ticks of its timer (4 ms and more at 250 Hz) and swallows real pulses; time stamps are exact.
func (m *counter) pulse(at time.Duration, lost uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lost == 0 && m.c.Last > 0 && at-m.c.Last < m.dead {
		return
	}
	if m.c.Last > 0 && at > m.c.Last {
		m.c.Period = (at - m.c.Last) / time.Duration(lost+1)
	}
	m.c.Pulses += 1 + uint64(lost)
	m.c.Lost += uint64(lost)
	m.c.Last = at
}

// missed adds pulses that are known to have come, but not when.
func (m *counter) missed(n uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.c.Pulses += uint64(n)
	m.c.Lost += uint64(n)
}

// counters are the inputs of one request, in its order, and the account of what the kernel lost of it.
//
// The kernel numbers events twice. seqno counts the interrupts of the request; line_seqno counts what was queued of a line.
//   - A gap in line_seqno: the buffer was full and the oldest events of that line were dropped. They are pulses of that
//     line, counted as Lost and added to Pulses at once.
//   - A gap in seqno that no line_seqno explains within runs: two edges became one between the interrupt and its thread.
//     Whose they were is not written down. If just one counter of the request ran around then, they were its, and are
//     counted as Lost and added to Pulses. Otherwise nobody's count changes and low grows: the counts are low by that
//     much together, which Health tells.
//
// A line may explain a gap long after (it stood still meanwhile): low shrinks again, or, had the pulse been given to the
// only runner, high grows. A request of one line numbers both alike, and coalesced edges cannot be seen; that is why all
// counters of a chip share one.
type counters struct {
	file    lineFile
	offsets []uint32
	all     []*counter

	// owned by the reader
	seq     uint32        // newest seqno
	pending uint32        // gap of seqno that no line has explained yet
	since   time.Duration // when it came up
	dropAt  time.Duration // when a line last had a gap of its own

	low, high atomic.Uint64 // pulses the counts lack, or have too many, all lines together
	failed    atomic.Bool
}

// take accounts for a batch of events, in the kernel's order.
func (c *counters) take(ev []lineEvent) {
	for i := range ev {
		c.event(&ev[i])
	}
}

func (c *counters) event(e *lineEvent) {
	at := time.Duration(e.timestamp)
	m := c.find(e.offset)
	if m == nil {
		return // not a line of ours: cannot be
	}
	if c.pending > 0 && at-c.since > runs {
		c.settle()
	}
	lost := e.lineSeqno - m.lineSeq - 1
	gap := e.seqno - c.seq - 1
	if len(c.all) == 1 {
		gap = lost // the same number twice
	}
	m.lineSeq, c.seq = e.lineSeqno, e.seqno
	if gap > 0 && c.pending == 0 {
		c.since = at
	}
	c.pending += gap
	if lost > 0 {
		c.dropAt = at
		c.explain(lost)
	}
	m.pulse(at, lost)
}

// explain takes pulses that turned out to be a line's from what nobody could place.
func (c *counters) explain(lost uint32) {
	now := min(lost, c.pending)
	c.pending -= now
	if late := uint64(lost - now); late > 0 {
		known := min(late, c.low.Load())
		c.low.Store(c.low.Load() - known) // the reader is the only writer
		c.high.Add(late - known)
	}
}

func (c *counters) find(offset uint32) *counter {
	for i, o := range c.offsets {
		if o == offset {
			return c.all[i]
		}
	}
	return nil
}

// settle gives up waiting for an explanation: runs has passed, or nothing came for as long.
func (c *counters) settle() {
	if c.pending == 0 {
		return
	}
	var runner *counter
	running := 0
	for _, m := range c.all {
		if m.c.Last > 0 && m.c.Last >= c.since-runs { // the reader is the only writer of m.c
			runner = m
			running++
		}
	}
	full := c.dropAt > 0 && c.dropAt >= c.since-runs // the buffer was: any line may have lost some
	if running == 1 && !full {
		runner.missed(c.pending)
	} else {
		c.low.Add(uint64(c.pending))
	}
	c.pending = 0
}

// watcher is a file whose events the reader thread takes.
type watcher interface {
	handle() lineFile
	take(ev []lineEvent)
	settle()
	fail(error)
}

func (c *counters) handle() lineFile { return c.file }
func (c *counters) fail(error)       { c.failed.Store(true) }

// alarm wakes a thread that waits in poll.
type alarm int

func newAlarm() (alarm, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	return alarm(fd), err
}

var one = binary.NativeEndian.AppendUint64(nil, 1)

func (a alarm) ring() { _, _ = unix.Write(int(a), one) } // full means that it rings already

func (a alarm) quiet() {
	var b [8]byte
	_, _ = unix.Read(int(a), b[:]) // empty means that it did not ring
}

func (a alarm) close() error { return unix.Close(int(a)) }

// readEdges takes the events of all watchers until stop rings. It owns its thread: between the kernel's queue and the
// counters there is only this loop. A watcher whose chip is gone is told and left out.
func readEdges(stop alarm, watchers []watcher) {
	fds := make([]unix.PollFd, 0, len(watchers)+1)
	fds = append(fds, unix.PollFd{Fd: int32(stop), Events: unix.POLLIN})
	for _, w := range watchers {
		fds = append(fds, unix.PollFd{Fd: int32(w.handle().fd()), Events: unix.POLLIN})
	}
	buf := make([]lineEvent, 256)
	for {
		n, err := unix.Poll(fds, int(runs/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || fds[0].Revents != 0 {
			return
		}
		for i, w := range watchers {
			p := &fds[i+1]
			switch {
			case n == 0:
				w.settle()
			case p.Revents&unix.POLLIN != 0:
				if err := drain(w, buf); err != nil {
					w.fail(err)
					p.Fd = -1 // poll passes over it
				}
			case p.Revents != 0:
				w.fail(hal.ErrGone)
				p.Fd = -1
			}
		}
	}
}

func drain(w watcher, buf []lineEvent) error {
	for {
		n, err := w.handle().read(buf)
		if err != nil {
			return err
		}
		w.take(buf[:n])
		if n < len(buf) {
			return nil
		}
	}
}

//go:build linux

package lines

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run steps the plant every millisecond until ctx ends, on a locked thread. It returns what broke.
//
// Two things a real-time thread of a Go program must not do on few processors: be SCHED_FIFO while the collector runs, and
// sleep by an ordinary system call. Since Go 1.26 the runtime's monitor takes back what a thread in a system call holds
// by marking its goroutine; a thread that wakes just then and displaces the monitor spins until the kernel takes mercy,
// 280 ms later. Hence a nice thread, and a raw system call.
func (b *Board) Run(ctx context.Context) error {
	runtime.LockOSThread() // never unlocked: the thread ends with its goroutine, and its priority with it
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20); err != nil && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("take priority: %w", err)
	}
	last := monotonic()
	next := last
	for ctx.Err() == nil {
		next += period
		sleepUntil(next)
		now := monotonic()
		b.mu.Lock()
		b.late = max(b.late, now-last)
		err := b.tick(now)
		b.mu.Unlock()
		if err != nil {
			return err
		}
		last = now
		if now > next+100*period {
			next = now // after a stall time is not caught up
		}
	}
	return nil
}

// sleepUntil sleeps without telling Go's scheduler; at most a period.
func sleepUntil(at time.Duration) {
	ts := unix.NsecToTimespec(int64(at))
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if e != unix.EINTR {
			return
		}
	}
}

// tick looks at every output, steps the physics and moves every input.
func (b *Board) tick(now time.Duration) error {
	b.ticks++
	for i := range b.outputs {
		if err := b.look(i, now); err != nil {
			return fmt.Errorf("look at %s: %w", b.outputs[i].id, err)
		}
	}
	if err := b.tickChips(); err != nil {
		return err
	}
	for i := range b.outputs {
		if v := b.outputs[i].valve; v >= 0 {
			b.open[v] = b.outputs[i].open
		}
	}
	b.wires.Tick(b.open, &b.seen)
	for i := range b.meters {
		if err := b.meters[i].tick(b.seen.Pulses[i], now); err != nil {
			return fmt.Errorf("pulse %s: %w", b.rig.Meters[i].ID, err)
		}
	}
	for i := range b.locks {
		l := &b.locks[i]
		if want := b.rig.Interlocks[i].SafeHigh != b.seen.Tripped[i]; want != l.high {
			l.high = want
			if err := l.pin.pull(want); err != nil {
				return fmt.Errorf("move %s: %w", b.rig.Interlocks[i].ID, err)
			}
		}
	}
	for i := range b.senses {
		s := &b.senses[i]
		if idle := s.pin != nil && !b.rig.Pumps[i].Sense.ActiveHigh; s.pin != nil && s.high != idle && b.ticks%2 == 0 {
			s.high = idle // the stroke sensor's pulse ends
			if err := s.pin.pull(idle); err != nil {
				return err
			}
		}
	}
	if b.ticks%50 == 0 {
		return b.writeSensors()
	}
	return nil
}

// look reads the line of output i and carries out what its edge means.
func (b *Board) look(i int, now time.Duration) error {
	o := &b.outputs[i]
	high, err := o.pin.high()
	if err != nil {
		return err
	}
	if i == b.beat {
		if high != b.beatOld {
			b.beatOld = high
			b.wires.Beat()
		}
		return nil
	}
	open := high != o.activeLow
	if open == o.open {
		return nil
	}
	o.open, o.changed = open, now
	if o.resets != nil {
		o.resets.hold(open)
	}
	if !open {
		return nil
	}
	o.switched++
	if o.pump < 0 {
		return nil
	}
	if full := b.wires.Stroke(o.pump); full && b.senses[o.pump].pin != nil {
		s := &b.senses[o.pump]
		s.high = b.rig.Pumps[o.pump].Sense.ActiveHigh
		return s.pin.pull(s.high)
	}
	return nil
}

// tick sends what the wheel has turned since. A pulse rises, which is the edge that counts, and falls after half a period,
// as a turbine's sensor does. Pulses are at least a step apart, also when the plant was late; only a burst is not.
func (m *meterLine) tick(turned uint64, now time.Duration) error {
	if turned > m.turned {
		m.queue += turned - m.turned
		m.turned = turned
	}
	for m.extra > 0 && now >= m.next {
		m.extra--
		m.next += m.every
		m.queue++
	}
	if m.high && (m.queue > 0 || now >= m.ends) {
		if err := m.set(false); err != nil {
			return err
		}
	}
	if m.queue == 0 {
		return nil
	}
	m.queue--
	m.ends = now + min(max(now-m.last, period), longest)/2
	m.last = now
	return m.rise()
}

func (m *meterLine) rise() error {
	m.sent++
	return m.set(true)
}

// burst sends n pulses as fast as the line takes them: interference, not water.
func (m *meterLine) burst(n int) error {
	for range n {
		if err := m.set(false); err != nil {
			return err
		}
		if err := m.rise(); err != nil {
			return err
		}
	}
	m.last = monotonic()
	m.ends = m.last
	return nil
}

func (m *meterLine) set(high bool) error {
	m.high = high
	return m.pin.pull(high)
}

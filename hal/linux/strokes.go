package linux

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
)

// stroker turns queued strokes into the pulses of one line: high for half of the pump's shortest period, then low until the
// next stroke is allowed. It is pure; whoever drives the line calls step at the times it asks for.
type stroker struct {
	shortest time.Duration // 1/max_rate

	left  uint64
	every time.Duration // between two starts
	high  bool
	next  time.Duration // of the next change; the earliest start when low
	given uint64        // strokes completed
}

// dose queues strokes.
func (s *stroker) dose(now time.Duration, strokes int, every time.Duration) {
	if s.left == 0 && !s.high {
		s.next = max(s.next, now)
	}
	s.left += uint64(strokes)
	s.every = max(every, s.shortest)
}

// step returns the level at now, and when it has to be asked again; ok is false when nothing is due any more.
func (s *stroker) step(now time.Duration) (level bool, next time.Duration, ok bool) {
	if (s.high || s.left > 0) && now >= s.next {
		if s.high {
			s.high = false
			s.given++
			s.next = max(s.next, now) + s.every - s.shortest/2 // from when the line really fell: never two pulses too close
		} else {
			s.high = true
			s.left--
			s.next = now + s.shortest/2
		}
	}
	return s.high, s.next, s.high || s.left > 0
}

// linePumps are the pumps of one owner on the lines of one chip, driven by a thread of their own.
type linePumps struct {
	file  lineFile
	now   func() time.Duration
	alarm alarm
	wait  func(a alarm, d time.Duration) // until the alarm rings or d has passed

	mu     sync.Mutex
	pumps  []stroker
	levels uint64
	err    error
	ended  bool
	wg     sync.WaitGroup
}

func (l *linePumps) start(prio int) {
	l.wg.Go(func() {
		restore := quietRealtime(prio)
		defer restore()
		l.run()
	})
}

// quietRealtime tries for priority and does without: who opened the rig was told already (see Open).
func quietRealtime(prio int) func() {
	if prio == 0 {
		runtime.LockOSThread()
		return runtime.UnlockOSThread
	}
	restore, _ := Realtime(prio)
	return restore
}

func (l *linePumps) run() {
	for {
		d, ok := l.step()
		if !ok {
			return
		}
		l.wait(l.alarm, d)
	}
}

// step makes the changes that are due with one write and returns how long nothing is.
func (l *linePumps) step() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0, false
	}
	now := l.now()
	levels, first := uint64(0), now+time.Hour
	for i := range l.pumps {
		level, next, ok := l.pumps[i].step(now)
		if level {
			levels |= 1 << i
		}
		if ok {
			first = min(first, next)
		}
	}
	if change := levels ^ l.levels; change != 0 {
		if err := l.file.set(change, levels); err != nil {
			l.err = err
			l.drop()
			for i := range l.pumps {
				l.pumps[i].high = false
			}
			l.levels |= change // whatever took it may be high now: it is driven low until that works
			return deadManRetry, true
		}
		l.levels = levels
	}
	return max(0, first-now), true
}

// drop forgets what is queued; a stroke under way completes.
func (l *linePumps) drop() {
	for i := range l.pumps {
		l.pumps[i].left = 0
	}
}

// safe stops all pumps: nothing more starts, a line that is high falls when its stroke is over.
func (l *linePumps) safe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}

// close ends the thread with all lines low, unless abandoned.
func (l *linePumps) close(abandon bool) error {
	l.mu.Lock()
	l.drop()
	l.ended = true
	var err error
	if !abandon {
		err = l.file.set(^uint64(0)>>(64-len(l.pumps)), 0)
	}
	l.mu.Unlock()
	l.alarm.ring()
	l.wg.Wait()
	return err // file and alarm are released with the rig's others
}

// pollAlarm waits with the kernel's high resolution timer.
func pollAlarm(a alarm, d time.Duration) {
	fds := []unix.PollFd{{Fd: int32(a), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(int64(d))
	if n, err := unix.Ppoll(fds, &ts, nil); n > 0 && err == nil {
		a.quiet()
	}
}

// linePump is one of linePumps as hal.Pump.
type linePump struct {
	l     *linePumps
	i     int
	sense *counter // nil: strokes are not confirmed
}

var _ hal.Pump = (*linePump)(nil)

// Dose implements hal.Pump.
func (p *linePump) Dose(strokes int, every time.Duration) error {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	switch {
	case p.l.ended:
		return hal.ErrClosed
	case p.l.err != nil:
		return p.l.err
	case strokes <= 0:
		return nil
	}
	p.l.pumps[p.i].dose(p.l.now(), strokes, every)
	p.l.alarm.ring()
	return nil
}

// Delivered implements hal.Pump.
func (p *linePump) Delivered() uint64 {
	if p.sense != nil {
		return p.sense.Count().Pulses
	}
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	return p.l.pumps[p.i].given
}

// Stop implements hal.Pump.
func (p *linePump) Stop() error {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.l.pumps[p.i].left = 0
	return p.l.err
}

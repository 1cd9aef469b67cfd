package linux

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fountain/hal"
	"fountain/internal/problem"
)

// Pacer is the real control loop's clock: CLOCK_MONOTONIC, the clock of the kernel's edge time stamps. SleepUntil is
// clock_nanosleep with an absolute time; it is as exact as the thread is undisturbed, so the loop calls Realtime first.
// Safe for use by several goroutines.
type Pacer struct {
	base  time.Time     // with Go's monotonic reading, which is CLOCK_MONOTONIC read without a system call
	start time.Duration // CLOCK_MONOTONIC at base
	raw   bool          // there are processors to spare for a raw sleep
}

var _ hal.Pacer = Pacer{}

// NewPacer reads the clock once, so that Now needs no system call after.
func NewPacer() Pacer {
	best := time.Duration(1 << 62)
	var p Pacer
	for range 8 { // the tightest of a few readings: a preempted one is off by as much
		a, err := monotonic()
		b := time.Now()
		c, err2 := monotonic()
		if err != nil || err2 != nil {
			panic("CLOCK_MONOTONIC cannot be read") // exists on every Linux
		}
		if c-a < best {
			best, p = c-a, Pacer{base: b, start: a + (c-a)/2, raw: runtime.GOMAXPROCS(0) > 1}
		}
	}
	return p
}

func monotonic() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// Now implements hal.Pacer.
func (p Pacer) Now() time.Duration { return p.start + time.Since(p.base) }

// piece is the longest raw sleep: what a stop of the world may have to wait for it.
const piece = 5 * time.Millisecond

// SleepUntil implements hal.Pacer: it never returns before t.
//
// It sleeps in pieces by a raw system call, which Go's scheduler does not know of. With an ordinary one Go's monitor takes
// back what the sleeping thread holds by marking its goroutine (since Go 1.26); a thread of real-time priority that wakes
// just then and displaces the monitor waits for it by spinning: in the emulator, with two processors, that held up the
// control loop for 300 to 500 ms in every third pour. A process with one processor's worth of goroutines cannot spare
// what a raw sleep keeps, and has no priority either: it sleeps the ordinary way.
func (p Pacer) SleepUntil(t time.Duration) {
	for now := p.Now(); t > now; now = p.Now() {
		if !p.raw {
			ts := unix.NsecToTimespec(int64(t))
			if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
				time.Sleep(t - p.Now()) // a kernel without it: the next best
			}
			continue // Now is up to a microsecond behind the kernel's clock (see NewPacer): then the loop asks again
		}
		ts := unix.NsecToTimespec(int64(min(t, now+piece)))
		_, _, e := syscall.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if e != 0 && e != unix.EINTR { // EINTR: the runtime's own preemption signal
			time.Sleep(t - p.Now())
		}
	}
}

// Realtime locks the calling goroutine to its thread and gives the thread SCHED_FIFO with prio (1 to 99). restore undoes
// both and is never nil. When the kernel refuses, the thread stays locked with its ordinary priority and err, a
// *problem.Problem, says what to allow; the caller logs it once. Threads made from this one do not inherit the priority.
//
// On a machine with a single processor the thread keeps its ordinary priority and err says so. A thread that returns from a
// system call may have to wait for Go's own monitor thread, which is ordinary, and waits by spinning: with priority over it
// on the only processor it would keep the monitor from running, for as long as the kernel lets it (280 ms were seen).
func Realtime(prio int) (restore func(), err error) {
	runtime.LockOSThread()
	if err := enough(runtime.NumCPU()); err != nil {
		return runtime.UnlockOSThread, err
	}
	attr := unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: uint32(prio),
		Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return runtime.UnlockOSThread, &problem.Problem{
			Code: problem.CodeForbidden, Where: fmt.Sprintf("SCHED_FIFO %d", prio),
			What:   "the kernel refuses real-time priority: " + err.Error(),
			Remedy: fmt.Sprintf("allow it in the service unit (LimitRTPRIO=%d or AmbientCapabilities=CAP_SYS_NICE); without it valves act up to some ms late on a busy machine", prio),
		}
	}
	return func() {
		// The flag stays: only a privileged thread may take it back, and an ordinary one has nothing to hand down.
		back := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
		_ = unix.SchedSetAttr(0, &back, 0) // lowering is always allowed
		runtime.UnlockOSThread()
	}, nil
}

// enough says whether there are processors enough for priorities.
func enough(processors int) error {
	if processors > 1 {
		return nil
	}
	return &problem.Problem{
		Code: problem.CodeForbidden, Where: "SCHED_FIFO", What: "a machine with a single processor gets no real-time priority: Go's runtime would wait for itself",
		Remedy: "use a board with two processors or more where valves must be exact to the millisecond",
	}
}

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/internal/problem"
)

// Watchdog is the kernel's watchdog device, running from OpenWatchdog on: without Feed for Timeout the machine resets.
// Closing it does not stop it; Disarm does. Safe for use by several goroutines.
type Watchdog struct {
	mu      sync.Mutex
	dev     watchdogDevice
	path    string
	timeout time.Duration
	closed  bool
}

// watchdogDevice is what Watchdog asks of the kernel.
type watchdogDevice interface {
	write(b []byte) error
	setTimeout(seconds int) error
	getTimeout() (int, error)
	close() error
}

var (
	feedByte = []byte{0}
	magic    = []byte{'V'} // "magic close": the driver stops the timer when the file is closed after it
)

// OpenWatchdog opens the device (/dev/watchdog0), which starts it, and sets its timeout, rounded up to whole seconds; the
// driver may choose another one (Timeout says which). Errors are *problem.Problem: CodeBadConfig when there is none or its
// timeout cannot be set, CodeNotWritable without permission, CodeBusy when another process holds it.
func OpenWatchdog(path string, timeout time.Duration) (*Watchdog, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, watchdogProblem(path, err)
	}
	return newWatchdog(watchdogFD(fd), path, timeout)
}

func watchdogProblem(path string, err error) error {
	p := &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "the watchdog cannot be opened: " + err.Error(), Remedy: "check board.watchdog in the rig file and the driver"}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		p.What, p.Remedy = "there is no such watchdog", "enable it (dtparam=watchdog=on, or modprobe its driver) or correct board.watchdog in the rig file"
	case errors.Is(err, fs.ErrPermission):
		p.Code, p.What, p.Remedy = problem.CodeNotWritable, "this user may not use the watchdog", "give the guard's user write access to the device"
	case errors.Is(err, unix.EBUSY):
		p.Code, p.What, p.Remedy, p.Retry = problem.CodeBusy, "another process holds the watchdog", "set RuntimeWatchdogSec=0 for systemd, or name another device", true
	}
	return p
}

func newWatchdog(dev watchdogDevice, path string, timeout time.Duration) (*Watchdog, error) {
	w := &Watchdog{dev: dev, path: path}
	seconds := int((timeout + time.Second - 1) / time.Second)
	err := dev.setTimeout(seconds)
	if err == nil {
		var got int
		if got, err = dev.getTimeout(); err == nil {
			w.timeout = time.Duration(got) * time.Second
			return w, nil
		}
	}
	if derr := w.Disarm(); derr != nil { // what was started for nothing must not reset the machine
		err = fmt.Errorf("%w; and it cannot be stopped: %w", err, derr)
	}
	return nil, &problem.Problem{
		Code: problem.CodeBadConfig, Where: path, What: fmt.Sprintf("the watchdog does not take a timeout of %d s: %v", seconds, err),
		Remedy: "choose a timeout its driver supports",
	}
}

// Feed restarts the time. It does not allocate.
func (w *Watchdog) Feed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return unix.EBADF
	}
	return w.dev.write(feedByte)
}

// Timeout is what the driver runs with.
func (w *Watchdog) Timeout() time.Duration { return w.timeout }

// Close leaves the watchdog running: unless someone opens and feeds it again, the machine resets after Timeout. That is
// what a guard does that ends unasked.
func (w *Watchdog) Close() error { return w.end(false) }

// Disarm stops the watchdog and closes it, for an orderly stop of the guard. A driver built with nowayout runs on.
func (w *Watchdog) Disarm() error { return w.end(true) }

func (w *Watchdog) end(disarm bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	var err error
	if disarm {
		if err = w.dev.write(magic); err != nil {
			err = fmt.Errorf("disarm %s: %w", w.path, err)
		}
	}
	return errors.Join(err, w.dev.close())
}

type watchdogFD int

func (fd watchdogFD) write(b []byte) error { _, err := unix.Write(int(fd), b); return err }

func (fd watchdogFD) setTimeout(s int) error {
	return unix.IoctlSetPointerInt(int(fd), unix.WDIOC_SETTIMEOUT, s)
}

func (fd watchdogFD) getTimeout() (int, error) {
	return unix.IoctlGetInt(int(fd), unix.WDIOC_GETTIMEOUT)
}

func (fd watchdogFD) close() error { return unix.Close(int(fd)) }

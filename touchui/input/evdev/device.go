//go:build linux

package evdev

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fountain/touchui/input"
)

// recordSize is the kernel's struct input_event here: two longs, two 16-bit and one 32-bit number.
const recordSize = 2*int(unsafe.Sizeof(uintptr(0))) + 8

const (
	ioRead     = 2
	ioWrite    = 1
	propPoint  = 0 // INPUT_PROP_POINTER: a touchpad moves a pointer
	propDirect = 1 // INPUT_PROP_DIRECT: a touch screen
)

// evIoctl is an ioctl number of include/uapi/linux/input.h.
func evIoctl(dir, nr, size uintptr) uint { return uint(dir<<30 | size<<16 | 'E'<<8 | nr) }

var (
	ioClock = evIoctl(ioWrite, 0xa0, 4)
	ioGrab  = evIoctl(ioWrite, 0x90, 4)
)

func ioctl(fd int, req uint, p unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p)); e != 0 {
		return e
	}
	return nil
}

// absInfo is the kernel's struct input_absinfo.
type absInfo struct{ value, minimum, maximum, fuzz, flat, resolution int32 }

// bits is a bit map as the kernel fills it.
type bits []byte

func (b bits) has(n int) bool { return n/8 < len(b) && b[n/8]&(1<<(n%8)) != 0 }

// device is one open /dev/input/eventN.
type device struct {
	fd         int
	path, name string
	slots      int  // 0 without slots
	keys       bool // has keys of ours
	dec        decoder
}

// errUseless is what open returns for a device without touches and keys of ours.
var errUseless = errors.New("no touch screen and no keypad")

// openDevice asks a device what it is and takes it for us alone.
func openDevice(path string, cfg *Config) (*device, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	d := &device{fd: fd, path: path}
	if err := d.probe(cfg); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return d, nil
}

func (d *device) probe(cfg *Config) error {
	events, abs, keys, props := d.ask(0x20, 4), d.ask(0x20+evAbs, 8), d.ask(0x20+evKey, 96), d.props()
	d.name = strings.TrimRight(string(d.askRaw(0x06, 128)), "\x00")
	d.dec = decoder{record: recordSize, clock: sinceBoot()}
	touchpad := props.has(propPoint) && !props.has(propDirect)
	var x, y axis
	switch {
	case !events.has(evAbs) || touchpad:
	case abs.has(absMTSlot) && abs.has(absMTX) && abs.has(absMTY):
		d.dec.multi = true
		x, y = d.axis(absMTX), d.axis(absMTY)
		d.slots = min(int(d.axis(absMTSlot).max)+1, maxSlots)
	case abs.has(absX) && abs.has(absY) && keys.has(btnTouch):
		d.dec.button, x, y = btnTouch, d.axis(absX), d.axis(absY)
	case abs.has(absX) && abs.has(absY) && keys.has(btnLeft): // a tablet, as emulators have
		d.dec.button, x, y = btnLeft, d.axis(absX), d.axis(absY)
	}
	d.keys = hasKeys(keys)
	if !d.touches() && !d.keys {
		return fmt.Errorf("%s (%s): %w", d.path, d.name, errUseless)
	}
	d.dec.place = placer(x, y, cfg.Calibration, cfg.Width, cfg.Height)
	clock := int32(unix.CLOCK_MONOTONIC)
	if err := ioctl(d.fd, ioClock, unsafe.Pointer(&clock)); err != nil {
		d.dec.clock = func(int64, int64) time.Time { return time.Now() }
	}
	if !cfg.Share {
		if err := unix.IoctlSetInt(d.fd, ioGrab, 1); err != nil {
			return fmt.Errorf("%s (%s): another program holds it: %w", d.path, d.name, err)
		}
	}
	d.resync()
	return nil
}

// gone tells that the device is gone: what it held, and what was begun with it and goes on by itself.
func (d *device) gone(at time.Time) {
	d.dec.cancel(at)
	if d.touches() {
		d.dec.touch(input.Touch{Phase: input.Cancel, ID: input.Gone, At: at})
	}
	if d.keys {
		d.dec.key(input.Key{Phase: input.Cancel, At: at})
	}
}

func (d *device) touches() bool { return d.dec.multi || d.dec.button != 0 }

func hasKeys(keys bits) bool {
	for code := range meanings {
		if keys.has(int(code)) {
			return true
		}
	}
	return false
}

// resync takes over which fingers the device has now.
func (d *device) resync() {
	switch {
	case d.dec.multi:
		tracking, xs, ys := d.mtSlots(absMTTracking), d.mtSlots(absMTX), d.mtSlots(absMTY)
		for i := range d.slots {
			d.dec.sync(i, tracking[i] >= 0, xs[i], ys[i])
		}
		if a, err := d.absInfo(absMTSlot); err == nil {
			d.dec.multiAxis(absMTSlot, a.value)
		}
	case d.dec.button != 0:
		state := bits(d.askRaw(0x18, 96))
		x, _ := d.absInfo(absX)
		y, _ := d.absInfo(absY)
		d.dec.sync(0, state.has(int(d.dec.button)), x.value, y.value)
	}
}

// mtSlots asks for one number of every slot (EVIOCGMTSLOTS). A device that does not answer has no finger anywhere.
func (d *device) mtSlots(code int32) []int32 {
	b := make([]int32, 1+maxSlots)
	for i := range b {
		b[i] = -1
	}
	b[0] = code
	_ = ioctl(d.fd, evIoctl(ioRead, 0x0a, uintptr(4*(1+d.slots))), unsafe.Pointer(&b[0]))
	return b[1:]
}

func (d *device) absInfo(code uintptr) (a absInfo, err error) {
	err = ioctl(d.fd, evIoctl(ioRead, 0x40+code, unsafe.Sizeof(a)), unsafe.Pointer(&a))
	return a, err
}

func (d *device) axis(code uintptr) axis {
	a, err := d.absInfo(code)
	if err != nil {
		return axis{}
	}
	return axis{a.minimum, a.maximum}
}

func (d *device) ask(nr, size uintptr) bits { return d.askRaw(nr, size) }
func (d *device) props() bits               { return d.askRaw(0x09, 4) }

// askRaw asks for size bytes; zeros when the device does not answer.
func (d *device) askRaw(nr, size uintptr) []byte {
	b := make([]byte, size)
	_ = ioctl(d.fd, evIoctl(ioRead, nr, size), unsafe.Pointer(&b[0]))
	return b
}

// sinceBoot converts the monotonic clock's times. One that makes no sense becomes now.
func sinceBoot() func(sec, usec int64) time.Time {
	return func(sec, usec int64) time.Time {
		var ts unix.Timespec
		now := time.Now()
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
			return now
		}
		age := time.Duration(ts.Nano()) - time.Duration(sec)*time.Second - time.Duration(usec)*time.Microsecond
		if age < 0 || age > 10*time.Second {
			return now
		}
		return now.Add(-age)
	}
}

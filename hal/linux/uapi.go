package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"fountain/hal"
)

// The kernel's GPIO character device, uAPI v2 (include/uapi/linux/gpio.h). Structures have the same layout on 32 and 64 bit.

// Flags of a line (enum gpio_v2_line_flag).
const (
	lineUsed      = 1 << 0
	lineActiveLow = 1 << 1
	lineInput     = 1 << 2
	lineOutput    = 1 << 3
	lineRising    = 1 << 4
	lineFalling   = 1 << 5
)

const chipInfoIoctl = 0x8044b401 // GPIO_GET_CHIPINFO_IOCTL

type chipInfo struct {
	name, label [32]byte
	lines       uint32
}

type lineAttribute struct {
	id, _ uint32
	value uint64 // flags or values
}

type configAttribute struct {
	attr lineAttribute
	mask uint64 // of the lines it is for, by their index in the request
}

type lineRequest struct {
	offsets  [64]uint32
	consumer [32]byte
	flags    uint64
	numAttrs uint32
	_        [5]uint32
	attrs    [10]configAttribute
	numLines uint32
	buffer   uint32 // events the kernel keeps for us
	_        [5]uint32
	fd       int32
}

type lineInfo struct {
	name, consumer   [32]byte
	offset, numAttrs uint32
	flags            uint64
	attrs            [10]lineAttribute
	_                [4]uint32
}

type lineEvent struct {
	timestamp uint64 // ns, CLOCK_MONOTONIC
	id        uint32 // rising or falling
	offset    uint32
	seqno     uint32 // of the request, from 1; counted in the interrupt itself when the request has two lines or more
	lineSeqno uint32 // of the line, from 1; counted when the event is queued
	_         [6]uint32
}

// wish is what a request asks for.
type wish struct {
	consumer  string
	offsets   []int
	output    bool
	initial   uint64 // outputs: logical values
	activeLow uint64
	edges     uint64 // inputs: lineRising, lineFalling
	buffer    int
}

func (w wish) request() (*lineRequest, error) {
	if len(w.offsets) == 0 || len(w.offsets) > 64 {
		return nil, fmt.Errorf("%d lines in one request, the kernel takes 1 to 64", len(w.offsets))
	}
	r := &lineRequest{numLines: uint32(len(w.offsets)), buffer: uint32(w.buffer)}
	for i, o := range w.offsets {
		r.offsets[i] = uint32(o)
	}
	copy(r.consumer[:31], w.consumer)
	all := ^uint64(0) >> (64 - len(w.offsets))
	r.flags = lineInput | w.edges
	if w.output {
		r.flags = lineOutput
	}
	attr := func(id uint32, value, mask uint64) {
		r.attrs[r.numAttrs] = configAttribute{lineAttribute{id: id, value: value}, mask}
		r.numAttrs++
	}
	if low := w.activeLow & all; low != 0 {
		attr(unix.GPIO_V2_LINE_ATTR_ID_FLAGS, r.flags|lineActiveLow, low)
	}
	if w.output {
		attr(unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, w.initial&all, all)
	}
	return r, nil
}

// lineFile is a granted request. Bits count by the lines' order in it.
type lineFile interface {
	set(mask, bits uint64) error
	get(mask uint64) (uint64, error)
	// read takes queued events without waiting: 0 when there are none.
	read(ev []lineEvent) (int, error)
	fd() int // to wait on
	close() error
}

// gpioChip is one chip of the kernel.
type gpioChip interface {
	label() string
	lines() int
	line(offset int) (name, consumer string, used bool, err error)
	request(w wish) (lineFile, error)
	close()
}

type kernelChip struct {
	handle    int
	path, lab string
	n         int
}

// openChips opens every GPIO chip of the machine. Raw descriptors: Go's poller must not touch device files.
func openChips() ([]gpioChip, error) {
	paths, err := filepath.Glob("/dev/gpiochip*")
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var out []gpioChip
	seen := map[string]bool{}
	var refused error
	for _, p := range paths {
		fd, err := unix.Open(p, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			if refused == nil && errors.Is(err, fs.ErrPermission) {
				refused = fmt.Errorf("open %s: %w", p, err)
			}
			continue
		}
		var info chipInfo
		if err := ioctl(fd, chipInfoIoctl, unsafe.Pointer(&info)); err != nil || seen[text(info.name)] {
			_ = unix.Close(fd) // no GPIO chip, or a second name (symbolic link) of one we have
			continue
		}
		seen[text(info.name)] = true
		out = append(out, &kernelChip{handle: fd, path: p, lab: text(info.label), n: int(info.lines)})
	}
	if len(out) == 0 && refused != nil {
		return nil, refused
	}
	return out, nil
}

func (c *kernelChip) label() string { return c.lab }
func (c *kernelChip) lines() int    { return c.n }
func (c *kernelChip) close()        { _ = unix.Close(c.handle) } // requests live on without it

func (c *kernelChip) line(offset int) (name, consumer string, used bool, err error) {
	info := lineInfo{offset: uint32(offset)}
	if err := ioctl(c.handle, unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Pointer(&info)); err != nil {
		return "", "", false, fmt.Errorf("look at line %d of %s: %w", offset, c.lab, err)
	}
	return text(info.name), text(info.consumer), info.flags&lineUsed != 0, nil
}

func (c *kernelChip) request(w wish) (lineFile, error) {
	r, err := w.request()
	if err != nil {
		return nil, err
	}
	if err := ioctl(c.handle, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(r)); err != nil {
		return nil, err
	}
	fd := int(r.fd)
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return requestFD(fd), nil
}

type requestFD int

func (f requestFD) fd() int      { return int(f) }
func (f requestFD) close() error { return unix.Close(int(f)) }

func (f requestFD) set(mask, bits uint64) error {
	v := [2]uint64{bits, mask}
	return gone(ioctl(int(f), unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Pointer(&v)))
}

func (f requestFD) get(mask uint64) (uint64, error) {
	v := [2]uint64{0, mask}
	err := ioctl(int(f), unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Pointer(&v))
	return v[0], gone(err)
}

func (f requestFD) read(ev []lineEvent) (int, error) {
	size := int(unsafe.Sizeof(lineEvent{}))
	b := unsafe.Slice((*byte)(unsafe.Pointer(&ev[0])), len(ev)*size)
	for {
		n, err := unix.Read(int(f), b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, gone(err)
		}
		return n / size, nil
	}
}

// ioctl is a plain call: all of these return at once. p keeps what it points to alive.
func ioctl(fd int, req uint, p unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p)); e != 0 {
		return e
	}
	return nil
}

// goneError is hal.ErrGone with the kernel's word for it, made once so that failing does not allocate either.
type goneError struct{ unix.Errno }

func (e goneError) Error() string   { return hal.ErrGone.Error() + ": " + e.Errno.Error() }
func (e goneError) Unwrap() []error { return []error{hal.ErrGone, e.Errno} }

// gone makes every error of a granted line hal.ErrGone: a chip that was unplugged, or a line that cannot be driven.
func gone(err error) error {
	var e unix.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return goneError{e}
	}
	return fmt.Errorf("%w: %w", hal.ErrGone, err)
}

func text(b [32]byte) string { s, _, _ := strings.Cut(string(b[:]), "\x00"); return s }

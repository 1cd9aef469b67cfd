//go:build linux

package device

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A second, careless user of the kernel's GPIO character device (uAPI v2): the controls of these tests. It shares
// nothing with hal/linux, so that a mistake there cannot hide here.

const (
	flagActiveLow = 1 << 1
	flagInput     = 1 << 2
	flagOutput    = 1 << 3
	flagRising    = 1 << 4

	attrValues = 2
)

type lineAttr struct {
	id, _       uint32
	value, mask uint64
}

type lineRequest struct {
	offsets  [64]uint32
	consumer [32]byte
	flags    uint64
	attrs    uint32
	_        [5]uint32
	attr     [10]lineAttr
	lines    uint32
	buffer   uint32
	_        [5]uint32
	fd       int32
}

func gpioIoctl(nr, size uintptr) uintptr { return 3<<30 | size<<16 | 0xb4<<8 | nr }

// requestLines takes lines of a chip. values nil: as an output without initial values, which is the kernel's default of 0.
func requestLines(chip string, flags uint64, values *uint64, offsets ...uint32) (int, error) {
	f, err := os.OpenFile(chip, os.O_RDWR, 0)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	r := lineRequest{flags: flags, lines: uint32(len(offsets))}
	copy(r.offsets[:], offsets)
	copy(r.consumer[:], "careless")
	if values != nil {
		r.attrs, r.attr[0] = 1, lineAttr{id: attrValues, value: *values, mask: 1<<len(offsets) - 1}
	}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), gpioIoctl(0x07, unsafe.Sizeof(r)), uintptr(unsafe.Pointer(&r))); e != 0 {
		return -1, fmt.Errorf("request lines %v: %w", offsets, e)
	}
	return int(r.fd), nil
}

func setLines(fd int, bits, mask uint64) error {
	v := [2]uint64{bits, mask}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), gpioIoctl(0x0f, 16), uintptr(unsafe.Pointer(&v))); e != 0 {
		return e
	}
	return nil
}

// chipByLabel finds a chip's device and the global number of its first line, which the kernel's trace speaks in.
func chipByLabel(label string) (dev string, base int, err error) {
	dirs, _ := filepath.Glob("/sys/class/gpio/gpiochip*")
	for _, d := range dirs {
		b, _ := os.ReadFile(d + "/label")
		if strings.TrimSpace(string(b)) != label {
			continue
		}
		if _, err := fmt.Sscanf(filepath.Base(d), "gpiochip%d", &base); err != nil {
			return "", 0, err
		}
		chips, _ := filepath.Glob(d + "/device/gpiochip*")
		if len(chips) == 0 {
			return "", 0, fmt.Errorf("%s has no device", d)
		}
		return "/dev/" + filepath.Base(chips[0]), base, nil
	}
	return "", 0, fmt.Errorf("no chip is labelled %q", label)
}

//go:build linux

package fbdev

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// From the kernel's include/uapi/linux/fb.h.
const (
	ioGetVar    = 0x4600
	ioPutVar    = 0x4601
	ioGetFix    = 0x4602
	ioBlank     = 0x4611
	ioWaitVSync = 0x40044620

	unblank     = 0
	typePacked  = 0
	visualTrue  = 2
	visualDirec = 4
)

type bitfield struct{ offset, length, right uint32 }

// varInfo is struct fb_var_screeninfo.
type varInfo struct {
	xres, yres, xresVirtual, yresVirtual, xoffset, yoffset uint32
	bitsPerPixel, grayscale                                uint32
	red, green, blue, transp                               bitfield
	nonstd, activate, height, width, accel                 uint32 // height, width in mm
	timing                                                 [10]uint32
	colorspace                                             uint32
	_                                                      [4]uint32
}

// fixInfo is struct fb_fix_screeninfo; two of its members are as wide as a pointer.
type fixInfo struct {
	id                          [16]byte
	smemStart                   uintptr
	smemLen                     uint32
	kind, aux, visual           uint32
	xpanStep, ypanStep, ywrap   uint16
	lineLength                  uint32
	mmioStart                   uintptr
	mmioLen, accel              uint32
	capabilities, zero0, zero1_ uint16
}

func ioctl(fd int, req uint, p unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

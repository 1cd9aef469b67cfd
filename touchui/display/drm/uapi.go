//go:build linux

package drm

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structs of the kernel's include/uapi/drm/drm_mode.h and drm.h. Every 64-bit member lies on a multiple of eight,
// so that the layout is the same on 32-bit processors, where Go aligns them to four.
type (
	cardRes struct {
		fbs, crtcs, connectors, encoders                  uint64
		countFBs, countCRTCs, countConnectors, countEncod uint32
		minW, maxW, minH, maxH                            uint32
	}
	modeInfo struct {
		Clock                                         uint32
		HDisplay, HSyncStart, HSyncEnd, HTotal, HSkew uint16
		VDisplay, VSyncStart, VSyncEnd, VTotal, VScan uint16
		VRefresh, Flags, Type                         uint32
		Name                                          [32]byte
	}
	getConnector struct {
		encoders, modes, props, propValues            uint64
		countModes, countProps, countEncoders         uint32
		encoderID, connectorID, kind, kindID          uint32
		connection, mmWidth, mmHeight, subpixel, zero uint32
	}
	getEncoder struct{ encoderID, kind, crtcID, possibleCRTCs, possibleClones uint32 }
	modeCRTC   struct {
		connectors               uint64
		countConnectors, crtcID  uint32
		fbID, x, y, gamma, valid uint32
		mode                     modeInfo
	}
	createDumb struct {
		height, width, bpp, flags uint32
		handle, pitch             uint32
		size                      uint64
	}
	mapDumb struct {
		handle, pad uint32
		offset      uint64
	}
	fbCmd    struct{ fbID, width, height, pitch, bpp, depth, handle uint32 }
	pageFlip struct {
		crtcID, fbID, flags, zero uint32
		user                      uint64
	}
)

// Directions of an ioctl, as all of Linux's ARM, x86 and RISC-V have them.
const (
	ioNone      = 0
	ioReadWrite = 3
)

func drmIoctl(dir, nr, size uintptr) uint { return uint(dir<<30 | size<<16 | 'd'<<8 | nr) }

var (
	ioSetMaster    = drmIoctl(ioNone, 0x1e, 0)
	ioResources    = drmIoctl(ioReadWrite, 0xa0, unsafe.Sizeof(cardRes{}))
	ioGetCRTC      = drmIoctl(ioReadWrite, 0xa1, unsafe.Sizeof(modeCRTC{}))
	ioSetCRTC      = drmIoctl(ioReadWrite, 0xa2, unsafe.Sizeof(modeCRTC{}))
	ioGetEncoder   = drmIoctl(ioReadWrite, 0xa6, unsafe.Sizeof(getEncoder{}))
	ioGetConnector = drmIoctl(ioReadWrite, 0xa7, unsafe.Sizeof(getConnector{}))
	ioAddFB        = drmIoctl(ioReadWrite, 0xae, unsafe.Sizeof(fbCmd{}))
	ioRemoveFB     = drmIoctl(ioReadWrite, 0xaf, 4)
	ioPageFlip     = drmIoctl(ioReadWrite, 0xb0, unsafe.Sizeof(pageFlip{}))
	ioCreateDumb   = drmIoctl(ioReadWrite, 0xb2, unsafe.Sizeof(createDumb{}))
	ioMapDumb      = drmIoctl(ioReadWrite, 0xb3, unsafe.Sizeof(mapDumb{}))
	ioDestroyDumb  = drmIoctl(ioReadWrite, 0xb4, 4)
)

const (
	connected     = 1      // drm_connector_status
	typePreferred = 1 << 3 // DRM_MODE_TYPE_PREFERRED
	flipWithEvent = 1      // DRM_MODE_PAGE_FLIP_EVENT
	eventFlip     = 2      // DRM_EVENT_FLIP_COMPLETE
)

func ioctl(fd int, req uint, p unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p))
		switch e {
		case 0:
			return nil
		case unix.EINTR, unix.EAGAIN:
		default:
			return e
		}
	}
}

// pinned is the address of a slice's first element for a struct the kernel reads; 0 of an empty one.
func pinned[T any](p *runtime.Pinner, s []T) uint64 {
	if len(s) == 0 {
		return 0
	}
	p.Pin(&s[0])
	return uint64(uintptr(unsafe.Pointer(&s[0])))
}

//go:build linux

package device

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// touchScreen is a multi-touch panel of this test's own, made in the kernel by uinput: slots and tracking ids (protocol
// B), with a range of its own, as a real one has.
type touchScreen struct {
	t    *testing.T
	f    *os.File
	w, h int // of the panel, pixels
	next int32
}

const touchRange = 4096

// plugTouchScreen makes the kernel find a touch screen.
func plugTouchScreen(t *testing.T, w, h int) *touchScreen {
	t.Helper()
	const (
		setEvents, setKeys, setAxes, setProps, create = 0x40045564, 0x40045565, 0x40045567, 0x4004556e, 0x5501
		evKey, evAbs, btnTouch, direct                = 1, 3, 0x14a, 1
	)
	f, err := os.OpenFile("/dev/uinput", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &touchScreen{t: t, f: f, w: w, h: h}
	t.Cleanup(s.unplug)
	set := func(req uint, v int) {
		if err := unix.IoctlSetInt(int(f.Fd()), req, v); err != nil {
			t.Fatalf("uinput %#x %#x: %v", req, v, err)
		}
	}
	set(setEvents, evKey)
	set(setEvents, evAbs)
	set(setKeys, btnTouch)
	set(setProps, direct)
	var dev struct { // struct uinput_user_dev
		name                          [80]byte
		bus, vendor, product, version uint16
		effects                       uint32
		max, min, fuzz, flat          [64]int32
	}
	copy(dev.name[:], "test touch screen")
	for axis, most := range map[int]int32{absX: touchRange - 1, absY: touchRange - 1, absSlot: 9, absMTX: touchRange - 1, absMTY: touchRange - 1, absTracking: 65535} {
		set(setAxes, axis)
		dev.max[axis] = most
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, dev); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	set(create, 0)
	return s
}

const (
	absX, absY, absSlot, absMTX, absMTY, absTracking = 0x00, 0x01, 0x2f, 0x35, 0x36, 0x39
)

// unplug takes the touch screen away.
func (s *touchScreen) unplug() {
	if s.f != nil {
		_ = s.f.Close() // the kernel destroys the device with its maker's file
		s.f = nil
	}
}

// send writes events and the report after them.
func (s *touchScreen) send(abs ...[2]int32) {
	s.t.Helper()
	var b []byte
	put := func(kind, code uint16, v int32) {
		b = append(b, make([]byte, 2*unsafe.Sizeof(uintptr(0)))...) // the kernel sets the time
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, code)
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	for _, a := range abs {
		put(3, uint16(a[0]), a[1])
	}
	put(0, 0, 0)
	if _, err := s.f.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// down puts a finger on a pixel of the panel.
func (s *touchScreen) down(slot, x, y int) {
	s.t.Helper()
	s.next++
	ax, ay := int32((2*x+1)*touchRange/(2*s.w)), int32((2*y+1)*touchRange/(2*s.h))
	s.send([2]int32{absSlot, int32(slot)}, [2]int32{absTracking, s.next}, [2]int32{absMTX, ax}, [2]int32{absMTY, ay})
}

func (s *touchScreen) up(slot int) {
	s.t.Helper()
	s.send([2]int32{absSlot, int32(slot)}, [2]int32{absTracking, -1})
}

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

// uinput is an input device of this test's own, made in the kernel.
type uinput struct {
	t *testing.T
	f *os.File
}

// plug makes the kernel find a device with these keys, and with absolute axes of the given largest values.
func plug(t *testing.T, name string, keys []int, axes map[int]int32) *uinput {
	t.Helper()
	const (
		setEvents, setKeys, setAxes, setProps, create = 0x40045564, 0x40045565, 0x40045567, 0x4004556e, 0x5501
		direct                                        = 1
	)
	f, err := os.OpenFile("/dev/uinput", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &uinput{t: t, f: f}
	t.Cleanup(d.unplug)
	set := func(req uint, v int) {
		if err := unix.IoctlSetInt(int(f.Fd()), req, v); err != nil {
			t.Fatalf("uinput %#x %#x: %v", req, v, err)
		}
	}
	var dev struct { // struct uinput_user_dev
		name                          [80]byte
		bus, vendor, product, version uint16
		effects                       uint32
		max, min, fuzz, flat          [64]int32
	}
	copy(dev.name[:], name)
	set(setEvents, evKey)
	for _, k := range keys {
		set(setKeys, k)
	}
	if len(axes) > 0 {
		set(setEvents, evAbs)
		set(setProps, direct)
	}
	for axis, most := range axes {
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
	return d
}

// unplug takes the device away.
func (d *uinput) unplug() {
	if d.f != nil {
		_ = d.f.Close() // the kernel destroys the device with its maker's file
		d.f = nil
	}
}

// send writes events and the report after them.
func (d *uinput) send(kind uint16, events ...[2]int32) {
	d.t.Helper()
	var b []byte
	put := func(kind, code uint16, v int32) {
		b = append(b, make([]byte, 2*unsafe.Sizeof(uintptr(0)))...) // the kernel sets the time
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, code)
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	for _, e := range events {
		put(kind, uint16(e[0]), e[1])
	}
	put(0, 0, 0)
	if _, err := d.f.Write(b); err != nil {
		d.t.Fatal(err)
	}
}

// keypad is four keys, as gpio-keys makes them of lines.
type keypad struct{ *uinput }

const (
	keyNext, keyPrevious, keySelect, keyBack = 0x197, 0x19c, 0x161, 158
)

func plugKeypad(t *testing.T) keypad {
	t.Helper()
	return keypad{plug(t, "test keypad", []int{keyNext, keyPrevious, keySelect, keyBack}, nil)}
}

func (k keypad) down(code int32) { k.send(evKey, [2]int32{code, 1}) }
func (k keypad) up(code int32)   { k.send(evKey, [2]int32{code, 0}) }

// touchScreen is a multi-touch panel: slots and tracking ids (protocol B), with a range of its own, as a real one has.
type touchScreen struct {
	*uinput
	w, h int // of the panel, pixels
	next int32
}

const touchRange = 4096

func plugTouchScreen(t *testing.T, w, h int) *touchScreen {
	t.Helper()
	return &touchScreen{w: w, h: h, uinput: plug(t, "test touch screen", []int{btnTouch}, map[int]int32{
		absX: touchRange - 1, absY: touchRange - 1, absSlot: 9, absMTX: touchRange - 1, absMTY: touchRange - 1, absTracking: 65535,
	})}
}

const (
	evKey, evAbs                                     = 1, 3
	btnTouch                                         = 0x14a
	absX, absY, absSlot, absMTX, absMTY, absTracking = 0x00, 0x01, 0x2f, 0x35, 0x36, 0x39
)

// unplug takes the touch screen away.
func (s *touchScreen) unplug() {
	if s.f != nil {
		_ = s.f.Close() // the kernel destroys the device with its maker's file
		s.f = nil
	}
}

// down puts a finger on a pixel of the panel.
func (s *touchScreen) down(slot, x, y int) {
	s.t.Helper()
	s.next++
	ax, ay := int32((2*x+1)*touchRange/(2*s.w)), int32((2*y+1)*touchRange/(2*s.h))
	s.send(evAbs, [2]int32{absSlot, int32(slot)}, [2]int32{absTracking, s.next}, [2]int32{absMTX, ax}, [2]int32{absMTY, ay})
}

func (s *touchScreen) up(slot int) {
	s.t.Helper()
	s.send(evAbs, [2]int32{absSlot, int32(slot)}, [2]int32{absTracking, -1})
}

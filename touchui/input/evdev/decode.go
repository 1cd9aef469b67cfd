//go:build linux

package evdev

import (
	"encoding/binary"
	"time"

	"fountain/touchui/input"
)

// Event types and codes of the kernel's include/uapi/linux/input-event-codes.h, as far as a touch screen has them.
const (
	evSyn = 0x00
	evKey = 0x01
	evRel = 0x02
	evAbs = 0x03

	synReport  = 0
	synDropped = 3

	// byKernel is the value of a report that no device made: the kernel releases what a device held that is going away, or
	// repeats a key.
	byKernel = 1

	absX          = 0x00
	absY          = 0x01
	absMTSlot     = 0x2f
	absMTX        = 0x35
	absMTY        = 0x36
	absMTTool     = 0x37
	absMTTracking = 0x39

	btnLeft  = 0x110
	btnTouch = 0x14a

	toolPalm = 2
)

// maxSlots bounds the fingers of one device; more than any panel tells apart.
const maxSlots = 64

// contact is one slot of a device.
type contact struct {
	id           int // of the touch that was told, 0 when none is down for the reader
	x, y         int32
	on           bool // the device has a finger here
	muted        bool // it was there before we looked, or is a palm: nothing is told until it has left
	ended, moved bool // since the last report
	begun        bool // on turned true since the last report
}

// decoder turns one device's records into touches and keys. It knows no files: bytes in, events out.
type decoder struct {
	record int // bytes of one: 24 on 64-bit systems, 16 on 32-bit ones
	multi  bool
	button uint16 // what "finger down" is on a device without slots
	place  func(x, y int32) (int, int)
	newID  func() int
	clock  func(sec, usec int64) time.Time
	touch  func(input.Touch)
	key    func(input.Key)

	slots    [maxSlots]contact
	slot     int // maxSlots: one the device has beyond our bound
	high     int // slots below have been used
	keys     keypad
	pending  []input.Key // since the last report
	dropping bool        // after SYN_DROPPED, until the next report
	rest     []byte
}

// feed decodes what was read from the device. It returns true when the kernel dropped events and the device must be
// asked how things are: every finger and key it held has been cancelled.
func (d *decoder) feed(b []byte) (resync bool) {
	if len(d.rest) > 0 {
		b = append(d.rest, b...)
		d.rest = nil
	}
	for ; len(b) >= d.record; b = b[d.record:] {
		var sec, usec int64
		if d.record == 24 {
			sec, usec = int64(binary.NativeEndian.Uint64(b)), int64(binary.NativeEndian.Uint64(b[8:]))
		} else {
			sec, usec = int64(binary.NativeEndian.Uint32(b)), int64(binary.NativeEndian.Uint32(b[4:]))
		}
		e := b[d.record-8:]
		if d.event(binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:]), int32(binary.NativeEndian.Uint32(e[4:])), sec, usec) {
			resync = true
		}
	}
	if len(b) > 0 {
		d.rest = append([]byte(nil), b...)
	}
	return resync
}

func (d *decoder) event(kind, code uint16, value int32, sec, usec int64) (resync bool) {
	switch {
	case kind == evSyn && code == synDropped:
		d.cancel(d.clock(sec, usec))
		d.dropping = true
	case kind == evSyn && code == synReport && d.dropping:
		d.dropping = false
		return true
	case kind == evSyn && code == synReport:
		d.report(d.clock(sec, usec), value == byKernel)
	case d.dropping:
	case kind == evKey && code == d.button && !d.multi && d.button != 0:
		if value != 2 { // 2 is a repetition
			d.set(0, value != 0)
		}
	case kind == evKey:
		if k, ok := d.keys.event(code, value); ok {
			d.pending = append(d.pending, k)
		}
	case kind == evAbs && d.multi:
		d.multiAxis(code, value)
	case kind == evAbs && d.button != 0:
		switch c := &d.slots[0]; code {
		case absX:
			c.x, c.moved = value, true
		case absY:
			c.y, c.moved = value, true
		}
	}
	return false
}

func (d *decoder) multiAxis(code uint16, value int32) {
	if code == absMTSlot {
		d.slot = maxSlots
		if value >= 0 && value < maxSlots {
			d.slot = int(value)
		}
		return
	}
	if d.slot == maxSlots {
		return
	}
	c := &d.slots[d.slot]
	switch code {
	case absMTTracking:
		d.set(d.slot, value >= 0)
	case absMTX:
		c.x, c.moved = value, true
	case absMTY:
		c.y, c.moved = value, true
	case absMTTool:
		if value == toolPalm && c.on {
			c.muted = true
		}
	}
}

// set notes that a finger came or left. A new one in a slot that still has one replaces it.
func (d *decoder) set(slot int, on bool) {
	c := &d.slots[slot]
	d.high = max(d.high, slot+1)
	if on && c.on && !d.multi {
		return // told twice
	}
	if c.on {
		c.ended = true
	}
	if on {
		c.muted = false
	}
	c.on, c.begun = on, on
}

// report tells what changed since the last one. A release that the kernel made up is no intended end.
func (d *decoder) report(at time.Time, madeUp bool) {
	up := input.Up
	if madeUp {
		up = input.Cancel
	}
	for _, k := range d.pending {
		if k.At = at; k.Phase == input.Up {
			k.Phase = up
		}
		d.key(k)
	}
	d.pending = d.pending[:0]
	for i := range d.high {
		c := &d.slots[i]
		x, y := d.place(c.x, c.y)
		if c.id != 0 && c.muted {
			d.touch(input.Touch{Phase: input.Cancel, ID: c.id, X: x, Y: y, At: at})
			c.id = 0
		}
		if c.id != 0 && c.ended {
			d.touch(input.Touch{Phase: up, ID: c.id, X: x, Y: y, At: at})
			c.id = 0
		}
		switch {
		case c.on && c.begun && !c.muted:
			c.id = d.newID()
			d.touch(input.Touch{Phase: input.Down, ID: c.id, X: x, Y: y, At: at})
		case c.id != 0 && c.moved:
			d.touch(input.Touch{Phase: input.Move, ID: c.id, X: x, Y: y, At: at})
		}
		c.ended, c.moved, c.begun = false, false, false
	}
}

// cancel ends everything the device held: it is lost, or its events are.
func (d *decoder) cancel(at time.Time) {
	for i := range d.high {
		c := &d.slots[i]
		if c.id != 0 {
			x, y := d.place(c.x, c.y)
			d.touch(input.Touch{Phase: input.Cancel, ID: c.id, X: x, Y: y, At: at})
			c.id = 0
		}
		c.muted, c.ended, c.moved, c.begun = c.on, false, false, false
	}
	d.report(at, true) // keys only: of fingers nothing is left to tell
	for _, k := range d.keys.cancel() {
		k.At = at
		d.key(k)
	}
}

// sync takes over how the device says things are, at the start and after dropped events. A finger that is there already
// is not told: nobody saw it come, and it must not start anything. One that was told of is lost: it came down behind the
// dropped events, and what its slot says from now on is of what we mute here.
func (d *decoder) sync(slot int, on bool, x, y int32) {
	if slot < 0 || slot >= maxSlots {
		return
	}
	d.high = max(d.high, slot+1)
	if c := &d.slots[slot]; c.id != 0 {
		px, py := d.place(c.x, c.y)
		d.touch(input.Touch{Phase: input.Cancel, ID: c.id, X: px, Y: py, At: time.Now()})
	}
	d.slots[slot] = contact{on: on, muted: on, x: x, y: y}
}

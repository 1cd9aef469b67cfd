//go:build linux

package evdev

import (
	"slices"

	"fountain/touchui/input"
)

// meanings are the keys that drive a screen: those of a keyboard, of a keypad wired to lines (gpio-keys) and of a remote
// control. Numbers are of include/uapi/linux/input-event-codes.h.
var meanings = map[uint16]input.KeyCode{
	15: input.KeyNext, 106: input.KeyNext, 108: input.KeyNext, 0x197: input.KeyNext, 0x100: input.KeyNext, // tab, right, down, next, button 0
	105: input.KeyPrevious, 103: input.KeyPrevious, 0x19c: input.KeyPrevious, 0x101: input.KeyPrevious, // left, up, previous, button 1
	28: input.KeySelect, 57: input.KeySelect, 96: input.KeySelect, 0x160: input.KeySelect, 0x161: input.KeySelect, 0x102: input.KeySelect, // enter, space, keypad enter, ok, select, button 2
	1: input.KeyBack, 14: input.KeyBack, 158: input.KeyBack, 0x103: input.KeyBack, // escape, backspace, back, button 3
}

// keypad follows the keys of one device.
type keypad struct {
	held []uint16
}

// event tells what a change of one key means. Two keys of one meaning are one: down with the first, up with the last.
func (p *keypad) event(code uint16, value int32) (k input.Key, ok bool) {
	m := meanings[code]
	i := slices.Index(p.held, code)
	switch {
	case m == 0, value == 2, value != 0 == (i >= 0):
		return k, false // no key of ours, a repetition, nothing new
	case value != 0:
		first := !p.holds(m)
		p.held = append(p.held, code)
		return input.Key{Phase: input.Down, Code: m}, first
	default:
		p.held = slices.Delete(p.held, i, i+1)
		return input.Key{Phase: input.Up, Code: m}, !p.holds(m)
	}
}

func (p *keypad) holds(m input.KeyCode) bool {
	return slices.ContainsFunc(p.held, func(c uint16) bool { return meanings[c] == m })
}

func (p *keypad) cancel() (out []input.Key) {
	for len(p.held) > 0 {
		m := meanings[p.held[0]]
		p.held = slices.DeleteFunc(p.held, func(c uint16) bool { return meanings[c] == m })
		out = append(out, input.Key{Phase: input.Cancel, Code: m})
	}
	return out
}

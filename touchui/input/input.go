// Package input is where fingers come from: browsers (Remote), scripts of tests (Script), the kernel's touch devices
// (package evdev). It imports nothing of the project and knows nothing of Fyne.
//
//	browser ─► display/web ─► Remote ─┐
//	/dev/input ─► evdev ──────────────┼─► Source.Events() ─► kiosk: gestures
//	test ────────────────► Script ────┘   KeySource.Keys() ─► kiosk: focus
//
// A source promises that each Down is followed by exactly one Up or Cancel of the same ID: it sends Cancel itself when
// a device or a browser is lost. The kiosk enforces the same promise again towards widgets.
package input

import "time"

// Phase is what a finger did.
type Phase uint8

const (
	Down Phase = iota
	Move
	Up
	Cancel // the finger is lost: not an intended end
)

func (p Phase) String() string {
	switch p {
	case Down:
		return "down"
	case Move:
		return "move"
	case Up:
		return "up"
	default:
		return "cancel"
	}
}

// Gone is the ID of a Cancel that belongs to no finger: a touch screen is gone, and what went on without a finger on it
// cannot be stopped there any more. A Key that is a Cancel of no Code says the same of a device with keys.
const Gone = -1

// Touch is one event of one finger.
type Touch struct {
	Phase Phase
	ID    int       // the same from Down to Up or Cancel
	X, Y  int       // display pixels
	At    time.Time // when it happened, as near to the hardware as known
}

// Source delivers touches. The channel is closed when the source is gone for good; Close makes it so.
type Source interface {
	Events() <-chan Touch
	Close() error
}

// KeyCode is what a key of a keypad means. Four keys drive the whole screen.
type KeyCode uint8

const (
	KeyNext     KeyCode = iota + 1 // to the next thing; also Tab, right, down
	KeyPrevious                    // to the one before; also left, up
	KeySelect                      // take it; held on a hold-to-pour thing it pours until released; also Enter, Space
	KeyBack                        // leave the page; also Escape
)

func (k KeyCode) String() string {
	switch k {
	case KeyNext:
		return "next"
	case KeyPrevious:
		return "previous"
	case KeySelect:
		return "select"
	case KeyBack:
		return "back"
	default:
		return "unknown"
	}
}

// Key is one event of one key. As with a finger, each Down is followed by exactly one Up or Cancel of the same Code;
// Move never occurs, and a key that repeats itself is down once.
type Key struct {
	Phase Phase
	Code  KeyCode
	At    time.Time
}

// KeySource is a Source whose devices may have keys. The channel is closed with the one of the touches.
type KeySource interface {
	Source
	Keys() <-chan Key
}

// Package input is where fingers come from: browsers (Remote), scripts of tests (Script), later the kernel's touch
// devices. It imports nothing of the project and knows nothing of Fyne.
//
//	browser ─► display/web ─► Remote ─┐
//	test ────────────────► Script ────┴─► Source.Events() ─► kiosk: gestures
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

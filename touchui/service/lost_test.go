package service

import (
	"errors"
	"testing"

	"fountain/touchui/input"
)

// An operation that moves something needs no finger: it stops when nobody could stop it any more, or see it.
func TestLostScreenStops(t *testing.T) {
	r := flowing(t)
	r.finger.Cancel(input.Gone)
	r.stopped("the lost touch screen")
}

func TestDarkPanelStops(t *testing.T) {
	r := flowing(t)
	r.mem.Fail(errors.New("unplugged"))
	r.stopped("the dark panel")
}

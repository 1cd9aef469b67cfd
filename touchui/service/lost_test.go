package service

import (
	"errors"
	"testing"
	"time"

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

// An agent that says nothing for long may have forgotten who is logged in: the screen locks.
func TestSilentAgentLocks(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	silent := errors.New("no answer")
	r.do(func() {
		s, at := r.svc, r.svc.session
		now := time.Now()
		s.now = func() time.Time { return now }
		s.stands(at, silent)
		now = now.Add(awayLimit)
		if s.stands(at, silent); s.closed {
			t.Error("locks too early")
		}
		s.stands(at, nil) // it is back
		s.stands(at, silent)
		now = now.Add(awayLimit + time.Second)
		if s.stands(at, silent); !s.closed || s.session != nil {
			t.Error("stays open without an agent")
		}
	})
}

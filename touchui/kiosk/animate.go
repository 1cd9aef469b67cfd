package kiosk

import (
	"sync"
	"time"

	"fyne.io/fyne/v2"
)

// animations are Fyne's: ticked once a frame, on the Fyne thread. They may be started from any goroutine.
type animations struct {
	wake func()
	mu   sync.Mutex
	list []*animation
}

type animation struct {
	a       *fyne.Animation
	start   time.Time
	left    int // repetitions; negative for ever
	back    bool
	stopped bool
}

func (s *animations) start(a *fyne.Animation) {
	s.stop(a)
	s.mu.Lock()
	s.list = append(s.list, &animation{a: a, start: time.Now(), left: a.RepeatCount})
	s.mu.Unlock()
	s.wake()
}

func (s *animations) stop(a *fyne.Animation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, x := range s.list {
		if x.a == a {
			x.stopped = true
			s.list = append(s.list[:i:i], s.list[i+1:]...)
			return
		}
	}
}

func (s *animations) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list) > 0
}

func (s *animations) tick(now time.Time) {
	s.mu.Lock()
	list := s.list
	s.mu.Unlock()
	for _, x := range list {
		s.mu.Lock()
		stopped := x.stopped
		s.mu.Unlock()
		if !stopped && !x.tick(now) {
			s.end(x)
		}
	}
}

func (s *animations) end(x *animation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, y := range s.list {
		if y == x {
			s.list = append(s.list[:i:i], s.list[i+1:]...)
			return
		}
	}
}

// tick calls the animation's function and reports whether it goes on.
func (x *animation) tick(now time.Time) bool {
	v := float32(1)
	if d := x.a.Duration; d > 0 {
		v = min(1, max(0, float32(now.Sub(x.start))/float32(d)))
	}
	curve := x.a.Curve
	if curve == nil {
		curve = fyne.AnimationEaseInOut
	}
	switch {
	case v < 1 && x.back:
		x.a.Tick(curve(1 - v))
		return true
	case v < 1:
		x.a.Tick(curve(v))
		return true
	case x.back:
		x.a.Tick(0)
	default:
		x.a.Tick(1)
	}
	if x.a.AutoReverse && !x.back {
		x.back, x.start = true, now
		return true
	}
	if x.left == 0 {
		return false
	}
	if x.left > 0 {
		x.left--
	}
	x.back, x.start = false, now
	return true
}

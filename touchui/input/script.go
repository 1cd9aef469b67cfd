package input

import (
	"context"
	"sync"
	"time"
)

// Script is a finger moved by a program: tests and replays. Its methods may be called from one goroutine.
type Script struct {
	s    *Queue[Touch]
	k    *Queue[Key]
	once sync.Once
}

var _ KeySource = (*Script)(nil)

// NewScript returns a source without touches.
func NewScript() *Script { return &Script{s: NewTouches(), k: NewQueue[Key]()} }

// Events delivers the touches in order.
func (s *Script) Events() <-chan Touch { return s.s.Out() }

// Close closes the channel, as a device that was unplugged.
func (s *Script) Close() error {
	s.once.Do(func() {
		s.s.Close()
		s.k.Close()
	})
	return nil
}

// Keys delivers the keys in order.
func (s *Script) Keys() <-chan Key { return s.k.Out() }

// Key queues one event of a key.
func (s *Script) Key(p Phase, c KeyCode) { s.k.Push(Key{Phase: p, Code: c, At: time.Now()}) }

// Press puts a key down and lets it up at once.
func (s *Script) Press(c KeyCode) {
	s.Key(Down, c)
	s.Key(Up, c)
}

// Send queues one touch; a zero time becomes now.
func (s *Script) Send(t Touch) {
	if t.At.IsZero() {
		t.At = time.Now()
	}
	s.s.Push(t)
}

// Down, Move, Up and Cancel queue one event of finger id.
func (s *Script) Down(id, x, y int) { s.Send(Touch{Phase: Down, ID: id, X: x, Y: y}) }
func (s *Script) Move(id, x, y int) { s.Send(Touch{Phase: Move, ID: id, X: x, Y: y}) }
func (s *Script) Up(id, x, y int)   { s.Send(Touch{Phase: Up, ID: id, X: x, Y: y}) }
func (s *Script) Cancel(id int)     { s.Send(Touch{Phase: Cancel, ID: id}) }

// Tap presses for the given time.
func (s *Script) Tap(id, x, y int, hold time.Duration) {
	s.Down(id, x, y)
	time.Sleep(hold)
	s.Up(id, x, y)
}

// Swipe moves a finger evenly from one place to another, reporting at 120 Hz, and lifts it there.
func (s *Script) Swipe(id, x0, y0, x1, y1 int, took time.Duration) {
	s.Down(id, x0, y0)
	s.Glide(id, x0, y0, x1, y1, took)
	s.Up(id, x1, y1)
}

// Glide is the movement of Swipe alone: the finger is down before and after.
func (s *Script) Glide(id, x0, y0, x1, y1 int, took time.Duration) {
	const period = time.Second / 120
	n := max(1, int(took/period))
	for i := 1; i <= n; i++ {
		time.Sleep(took / time.Duration(n))
		s.Move(id, x0+(x1-x0)*i/n, y0+(y1-y0)*i/n)
	}
}

// Replay sends recorded touches at the distances of their times, with times of now, until done or ctx ends.
func (s *Script) Replay(ctx context.Context, touches []Touch) error {
	if len(touches) == 0 {
		return nil
	}
	start, first := time.Now(), touches[0].At
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, t := range touches {
		at := start.Add(t.At.Sub(first))
		timer.Reset(max(0, time.Until(at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		t.At = time.Time{}
		s.Send(t)
	}
	return nil
}

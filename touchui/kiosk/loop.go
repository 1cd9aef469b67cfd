package kiosk

import (
	"context"
	"errors"
	"time"

	"fountain/internal/logkey"
	"fountain/touchui/input"
)

const (
	// turnLimit bounds the events handled before the loop looks at its context and paints again.
	turnLimit = 256
	// vblankLimit is how long a display may owe a vblank before the loop paints all the same.
	vblankLimit = 100 * time.Millisecond
)

// loop is the event loop: it owns when things happen; gestures, animations and painter own what happens.
type loop struct {
	app     *App
	timers  timers
	events  <-chan input.Touch
	keys    <-chan input.Key
	vblank  <-chan time.Time
	next    time.Time // earliest start of the next frame
	oldest  time.Time // first touch that no frame has shown yet
	n       uint64
	turns   uint64
	failing bool // the last Present failed
	running bool
}

func newLoop(a *App) *loop {
	l := &loop{app: a, vblank: a.cfg.Display.VBlank()}
	l.timers.wake = a.queue.poke
	return l
}

func (l *loop) run(ctx context.Context) error {
	if l.running {
		return errors.New("run screen: it runs already or has stopped")
	}
	l.running = true
	a := l.app
	a.queue.owner.Store(goroutine())
	if a.cfg.Input != nil {
		l.events = a.cfg.Input.Events()
		if k, ok := a.cfg.Input.(input.KeySource); ok {
			l.keys = k.Keys()
		}
	}
	defer close(a.queue.done)
	defer a.fyne.life.stopped()
	defer a.gest.loseInput(a.gest.cancelAll)
	defer a.keys.lose()
	a.fyne.life.started()
	l.render()

	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.queue.quit:
			return nil
		default:
		}
		l.turns++
		more := l.turn()
		now := time.Now()
		if l.active() && !now.Before(l.next) {
			a.anims.tick(now)
			a.gest.tick(now)
			a.gest.check()
			l.render()
			continue
		}
		if more {
			continue
		}
		wake := l.timers.next()
		if l.active() && (wake.IsZero() || l.next.Before(wake)) {
			wake = l.next
		}
		timer.Stop()
		var due <-chan time.Time
		if !wake.IsZero() {
			timer.Reset(max(0, time.Until(wake)))
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.queue.quit:
			return nil
		case <-a.queue.wake:
		case t, ok := <-l.events:
			l.touch(t, ok)
		case e, ok := <-l.keys:
			l.key(e, ok)
		case <-l.vblank:
			l.next = time.Time{}
		case <-due:
		}
	}
}

// active reports whether a frame is wanted.
func (l *loop) active() bool {
	return l.app.canvas.dirty() || l.app.anims.running() || l.app.gest.flinging()
}

// turn handles what is waiting without blocking and reports whether more may be left.
func (l *loop) turn() (more bool) {
	for _, f := range l.app.queue.take() {
		f()
		l.app.canvas.SetDirty() // whatever f changed
		l.app.gest.check()
	}
	for range turnLimit {
		select {
		case t, ok := <-l.events:
			l.touch(t, ok)
			continue
		case e, ok := <-l.keys:
			l.key(e, ok)
			continue
		default:
		}
		break
	}
	if l.timers.fire(time.Now()) {
		l.app.canvas.SetDirty()
		l.app.gest.check()
	}
	return len(l.events) > 0
}

func (l *loop) touch(t input.Touch, ok bool) {
	if !ok {
		l.events = nil
		l.app.log.Warn("touch input is gone")
		l.app.gest.loseInput(l.app.gest.cancelAll)
		l.app.lost()
		return
	}
	if t.At.IsZero() {
		t.At = time.Now()
	}
	if l.oldest.IsZero() {
		l.oldest = t.At
	}
	if t.Phase == input.Down {
		l.app.focus.clear()
	}
	l.app.gest.handle(t)
	l.app.canvas.SetDirty()
	l.app.gest.check()
}

func (l *loop) key(e input.Key, ok bool) {
	if !ok {
		l.keys = nil
		l.app.keys.gone()
		return
	}
	l.app.keys.event(e)
	l.app.canvas.SetDirty()
	l.app.gest.check()
}

// render paints what changed and presents it.
func (l *loop) render() {
	a := l.app
	start, was := time.Now(), l.next
	l.next = start.Add(a.cfg.FrameTime)
	stale := a.canvas.takeStale()
	for o := range stale {
		a.painter.Refresh(o)
	}
	layers := a.canvas.layers()
	if ring := a.focus.layer(); ring != nil {
		layers = append(layers, ring)
	}
	dirty := a.painter.Frame(layers...)
	oldest := l.oldest
	l.oldest = time.Time{}
	if len(dirty) == 0 {
		if !a.anims.running() && !a.gest.flinging() {
			l.next = was // nothing was shown: the next press need not wait
		}
		return
	}
	err := a.cfg.Display.Present(a.painter.Buffer(), dirty)
	switch {
	case err != nil && !l.failing:
		a.log.Error("present frame", logkey.Err, err) // once; a screen may come back
	case err == nil && l.failing:
		a.log.Info("display is back")
		a.painter.Invalidate(a.painter.Buffer().Bounds())
		a.canvas.SetDirty()
	}
	l.failing = err != nil
	if l.failing { // nobody sees what a finger does
		a.gest.loseInput(a.gest.cancelAll)
		a.keys.lose()
		a.lost()
	}
	if l.vblank != nil && err == nil {
		l.next = start.Add(vblankLimit)
	}
	l.n++
	if a.cfg.OnFrame != nil {
		s := a.painter.Stats()
		f := Frame{N: l.n, Items: s.Items, Pixels: s.Pixels, Paint: s.Took}
		if !oldest.IsZero() {
			f.Latency = time.Since(oldest)
		}
		a.cfg.OnFrame(f)
	}
}

// timers call functions on the Fyne thread. They are used from that thread only.
type timers struct {
	list []*timer
	wake func()
}

type timer struct {
	at      time.Time
	every   time.Duration
	f       func()
	stopped bool
}

func (s *timers) add(after, every time.Duration, f func()) (stop func()) {
	t := &timer{at: time.Now().Add(after), every: every, f: f}
	s.list = append(s.list, t)
	s.wake()
	return func() { t.stopped = true }
}

// next is when the first timer is due; zero when there is none.
func (s *timers) next() time.Time {
	var first time.Time
	for _, t := range s.list {
		if !t.stopped && (first.IsZero() || t.at.Before(first)) {
			first = t.at
		}
	}
	return first
}

func (s *timers) fire(now time.Time) (fired bool) {
	for i := 0; i < len(s.list); i++ { // a timer may add others
		t := s.list[i]
		if t.stopped || now.Before(t.at) {
			continue
		}
		fired = true
		if t.every <= 0 {
			t.stopped = true
		} else if t.at = t.at.Add(t.every); !now.Before(t.at) {
			t.at = now.Add(t.every)
		}
		t.f()
	}
	keep := s.list[:0]
	for _, t := range s.list {
		if !t.stopped {
			keep = append(keep, t)
		}
	}
	clear(s.list[len(keep):])
	s.list = keep
	return fired
}

package kiosk

import (
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/mobile"

	"fountain/touchui/input"
)

// Holdable is a pad that does something for as long as it is held, such as pouring. Select starts it and select again
// ends it; whoever keeps the key down ends it by letting go. What the pad does with it is told apart by itself.
type Holdable interface {
	Accessible
	KeyDown()         // select went down on it
	KeyUp(held bool)  // select came up; held: after so long that letting go is meant
	KeyLost()         // nobody let go: the key device is gone
	KeyHolding() bool // something goes on that select would end
}

// Adjustable is a slider. Select begins and ends adjusting; in between next and previous change the value.
type Adjustable interface {
	Accessible
	AdjustBy(steps int)
}

// holdFor is how long select stays down before letting go of it is meant to end what it began.
const holdFor = 600 * time.Millisecond

// keys drives the screen by four keys. A key does nothing that a finger could not do: only what is enabled on the top
// layer is reached.
//
//	next, previous ─► focus, or the value of the slider that is adjusted
//	select ─► a finger's TouchDown … TouchUp, Tapped in the middle of what has the focus; Holdable and Adjustable say more
//	back ─► OnKey
type keys struct {
	app    *App
	handle func(input.Key) bool // first to see a key that went down
	down   map[input.KeyCode]bool
	since  time.Time // select went down
	press  *pressing // what select holds
	pad    Holdable  // what goes on because of a key
}

type pressing struct {
	id      string
	obj     fyne.CanvasObject
	changes uint64
}

func newKeys(a *App) *keys { return &keys{app: a, down: map[input.KeyCode]bool{}} }

// OnKey lets f see each key that goes down before the focus does; true means it was meant for f. Fyne thread.
func (a *App) OnKey(f func(input.Key) bool) { a.keys.handle = f }

// Press does what select would do on the element with that id, whatever has the focus. It reports whether there is one
// that is enabled and can be tapped. Fyne thread.
func (a *App) Press(id string) bool {
	for _, e := range a.focus.order() {
		if e.id == id {
			t, ok := e.obj.(fyne.Tappable)
			if ok {
				t.Tapped(&fyne.PointEvent{})
			}
			return ok
		}
	}
	return false
}

func (k *keys) event(e input.Key) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	k.app.gest.lastTouch = e.At
	switch e.Phase {
	case input.Down:
		if k.down[e.Code] { // its Up was lost
			k.lose()
		}
		k.down[e.Code] = true
		if f := k.app.focus; e.Code == input.KeyBack && f.adjusting {
			f.toggle()
			return
		}
		if k.handle == nil || !k.handle(e) {
			k.pressed(e)
		}
	case input.Up:
		delete(k.down, e.Code)
		if e.Code == input.KeySelect {
			k.released(e.At.Sub(k.since) >= holdFor)
		}
	case input.Cancel:
		k.lose()
	default: // a key does not move
	}
}

func (k *keys) pressed(e input.Key) {
	f := k.app.focus
	switch e.Code {
	case input.KeyNext:
		f.step(1)
	case input.KeyPrevious:
		f.step(-1)
	case input.KeySelect:
		k.since = e.At
		k.take()
	default:
	}
}

// take is select going down.
func (k *keys) take() {
	a := k.app
	e, ok := a.focus.current()
	if !ok {
		a.focus.step(1)
		return
	}
	if a.gest.held(nil, e.obj) {
		return
	}
	switch o := e.obj.(type) {
	case Holdable:
		k.press, k.pad = &pressing{e.id, e.obj, a.canvas.changes}, o
		o.KeyDown()
		return
	case Adjustable:
		a.focus.toggle()
		return
	}
	k.press = &pressing{e.id, e.obj, a.canvas.changes}
	if t, ok := e.obj.(mobile.Touchable); ok {
		t.TouchDown(&mobile.TouchEvent{})
	}
}

// released is select coming up: a tap, if what it went down on is still there.
func (k *keys) released(held bool) {
	p := k.press
	k.press = nil
	if p == nil {
		return
	}
	if pad, ok := p.obj.(Holdable); ok {
		pad.KeyUp(held)
		return
	}
	e, ok := k.app.focus.current()
	there := ok && e.obj == p.obj && p.changes == k.app.canvas.changes
	if t, ok := p.obj.(mobile.Touchable); ok {
		if there {
			t.TouchUp(&mobile.TouchEvent{})
		} else {
			t.TouchCancel(&mobile.TouchEvent{})
		}
	}
	if t, ok := p.obj.(fyne.Tappable); ok && there {
		t.Tapped(&fyne.PointEvent{})
	}
}

// check lets go of what is not on the screen any more, or lies under an overlay.
func (k *keys) check() {
	p := k.press
	if p == nil || p.changes == k.app.canvas.changes && slices.ContainsFunc(k.app.reading(), func(e entry) bool { return e.obj == p.obj }) {
		return
	}
	k.press = nil
	if pad, ok := p.obj.(Holdable); ok {
		pad.KeyUp(true)
		return
	}
	if t, ok := p.obj.(mobile.Touchable); ok {
		t.TouchCancel(&mobile.TouchEvent{})
	}
}

// lose ends what keys began: their device is gone.
func (k *keys) lose() {
	clear(k.down)
	p, pad := k.press, k.pad
	k.press, k.pad = nil, nil
	k.app.gest.loseInput(func() {
		if pad != nil && pad.KeyHolding() {
			pad.KeyLost()
			return
		}
		if p == nil {
			return
		}
		if t, ok := p.obj.(mobile.Touchable); ok {
			t.TouchCancel(&mobile.TouchEvent{})
		}
	})
}

// gone is the end of the key source.
func (k *keys) gone() {
	k.app.log.Warn("key input is gone")
	k.lose()
}

package kiosk

import (
	"image"
	"math"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/mobile"

	"fountain/touchui/input"
	"fountain/touchui/kiosk/paint"
)

const (
	// slop is how far a finger may move, in Fyne units, and still be meant to rest: 4 mm on the 32-inch panel. It is
	// also how far it may leave an object before it has slid off.
	slop = 12
)

// gestures turns touches into calls on widgets. Each finger has its own contact; an object is held by one finger at a
// time, so a widget never gets a second TouchDown before its TouchUp or TouchCancel.
//
//	Down ─ TouchDown ─┬─ Up inside ──────────── TouchUp, then Tapped (however slow)
//	                  ├─ slides off ─────────── TouchCancel, nothing more
//	                  ├─ moves beyond slop in a direction a scroller can go ─ TouchCancel, Dragged …, then fling
//	                  └─ Cancel, layer changed, object removed or hidden, input gone, stop ─ TouchCancel or DragEnd
//
// What ended by itself while the finger is down stays ended until that finger comes down again. Of these ends only
// Cancel, input gone and stop happen to a finger without anybody's will: lost is true while they are told to widgets.
type gestures struct {
	app       *App
	contacts  []*contact
	flings    []*fling
	swings    []*stretch // swinging back from beyond their ends
	lastTouch time.Time
	lost      bool              // the touches that end now are lost by the input, see loseInput
	tapped    fyne.CanvasObject // for double taps
	tappedAt  time.Time
}

// contact is one finger on the screen.
type contact struct {
	id      int
	path    path
	changes uint64 // of the canvas's layers at Down
	start   fyne.Position
	last    fyne.Position
	trail   trail
	beyond  bool // has moved beyond slop
	touch   int  // index in path of the object that got TouchDown, -1 for none
	tap     int  // index in path of the object that would be tapped
	drag    *drag
}

func newGestures(a *App) *gestures { return &gestures{app: a} }

func (g *gestures) screen() paint.Rect {
	return paint.Rect{X1: g.app.canvas.size.Width, Y1: g.app.canvas.size.Height}
}

func (g *gestures) handle(t input.Touch) {
	g.lastTouch = t.At
	at := g.app.cfg.Rotation.Back(image.Pt(t.X, t.Y), g.app.size)
	pos := fyne.NewPos(float32(at.X)/g.app.scale, float32(at.Y)/g.app.scale)
	i := slices.IndexFunc(g.contacts, func(c *contact) bool { return c.id == t.ID })
	if t.Phase == input.Down {
		if i >= 0 { // its Up was lost
			g.loseInput(func() { g.lift(i) })
		}
		g.down(t, pos)
		return
	}
	if t.ID == input.Gone {
		g.app.lost()
		return
	}
	if i < 0 {
		return
	}
	c := g.contacts[i]
	if c.changes != g.app.canvas.changes {
		g.lose(c)
	}
	switch t.Phase {
	case input.Move:
		g.move(c, pos, t.At)
	case input.Up:
		g.contacts = slices.Delete(g.contacts, i, i+1)
		g.up(c, pos, t.At)
	default:
		g.loseInput(func() { g.lift(i) })
	}
}

// loseInput runs f, which ends touches that nobody wanted to end.
func (g *gestures) loseInput(f func()) {
	defer func(was bool) { g.lost = was }(g.lost)
	g.lost = true
	f()
}

// lift ends a contact as lost.
func (g *gestures) lift(i int) {
	c := g.contacts[i]
	g.contacts = slices.Delete(g.contacts, i, i+1)
	g.lose(c)
}

func (g *gestures) down(t input.Touch, pos fyne.Position) {
	p := hit(g.app.canvas.top(), pos, g.screen())
	c := &contact{id: t.ID, path: p, changes: g.app.canvas.changes, start: pos, last: pos, touch: -1, tap: -1}
	c.trail.add(pos, t.At)
	g.contacts = append(g.contacts, c)
	if g.stopFlings(p) {
		return // this touch only holds what was moving; it may drag it again
	}
	for i := len(p) - 1; i >= 0; i-- {
		if c.tap < 0 && tappable(p[i]) {
			c.tap = i
		}
		if c.touch < 0 {
			if _, ok := p[i].(mobile.Touchable); ok {
				c.touch = i
			}
		}
	}
	if c.touch >= 0 && g.held(c, p[c.touch]) {
		c.touch, c.tap = -1, -1
	}
	if c.touch >= 0 {
		at, _, _ := p.place(c.touch, g.screen())
		p[c.touch].(mobile.Touchable).TouchDown(&mobile.TouchEvent{PointEvent: point(pos, at)})
	}
}

// held reports whether another finger, or a key, holds o.
func (g *gestures) held(by *contact, o fyne.CanvasObject) bool {
	if p := g.app.keys.press; p != nil && p.obj == o {
		return true
	}
	for _, c := range g.contacts {
		if c != by && (c.touch >= 0 && c.path[c.touch] == o || c.drag != nil && c.drag.obj == o) {
			return true
		}
	}
	return false
}

func (g *gestures) move(c *contact, pos fyne.Position, at time.Time) {
	c.trail.add(pos, at)
	c.last = pos
	if c.drag != nil {
		c.drag.to(pos)
		return
	}
	dx, dy := pos.X-c.start.X, pos.Y-c.start.Y
	c.beyond = c.beyond || abs(dx) >= slop || abs(dy) >= slop
	if !c.beyond {
		return
	}
	if c.changes == g.app.canvas.changes {
		axis, from := Vertical, fyne.NewPos(c.start.X, c.start.Y+clamp(dy, slop))
		if abs(dx) > abs(dy) {
			axis, from = Horizontal, fyne.NewPos(c.start.X+clamp(dx, slop), c.start.Y)
		}
		if d := g.dragFor(c, axis, from); d != nil {
			g.cancelTouch(c)
			c.tap = -1
			c.drag = d
			g.catch(d)
			d.to(pos)
			return
		}
	}
	if !c.inside(c.touch, g.screen()) {
		g.cancelTouch(c)
	}
	if !c.inside(c.tap, g.screen()) {
		c.tap = -1
	}
}

func (g *gestures) up(c *contact, pos fyne.Position, at time.Time) {
	if c.drag != nil {
		c.drag.to(pos)
		g.release(c, at)
		return
	}
	c.last = pos
	if !c.inside(c.touch, g.screen()) {
		g.cancelTouch(c)
	}
	if i := c.touch; i >= 0 {
		c.touch = -1
		o, _, _ := c.path.place(i, g.screen())
		c.path[i].(mobile.Touchable).TouchUp(&mobile.TouchEvent{PointEvent: point(pos, o)})
	}
	// The release may have changed the page; a tap goes only to what is still there.
	if c.changes == g.app.canvas.changes && c.inside(c.tap, g.screen()) {
		g.tap(c, pos, at)
	}
}

func (g *gestures) tap(c *contact, pos fyne.Position, at time.Time) {
	g.focus(c.path[:c.tap+1])
	o := c.path[c.tap]
	origin, _, _ := c.path.place(c.tap, g.screen())
	ev := point(pos, origin)
	again := g.tapped == o && at.Sub(g.tappedAt) <= doubleTap
	g.tapped, g.tappedAt = o, at
	if d, ok := o.(fyne.DoubleTappable); ok && again {
		g.tapped = nil
		d.DoubleTapped(&ev)
		return
	}
	if t, ok := o.(fyne.Tappable); ok {
		t.Tapped(&ev)
	}
}

// focus goes to a tapped field that wants a keyboard; any other tap takes it away.
func (g *gestures) focus(p path) {
	for i := len(p) - 1; i >= 0; i-- {
		if k, ok := p[i].(mobile.Keyboardable); ok {
			g.app.canvas.Focus(k)
			return
		}
	}
	g.app.canvas.Unfocus()
}

// check ends what lost its ground: after any call into widgets the tree may be another.
func (g *gestures) check() {
	g.app.keys.check()
	for _, c := range slices.Clone(g.contacts) {
		if c.changes != g.app.canvas.changes {
			g.lose(c)
			continue
		}
		if !c.inside(c.touch, g.screen()) {
			g.cancelTouch(c)
		}
		if c.tap >= 0 {
			if _, _, ok := c.path.place(c.tap, g.screen()); !ok {
				c.tap = -1
			}
		}
		if c.drag != nil {
			if _, _, ok := c.path.place(c.drag.index, g.screen()); !ok {
				g.endDrag(c)
			}
		}
	}
	for _, f := range slices.Clone(g.flings) {
		_, _, ok := f.drag.path.place(f.drag.index, g.screen())
		if !ok || f.changes != g.app.canvas.changes {
			g.endFling(f)
		}
	}
	g.dropSwings(false)
}

// inside reports whether the finger is on path[i], which is still on screen.
func (c *contact) inside(i int, screen paint.Rect) bool {
	if i < 0 {
		return false
	}
	_, seen, ok := c.path.place(i, screen)
	return ok && !seen.Empty() && seen.Grow(slop).Contains(c.last)
}

func (g *gestures) cancelTouch(c *contact) {
	if c.touch < 0 {
		return
	}
	o := c.path[c.touch]
	at, _, _ := c.path.place(c.touch, g.screen())
	c.touch = -1
	o.(mobile.Touchable).TouchCancel(&mobile.TouchEvent{PointEvent: point(c.last, at)})
}

// lose ends everything the finger holds; the finger itself may still be down.
func (g *gestures) lose(c *contact) {
	g.cancelTouch(c)
	c.tap = -1
	g.endDrag(c)
	c.path = nil
}

func (g *gestures) endDrag(c *contact) {
	if d := c.drag; d != nil {
		c.drag = nil
		g.letGo(d)
		d.end()
	}
}

func (g *gestures) cancelAll() {
	for len(g.contacts) > 0 {
		g.lift(0)
	}
	for len(g.flings) > 0 {
		g.endFling(g.flings[0])
	}
	g.dropSwings(true)
}

func tappable(o fyne.CanvasObject) bool {
	switch o.(type) {
	case fyne.Tappable, fyne.DoubleTappable:
		return true
	}
	return false
}

// dragFor finds who follows a movement along axis: from the hit object outwards the first that can.
func (g *gestures) dragFor(c *contact, axis Axis, from fyne.Position) *drag {
	for i := len(c.path) - 1; i >= 0; i-- {
		o := c.path[i]
		switch s := o.(type) {
		case Scroller:
			if !s.CanScroll(axis) {
				continue
			}
		case *container.Scroll:
			if !canScroll(s, axis) {
				continue
			}
		case fyne.Draggable:
		default:
			continue
		}
		if g.held(c, o) {
			return nil
		}
		return &drag{app: g.app, obj: o, path: c.path, index: i, last: from, held: true}
	}
	return nil
}

func canScroll(s *container.Scroll, axis Axis) bool {
	if s.Content == nil {
		return false
	}
	size, content := s.Size(), s.Content.Size()
	if axis == Horizontal {
		return (s.Direction == container.ScrollBoth || s.Direction == container.ScrollHorizontalOnly) && content.Width > size.Width
	}
	return (s.Direction == container.ScrollBoth || s.Direction == container.ScrollVerticalOnly) && content.Height > size.Height
}

func point(pos, origin fyne.Position) fyne.PointEvent {
	return fyne.PointEvent{Position: pos.Subtract(origin), AbsolutePosition: pos}
}

func abs(v float32) float32 { return float32(math.Abs(float64(v))) }

// clamp limits v to ±most.
func clamp(v, most float32) float32 { return max(-most, min(most, v)) }

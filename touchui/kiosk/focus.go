package kiosk

import (
	"image/color"
	"slices"

	"fyne.io/fyne/v2"
	drawn "fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// The ring around what has the focus, in Fyne units (tokens file, states.focus).
const (
	ringWidth = 6
	ringGap   = 6
	ringRound = 18
	// ringRoom is what a scroller leaves around what it brings into sight: the ring, and a bit of the neighbour.
	ringRoom = 2 * (ringWidth + ringGap)
)

// focus is where the keys are. It stays with an element's id, so that a page may be built anew under it. Fingers take it
// away: it is shown only to whom it serves.
type focus struct {
	app       *App
	id        string
	rect      paint.Rect // where it was last
	changes   uint64     // of the canvas's layers
	shown     bool
	adjusting bool
	rtl       bool
	changed   func(display.Element)
	ring      *fyne.Container
	band      *drawn.Rectangle // a light line inside, so that the ring is seen on every colour
	line      *drawn.Rectangle
	round     roundRing
	outer     color.Color // of the ring; nil: the theme's
	inner     color.Color // of the line inside
}

func newFocus(a *App) *focus {
	f := &focus{app: a, band: drawn.NewRectangle(color.Transparent), line: drawn.NewRectangle(color.Transparent)}
	f.line.StrokeWidth, f.band.StrokeWidth = ringWidth, ringGap
	f.ring = &fyne.Container{Objects: []fyne.CanvasObject{f.band, f.line}}
	return f
}

// SetRightToLeft says how rows are read. Fyne thread.
func (a *App) SetRightToLeft(yes bool) { a.focus.rtl = yes }

// SetRing sets the colours of the ring around what has the focus, and of the line inside it, against which it stands out
// whatever the page's colours are. Until then they are the theme's focus and background. Fyne thread.
func (a *App) SetRing(ring, inside color.Color) {
	a.focus.outer, a.focus.inner = ring, inside
	a.canvas.SetDirty()
}

// OnFocus calls f when a key moved the focus, and when one changed the value of what has it. Fyne thread.
func (a *App) OnFocus(f func(display.Element)) { a.focus.changed = f }

// Focus gives the keys' focus to the element with that id, as if they had moved there; false when it cannot have it.
// Fyne thread.
func (a *App) Focus(id string) bool {
	for _, e := range a.focus.order() {
		if e.id == id {
			a.focus.set(e)
			return true
		}
	}
	return false
}

// order lists what can have the focus.
func (f *focus) order() []entry {
	return slices.DeleteFunc(f.app.reading(), func(e entry) bool { return !e.takes() })
}

// on reports whether the element with that id has the focus.
func (f *focus) on(id string) bool {
	return f.shown && f.id == id && f.changes == f.app.canvas.changes
}

// current is what has the focus, as it is now.
func (f *focus) current() (entry, bool) {
	if !f.on(f.id) {
		return entry{}, false
	}
	for _, e := range f.order() {
		if e.id == f.id {
			return e, true
		}
	}
	return entry{}, false
}

// step moves the focus, or the value that is adjusted.
func (f *focus) step(by int) {
	all := f.order()
	if len(all) == 0 {
		return
	}
	if f.changes != f.app.canvas.changes {
		f.clear()
	}
	i := -1
	if f.shown {
		i = slices.IndexFunc(all, func(e entry) bool { return e.id == f.id })
		if i < 0 { // it went: go to what is nearest to where it was
			f.set(nearest(all, f.rect))
			return
		}
	}
	if f.adjusting {
		if o, ok := all[i].obj.(Adjustable); ok {
			o.AdjustBy(by)
			f.tell()
			return
		}
		f.adjusting = false
	}
	switch {
	case i < 0 && by > 0:
		i = 0
	case i < 0:
		i = len(all) - 1
	default:
		i = (i + by + len(all)) % len(all)
	}
	f.set(all[i])
}

// toggle begins or ends adjusting.
func (f *focus) toggle() {
	f.adjusting = !f.adjusting
	f.app.canvas.SetDirty()
	f.tell()
}

func (f *focus) set(e entry) {
	f.id, f.shown, f.adjusting, f.changes = e.id, true, false, f.app.canvas.changes
	bring(e)
	f.app.canvas.SetDirty()
	f.tell()
}

// tell says what has the focus.
func (f *focus) tell() {
	if e, ok := f.current(); ok && f.changed != nil {
		f.changed(f.app.element(e))
	}
}

// clear takes the focus away, as a finger does.
func (f *focus) clear() {
	if f.shown {
		f.shown, f.adjusting = false, false
		f.app.canvas.SetDirty()
	}
}

// nearest finds what stands closest to where something was.
func nearest(all []entry, at paint.Rect) entry {
	best, least := all[0], float32(-1)
	for _, e := range all {
		dx, dy := e.rect.X0+e.rect.X1-at.X0-at.X1, e.rect.Y0+e.rect.Y1-at.Y0-at.Y1
		if d := dx*dx + dy*dy; least < 0 || d < least {
			best, least = e, d
		}
	}
	return best
}

// bring scrolls e into sight, from the outermost scroller inwards.
func bring(e entry) {
	r := e.rect
	for _, s := range e.scrolls {
		at := fyne.CurrentApp().Driver().AbsolutePositionForObject(s)
		view := paint.RectOf(at, s.Size())
		d := fyne.Delta{DX: into(r.X0-ringRoom, r.X1+ringRoom, view.X0, view.X1), DY: into(r.Y0-ringRoom, r.Y1+ringRoom, view.Y0, view.Y1)}
		if d.IsZero() {
			continue
		}
		before := s.Offset
		s.Scrolled(&fyne.ScrollEvent{Scrolled: d})
		gone := s.Offset.Subtract(before)
		r = paint.Rect{X0: r.X0 - gone.X, X1: r.X1 - gone.X, Y0: r.Y0 - gone.Y, Y1: r.Y1 - gone.Y}
	}
}

// into is how far a span has to move to lie in a view; one that is too large shows its beginning.
func into(from, to, v0, v1 float32) float32 {
	switch {
	case from < v0 || to-from > v1-v0:
		return v0 - from
	case to > v1:
		return v1 - to
	}
	return 0
}

// layer is the ring as a layer above all others, nil when nothing has the focus. It moves with what has the focus.
func (f *focus) layer() fyne.CanvasObject {
	e, ok := f.current()
	if !ok {
		f.round = roundRing{}
		return nil
	}
	f.rect = e.rect
	r := e.seen.Grow(ringGap + ringWidth).Intersect(f.app.gest.screen())
	if e.seen.Empty() {
		return nil
	}
	outer, inner := f.outer, f.inner
	if outer == nil {
		s := f.app.fyne.settings
		outer, inner = s.Theme().Color(theme.ColorNameFocus, s.ThemeVariant()), s.Theme().Color(theme.ColorNameBackground, s.ThemeVariant())
	}
	if f.adjusting { // no gap: the ring holds what it is around
		inner = outer
	}
	if o, ok := e.obj.(Round); ok {
		if at, radius := o.Disc(); radius > 0 {
			at = at.AddXY(e.rect.X0, e.rect.Y0)
			return f.round.show(ringLook{box: r, centre: at, radius: radius, outer: outer, inner: inner})
		}
	}
	f.round = roundRing{}
	// Fyne draws a stroke half on each side of the edge
	place(f.line, r.Grow(-ringWidth/2), ringWidth, ringRound, outer)
	place(f.band, r.Grow(-ringWidth-ringGap/2), ringGap, ringRound-ringWidth, inner)
	return f.ring
}

func place(q *drawn.Rectangle, r paint.Rect, width, round float32, c color.Color) {
	if pos := fyne.NewPos(r.X0, r.Y0); q.Position() != pos { // every move asks for a frame
		q.Move(pos)
	}
	if size := fyne.NewSize(r.X1-r.X0, r.Y1-r.Y0); q.Size() != size {
		q.Resize(size)
	}
	q.StrokeWidth, q.CornerRadius = width, round
	if q.StrokeColor != c {
		q.StrokeColor = c
		q.Refresh()
	}
}

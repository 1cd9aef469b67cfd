package paint

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
)

// Rect is a rectangle in Fyne units.
type Rect struct{ X0, Y0, X1, Y1 float32 }

// RectOf is the rectangle of an object of that size at pos.
func RectOf(pos fyne.Position, size fyne.Size) Rect {
	return Rect{pos.X, pos.Y, pos.X + size.Width, pos.Y + size.Height}
}

// Intersect returns the common part, possibly empty.
func (r Rect) Intersect(s Rect) Rect {
	return Rect{max(r.X0, s.X0), max(r.Y0, s.Y0), min(r.X1, s.X1), min(r.Y1, s.Y1)}
}

// Empty reports whether the rectangle has no area.
func (r Rect) Empty() bool { return r.X0 >= r.X1 || r.Y0 >= r.Y1 }

// Contains reports whether p is inside; right and lower edge are outside.
func (r Rect) Contains(p fyne.Position) bool {
	return p.X >= r.X0 && p.X < r.X1 && p.Y >= r.Y0 && p.Y < r.Y1
}

// Grow moves every edge outwards by d.
func (r Rect) Grow(d float32) Rect { return Rect{r.X0 - d, r.Y0 - d, r.X1 + d, r.Y1 + d} }

// overhang is how far a child inside a scroller may reach beyond its own size (shadows, badges) and still be drawn
// while that size itself is scrolled out of sight.
const overhang = 64

// Visit is called for each visible object with its absolute position and the clip that applies to it. True ends the walk.
type Visit func(o fyne.CanvasObject, pos fyne.Position, clip Rect) (stop bool)

// Walk visits root and what is visible below it in paint order: parents before children, earlier before later siblings.
// Subtrees scrolled out of sight are skipped. It reports whether a visit ended it.
func Walk(root fyne.CanvasObject, within Rect, fn Visit) bool {
	w := walker{visit: fn}
	return w.walk(root, fyne.Position{}, within, false)
}

type walker struct {
	visit Visit
	meet  func(fyne.Widget) // optional: before the children of a widget are looked at
}

func (w *walker) walk(o fyne.CanvasObject, off fyne.Position, clip Rect, scrolled bool) bool {
	if o == nil || !o.Visible() {
		return false
	}
	pos := off.Add(o.Position())
	if wid, ok := o.(fyne.Widget); ok && w.meet != nil {
		w.meet(wid)
	}
	kids, isClip := Children(o)
	if isClip {
		clip = clip.Intersect(RectOf(pos, o.Size()))
		scrolled = true
	}
	if w.visit(o, pos, clip) {
		return true
	}
	if scrolled && clip.Empty() {
		return false
	}
	near := clip.Grow(overhang)
	for _, k := range kids {
		if scrolled && k != nil {
			if s := k.Size(); s.Width > 0 && s.Height > 0 && RectOf(pos.Add(k.Position()), s).Intersect(near).Empty() {
				continue
			}
		}
		if w.walk(k, pos, clip, scrolled) {
			return true
		}
	}
	return false
}

// Children returns what o is made of, and whether o cuts off what lies outside of it.
func Children(o fyne.CanvasObject) (kids []fyne.CanvasObject, clips bool) {
	switch c := o.(type) {
	case *fyne.Container:
		return c.Objects, false
	case fyne.Widget:
		r := test.WidgetRenderer(c)
		if r == nil {
			return nil, false
		}
		if _, ok := o.(fyne.Scrollable); ok {
			return r.Objects(), true
		}
		_, ok := r.(interface{ IsClip() })
		return r.Objects(), ok
	}
	return nil, false
}

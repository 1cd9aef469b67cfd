package kiosk

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/mobile"

	"fountain/touchui/kiosk/paint"
)

// path leads from a layer's root to the object that was hit.
type path []fyne.CanvasObject

// hit finds the topmost interactive object at pos below root. Only it and its ancestors take part in a touch: what lies
// beneath it elsewhere in the tree does not.
func hit(root fyne.CanvasObject, pos fyne.Position, screen paint.Rect) path {
	p := find(root, fyne.Position{}, screen, pos)
	slices.Reverse(p)
	return p
}

// find returns the path from the hit object up to o.
func find(o fyne.CanvasObject, off fyne.Position, clip paint.Rect, at fyne.Position) path {
	if o == nil || !o.Visible() {
		return nil
	}
	pos := off.Add(o.Position())
	own := paint.RectOf(pos, o.Size())
	kids, clips := paint.Children(o)
	if clips {
		clip = clip.Intersect(own)
	}
	if !clip.Contains(at) {
		return nil
	}
	for i := len(kids) - 1; i >= 0; i-- {
		if p := find(kids[i], pos, clip, at); p != nil {
			return append(p, o)
		}
	}
	if own.Contains(at) && interactive(o) {
		return path{o}
	}
	return nil
}

func interactive(o fyne.CanvasObject) bool {
	switch o.(type) {
	case mobile.Touchable, fyne.Tappable, fyne.DoubleTappable, fyne.SecondaryTappable, fyne.Draggable, fyne.Scrollable,
		Scroller, fyne.Focusable:
		return true
	}
	return false
}

// place returns the absolute position of p[i] and the part of it that can be seen; ok is false when the path is broken:
// something in it was removed or hidden.
func (p path) place(i int, screen paint.Rect) (pos fyne.Position, seen paint.Rect, ok bool) {
	seen = screen
	for k := 0; k <= i; k++ {
		o := p[k]
		if !o.Visible() {
			return pos, seen, false
		}
		pos = pos.Add(o.Position())
		kids, clips := paint.Children(o)
		if clips || k == i {
			seen = seen.Intersect(paint.RectOf(pos, o.Size()))
		}
		if k < i && !slices.Contains(kids, p[k+1]) {
			return pos, seen, false
		}
	}
	return pos, seen, true
}

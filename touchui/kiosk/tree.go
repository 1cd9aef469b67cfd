package kiosk

import (
	"image"
	"math"

	"fyne.io/fyne/v2"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// Elements lists the visible interactive objects of the top layer in paint order, bounds as seen. Fyne thread.
func (a *App) Elements() []display.Element {
	out := []display.Element{}
	screen := paint.Rect{X1: a.canvas.size.Width, Y1: a.canvas.size.Height}
	paint.Walk(a.canvas.top(), screen, func(o fyne.CanvasObject, pos fyne.Position, clip paint.Rect) bool {
		acc, ok := o.(Accessible)
		if !ok {
			return false
		}
		r := a.pixels(paint.RectOf(pos, o.Size()).Intersect(clip))
		if r.Empty() {
			return false
		}
		out = append(out, display.Element{
			ID: acc.AccessibleID(), Role: acc.AccessibleRole(), Name: acc.AccessibleName(), Value: acc.AccessibleValue(),
			Bounds: display.BoundsOf(r), Enabled: acc.AccessibleEnabled(),
		})
		return false
	})
	return out
}

// pixels converts as the painter does.
func (a *App) pixels(r paint.Rect) image.Rectangle {
	if r.Empty() {
		return image.Rectangle{}
	}
	px := func(v float32) int { return int(math.Ceil(float64(v * a.scale))) }
	return image.Rect(px(r.X0), px(r.Y0), px(r.X1), px(r.Y1)).Intersect(image.Rectangle{Max: a.size})
}

package kiosk

import (
	"image"
	"math"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// Elements lists the visible interactive objects of the top layer in reading order, bounds as seen. Fyne thread.
func (a *App) Elements() []display.Element {
	out := []display.Element{}
	for _, e := range a.reading() {
		if el := a.element(e); el.Bounds.W > 0 && el.Bounds.H > 0 {
			out = append(out, el)
		}
	}
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

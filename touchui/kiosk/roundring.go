package kiosk

import (
	"image"
	"image/color"
	"math"

	"fyne.io/fyne/v2"
	drawn "fyne.io/fyne/v2/canvas"

	"fountain/touchui/kiosk/paint"
)

// Round is implemented by an object that is part of a disc, so that the ring around it is one, too.
type Round interface {
	// Disc is its centre, in the object's own coordinates, and its radius; 0: it is no disc now.
	Disc() (fyne.Position, float32)
}

// roundRing is a ring around a disc: one picture as large as what can be seen of it, kept while it is shown.
type roundRing struct {
	pic *drawn.Image
	of  ringLook
}

// ringLook is what the picture depends on.
type ringLook struct {
	box          paint.Rect
	centre       fyne.Position
	radius       float32
	outer, inner color.Color
}

// show returns the ring for a look of it.
func (r *roundRing) show(of ringLook) fyne.CanvasObject {
	if r.pic != nil && r.of == of {
		return r.pic
	}
	r.of = of
	r.pic = drawn.NewImageFromImage(of.draw())
	r.pic.ScaleMode = drawn.ImageScalePixels
	r.pic.Move(fyne.NewPos(of.box.X0, of.box.Y0))
	r.pic.Resize(fyne.NewSize(of.box.X1-of.box.X0, of.box.Y1-of.box.Y0))
	return r.pic
}

// draw is the line around the disc and the band inside the line.
func (o ringLook) draw() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, int(o.box.X1-o.box.X0), int(o.box.Y1-o.box.Y0)))
	edge := float64(o.radius)
	band, line := color.RGBAModel.Convert(o.inner).(color.RGBA), color.RGBAModel.Convert(o.outer).(color.RGBA)
	for y := range img.Rect.Dy() {
		dy := float64(o.box.Y0) + float64(y) + .5 - float64(o.centre.Y)
		for x := range img.Rect.Dx() {
			dx := float64(o.box.X0) + float64(x) + .5 - float64(o.centre.X)
			d := math.Hypot(dx, dy) - edge
			if d < -1 || d > ringGap+ringWidth+1 {
				continue
			}
			in, mid, out := step(d), step(d-ringGap), step(d-ringGap-ringWidth)
			img.SetRGBA(x, y, blend(band, in-mid, line, mid-out))
		}
	}
	return img
}

// step goes from 0 to 1 within the pixel around an edge.
func step(d float64) float64 { return max(0, min(1, d+.5)) }

// blend is a share of a and one of b; the rest can be looked through.
func blend(a color.RGBA, f float64, b color.RGBA, g float64) color.RGBA {
	mix := func(p, q uint8) uint8 { return uint8(float64(p)*f + float64(q)*g + .5) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), mix(a.A, b.A)}
}

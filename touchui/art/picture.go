package art

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/vector"

	"fountain/touchui/theme"
)

// Picture is an image being composed. Everything drawn is opaque except at anti-aliased edges.
type Picture struct {
	*image.RGBA
	z vector.Rasterizer
	f *theme.Fonts
	c image.Rectangle // clip
	// What is placed by its box is placed as for English and turned around when the fonts set a language written from
	// right to left; raw paths and pictures of things keep their shape (turn.go).
	turned bool
}

// NewPicture returns a picture filled with bg.
func NewPicture(f *theme.Fonts, w, h int, bg color.RGBA) *Picture {
	p := &Picture{RGBA: image.NewRGBA(image.Rect(0, 0, max(w, 1), max(h, 1))), f: f, turned: f.RTL()}
	p.c = p.Rect
	draw.Draw(p.RGBA, p.Rect, image.NewUniform(bg), image.Point{}, draw.Src)
	return p
}

// Box fills a rectangle without anti-aliasing.
func (p *Picture) Box(x, y, w, h int, c color.RGBA) {
	x = p.boxX(x, w)
	draw.Draw(p.RGBA, image.Rect(x, y, x+w, y+h).Intersect(p.c), image.NewUniform(c), image.Point{}, draw.Src)
}

// Round fills a rounded rectangle.
func (p *Picture) Round(x, y, w, h, r float64, c color.RGBA) {
	p.Fill((&Path{}).Rect(p.at(x, w), y, w, h, r), c)
}

// Frame draws the inner border of a rounded rectangle, as wide as width.
func (p *Picture) Frame(x, y, w, h, r, width float64, c color.RGBA) {
	x = p.at(x, w)
	q := (&Path{}).Rect(x, y, w, h, r)
	in := (&Path{}).Rect(x+width, y+width, w-2*width, h-2*width, math.Max(r-width, 0))
	q.add(reversed(in.contours[0].pts))
	p.Fill(q, c)
}

// Fill fills q (nonzero winding).
func (p *Picture) Fill(q *Path, c color.RGBA) {
	minX, minY, maxX, maxY := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, ct := range q.contours {
		for _, a := range ct.pts {
			minX, maxX = math.Min(minX, a.X), math.Max(maxX, a.X)
			minY, maxY = math.Min(minY, a.Y), math.Max(maxY, a.Y)
		}
	}
	if minX > maxX || !(minX > -farOut && minY > -farOut && maxX < farOut && maxY < farOut) {
		return // empty, or not meant for this picture: the rasteriser walks every row above it
	}
	r := image.Rect(int(math.Floor(minX)), int(math.Floor(minY)), int(math.Ceil(maxX))+1, int(math.Ceil(maxY))+1).Intersect(p.c)
	if r.Empty() {
		return
	}
	p.z.Reset(r.Dx(), r.Dy())
	p.z.DrawOp = draw.Over
	trace(&p.z, q, float64(r.Min.X), float64(r.Min.Y))
	p.z.Draw(p.RGBA, r, image.NewUniform(c), image.Point{})
}

// trace hands q to a rasteriser whose upper left corner is at ox, oy.
func trace(z *vector.Rasterizer, q *Path, ox, oy float64) {
	for _, ct := range q.contours {
		for i, a := range ct.pts {
			x, y := float32(a.X-ox), float32(a.Y-oy)
			if i == 0 {
				z.MoveTo(x, y)
			} else {
				z.LineTo(x, y)
			}
		}
		z.ClosePath()
	}
}

// farOut is a coordinate no sensible shape reaches.
const farOut = 1e5

// Clip limits drawing to r until the returned function is called.
func (p *Picture) Clip(r image.Rectangle) (restore func()) { return p.clip(p.box(r)) }

func (p *Picture) clip(r image.Rectangle) (restore func()) {
	old := p.c
	p.c = p.c.Intersect(r)
	return func() { p.c = old }
}

// Paste copies img opaquely to x, y.
func (p *Picture) Paste(img *image.RGBA, x, y int) {
	x = p.boxX(x, img.Rect.Dx())
	r := img.Bounds().Add(image.Pt(x, y)).Intersect(p.c)
	draw.Draw(p.RGBA, r, img, r.Min.Sub(image.Pt(x, y)), draw.Src)
	p.pasted(img, x, y)
}

// Through draws img at x, y where q is, with q's anti-aliased edge. Both are turned around together, their shapes kept.
func (p *Picture) Through(img *image.RGBA, x, y int, q *Path) {
	to := p.boxX(x, img.Rect.Dx())
	q.shift(float64(to-x), 0)
	x = to
	p.z.Reset(p.Rect.Dx(), p.Rect.Dy())
	p.z.DrawOp = draw.Over
	trace(&p.z, q, 0, 0)
	mask := image.NewAlpha(p.Rect)
	p.z.Draw(mask, p.Rect, image.Opaque, image.Point{})
	r := img.Bounds().Add(image.Pt(x, y)).Intersect(p.c)
	draw.DrawMask(p.RGBA, r, img, r.Min.Sub(image.Pt(x, y)), mask, r.Min, draw.Over)
}

// Corners cuts rounded corners: outside them the picture becomes bg.
func (p *Picture) Corners(r float64, bg color.RGBA) *Picture {
	w, h := float64(p.Rect.Dx()), float64(p.Rect.Dy())
	for _, c := range [4][3]float64{{0, 0, 270}, {w, 0, 0}, {w, h, 90}, {0, h, 180}} {
		x, y, a := c[0], c[1], c[2]
		cx, cy := x+r, y+r
		if x > 0 {
			cx = x - r
		}
		if y > 0 {
			cy = y - r
		}
		q := (&Path{}).Move(x, y).Arc(cx, cy, r, r, a, a+90, false).Close()
		p.Fill(q, bg)
	}
	return p
}

// empty is the empty picture: only the dome and numbers over a moving level use it.
var empty = color.RGBA{}

// Clear is a picture without a background.
func Clear(f *theme.Fonts, w, h int) *Picture { return NewPicture(f, w, h, empty) }

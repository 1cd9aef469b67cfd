package art

import (
	"image"
	"math"

	"golang.org/x/image/vector"
)

// at is where the left edge of something w wide comes to lie that is placed at x.
func (p *Picture) at(x, w float64) float64 {
	if p.turned {
		return float64(p.Rect.Dx()) - x - w
	}
	return x
}

func (p *Picture) boxX(x, w int) int {
	if p.turned {
		return p.Rect.Dx() - x - w
	}
	return x
}

func (p *Picture) box(r image.Rectangle) image.Rectangle {
	if p.turned {
		r.Min.X, r.Max.X = p.Rect.Dx()-r.Max.X, p.Rect.Dx()-r.Min.X
	}
	return r
}

// Fixed keeps what is drawn until the returned function is called where it is in every language: the jug scale, the dome
// in its corner.
func (p *Picture) Fixed() (restore func()) {
	was := p.turned
	p.turned = false
	return func() { p.turned = was }
}

// pasted tells who listens that src, with the text on it, is on p now.
func (p *Picture) pasted(src *image.RGBA, x, y int) {
	if t := p.f.Tracer(); t != nil {
		t.Paste(p.RGBA, src, image.Pt(x, y))
	}
}

// shift moves what was added so far.
func (p *Path) shift(dx, dy float64) {
	if dx == 0 && dy == 0 {
		return
	}
	for _, c := range p.contours {
		for i := range c.pts {
			c.pts[i].X += dx
			c.pts[i].Y += dy
		}
	}
}

// bounds is the box of what was added.
func (p *Path) bounds() image.Rectangle {
	lo, hi := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, c := range p.contours {
		for _, a := range c.pts {
			lo.X, hi.X = min(lo.X, a.X), max(hi.X, a.X)
			lo.Y, hi.Y = min(lo.Y, a.Y), max(hi.Y, a.Y)
		}
	}
	if lo.X > hi.X {
		return image.Rectangle{}
	}
	return image.Rect(int(math.Floor(lo.X)), int(math.Floor(lo.Y)), int(math.Ceil(hi.X)), int(math.Ceil(hi.Y)))
}

// ink is the path filled, in the path's coordinates.
func (p *Path) ink() *image.Alpha {
	box := p.bounds()
	out := image.NewAlpha(box)
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	trace(z, p, float64(box.Min.X), float64(box.Min.Y))
	z.Draw(out, box, image.Opaque, image.Point{})
	return out
}

package art

import (
	"image"
	"image/color"
	"math"

	"fountain/agent/beverage"
	"fountain/touchui/theme"
)

// Colours are a brand's palette, read once.
type Colours struct {
	Primary, Secondary, Third, Ink, OnSecondary, Well color.RGBA
	Plain                                             bool // high contrast: motifs are not drawn
}

// ColoursOf reads a palette.
func ColoursOf(p beverage.Palette) Colours {
	return Colours{
		Primary: theme.Hex(p.Primary), Secondary: theme.Hex(p.Secondary), Third: theme.Hex(p.Third), Ink: theme.Hex(p.Ink),
		OnSecondary: theme.Hex(p.OnSecondary), Well: theme.Hex(p.Well),
	}
}

// ColoursIn reads a palette for a theme: in high contrast every brand has the theme's own colours.
func ColoursIn(p beverage.Palette, r theme.Roles) Colours {
	if r.Plain {
		return Colours{Primary: r.BG, Secondary: r.BG, Third: r.Active, Ink: r.Ink, OnSecondary: r.Ink, Well: r.BG, Plain: true}
	}
	return ColoursOf(p)
}

// Tint is primary with share t of ink: for what would be a transparent ink elsewhere.
func (c Colours) Tint(t float64) color.RGBA { return theme.Mix(c.Primary, c.Ink, t) }

func (c Colours) of(f string) color.RGBA {
	switch f {
	case "s":
		return c.Secondary
	case "t":
		return c.Third
	case "i":
		return c.Ink
	}
	return c.Primary
}

// drainedPen is the width of the outline of a motif that has run out, in motif units.
const drainedPen = 9

// Motif draws m covering r: anchored to its lower edge, centred sideways, the top cropped. With outline it draws each
// shape as a line of that colour instead of filling it.
func (p *Picture) Motif(m beverage.Motif, c Colours, r image.Rectangle, outline *color.RGBA) {
	if c.Plain {
		return
	}
	box := m.Box
	if box <= 0 {
		box = 1000
	}
	r = p.box(r) // its place is turned around, what it shows is not
	k := float64(max(r.Dx(), r.Dy())) / box
	at := Translate(float64(r.Min.X)+(float64(r.Dx())-box*k)/2, float64(r.Max.Y)-box*k).Mul(Scale(k))
	defer p.clip(r)()
	d := drawing{p: p, c: c, outline: outline}
	for i := range m.Shapes {
		d.shape(&m.Shapes[i], at, 0)
	}
}

type drawing struct {
	p       *Picture
	c       Colours
	outline *color.RGBA
	drawn   int
}

// Limits of a motif: a catalogue is data from outside. The richest motif of the default catalogue draws about 120 shapes.
const (
	maxDepth  = 4
	maxShapes = 2000
)

func (d *drawing) shape(s *beverage.Shape, m Matrix, depth int) {
	if d.drawn++; d.drawn > maxShapes {
		return
	}
	if s.T == "repeat" {
		if depth >= maxDepth {
			return
		}
		n := min(s.N, maxShapes-d.drawn)
		for i := range n {
			if d.drawn > maxShapes {
				return
			}
			k := float64(i)
			if s.Rot != 0 && s.Rot*float64(s.N) < 300 { // a fan, centred
				k -= float64(n-1) / 2
			}
			step := Translate(s.DX*float64(i), s.DY*float64(i))
			if s.Rot != 0 {
				step = Rotate(k*s.Rot, s.CX, s.CY)
			}
			for j := range s.Of {
				d.shape(&s.Of[j], m.Mul(step), depth+1)
			}
		}
		return
	}
	q := outlineOf(s, m)
	switch {
	case d.outline != nil:
		d.p.Fill(q.Stroke(Pen{Width: drainedPen}), *d.outline)
	case s.T == "ring":
		d.p.Fill(q.Stroke(Pen{Width: s.W}), d.c.of(s.F))
	default:
		d.p.Fill(q, d.c.of(s.F))
	}
}

// outlineOf is the shape's contour in pixels.
func outlineOf(s *beverage.Shape, m Matrix) *Path {
	turn := func(cx, cy float64) *Path {
		if s.A == 0 {
			return NewPath(m)
		}
		return NewPath(m.Mul(Rotate(s.A, cx, cy)))
	}
	switch s.T {
	case "circle", "ring":
		return NewPath(m).Circle(s.X, s.Y, s.R)
	case "rect":
		return turn(s.X+s.W/2, s.Y+s.H/2).Rect(s.X, s.Y, s.W, s.H, s.R)
	case "ellipse":
		return turn(s.X, s.Y).Arc(s.X, s.Y, s.RX, s.RY, 0, 360, true).Close()
	case "poly":
		return NewPath(m).Poly(s.Pts...)
	case "wedge":
		q := NewPath(m)
		if s.R0 == 0 {
			return q.Move(s.X, s.Y).Arc(s.X, s.Y, s.R, s.R, s.From, s.To, false).Close()
		}
		return q.Arc(s.X, s.Y, s.R, s.R, s.From, s.To, true).Arc(s.X, s.Y, s.R0, s.R0, s.To, s.From, false).Close()
	case "leaf":
		return turn(s.X, s.Y).Move(s.X, s.Y).Quad(s.X-s.W, s.Y-s.L/2, s.X, s.Y-s.L).Quad(s.X+s.W, s.Y-s.L/2, s.X, s.Y).Close()
	case "drop":
		x, y, r := s.X, s.Y, s.R
		k := r * 2.1
		q := turn(x, y).Move(x, y-k).Cube(x+r*.35, y-r*1.35, x+r, y-r*.7, x+r, y)
		return q.Arc(x, y, r, r, 90, 270, false).Cube(x-r, y-r*.7, x-r*.35, y-r*1.35, x, y-k).Close()
	case "wave":
		return waveShape(s, m)
	}
	return NewPath(m)
}

func waveShape(s *beverage.Shape, m Matrix) *Path {
	q := NewPath(m).Move(-500, s.Y+s.H).Line(-500, s.Y)
	length := math.Max(s.Len, 20)
	for x := -500 - s.Ph; x < 1500; x += length {
		q.Line(x, s.Y).Quad(x+length/4, s.Y-2*s.Amp, x+length/2, s.Y).Quad(x+length*3/4, s.Y+2*s.Amp, x+length, s.Y)
	}
	return q.Line(q.cur.X, s.Y+s.H).Close()
}

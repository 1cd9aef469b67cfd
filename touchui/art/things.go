package art

import (
	"image/color"
	"math"

	"fountain/touchui/theme"
)

// Cup draws a paper cup seen from the side in a box of w×h at x, y, filled to fill (0..1), the lid lid high.
func (p *Picture) Cup(x, y, w, h, fill, pen, lid float64, liquid, outline color.RGBA) {
	y0, yb := lid/2, h-pen/2
	in0, t := w*.07+pen/2, w*.13
	X := func(v float64) float64 { return in0 + t*(v-y0)/(yb-y0) }
	yl := yb - (yb-y0)*fill
	m := Translate(p.at(x, w), y)
	p.Fill(NewPath(m).Poly(X(yl), yl, X(yb), yb, w-X(yb), yb, w-X(yl), yl), liquid)
	body := NewPath(m).Move(X(y0), y0).Line(X(yb), yb).Line(w-X(yb), yb).Line(w-X(y0), y0)
	p.Fill(body.Stroke(Pen{Width: pen, Round: true}), outline)
	p.Fill(NewPath(m).Rect(0, 0, w, lid, lid/2), outline)
}

// WavePeriod is the length of one wave of a level edge at 1080 wide.
const WavePeriod = 360

// Wave draws the edge of a level: colour below a wave in a strip of w×h at x, y.
func (p *Picture) Wave(x, y, w, h, length float64, c color.RGBA) {
	q := NewPath(Translate(x, y)).Move(0, h).Line(0, h/2)
	for at := 0.0; at < w; at += length {
		q.Quad(at+length/4, h/2-h*.8, at+length/2, h/2).Quad(at+length*3/4, h/2+h*.8, at+length, h/2)
	}
	p.Fill(q.Line(q.cur.X, h).Close(), c)
}

// DomeStyle is how the push pad looks.
type DomeStyle struct {
	Label, Sub string
	BG, FG     color.RGBA
	Icon       string
	Pressed    bool
	Outline    bool // it cannot pour now: only a line
	LabelPX    float64
}

// Glyph draws the sign of a variant in a box of 152·k at x, y: solid with sugar, an outline without. Unknown kinds are a
// plain arch.
func (p *Picture) Glyph(kind string, x, y, k float64, filled bool, c, bg color.RGBA) {
	m := Translate(p.at(x, 152*k), y).Mul(Scale(k))
	draw := func(q *Path, fillWith *color.RGBA) {
		if fillWith != nil {
			p.Fill(q, *fillWith)
		}
		p.Fill(q.Stroke(Pen{Width: 8, Round: true}), c)
	}
	var f, inner *color.RGBA
	if filled {
		f, inner = &c, &bg
	}
	switch kind {
	case "cherry":
		p.Fill(NewPath(m).data("M58 78Q66 30 104 14Q98 52 108 92").Stroke(Pen{Width: 8, Round: true}), c)
		draw(NewPath(m).Circle(52, 104, 32), f)
		draw(NewPath(m).Circle(110, 116, 32), f)
	case "flower":
		for i := range 5 {
			draw(NewPath(m.Mul(Rotate(float64(i)*72, 75, 78))).data("M75 78Q40 44 75 8Q110 44 75 78Z"), f)
		}
	case "moon":
		draw(NewPath(m).data("M92 14A66 66 0 1 0 140 96A58 58 0 0 1 92 14Z"), f)
	case "leaf":
		draw(NewPath(m).data("M22 130C22 60 60 26 136 18C136 90 98 128 22 130Z"), f)
		vein := c
		if filled {
			vein = bg
		}
		p.Fill(NewPath(m).data("M30 122Q70 92 96 60").Stroke(Pen{Width: 8, Round: true}), vein)
	case "citrus":
		draw(NewPath(m).Circle(76, 78, 60), f)
		spoke := c
		if filled {
			spoke = bg
		}
		for i := range 3 {
			s, co := math.Sincos(float64(i) * math.Pi / 3)
			p.Fill(NewPath(m).Move(76-40*s, 78-40*co).Line(76+40*s, 78+40*co).Stroke(Pen{Width: 8, Round: true}), spoke)
		}
	case "berry":
		draw(NewPath(m).Circle(50, 62, 30), f)
		draw(NewPath(m).Circle(106, 62, 30), f)
		draw(NewPath(m).Circle(78, 110, 30), f)
	case "drop":
		draw(NewPath(m).data("M76 12C84 40 122 62 122 98a46 46 0 0 1-92 0C30 62 68 40 76 12Z"), f)
	case "bolt":
		draw(NewPath(m).data("M90 12 32 86h40l-8 54 58-78H80Z"), f)
	default:
		draw(NewPath(m).data("M12 132A64 64 0 0 1 140 132Z"), f)
		draw(NewPath(m).data("M46 132A30 30 0 0 1 106 132Z"), inner)
	}
}

// Foam is the colour of the foam on a drink of the brand: its lightest colour, half way to white.
func (c Colours) Foam() color.RGBA {
	best := c.Ink
	light := func(x color.RGBA) int { return 2*int(x.R) + 5*int(x.G) + int(x.B) }
	for _, x := range [...]color.RGBA{c.Primary, c.Secondary, c.Third, c.OnSecondary} {
		if light(x) > light(best) {
			best = x
		}
	}
	if c.Plain {
		return c.Primary
	}
	return theme.Mix(best, color.RGBA{R: 255, G: 255, B: 255, A: 255}, .5)
}

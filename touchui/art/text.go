package art

import (
	"image/color"

	"fountain/touchui/theme"
)

// Style is how a piece of text is set.
type Style struct {
	theme.Size
	Color color.RGBA
}

// Aligns of text.
const (
	Left = iota
	Centre
	Right
)

// Text sets one line whose line box begins at y. x is the left edge, the centre or the right edge by align.
// It returns the width.
func (p *Picture) Text(s string, x, y float64, st Style, align int) float64 {
	w := p.f.Width(s, st.Cut, st.PX, st.Track)
	switch align {
	case Centre:
		x -= w / 2
	case Right:
		x -= w
	}
	return p.Baseline(s, x, y+p.f.Baseline(st.Cut, st.PX, st.Line), st)
}

// Baseline sets one line on a baseline from its left edge.
func (p *Picture) Baseline(s string, x, y float64, st Style) float64 {
	if p.turned {
		x = p.at(x, p.f.Width(s, st.Cut, st.PX, st.Track))
	}
	q := NewPath(Translate(x, y))
	open := false
	w := p.f.Outline(s, st.Cut, st.PX, st.Track, func(o theme.Op) {
		switch o.Kind {
		case 'M':
			if open {
				q.Close()
			}
			q.Move(o.P[0][0], o.P[0][1])
			open = true
		case 'L':
			q.Line(o.P[0][0], o.P[0][1])
		case 'Q':
			q.Quad(o.P[0][0], o.P[0][1], o.P[1][0], o.P[1][1])
		case 'C':
			q.Cube(o.P[0][0], o.P[0][1], o.P[1][0], o.P[1][1], o.P[2][0], o.P[2][1])
		}
	})
	p.Fill(q, st.Color)
	if t := p.f.Tracer(); t != nil && len(q.contours) > 0 {
		t.Text(p.RGBA, theme.TracedText{Text: s, Size: st.Size, Color: st.Color, Box: q.bounds(), Ink: q.ink(), Clip: p.c})
	}
	return w
}

// Lines sets lines under each other and returns the height they take.
func (p *Picture) Lines(lines []string, x, y float64, st Style, align int) float64 {
	for i, l := range lines {
		p.Text(l, x, y+float64(i)*st.PX*st.Line, st, align)
	}
	return float64(len(lines)) * st.PX * st.Line
}

// Label is one line of text as a picture of its own, empty around the letters. Its line box begins over pixels below
// the picture's upper edge, so that accents have room.
func Label(f *theme.Fonts, s string, st Style) (img *Picture, over int) {
	w := int(f.Width(s, st.Cut, st.PX, st.Track)+st.PX*.1) + 4
	over = int(st.PX * .2)
	h := over + int(st.PX*max(st.Line, 1)+st.PX*.3)
	p := NewPicture(f, w, h, empty)
	p.Text(s, st.PX*.05, float64(over), st, Left)
	return p, over
}

package screens

import (
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// wayHome is the upper edge of the button that ends a visit.
func (f *flowView) wayHome() int {
	g := f.l.Geo
	if g.Wide {
		return g.H - target(g, 60) - g.I(16)
	}
	return f.p.ui.lowered(int(g.B(614)))
}

// finish adds what the end of a pour says, and the way home.
func (f *flowView) finish(s *sheet.Sheet) {
	p, u, l, g := f.p, f.p.ui, f.l, f.l.Geo
	s.BG, s.Ink = p.c.Well, p.c.Ink
	text := l.T("pour.enough")
	leave := func() {
		if p.active() {
			u.pour.release(false)
			return
		}
		u.goHome()
	}
	y, h, px := f.wayHome(), target(g, 116), 32.0
	if g.Wide {
		h, px = target(g, 60), 20
	}
	st := sheet.ButtonStyle{H: h, PadL: h * 2 / 5, PadR: h * 2 / 5, Radius: float64(h) / 2, PX: l.At(px, 1, theme.Text, 0).PX, Fill: p.c.Well, FG: p.c.Ink}
	img := l.Button(text, pill(l, p.c, st, false))
	x := (g.W - img.Rect.Dx()) / 2
	if g.Wide {
		x = f.left()
	}
	s.Control(sheet.NewControl("pour.done", sheet.RoleButton, text, img, x, y, leave)).Radius = float32(st.Radius)
	if t := p.trouble(); t != "" {
		f.note(s, t)
	}
}

// left is where what is read begins, in either direction.
func (f *flowView) left() int {
	switch g := f.l.Geo; {
	case roomy(g):
		return g.I(48)
	case g.Wide:
		return g.I(28)
	default:
		return int(g.X(48))
	}
}

// noteLines are the words about the end of a pour, broken for their plate.
func (f *flowView) noteLines(t string) (lines []string, sz theme.Size, width float64) {
	l, g := f.l, f.l.Geo
	switch {
	case roomy(g):
		sz, width = l.At(22, 1.25, theme.Text, 0), g.S(334)
	case g.Wide:
		sz, width = l.At(18, 1.2, theme.Text, 0), g.S(320)
	default:
		sz, width = l.At(34, 1.25, theme.Text, 0), g.S(800)
	}
	lines = art.Wrap(l.Fonts, t, sz, width-g.S(40))
	if g.Wide && !roomy(g) && len(lines) > 2 {
		sz.PX *= .85
		lines = art.Wrap(l.Fonts, t, sz, width-g.S(40))
	}
	return lines, sz, width
}

func (f *flowView) noteHeight(lines []string, sz theme.Size, _ float64) int {
	return int(float64(len(lines))*sz.PX*sz.Line + f.l.Geo.S(24))
}

// note puts words on a plate of their own, so that the level behind does not matter: above the way home, or above the dome
// on landscape panels.
func (f *flowView) note(s *sheet.Sheet, words string) {
	l, g := f.l, f.l.Geo
	lines, sz, width := f.noteLines(words)
	h := f.noteHeight(lines, sz, width)
	x, y := (g.W-int(width))/2, f.wayHome()-g.I(14)-h
	if g.Wide {
		x, y = g.W-int(width)-g.I(12), g.I(62)
		if roomy(g) {
			y = g.I(100)
		}
	}
	q := art.Clear(l.Fonts, int(width), h)
	q.Round(0, 0, width, float64(h), g.S(24), f.p.c.Well)
	if f.p.c.Plain {
		q.Frame(0, 0, width, float64(h), theme.RadiusPlain*g.K, max(theme.LinePlain*g.K, 2), f.p.c.Ink)
	}
	q.Lines(lines, width/2, g.S(12), art.Style{Size: sz, Color: f.p.c.Ink}, art.Centre)
	s.Sign("pour.note", words, s.Pic(q.RGBA, x, y))
}

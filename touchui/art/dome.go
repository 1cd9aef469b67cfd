package art

import (
	"image"

	"fountain/touchui/theme"
)

// Dome geometry at 1080×1920: the circle's centre lies below the lower edge, above the nozzle.
const (
	DomeR   = 470
	DomeTop = 1540
)

// Dome composes the push pad for the lower edge at scale k: 2·DomeR wide, h high. Outside the circle it is empty.
func Dome(f *theme.Fonts, h int, d DomeStyle, k float64) *image.RGBA {
	p := NewPicture(f, int(2*DomeR*k+.5), h, empty)
	top := 0.0
	if d.Pressed {
		top = 8 * k
	}
	p.disc(DomeR*k, top+DomeR*k, DomeR*k, d, 30*k, 8*k)
	y, width := top+104*k, 560*k // the round is narrow up there
	if d.Icon != "" {
		y = top + 54*k
		p.Icon(d.Icon, (DomeR-42)*k, y, 84*k, d.FG)
		y, width = y+94*k, 620*k
	}
	px := f.Fit([]string{d.Label}, theme.Display, -.015, width, d.LabelPX*k, 16)
	p.Text(d.Label, DomeR*k, y, Style{theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}, d.FG}, Centre)
	sub := f.Fit([]string{d.Sub}, theme.Text, 0, 700*k, 34*k, 14)
	p.Text(d.Sub, DomeR*k, y+px+16*k, Style{theme.Size{PX: sub, Line: 1.2, Cut: theme.Text}, d.FG}, Centre)
	return p.RGBA
}

// CornerR is the radius of the push pad of the wide panel: a quarter circle under the thumb of the right hand.
const CornerR = 360

// Corner composes the push pad of the wide panel at scale k: a quarter circle for the lower right corner.
func Corner(f *theme.Fonts, lines []string, d DomeStyle, k float64) *image.RGBA {
	r := CornerR * k
	p := NewPicture(f, int(r+.5), int(r+.5), empty)
	p.Fixed() // it lies in the same corner in every language, below the nozzle
	p.disc(r, r, r, d, 17*k, 6*k)
	cx, y := 215*k, 130*k
	if d.Icon != "" {
		p.Icon(d.Icon, cx-28*k, y, 56*k, d.FG)
	}
	top, room := y+66*k, r-20*k-(y+66*k)
	if d.Icon == "" {
		top, room = top-30*k, room+30*k
	}
	sub := theme.Size{PX: 20 * k, Line: 1.2, Cut: theme.Text}
	subs := Wrap(f, d.Sub, sub, 240*k)
	for len(subs) > 2 && sub.PX > 13*k {
		sub.PX *= .95
		subs = Wrap(f, d.Sub, sub, 240*k)
	}
	room -= float64(len(subs))*sub.PX*sub.Line + 10*k
	px := min(f.Fit(lines, theme.Display, -.015, 230*k, 46*k, 18*k), room/float64(max(len(lines), 1)))
	h := p.Lines(lines, cx, top, Style{theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}, d.FG}, Centre)
	p.Lines(subs, cx, top+h+10*k, Style{sub, d.FG}, Centre)
	return p.RGBA
}

// disc draws the round of a push pad; a ring of width pen lies in inside its edge while it is pressed.
func (p *Picture) disc(x, y, r float64, d DomeStyle, in, pen float64) {
	p.Fill((&Path{}).Circle(x, y, r), d.BG)
	switch {
	case d.Outline:
		p.Fill((&Path{}).Circle(x, y, r-pen*.4).Stroke(Pen{Width: pen * .8}), d.FG)
	case d.Pressed:
		p.Fill((&Path{}).Circle(x, y, r-in).Stroke(Pen{Width: pen}), d.FG)
	}
}

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

// Dome composes the push pad for the lower edge: 2·DomeR wide, h high, on nothing: outside the circle it is empty.
func Dome(f *theme.Fonts, h int, d DomeStyle) *image.RGBA {
	p := NewPicture(f, 2*DomeR, h, clear)
	top := 0.0
	if d.Pressed {
		top = 8
	}
	p.disc(DomeR, top+DomeR, DomeR, d)
	y := top + 84
	if d.Icon != "" {
		y = top + 54
		p.Icon(d.Icon, DomeR-42, y, 84, d.FG)
		y += 94
	}
	px := f.Fit([]string{d.Label}, theme.Display, -.015, 620, d.LabelPX, 40)
	p.Text(d.Label, DomeR, y, Style{theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}, d.FG}, Centre)
	sub := f.Fit([]string{d.Sub}, theme.Text, 0, 700, d.SubPX, 24)
	p.Text(d.Sub, DomeR, y+px+16, Style{theme.Size{PX: sub, Line: 1.2, Cut: theme.Text}, d.FG}, Centre)
	return p.RGBA
}

// CornerR is the radius of the push pad of the small panel: a quarter circle under the thumb of the right hand.
const CornerR = 360

// Corner composes the push pad of the small panel: a quarter circle in the lower right corner.
func Corner(f *theme.Fonts, lines []string, d DomeStyle) *image.RGBA {
	p := NewPicture(f, CornerR, CornerR, clear)
	p.disc(CornerR, CornerR, CornerR, d)
	cx := 215.0
	y := 130.0
	if d.Icon != "" {
		p.Icon(d.Icon, cx-28, y, 56, d.FG)
	}
	px := f.Fit(lines, theme.Display, -.015, 230, 46, 24)
	h := p.Lines(lines, cx, y+66, Style{theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}, d.FG}, Centre)
	if d.Sub != "" {
		sub := f.Fit([]string{d.Sub}, theme.Text, 0, 250, 20, 18)
		p.Text(d.Sub, cx, y+66+h+10, Style{theme.Size{PX: sub, Line: 1.2, Cut: theme.Text}, d.FG}, Centre)
	}
	return p.RGBA
}

func (p *Picture) disc(x, y, r float64, d DomeStyle) {
	if d.Outline {
		p.Fill((&Path{}).Circle(x, y, r), d.BG)
		p.Fill((&Path{}).Circle(x, y, r-3).Stroke(Pen{Width: 6}), d.FG)
		return
	}
	p.Fill((&Path{}).Circle(x, y, r), d.BG)
	if d.Pressed {
		p.Fill((&Path{}).Circle(x, y, r-30).Stroke(Pen{Width: 8}), d.FG)
	}
}

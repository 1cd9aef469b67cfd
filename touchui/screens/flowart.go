package screens

import (
	"image"
	"image/color"
	"strconv"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// strip composes the surface, one period wider than the panel so that it can move sideways; over is the colour above it. In high contrast it is a line.
func strip(l *sheet.Look, c art.Colours, over color.RGBA, o Offer) *image.RGBA {
	period, h := l.Geo.I(art.WavePeriod), edgeH(l.Geo)
	w := l.Geo.W + period
	return l.Compose(func() *image.RGBA {
		q := l.Picture(w, h, over)
		if c.Plain {
			q.Box(0, h/2-l.Geo.I(3), w, l.Geo.I(6), l.Roles.Active)
			return q.RGBA
		}
		defer q.Fixed()()
		q.Wave(0, 0, float64(w+period), float64(h), float64(period), c.Primary)
		return q.RGBA
	}, "strip/%s/%v/%dx%d", o.Brand.ID, over, w, h)
}

// edgeH is how high a surface is.
func edgeH(g sheet.Geo) int {
	switch {
	case roomy(g):
		return g.I(36)
	case g.Wide:
		return g.I(28)
	}
	return g.I(48)
}

// digit composes one digit, or the sign between two, in a cell as wide as the widest, so that the number does not dance.
func digit(l *sheet.Look, sz theme.Size, d string, fg color.RGBA) (img *image.RGBA, cell int) {
	if d < "0" || d > "9" {
		cell = int(l.Fonts.Width(d, sz.Cut, sz.PX, sz.Track) + .5)
	} else {
		for n := range 10 {
			cell = max(cell, int(l.Fonts.Width(strconv.Itoa(n), sz.Cut, sz.PX, sz.Track)+.5))
		}
	}
	return l.Compose(func() *image.RGBA {
		q := art.Clear(l.Fonts, cell+int(sz.PX*.06), int(sz.PX*sz.Line))
		defer q.Fixed()()
		w := l.Fonts.Width(d, sz.Cut, sz.PX, sz.Track)
		q.Text(d, (float64(cell)-w)/2, 0, art.Style{Size: sz, Color: fg}, art.Left)
		return q.RGBA
	}, "digit/%s/%v/%v", d, sz.PX, fg), cell
}

// digitSize is the size of the volume, while it pours and after.
func digitSize(g sheet.Geo, after bool) theme.Size {
	switch {
	case roomy(g):
		return g.At(160, .94, theme.Display, -.03)
	case g.Wide && after:
		return g.At(120, .94, theme.Display, -.03)
	case g.Wide:
		return g.At(150, .94, theme.Display, -.03)
	}
	return g.At(320, .9, theme.Display, -.03)
}

// warm composes ahead, beside the Fyne thread, what the first moments of a pour show: a press has to answer at once.
func (p *pourPage) warm() {
	if p.offer.Beverage == nil || p.l == nil {
		return
	}
	l, c, o, sz := p.l, p.c, p.offer, digitSize(p.l.Geo, false)
	st, _, _ := p.domeStyle()
	if p.wanted != nil && !c.Plain { // on the page of the pour the brand owns the screen
		st.BG, st.FG = c.Ink, c.Primary
	}
	st, low := p.pressed(st), p.dome.low()
	p.ui.wg.Go(func() {
		if !low {
			pad(l, st)
		}
		strip(l, c, c.Secondary, o)
		for d := range 10 {
			digit(l, sz, strconv.Itoa(d), c.OnSecondary)
			digit(l, sz, strconv.Itoa(d), c.Ink)
		}
	})
}

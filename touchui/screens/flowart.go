package screens

import (
	"image"
	"image/color"
	"strconv"

	"fountain/touchui/art"
	"fountain/touchui/theme"
)

// strip composes the surface, one period wider than the panel so that it can move sideways.
func (p *pourPage) strip() *image.RGBA {
	u := p.ui
	period, h := u.Geo.I(art.WavePeriod), u.edgeH()
	w := u.Geo.W + period
	return u.Compose(func() *image.RGBA {
		q := u.Picture(w, h, p.c.Secondary)
		q.Wave(0, 0, float64(w+period), float64(h), float64(period), p.c.Primary)
		return q.RGBA
	}, "strip/%s/%dx%d", p.offer.Brand.ID, w, h)
}

// edgeH is how high a surface is.
func (u *UI) edgeH() int {
	if u.Geo.Wide {
		return u.Geo.I(28)
	}
	return u.Geo.I(48)
}

// digit composes one digit in a cell as wide as the widest, so that the number does not dance.
func (u *UI) digit(d string, fg color.RGBA) (img *image.RGBA, cell int) {
	sz := u.digitSize()
	for n := range 10 {
		cell = max(cell, int(u.Fonts.Width(strconv.Itoa(n), sz.Cut, sz.PX, sz.Track)+.5))
	}
	return u.Compose(func() *image.RGBA {
		q := art.Clear(u.Fonts, cell+int(sz.PX*.06), int(sz.PX*sz.Line))
		w := u.Fonts.Width(d, sz.Cut, sz.PX, sz.Track)
		q.Text(d, (float64(cell)-w)/2, 0, art.Style{Size: sz, Color: fg}, art.Left)
		return q.RGBA
	}, "digit/%s/%v/%v", d, sz.PX, fg), cell
}

func (u *UI) digitSize() theme.Size {
	if u.Geo.Wide {
		return u.Geo.At(150, .94, theme.Display, -.03)
	}
	return u.Geo.At(320, .9, theme.Display, -.03)
}

// warm composes ahead, beside the Fyne thread, what the first moments of a pour show: a press has to answer at once.
func (p *pourPage) warm() {
	if p.offer.Beverage == nil {
		return
	}
	u := p.ui
	u.wg.Go(func() {
		p.strip()
		for d := range 10 {
			u.digit(strconv.Itoa(d), p.c.OnSecondary)
			u.digit(strconv.Itoa(d), p.c.Ink)
		}
	})
}

package screens

import (
	"image"
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// pageMoves is how long the level travels when one page follows another (tokens file, motion.page).
const pageMoves = 220 * time.Millisecond

// place shows p's content. When a person goes on or back, the page before it drains away: its ground stands over the new
// page, and one edge, the level, travels through the screen. The new page is touched from the first moment; nothing of the
// old one is there any more. Everything else is a cut: what stops a pour, what wakes, what breaks.
func (u *UI) place(old, p page) {
	from, ok := u.groundOf(old)
	if _, to := u.groundOf(p); !ok || !to || u.Still || u.cut {
		u.stage.SetContent(p.content())
		return
	}
	g := u.Geo
	w, h := float32(g.W), float32(g.H)
	crest := float32(g.I(24))
	ground := canvas.NewRectangle(from)
	edge := sheet.Picture(u.Compose(func() *image.RGBA {
		q := art.Clear(u.Fonts, g.W, int(crest))
		q.Wave(0, 0, float64(w), float64(crest), art.WavePeriod*g.K, from)
		return q.RGBA
	}, "level/%v", from), 0, 0)
	level := func(y float32) { // below it the old page's ground still stands
		y = float32(int(y))
		edge.Move(fyne.NewPos(0, y-crest/2))
		ground.Move(fyne.NewPos(0, y+crest/2))
		ground.Resize(fyne.NewSize(w, max(h-y-crest/2, 0)))
	}
	level(0)
	u.stage.SetContent(container.NewWithoutLayout(p.content(), ground, edge))
	u.moving = fyne.NewAnimation(pageMoves, func(v float32) {
		level(v * (h + crest))
		if v >= 1 {
			ground.Hide()
			edge.Hide()
			edge.Image = nil
		}
	})
	u.moving.Curve = fyne.AnimationEaseOut
	u.moving.Start()
}

// settle ends a travelling level at once.
func (u *UI) settle() {
	if a := u.moving; a != nil {
		u.moving = nil
		a.Stop()
	}
}

// groundOf is the colour a page of choosing stands on; false for pages that come and go by a cut.
func (u *UI) groundOf(p page) (color.RGBA, bool) {
	switch t := p.(type) {
	case *homePage, *searchPage, *languagePage, *phonePage:
		return u.Roles.BG, true
	case *brandPage:
		return t.c.Primary, true
	case *pourPage:
		if t.own == nil && t.wanted == nil && !u.pour.active() {
			return t.c.Primary, true
		}
	}
	return color.RGBA{}, false
}

package screens

import (
	"fmt"
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// outagePage says in plain words that nothing pours now: the machine is out of order, starting, or away.
type outagePage struct {
	ui    *UI
	root  *fyne.Container
	shown string
}

func newOutage(u *UI) *outagePage {
	p := &outagePage{ui: u, root: container.NewWithoutLayout()}
	p.update(true)
	return p
}

func (p *outagePage) name() string {
	if p.ui.snap.Unit == api.UnitStarting {
		return "starting"
	}
	return "out_of_order"
}

func (p *outagePage) again() page { return newOutage(p.ui) }

func (p *outagePage) content() fyne.CanvasObject { return p.root }

func (p *outagePage) update(bool) {
	u, g := p.ui, p.ui.Geo
	title, text := outage(u.snap)
	if u.snap.Unit == api.UnitStarting {
		title, text = "One moment", "This machine is starting. It pours in a few seconds."
	}
	if p.shown == title+text {
		return
	}
	p.shown = title + text
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	u.emptyCups(s)
	px, width, x, y, textPX := 208.0, 1000.0, 40.0, 190.0, 40.0
	if g.Wide {
		px, width, x, y, textPX = 84, 560, 28, 90, 24
	}
	u.logo(s, x, y/4)
	sz := g.At(px, .86, theme.Display, -.025)
	lines, fit := art.FitName(u.Fonts, title, sz, g.S(width*.8), g.S(px*2.6), g.S(40), 3)
	sz.PX = fit
	for i, l := range lines {
		t := s.Text(l, g.X(x), g.Y(y)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("outage.title", title, t)
		}
	}
	at := g.Y(y) + float64(len(lines))*sz.PX*sz.Line + g.S(textPX)
	st := g.At(textPX, 1.32, theme.Text, 0)
	for i, l := range art.Wrap(u.Fonts, text, st, g.S(width*.94)) {
		t := s.Text(l, g.X(x), at+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.Sign("outage.text", text, t)
		}
	}
	p.root.Objects = s.Objects()
	p.root.Resize(fyne.NewSize(float32(g.W), float32(g.H)))
	p.root.Refresh()
}

func (u *UI) logo(s *sheet.Sheet, x, y float64) {
	g := u.Geo
	px := 46.0
	if g.Wide {
		px = 30
	}
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(g.I(px*6), g.I(px*1.4), s.BG)
		q.Logo(0, g.S(px*.1), g.S(px), art.Style{Size: g.At(px, 1, theme.Display, -.015), Color: s.Ink})
		return q.RGBA
	}, "logo2/%v/%v/%v", g.K, s.BG, s.Ink)
	s.Pic(img, int(g.X(x)), int(g.Y(y)-g.S(px*.1)))
}

// emptyCups is the picture of a machine that cannot pour: three outlines with nothing in them, standing on a line.
func (u *UI) emptyCups(s *sheet.Sheet) {
	g := u.Geo
	w, h, cup := 1000.0, 620.0, 1.0
	x, y := g.X(40), g.B(40+h)
	if g.Wide {
		w, h, cup = 300, 200, .27
		x, y = float64(g.W)-g.S(w)-g.S(28), g.B(28+h)
	}
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(g.I(w), g.I(h), u.Roles.BG)
		at := g.S(w) * .06
		for _, ch := range [...]float64{360, 440, 540} {
			c := g.S(ch * cup)
			q.Cup(at, g.S(h)-c-g.S(4), c*.62, c, 0, g.S(9*cup)+1, g.S(26*cup), u.Roles.BG, u.Roles.Outline)
			at += c*.62 + g.S(w)*.05
		}
		q.Box(0, g.I(h)-max(g.I(6*cup), 2), g.I(w), max(g.I(6*cup), 2), u.Roles.Outline)
		return q.RGBA
	}, "cups/%v", g.K)
	s.Pic(img, int(x), int(y))
}

// noFizzPage is a partial outage: what, why, who knows, and what pours as always.
type noFizzPage struct {
	ui   *UI
	root *fyne.Container
}

func newNoFizz(u *UI) *noFizzPage {
	p := &noFizzPage{ui: u, root: container.NewWithoutLayout()}
	p.build()
	return p
}

func (p *noFizzPage) name() string               { return "no_fizz" }
func (p *noFizzPage) again() page                { return newNoFizz(p.ui) }
func (p *noFizzPage) content() fyne.CanvasObject { return p.root }

func (p *noFizzPage) update(menuChanged bool) {
	switch {
	case !menuChanged:
	case p.ui.menu.Fizz():
		p.ui.goHome()
	default:
		p.build()
	}
}

func (p *noFizzPage) build() {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	spec, x, y, cols, n := art.TileFull, 40.0, 768.0, 4, 8
	px, titleY, textY, textPX, textW := 208.0, 190.0, 590.0, 40.0, 960.0
	lines := []string{"No fizz", "just now"}
	if g.Wide {
		spec, x, y, cols, n = art.TileSmall, 20, 216, 3, 3
		px, titleY, textY, textPX, textW = 84, 62, 150, 22, 520
		lines = []string{"No fizz just now"}
	}
	p.bubbles(s)
	u.logo(s, x, titleY/4.3)
	sz := g.At(px, .86, theme.Display, -.025)
	for i, l := range lines {
		t := s.Text(l, g.X(x), g.Y(titleY)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("no-fizz.title", "No fizz just now", t)
		}
	}
	st := g.At(textPX, 1.32, theme.Text, 0)
	words := "Sparkling drinks need gas and ours has run out. The crew has been told. These pour as always:"
	s.Lines(art.Wrap(u.Fonts, words, st, g.S(textW)), g.X(x), g.Y(textY), st, art.Left)
	tile, gap := spec.Scaled(g.K), g.I(16)
	if g.Wide {
		gap = g.I(10)
	}
	for i, r := range u.menu.Brands(FilterStill) {
		if i == n || r.Drained {
			break
		}
		tx, ty := int(g.X(x)+.5)+i%cols*(tile.W+gap), g.I(y)+i/cols*(tile.H+gap)
		s.Control(sheet.NewControl("no-fizz.brand."+string(r.Brand.ID), sheet.RoleTile, r.Brand.Name, u.tile(r, tile), tx, ty, func() { u.show(newBrand(u, r.Brand)) }))
	}
	d := newDome(u, "no-fizz.rest", sheet.RoleButton, nil, nil)
	count := u.menu.Count(FilterStill)
	d.look(art.DomeStyle{Label: plural(count, "still drink", "still drinks"), Sub: "Touch to see them all", BG: u.Roles.Active, FG: u.Roles.OnActive, LabelPX: 92}, fmt.Sprint(count), false)
	d.tap = func() {
		u.filter = FilterStill
		u.show(newHome(u))
	}
	s.Add(d)
	p.root.Objects = s.Objects()
	p.root.Resize(fyne.NewSize(float32(g.W), float32(g.H)))
	p.root.Refresh()
}

// bubbles are empty rings: gas that is not there.
func (p *noFizzPage) bubbles(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	k, x := g.K, int(g.X(640))
	if g.Wide {
		k, x = g.K*.55, g.W-int(g.S(242))
	}
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(int(440*k), int(520*k), u.Roles.BG)
		for _, c := range [...][3]float64{{270, 130, 112}, {108, 74, 46}, {330, 330, 76}, {216, 296, 26}, {400, 236, 18}} {
			q.Fill((&art.Path{}).Circle(c[0]*k, c[1]*k, c[2]*k).Stroke(art.Pen{Width: 6 * k}), u.Roles.Outline)
		}
		return q.RGBA
	}, "rings/%v", k)
	s.Pic(img, x, int(60*k))
}

package screens

import (
	"fmt"
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/touchui/screens/art"
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

func (p *outagePage) content() fyne.CanvasObject { return p.root }

func (p *outagePage) update(bool) {
	u, g := p.ui, p.ui.g
	title, text := outage(u.snap)
	if u.snap.Unit == api.UnitStarting {
		title, text = "One moment", "This machine is starting. It pours in a few seconds."
	}
	if p.shown == title+text {
		return
	}
	p.shown = title + text
	s := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	s.box(0, 0, g.w, g.h, u.roles.BG)
	u.emptyCups(s)
	px, width, x, y, textPX := 208.0, 1000.0, 40.0, 190.0, 40.0
	if g.wide {
		px, width, x, y, textPX = 84, 560, 28, 90, 24
	}
	u.logo(s, x, y/4)
	sz := g.at(px, .86, theme.Display, -.025)
	lines, fit := art.FitName(u.fonts, title, sz, g.s(width*.8), g.s(px*2.6), g.s(40), 3)
	sz.PX = fit
	for i, l := range lines {
		t := s.text(l, g.x(x), g.y(y)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("outage.title", title, t)
		}
	}
	at := g.y(y) + float64(len(lines))*sz.PX*sz.Line + g.s(textPX)
	st := g.at(textPX, 1.32, theme.Text, 0)
	for i, l := range art.Wrap(u.fonts, text, st, g.s(width*.94)) {
		t := s.text(l, g.x(x), at+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.sign("outage.text", text, t)
		}
	}
	p.root.Objects = s.objs
	p.root.Resize(fyne.NewSize(float32(g.w), float32(g.h)))
	p.root.Refresh()
}

func (u *UI) logo(s *sheet, x, y float64) {
	g := u.g
	px := 46.0
	if g.wide {
		px = 30
	}
	img := u.compose(func() *image.RGBA {
		q := art.NewPicture(u.fonts, g.i(px*6), g.i(px*1.4), s.bg)
		q.Logo(0, g.s(px*.1), g.s(px), art.Style{Size: g.at(px, 1, theme.Display, -.015), Color: s.ink})
		return q.RGBA
	}, "logo2/%v/%v/%v", g.k, s.bg, s.ink)
	s.pic(img, int(g.x(x)), int(g.y(y)-g.s(px*.1)))
}

// emptyCups is the picture of a machine that cannot pour: three outlines with nothing in them, standing on a line.
func (u *UI) emptyCups(s *sheet) {
	g := u.g
	w, h, cup := 1000.0, 620.0, 1.0
	x, y := g.x(40), g.b(40+h)
	if g.wide {
		w, h, cup = 300, 200, .27
		x, y = float64(g.w)-g.s(w)-g.s(28), g.b(28+h)
	}
	img := u.compose(func() *image.RGBA {
		q := art.NewPicture(u.fonts, g.i(w), g.i(h), u.roles.BG)
		at := g.s(w) * .06
		for _, ch := range [...]float64{360, 440, 540} {
			c := g.s(ch * cup)
			q.Cup(at, g.s(h)-c-g.s(4), c*.62, c, 0, g.s(9*cup)+1, g.s(26*cup), u.roles.BG, u.roles.Outline)
			at += c*.62 + g.s(w)*.05
		}
		q.Box(0, g.i(h)-max(g.i(6*cup), 2), g.i(w), max(g.i(6*cup), 2), u.roles.Outline)
		return q.RGBA
	}, "cups/%v", g.k)
	s.pic(img, int(x), int(y))
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
	u, g := p.ui, p.ui.g
	s := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	s.box(0, 0, g.w, g.h, u.roles.BG)
	spec, x, y, cols, n := art.TileFull, 40.0, 768.0, 4, 8
	px, titleY, textY, textPX, textW := 208.0, 190.0, 590.0, 40.0, 960.0
	lines := []string{"No fizz", "just now"}
	if g.wide {
		spec, x, y, cols, n = art.TileSmall, 20, 216, 3, 3
		px, titleY, textY, textPX, textW = 84, 62, 150, 22, 520
		lines = []string{"No fizz just now"}
	}
	p.bubbles(s)
	u.logo(s, x, titleY/4.3)
	sz := g.at(px, .86, theme.Display, -.025)
	for i, l := range lines {
		t := s.text(l, g.x(x), g.y(titleY)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("no-fizz.title", "No fizz just now", t)
		}
	}
	st := g.at(textPX, 1.32, theme.Text, 0)
	words := "Sparkling drinks need gas and ours has run out. The crew has been told. These pour as always:"
	s.lines(art.Wrap(u.fonts, words, st, g.s(textW)), g.x(x), g.y(textY), st, art.Left)
	tile, gap := spec.Scaled(g.k), g.i(16)
	if g.wide {
		gap = g.i(10)
	}
	for i, r := range u.menu.Brands(FilterStill) {
		if i == n || r.Drained {
			break
		}
		tx, ty := int(g.x(x)+.5)+i%cols*(tile.W+gap), g.i(y)+i/cols*(tile.H+gap)
		s.control(newControl("no-fizz.brand."+string(r.Brand.ID), roleTile, r.Brand.Name, u.tile(r, tile), tx, ty, func() { u.show(newBrand(u, r.Brand)) }))
	}
	d := newDome(u, "no-fizz.rest", roleButton, nil, nil)
	count := u.menu.Count(FilterStill)
	d.look(art.DomeStyle{Label: plural(count, "still drink", "still drinks"), Sub: "Touch to see them all", BG: u.roles.Active, FG: u.roles.OnActive, LabelPX: 92}, fmt.Sprint(count), false)
	d.tap = func() {
		u.filter = FilterStill
		u.show(newHome(u))
	}
	s.add(d)
	p.root.Objects = s.objs
	p.root.Resize(fyne.NewSize(float32(g.w), float32(g.h)))
	p.root.Refresh()
}

// bubbles are empty rings: gas that is not there.
func (p *noFizzPage) bubbles(s *sheet) {
	u, g := p.ui, p.ui.g
	k, x := g.k, int(g.x(640))
	if g.wide {
		k, x = g.k*.55, g.w-int(g.s(242))
	}
	img := u.compose(func() *image.RGBA {
		q := art.NewPicture(u.fonts, int(440*k), int(520*k), u.roles.BG)
		for _, c := range [...][3]float64{{270, 130, 112}, {108, 74, 46}, {330, 330, 76}, {216, 296, 26}, {400, 236, 18}} {
			q.Fill((&art.Path{}).Circle(c[0]*k, c[1]*k, c[2]*k).Stroke(art.Pen{Width: 6 * k}), u.roles.Outline)
		}
		return q.RGBA
	}, "rings/%v", k)
	s.pic(img, x, int(60*k))
}

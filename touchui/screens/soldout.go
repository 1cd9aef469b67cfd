package screens

import (
	"image"

	"fountain/touchui/screens/art"
	"fountain/touchui/theme"
)

// soldOut is the drained view of a pour page: what ran out, what comes closest (the dome pours it), two others.
func (p *pourPage) soldOut(s *sheet) {
	u, g := p.ui, p.ui.g
	s.bg, s.ink = u.roles.BG, u.roles.Ink
	s.box(0, 0, g.w, g.h, u.roles.BG)
	if g.wide {
		p.soldOutWide(s)
		return
	}
	p.drained(s, 0, g.w, g.i(430))
	s.ink = u.roles.InkSoft
	s.text(p.wanted.Brand.Name, g.x(40), g.y(470), g.at(40, 1, theme.Text, 0), art.Left)
	s.ink = u.roles.Ink
	sz := g.at(132, .92, theme.Display, -.015)
	lines := []string{p.wanted.Beverage.Name, away(p.wanted.Why)}
	sz.PX = u.fonts.Fit(lines, sz.Cut, sz.Track, g.s(1000), sz.PX, g.s(60))
	for i, l := range lines {
		t := s.text(l, g.x(40), g.y(524)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("sold-out.title", p.wanted.Beverage.Name+" "+away(p.wanted.Why), t)
		}
	}
	subs := u.menu.Substitutes(p.wanted.Beverage.ID, 3)
	words := "The crew has been told. This comes closest:"
	if len(subs) == 0 {
		words = "The crew has been told."
	}
	s.text(words, g.x(40), g.y(794), g.at(36, 1.3, theme.Text, 0), art.Left)
	if len(subs) > 0 {
		card := art.SubstituteCard(subs[0].Brand, subs[0].Beverage.Name, p.differs(subs[0])).Scaled(g.k)
		img := u.compose(func() *image.RGBA { return card.Draw(u.fonts, u.roles.BG) }, "sub/%s/%s/%v", p.wanted.Beverage.ID, subs[0].Beverage.ID, g.k)
		p.substitute(s, 0, subs[0], img, g.i(40)+int(g.ox), g.i(866))
	}
	for i, o := range subs[min(1, len(subs)):] {
		p.substitute(s, i+1, o, p.plainCard(o, g.i(492), g.i(170), g.k), int(g.x(40+float64(i)*508)), g.i(1286))
	}
	if p.offer.Beverage != nil {
		s.add(p.dome)
	}
	p.satellites(s, int(g.b(444)+.5), 112, 30, 44, u.roles.Sunk, u.roles.Ink)
}

// drained adds the motif of what ran out as an outline, standing on its line.
func (p *pourPage) drained(s *sheet, x, w, h int) {
	u := p.ui
	b := p.wanted.Brand
	img := u.compose(func() *image.RGBA {
		q := art.NewPicture(u.fonts, w, h, u.roles.Sunk)
		line := u.roles.Drained
		q.Motif(b.Motif, art.ColoursOf(b.Palette), image.Rect(0, 0, w, h), &line)
		q.Box(0, h-max(u.g.i(4), 2), w, max(u.g.i(4), 2), line)
		return q.RGBA
	}, "drained/%s/%dx%d", b.ID, w, h)
	s.pic(img, x, 0)
}

func (p *pourPage) differs(o Offer) string {
	return difference(p.wanted.Beverage, o.Beverage, o.Brand.ID == p.wanted.Brand.ID)
}

func (p *pourPage) substitute(s *sheet, i int, o Offer, img *image.RGBA, x, y int) {
	c := newControl("sold-out.instead."+string(rune('0'+i)), roleTile, o.Brand.Name+" "+o.Beverage.Name, img, x, y, func() { p.ui.open(o.Beverage.ID) })
	c.value = string(o.Beverage.ID)
	s.control(c)
}

// plainCard is a substitute as a plate in its brand's colours.
func (p *pourPage) plainCard(o Offer, w, h int, k float64) *image.RGBA {
	u := p.ui
	return u.compose(func() *image.RGBA {
		c := art.ColoursOf(o.Brand.Palette)
		q := art.NewPicture(u.fonts, w, h, c.Primary)
		sz := theme.Size{PX: 56 * k, Line: .88, Cut: theme.Condensed, Track: -.015}
		room := float64(w) - 64*k
		lines := []string{o.Brand.Name + " " + o.Beverage.Name}
		if px := u.fonts.Fit(lines, sz.Cut, sz.Track, room, sz.PX, 1); px >= 42*k {
			sz.PX = px
		} else { // broken between brand and name, never inside one
			lines = []string{o.Brand.Name, o.Beverage.Name}
			sz.PX = u.fonts.Fit(lines, sz.Cut, sz.Track, room, 48*k, 12)
		}
		q.Lines(lines, 32*k, 22*k, art.Style{Size: sz, Color: c.Ink}, art.Left)
		note := theme.Size{PX: 27 * k, Line: 1, Cut: theme.Text}
		q.Text(p.differs(o), 32*k, float64(h)-24*k-note.PX, art.Style{Size: note, Color: c.Ink}, art.Left)
		return q.Corners(theme.RadiusCard*k, u.roles.BG).RGBA
	}, "plain/%s/%s/%d", p.wanted.Beverage.ID, o.Beverage.ID, w)
}

func (p *pourPage) soldOutWide(s *sheet) {
	u, g := p.ui, p.ui.g
	x := g.i(440)
	p.drained(s, x, g.w-x, g.i(300))
	s.ink = u.roles.InkSoft
	s.text(p.wanted.Brand.Name, g.x(28), g.y(24), g.at(22, 1, theme.Text, 0), art.Left)
	s.ink = u.roles.Ink
	sz := g.at(60, .92, theme.Display, -.015)
	lines := []string{p.wanted.Beverage.Name, away(p.wanted.Why)}
	sz.PX = u.fonts.Fit(lines, sz.Cut, sz.Track, g.s(400), sz.PX, g.s(28))
	for i, l := range lines {
		t := s.text(l, g.x(28), g.y(52)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("sold-out.title", p.wanted.Beverage.Name+" "+away(p.wanted.Why), t)
		}
	}
	subs := u.menu.Substitutes(p.wanted.Beverage.ID, 2)
	words := "The crew has been told. This is closest:"
	if len(subs) == 0 {
		words = "The crew has been told."
	}
	s.text(words, g.x(28), g.y(172), g.at(20, 1.2, theme.Text, 0), art.Left)
	for i, o := range subs {
		p.substitute(s, i, o, p.plainCard(o, g.i(390), g.i(90), g.k*.7), g.i(28), g.i(206+float64(i)*102))
	}
	if p.offer.Beverage != nil {
		s.add(p.dome)
	}
	p.satellites(s, int(g.b(68)), 60, 20, 28, u.roles.Sunk, u.roles.Ink)
}

package screens

import (
	"image"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// soldOut is the drained view of a pour page: what ran out, what comes closest (the dome pours it), two others.
func (p *pourPage) soldOut(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	s.BG, s.Ink = u.Roles.BG, u.Roles.Ink
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	if g.Wide {
		p.soldOutWide(s)
		return
	}
	p.drained(s, 0, g.W, g.I(430))
	s.Ink = u.Roles.InkSoft
	s.Text(p.wanted.Brand.Name, g.X(40), g.Y(470), g.At(40, 1, theme.Text, 0), art.Left)
	s.Ink = u.Roles.Ink
	sz := g.At(132, .92, theme.Display, -.015)
	lines := []string{p.wanted.Beverage.Name, away(p.wanted.Why)}
	sz.PX = u.Fonts.Fit(lines, sz.Cut, sz.Track, g.S(1000), sz.PX, g.S(60))
	for i, l := range lines {
		t := s.Text(l, g.X(40), g.Y(524)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("sold-out.title", p.wanted.Beverage.Name+" "+away(p.wanted.Why), t)
		}
	}
	subs := u.menu.Substitutes(p.wanted.Beverage.ID, 3)
	words := "The crew has been told. This comes closest:"
	if len(subs) == 0 {
		words = "The crew has been told."
	}
	s.Text(words, g.X(40), g.Y(794), g.At(36, 1.3, theme.Text, 0), art.Left)
	if len(subs) > 0 {
		card := art.SubstituteCard(subs[0].Brand, subs[0].Beverage.Name, p.differs(subs[0])).Scaled(g.K)
		img := u.Compose(func() *image.RGBA { return card.Draw(u.Fonts, u.Roles.BG) }, "sub/%s/%s/%v", p.wanted.Beverage.ID, subs[0].Beverage.ID, g.K)
		p.substitute(s, 0, subs[0], img, g.I(40)+int(g.OX), g.I(866))
	}
	for i, o := range subs[min(1, len(subs)):] {
		p.substitute(s, i+1, o, p.plainCard(o, g.I(492), g.I(170), g.K), int(g.X(40+float64(i)*508)), g.I(1286))
	}
	if p.offer.Beverage != nil {
		s.Add(p.dome)
	}
	p.satellites(s, int(g.B(444)+.5), 112, 30, 44, u.Roles.Sunk, u.Roles.Ink)
}

// drained adds the motif of what ran out as an outline, standing on its line.
func (p *pourPage) drained(s *sheet.Sheet, x, w, h int) {
	u := p.ui
	b := p.wanted.Brand
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(w, h, u.Roles.Sunk)
		line := u.Roles.Drained
		q.Motif(b.Motif, art.ColoursOf(b.Palette), image.Rect(0, 0, w, h), &line)
		q.Box(0, h-max(u.Geo.I(4), 2), w, max(u.Geo.I(4), 2), line)
		return q.RGBA
	}, "drained/%s/%dx%d", b.ID, w, h)
	s.Pic(img, x, 0)
}

func (p *pourPage) differs(o Offer) string {
	return difference(p.wanted.Beverage, o.Beverage, o.Brand.ID == p.wanted.Brand.ID)
}

func (p *pourPage) substitute(s *sheet.Sheet, i int, o Offer, img *image.RGBA, x, y int) {
	c := sheet.NewControl("sold-out.instead."+string(rune('0'+i)), sheet.RoleTile, o.Brand.Name+" "+o.Beverage.Name, img, x, y, func() { p.ui.open(o.Beverage.ID) })
	c.Value = string(o.Beverage.ID)
	s.Control(c)
}

// plainCard is a substitute as a plate in its brand's colours.
func (p *pourPage) plainCard(o Offer, w, h int, k float64) *image.RGBA {
	u := p.ui
	return u.Compose(func() *image.RGBA {
		c := art.ColoursOf(o.Brand.Palette)
		q := u.Picture(w, h, c.Primary)
		sz := theme.Size{PX: 56 * k, Line: .88, Cut: theme.Condensed, Track: -.015}
		room := float64(w) - 64*k
		lines := []string{o.Brand.Name + " " + o.Beverage.Name}
		if px := u.Fonts.Fit(lines, sz.Cut, sz.Track, room, sz.PX, 1); px >= 42*k {
			sz.PX = px
		} else { // broken between brand and name, never inside one
			lines = []string{o.Brand.Name, o.Beverage.Name}
			sz.PX = u.Fonts.Fit(lines, sz.Cut, sz.Track, room, 48*k, 12)
		}
		q.Lines(lines, 32*k, 22*k, art.Style{Size: sz, Color: c.Ink}, art.Left)
		note := theme.Size{PX: 27 * k, Line: 1, Cut: theme.Text}
		q.Text(p.differs(o), 32*k, float64(h)-24*k-note.PX, art.Style{Size: note, Color: c.Ink}, art.Left)
		return q.Corners(theme.RadiusCard*k, u.Roles.BG).RGBA
	}, "plain/%s/%s/%d", p.wanted.Beverage.ID, o.Beverage.ID, w)
}

func (p *pourPage) soldOutWide(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	x := g.I(440)
	p.drained(s, x, g.W-x, g.I(300))
	s.Ink = u.Roles.InkSoft
	s.Text(p.wanted.Brand.Name, g.X(28), g.Y(24), g.At(22, 1, theme.Text, 0), art.Left)
	s.Ink = u.Roles.Ink
	sz := g.At(60, .92, theme.Display, -.015)
	lines := []string{p.wanted.Beverage.Name, away(p.wanted.Why)}
	sz.PX = u.Fonts.Fit(lines, sz.Cut, sz.Track, g.S(400), sz.PX, g.S(28))
	for i, l := range lines {
		t := s.Text(l, g.X(28), g.Y(52)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("sold-out.title", p.wanted.Beverage.Name+" "+away(p.wanted.Why), t)
		}
	}
	subs := u.menu.Substitutes(p.wanted.Beverage.ID, 2)
	words := "The crew has been told. This is closest:"
	if len(subs) == 0 {
		words = "The crew has been told."
	}
	s.Text(words, g.X(28), g.Y(172), g.At(20, 1.2, theme.Text, 0), art.Left)
	for i, o := range subs {
		p.substitute(s, i, o, p.plainCard(o, g.I(390), g.I(90), g.K*.7), g.I(28), g.I(206+float64(i)*102))
	}
	if p.offer.Beverage != nil {
		s.Add(p.dome)
	}
	p.satellites(s, int(g.B(68)), 60, 20, 28, u.Roles.Sunk, u.Roles.Ink)
}

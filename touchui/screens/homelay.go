package screens

import (
	"fmt"
	"image"
	"image/color"

	"fyne.io/fyne/v2"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// tall is the page of portrait panels: everything above the dock scrolls.
func (p *homePage) tall() []fyne.CanvasObject {
	u := p.ui
	k := float64(u.Geo.W) / 1080
	v := func(x float64) int { return int(x*k + .5) }
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, u.Geo.W, u.Geo.H, u.Roles.BG)
	dockH := u.dockH(k)
	up := u.Sheet(u.Roles.BG, u.Roles.Ink)
	y := 230.0 // below the title
	campaign := u.Theme.Hero != nil
	if campaign {
		y = p.campaign(up, k)
	} else {
		p.heading(up, k)
		if offers, history := u.menu.Favourites(); len(offers) > 0 {
			y = p.favourites(up, offers, history, y, k)
		}
	}
	label := u.grown(28)
	up.Ink = u.Roles.InkSoft
	rows := u.menu.Brands(u.filter)
	sz := theme.Size{PX: label * k, Line: 1, Cut: theme.Text}
	words := p.countLabel(len(rows))
	up.Sign("home.count", words, up.Text(words, 40*k, (y+12)*k, sz, art.Left))
	if campaign {
		until := u.Theme.Hero.In(u.Theme.Hero.Note, u.Words.Tag())
		sz.PX = u.Fonts.Fit([]string{until}, sz.Cut, 0, float64(u.Geo.W)-120*k-u.Fonts.Width(words, sz.Cut, sz.PX, 0), sz.PX, 20*k)
		up.Sign("home.until", until, up.Text(until, float64(u.Geo.W)-40*k, (y+12)*k+(label*k-sz.PX)/2, sz, art.Right))
	}
	up.Ink = u.Roles.Ink
	y += 12 + label + 20
	gap := v(16)
	spec, cols := p.tileSpec(float64(u.Geo.W)-80*k, gap)
	h := p.wall(up, rows, spec, v(40), v(y), cols, gap)
	s.Add(p.scroller(up, 0, 0, u.Geo.W, u.Geo.H-dockH, h+v(24)))
	p.dock(s, k, u.Geo.H-dockH, dockH)
	return s.Objects()
}

// logoAt adds the machine's name, px high, as the technician's entrance.
func (u *UI) logoAt(s *sheet.Sheet, x, y int, px float64) fyne.CanvasObject {
	return u.serviceCorner(s, u.logoImage(px, s.Ink), x, y-int(px*.2+.5))
}

// logoImage is the machine's name; its line begins px/5 below the upper edge.
func (u *UI) logoImage(px float64, ink color.RGBA) *image.RGBA {
	return u.Compose(func() *image.RGBA {
		st := art.Style{Size: theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}, Color: ink}
		w := art.Clear(u.Fonts, 1, 1).Logo(0, 0, px, st)
		q := art.Clear(u.Fonts, int(w+1), int(px*1.5))
		q.Logo(0, px*.2, px, st)
		return q.RGBA
	}, "logo/%v/%v", px, ink)
}

func (p *homePage) heading(s *sheet.Sheet, k float64) {
	u := p.ui
	u.logoAt(s, int(40*k), int(44*k), 46*k)
	room := float64(u.Geo.W) - 80*k
	if u.snap.Phone != "" {
		room -= p.phoneCard(s, k)
	}
	title := u.T("home.title")
	sz := theme.Size{PX: 92 * k, Line: 1, Cut: theme.Display, Track: -.015}
	sz.PX = u.Fonts.Fit([]string{title}, sz.Cut, sz.Track, room, sz.PX, 42*k)
	s.Sign("home.title", title, s.Text(title, 40*k, 106*k+(92*k-sz.PX)/2, sz, art.Left))
}

// favourites adds the row of beverages that are one touch from the cup, from y on, and returns where it ends.
func (p *homePage) favourites(s *sheet.Sheet, offers []Offer, history bool, y, k float64) float64 {
	u := p.ui
	label := u.grown(28)
	s.Ink = u.Roles.InkSoft
	title := p.favouritesTitle(history)
	sz := theme.Size{PX: label * k, Line: 1, Cut: theme.Text}
	sz.PX = u.Fonts.Fit([]string{title}, sz.Cut, 0, float64(u.Geo.W)-80*k, sz.PX, 20*k)
	s.Sign("home.favourites", title, s.Text(title, 40*k, (y-8)*k, sz, art.Left))
	s.Ink = u.Roles.Ink
	y += label + 10
	in := u.Sheet(s.BG, u.Roles.Ink)
	x, h := int(40*k+.5), 0
	for i, o := range offers {
		img, card := u.favourite(o, k)
		p.offerTile(in, fmt.Sprintf("home.favourite.%d", i), o, img, x, 0).Radius = float32(card.Radius)
		x += card.W + int(16*k+.5)
		h = card.H
	}
	u.sideways(s, in, 0, int(y*k+.5), u.Geo.W, h, x+int(24*k+.5))
	return y + float64(h)/k + 16
}

func (p *homePage) favouritesTitle(history bool) string {
	if history {
		return p.ui.T("home.favourites")
	}
	return p.ui.T("home.suggestions")
}

// offerTile adds a beverage as a tile that leads to its cup.
func (p *homePage) offerTile(s *sheet.Sheet, id string, o Offer, img image.Image, x, y int) *sheet.Control {
	u := p.ui
	c := s.Control(sheet.NewControl(id, sheet.RoleTile, u.called(o), img, x, y, func() { u.open(o.Beverage.ID) }))
	c.Value = string(o.Beverage.ID)
	return c
}

// called is a beverage by brand and name, in the language of the screen.
func (u *UI) called(o Offer) string { return o.Brand.Name + " " + u.Words.Name(o.Beverage.Name) }

// note says in a few words what matters most of a cup.
func (u *UI) note(o Offer) string {
	n := kcal(o.Beverage, u.cups[usual(u.cups)].ML)
	if noSugar(o.Beverage) && n < 8 {
		return u.T("filter.no-sugar")
	}
	return u.N("home.kcal", n)
}

// favourite composes a card of the favourites.
func (u *UI) favourite(o Offer, k float64) (image.Image, art.Card) {
	card := art.FavouriteCard(o.Brand, u.Words.Name(o.Beverage.Name), u.note(o))
	card.BrandPX, card.NoteSize.PX = u.grown(card.BrandPX), u.grown(card.NoteSize.PX)
	card.MaxNameH = min(card.MaxNameH, float64(card.H-card.Top-card.Bottom)-card.BrandPX-card.NoteSize.PX-card.NoteGap-10)
	card = card.Scaled(k)
	return u.Compose(func() *image.RGBA { return card.Draw(u.Fonts, u.Roles.BG, u.Roles) }, "fav/%s/%v/%s", o.Beverage.ID, k, card.Note), card
}

// wide is the page of landscape panels: filters on top, the dock a rail on the right; kind lines drop out.
func (p *homePage) wide() []fyne.CanvasObject {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	if u.Theme.Hero == nil { // there is no room to write it; who listens hears it first
		title := u.T("home.title")
		s.Sign("home.title", title, s.Pic(art.Clear(u.Fonts, 1, 1).RGBA, 0, 0))
	}
	railW := g.I(180)
	main := g.W - railW
	top := g.I(88)
	up := u.Sheet(u.Roles.BG, u.Roles.Ink)
	y := g.I(6)
	if u.Theme.Hero != nil {
		y = p.campaignWide(up, main)
	} else if offers, _ := u.menu.Favourites(); len(offers) > 0 {
		in := u.Sheet(u.Roles.BG, u.Roles.Ink)
		x := g.I(20)
		for i, o := range offers {
			p.offerTile(in, fmt.Sprintf("home.favourite.%d", i), o, u.plate(o, g.I(184), g.I(92)), x, 0).Radius = float32(g.S(18))
			x += g.I(194)
		}
		u.sideways(up, in, 0, y, main, g.I(92), x+g.I(10))
		y += g.I(104)
	}
	gap := g.I(10)
	spec, cols := p.tileSpec(float64(main-g.I(46)), gap)
	h := p.wall(up, u.menu.Brands(u.filter), spec, g.I(20), y, cols, gap)
	s.Rail(main)
	s.Add(p.scroller(up, 0, top, main, g.H-top, h+g.I(8)))
	p.chips(s, sheet.ButtonStyle{H: g.I(60), PadL: g.I(14), PadR: g.I(18), Gap: g.I(8), Radius: g.S(30), PX: g.S(u.grownWide(20)), IconPX: g.S(26)}, g.I(20), g.I(18), main, g.I(10))
	p.rail(s, main, railW)
	return s.Objects()
}

// grownWide is a size of type drawn for 800×480 as the text mode has it.
func (u *UI) grownWide(px float64) float64 {
	if u.Large {
		return px * 1.25
	}
	return px
}

// plate is a favourite of the wide panel: brand and name on the brand's field, its motif through a porthole.
func (u *UI) plate(o Offer, w, h int) *image.RGBA {
	name := u.Words.Name(o.Beverage.Name)
	return u.Compose(func() *image.RGBA {
		c := u.Colours(o.Brand.Palette)
		g := u.Geo
		p := u.Picture(w, h, c.Primary)
		pad, text := g.S(14), float64(w)-g.S(28)
		if !c.Plain {
			r := h * 9 / 16
			p.Porthole(o.Brand, w-r-r/2, h-r-r/2, r)
			text = float64(w-r-r/2) - pad - g.S(2)
		}
		size := g.At(u.grownWide(18), 1, theme.Text, 0)
		size.PX = u.Fonts.Fit([]string{o.Brand.Name}, size.Cut, 0, float64(w)-2*pad, size.PX, g.S(14))
		p.Text(o.Brand.Name, pad, g.S(10), art.Style{Size: size, Color: c.Ink}, art.Left)
		sz := g.At(28, .94, theme.Condensed, 0)
		lines, px := art.FitName(u.Fonts, name, sz, text, float64(h)-g.S(22)-size.PX, g.S(18), 2)
		sz.PX = px
		p.Lines(lines, pad, float64(h)-g.S(10)-px*sz.Line*float64(len(lines)), art.Style{Size: sz, Color: c.Ink}, art.Left)
		if c.Plain {
			p.Frame(0, 0, float64(w), float64(h), g.S(theme.RadiusPlain), g.S(3), u.Roles.Line)
			return p.RGBA
		}
		return p.Corners(g.S(18), u.Roles.BG).RGBA
	}, "plate/%s/%d/%s", o.Beverage.ID, w, name)
}

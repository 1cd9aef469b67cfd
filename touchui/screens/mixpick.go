package screens

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// picker lists what a column can hold instead: only what may be mixed with the others, so all still or all fizzy.
func (p *mixPage) picker(s *sheet.Sheet) {
	u, g := p.ui, s.Geo
	cards := pickPlanOf(g)
	t := u.T("mix.pick")
	width := float64(g.W) - 2*g.X(cards.x)
	sz := fitted(s.Look, t, s.At(cards.titlePX, 1, theme.Display, -.015), width)
	s.Sign("mix.title", t, s.Text(t, g.X(cards.x), g.Y(cards.titleY), sz, art.Left))
	s.Ink = u.Roles.InkSoft
	sub := u.T("mix.pick.still")
	if sparkling(p.mix.cols[p.picking].offer.Beverage) {
		sub = u.T("mix.pick.fizzy")
	}
	small := fitted(s.Look, sub, s.At(cards.subPX, 1.2, theme.Text, 0), width)
	s.Sign("mix.hint", sub, s.Text(sub, g.X(cards.x), g.Y(cards.subY), small, art.Left))
	s.Ink = u.Roles.Ink
	in := s.Look.Sheet(u.Roles.BG, u.Roles.Ink)
	offers := p.mix.swaps(u.cat, p.picking, u.menu.pourable())
	gap := g.I(cards.gap)
	x0 := int(g.X(cards.x))
	w := (g.W - 2*x0 - (cards.cols-1)*gap) / cards.cols
	h := g.I(cards.h)
	type shownCard struct {
		*sheet.Control
		offer Offer
	}
	var all []shownCard
	for i, o := range offers {
		c := sheet.NewEmpty("mix.pick."+string(o.Beverage.ID), sheet.RoleTile, o.Brand.Name+" "+u.Words.Name(o.Beverage.Name),
			x0+i%cards.cols*(w+gap), g.I(8)+i/cards.cols*(h+gap), w, h, func() {
				if p.mix.swap(u.cat, p.picking, o) {
					p.note = ""
				}
				p.pick(-1)
			})
		c.Radius = float32(theme.RadiusTile * g.K)
		in.Control(c)
		all = append(all, shownCard{c, o})
	}
	bottom := int(g.B(cards.foot))
	top := g.I(cards.top)
	if p.low() {
		top = reachPlanOf(u).top + g.I(10)
	}
	sc := container.NewVScroll(in.Container(g.W, g.I(16)+(len(offers)+cards.cols-1)/cards.cols*(h+gap)))
	sc.Move(fyne.NewPos(0, float32(top)))
	sc.Resize(fyne.NewSize(float32(g.W), float32(bottom-top)))
	reveal := func() {
		from, to := sc.Offset.Y-float32(h+gap), sc.Offset.Y+sc.Size().Height+float32(h+gap)
		for _, c := range all {
			near := c.Position().Y+float32(h) > from && c.Position().Y < to
			switch {
			case near && !c.Pictured():
				c.SetPicture(p.card(s.Look, c.offer, w, h))
				c.Show()
			case !near:
				c.Hide()
				c.SetPicture(nil)
			}
		}
	}
	sc.OnScrolled = func(fyne.Position) { reveal() }
	reveal()
	s.Add(sc)
	fh := target(g, cards.footH)
	st := sheet.ButtonStyle{H: fh, PadL: fh / 4, PadR: fh * 3 / 10, Gap: fh / 8, Radius: float64(fh) / 2, PX: s.At(cards.footPX, 1, theme.Text, 0).PX, IconPX: g.S(cards.footPX * 1.45), Fill: u.Roles.Sunk, FG: u.Roles.Ink, Icon: "back"}
	y := bottom + (g.H-bottom-fh)/2
	s.Control(sheet.NewControl("nav.back", sheet.RoleButton, u.T("nav.back"), s.Look.Button(u.T("nav.back"), pill(s.Look, p.plain(), st, false)), x0, y, p.back))
	other, text := FilterStill, u.T("mix.all_still")
	if !sparkling(p.mix.cols[p.picking].offer.Beverage) {
		other, text = FilterFizzy, u.T("mix.all_fizzy")
	}
	var of []Offer
	for _, o := range u.menu.pourable() {
		if other.Takes(o) {
			of = append(of, o)
		}
	}
	next := &mixing{}
	if next.fill(u.cat, of); len(next.cols) < 2 {
		return
	}
	st.Icon = other.icon()
	st.PX = fitted(s.Look, text, theme.Size{PX: st.PX, Cut: theme.Text}, width*.5).PX
	img := s.Look.Button(text, pill(s.Look, p.plain(), st, false))
	s.Control(sheet.NewControl("mix.carrier", sheet.RoleButton, text, img, g.W-x0-img.Rect.Dx(), y, func() {
		p.mix.cols = next.cols
		p.pick(-1)
	}))
}

// card is a beverage on its brand's field.
func (p *mixPage) card(l *sheet.Look, o Offer, w, h int) *image.RGBA {
	return l.Compose(func() *image.RGBA {
		g := l.Geo
		c := l.Colours(o.Brand.Palette)
		q := l.Picture(w, h, c.Primary)
		pad := float64(h) * .16
		brand := fitted(l, o.Brand.Name, theme.Size{PX: float64(h) * .19, Line: 1, Cut: theme.Text}, float64(w)-2*pad)
		q.Text(o.Brand.Name, pad, pad*.8, art.Style{Size: brand, Color: c.Ink}, art.Left)
		sz := theme.Size{PX: float64(h) * .36, Line: .92, Cut: theme.Condensed, Track: -.01}
		lines, px := art.FitName(l.Fonts, drinkName(l.Words, o), sz, float64(w)-2*pad, float64(h)-2*pad-brand.PX, g.S(14), 2)
		sz.PX = px
		q.Lines(lines, pad, float64(h)-pad*.8-px*sz.Line*float64(len(lines)), art.Style{Size: sz, Color: c.Ink}, art.Left)
		r := theme.RadiusTile * g.K
		if c.Plain {
			r = theme.RadiusPlain * g.K
			q.Frame(0, 0, float64(w), float64(h), r, max(theme.LinePlain*g.K, 2), c.Ink)
		}
		return q.Corners(r, l.Roles.BG).RGBA
	}, "mixcard/%s/%dx%d", o.Beverage.ID, w, h)
}

// pickPlan is where the cards stand, in drawn pixels.
type pickPlan struct {
	x, titleY, titlePX, subY, subPX, top, foot float64
	cols                                       int
	h, gap, footH, footPX                      float64
}

func pickPlanOf(g sheet.Geo) pickPlan {
	if roomy(g) {
		return pickPlan{x: 48, titleY: 24, titlePX: 54, subY: 90, subPX: 22, top: 130, foot: 108, cols: 4, h: 104, gap: 12, footH: 64, footPX: 22}
	}
	if g.Wide {
		return pickPlan{x: 28, titleY: 12, titlePX: 32, subY: 50, subPX: 18, top: 80, foot: 84, cols: 4, h: 92, gap: 12, footH: 60, footPX: 20}
	}
	return pickPlan{x: 40, titleY: 60, titlePX: 92, subY: 172, subPX: 34, top: 236, foot: 200, cols: 3, h: 150, gap: 16, footH: 112, footPX: 30}
}

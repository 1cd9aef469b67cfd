package screens

import (
	"fmt"
	"image"
	"image/color"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// mixPage shows the mix in columns and its drink as one beverage to the pourPage it stands on. While a level moves only
// columns, figures and cup change; the page is built anew for another beverage in a column.
//
//	finger, keys ─► mixColumn ─► set ─► mixing (pure) ─► drink ─► pourPage.offer ─► dome
type mixPage struct {
	ui      *UI
	pour    *pourPage
	mix     *mixing
	picking int // column that gets another beverage; -1 for none
	cols    []*mixColumn
	live    *fyne.Container // figures and cup
	note    string          // what a level could not do
	builds  int             // of the page, other than by the pour's state
}

var _ chooser = (*mixPage)(nil)

// newMix is the page on which drinks are mixed: with the mix that was kept on this visit, or with favourites.
func newMix(u *UI) page {
	if u.mix == nil {
		u.mix = &mixing{}
	}
	u.mix.begin(u.cat, u.menu)
	return newMixPage(u, -1)
}

func newMixPage(u *UI, picking int) *pourPage {
	m := &mixPage{ui: u, mix: u.mix, picking: picking}
	return newChosen(u, m.drink(), m, func(p *pourPage) { m.pour = p })
}

// drink is the mix as an offer of a brand of its own: the liquid has the colours of the most, the field over it those of
// what comes next.
func (p *mixPage) drink() Offer {
	v, err := p.mix.drink(p.ui.cat)
	if err != nil {
		return Offer{}
	}
	in := p.mix.in()
	slices.SortStableFunc(in, func(a, b part) int { return b.share - a.share })
	pal := in[0].offer.Brand.Palette
	id := "mix/" + in[0].offer.Brand.ID
	for _, next := range in[1:] {
		if q := next.offer.Brand.Palette; colourDistance(pal.Primary, q.Primary) >= farEnough {
			pal.Secondary, pal.OnSecondary = q.Primary, q.Ink
			id += "/" + next.offer.Brand.ID
			break
		}
	}
	names := make([]string, len(in))
	for i, c := range p.mix.in() {
		names[i] = p.ui.Words.Name(c.offer.Beverage.Name)
	}
	v.Name = p.ui.Words.List(names...)
	return Offer{Brand: &beverage.Brand{ID: id, Name: p.ui.T("mix.title"), Palette: pal}, Beverage: &v}
}

func (p *mixPage) name() string { return "mix" }

// state leaves the levels out: they move while the page stands.
func (p *mixPage) state() string {
	s := fmt.Sprint(p.picking, " ", p.builds)
	for _, c := range p.mix.cols {
		s += " " + string(c.offer.Beverage.ID)
	}
	return s
}

func (p *mixPage) ask(r *api.StartPour) { r.Beverage, r.Mix = "", p.mix.parts() }

func (p *mixPage) more() bool { return !slices.ContainsFunc(p.mix.in(), p.gone) }

// gone tells that what is in a column cannot be poured any more.
func (p *mixPage) gone(c part) bool {
	o, ok := p.ui.menu.Offer(c.offer.Beverage.ID)
	return !ok || !o.Pourable()
}

// menuChanged begins a new mix when something of this one ran out.
func (p *mixPage) menuChanged() {
	if slices.ContainsFunc(p.mix.cols, p.gone) {
		p.mix.cols, p.mix.kept = nil, nil
		p.ui.show(newMix(p.ui))
	}
}

func (p *mixPage) back() {
	if p.picking >= 0 {
		p.pick(-1)
		return
	}
	p.ui.goHome()
}

func (p *mixPage) again(*pourPage) page { return newMixPage(p.ui, p.picking) }

// pad dresses the dome, which stands on a page that belongs to no brand.
func (p *mixPage) pad(st *art.DomeStyle) {
	st.BG, st.FG = p.ui.Roles.Active, p.ui.Roles.OnActive
}

// pick shows what can be swapped into a column, or the mix again.
func (p *mixPage) pick(column int) {
	p.picking = column
	p.rebuild()
}

// rebuild lays the page out anew for another drink.
func (p *mixPage) rebuild() {
	p.builds++
	p.note = ""
	p.pour.mine, p.pour.base, p.pour.visit = false, 0, visit{}
	p.taste()
	p.pour.build()
}

// taste hands the drink on to where it is poured.
func (p *mixPage) taste() {
	if o := p.drink(); o.Beverage != nil {
		p.pour.offer, p.pour.c = o, p.ui.Colours(o.Brand.Palette)
	}
}

// set moves a level as far as the mix stays one that may be poured.
func (p *mixPage) set(i, share int) {
	p.drag(p.mix.shares(), i, share)
}

// drag is set while the others still have what they had when a drag began.
func (p *mixPage) drag(from []int, i, share int) {
	was := p.mix.cols[i].share
	ok := p.mix.move(p.ui.cat, from, i, share)
	note := ""
	if !ok {
		note = p.ui.T("mix.limit")
	}
	if p.mix.cols[i].share == was && note == p.note {
		return
	}
	p.note = note
	p.taste()
	for _, c := range p.cols {
		c.show()
	}
	p.figures()
}

// lay implements chooser.
func (p *mixPage) lay(s *sheet.Sheet) {
	u := p.ui
	if p.low() {
		s.Look = reachPlanOf(u).look
		p.pour.l = s.Look
	}
	g := s.Geo
	s.BG, s.Ink = u.Roles.BG, u.Roles.Ink
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	p.cols, p.live = p.cols[:0], nil
	if len(p.mix.cols) == 0 {
		p.nothing(s)
		return
	}
	if p.picking >= 0 {
		p.picker(s)
		return
	}
	l := p.plan(g)
	if g.Wide {
		s.Rail(g.I(l.rail))
	} else {
		u.logoAt(s, int(g.X(l.x)), g.I(40), g.S(46))
	}
	t := u.T("mix.title")
	sz := s.At(l.titlePX, 1, theme.Display, -.015)
	sz.PX = min(sz.PX, g.S(l.subY-l.titleY))
	sz = fitted(s.Look, t, sz, g.S(l.titleW))
	s.Sign("mix.title", t, s.Text(t, g.X(l.x), g.Y(l.titleY), sz, art.Left))
	for i := range p.mix.cols {
		x := l.x + float64(i)*l.step
		p.swap(s, i, int(g.X(x)+.5), l)
		c := newMixColumn(p, i, s.Look, l)
		c.Move(fyne.NewPos(float32(int(g.X(x)+.5)), float32(int(g.Y(l.colY)+.5))))
		s.Add(c)
		p.cols = append(p.cols, c)
	}
	p.live = container.NewWithoutLayout()
	p.live.Resize(fyne.NewSize(float32(g.W), float32(g.H)))
	s.Add(s.Fixed(p.live))
	p.figures()
	if p.low() {
		p.lowKeys(s)
		return
	}
	p.sizes(s, l)
	s.Add(s.Fixed(p.pour.dome))
	p.pour.satellites(s, int(g.B(l.pillB)+.5), l.pillH, l.pillPX, l.pillH*.4, u.Roles.Sunk, u.Roles.Ink)
}

// nothing is the page of a unit on which nothing can be mixed just now.
func (p *mixPage) nothing(s *sheet.Sheet) {
	u, g := p.ui, s.Geo
	l := mixPlanOf(g)
	t := u.T("mix.none")
	sz := s.At(l.titlePX*.6, 1.1, theme.Display, -.015)
	for i, line := range art.Wrap(s.Fonts, t, sz, g.S(l.titleW)) {
		at := s.Text(line, g.X(l.x), g.Y(l.titleY)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("mix.title", t, at)
		}
	}
	p.pour.satellites(s, int(g.B(l.pillB)+.5), l.pillH, l.pillPX, l.pillH*.4, u.Roles.Sunk, u.Roles.Ink)
}

// swap is the button over a column.
func (p *mixPage) swap(s *sheet.Sheet, i, x int, l mixPlan) {
	u, g := p.ui, s.Geo
	b := p.mix.cols[i].offer.Brand
	h := target(g, l.swapH)
	add := func(img *image.RGBA, x, y float64) {
		s.Control(sheet.NewControl(fmt.Sprintf("mix.swap.%d", i), sheet.RoleButton, u.T("mix.swap", "name", b.Name), img, int(x), int(y+.5), func() { p.pick(i) }))
	}
	if l.swapW > 0 {
		w := g.I(l.swapW)
		st := sheet.ButtonStyle{H: w, Width: w, Radius: float64(w) / 2, IconPX: float64(w) * .45, Icon: "swap", Fill: u.Roles.Sunk, FG: u.Roles.Ink}
		add(s.Look.Button("", pill(s.Look, p.plain(), st, false)), float64(x)+g.S(l.swapX), g.Y(l.swapY))
		return
	}
	st := sheet.ButtonStyle{H: h, Gap: h / 8, Radius: float64(h) / 2, PX: s.At(l.swapPX, 1, theme.Text, 0).PX, IconPX: g.S(l.swapPX * 1.4), Icon: "swap", Fill: u.Roles.Sunk, FG: u.Roles.Ink, Width: g.I(l.colW)}
	room := g.S(l.colW) - float64(h)*.45
	px := fitted(s.Look, b.Name, theme.Size{PX: st.PX, Cut: theme.Text}, room-st.IconPX-float64(st.Gap)).PX
	if px < st.PX*.8 { // the name says more than the sign
		st.Icon = ""
		px = fitted(s.Look, b.Name, theme.Size{PX: st.PX, Cut: theme.Text}, room).PX
	}
	st.PX = px
	add(s.Look.Button(b.Name, pill(s.Look, p.plain(), st, false)), float64(x), g.Y(l.swapY))
}

// plain are the colours of a page that belongs to no brand.
func (p *mixPage) plain() art.Colours {
	r := p.ui.Roles
	return art.Colours{Primary: r.BG, Ink: r.Ink, Well: r.Sunk, Plain: r.Plain}
}

// figures shows calories, sugar, caffeine, what is in it and the cup, of the mix as it is now.
func (p *mixPage) figures() {
	s := p.pour.l.Sheet(p.ui.Roles.BG, p.ui.Roles.InkSoft)
	g := s.Geo
	l := p.plan(g)
	if g.Wide {
		s.Rail(g.I(l.rail))
	}
	words, id := p.note, "mix.hint"
	switch t := p.pour.trouble(); {
	case t != "":
		words, id, s.Ink = t, "beverage.problem", p.ui.Roles.Ink
	case words == "":
		words = s.T("mix.sub")
	}
	sub := s.At(l.subPX, 1.2, theme.Text, 0)
	next := l.swapY // what stands below it
	if l.factsY > l.subY {
		next = min(next, l.factsY)
	}
	p.lines(s, id, words, sub, l, g.Y(l.subY), g.S(next-l.subY-1))
	st := s.At(l.factsPX, 1.2, theme.Sans, 0)
	if g.Wide {
		st = g.At(l.factsPX, 1.2, theme.Sans, 0) // no room to grow
	}
	p.lines(s, "mix.facts", facts(s.Words, p.pour.offer.Beverage, p.pour.size()), st, l, g.Y(l.factsY), g.S(l.factsRoom))
	s.Ink = p.ui.Roles.Ink
	p.pour.figuresAt(s, l.x+4, g.Y(l.figY), l.step, l.figPX, l.figLabel)
	cup := s.Pic(p.cup(s.Look, g.I(l.cupW), g.I(l.cupH)), int(g.X(l.cupX)), int(g.Y(l.cupY)))
	if g.Wide {
		s.Fixed(cup) // beside the dome, which keeps its side
	}
	p.live.Objects = s.Objects()
	p.live.Refresh()
}

// lines sets text beside the cup, smaller if it would be higher than room.
func (p *mixPage) lines(s *sheet.Sheet, id, text string, sz theme.Size, l mixPlan, y, room float64) {
	width := s.Geo.S(l.subW)
	sz.Line = leading(s.Look, sz.Line)
	ls := art.Wrap(s.Fonts, text, sz, width)
	for least := sz.PX * .6; float64(len(ls))*sz.PX*sz.Line > room && sz.PX > least; ls = art.Wrap(s.Fonts, text, sz, width) {
		sz.PX *= .97
	}
	for i, t := range ls {
		at := s.Text(t, s.Geo.X(l.x), y+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign(id, text, at)
		}
	}
}

// cup is the mix in a cup, the levels in its strata.
func (p *mixPage) cup(l *sheet.Look, w, h int) *image.RGBA {
	return l.Compose(func() *image.RGBA {
		q := l.Picture(w, h, l.Roles.BG)
		pen, lid := float64(w)*.045, float64(w)*.11
		in := p.mix.in()
		to := 100
		apart := [beverage.MixMost]color.RGBA{l.Roles.Active, l.Roles.BG, l.Roles.Ink} // without brands' colours
		for i := len(in) - 1; i >= 0; i-- {                                            // the first lies lowest: painted last, as high as it reaches
			c := l.Colours(in[i].offer.Brand.Palette).Primary
			if l.Roles.Plain {
				c = apart[i]
			}
			q.Cup(0, 0, float64(w), float64(h), .86*float64(to)/100, pen, lid, c, l.Roles.Ink)
			to -= in[i].share
		}
		return q.RGBA
	}, "mixcup/%v/%dx%d", p.mix.parts(), w, h)
}

// sizes are the cups, and 'Keep it'.
func (p *mixPage) sizes(s *sheet.Sheet, l mixPlan) {
	u, g := p.ui, s.Geo
	h := target(g, l.sizeH)
	st := sheet.ButtonStyle{H: h, Gap: h / 10, Radius: float64(h) / 2, IconPX: g.S(l.sizePX * 1.3), Fill: u.Roles.Sunk, FG: u.Roles.Ink}
	button := func(at int, wide float64, id, text, name, icon string, on bool, tap func()) {
		b := st
		b.Width = g.I(wide)
		bare := g.S(wide) - float64(h)*.3
		room := bare - st.IconPX - float64(st.Gap) - float64(h)*.1
		if on {
			b.IconPX, b.Gap = g.S(l.sizePX*.9), h/16
			room = g.S(wide) - b.IconPX - float64(b.Gap) - float64(h)*.25
		}
		b.Icon, b.PX = icon, fitted(s.Look, text, s.At(l.sizePX, 1, theme.Text, 0), room).PX
		if on {
			b.Icon, b.Fill, b.FG = "check", u.Roles.Active, u.Roles.OnActive
		}
		if b.PX < g.S(l.sizePX*.8) { // the name says more than the sign
			b.Icon, b.PX = "", fitted(s.Look, text, s.At(l.sizePX, 1, theme.Text, 0), bare).PX
		}
		x, y := g.X(l.sizeX+float64(at%l.sizeCols)*l.sizeStep), g.Y(l.sizeY)+float64(at/l.sizeCols)*(float64(h)+g.S(12))
		c := sheet.NewControl(id, sheet.RoleSwitch, name, s.Look.Button(text, pill(s.Look, p.plain(), b, on)), int(x+.5), int(y+.5), tap)
		c.Value, c.Radius = onOff(on), float32(h)/2
		s.Control(c)
		if g.Wide && at >= l.sizeCols {
			s.Fixed(c)
		}
	}
	for i, c := range u.cups {
		name := c.Name(u.Words)
		button(i, l.sizeW, "beverage.size."+c.Key, name, u.T("size.of", "size", name, "volume", u.Volume(c.ML)), "", i == u.cup, func() { p.pour.pick(i) })
	}
	kept, text := p.mix.isKept(), u.T("mix.keep")
	if kept {
		text = u.T("mix.kept")
	}
	button(3, l.keepW, "mix.keep", text, text, "star", kept, func() {
		p.mix.keep()
		p.rebuild()
	})
}

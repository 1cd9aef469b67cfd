package screens

import (
	"image"

	"fyne.io/fyne/v2"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// lay implements chooser.
func (p *reachPage) lay(s *sheet.Sheet) {
	u := p.ui
	m := reachPlanOf(u)
	s.Look = m.look
	p.pour.l = m.look
	p.window(s, m)
	s.BG, s.Ink = u.Roles.Surface, u.Roles.Ink
	s.Box(0, m.top, s.Geo.W, s.Geo.H-m.top, u.Roles.Surface)
	s.Box(0, m.top, s.Geo.W, max(2, int(2*m.k)), u.Roles.Line)
	if s.Geo.Wide { // what stands so far is turned as a whole, what follows beside the pad
		s.Objects()
		s.Rail(m.pad.Min.X - s.Geo.I(5))
	}
	p.brands(s, m)
	switch p.tray {
	case trayFilter:
		p.filters(s, m)
	case trayLanguages:
		p.languages(s, m)
	case trayVariants:
		p.variants(s, m)
	}
	p.keys(s, m)
	for i := range u.cups {
		p.size(s, m, i)
	}
	p.pour.dome.lowPlace()
	s.Add(s.Fixed(p.pour.dome))
}

// window shows what is chosen: poster, names, figures and what has to be known.
func (p *reachPage) window(s *sheet.Sheet, m reachPlan) {
	u, g, c, o := p.ui, s.Geo, p.pour.c, p.pour.offer
	s.BG, s.Ink = c.Primary, c.Ink
	s.Box(0, 0, g.W, m.top, c.Primary)
	if g.Wide {
		p.windowWide(s, m)
		return
	}
	room := g.S(1000)
	y := p.told(s, g.X(40), float64(m.top)-g.S(30), room, 26)
	y -= g.S(86)
	p.pour.figuresAt(s, 44, y, 339, 60, 32)
	name := drinkName(u.Words, o)
	sz := fitted(s.Look, name, theme.Size{PX: g.S(108), Line: 1, Cut: theme.Condensed, Track: -.015}, room)
	y -= sz.PX*1.1 + g.S(14)
	at := s.Text(name, g.X(42), y, sz, art.Left)
	tall := g.S(176)
	if c.Plain { // no poster: the name is it
		tall = g.S(420)
	}
	lines, wm := wordmarkLines(s.Look, o.Brand, room, tall, tall, .9)
	y -= wm.PX*wm.Line*float64(len(lines)) + g.S(10)
	for i, l := range lines {
		t := s.Text(l, g.X(40), y+float64(i)*wm.PX*wm.Line, wm, art.Left)
		if i == 0 {
			s.Sign("reach.brand", o.Brand.Name, t)
		}
	}
	s.Sign("reach.title", o.Brand.Name+" "+name, at)
	if h := int(y - g.S(40)); h > g.I(80) && !c.Plain {
		s.Pic(hero(s.Look, o.Brand, c, g.W, h), 0, 0)
	}
}

func (p *reachPage) windowWide(s *sheet.Sheet, m reachPlan) {
	u, g, c, o := p.ui, s.Geo, p.pour.c, p.pour.offer
	room, left := g.S(410), g.S(20)
	if !c.Plain {
		x := int(left + room + g.S(20))
		s.Pic(hero(s.Look, o.Brand, c, g.W-x, m.top), x, 0)
	}
	lines, wm := wordmarkLines(s.Look, o.Brand, room, g.S(66), g.S(56), .9)
	for i, l := range lines {
		t := s.Text(l, left, g.S(12)+float64(i)*wm.PX*wm.Line, wm, art.Left)
		if i == 0 {
			s.Sign("reach.brand", o.Brand.Name, t)
		}
	}
	name := drinkName(u.Words, o)
	sz := fitted(s.Look, name, theme.Size{PX: g.S(42), Line: 1, Cut: theme.Condensed, Track: -.015}, room)
	s.Sign("reach.title", o.Brand.Name+" "+name, s.Text(name, left, g.S(80), sz, art.Left))
	p.pour.figuresAt(s, 20, g.S(134), 136, 28, 18)
	p.told(s, left, float64(m.top)-g.S(10), room, 16)
}

// told sets sentences so that they end at y and returns where they begin: what went otherwise, and what is in the drink.
func (p *reachPage) told(s *sheet.Sheet, x, y, room, px float64) float64 {
	g := s.Geo
	set := func(id, text string, st theme.Size, most int) {
		ls := art.Wrap(s.Fonts, text, st, room)
		for least := st.PX * .7; len(ls) > most && st.PX > least; ls = art.Wrap(s.Fonts, text, st, room) {
			st.PX *= .96
		}
		y -= float64(len(ls)) * st.PX * st.Line
		for i, t := range ls {
			at := s.Text(t, x, y+float64(i)*st.PX*st.Line, st, art.Left)
			if i == 0 {
				s.Sign(id, text, at)
			}
		}
	}
	most := 3
	if g.Wide {
		most = 2
	}
	set("beverage.facts", facts(s.Words, p.pour.offer.Beverage, p.pour.size()), s.At(px, 1.25, theme.Sans, 0), most)
	note := p.pour.trouble()
	if note == "" {
		note = p.note
	}
	if note != "" {
		y -= g.S(px * .3)
		set("beverage.problem", note, s.At(px*1.2, 1.2, theme.Text, 0), 2)
	}
	return y
}

// brands is the strip: every brand that passes the filter, the chosen one in a ring.
func (p *reachPage) brands(s *sheet.Sheet, m reachPlan) {
	u := p.ui
	in := s.Look.Sheet(u.Roles.Surface, u.Roles.Ink)
	ring := reachRing(m.k)
	spec := art.TileSpec{
		W: m.tile.X, H: m.tile.Y - 2*ring, Radius: theme.RadiusTile * m.k, Pad: float64(m.tile.Y) * .08,
		NamePX: float64(m.tile.Y) * .2, NamePX2: float64(m.tile.Y) * .15,
	}
	spec.Label = spec.H * 48 / 100
	step := spec.W + max(int(16*m.k), ring+2)
	rows := u.menu.Brands(u.filter)
	type strip struct {
		*sheet.Control
		row BrandRow
	}
	var tiles []strip
	chosen := 0
	for i, r := range rows {
		x := m.margin + i*step
		on := r.Brand.ID == p.pour.offer.Brand.ID
		if on {
			chosen = x
			in.Pic(p.ring(s.Look, spec, ring), x-ring, 0)
		}
		c := in.Control(sheet.NewEmpty("reach.brand."+string(r.Brand.ID), sheet.RoleTile, r.Brand.Name, x, ring, spec.W, spec.H, func() { p.brand(r.Brand) }))
		c.Radius, c.Disabled = float32(spec.Radius), r.Drained
		if c.Value = r.Why; on {
			c.Value = "on"
		}
		tiles = append(tiles, strip{c, r})
	}
	content := 2*m.margin + len(rows)*step - (step - spec.W)
	sc := u.sideways(s, in, m.strip.Min.X, m.strip.Min.Y, m.strip.Dx(), m.tile.Y, content)
	view, full := sc.Size().Width, sc.Content.MinSize().Width
	at := float32(chosen)
	if u.RTL() {
		at = full - at - float32(spec.W)
	}
	if p.strip < 0 {
		p.strip = into(sc.Offset.X, at, float32(spec.W), view, full)
	}
	sc.Offset.X = max(0, min(p.strip, full-view))
	reveal := func() {
		from, to := sc.Offset.X-float32(step), sc.Offset.X+view+float32(step)
		for _, t := range tiles {
			x := t.Position().X
			switch near := x+float32(spec.W) > from && x < to; {
			case near && !t.Pictured():
				t.SetPicture(s.Compose(func() *image.RGBA {
					return art.Tile(s.Fonts, t.row.Brand, "", spec, u.Roles.Surface, t.row.Drained, u.Roles)
				}, "reachtile/%s/%v/%d", t.row.Brand.ID, t.row.Drained, spec.W))
				t.Show()
			case !near:
				t.Hide()
				t.SetPicture(nil)
			}
		}
	}
	sc.OnScrolled = func(fyne.Position) {
		p.strip = sc.Offset.X
		reveal()
	}
	sc.Refresh()
	reveal()
}

// ring marks the chosen tile.
func (p *reachPage) ring(l *sheet.Look, t art.TileSpec, ring int) *image.RGBA {
	w, h := t.W+2*ring, t.H+2*ring
	return l.Compose(func() *image.RGBA {
		q := art.Clear(l.Fonts, w, h)
		q.Frame(0, 0, float64(w), float64(h), t.Radius+float64(ring), max(float64(ring)*.55, 3), l.Roles.Ink)
		return q.RGBA
	}, "reachring/%dx%d", w, h)
}

// chip is one button of the row.
type chip struct {
	id, role, text, icon, value string
	on, off                     bool // chosen; cannot be chosen
	tap                         func()
}

// chips lays the row out; it scrolls sideways.
func (p *reachPage) chips(s *sheet.Sheet, m reachPlan, chips []chip) {
	u := p.ui
	in := s.Look.Sheet(u.Roles.Surface, u.Roles.Ink)
	h := m.row.Dy()
	x := m.margin
	from, wide := x, 0
	for _, c := range chips {
		st := p.button(m, h)
		st.PadL, st.PadR, st.Icon = h*30/100, h*34/100, c.icon
		if c.icon != "" {
			st.PadL = h * 24 / 100
		}
		switch {
		case c.on:
			st.Fill, st.FG, st.Icon = u.Roles.Active, u.Roles.OnActive, "check"
			st.PadL = h * 24 / 100
		case c.off:
			st.Border, st.FG = max(3*m.k, 2), u.Roles.InkSoft
		}
		ctl := in.Button(c.id, c.role, c.text, pill(s.Look, p.plain(), st, c.on), x, 0, c.tap)
		ctl.Disabled = c.off
		if ctl.Value = c.value; c.value == "" && c.role == sheet.RoleSwitch {
			ctl.Value = onOff(c.on)
		}
		w := int(ctl.Size().Width)
		if c.on {
			from, wide = x, w
		}
		x += w + int(12*m.k)
	}
	content := x - int(12*m.k) + m.margin
	sc := u.sideways(s, in, m.row.Min.X, m.row.Min.Y, m.row.Dx(), h, content)
	view, full := sc.Size().Width, sc.Content.MinSize().Width
	at := float32(from)
	if u.RTL() {
		at = full - at - float32(wide)
	}
	if p.row == 0 {
		p.row = into(sc.Offset.X, at, float32(wide), view, full)
	}
	sc.Offset.X = max(0, min(p.row, full-view))
	sc.OnScrolled = func(fyne.Position) { p.row = sc.Offset.X }
	sc.Refresh()
}

// button is the look of a key h high.
func (p *reachPage) button(m reachPlan, h int) sheet.ButtonStyle {
	l, px := m.look, 28.0
	if l.Geo.Wide {
		px = 20
	}
	return sheet.ButtonStyle{H: h, Gap: h / 8, Radius: float64(h) / 2, PX: l.At(px, 1, theme.Text, 0).PX, IconPX: px * 1.35 * l.Geo.K, Fill: l.Roles.Sunk, FG: l.Roles.Ink}
}

func (p *reachPage) plain() art.Colours {
	r := p.ui.Roles
	return art.Colours{Primary: r.Surface, Ink: r.Ink, Well: r.Sunk, Plain: r.Plain}
}

func (p *reachPage) variants(s *sheet.Sheet, m reachPlan) {
	u := p.ui
	var row []chip
	for _, o := range u.menu.Variants(p.pour.offer.Brand.ID) {
		row = append(row, chip{
			id: "reach.variant." + string(o.Beverage.ID), role: sheet.RoleSwitch, text: drinkName(u.Words, o), value: o.Why,
			on: o.Beverage.ID == p.pour.offer.Beverage.ID, off: !o.Pourable(), tap: func() { p.take(o) },
		})
	}
	p.chips(s, m, row)
}

// filters are the filters, and everything else that the dock of the full view has.
func (p *reachPage) filters(s *sheet.Sheet, m reachPlan) {
	u := p.ui
	var row []chip
	for _, f := range u.menu.Filters() {
		row = append(row, chip{id: "reach.filter." + string(f), role: sheet.RoleSwitch, text: u.T("filter." + string(f)), icon: f.icon(), on: f == u.filter, tap: func() { p.narrow(f) }})
	}
	tap := chip{id: "beverage.tap", role: sheet.RoleSwitch, text: u.T("beverage.tap_instead"), icon: "tap", value: "off", tap: func() {
		u.tap = !u.tap
		p.rebuild()
	}}
	if u.tap {
		tap.text, tap.icon, tap.value = u.T("beverage.hold_instead"), "hold", "on"
	}
	row = append(row, tap)
	if u.snap.Mixes {
		row = append(row, chip{id: "reach.mix", role: sheet.RoleButton, text: u.T("home.mix"), icon: "bars", tap: func() { u.show(newMix(u)) }})
	}
	row = append(row,
		chip{id: "reach.text", role: sheet.RoleButton, text: u.T("home.text"), tap: func() { u.nextText() }},
		chip{id: "reach.language", role: sheet.RoleButton, text: u.T("home.language"), tap: func() { p.open(trayLanguages) }},
	)
	p.chips(s, m, row)
}

func (p *reachPage) languages(s *sheet.Sheet, m reachPlan) {
	u := p.ui
	var row []chip
	for _, l := range u.offered() {
		row = append(row, chip{id: "language." + l.Tag, role: sheet.RoleSwitch, text: l.Name, on: l.Tag == u.Words.Tag(), tap: func() {
			p.tray, p.row, p.strip = trayVariants, 0, -1
			u.setLanguage(l.Tag)
			if u.page == page(p.pour) { // it was spoken already
				p.rebuild()
			}
		}})
	}
	p.chips(s, m, row)
}

// keys are 'Filter' and 'Full view'.
func (p *reachPage) keys(s *sheet.Sheet, m reachPlan) {
	u := p.ui
	if p.tray == trayVariants {
		icon := u.filter.icon()
		if icon == "" {
			icon = "all"
		}
		p.key(s, m, 0, "reach.filter", u.T("reach.filter"), icon, false, func() { p.open(trayFilter) })
	} else {
		p.key(s, m, 0, "reach.filter", u.T("reach.close"), "check", true, func() { p.open(trayVariants) })
	}
	p.key(s, m, 1, "nav.back", u.T("reach.full"), "reach", false, p.back)
}

// key is one of the two keys.
func (p *reachPage) key(s *sheet.Sheet, m reachPlan, i int, id, text, icon string, on bool, tap func()) *sheet.Control {
	u, r := p.ui, m.keys[i]
	st := p.button(m, r.Dy())
	st.Radius, st.Width, st.Icon = min(theme.RadiusCard*m.k, float64(r.Dy())/2), r.Dx(), icon
	st.Gap = int(float64(r.Dx()) * .05)
	if on {
		st.Fill, st.FG = u.Roles.Active, u.Roles.OnActive
	}
	st.PX = fitted(s.Look, text, theme.Size{PX: st.PX, Cut: theme.Text}, float64(r.Dx())*.88-st.IconPX-float64(st.Gap)).PX
	return s.Button(id, sheet.RoleButton, text, pill(s.Look, p.plain(), st, on), r.Min.X, r.Min.Y, tap)
}

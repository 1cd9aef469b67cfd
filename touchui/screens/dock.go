package screens

import (
	"image/color"

	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// chips adds the way to search and the filters from x on; the filters scroll sideways when they need more than width.
func (p *homePage) chips(s *sheet.Sheet, style sheet.ButtonStyle, x, y, width, gap int) {
	u := p.ui
	find := style
	find.Icon, find.Fill, find.FG, find.Width, find.Gap = "search", u.Roles.Sunk, u.Roles.Ink, style.H, 0
	find.IconPX *= 1.1
	c := sheet.NewControl("home.search", sheet.RoleButton, u.T("home.search"), u.Look.Button("", find), x, y, func() { u.show(newSearch(u, "")) })
	c.Radius = float32(style.Radius)
	s.Control(c)
	left := x + style.H + gap
	in := u.Sheet(s.BG, u.Roles.Ink)
	at := 0
	var chosen *sheet.Control
	for _, f := range u.menu.Filters() {
		st := style
		st.Icon, st.Fill, st.FG = f.icon(), u.Roles.Sunk, u.Roles.Ink
		if st.Icon == "" {
			st.PadL = st.PadR
		}
		if f == u.filter {
			st.Fill, st.FG = u.Roles.Active, u.Roles.OnActive
		}
		c := in.Button("home.filter."+string(f), sheet.RoleSwitch, u.T("filter."+string(f)), st, at, 0, func() { p.choose(f) })
		c.Value = onOff(f == u.filter)
		if f == u.filter {
			chosen = c
		}
		at += int(c.Size().Width) + gap
	}
	was := p.filter
	sc := u.sideways(s, in, left, y, width-left, style.H+8, at-gap+x)
	if was != nil {
		sc.Offset.X = max(0, min(was.Offset.X, sc.Content.MinSize().Width-sc.Size().Width))
	}
	if chosen != nil { // the chosen one is in sight
		from, end := chosen.Position().X, chosen.Position().X+chosen.Size().Width+float32(gap)
		sc.Offset.X = max(min(sc.Offset.X, from), end-sc.Size().Width, 0)
	}
	sc.Refresh()
	p.filter = sc
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// chipH is how high a filter is: at least 15 mm.
func (u *UI) chipH(k float64) int { return max(int(96*k+.5), u.Geo.MM(15)) }

// dockH is how high the dock of a portrait panel is.
func (u *UI) dockH(k float64) int {
	return int(84*k+.5) + u.chipH(k) + max(int(128*k+.5), u.Geo.MM(15))
}

// dock is the controls of portrait panels: find above, act and adjust below.
func (p *homePage) dock(s *sheet.Sheet, k float64, y, h int) {
	u := p.ui
	v := func(x float64) int { return int(x*k + .5) }
	s.Box(0, y, u.Geo.W, h, u.Roles.Surface)
	s.Box(0, y, u.Geo.W, max(2, v(2)), u.Roles.Line)
	s.BG = u.Roles.Surface
	chip := u.chipH(k)
	p.chips(s, sheet.ButtonStyle{H: chip, PadL: v(24), PadR: v(30), Gap: v(14), Radius: float64(chip) / 2, PX: u.grown(28) * k, IconPX: 40 * k}, v(40), y+v(24), u.Geo.W, v(12))

	row, gap := y+v(46)+chip, v(16)
	key := sheet.ButtonStyle{H: max(v(128), u.Geo.MM(15)), Radius: 36 * k, IconPX: 52 * k, Fill: u.Roles.Sunk, FG: u.Roles.Ink}
	right := u.Geo.W - v(40)
	small := func(id, name, text, icon string, on bool, tap func()) {
		st := key
		st.Width, st.Icon = max(v(114), u.Geo.MM(15)), icon
		st.PX = u.Fonts.Fit([]string{text}, theme.Text, 0, float64(st.Width)*.8, 38*k, 16*k)
		if on {
			st.Fill, st.FG = u.Roles.Active, u.Roles.OnActive
		}
		right -= st.Width
		c := sheet.NewControl(id, sheet.RoleButton, name, u.Look.Button(text, st), right, row, tap)
		c.Radius = float32(st.Radius)
		s.Control(c)
		right -= gap
	}
	if len(u.offered()) > 1 {
		small("home.language", u.T("home.language"), tagOf(u.Words.Tag()), "", false, p.languages)
	}
	small("home.reach", u.T("home.reach"), "", "reach", false, func() { u.show(newReach(u)) })
	small("home.text", u.T("home.text")+": "+u.T(u.styles.text.word()), "Aa", "", u.styles.text != textNormal, u.nextText)

	room := right - v(40) // for water, and a mix where they are offered
	water, ok := u.menu.Water()
	switch {
	case ok && u.snap.Mixes:
		w := room * 281 / 610
		p.wideKey(s, "home.water", "home.water", "hold", key, u.Roles.Water, u.Roles.OnWater, v(40), row, w-gap/2, k, func() { u.open(water.Beverage.ID) })
		p.wideKey(s, "home.mix", "home.mix", "bars", key, u.Roles.Sunk, u.Roles.Ink, v(40)+w+gap/2, row, room-w-gap/2, k, func() { u.show(newMix(u)) })
	case ok:
		p.wideKey(s, "home.water", "home.water", "hold", key, u.Roles.Water, u.Roles.OnWater, v(40), row, room, k, func() { u.open(water.Beverage.ID) })
	case u.snap.Mixes:
		p.wideKey(s, "home.mix", "home.mix", "bars", key, u.Roles.Sunk, u.Roles.Ink, v(40), row, room, k, func() { u.show(newMix(u)) })
	}
}

// languages opens the list of languages.
func (p *homePage) languages() {
	u := p.ui
	u.show(newLanguage(u, func() page { return newHome(u) }))
}

// wideKey adds a key with an icon and a word that is as large as it fits.
func (p *homePage) wideKey(s *sheet.Sheet, id, word, icon string, st sheet.ButtonStyle, fill, fg color.RGBA, x, y, w int, k float64, tap func()) {
	u := p.ui
	text := u.T(word)
	st.Width, st.Icon, st.Gap, st.Fill, st.FG = w, icon, int(14*k), fill, fg
	free := float64(w) - 40*k
	st.PX = u.Fonts.Fit([]string{text}, theme.Text, 0, free-st.IconPX-float64(st.Gap), u.grown(32)*k, 16*k)
	if st.PX < 26*k { // the word matters more than the sign
		st.Icon, st.PX = "", u.Fonts.Fit([]string{text}, theme.Text, 0, free, u.grown(32)*k, 16*k)
	}
	s.Button(id, sheet.RoleButton, text, st, x, y, tap)
}

// rail is the controls of landscape panels.
func (p *homePage) rail(s *sheet.Sheet, x0, w int) {
	u, g := p.ui, p.ui.Geo
	s.Box(x0, 0, w, g.H, u.Roles.Surface)
	s.Box(x0, 0, max(1, g.I(2)), g.H, u.Roles.Line)
	s.BG = u.Roles.Surface
	type railKey struct {
		id, word, icon string
		fill, fg       color.RGBA
		weight         int
		tap            func()
	}
	var keys []railKey
	if o, ok := u.menu.Water(); ok {
		keys = append(keys, railKey{"home.water", "home.water", "hold", u.Roles.Water, u.Roles.OnWater, 3, func() { u.open(o.Beverage.ID) }})
	}
	if u.snap.Mixes {
		keys = append(keys, railKey{"home.mix", "home.mix.short", "bars", u.Roles.Sunk, u.Roles.Ink, 2, func() { u.show(newMix(u)) }})
	}
	if u.snap.Phone != "" {
		keys = append(keys, railKey{"home.phone", "phone.short", "phone", u.Roles.Sunk, u.Roles.Ink, 2, func() { u.show(newPhone(u)) }})
	}
	x, width, gap := x0+g.I(14), w-g.I(28), g.I(12)
	last := max(g.I(84), g.MM(15))
	y, weights := g.I(56), 0
	px := u.Fonts.Fit([]string{"fountain"}, theme.Display, -.015, float64(width)*.72, g.S(28), g.S(14))
	u.logoAt(s, x+(width-u.logoImage(px, s.Ink).Rect.Dx())/2, g.I(16), px)
	for _, k := range keys {
		weights += k.weight
	}
	room := g.H - y - g.I(18) - last - len(keys)*gap
	for _, k := range keys {
		h := room * k.weight / weights
		text := u.T(k.word)
		st := sheet.ButtonStyle{H: h, Gap: g.I(10), Radius: g.S(20), Icon: k.icon, IconPX: g.S(32), Width: width, Stacked: true, FG: k.fg, Fill: k.fill}
		st.PX = u.Fonts.Fit([]string{text}, theme.Text, 0, float64(width)-g.S(16), g.S(u.grownWide(20)), g.S(14))
		s.Button(k.id, sheet.RoleButton, text, st, x, y, k.tap)
		y += h + gap
	}
	half := (width - gap) / 2
	tag := tagOf(u.Words.Tag())
	st := sheet.ButtonStyle{H: last, Radius: g.S(20), PX: u.Fonts.Fit([]string{tag}, theme.Text, 0, float64(half)*.8, g.S(24), g.S(12)), Width: half, FG: u.Roles.Ink, Fill: u.Roles.Sunk}
	many := len(u.offered()) > 1
	if !many {
		st.Width = width
	}
	aa := st
	aa.PX = g.S(24)
	if u.styles.text != textNormal {
		aa.Fill, aa.FG = u.Roles.Active, u.Roles.OnActive
	}
	at := g.H - g.I(18) - last
	c := sheet.NewControl("home.text", sheet.RoleButton, u.T("home.text")+": "+u.T(u.styles.text.word()), u.Look.Button("Aa", aa), x, at, u.nextText)
	c.Radius = float32(st.Radius)
	s.Control(c)
	if many {
		c := sheet.NewControl("home.language", sheet.RoleButton, u.T("home.language"), u.Look.Button(tag, st), x+half+gap, at, p.languages)
		c.Radius = float32(st.Radius)
		s.Control(c)
	}
}

package screens

import (
	"image"
	"image/color"
	"math"
	"strings"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// choosing is the beverage page of one shape of panel, drawn pixels. It is built from the pills upward: the figures and
// the sentences that have to be read take what they need, the poster what is left.
type choosing struct {
	x, width           float64 // of everything that is read
	hero               [3]float64
	brandPX, brandGap  float64
	nameCut            theme.Cut
	namePX, nameH      float64 // at most
	plateW, plateH     float64
	plateStep          float64
	figPX, figLabel    float64
	figStep, figH      float64
	factsPX, factsLine float64
	gap                float64
	pillH, pillPX      float64
	pillB              float64 // of the pills' upper edge, above the lower edge of the page
}

// choosingFor picks the page for a panel: portrait, small and large landscape.
func choosingFor(l *sheet.Look) choosing {
	switch {
	case !l.Geo.Wide:
		m := choosing{
			x: 40, width: 1000, brandPX: 40, brandGap: 50, nameCut: theme.Display, namePX: 208, nameH: 372,
			plateW: 322, plateH: 384, plateStep: 339, figPX: 60, figLabel: 32, figStep: 339, figH: 76, factsPX: 26, factsLine: 1.3,
			gap: 20, pillH: 112, pillPX: 30, pillB: 444,
		}
		if l.Large {
			m.plateH, m.nameH, m.pillB = 340, 300, 480 // larger pills stand higher beside the dome
		}
		return m
	case roomy(l.Geo):
		return choosing{
			x: 48, width: 800, hero: [3]float64{760, 0, 380}, brandPX: 30, brandGap: 40, nameCut: theme.Display, namePX: 124, nameH: 210,
			plateW: 232, plateH: 246, plateStep: 248, figPX: 40, figLabel: 22, figStep: 248, figH: 52, factsPX: 20, factsLine: 1.28,
			gap: 14, pillH: 64, pillPX: 22, pillB: 92,
		}
	}
	m := choosing{
		x: 28, width: 408, hero: [3]float64{440, 0, 300}, brandPX: 22, brandGap: 27, nameCut: theme.Condensed, namePX: 72, nameH: 100,
		plateW: 126, plateH: 146, plateStep: 136, figPX: 28, figLabel: 18, figStep: 136, figH: 34, factsPX: 18, factsLine: 1.2,
		gap: 8, pillH: 60, pillPX: 20, pillB: 68,
	}
	if l.Large {
		m.plateH, m.nameH = 112, 70
	}
	return m
}

// choose is the beverage page. On landscape panels the dome keeps its corner, and the poster stands above it.
func (p *pourPage) choose(s *sheet.Sheet) {
	l, g, v := p.l, p.l.Geo, p.offer.Beverage
	m := choosingFor(l)
	if g.Wide {
		s.Rail(g.W - g.I(art.CornerR))
	}
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	s.Box(0, 0, g.W, g.H, p.c.Primary)
	if p.offer.Brand == nil || v == nil {
		return
	}
	pillsY := min(int(g.B(m.pillB)+.5), g.H-target(g, m.pillH)-g.I(8))
	y := float64(pillsY) - g.S(m.gap)
	if t := p.trouble(); t != "" && !g.Wide {
		y = p.above(s, t, "beverage.problem", m, l.At(m.factsPX*1.25, 1.25, theme.Text, 0), y) - g.S(m.gap)
	}
	st := l.At(m.factsPX, m.factsLine, theme.Sans, 0)
	text := facts(l.Words, v, p.size())
	for most := 4; len(art.Wrap(l.Fonts, text, st, g.S(m.width))) > most && st.PX > g.S(m.factsPX*.88); {
		st.PX *= .96
	}
	y = p.above(s, text, "beverage.facts", m, st, y)
	figY := y - g.S(m.figH)
	p.figuresAt(s, m.x+4, figY, m.figStep, m.figPX, m.figLabel)
	plateY := figY - g.S(m.gap*1.4+m.plateH)
	for i := range p.ui.cups {
		p.plate(s, i, int(g.X(m.x+float64(i)*m.plateStep)+.5), int(plateY), m.plateW, m.plateH, g.K)
	}
	p.headline(s, m, plateY-g.S(m.gap))
	if t := p.trouble(); t != "" && g.Wide {
		p.aboveDome(s, t, "beverage.problem")
	}
	s.Add(s.Fixed(p.dome))
	p.satellites(s, pillsY, m.pillH, m.pillPX, m.pillH*.4, p.c.Well, p.c.Ink)
}

// above sets sentences so that they end at y, and returns where they begin.
func (p *pourPage) above(s *sheet.Sheet, text, id string, m choosing, st theme.Size, y float64) float64 {
	st.Line = leading(p.l, st.Line)
	ls := art.Wrap(p.l.Fonts, text, st, p.l.Geo.S(m.width))
	y -= float64(len(ls)) * st.PX * st.Line
	for i, t := range ls {
		at := s.Text(t, p.l.Geo.X(m.x), y+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.Sign(id, text, at)
		}
	}
	return y
}

// aboveDome puts words on a plate above the dome of landscape panels, where the eye is already.
func (p *pourPage) aboveDome(s *sheet.Sheet, text, id string) {
	l, g := p.l, p.l.Geo
	st, width, high := l.At(20, 1.25, theme.Text, 0), g.S(316), g.S(92)
	if roomy(g) {
		st, width, high = l.At(24, 1.25, theme.Text, 0), g.S(330), g.S(320)
	}
	lines := art.Wrap(l.Fonts, text, st, width-g.S(32))
	for float64(len(lines))*st.PX*st.Line > high && st.PX > g.S(12) {
		st.PX *= .95
		lines = art.Wrap(l.Fonts, text, st, width-g.S(32))
	}
	h := int(float64(len(lines))*st.PX*st.Line + g.S(20))
	ground, ink := p.c.Well, p.c.Ink
	if p.wanted != nil {
		ground, ink = l.Roles.Surface, l.Roles.Ink
	}
	q := art.Clear(l.Fonts, int(width), h)
	q.Round(0, 0, width, float64(h), g.S(20), ground)
	if l.Roles.Plain {
		q.Frame(0, 0, width, float64(h), theme.RadiusPlain*g.K, max(theme.LinePlain*g.K, 2), ink)
	}
	q.Lines(lines, g.S(16), g.S(10), art.Style{Size: st, Color: ink}, art.Left)
	s.Sign(id, text, s.Pic(q.RGBA, g.W-int(width)-g.I(14), g.I(12)))
}

// headline sets brand and name above y, and the poster above them or beside them.
func (p *pourPage) headline(s *sheet.Sheet, m choosing, y float64) {
	l, g := p.l, p.l.Geo
	brand := l.At(m.brandPX, 1, theme.Text, 0)
	least := brand.PX + g.S(m.brandGap-m.brandPX)
	nameH := min(g.S(m.nameH), y-least-g.S(m.gap))
	if g.Wide { // it begins lower, and letters reach under their line
		nameH = min(nameH, (y-least-g.S(m.gap*2))*.96)
	}
	name, width := drinkName(l.Words, p.offer), g.S(m.width)
	if g.Wide && !p.c.Plain {
		width = min(width, g.S(m.hero[0]-m.x-16))
	}
	sz := theme.Size{PX: g.S(m.namePX), Line: .88, Cut: m.nameCut, Track: -.015}
	lines, px := art.FitName(l.Fonts, name, sz, width, nameH, 12, 3)
	sz.PX = px
	high := px * sz.Line * float64(len(lines))
	top := y - nameH
	if g.Wide {
		top = g.S(m.gap*2) + least
		if x := g.I(m.hero[0]); !p.c.Plain {
			if l.RTL() { // names stand on that side
				x = g.W - g.I(art.CornerR)
			}
			s.Fixed(s.Pic(hero(l, p.offer.Brand, p.c, g.W-x, g.I(m.hero[2])), x, 0))
		}
	} else if p.c.Plain || high < nameH*.8 {
		top = y - high - g.S(m.gap)
	}
	if h := int(top - least - g.S(32)); !g.Wide && h > g.I(80) && !p.c.Plain {
		s.Pic(hero(l, p.offer.Brand, p.c, g.W, h), 0, 0)
	}
	s.Text(p.offer.Brand.Name, g.X(m.x+4), top-least, brand, art.Left)
	for i, t := range lines {
		at := s.Text(t, g.X(m.x), top+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("beverage.title", name, at)
		}
	}
}

// satellites are the pills beside the dome.
func (p *pourPage) satellites(s *sheet.Sheet, y int, h, px, icon float64, fill, fg color.RGBA) {
	u, l := p.ui, s.Look
	g := l.Geo
	ph := target(g, h)
	y = min(y, g.H-ph-g.I(8))
	st := sheet.ButtonStyle{H: ph, PadL: ph / 4, PadR: ph * 3 / 10, Gap: ph / 8, Radius: float64(ph) / 2, PX: l.At(px, 1, theme.Text, 0).PX, IconPX: g.S(icon), Fill: fill, FG: fg}
	c := p.c
	c.Plain, c.Ink = l.Roles.Plain, fg
	margin := 40.0
	if g.Wide {
		margin = 28
	}
	if roomy(g) {
		margin = 48
	}
	// beside the dome there is so much room on the lower edge of the pills: for both in a row, or for one on each side
	room, each := g.W-int(g.S(art.CornerR))-g.I(margin)-g.I(20), g.W
	if !g.Wide {
		down := float64(g.H) + g.S(art.DomeR-(1920-art.DomeTop)) - float64(y+ph) // from the centre of the dome up to there
		half := math.Sqrt(max(g.S(art.DomeR)*g.S(art.DomeR)-down*down, 0))
		room, each = g.W, int(float64(g.W)/2-half-g.X(margin)-g.S(12))
	}
	type button struct {
		id, role, label, icon, value string
		tap                          func()
	}
	buttons := []button{{"nav.back", sheet.RoleButton, u.T("beverage.back"), "back", "", p.back}}
	if p.offer.Beverage != nil && p.wanted == nil {
		b := button{"beverage.tap", sheet.RoleSwitch, u.T("beverage.tap_instead"), "tap", "off", func() {
			u.tap = !u.tap
			p.build()
		}}
		if u.tap {
			b.label, b.icon, b.value = u.T("beverage.hold_instead"), "hold", "on"
		}
		buttons = append(buttons, b)
	}
	var imgs []*image.RGBA
	for range 6 {
		imgs = nil
		sum, widest := 0, 0
		for _, b := range buttons {
			st.Icon = b.icon
			img := l.Button(b.label, pill(l, c, st, false))
			imgs = append(imgs, img)
			sum += img.Rect.Dx() + g.I(12)
			widest = max(widest, img.Rect.Dx())
		}
		if sum <= room && widest <= each {
			break
		}
		st.PX, st.PadL, st.PadR, st.Gap = st.PX*.93, st.PadL*4/5, st.PadR*4/5, st.Gap*4/5
	}
	x := int(g.X(margin) + .5)
	for i, b := range buttons {
		if i == 1 && !g.Wide {
			x = int(g.R(margin)) - imgs[i].Rect.Dx()
		}
		ctl := sheet.NewControl(b.id, b.role, b.label, imgs[i], x, y, b.tap)
		ctl.Value, ctl.Radius = b.value, float32(st.Radius)
		s.Control(ctl)
		x += imgs[i].Rect.Dx() + g.I(12)
	}
}

// cupHeights are the drawn heights of the largest cups, small to large; api promises at most three sizes.
var cupHeights = [api.MaxSizes]float64{164, 198, 240}

// plate is one cup size.
func (p *pourPage) plate(s *sheet.Sheet, i, x, y int, w, h, k float64) {
	u, l, cup, on := p.ui, s.Look, p.ui.cups[i], p.ui.cup == i
	pw, ph := int(w*k+.5), int(h*k+.5)
	name, volume := cup.Name(l.Words), l.Volume(cup.ML)
	img := l.Compose(func() *image.RGBA {
		fg, liquid := p.c.Ink, p.c.Tint(.45)
		q := l.Picture(pw, ph, p.c.Primary)
		f := min(h/384, w/322) * k
		switch r := theme.RadiusCard * k * h / 384; {
		case p.c.Plain && on:
			fg, liquid = l.Roles.OnActive, l.Roles.OnActive
			q.Round(0, 0, float64(pw), float64(ph), theme.RadiusPlain*k, l.Roles.Active)
		case p.c.Plain:
			q.Frame(0, 0, float64(pw), float64(ph), theme.RadiusPlain*k, max(theme.LinePlain*k, 2), fg)
		case on:
			fg, liquid = p.c.OnSecondary, p.c.Primary
			q.Round(0, 0, float64(pw), float64(ph), r, p.c.Secondary)
		default:
			q.Frame(0, 0, float64(pw), float64(ph), r, 4*f, p.c.Tint(.45))
		}
		least := 18.0
		if roomy(l.Geo) {
			least = 22
		}
		nameSz, volSz := l.At(36, 1.1, theme.Text, 0), l.At(26, 1.1, theme.Text, 0)
		nameSz.PX, volSz.PX = max(nameSz.PX*f/k, least*l.Geo.K), max(volSz.PX*f/k, (least-2)*l.Geo.K)
		words := volume
		if l.Fonts.Width(words, volSz.Cut, volSz.PX, 0) > float64(pw)-16*f {
			words = oneUnit(l, cup.ML)
		}
		nameSz, volSz = fitted(l, name, nameSz, float64(pw)-16*f), fitted(l, words, volSz, float64(pw)-12*f)
		bottom := float64(ph) - 26*f - volSz.PX*1.1
		if !on {
			bottom -= 4 * f
		}
		top := bottom - 4*f - nameSz.PX*1.1
		cf := min(f, (top-30*f)/250) // of the cups: relative to each other they keep their size
		ch := cupHeights[len(cupHeights)-len(u.cups)+i] * cf
		q.Cup((float64(pw)-ch*.66)/2, top-10*f-ch, ch*.66, ch, .86, max(7*cf, 3), 16*cf, liquid, fg)
		q.Text(words, float64(pw)/2, bottom, art.Style{Size: volSz, Color: fg}, art.Centre)
		q.Text(name, float64(pw)/2, top, art.Style{Size: nameSz, Color: fg}, art.Centre)
		if on {
			q.Icon("check", float64(pw)-70*f, 22*f, 48*f, fg)
		}
		return q.RGBA
	}, "plate/%s/%s/%d/%v/%dx%d/%s", p.offer.Brand.ID, cup.Key, cup.ML, on, pw, ph, volume)
	c := sheet.NewControl("beverage.size."+cup.Key, sheet.RoleSwitch, l.T("size.of", "size", name, "volume", volume), img, x, y, func() { p.pick(i) })
	c.Value, c.Radius = onOff(on), float32(theme.RadiusCard*k*h/384)
	s.Control(c)
}

// figuresAt adds calories, sugar and caffeine of the chosen cup from x0, drawn pixels as all sizes, at y of the panel.
func (p *pourPage) figuresAt(s *sheet.Sheet, x0, y, step, px, labelPX float64) {
	l, g, v, ml := s.Look, s.Geo, p.offer.Beverage, p.size().ML
	w := l.Words
	for i, f := range [3][3]string{
		{w.Number(float64(kcal(v, ml)), 0), w.T("fact.kcal"), "kcal"},
		{w.T("unit.g", "n", sugarG(v, ml)), w.T("fact.sugar"), "sugar"},
		{w.T("unit.mg", "n", caffeineMG(v, ml)), w.T("fact.caffeine"), "caffeine"},
	} {
		x := g.X(x0 + float64(i)*step)
		num, lab := g.At(px, 1, theme.Display, -.015), g.At(labelPX, 1, theme.Text, 0)
		gap := g.S(labelPX * .44)
		room := g.S(step-8) - gap
		if sum := l.Fonts.Width(f[0], num.Cut, num.PX, num.Track) + l.Fonts.Width(f[1], lab.Cut, lab.PX, 0); sum > room {
			lab.PX = max(lab.PX*room/sum, min(lab.PX, g.S(16)))
			num.PX = min(num.PX, (room-l.Fonts.Width(f[1], lab.Cut, lab.PX, 0))/l.Fonts.Width(f[0], num.Cut, 1, num.Track))
		}
		t := s.Text(f[0], x, y, num, art.Left)
		// one baseline
		dy := l.Fonts.Baseline(num.Cut, num.PX, 1) - l.Fonts.Baseline(lab.Cut, lab.PX, 1)
		s.Text(f[1], x+l.Fonts.Width(f[0], num.Cut, num.PX, num.Track)+gap, y+dy, lab, art.Left)
		s.Sign("beverage."+f[2], strings.Join(f[:2], " "), t)
	}
}

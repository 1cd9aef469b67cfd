package screens

import (
	"image"
	"strings"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// missing is the sold-out page of one shape of panel, drawn pixels, built from the pills upward like the page of a
// beverage: what pours from here has to be read, the drained poster takes what is left.
type missing struct {
	x, width         float64
	poster           [3]float64 // landscape: left edge and height; portrait: the panel's width, what is left
	brandPX, titlePX float64
	titleH           float64
	tellPX           float64
	card             float64 // scale of the card that is recommended; 0: a plain one
	mainH            float64
	others           int        // plain cards
	otherAt          [4]float64 // first one: x, from the card's upper edge or under it, width, height
	otherStep        [2]float64
	factsPX          float64
	gap              float64
	pillH, pillPX    float64
	pillB            float64
}

func missingFor(l *sheet.Look) missing {
	switch {
	case !l.Geo.Wide:
		return missing{
			x: 40, width: 1000, brandPX: 40, titlePX: 132, titleH: 244, tellPX: 36, card: .9, mainH: 360,
			others: 2, otherAt: [4]float64{40, 376, 492, 150}, otherStep: [2]float64{508, 0}, factsPX: 24, gap: 16, pillH: 112, pillPX: 30, pillB: 444,
		}
	case roomy(l.Geo):
		return missing{
			x: 48, width: 812, poster: [3]float64{920, 0, 340}, brandPX: 30, titlePX: 92, titleH: 172, tellPX: 24, card: .55, mainH: 220,
			others: 2, otherAt: [4]float64{614, 0, 246, 104}, otherStep: [2]float64{0, 116}, factsPX: 20, gap: 14, pillH: 64, pillPX: 22, pillB: 92,
		}
	}
	return missing{
		x: 28, width: 408, poster: [3]float64{440, 0, 300}, brandPX: 22, titlePX: 56, titleH: 90, tellPX: 19, mainH: 76,
		others: 1, otherAt: [4]float64{28, 84, 390, 66}, factsPX: 16, gap: 8, pillH: 60, pillPX: 20, pillB: 68,
	}
}

// soldOut is the drained view of a pour page: what ran out, what comes closest (the dome pours it), others.
func (p *pourPage) soldOut(s *sheet.Sheet) {
	u, l, g, w := p.ui, p.l, p.l.Geo, p.ui.Words
	m := missingFor(l)
	s.BG, s.Ink = u.Roles.BG, u.Roles.Ink
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	if g.Wide {
		s.Rail(g.W - g.I(art.CornerR))
	}
	pillsY := min(int(g.B(m.pillB)+.5), g.H-target(g, m.pillH)-g.I(8))
	y := float64(pillsY) - g.S(m.gap)
	subs := u.menu.Substitutes(p.wanted.Beverage.ID, 1+m.others)
	tell := w.T("sold_out.told")
	if len(subs) > 0 && p.offer.Beverage != nil {
		tell = w.T("sold_out.closest")
		if t := p.trouble(); t != "" && !g.Wide {
			y = p.sentence(s, t, "beverage.problem", m, l.At(m.factsPX*1.25, 1.25, theme.Text, 0), y, 3) - g.S(m.gap)
		}
		text := w.T("facts.of", "name", p.offer.Brand.Name+" "+drinkName(w, p.offer), "figures", figuresInWords(w, p.offer.Beverage, p.size())) + " " + facts(w, p.offer.Beverage, p.size())
		y = p.sentence(s, text, "beverage.facts", m, l.At(m.factsPX, 1.25, theme.Sans, 0), y, 4)
		y -= g.S(m.gap)
		y = p.cards(s, m, subs, y)
	}
	st := fitted(l, tell, l.At(m.tellPX, 1.3, theme.Text, 0), g.S(m.width))
	y -= st.PX*1.3 + g.S(m.gap)
	s.Text(tell, g.X(m.x), y, st, art.Left)
	p.verdict(s, m, y-g.S(m.gap))
	if t := p.trouble(); t != "" && g.Wide {
		p.aboveDome(s, t, "beverage.problem")
	}
	if p.offer.Beverage != nil {
		s.Add(s.Fixed(p.dome))
	}
	p.satellites(s, pillsY, m.pillH, m.pillPX, m.pillH*.4, u.Roles.Sunk, u.Roles.Ink)
}

// sentence sets text on at most so many lines that end at y, and returns where they begin.
func (p *pourPage) sentence(s *sheet.Sheet, text, id string, m missing, st theme.Size, y float64, most int) float64 {
	g := p.l.Geo
	st.Line = leading(p.l, st.Line)
	ls := art.Wrap(p.l.Fonts, text, st, g.S(m.width))
	for least := st.PX * .85; len(ls) > most && st.PX > least; ls = art.Wrap(p.l.Fonts, text, st, g.S(m.width)) {
		st.PX *= .97
	}
	y -= float64(len(ls)) * st.PX * st.Line
	for i, t := range ls {
		at := s.Text(t, g.X(m.x), y+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.Sign(id, text, at)
		}
	}
	return y
}

// cards adds what can be had instead so that it ends at y, and returns where it begins.
func (p *pourPage) cards(s *sheet.Sheet, m missing, subs []Offer, y float64) float64 {
	u, l, g := p.ui, p.l, p.l.Geo
	high := max(m.mainH, m.otherAt[1]+m.otherAt[3]+float64(m.others-1)*m.otherStep[1])
	if len(subs) == 1 {
		high = m.mainH
	}
	y -= g.S(high)
	var main *image.RGBA
	if m.card > 0 {
		c := art.SubstituteCard(subs[0].Brand, drinkName(l.Words, subs[0]), p.differs(subs[0]))
		c.H, c.MaxNameH = int(m.mainH/m.card), 190
		if m.card*1000 < m.width {
			c.W = int((m.otherAt[0] - m.x - 12) / m.card)
			if !g.Wide {
				c.W = int(m.width / m.card)
			}
		}
		c.Hole.X, c.Hole.Y = c.W-410, c.H-430
		c = c.Scaled(m.card * g.K)
		main = l.Compose(func() *image.RGBA { return c.Draw(l.Fonts, u.Roles.BG, u.Roles) }, "sub/%s/%s/%d", p.wanted.Beverage.ID, subs[0].Beverage.ID, c.W)
	} else {
		main = p.plainCard(subs[0], g.I(m.otherAt[2]), g.I(m.mainH), g.K*.66)
	}
	p.substitute(s, 0, subs[0], main, int(g.X(m.x)+.5), int(y))
	k := g.K
	if g.Wide {
		k *= .6
	}
	for i, o := range subs[1:] {
		x, dy := m.otherAt[0]+float64(i)*m.otherStep[0], m.otherAt[1]+float64(i)*m.otherStep[1]
		p.substitute(s, i+1, o, p.plainCard(o, g.I(m.otherAt[2]), g.I(m.otherAt[3]), k), int(g.X(x)+.5), int(y+g.S(dy)))
	}
	return y
}

// verdict says what is missing above y, under the drained poster or beside it.
func (p *pourPage) verdict(s *sheet.Sheet, m missing, y float64) {
	u, l, g := p.ui, p.l, p.l.Geo
	text := away(l.Words, drinkName(l.Words, *p.wanted), p.wanted.Why)
	brand := l.At(m.brandPX, 1, theme.Text, 0)
	least := brand.PX * 1.35
	high := min(g.S(m.titleH), y-least-g.S(m.gap))
	sz := g.At(m.titlePX, .92, theme.Display, -.015)
	width := g.S(m.width)
	if g.Wide && !l.Roles.Plain {
		width = min(width, g.S(m.poster[0]-m.x-12))
	}
	lines, px := art.FitName(l.Fonts, text, sz, width, high, 16, 2)
	if around := aroundName(text, drinkName(l.Words, *p.wanted)); len(around) == 2 { // the name stays whole if it can
		if apart := l.Fonts.Fit(around, sz.Cut, sz.Track, width, min(sz.PX, high/(2*sz.Line)), 16); apart >= px*.65 {
			lines, px = around, apart
		}
	}
	sz.PX = px
	top := y - float64(len(lines))*px*sz.Line
	if g.Wide {
		p.drained(s, g.I(m.poster[0]), g.W-g.I(m.poster[0]), g.I(m.poster[2]))
	} else if h := int(top - least - g.S(36)); h > g.I(80) {
		p.drained(s, 0, g.W, h)
	}
	s.Ink = u.Roles.InkSoft
	s.Text(p.wanted.Brand.Name, g.X(m.x), top-least, brand, art.Left)
	s.Ink = u.Roles.Ink
	for i, t := range lines {
		at := s.Text(t, g.X(m.x), top+float64(i)*px*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("sold-out.title", text, at)
		}
	}
}

// drained adds the motif of what ran out as an outline, standing on its line.
func (p *pourPage) drained(s *sheet.Sheet, x, w, h int) {
	l, b := p.l, p.wanted.Brand
	if l.Roles.Plain {
		return
	}
	img := l.Compose(func() *image.RGBA {
		q := l.Picture(w, h, l.Roles.Sunk)
		line := l.Roles.Drained
		q.Motif(b.Motif, art.ColoursOf(b.Palette), image.Rect(0, 0, w, h), &line)
		q.Box(0, h-max(l.Geo.I(4), 2), w, max(l.Geo.I(4), 2), line)
		return q.RGBA
	}, "drained/%s/%dx%d", b.ID, w, h)
	s.Fixed(s.Pic(img, x, 0))
}

// aroundName breaks a sentence that begins or ends with a name beside it; in Japanese after the particle.
func aroundName(text, name string) []string {
	if rest, ok := strings.CutPrefix(text, name); ok && strings.HasPrefix(rest, " ") {
		return []string{name, strings.TrimSpace(rest)}
	}
	if rest, ok := strings.CutSuffix(text, name); ok && strings.HasSuffix(rest, " ") {
		return []string{strings.TrimSpace(rest), name}
	}
	for _, particle := range [...]string{"は", "が"} {
		if rest, ok := strings.CutPrefix(text, name+particle); ok {
			return []string{name + particle, rest}
		}
	}
	return nil
}

func (p *pourPage) differs(o Offer) string { return difference(p.ui.Words, *p.wanted, o) }

func (p *pourPage) substitute(s *sheet.Sheet, i int, o Offer, img *image.RGBA, x, y int) {
	c := sheet.NewControl("sold-out.instead."+string(rune('0'+i)), sheet.RoleTile, o.Brand.Name+" "+drinkName(p.l.Words, o), img, x, y, func() { p.ui.open(o.Beverage.ID) })
	c.Value = string(o.Beverage.ID)
	c.Radius = float32(theme.RadiusCard * p.l.Geo.K)
	s.Control(c)
}

// plainCard is a substitute as a plate in its brand's colours.
func (p *pourPage) plainCard(o Offer, w, h int, k float64) *image.RGBA {
	u, l := p.ui, p.l
	return l.Compose(func() *image.RGBA {
		c := u.Colours(o.Brand.Palette)
		q := l.Picture(w, h, c.Primary)
		note := l.At(27, 1, theme.Text, 0)
		note.PX *= k / l.Geo.K
		note = fitted(l, p.differs(o), note, float64(w)-56*k)
		noteY := float64(h) - 22*k - note.PX
		name := drinkName(l.Words, o)
		sz := theme.Size{PX: 56 * k, Line: .88, Cut: theme.Condensed, Track: -.015}
		room := float64(w) - 56*k
		lines := []string{o.Brand.Name + " " + name}
		high := noteY - 24*k // for the name
		if px := l.Fonts.Fit(lines, sz.Cut, sz.Track, room, min(sz.PX, high/sz.Line), 1); px >= 40*k || high < 70*k {
			sz.PX = px
		} else { // broken between brand and name, never inside one
			lines = []string{o.Brand.Name, name}
			sz.PX = l.Fonts.Fit(lines, sz.Cut, sz.Track, room, min(48*k, high/(2*sz.Line)), 12)
		}
		q.Lines(lines, 28*k, min(20*k, (noteY-sz.PX*sz.Line*float64(len(lines)))*.55), art.Style{Size: sz, Color: c.Ink}, art.Left)
		q.Text(p.differs(o), 28*k, noteY, art.Style{Size: note, Color: c.Ink}, art.Left)
		if c.Plain {
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusPlain*l.Geo.K, max(theme.LinePlain*l.Geo.K, 2), c.Ink)
			return q.RGBA
		}
		return q.Corners(theme.RadiusCard*k, u.Roles.BG).RGBA
	}, "plain/%s/%s/%dx%d", p.wanted.Beverage.ID, o.Beverage.ID, w, h)
}

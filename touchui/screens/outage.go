package screens

import (
	"image"
	"image/color"
	"math"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// outagePage says in plain words that nothing pours now: the machine is out of order, starting, or away.
type outagePage struct {
	ui    *UI
	root  *fyne.Container
	shown string
	since time.Time
	kept  *pourPage // where a person stood with a drink chosen, or a cup half full; nil: nobody
}

// keepFor is how long a choice is kept through an outage when no cup stands: a pause of the valves takes seconds.
const keepFor = 20 * time.Second

func newOutage(u *UI) *outagePage {
	p := &outagePage{ui: u, root: container.NewWithoutLayout(), since: u.now()}
	p.kept, _ = u.page.(*pourPage)
	p.update(true)
	return p
}

func (p *outagePage) name() string {
	if p.ui.snap.Unit == api.UnitStarting {
		return "starting"
	}
	return "out_of_order"
}

func (p *outagePage) again() page {
	q := newOutage(p.ui)
	q.kept, q.since = p.kept, p.since
	return q
}

// afterOutage shows where the person stood, while the cup still does or when the outage was short; else the start.
func (u *UI) afterOutage() {
	p := u.page.(*outagePage)
	if k := p.kept; k != nil && k.more() && (u.snap.Cup || u.now().Sub(p.since) < keepFor) {
		u.show(k.again())
		return
	}
	u.goHome()
}

func (p *outagePage) content() fyne.CanvasObject { return p.root }

func (p *outagePage) update(bool) {
	u := p.ui
	title, text, works := outage(u.Words, u.snap)
	if works != "" && p.kept != nil && u.snap.Cup {
		works += " " + u.T("outage.kept")
	}
	if p.shown == title+text+works {
		return
	}
	p.shown = title + text + works
	l := u.leaf()
	g := l.Geo
	s := l.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	px, width, x, y, textPX := 208.0, 1000.0, 40.0, 190.0, 40.0
	switch {
	case roomy(g):
		px, width, x, y, textPX = 132, 800, 48, 130, 30
	case g.Wide:
		px, width, x, y, textPX = 84, 470, 28, 84, 22
	}
	u.logo(s, x, y/4)
	sz := g.At(px, .88, theme.Display, -.02)
	lines, fit := art.FitName(l.Fonts, title, sz, g.S(width*.9), g.S(px*2.6), g.S(30), 3)
	sz.PX = fit
	for i, t := range lines {
		at := s.Text(t, g.X(x), g.Y(y)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("outage.title", title, at)
		}
	}
	at := g.Y(y) + float64(len(lines))*sz.PX*sz.Line + g.S(textPX)
	st := l.At(textPX, 1.32, theme.Text, 0)
	wrapped := func(t string) []string { return art.Wrap(l.Fonts, t, st, g.S(width*.94)) }
	for at+(float64(len(wrapped(text))+len(wrapped(works)))+1)*st.PX*st.Line > g.B(0) && st.PX > g.S(12) {
		st.PX *= .95
	}
	for _, t := range [...]struct {
		id, text string
		ink      color.RGBA
	}{{"outage.text", text, u.Roles.Ink}, {"outage.works", works, u.Roles.InkSoft}} {
		if t.text == "" {
			continue
		}
		s.Ink = t.ink
		ls := wrapped(t.text)
		for i, line := range ls {
			pic := s.Text(line, g.X(x), at+float64(i)*st.PX*st.Line, st, art.Left)
			if i == 0 {
				s.Sign(t.id, t.text, pic)
			}
		}
		at += (float64(len(ls)) + .6) * st.PX * st.Line
	}
	emptyCups(s, at)
	s.Fill(p.root)
}

// logo is the machine's name, the entrance for technicians.
func (u *UI) logo(s *sheet.Sheet, x, y float64) {
	g := s.Geo
	px := 46.0
	if g.Wide {
		px = 30
	}
	img := s.Compose(func() *image.RGBA {
		q := s.Picture(g.I(px*6), g.I(px*1.4), s.BG)
		q.Logo(0, g.S(px*.1), g.S(px), art.Style{Size: g.At(px, 1, theme.Display, -.015), Color: s.Ink})
		return q.RGBA
	}, "logo2/%v/%v/%v", g.K, s.BG, s.Ink)
	u.serviceCorner(s, img, int(g.X(x)), int(g.Y(y)-g.S(px*.1)))
}

// emptyCups is the picture of a machine that cannot pour: three outlines with nothing in them, standing on a line. On
// portrait panels they stand below the words, smaller when these take long.
func emptyCups(s *sheet.Sheet, below float64) {
	g := s.Geo
	w, h, cup := 1000.0, 620.0, 1.0
	x, y := g.X(40), g.B(40+h)
	switch {
	case !g.Wide && y < below:
		if cup = (g.B(40) - below) / g.S(h); cup < .25 {
			return
		}
		w, h = w*cup, h*cup
		y = g.B(40 + h)
	case roomy(g):
		w, h, cup = 420, 300, .42
		x, y = float64(g.W)-g.S(w)-g.S(48), g.B(40+h)
	case g.Wide:
		w, h, cup = 270, 190, .25
		x, y = float64(g.W)-g.S(w)-g.S(28), g.B(28+h)
	}
	img := s.Compose(func() *image.RGBA {
		q := s.Picture(g.I(w), g.I(h), s.Roles.BG)
		at := g.S(w) * .06
		for _, ch := range [...]float64{360, 440, 540} {
			c := g.S(ch * cup)
			q.Cup(at, g.S(h)-c-g.S(4), c*.62, c, 0, g.S(9*cup)+1, g.S(26*cup), s.Roles.BG, s.Roles.Outline)
			at += c*.62 + g.S(w)*.05
		}
		q.Box(0, g.I(h)-max(g.I(6*cup), 2), g.I(w), max(g.I(6*cup), 2), s.Roles.Outline)
		return q.RGBA
	}, "cups/%v/%v", g.K, cup)
	s.Pic(img, int(x), int(y))
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
func (p *noFizzPage) again() page                { return newNoFizz(p.ui) }
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
	u := p.ui
	l := u.leaf()
	g := l.Geo
	s := l.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	m := noFizzFor(g)
	if g.Wide {
		s.Rail(g.W - g.I(art.CornerR))
	}
	if l.RTL() && g.Wide {
		m.titleW = min(m.titleW, 800-art.CornerR-2*m.x)
		m.textW = min(m.textW, m.titleW)
	}
	p.bubbles(s)
	u.logo(s, m.x, m.titleY/4.3)
	title := u.T("no_fizz.title")
	sz := g.At(m.px, .88, theme.Display, -.02)
	if roomy(g) && l.RTL() {
		m.titleW, m.textW = 780, 780
	}
	lines, px := art.FitName(l.Fonts, title, sz, g.S(m.titleW), g.S(m.titleH), 16, 2)
	sz.PX = px
	for i, t := range lines {
		at := s.Text(t, g.X(m.x), g.Y(m.titleY)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("no-fizz.title", title, at)
		}
	}
	y := g.Y(m.titleY) + float64(len(lines))*px*sz.Line + g.S(m.textPX*.7)
	if !g.Wide {
		y = max(y, g.S(ringsEnd)) // the text is as wide as the page
	}
	st := l.At(m.textPX, 1.32, theme.Text, 0)
	text := u.T("no_fizz.text")
	if u.menu.fizzWhy == whyTooWarm {
		text = u.T("no_fizz.text_warm")
	}
	ls := art.Wrap(l.Fonts, text, st, g.S(m.textW))
	for g.Wide && y+float64(len(ls))*st.PX*st.Line > g.S(m.tilesY) && st.PX > g.S(m.textPX*.7) { // the tiles stand where they fit
		st.PX *= .96
		ls = art.Wrap(l.Fonts, text, st, g.S(m.textW))
	}
	for i, t := range ls {
		at := s.Text(t, g.X(m.x), y+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.Sign("no-fizz.text", text, at)
		}
	}
	y += float64(len(ls))*st.PX*st.Line + g.S(m.gap)
	p.still(s, m, int(max(y, g.Y(m.tilesY))))
	d := newDome(u, "no-fizz.rest", sheet.RoleButton, nil, nil)
	count := u.menu.Count(FilterStill)
	d.look(art.DomeStyle{Label: u.N("no_fizz.rest", count), Sub: u.T("no_fizz.see_all"), BG: u.Roles.Active, FG: u.Roles.OnActive, LabelPX: 92}, strconv.Itoa(count), false)
	d.tap = func() { p.rest(FilterStill) }
	s.Add(s.Fixed(d))
	s.Fill(p.root)
}

// noFizzPlan is the page of one shape of panel, drawn pixels.
type noFizzPlan struct {
	x, titleY, titleW, titleH, px float64
	textPX, textW, tilesY, gap    float64
	spec                          art.TileSpec
	cols, tiles                   int
	chipH, chipPX, chipB          float64 // chips: their lower edge above the page's; 0: none
}

func noFizzFor(g sheet.Geo) noFizzPlan {
	switch {
	case !g.Wide:
		return noFizzPlan{x: 40, titleY: 190, titleW: 760, titleH: 366, px: 208, textPX: 40, textW: 1000, tilesY: 768 + lift(g), gap: 40, spec: art.TileFull, cols: 4, tiles: 8, chipH: 96, chipPX: 28, chipB: 412}
	case roomy(g):
		return noFizzPlan{x: 48, titleY: 96, titleW: 800, titleH: 130, px: 124, textPX: 26, textW: 780, tilesY: 330, gap: 24, spec: art.TileFull.Scaled(.74), cols: 4, tiles: 4, chipH: 64, chipPX: 22, chipB: 24}
	}
	return noFizzPlan{x: 20, titleY: 62, titleW: 520, titleH: 84, px: 84, textPX: 20, textW: 520, tilesY: 216, gap: 14, spec: art.TileSmall, cols: 3, tiles: 3}
}

// still adds brands that pour as always, and chips for kinds of them.
func (p *noFizzPage) still(s *sheet.Sheet, m noFizzPlan, y int) {
	u, g := p.ui, s.Geo
	foot := int(g.B(456))
	if g.Wide {
		foot = g.H - g.I(12)
	}
	if m.chipB > 0 {
		foot = p.chips(s, m) - g.I(16)
	}
	tile, gap := m.spec.Scaled(g.K), g.I(16)
	if g.Wide && !roomy(g) { // as large as lets all of them stand beside the dome
		gap = g.I(10)
		room := g.S(800-art.CornerR-6) - g.X(m.x) - float64((m.cols-1)*gap)
		tile = m.spec.Scaled(g.K * min(room/float64(m.cols*tile.W), 1))
	}
	rows := max((m.tiles+m.cols-1)/m.cols, 1)
	for rows > 1 && y+rows*(tile.H+gap)-gap > foot {
		rows--
	}
	if h := y + rows*(tile.H+gap) - gap; h > foot { // long words: the row goes up as far as it can
		y = max(foot-tile.H, 0)
	}
	cols := m.cols
	if g.Wide { // left of the round of the dome
		down := float64(g.H - y - tile.H)
		edge := float64(g.W) - math.Sqrt(max(g.S(art.CornerR)*g.S(art.CornerR)-down*down, 0))
		if l := s.Look; l.RTL() {
			edge = float64(g.W - g.I(art.CornerR))
		}
		for cols > 1 && g.X(m.x)+float64(cols*(tile.W+gap)-gap)+g.S(6) > edge {
			cols--
		}
	}
	i := 0
	for _, r := range u.menu.Brands(FilterStill) {
		if i == rows*cols || r.Drained {
			break
		}
		tx, ty := int(g.X(m.x)+.5)+i%cols*(tile.W+gap), y+i/cols*(tile.H+gap)
		s.Control(sheet.NewControl("no-fizz.brand."+string(r.Brand.ID), sheet.RoleTile, r.Brand.Name, u.tile(r, tile), tx, ty, func() { u.show(newBrand(u, r.Brand)) }))
		i++
	}
}

// chips adds kinds of drink that still pour above the dome and returns their upper edge.
func (p *noFizzPage) chips(s *sheet.Sheet, m noFizzPlan) int {
	u, l, g := p.ui, s.Look, s.Geo
	h := target(g, m.chipH)
	y := int(g.B(m.chipB)) - h
	st := sheet.ButtonStyle{H: h, PadL: h / 4, PadR: h / 3, Gap: h / 6, Radius: float64(h) / 2, PX: l.At(m.chipPX, 1, theme.Text, 0).PX, IconPX: float64(h) * .42, Fill: u.Roles.Sunk, FG: u.Roles.Ink}
	plain := art.Colours{Ink: u.Roles.Ink, Plain: u.Roles.Plain}
	var imgs []*image.RGBA
	var fs []Filter
	sum, room := -g.I(12), g.W-2*int(g.X(m.x))
	if g.Wide {
		room = g.W - g.I(art.CornerR) - 2*g.I(m.x)
	}
	for _, f := range []Filter{FilterWater, FilterTea, FilterJuice, FilterSports} {
		st.Icon = f.sign()
		b := pill(l, plain, st, false)
		img := l.Button(u.T("filter."+string(f)), b)
		if least := target(g, 0); img.Rect.Dx() < least { // a short word
			b.Width = least
			img = l.Button(u.T("filter."+string(f)), b)
		}
		if len(u.menu.Brands(f)) == 0 || sum+img.Rect.Dx()+g.I(12) > room {
			continue
		}
		sum += img.Rect.Dx() + g.I(12)
		imgs, fs = append(imgs, img), append(fs, f)
	}
	x := (g.W - sum) / 2
	if g.Wide {
		x = g.I(m.x)
	}
	for i, f := range fs {
		c := s.Control(sheet.NewControl("no-fizz.filter."+string(f), sheet.RoleButton, u.T("filter."+string(f)), imgs[i], x, y, func() { p.rest(f) }))
		c.Radius = float32(st.Radius)
		x += imgs[i].Rect.Dx() + g.I(12)
	}
	return y
}

// rest shows what pours as always on the wall.
func (p *noFizzPage) rest(f Filter) {
	p.ui.filter = f
	p.ui.show(newHome(p.ui))
}

// ringsEnd is where the rings of a portrait panel end, drawn pixels.
const ringsEnd = 490

// bubbles are empty rings: gas that is not there.
func (p *noFizzPage) bubbles(s *sheet.Sheet) {
	g := s.Geo
	k, x := g.K, int(g.X(640))
	switch {
	case roomy(g):
		k, x = g.K*.66, g.W-int(g.S(320))
	case g.Wide:
		k, x = g.K*.55, g.W-int(g.S(242))
	}
	img := s.Compose(func() *image.RGBA {
		q := s.Picture(int(440*k), int(520*k), s.Roles.BG)
		for _, c := range [...][3]float64{{270, 130, 112}, {108, 74, 46}, {330, 330, 76}, {216, 296, 26}, {400, 236, 18}} {
			q.Fill((&art.Path{}).Circle(c[0]*k, c[1]*k, c[2]*k).Stroke(art.Pen{Width: 6 * k}), s.Roles.Outline)
		}
		return q.RGBA
	}, "rings/%v", k)
	s.Pic(img, x, int(60*k))
}

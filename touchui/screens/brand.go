package screens

import (
	"image"
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// brandPage shows a brand as large as it goes and what the unit stocks of it.
type brandPage struct {
	ui    *UI
	brand *beverage.Brand
	c     art.Colours
	only  []Filter // of the pills: FilterNoSugar, FilterNoCaffeine
	root  *fyne.Container
}

func newBrand(u *UI, b *beverage.Brand) *brandPage {
	p := &brandPage{ui: u, brand: b, c: art.ColoursOf(b.Palette), root: container.NewWithoutLayout()}
	if u.filter == FilterNoSugar || u.filter == FilterNoCaffeine {
		p.only = []Filter{u.filter}
	}
	p.build()
	return p
}

func (p *brandPage) name() string { return "brand" }
func (p *brandPage) again() page {
	q := newBrand(p.ui, p.brand)
	q.only = p.only
	q.build()
	return q
}

func (p *brandPage) content() fyne.CanvasObject { return p.root }

func (p *brandPage) update(menuChanged bool) {
	if menuChanged {
		p.build()
	}
}

func (p *brandPage) build() {
	u := p.ui
	s := u.Sheet(p.c.Primary, p.c.Ink)
	s.Box(0, 0, u.Geo.W, u.Geo.H, p.c.Primary)
	if u.Geo.Wide {
		p.wide(s)
	} else {
		p.tall(s)
	}
	p.root.Objects = s.Objects()
	p.root.Resize(fyne.NewSize(float32(u.Geo.W), float32(u.Geo.H)))
	p.root.Refresh()
}

// hero composes the brand's motif over the full width.
func (u *UI) hero(b *beverage.Brand, w, h int) *image.RGBA {
	return u.Compose(func() *image.RGBA {
		c := art.ColoursOf(b.Palette)
		q := u.Picture(w, h, c.Primary)
		q.Motif(b.Motif, c, image.Rect(0, 0, w, h), nil)
		return q.RGBA
	}, "hero/%s/%dx%d", b.ID, w, h)
}

// wordmarkLines sets the wordmark on one line or broken where the brand says, whichever is larger.
func (u *UI) wordmarkLines(b *beverage.Brand, width, height, maxPX, line float64) ([]string, theme.Size) {
	sz := theme.Size{Line: line, Cut: theme.CutNamed(b.Wordmark.Cut), Track: -.01}
	best := b.Wordmark.Lines
	for _, ls := range [][]string{{strings.Join(b.Wordmark.Lines, " ")}, b.Wordmark.Lines} {
		px := u.Fonts.Fit(ls, sz.Cut, sz.Track, width, min(maxPX, height/(line*float64(len(ls)))), 12)
		if px > sz.PX {
			best, sz.PX = ls, px
		}
	}
	return best, sz
}

func (p *brandPage) tall(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	offers := u.menu.Variants(p.brand.ID, p.only...)
	all := u.menu.Variants(p.brand.ID)
	rows := max((len(all)+1)/2, 1)
	cardH, stride := 240.0, 256.0
	if rows > 3 {
		stride = 768 / float64(rows)
		cardH = stride - 16
	}
	down := 0.0
	if rows < 3 {
		down = float64(3-rows) * 256
	}
	lift := float64(g.H)/g.K - 1920 // taller panels get a taller poster
	down += lift
	s.Pic(u.hero(p.brand, g.W, g.I(640+down)), 0, 0)
	lines, sz := u.wordmarkLines(p.brand, 1000*g.K, 186*g.K, 208*g.K, .86)
	y := 676 + down
	h := float64(len(lines)) * sz.PX * sz.Line / g.K
	for i, l := range lines {
		t := s.Text(l, g.X(40), g.Y(y)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("brand.title", p.brand.Name, t)
		}
	}
	tone := g.At(34, 1.3, theme.Text, 0)
	tone.PX = u.Fonts.Fit([]string{p.brand.Tone}, tone.Cut, 0, 990*g.K, tone.PX, 24*g.K)
	s.Text(p.brand.Tone, g.X(44), g.Y(max(y+h+10, y+190)), tone, art.Left)
	p.cards(s, offers, 960+down, cardH, stride)
	p.pills(s)
}

func (p *brandPage) cards(s *sheet.Sheet, offers []Offer, y0, cardH, stride float64) {
	g := p.ui.Geo
	for i, o := range offers {
		x, y := 40+float64(i%2)*508, y0+float64(i/2)*stride
		p.card(s, o, int(g.X(x)+.5), int(g.Y(y)+.5), g.I(492), g.I(cardH), g.K)
	}
	if len(offers) == 0 {
		s.Text("Nothing here without "+p.without()+".", g.X(44), g.Y(y0+40), g.At(40, 1.3, theme.Text, 0), art.Left)
	}
}

func (p *brandPage) without() string {
	var w []string
	for _, f := range p.only {
		w = append(w, map[Filter]string{FilterNoSugar: "sugar", FilterNoCaffeine: "caffeine"}[f])
	}
	return strings.Join(w, " and ")
}

// card adds one variant. What cannot be poured is an outline and leads to what comes closest.
func (p *brandPage) card(s *sheet.Sheet, o Offer, x, y, w, h int, k float64) {
	u, v := p.ui, o.Beverage
	img := u.Compose(func() *image.RGBA {
		well, ink := p.c.Well, p.c.Ink
		q := u.Picture(w, h, p.c.Primary)
		if o.Pourable() {
			q.Round(0, 0, float64(w), float64(h), theme.RadiusCard*k, well)
		} else {
			well = p.c.Primary
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusCard*k, 4*k, p.c.Tint(.45))
		}
		gk := min(k, float64(h)*.92/152)
		nameW := 300 * k
		gy := (float64(h) - 152*gk) / 2
		if noSugar(v) && noCaffeine(v) && p.caffeinated() {
			gy = 26 * k // two notes stand below it
		}
		if u.Geo.Wide {
			gk *= .62
			gy = 14 * k
			nameW = float64(w) - 76*k - 150*gk
		}
		if float64(h) >= 150*k {
			q.Glyph(glyphOf(o), float64(w)-30*k-150*gk, gy, gk, !noSugar(v), p.c.Secondary, well)
		}
		sz := theme.Size{PX: 66 * k, Line: .92, Cut: theme.Condensed, Track: -.015}
		lines, px := art.FitName(u.Fonts, v.Name, sz, nameW, float64(h)-96*k, 24*k, 2)
		sz.PX = px
		q.Lines(lines, 32*k, 30*k, art.Style{Size: sz, Color: ink}, art.Left)
		p.notes(q, o, 32*k, float64(h)-58*k, k, ink)
		return q.RGBA
	}, "variant/%s/%s/%dx%d", v.ID, o.Why, w, h)
	c := sheet.NewControl("brand.beverage."+string(v.ID), sheet.RoleTile, v.Name, img, x, y, func() { u.open(v.ID) })
	c.Value = o.Why
	s.Control(c)
}

// notes sets the line of words under a variant's name.
func (p *brandPage) notes(q *art.Picture, o Offer, x, y, k float64, ink color.RGBA) {
	st := art.Style{Size: theme.Size{PX: 28 * k, Line: 1, Cut: theme.Text}, Color: ink}
	switch o.Why {
	case whySoldOut:
		q.Text("Back soon", x, y, st, art.Left)
		return
	case whyNoFizz:
		q.Text("No fizz just now", x, y, st, art.Left)
		return
	case "":
	default:
		q.Text("Not just now", x, y, st, art.Left)
		return
	}
	if p.ui.Geo.Wide && noSugar(o.Beverage) && noCaffeine(o.Beverage) && p.caffeinated() {
		q.Text("No sugar, no caffeine", x, y, st, art.Left)
		return
	}
	if noSugar(o.Beverage) {
		q.Icon("zero", x, y-2*k, 32*k, ink)
		x += 44 * k
	}
	x += q.Text(sugarWords(o.Beverage), x, y, st, art.Left)
	if noCaffeine(o.Beverage) && p.caffeinated() {
		x += 22 * k
		q.Icon("moon", x, y-2*k, 32*k, ink)
		q.Text("No caffeine", x+44*k, y, st, art.Left)
	}
}

// caffeinated reports whether caffeine tells variants of this brand apart.
func (p *brandPage) caffeinated() bool {
	for i := range p.brand.Beverages {
		if !noCaffeine(&p.brand.Beverages[i]) {
			return true
		}
	}
	return false
}

// glyphOf picks the sign of a variant by what it tastes of.
func glyphOf(o Offer) string {
	name := strings.ToLower(o.Beverage.Name)
	if noCaffeine(o.Beverage) && (strings.Contains(name, "free") || strings.Contains(name, "quiet")) {
		return "moon"
	}
	ids := name
	for _, part := range o.Beverage.Recipe.Parts {
		if kind, flavour, ok := strings.Cut(string(part.Ingredient), "."); ok && (kind == "flavour" || kind == "juice" || kind == "tea") {
			ids += " " + flavour
		}
	}
	for _, g := range []struct{ glyph, words string }{
		{"cherry", "cherry"},
		{"flower", "vanilla rose elderflower lavender hibiscus flower"},
		{"citrus", "lemon lime orange yuzu grapefruit pomelo mandarin citrus"},
		{"berry", "berry berries grape cranberry currant"},
		{"leaf", "mint tea mate maté cucumber leaf"},
	} {
		for _, w := range strings.Fields(g.words) {
			if strings.Contains(ids, w) {
				return g.glyph
			}
		}
	}
	if strings.HasPrefix(o.Brand.Kind, "Energy") {
		return "bolt"
	}
	if strings.Contains(strings.ToLower(o.Brand.Kind), "water") {
		return "drop"
	}
	return "plain"
}

func (p *brandPage) pills(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	st := sheet.ButtonStyle{H: g.I(112), PadL: g.I(28), PadR: g.I(34), Gap: g.I(14), Radius: g.S(56), PX: g.S(30), IconPX: g.S(44), Icon: "back", Fill: p.c.Ink, FG: p.c.Primary}
	y := int(g.B(156) + .5)
	s.Control(sheet.NewControl("nav.back", sheet.RoleButton, "All brands", u.Look.Button("All brands", st), int(g.X(40)), y, u.goHome))
	x := int(g.R(40))
	st.IconPX = g.S(40)
	offered := u.menu.Variants(p.brand.ID)
	for _, f := range []Filter{FilterNoCaffeine, FilterNoSugar} {
		if n := len(u.menu.Variants(p.brand.ID, f)); n == 0 || n == len(offered) {
			continue // it would hide nothing, or everything: no dead buttons
		}
		b := st
		b.Icon = chipText[f][0]
		on := p.has(f)
		if !on {
			b.FG, b.Border = p.c.Ink, 4*g.K
		}
		img := u.Look.Button(chipText[f][1], b)
		x -= img.Rect.Dx()
		c := sheet.NewControl("brand.filter."+string(f), sheet.RoleSwitch, chipText[f][1], img, x, y, func() { p.toggle(f) })
		c.Value = onOff(on)
		s.Control(c)
		x -= g.I(16)
	}
}

func (p *brandPage) has(f Filter) bool {
	for _, x := range p.only {
		if x == f {
			return true
		}
	}
	return false
}

func (p *brandPage) toggle(f Filter) {
	var next []Filter
	for _, x := range p.only {
		if x != f {
			next = append(next, x)
		}
	}
	if len(next) == len(p.only) {
		next = append(next, f)
	}
	p.only = next
	p.build()
}

// wide is the page of landscape panels: poster on the left, variants scroll on the right.
func (p *brandPage) wide(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	left := g.I(300)
	s.Pic(u.hero(p.brand, left, g.I(250)), 0, 0)
	lines, sz := u.wordmarkLines(p.brand, g.S(260), g.S(100), g.S(72), .88)
	for i, l := range lines {
		t := s.Text(l, g.S(20), g.S(264)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("brand.title", p.brand.Name, t)
		}
	}
	st := sheet.ButtonStyle{H: g.I(74), PadL: g.I(18), PadR: g.I(24), Gap: g.I(10), Radius: g.S(37), PX: g.S(22), IconPX: g.S(30), Icon: "back", Fill: p.c.Ink, FG: p.c.Primary}
	s.Control(sheet.NewControl("nav.back", sheet.RoleButton, "All brands", u.Look.Button("All brands", st), g.I(20), g.H-g.I(94), u.goHome))
	in := u.Sheet(p.c.Primary, p.c.Ink)
	w := (g.W - left - g.I(32) - g.I(12)) / 2
	h := g.I(132)
	offers := u.menu.Variants(p.brand.ID)
	for i, o := range offers {
		p.card(in, o, g.I(12)+i%2*(w+g.I(12)), g.I(20)+i/2*(h+g.I(12)), w, h, g.K*.62)
	}
	sc := container.NewVScroll(in.Container(g.W-left, g.I(32)+(len(offers)+1)/2*(h+g.I(12))))
	sc.Move(fyne.NewPos(float32(left), 0))
	sc.Resize(fyne.NewSize(float32(g.W-left), float32(g.H)))
	s.Add(sc)
}

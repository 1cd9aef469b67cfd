package screens

import (
	"image"
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/beverage"
	"fountain/touchui/screens/art"
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

func (p *brandPage) name() string               { return "brand" }
func (p *brandPage) content() fyne.CanvasObject { return p.root }

func (p *brandPage) update(menuChanged bool) {
	if menuChanged {
		p.build()
	}
}

func (p *brandPage) build() {
	u := p.ui
	s := &sheet{ui: u, bg: p.c.Primary, ink: p.c.Ink}
	s.box(0, 0, u.g.w, u.g.h, p.c.Primary)
	if u.g.wide {
		p.wide(s)
	} else {
		p.tall(s)
	}
	p.root.Objects = s.objs
	p.root.Resize(fyne.NewSize(float32(u.g.w), float32(u.g.h)))
	p.root.Refresh()
}

// hero composes the brand's motif over the full width.
func (u *UI) hero(b *beverage.Brand, w, h int) *image.RGBA {
	return u.compose(func() *image.RGBA {
		c := art.ColoursOf(b.Palette)
		q := art.NewPicture(u.fonts, w, h, c.Primary)
		q.Motif(b.Motif, c, image.Rect(0, 0, w, h), nil)
		return q.RGBA
	}, "hero/%s/%dx%d", b.ID, w, h)
}

// wordmarkLines sets the wordmark on one line or broken where the brand says, whichever is larger.
func (u *UI) wordmarkLines(b *beverage.Brand, width, height, maxPX, line float64) ([]string, theme.Size) {
	sz := theme.Size{Line: line, Cut: theme.CutNamed(b.Wordmark.Cut), Track: -.01}
	best := b.Wordmark.Lines
	for _, ls := range [][]string{{strings.Join(b.Wordmark.Lines, " ")}, b.Wordmark.Lines} {
		px := u.fonts.Fit(ls, sz.Cut, sz.Track, width, min(maxPX, height/(line*float64(len(ls)))), 12)
		if px > sz.PX {
			best, sz.PX = ls, px
		}
	}
	return best, sz
}

func (p *brandPage) tall(s *sheet) {
	u, g := p.ui, p.ui.g
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
	lift := float64(g.h)/g.k - 1920 // taller panels get a taller poster
	down += lift
	s.pic(u.hero(p.brand, g.w, g.i(640+down)), 0, 0)
	lines, sz := u.wordmarkLines(p.brand, 1000*g.k, 186*g.k, 208*g.k, .86)
	y := 676 + down
	h := float64(len(lines)) * sz.PX * sz.Line / g.k
	for i, l := range lines {
		t := s.text(l, g.x(40), g.y(y)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("brand.title", p.brand.Name, t)
		}
	}
	tone := g.at(34, 1.3, theme.Text, 0)
	tone.PX = u.fonts.Fit([]string{p.brand.Tone}, tone.Cut, 0, 990*g.k, tone.PX, 24*g.k)
	s.text(p.brand.Tone, g.x(44), g.y(max(y+h+10, y+190)), tone, art.Left)
	p.cards(s, offers, 960+down, cardH, stride)
	p.pills(s)
}

func (p *brandPage) cards(s *sheet, offers []Offer, y0, cardH, stride float64) {
	g := p.ui.g
	for i, o := range offers {
		x, y := 40+float64(i%2)*508, y0+float64(i/2)*stride
		p.card(s, o, int(g.x(x)+.5), int(g.y(y)+.5), g.i(492), g.i(cardH), g.k)
	}
	if len(offers) == 0 {
		s.text("Nothing here without "+p.without()+".", g.x(44), g.y(y0+40), g.at(40, 1.3, theme.Text, 0), art.Left)
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
func (p *brandPage) card(s *sheet, o Offer, x, y, w, h int, k float64) {
	u, v := p.ui, o.Beverage
	img := u.compose(func() *image.RGBA {
		well, ink := p.c.Well, p.c.Ink
		q := art.NewPicture(u.fonts, w, h, p.c.Primary)
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
		if u.g.wide {
			gk *= .62
			gy = 14 * k
			nameW = float64(w) - 76*k - 150*gk
		}
		if float64(h) >= 150*k {
			q.Glyph(glyphOf(o), float64(w)-30*k-150*gk, gy, gk, !noSugar(v), p.c.Secondary, well)
		}
		sz := theme.Size{PX: 66 * k, Line: .92, Cut: theme.Condensed, Track: -.015}
		lines, px := art.FitName(u.fonts, v.Name, sz, nameW, float64(h)-96*k, 24*k, 2)
		sz.PX = px
		q.Lines(lines, 32*k, 30*k, art.Style{Size: sz, Color: ink}, art.Left)
		p.notes(q, o, 32*k, float64(h)-58*k, k, ink)
		return q.RGBA
	}, "variant/%s/%s/%dx%d", v.ID, o.Why, w, h)
	c := newControl("brand.beverage."+string(v.ID), roleTile, v.Name, img, x, y, func() { u.open(v.ID) })
	c.value = o.Why
	s.control(c)
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
	if p.ui.g.wide && noSugar(o.Beverage) && noCaffeine(o.Beverage) && p.caffeinated() {
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

func (p *brandPage) pills(s *sheet) {
	u, g := p.ui, p.ui.g
	st := buttonStyle{h: g.i(112), padL: g.i(28), padR: g.i(34), gap: g.i(14), radius: g.s(56), px: g.s(30), iconPX: g.s(44), icon: "back", fill: p.c.Ink, fg: p.c.Primary}
	y := int(g.b(156) + .5)
	s.control(newControl("nav.back", roleButton, "All brands", u.button("All brands", st), int(g.x(40)), y, u.goHome))
	x := int(g.r(40))
	st.iconPX = g.s(40)
	offered := u.menu.Variants(p.brand.ID)
	for _, f := range []Filter{FilterNoCaffeine, FilterNoSugar} {
		if n := len(u.menu.Variants(p.brand.ID, f)); n == 0 || n == len(offered) {
			continue // it would hide nothing, or everything: no dead buttons
		}
		b := st
		b.icon = chipText[f][0]
		on := p.has(f)
		if !on {
			b.fg, b.border = p.c.Ink, 4*g.k
		}
		img := u.button(chipText[f][1], b)
		x -= img.Rect.Dx()
		c := newControl("brand.filter."+string(f), roleSwitch, chipText[f][1], img, x, y, func() { p.toggle(f) })
		c.value = onOff(on)
		s.control(c)
		x -= g.i(16)
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
func (p *brandPage) wide(s *sheet) {
	u, g := p.ui, p.ui.g
	left := g.i(300)
	s.pic(u.hero(p.brand, left, g.i(250)), 0, 0)
	lines, sz := u.wordmarkLines(p.brand, g.s(260), g.s(100), g.s(72), .88)
	for i, l := range lines {
		t := s.text(l, g.s(20), g.s(264)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("brand.title", p.brand.Name, t)
		}
	}
	st := buttonStyle{h: g.i(74), padL: g.i(18), padR: g.i(24), gap: g.i(10), radius: g.s(37), px: g.s(22), iconPX: g.s(30), icon: "back", fill: p.c.Ink, fg: p.c.Primary}
	s.control(newControl("nav.back", roleButton, "All brands", u.button("All brands", st), g.i(20), g.h-g.i(94), u.goHome))
	in := &sheet{ui: u, bg: p.c.Primary, ink: p.c.Ink}
	w := (g.w - left - g.i(32) - g.i(12)) / 2
	h := g.i(132)
	offers := u.menu.Variants(p.brand.ID)
	for i, o := range offers {
		p.card(in, o, g.i(12)+i%2*(w+g.i(12)), g.i(20)+i/2*(h+g.i(12)), w, h, g.k*.62)
	}
	sc := container.NewVScroll(in.container(g.w-left, g.i(32)+(len(offers)+1)/2*(h+g.i(12))))
	sc.Move(fyne.NewPos(float32(left), 0))
	sc.Resize(fyne.NewSize(float32(g.w-left), float32(g.h)))
	s.add(sc)
}

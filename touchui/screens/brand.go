package screens

import (
	"image"
	"slices"
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
	l     *sheet.Look // of the present build
	brand *beverage.Brand
	c     art.Colours
	only  []Filter // of the pills: FilterNoSugar, FilterNoCaffeine
	root  *fyne.Container
}

// maxVariants is how many variants stand on the page without scrolling.
const maxVariants = 6

func newBrand(u *UI, b *beverage.Brand) *brandPage {
	p := &brandPage{ui: u, brand: b, root: container.NewWithoutLayout()}
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
	p.l, p.c = u.leaf(), u.Colours(p.brand.Palette)
	s := p.l.Sheet(p.c.Primary, p.c.Ink)
	s.Box(0, 0, u.Geo.W, u.Geo.H, p.c.Primary)
	if u.Geo.Wide {
		p.wide(s)
	} else {
		p.tall(s)
	}
	s.Fill(p.root)
}

// hero composes a brand's motif over w×h.
func hero(l *sheet.Look, b *beverage.Brand, c art.Colours, w, h int) *image.RGBA {
	return l.Compose(func() *image.RGBA {
		q := l.Picture(w, h, c.Primary)
		q.Motif(b.Motif, c, image.Rect(0, 0, w, h), nil)
		return q.RGBA
	}, "hero/%s/%dx%d", b.ID, w, h)
}

// wordmarkLines sets the wordmark on one line or broken where the brand says, whichever is larger.
func wordmarkLines(l *sheet.Look, b *beverage.Brand, width, height, maxPX, line float64) ([]string, theme.Size) {
	sz := theme.Size{Line: line, Cut: theme.CutNamed(b.Wordmark.Cut), Track: -.01}
	best := b.Wordmark.Lines
	for _, ls := range [][]string{{strings.Join(b.Wordmark.Lines, " ")}, b.Wordmark.Lines} {
		px := l.Fonts.Fit(ls, sz.Cut, sz.Track, width, min(maxPX, height/(line*float64(len(ls)))), 12)
		if px > sz.PX {
			best, sz.PX = ls, px
		}
	}
	return best, sz
}

// title adds wordmark and tone and returns where they end.
func (p *brandPage) title(s *sheet.Sheet, x, y, width, height, maxPX, tonePX float64) float64 {
	lines, sz := wordmarkLines(p.l, p.brand, width, height, maxPX, .86)
	for i, t := range lines {
		at := s.Text(t, x, y+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("brand.title", p.brand.Name, at)
		}
	}
	tone := p.ui.Words.Name(p.brand.Tone)
	st := p.l.At(tonePX, 1.25, theme.Text, 0)
	y = max(y+float64(len(lines))*sz.PX*sz.Line+tonePX*.3*p.l.Geo.K, y+height)
	ls := art.Wrap(p.l.Fonts, tone, st, width)
	most := 1 // what stands below begins where it is drawn
	if p.l.Geo.Wide {
		most = 2
	}
	for len(ls) > most && st.PX > 10 {
		st.PX *= .96
		ls = art.Wrap(p.l.Fonts, tone, st, width)
	}
	return y + s.Lines(ls, x+4*p.l.Geo.K, y, st, art.Left)
}

// tall is the portrait page: poster, name, variants in two columns; one column of larger ones with large text.
func (p *brandPage) tall(s *sheet.Sheet) {
	u, g := p.ui, p.l.Geo
	all := len(u.menu.Variants(p.brand.ID))
	cols, cardH, titleH := 2, 240.0, 190.0
	if p.l.Large {
		cols, cardH, titleH = 1, 180, 180
	}
	rows := min((all+cols-1)/cols, maxVariants/cols)
	bottom := 1920 + lift(g) - 188
	if p.c.Plain && cols == 2 {
		cardH = 300
	}
	y0 := bottom - float64(max(rows, 1))*(cardH+16) + 16
	top := y0 - titleH - 94
	if !p.c.Plain {
		s.Pic(hero(p.l, p.brand, p.c, g.W, g.I(top-36)), 0, 0)
	}
	p.title(s, g.X(40), g.Y(top), g.S(1000), g.S(titleH), g.S(208), 34)
	area := image.Rect(int(g.X(40)+.5), g.I(y0), int(g.X(1040)+.5), g.I(bottom))
	p.cards(s, area, cols, g.I(cardH), g.I(16), g.K)
	p.pills(s)
}

// cards adds the variants in an area; more than fit scroll.
func (p *brandPage) cards(s *sheet.Sheet, area image.Rectangle, cols, cardH, gap int, k float64) {
	offers := p.ui.menu.Variants(p.brand.ID, p.only...)
	if len(offers) == 0 {
		s.Text(p.ui.T("brand.none"), float64(area.Min.X), float64(area.Min.Y)+24*k, p.l.At(40, 1.3, theme.Text, 0), art.Left)
		return
	}
	rows := (len(offers) + cols - 1) / cols
	w := (area.Dx() - (cols-1)*gap) / cols
	high := rows*(cardH+gap) - gap
	if high <= area.Dy()+gap {
		for i, o := range offers {
			p.card(s, o, area.Min.X+i%cols*(w+gap), area.Min.Y+i/cols*(cardH+gap), w, cardH, k)
		}
		return
	}
	in := p.l.Sheet(s.BG, s.Ink)
	for i, o := range offers {
		p.card(in, o, i%cols*(w+gap), i/cols*(cardH+gap), w, cardH, k)
	}
	sc := container.NewVScroll(in.Container(area.Dx(), high+gap))
	sc.Move(fyne.NewPos(float32(area.Min.X), float32(area.Min.Y)))
	sc.Resize(fyne.NewSize(float32(area.Dx()), float32(area.Dy()+gap)))
	s.Add(sc)
}

// card adds one variant. What cannot be poured is an outline and leads to what comes closest. k is panel pixels per pixel
// of the portrait card.
func (p *brandPage) card(s *sheet.Sheet, o Offer, x, y, w, h int, k float64) {
	l, v := p.l, o.Beverage
	name := drinkName(l.Words, o)
	img := l.Compose(func() *image.RGBA {
		well, ink := p.c.Well, p.c.Ink
		q := l.Picture(w, h, p.c.Primary)
		switch {
		case p.c.Plain:
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusPlain*k, max(theme.LinePlain*k, 2), ink)
		case o.Pourable():
			q.Round(0, 0, float64(w), float64(h), theme.RadiusCard*k, well)
		default:
			well = p.c.Primary
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusCard*k, 4*k, p.c.Tint(.45))
		}
		note := l.At(28, 1, theme.Text, 0)
		note.PX *= k / l.Geo.K
		noteY := float64(h) - 28*k - note.PX
		gk := min(k, (float64(h)-40*k)/152)
		both := noSugar(v) && noCaffeine(v) && p.caffeinated()
		gy := (float64(h) - 152*gk) / 2
		if both || l.Large {
			gk = min(gk, (noteY-30*k)/152) // the notes stand below it
			gy = max(14*k, (noteY-152*gk)/2)
		}
		if p.c.Plain {
			q.Glyph(glyphOf(o), float64(w)-30*k-150*gk, gy, gk, !noSugar(v) && o.Pourable(), ink, p.c.Primary)
		} else {
			q.Glyph(glyphOf(o), float64(w)-30*k-150*gk, gy, gk, !noSugar(v), p.c.Secondary, well)
		}
		sz := theme.Size{PX: 66 * k, Line: .92, Cut: theme.Condensed, Track: -.015}
		if l.Large {
			sz.PX = 84 * k
		}
		lines, px := art.FitName(l.Fonts, name, sz, float64(w)-62*k-30*k-150*gk, noteY-44*k, 20*k, 2)
		sz.PX = px
		q.Lines(lines, 32*k, 30*k, art.Style{Size: sz, Color: ink}, art.Left)
		p.notes(q, o, 32*k, noteY, float64(w)-64*k, art.Style{Size: note, Color: ink})
		return q.RGBA
	}, "variant/%s/%s/%dx%d", v.ID, o.Why, w, h)
	c := sheet.NewControl("brand.beverage."+string(v.ID), sheet.RoleTile, name, img, x, y, func() { p.ui.open(v.ID) })
	c.Value = o.Why
	c.Radius = float32(theme.RadiusCard * k)
	s.Control(c)
}

// notes sets the line of words under a variant's name, at most width wide.
func (p *brandPage) notes(q *art.Picture, o Offer, x, y, width float64, st art.Style) {
	w := p.ui.Words
	var parts [][2]string // icon, words
	switch o.Why {
	case whySoldOut:
		parts = [][2]string{{"", w.T("note.back_soon")}}
	case whyNoFizz:
		parts = [][2]string{{"", w.T("note.no_fizz")}}
	case "":
		icon := ""
		if noSugar(o.Beverage) {
			icon = "zero"
		}
		parts = [][2]string{{icon, sugarWords(w, o.Beverage)}}
		if noCaffeine(o.Beverage) && p.caffeinated() {
			parts = append(parts, [2]string{"moon", w.T("note.no_caffeine")})
		}
	default:
		parts = [][2]string{{"", w.T("note.away")}}
	}
	measure := func() (sum float64) {
		for i, n := range parts {
			if i > 0 {
				sum += st.PX * .8
			}
			if n[0] != "" {
				sum += st.PX * 1.55
			}
			sum += p.l.Fonts.Width(n[1], st.Cut, st.PX, 0)
		}
		return sum
	}
	if len(parts) == 2 && measure() > width {
		parts = [][2]string{{"zero", w.T("note.neither")}}
		if !noSugar(o.Beverage) {
			parts = [][2]string{{"", sugarWords(w, o.Beverage)}}
		}
	}
	const leastPX = 14 // below it letters are no help
	if m := measure(); parts[0][0] != "" && st.PX*width/m < leastPX {
		parts[0][0] = "" // the words say it too
	}
	if m := measure(); m > width {
		y += st.PX * (1 - width/m)
		st.PX *= width / m
	}
	for i, n := range parts {
		if i > 0 {
			x += st.PX * .8
		}
		if n[0] != "" {
			q.Icon(n[0], x, y-st.PX*.07, st.PX*1.14, st.Color)
			x += st.PX * 1.55
		}
		x += q.Text(n[1], x, y, st, art.Left)
	}
}

// caffeinated reports whether caffeine tells variants of this brand apart.
func (p *brandPage) caffeinated() bool {
	return slices.ContainsFunc(p.brand.Beverages, func(v beverage.Beverage) bool { return !noCaffeine(&v) })
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

// pillStyle is how the pills of the page look; h and px as drawn.
func (p *brandPage) pillStyle(h, px float64) sheet.ButtonStyle {
	g := p.l.Geo
	ph := target(g, h)
	return sheet.ButtonStyle{
		H: ph, PadL: ph / 4, PadR: ph * 3 / 10, Gap: ph / 8, Radius: float64(ph) / 2, PX: p.l.At(px, 1, theme.Text, 0).PX, IconPX: float64(ph) * .38,
		Fill: p.c.Ink, FG: p.c.Primary,
	}
}

// backPill leads back, at most width wide.
func (p *brandPage) backPill(st sheet.ButtonStyle, width int) (string, *image.RGBA) {
	st.Icon = "back"
	t := p.ui.T("brand.all")
	room := float64(width-st.PadL-st.PadR-st.Gap) - st.IconPX
	st.PX = fitted(p.l, t, theme.Size{PX: st.PX, Cut: theme.Text}, room).PX
	return t, p.l.Button(t, pill(p.l, p.c, st, false))
}

func (p *brandPage) pills(s *sheet.Sheet) {
	g := p.l.Geo
	st := p.pillStyle(112, 30)
	y := g.H - g.I(44) - st.H
	t, img := p.backPill(st, g.I(480))
	s.Control(sheet.NewControl("nav.back", sheet.RoleButton, t, img, int(g.X(40)), y, p.ui.goHome))
	room := int(g.R(40)) - int(g.X(40)) - img.Rect.Dx() - g.I(16)
	p.filters(s, st, int(g.R(40)), y, room)
}

// filters adds the filter pills that tell variants of this brand apart, from the right edge on, at most room wide.
func (p *brandPage) filters(s *sheet.Sheet, st sheet.ButtonStyle, right, y, room int) {
	u, g := p.ui, p.l.Geo
	offered := u.menu.Variants(p.brand.ID)
	var imgs []*image.RGBA
	var fs []Filter
	for tight := range 3 {
		imgs, fs = nil, nil
		sum := 0
		for _, f := range []Filter{FilterNoCaffeine, FilterNoSugar} {
			if n := len(u.menu.Variants(p.brand.ID, f)); n == 0 || n == len(offered) {
				continue // it would hide nothing, or everything: no dead buttons
			}
			b := st
			b.Icon = f.icon()
			if tight > 0 {
				b.Icon = ""
			}
			if tight > 1 {
				b.PX *= .8
			}
			if on := slices.Contains(p.only, f); p.c.Plain {
				b = pill(p.l, p.c, b, on)
			} else if !on {
				b.FG, b.Border = p.c.Ink, 4*g.K
			}
			img := p.l.Button(u.T("filter."+string(f)), b)
			imgs, fs = append(imgs, img), append(fs, f)
			sum += img.Rect.Dx() + g.I(16)
		}
		if sum <= room {
			break
		}
	}
	for i, f := range fs {
		right -= imgs[i].Rect.Dx()
		c := sheet.NewControl("brand.filter."+string(f), sheet.RoleSwitch, u.T("filter."+string(f)), imgs[i], right, y, func() { p.toggle(f) })
		c.Value = onOff(slices.Contains(p.only, f))
		c.Radius = float32(st.Radius)
		s.Control(c)
		right -= g.I(16)
	}
}

func (p *brandPage) toggle(f Filter) {
	if i := slices.Index(p.only, f); i >= 0 {
		p.only = slices.Delete(slices.Clone(p.only), i, i+1)
	} else {
		p.only = append(slices.Clone(p.only), f)
	}
	p.build()
}

// wide is the page of landscape panels: poster, name and way back on one side, filters and variants on the other.
func (p *brandPage) wide(s *sheet.Sheet) {
	g := p.l.Geo
	left, poster, nameH, px, tonePX, pillH, pillPX := 300.0, 180.0, 84.0, 72.0, 18.0, 60.0, 20.0
	area, cardH, gap, k, pad := image.Rect(g.I(312), g.I(92), g.W-g.I(20), g.H-g.I(16)), 116.0, 12.0, .56, 20.0
	cols := 2
	if roomy(g) {
		left, poster, nameH, px, tonePX, pillH, pillPX = 470, 330, 150, 120, 24, 76, 22
		area, cardH, gap, k, pad = image.Rect(g.I(500), g.I(132), g.W-g.I(32), g.H-g.I(28)), 176, 16, .78, 32
	} else if p.l.Large {
		cols = 1
	}
	st := p.pillStyle(pillH, pillPX)
	if lower := g.I(20) + st.H + g.I(14); lower > area.Min.Y {
		area.Min.Y = lower // targets are larger than drawn
	}
	rows := maxVariants / cols
	if cols == 2 {
		cardH = min(cardH, (float64(area.Dy())/g.K-gap*float64(rows-1))/float64(rows))
	}
	if !p.c.Plain {
		s.Pic(hero(p.l, p.brand, p.c, g.I(left), g.I(poster)), 0, 0)
	}
	p.title(s, g.S(pad), g.S(poster+16), g.S(left-pad-14), g.S(nameH), g.S(px), tonePX)
	t, img := p.backPill(st, g.I(left-pad-12))
	s.Control(sheet.NewControl("nav.back", sheet.RoleButton, t, img, g.I(pad), g.H-g.I(pad)-st.H, p.ui.goHome))
	p.filters(s, st, area.Max.X, g.I(20), area.Dx())
	p.cards(s, area, cols, g.I(cardH), g.I(gap), g.K*k)
}

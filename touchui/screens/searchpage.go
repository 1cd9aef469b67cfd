package screens

import (
	"image"
	"strings"
	"unicode"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

const textCut = theme.Text

// longestQuery is how many letters a query has at most: no name needs more.
const longestQuery = 18

// searchPage finds a drink by a few letters: what answers above, what was typed and the keys below, where hands are.
type searchPage struct {
	ui    *UI
	root  *fyne.Container
	index *Search
	query string
	latin bool // Latin letters, in a language that has others

	field *fyne.Container // what was typed
	found *fyne.Container // what answers
	wall  *container.Scroll
	cards []*resultCard
	left  int // edges of what answers
	high  int
}

type resultCard struct {
	*sheet.Control
	offer Offer
	w, h  int
}

func newSearch(u *UI, query string) *searchPage {
	p := &searchPage{ui: u, root: container.NewWithoutLayout(), index: NewSearch(u.menu, u.Words), query: query}
	p.build()
	return p
}

func (p *searchPage) name() string               { return "search" }
func (p *searchPage) content() fyne.CanvasObject { return p.root }

func (p *searchPage) again() page {
	q := newSearch(p.ui, p.query)
	if p.latin {
		q.latin = true
		q.build()
	}
	return q
}

func (p *searchPage) update(menuChanged bool) {
	if menuChanged {
		p.index = NewSearch(p.ui.menu, p.ui.Words)
		p.answer()
	}
}

// build lays the page out; keys and field stay while somebody types.
func (p *searchPage) build() {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	b := u.keyboardOf(p.latin)
	rowH, margin, gap := max(b.keyH, g.MM(15)), b.left, b.gap*2
	top := b.top - rowH - gap
	ground := top - gap
	p.left, p.high = margin, ground-g.I(6)
	p.found = container.NewWithoutLayout()
	p.found.Resize(fyne.NewSize(float32(g.W), float32(p.high)))
	s.Add(p.found)
	s.Box(0, ground, g.W, g.H-ground, u.Roles.Sunk)
	s.Box(0, ground, g.W, max(1, g.I(2)), u.Roles.Line)
	s.BG = u.Roles.Sunk
	st := sheet.ButtonStyle{H: rowH, PadL: rowH / 4, PadR: rowH * 3 / 10, Gap: rowH / 8, Radius: b.radius, PX: b.px * .68, IconPX: b.px, Icon: "back", Fill: u.Roles.Surface, FG: u.Roles.Ink}
	back := s.Button("nav.back", sheet.RoleButton, u.T("nav.back"), st, margin, top, func() { u.goHome() })
	st.Icon, st.Width, st.Gap = "erase", max(b.key*3/2, rowH), 0
	erase := sheet.NewControl("search.key.delete", sheet.RoleKey, u.T("search.delete"), u.Look.Button("", st), g.W-margin-st.Width, top, p.erase)
	erase.Radius = float32(b.radius)
	s.Control(erase)
	x, end := margin+int(back.Size().Width)+b.gap, g.W-margin-st.Width-b.gap
	if b.foreign {
		text := u.T("search.latin")
		if b.latin {
			text = u.T("search.letters")
		}
		st.Icon, st.PX = "", u.Fonts.Fit([]string{text}, textCut, 0, float64(st.Width)*.84, st.PX, st.PX*.4)
		end -= st.Width
		s.Button("search.key.script", sheet.RoleKey, text, st, end, top, func() {
			p.latin = !p.latin
			p.build()
		})
		end -= b.gap
	}
	p.field = container.NewWithoutLayout()
	p.field.Move(fyne.NewPos(float32(x), float32(top)))
	p.field.Resize(fyne.NewSize(float32(end-x), float32(rowH)))
	s.Add(p.field)
	p.keysOn(s, b)
	s.Fill(p.root)
	p.answer()
}

// typed adds what a key adds.
func (p *searchPage) typed(text string) {
	if utf8.RuneCountInString(p.query) >= longestQuery || text == " " && (p.query == "" || strings.HasSuffix(p.query, " ")) {
		return
	}
	p.query += text
	p.answer()
}

// erase takes the last letter away.
func (p *searchPage) erase() {
	if p.query == "" {
		return
	}
	_, n := utf8.DecodeLastRuneInString(p.query)
	p.query = p.query[:len(p.query)-n]
	p.answer()
}

// answer shows what was typed and what answers it; before anything is typed, what people pour here.
func (p *searchPage) answer() {
	p.showQuery()
	offers := p.index.Find(p.query)
	if p.query == "" {
		offers, _ = p.ui.menu.Favourites()
	}
	p.showFound(offers)
}

func (p *searchPage) showQuery() {
	u := p.ui
	w, h := p.field.Size().Width, p.field.Size().Height
	query := p.query
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(int(w), int(h), u.Roles.Sunk)
		r := float64(h) / 4
		q.Round(0, 0, float64(w), float64(h), r, u.Roles.BG)
		q.Frame(0, 0, float64(w), float64(h), r, max(2, float64(h)/30), u.Roles.Ink)
		icon, pad := float64(h)*.44, float64(h)*.28
		q.Icon("search", pad, (float64(h)-icon)/2, icon, u.Roles.InkSoft)
		x, room := pad*1.5+icon, float64(w)-pad*2.5-icon
		text, ink := capitals(query), u.Roles.Ink
		if query == "" {
			text, ink = u.T("search.hint"), u.Roles.InkSoft
		}
		px := u.Fonts.Fit([]string{text}, textCut, 0, room, float64(h)*.4, float64(h)*.16)
		st := art.Style{Size: theme.Size{PX: px, Line: 1, Cut: textCut}, Color: ink}
		width := q.Text(text, x, (float64(h)-px)/2, st, art.Left)
		if query != "" { // where the next letter goes
			q.Box(int(x+width+px*.08), int(float64(h)*.26), max(2, int(float64(h)/26)), int(float64(h)*.48), u.Roles.Ink)
		}
		return q.RGBA
	}, "query/%s/%v/%v", query, w, h)
	name := query
	if query == "" {
		name = u.T("search.hint")
	}
	s := u.Sheet(u.Roles.Sunk, u.Roles.Ink)
	s.Control(sheet.NewControl("search.query", sheet.RoleText, name, img, 0, 0, nil)).Value = query
	swap(p.field, s.Container(int(w), int(h)).Objects)
}

// capitals writes a query as names are written.
func capitals(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// swap shows other objects in c and forgets the pictures of those before.
func swap(c *fyne.Container, objects []fyne.CanvasObject) {
	for _, o := range c.Objects {
		sheet.Forget(o)
	}
	c.Objects = objects
	c.Refresh()
}

// resultGrid is how results stand: columns, and the size of a card.
func (p *searchPage) resultGrid() (cols, w, h, gap int) {
	g := p.ui.Geo
	room := g.W - 2*p.left
	gap = g.I(12)
	wide, high := 492.0, 132.0
	if g.Wide {
		gap, wide, high = g.I(6), 184, 56
	}
	if p.ui.Large {
		wide, high = wide*1.4, high*1.2
	}
	cols = max(1, (room+gap+2)/(g.I(wide)+gap))
	return cols, (room - (cols-1)*gap) / cols, max(g.I(high), g.MM(15)), gap
}

func (p *searchPage) showFound(offers []Offer) {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	cols, w, h, gap := p.resultGrid()
	size, y := u.At(28, 1, theme.Text, 0), float64(g.I(32))
	if g.Wide {
		size, y = u.At(u.grownWide(18), 1, theme.Text, 0), float64(g.I(10))
	}
	title := u.T("search.hint")
	switch {
	case p.query != "" && len(offers) == 0:
		title = u.T("search.none", "q", capitals(p.query))
	case p.query != "":
		title = u.N("search.count", len(offers))
	}
	rows := (len(offers) + cols - 1) / cols
	if head := u.At(92, 1, theme.Display, -.015); !g.Wide { // few answers stand low, the page's name above them
		spare := float64(p.high) - y*2 - size.PX*1.6 - float64(rows*(h+gap))
		if name := u.T("search.title"); spare > head.PX*1.6 {
			head.PX = u.Fonts.Fit([]string{name}, head.Cut, head.Track, float64(g.W-2*p.left), head.PX, head.PX*.4)
			s.Text(name, float64(p.left), y*1.6, head, art.Left)
			y += spare
		}
	}
	top := int(y)
	if !g.Wide || len(offers) == 0 { // a wide panel has no room to count
		s.Ink = u.Roles.InkSoft
		size.PX = u.Fonts.Fit([]string{title}, size.Cut, 0, float64(g.W-2*p.left), size.PX, size.PX*.6)
		s.Sign("search.title", title, s.Text(title, float64(p.left), y, size, art.Left))
		s.Ink = u.Roles.Ink
		top = int(y + size.PX*1.6)
	}
	in := u.Sheet(u.Roles.BG, u.Roles.Ink)
	p.cards = nil
	for i, o := range offers {
		c := in.Control(sheet.NewEmpty("search.result."+string(o.Beverage.ID), sheet.RoleTile, u.called(o),
			p.left+i%cols*(w+gap), i/cols*(h+gap), w, h, func() { u.open(o.Beverage.ID) }))
		c.Value, c.Radius = o.Why, float32(h)/5
		c.Hide()
		p.cards = append(p.cards, &resultCard{Control: c, offer: o, w: w, h: h})
	}
	p.wall = container.NewVScroll(in.Container(g.W, max(rows*(h+gap), p.high-top)))
	p.wall.Move(fyne.NewPos(0, float32(top)))
	p.wall.Resize(fyne.NewSize(float32(g.W), float32(p.high-top)))
	p.wall.OnScrolled = func(fyne.Position) { p.reveal() }
	s.Fixed(p.wall)
	s.Add(p.wall)
	swap(p.found, s.Container(g.W, p.high).Objects)
	p.reveal()
}

// reveal composes the cards in sight.
func (p *searchPage) reveal() {
	top := p.wall.Offset.Y
	bottom := top + p.wall.Size().Height
	for _, c := range p.cards {
		y := c.Position().Y
		if near := y+float32(c.h) > top && y < bottom; near && !c.Visible() {
			c.SetPicture(p.ui.result(c.offer, c.w, c.h))
			c.Show()
		}
	}
}

// result composes what answers: brand and name on the brand's field, its motif through a porthole.
func (u *UI) result(o Offer, w, h int) *image.RGBA {
	name := u.Words.Name(o.Beverage.Name)
	return u.Compose(func() *image.RGBA {
		c := u.Colours(o.Brand.Palette)
		if !o.Pourable() {
			c.Primary, c.Ink, c.Plain = u.Roles.Sunk, u.Roles.InkSoft, true
		}
		q := u.Picture(w, h, c.Primary)
		least, most := u.Geo.S(22), 2
		if u.Geo.Wide {
			least, most = u.Geo.S(16), 1
		}
		pad, text := float64(h)*.16, float64(w)-float64(h)*.32
		r := h * 3 / 5
		if beside := float64(w-r*7/4) - pad*1.4; !c.Plain && (most > 1 || u.Fonts.Width(name, theme.Condensed, least*1.15, -.01) <= beside) {
			q.Porthole(o.Brand, w-r*7/4, (h-2*r)/2, r)
			text = beside
		}
		over := o.Brand.Name
		if !o.Pourable() {
			over += " · " + u.T("home.soon")
		}
		small := max(float64(h)*.22, least*1.05)
		if u.Large {
			small *= 1.1
		}
		small = u.Fonts.Fit([]string{over}, textCut, 0, text, small, least)
		q.Text(over, pad, pad*.7, art.Style{Size: theme.Size{PX: small, Line: 1, Cut: textCut}, Color: c.Ink}, art.Left)
		sz := theme.Size{PX: float64(h) * .42, Line: .9, Cut: theme.Condensed, Track: -.01}
		lines, px := art.FitName(u.Fonts, name, sz, text, float64(h)-pad*1.6-small, least, most)
		sz.PX = px
		q.Lines(lines, pad, float64(h)-pad*.8-px*sz.Line*float64(len(lines)), art.Style{Size: sz, Color: c.Ink}, art.Left)
		if u.Roles.Plain {
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusPlain*u.Geo.K, max(2, float64(h)/34), u.Roles.Line)
			return q.RGBA
		}
		return q.Corners(float64(h)/5, u.Roles.BG).RGBA
	}, "result/%s/%dx%d/%s/%s", o.Beverage.ID, w, h, name, o.Why)
}

// shownFirst is how many results stand in sight without a drag.
func (p *searchPage) shownFirst() int {
	cols, _, h, gap := p.resultGrid()
	return cols * ((int(p.wall.Size().Height) + gap) / (h + gap))
}

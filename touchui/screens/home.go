package screens

import (
	"fmt"
	"image"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// homePage is the wall of brands over the dock. The upper part scrolls; tiles are composed when they come near.
type homePage struct {
	ui     *UI
	root   *fyne.Container
	scroll *container.Scroll
	filter *container.Scroll
	tiles  []*wallTile
	first  float32 // y of the first row
	stride float32
	shown  string // signature of what was built
}

type wallTile struct {
	*sheet.Control
	row  BrandRow
	spec art.TileSpec
}

func newHome(u *UI) *homePage {
	p := &homePage{ui: u, root: container.NewWithoutLayout()}
	p.build(0)
	return p
}

func (p *homePage) name() string { return "home" }
func (p *homePage) again() page {
	q := newHome(p.ui)
	q.build(p.scroll.Offset.Y)
	return q
}

func (p *homePage) content() fyne.CanvasObject { return p.root }

func (p *homePage) update(menuChanged bool) {
	if menuChanged && p.signature() != p.shown {
		p.build(p.scroll.Offset.Y)
	}
}

// signature is what the page shows of the menu: while it stays, nothing moves under a finger.
func (p *homePage) signature() string {
	u := p.ui
	var b strings.Builder
	for _, r := range u.menu.Brands(u.filter) {
		fmt.Fprint(&b, r.Brand.ID, r.Drained, r.Why, " ")
	}
	offers, history := u.menu.Favourites()
	for _, o := range offers {
		fmt.Fprint(&b, o.Beverage.ID, " ")
	}
	_, water := u.menu.Water()
	fmt.Fprint(&b, history, water, u.cat.Digest)
	return b.String()
}

// build lays the page out anew, the wall scrolled to offset.
func (p *homePage) build(offset float32) {
	u := p.ui
	p.shown = p.signature()
	if u.Geo.Wide {
		p.root.Objects = p.wide()
	} else {
		p.root.Objects = p.tall()
	}
	p.scroll.OnScrolled = func(fyne.Position) { p.reveal() }
	p.scroll.Offset = fyne.NewPos(0, max(0, min(offset, p.scroll.Content.MinSize().Height-p.scroll.Size().Height)))
	p.scroll.Refresh()
	p.reveal()
	p.root.Resize(fyne.NewSize(float32(u.Geo.W), float32(u.Geo.H)))
	p.root.Refresh()
}

func (p *homePage) tall() []fyne.CanvasObject {
	u := p.ui
	k := float64(u.Geo.W) / 1080
	v := func(x float64) int { return int(x*k + .5) }
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	dockH := v(308)
	up := u.Sheet(u.Roles.BG, u.Roles.Ink)
	p.heading(up, k)
	y := 604.0
	if offers, history := u.menu.Favourites(); len(offers) > 0 {
		p.favourites(up, offers, history, k)
	} else {
		y = 268
	}
	up.Ink = u.Roles.InkSoft
	rows := u.menu.Brands(u.filter)
	title := up.Text(p.countLabel(len(rows)), 40*k, (y-48)*k, theme.Size{PX: 28 * k, Line: 1, Cut: theme.Text}, art.Left)
	up.Sign("home.count", p.countLabel(len(rows)), title)
	cols := max(2, int((float64(u.Geo.W)/k-80+16)/254))
	if k < .9 {
		cols = max(2, int((float64(u.Geo.W)-80*k+16*k)/(254*.86)))
	}
	tileW := (float64(u.Geo.W) - 80*k - float64(cols-1)*16*k) / float64(cols)
	spec := art.TileFull.Scaled(tileW / 238)
	h := p.wall(up, rows, spec, v(40), v(y), cols, v(16))
	up.Ink = u.Roles.Ink
	s.Add(p.scroller(up, 0, 0, u.Geo.W, u.Geo.H-dockH, h+v(24)))
	p.dock(s, k, u.Geo.H-dockH, dockH)
	return s.Objects()
}

func (p *homePage) heading(s *sheet.Sheet, k float64) {
	u := p.ui
	logo := u.Compose(func() *image.RGBA {
		q := u.Picture(int(300*k), int(60*k), u.Roles.BG)
		q.Logo(0, 4*k, 46*k, art.Style{Size: theme.Size{PX: 46 * k, Line: 1, Cut: theme.Display, Track: -.015}, Color: u.Roles.Ink})
		return q.RGBA
	}, "logo/%v", k)
	s.Pic(logo, int(40*k), int(40*k))
	const title = "What will it be?"
	t := s.Text(title, 40*k, 106*k, theme.Size{PX: 92 * k, Line: 1, Cut: theme.Display, Track: -.015}, art.Left)
	s.Sign("home.title", title, t)
}

func (p *homePage) favourites(s *sheet.Sheet, offers []Offer, history bool, k float64) {
	u := p.ui
	title := "A good start"
	if history {
		title = "Favourites"
	}
	s.Ink = u.Roles.InkSoft
	s.Text(title, 40*k, 222*k, theme.Size{PX: 28 * k, Line: 1, Cut: theme.Text}, art.Left)
	s.Ink = u.Roles.Ink
	in := u.Sheet(u.Roles.BG, u.Roles.Ink)
	x := 40 * k
	h := 0
	for i, o := range offers {
		card := art.FavouriteCard(o.Brand, o.Beverage.Name, favouriteNote(o.Beverage, u.cups[usual(u.cups)])).Scaled(k)
		img := u.Compose(func() *image.RGBA { return card.Draw(u.Fonts, u.Roles.BG) }, "fav/%s/%v", o.Beverage.ID, k)
		c := sheet.NewControl(fmt.Sprintf("home.favourite.%d", i), sheet.RoleTile, o.Brand.Name+" "+o.Beverage.Name, img, int(x), 0, func() { u.open(o.Beverage.ID) })
		c.Value = string(o.Beverage.ID)
		in.Control(c)
		x += float64(card.W) + 16*k
		h = card.H
	}
	x += 24 * k
	sc := container.NewHScroll(in.Container(int(x), h))
	sc.Move(fyne.NewPos(0, float32(int(268*k+.5))))
	sc.Resize(fyne.NewSize(float32(u.Geo.W), float32(h)))
	s.Add(sc)
}

func (p *homePage) countLabel(n int) string {
	switch p.ui.filter {
	case FilterNoSugar:
		return plural(n, "brand", "brands") + " without sugar"
	case FilterNoCaffeine:
		return plural(n, "brand", "brands") + " without caffeine"
	case FilterFizzy:
		return plural(n, "brand", "brands") + " with fizz"
	case FilterStill:
		return plural(n, "still brand", "still brands")
	}
	return fmt.Sprintf("All %s", plural(n, "brand", "brands"))
}

// wall adds the tiles, without their pictures, and returns where they end.
func (p *homePage) wall(s *sheet.Sheet, rows []BrandRow, spec art.TileSpec, x, y, cols, gap int) int {
	u := p.ui
	u.stock(spec)
	p.tiles = p.tiles[:0]
	p.first, p.stride = float32(y), float32(spec.H+gap)
	for i, r := range rows {
		t := &wallTile{row: r, spec: spec}
		t.Control = s.Control(sheet.NewEmpty("home.brand."+string(r.Brand.ID), sheet.RoleTile, r.Brand.Name,
			x+i%cols*(spec.W+gap), y+i/cols*(spec.H+gap), spec.W, spec.H, func() {
				if r.Drained {
					u.show(newNoFizz(u))
					return
				}
				u.show(newBrand(u, r.Brand))
			}))
		t.Radius, t.Disabled = float32(spec.Radius), r.Drained && r.Why != whyNoFizz
		if r.Drained {
			t.Value = r.Why
		}
		t.Hide()
		p.tiles = append(p.tiles, t)
	}
	return y + (len(rows)+cols-1)/cols*(spec.H+gap)
}

// reveal composes the tiles that are in sight or one row away and forgets the pictures of the others.
func (p *homePage) reveal() {
	top, bottom := p.scroll.Offset.Y-p.stride, p.scroll.Offset.Y+p.scroll.Size().Height+p.stride/2
	for _, t := range p.tiles {
		y := t.Position().Y
		near := y+float32(t.spec.H) > top && y < bottom
		switch {
		case near && !t.Visible():
			t.SetPicture(p.ui.tile(t.row, t.spec))
			t.Show()
		case !near && t.Visible():
			t.Hide()
			t.SetPicture(nil)
		}
	}
}

func (p *homePage) scroller(s *sheet.Sheet, x, y, w, h, contentH int) fyne.CanvasObject {
	p.scroll = container.NewVScroll(s.Container(w, max(contentH, h)))
	p.scroll.Move(fyne.NewPos(float32(x), float32(y)))
	p.scroll.Resize(fyne.NewSize(float32(w), float32(h)))
	return p.scroll
}

var chipText = map[Filter][2]string{ // icon, words
	FilterAll: {"all", "All"}, FilterNoSugar: {"zero", "No sugar"}, FilterNoCaffeine: {"moon", "No caffeine"},
	FilterFizzy: {"bubbles", "Fizzy"}, FilterStill: {"still", "Still"},
}

// chips adds the filters from x on; they scroll sideways when they need more than width.
func (p *homePage) chips(s *sheet.Sheet, style sheet.ButtonStyle, x, y, width, gap int, in *sheet.Sheet) {
	u := p.ui
	at := x
	for _, f := range Filters {
		st := style
		st.Icon, st.Fill, st.FG = chipText[f][0], u.Roles.Sunk, u.Roles.Ink
		if f == u.filter {
			st.Fill, st.FG = u.Roles.Active, u.Roles.OnActive
		}
		c := sheet.NewControl("home.filter."+string(f), sheet.RoleSwitch, chipText[f][1], u.Look.Button(chipText[f][1], st), at, 0, func() { p.choose(f) })
		c.Value = onOff(f == u.filter)
		in.Control(c)
		at += int(c.Size().Width) + gap
	}
	at += x - gap
	sc := container.NewHScroll(in.Container(max(at, width), style.H+8))
	sc.Move(fyne.NewPos(0, float32(y)))
	sc.Resize(fyne.NewSize(float32(width), float32(style.H+8)))
	if p.filter != nil {
		sc.Offset.X = min(p.filter.Offset.X, float32(max(at-width, 0)))
		sc.Refresh()
	}
	p.filter = sc
	s.Add(sc)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (p *homePage) choose(f Filter) {
	u := p.ui
	if f == FilterFizzy && !u.menu.Fizz() {
		u.show(newNoFizz(u))
		return
	}
	u.filter = f
	// the wall begins anew, in sight: scrolled so that its first row stands under the upper edge if it was beyond
	p.build(min(p.scroll.Offset.Y, max(0, p.first-64)))
}

func (p *homePage) dock(s *sheet.Sheet, k float64, y, h int) {
	u := p.ui
	v := func(x float64) int { return int(x*k + .5) }
	s.Box(0, y, u.Geo.W, h, u.Roles.Surface)
	s.Box(0, y, u.Geo.W, max(2, v(2)), u.Roles.Line)
	in := u.Sheet(u.Roles.Surface, u.Roles.Ink)
	p.chips(s, sheet.ButtonStyle{H: v(96), PadL: v(24), PadR: v(30), Gap: v(14), Radius: 48 * k, PX: 28 * k, IconPX: 40 * k}, v(40), y+v(24), u.Geo.W, v(12), in)
	if o, ok := u.menu.Water(); ok {
		img := u.Look.Button("Just water", sheet.ButtonStyle{
			H: v(128), Gap: v(18), Radius: 36 * k, PX: 32 * k, IconPX: 52 * k, Icon: "hold",
			Fill: u.Roles.Water, FG: u.Roles.OnWater, Width: u.Geo.W - 2*v(40),
		})
		c := sheet.NewControl("home.water", sheet.RoleButton, "Just water", img, v(40), y+v(142), func() { u.open(o.Beverage.ID) })
		s.BG = u.Roles.Surface
		s.Control(c)
	}
}

// wide is the page of landscape panels: the dock is a rail on the right, kind lines drop out.
func (p *homePage) wide() []fyne.CanvasObject {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	railW := g.I(180)
	main := g.W - railW
	up := u.Sheet(u.Roles.BG, u.Roles.Ink)
	spec := art.TileSmall.Scaled(g.K)
	gap := g.I(10)
	cols := max(1, (main-g.I(20)-g.I(20)+gap)/(spec.W+gap))
	y := g.I(94)
	h := p.wall(up, u.menu.Brands(u.filter), spec, g.I(20), y, cols, gap)
	in := u.Sheet(u.Roles.BG, u.Roles.Ink)
	p.chips(up, sheet.ButtonStyle{H: g.I(60), PadL: g.I(14), PadR: g.I(18), Gap: g.I(8), Radius: g.S(30), PX: g.S(20), IconPX: g.S(26)}, g.I(20), g.I(18), main, g.I(10), in)
	s.Add(p.scroller(up, 0, 0, main, g.H, h+g.I(8)))
	s.Box(main, 0, railW, g.H, u.Roles.Surface)
	s.Box(main, 0, max(1, g.I(2)), g.H, u.Roles.Line)
	s.BG = u.Roles.Surface
	x := main + g.I(14)
	at := g.I(18)
	key := sheet.ButtonStyle{Gap: g.I(8), Radius: g.S(20), PX: g.S(20), IconPX: g.S(34), Width: railW - g.I(28), Stacked: true, FG: u.Roles.Ink, Fill: u.Roles.Sunk}
	if o, ok := u.menu.Water(); ok {
		st := key
		st.H, st.Icon, st.Fill, st.FG = g.I(138), "hold", u.Roles.Water, u.Roles.OnWater
		s.Control(sheet.NewControl("home.water", sheet.RoleButton, "Just water", u.Look.Button("Just water", st), x, at, func() { u.open(o.Beverage.ID) }))
		at += g.I(150)
	}
	offers, history := u.menu.Favourites()
	if len(offers) == 0 {
		return s.Objects()
	}
	title := "A good start"
	if history {
		title = "Favourites"
	}
	s.Ink = u.Roles.InkSoft
	s.Text(title, float64(x), float64(at), g.At(18, 1, theme.Text, 0), art.Left)
	s.Ink = u.Roles.Ink
	at += g.I(28)
	for i, o := range offers {
		if at+g.I(84) > g.H {
			break
		}
		img := u.railCard(o, railW-g.I(28), g.I(84))
		c := sheet.NewControl(fmt.Sprintf("home.favourite.%d", i), sheet.RoleTile, o.Brand.Name+" "+o.Beverage.Name, img, x, at, func() { u.open(o.Beverage.ID) })
		c.Value = string(o.Beverage.ID)
		s.Control(c)
		at += g.I(94)
	}
	return s.Objects()
}

// railCard is a favourite as a small plate: brand and name on the brand's field.
func (u *UI) railCard(o Offer, w, h int) *image.RGBA {
	return u.Compose(func() *image.RGBA {
		c := art.ColoursOf(o.Brand.Palette)
		g := u.Geo
		p := u.Picture(w, h, c.Primary)
		pad := g.S(12)
		size := g.At(18, 1, theme.Text, 0)
		size.PX = u.Fonts.Fit([]string{o.Brand.Name}, size.Cut, 0, float64(w)-2*pad, size.PX, 12)
		p.Text(o.Brand.Name, pad, g.S(10), art.Style{Size: size, Color: c.Ink}, art.Left)
		sz := g.At(26, .94, theme.Condensed, 0)
		lines, px := art.FitName(u.Fonts, o.Beverage.Name, sz, float64(w)-2*pad, float64(h)-g.S(38), 14, 2)
		sz.PX = px
		p.Lines(lines, pad, float64(h)-g.S(10)-px*sz.Line*float64(len(lines)), art.Style{Size: sz, Color: c.Ink}, art.Left)
		return p.Corners(g.S(18), u.Roles.Surface).RGBA
	}, "rail/%s/%d", o.Beverage.ID, w)
}

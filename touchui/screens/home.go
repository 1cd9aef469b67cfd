package screens

import (
	"fmt"
	"image"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/screens/art"
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
	*control
	row  BrandRow
	spec art.TileSpec
}

func newHome(u *UI) *homePage {
	p := &homePage{ui: u, root: container.NewWithoutLayout()}
	p.build(0)
	return p
}

func (p *homePage) name() string               { return "home" }
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
	if u.g.wide {
		p.root.Objects = p.wide()
	} else {
		p.root.Objects = p.tall()
	}
	p.scroll.OnScrolled = func(fyne.Position) { p.reveal() }
	p.scroll.Offset = fyne.NewPos(0, max(0, min(offset, p.scroll.Content.MinSize().Height-p.scroll.Size().Height)))
	p.scroll.Refresh()
	p.reveal()
	p.root.Resize(fyne.NewSize(float32(u.g.w), float32(u.g.h)))
	p.root.Refresh()
}

func (p *homePage) tall() []fyne.CanvasObject {
	u := p.ui
	k := float64(u.g.w) / 1080
	v := func(x float64) int { return int(x*k + .5) }
	s := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	dockH := v(308)
	up := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	p.heading(up, k)
	y := 604.0
	if offers, history := u.menu.Favourites(); len(offers) > 0 {
		p.favourites(up, offers, history, k)
	} else {
		y = 268
	}
	up.ink = u.roles.InkSoft
	rows := u.menu.Brands(u.filter)
	title := up.text(p.countLabel(len(rows)), 40*k, (y-48)*k, theme.Size{PX: 28 * k, Line: 1, Cut: theme.Text}, art.Left)
	up.sign("home.count", p.countLabel(len(rows)), title)
	cols := max(2, int((float64(u.g.w)/k-80+16)/254))
	if k < .9 {
		cols = max(2, int((float64(u.g.w)-80*k+16*k)/(254*.86)))
	}
	tileW := (float64(u.g.w) - 80*k - float64(cols-1)*16*k) / float64(cols)
	spec := art.TileFull.Scaled(tileW / 238)
	h := p.wall(up, rows, spec, v(40), v(y), cols, v(16))
	up.ink = u.roles.Ink
	s.add(p.scroller(up, 0, 0, u.g.w, u.g.h-dockH, h+v(24)))
	p.dock(s, k, u.g.h-dockH, dockH)
	return s.objs
}

func (p *homePage) heading(s *sheet, k float64) {
	u := p.ui
	logo := u.compose(func() *image.RGBA {
		q := art.NewPicture(u.fonts, int(300*k), int(60*k), u.roles.BG)
		q.Logo(0, 4*k, 46*k, art.Style{Size: theme.Size{PX: 46 * k, Line: 1, Cut: theme.Display, Track: -.015}, Color: u.roles.Ink})
		return q.RGBA
	}, "logo/%v", k)
	s.pic(logo, int(40*k), int(40*k))
	const title = "What will it be?"
	t := s.text(title, 40*k, 106*k, theme.Size{PX: 92 * k, Line: 1, Cut: theme.Display, Track: -.015}, art.Left)
	s.sign("home.title", title, t)
}

func (p *homePage) favourites(s *sheet, offers []Offer, history bool, k float64) {
	u := p.ui
	title := "A good start"
	if history {
		title = "Favourites"
	}
	s.ink = u.roles.InkSoft
	s.text(title, 40*k, 222*k, theme.Size{PX: 28 * k, Line: 1, Cut: theme.Text}, art.Left)
	s.ink = u.roles.Ink
	in := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	x := 40 * k
	h := 0
	for i, o := range offers {
		card := art.FavouriteCard(o.Brand, o.Beverage.Name, favouriteNote(o.Beverage, u.cups[usual(u.cups)])).Scaled(k)
		img := u.compose(func() *image.RGBA { return card.Draw(u.fonts, u.roles.BG) }, "fav/%s/%v", o.Beverage.ID, k)
		c := newControl(fmt.Sprintf("home.favourite.%d", i), roleTile, o.Brand.Name+" "+o.Beverage.Name, img, int(x), 0, func() { u.open(o.Beverage.ID) })
		c.value = string(o.Beverage.ID)
		in.control(c)
		x += float64(card.W) + 16*k
		h = card.H
	}
	x += 24 * k
	sc := container.NewHScroll(in.container(int(x), h))
	sc.Move(fyne.NewPos(0, float32(int(268*k+.5))))
	sc.Resize(fyne.NewSize(float32(u.g.w), float32(h)))
	s.add(sc)
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
func (p *homePage) wall(s *sheet, rows []BrandRow, spec art.TileSpec, x, y, cols, gap int) int {
	u := p.ui
	p.tiles = p.tiles[:0]
	p.first, p.stride = float32(y), float32(spec.H+gap)
	for i, r := range rows {
		t := &wallTile{row: r, spec: spec, control: &control{
			id: "home.brand." + string(r.Brand.ID), role: roleTile, name: r.Brand.Name, disabled: r.Drained && r.Why != whyNoFizz,
			pic: canvas.NewImageFromImage(nil), shift: 6, ink: u.roles.Ink, page: u.roles.BG,
			tap: func() {
				if r.Drained {
					u.show(newNoFizz(u))
					return
				}
				u.show(newBrand(u, r.Brand))
			},
		}}
		if r.Drained {
			t.value = r.Why
		}
		t.pic.ScaleMode = canvas.ImageScalePixels
		t.ExtendBaseWidget(t.control)
		t.Move(fyne.NewPos(float32(x+i%cols*(spec.W+gap)), float32(y+i/cols*(spec.H+gap))))
		t.Resize(fyne.NewSize(float32(spec.W), float32(spec.H)))
		t.Hide()
		s.add(t.control)
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
			t.show(p.ui.tile(t.row, t.spec))
			t.Show()
		case !near && t.Visible():
			t.Hide()
			t.up, t.pic.Image = nil, nil
		}
	}
}

// tile composes a brand's tile.
func (u *UI) tile(r BrandRow, spec art.TileSpec) *image.RGBA {
	return u.compose(func() *image.RGBA {
		return art.Tile(u.fonts, r.Brand, spec, u.roles.BG, r.Drained, u.roles)
	}, "tile/%s/%v/%d", r.Brand.ID, r.Drained, spec.W)
}

func (p *homePage) scroller(s *sheet, x, y, w, h, contentH int) fyne.CanvasObject {
	p.scroll = container.NewVScroll(s.container(w, max(contentH, h)))
	p.scroll.Move(fyne.NewPos(float32(x), float32(y)))
	p.scroll.Resize(fyne.NewSize(float32(w), float32(h)))
	return p.scroll
}

var chipText = map[Filter][2]string{ // icon, words
	FilterAll: {"all", "All"}, FilterNoSugar: {"zero", "No sugar"}, FilterNoCaffeine: {"moon", "No caffeine"},
	FilterFizzy: {"bubbles", "Fizzy"}, FilterStill: {"still", "Still"},
}

// chips adds the filters from x on; they scroll sideways when they need more than width.
func (p *homePage) chips(s *sheet, style buttonStyle, x, y, width, gap int, bg sheet) {
	u := p.ui
	in := bg
	at := x
	for _, f := range Filters {
		st := style
		st.icon, st.fill, st.fg = chipText[f][0], u.roles.Sunk, u.roles.Ink
		if f == u.filter {
			st.fill, st.fg = u.roles.Active, u.roles.OnActive
		}
		c := newControl("home.filter."+string(f), roleSwitch, chipText[f][1], u.button(chipText[f][1], st), at, 0, func() { p.choose(f) })
		c.value = onOff(f == u.filter)
		in.control(c)
		at += int(c.Size().Width) + gap
	}
	at += x - gap
	sc := container.NewHScroll(in.container(max(at, width), style.h+8))
	sc.Move(fyne.NewPos(0, float32(y)))
	sc.Resize(fyne.NewSize(float32(width), float32(style.h+8)))
	if p.filter != nil {
		sc.Offset.X = min(p.filter.Offset.X, float32(max(at-width, 0)))
		sc.Refresh()
	}
	p.filter = sc
	s.add(sc)
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

func (p *homePage) dock(s *sheet, k float64, y, h int) {
	u := p.ui
	v := func(x float64) int { return int(x*k + .5) }
	s.box(0, y, u.g.w, h, u.roles.Surface)
	s.box(0, y, u.g.w, max(2, v(2)), u.roles.Line)
	in := sheet{ui: u, bg: u.roles.Surface, ink: u.roles.Ink}
	p.chips(s, buttonStyle{h: v(96), padL: v(24), padR: v(30), gap: v(14), radius: 48 * k, px: 28 * k, iconPX: 40 * k}, v(40), y+v(24), u.g.w, v(12), in)
	if o, ok := u.menu.Water(); ok {
		img := u.button("Just water", buttonStyle{
			h: v(128), gap: v(18), radius: 36 * k, px: 32 * k, iconPX: 52 * k, icon: "hold",
			fill: u.roles.Water, fg: u.roles.OnWater, width: u.g.w - 2*v(40),
		})
		c := newControl("home.water", roleButton, "Just water", img, v(40), y+v(142), func() { u.open(o.Beverage.ID) })
		s.bg = u.roles.Surface
		s.control(c)
	}
}

// wide is the page of landscape panels: the dock is a rail on the right, kind lines drop out.
func (p *homePage) wide() []fyne.CanvasObject {
	u, g := p.ui, p.ui.g
	s := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	railW := g.i(180)
	main := g.w - railW
	up := &sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	spec := art.TileSmall.Scaled(g.k)
	gap := g.i(10)
	cols := max(1, (main-g.i(20)-g.i(20)+gap)/(spec.W+gap))
	y := g.i(94)
	h := p.wall(up, u.menu.Brands(u.filter), spec, g.i(20), y, cols, gap)
	in := sheet{ui: u, bg: u.roles.BG, ink: u.roles.Ink}
	p.chips(up, buttonStyle{h: g.i(60), padL: g.i(14), padR: g.i(18), gap: g.i(8), radius: g.s(30), px: g.s(20), iconPX: g.s(26)}, g.i(20), g.i(18), main, g.i(10), in)
	s.add(p.scroller(up, 0, 0, main, g.h, h+g.i(8)))
	s.box(main, 0, railW, g.h, u.roles.Surface)
	s.box(main, 0, max(1, g.i(2)), g.h, u.roles.Line)
	s.bg = u.roles.Surface
	x := main + g.i(14)
	at := g.i(18)
	key := buttonStyle{gap: g.i(8), radius: g.s(20), px: g.s(20), iconPX: g.s(34), width: railW - g.i(28), stacked: true, fg: u.roles.Ink, fill: u.roles.Sunk}
	if o, ok := u.menu.Water(); ok {
		st := key
		st.h, st.icon, st.fill, st.fg = g.i(138), "hold", u.roles.Water, u.roles.OnWater
		s.control(newControl("home.water", roleButton, "Just water", u.button("Just water", st), x, at, func() { u.open(o.Beverage.ID) }))
		at += g.i(150)
	}
	offers, history := u.menu.Favourites()
	if len(offers) == 0 {
		return s.objs
	}
	title := "A good start"
	if history {
		title = "Favourites"
	}
	s.ink = u.roles.InkSoft
	s.text(title, float64(x), float64(at), g.at(18, 1, theme.Text, 0), art.Left)
	s.ink = u.roles.Ink
	at += g.i(28)
	for i, o := range offers {
		if at+g.i(84) > g.h {
			break
		}
		img := u.railCard(o, railW-g.i(28), g.i(84))
		c := newControl(fmt.Sprintf("home.favourite.%d", i), roleTile, o.Brand.Name+" "+o.Beverage.Name, img, x, at, func() { u.open(o.Beverage.ID) })
		c.value = string(o.Beverage.ID)
		s.control(c)
		at += g.i(94)
	}
	return s.objs
}

// railCard is a favourite as a small plate: brand and name on the brand's field.
func (u *UI) railCard(o Offer, w, h int) *image.RGBA {
	return u.compose(func() *image.RGBA {
		c := art.ColoursOf(o.Brand.Palette)
		g := u.g
		p := art.NewPicture(u.fonts, w, h, c.Primary)
		pad := g.s(12)
		size := g.at(18, 1, theme.Text, 0)
		size.PX = u.fonts.Fit([]string{o.Brand.Name}, size.Cut, 0, float64(w)-2*pad, size.PX, 12)
		p.Text(o.Brand.Name, pad, g.s(10), art.Style{Size: size, Color: c.Ink}, art.Left)
		sz := g.at(26, .94, theme.Condensed, 0)
		lines, px := art.FitName(u.fonts, o.Beverage.Name, sz, float64(w)-2*pad, float64(h)-g.s(38), 14, 2)
		sz.PX = px
		p.Lines(lines, pad, float64(h)-g.s(10)-px*sz.Line*float64(len(lines)), art.Style{Size: sz, Color: c.Ink}, art.Left)
		return p.Corners(g.s(18), u.roles.Surface).RGBA
	}, "rail/%s/%d", o.Beverage.ID, w)
}

package screens

import (
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// homePage is favourites, the wall of brands and the dock. The upper part scrolls; tiles are composed when they come near.
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

func (p *homePage) name() string               { return "home" }
func (p *homePage) content() fyne.CanvasObject { return p.root }

func (p *homePage) again() page {
	q := newHome(p.ui)
	q.build(p.scroll.Offset.Y)
	return q
}

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
	for _, poster := range u.Theme.Posters {
		o, _ := u.menu.Offer(poster.Beverage)
		fmt.Fprint(&b, o.Pourable(), " ")
	}
	_, water := u.menu.Water()
	fmt.Fprint(&b, history, water, u.cat.Digest, u.menu.Filters(), u.snap.Mixes, u.snap.Phone, u.snap.Languages)
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

// grown is a size of type drawn for 1080×1920 as the text mode has it, in drawn pixels.
func (u *UI) grown(px float64) float64 { return theme.Grown(px, u.Large, u.Theme.HighContrast) }

// countLabel says how many brands the filter leaves.
func (p *homePage) countLabel(n int) string {
	u := p.ui
	if u.filter.words() != nil {
		return u.N("home.count.kind", n, "kind", u.T("filter."+string(u.filter)))
	}
	return u.N("home.count."+string(u.filter), n)
}

// tileSpec is how large the tiles of the wall are and how many stand side by side: fewer and larger where the text is
// large or plain.
func (p *homePage) tileSpec(room float64, gap int) (spec art.TileSpec, cols int) {
	u := p.ui
	k, wide := u.Geo.K, u.Geo.Wide
	if wide && u.Geo.H >= 900 { // a large panel shows more of the wall, not a small wall enlarged
		k, wide = float64(u.Geo.H)/1080, false
	}
	spec = art.TileFull
	if wide {
		spec = art.TileSmall
	}
	switch {
	case u.Theme.HighContrast && wide:
		spec = art.TileSpec{W: 282, H: 132, Radius: 8, Pad: 16, NamePX: 44, NamePX2: 36, KindPX: 22}
	case u.Theme.HighContrast:
		spec = art.TileSpec{W: 492, H: 260, Radius: 8, Pad: 32, NamePX: 84, NamePX2: 66, KindPX: 34}
	case u.Large && wide:
		spec = art.TileSpec{W: 184, H: 186, Label: 92, Radius: 20, Pad: 14, NamePX: 46, NamePX2: 37}
	case u.Large:
		spec = art.TileSpec{W: 322, H: 366, Label: 186, Radius: theme.RadiusTile, Pad: 24, NamePX: 76, NamePX2: 60, KindPX: 34}
	}
	least := float64(spec.W) * k
	if !u.Geo.Wide && k < .9 && spec.W == art.TileFull.W {
		least *= .95 // a small panel is looked at from nearer
	}
	cols = max(1, int((room+float64(gap)+2)/(least+float64(gap))))
	return spec.Scaled((room - float64((cols-1)*gap)) / float64(cols) / float64(spec.W)), cols
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

// sideways adds a row that scrolls sideways, at its beginning: on the right where the language is written from there.
func (u *UI) sideways(s, in *sheet.Sheet, x, y, w, h, contentW int) *container.Scroll {
	width := max(contentW, w)
	sc := container.NewHScroll(in.Container(width, h))
	sc.Move(fyne.NewPos(float32(x), float32(y)))
	sc.Resize(fyne.NewSize(float32(w), float32(h)))
	u.FromStart(sc)
	s.Add(sc)
	return sc
}

// choose narrows the wall.
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

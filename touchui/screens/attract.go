package screens

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// bandEvery is how long a band of the attract page stands.
const bandEvery = 4 * time.Second

// attractPage is what a unit shows when nobody is there: strata of drink, one swapped at a time. Any touch starts, and
// that touch does nothing else.
type attractPage struct {
	ui    *UI
	root  *fyne.Container
	bands []Offer // from the top
	next  int     // of the pool
	swap  int     // the band that changes next
	last  time.Time
}

func newAttract(u *UI) *attractPage {
	p := &attractPage{ui: u, root: container.NewWithoutLayout(), last: u.now()}
	n := 4
	if u.Geo.Wide {
		n = 3
	}
	for range n {
		p.bands = append(p.bands, p.draw())
	}
	p.build()
	return p
}

func (p *attractPage) name() string { return "attract" }
func (p *attractPage) again() page  { return newAttract(p.ui) }

func (p *attractPage) content() fyne.CanvasObject { return p.root }

func (p *attractPage) update(menuChanged bool) {
	u := p.ui
	if u.menu == nil {
		return
	}
	if menuChanged || u.now().Sub(p.last) >= bandEvery {
		p.last = u.now()
		if len(p.bands) > 0 {
			p.bands[p.swap%len(p.bands)] = p.draw()
			p.swap++
		}
		p.build()
	}
}

// draw takes the next pourable beverage, a different brand each time, none that stands already.
func (p *attractPage) draw() Offer {
	order := p.ui.menu.Brands(FilterAll)
	for range order {
		r := order[p.next%len(order)]
		p.next += 3
		if len(order)%3 == 0 && p.next%len(order) == 0 {
			p.next++
		}
		if r.Drained || p.standing(r) {
			continue
		}
		for _, o := range p.ui.menu.Variants(r.Brand.ID) {
			if o.Pourable() {
				return o
			}
		}
	}
	return Offer{}
}

func (p *attractPage) standing(r BrandRow) bool {
	for _, b := range p.bands {
		if b.Brand == r.Brand {
			return true
		}
	}
	return false
}

func (p *attractPage) build() {
	u, g := p.ui, p.ui.Geo
	img := u.Picture(g.W, g.H, u.Roles.Active)
	k := g.K
	heights := []float64{480, 330, 330, 330}
	if g.Wide {
		heights = []float64{170, 160, 160}
	}
	y := 0.0
	for i, o := range p.bands {
		if o.Brand == nil {
			continue
		}
		h := heights[i] * k
		p.band(img, o, y, h, i == 0)
		y += h
	}
	field, fg := u.Roles.Active, u.Roles.OnActive
	if !g.Wide {
		img.Wave(0, y-24*k, float64(g.W), 48*k, art.WavePeriod*k, field)
		img.Box(0, int(y+23*k), g.W, g.H, field)
	}
	ink := fg
	if len(p.bands) > 0 && p.bands[0].Brand != nil {
		ink = art.ColoursOf(p.bands[0].Brand.Palette).Ink
	}
	logo, x := 52.0, 48.0
	if g.Wide {
		logo, x = 26, 28
	}
	img.Logo(g.X(x), g.S(logo), g.S(logo), art.Style{Size: g.At(logo, 1, theme.Display, -.015), Color: ink})
	st := art.DomeStyle{Label: "Touch to start", Sub: plural(u.menu.Count(FilterAll), "drink", "drinks") + ", one nozzle", BG: u.Roles.Water, FG: u.Roles.OnWater, Icon: "tap", LabelPX: 84}
	if g.Wide {
		dome := art.Corner(u.Fonts, corners(st.Label), st, k)
		sheet.DrawOver(img.RGBA, dome, g.W-dome.Rect.Dx(), g.H-dome.Rect.Dy())
	} else {
		dome := art.Dome(u.Fonts, g.I(1920-art.DomeTop), st, k)
		sheet.DrawOver(img.RGBA, dome, int(g.X(540-art.DomeR)+.5), g.H-dome.Rect.Dy())
	}
	c := sheet.NewControl("attract.start", sheet.RoleButton, "Touch to start", img.RGBA, 0, 0, func() { u.goHome() })
	c.Flat = true // a full screen does not move under the finger
	p.root.Objects = []fyne.CanvasObject{c}
	p.root.Resize(fyne.NewSize(float32(g.W), float32(g.H)))
	p.root.Refresh()
}

// band draws one beverage as a layer of drink with its surface on top and its motif through a porthole.
func (p *attractPage) band(q *art.Picture, o Offer, y, h float64, first bool) {
	u, g := p.ui, p.ui.Geo
	k := g.K
	c := art.ColoursOf(o.Brand.Palette)
	wave := 48 * k
	if g.Wide {
		wave = 24 * k
	}
	if first {
		q.Box(0, 0, g.W, g.H, c.Primary)
	} else {
		q.Wave(0, y-wave/2, float64(g.W), wave, art.WavePeriod*k, c.Primary)
		q.Box(0, int(y+wave/2)-1, g.W, g.H, c.Primary)
	}
	px, brandPX, x, right := 116.0, 34.0, 48.0, g.W-g.I(40)
	r := int(h * .62)
	if first {
		px, r = 148, int(h*.52)
	}
	if g.Wide {
		px, brandPX, x, right, r = 56, 20, 28, g.I(520), int(h*.6)
	}
	q.Porthole(o.Brand, right-2*r, int(y+h+wave*.4)-int(float64(2*r)*.86), r)
	sz := g.At(px, .9, theme.Condensed, -.015)
	room := h - g.S(brandPX*3)
	if first && g.Wide {
		room -= g.S(30)
	}
	lines, fit := art.FitName(u.Fonts, o.Beverage.Name, sz, float64(right-2*r)-g.X(x)-g.S(20), room, g.S(24), 2)
	sz.PX = fit
	block := g.S(brandPX) + g.S(12) + float64(len(lines))*sz.PX*sz.Line
	at := y + (h-block)/2 + wave*.3
	if first {
		at += g.S(brandPX)
	}
	q.Text(o.Brand.Name, g.X(x), at, art.Style{Size: g.At(brandPX, 1, theme.Text, 0), Color: c.Ink}, art.Left)
	q.Lines(lines, g.X(x), at+g.S(brandPX)+g.S(12), art.Style{Size: sz, Color: c.Ink}, art.Left)
}

package screens

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/screens/art"
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
	if u.g.wide {
		n = 3
	}
	for range n {
		p.bands = append(p.bands, p.draw())
	}
	p.build()
	return p
}

func (p *attractPage) name() string               { return "attract" }
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
	u, g := p.ui, p.ui.g
	img := art.NewPicture(u.fonts, g.w, g.h, u.roles.Active)
	k := g.k
	heights := []float64{480, 330, 330, 330}
	if g.wide {
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
	field, fg := u.roles.Active, u.roles.OnActive
	if !g.wide {
		img.Wave(0, y-24*k, float64(g.w), 48*k, art.WavePeriod*k, field)
		img.Box(0, int(y+23*k), g.w, g.h, field)
	}
	ink := fg
	if len(p.bands) > 0 && p.bands[0].Brand != nil {
		ink = art.ColoursOf(p.bands[0].Brand.Palette).Ink
	}
	logo, x := 52.0, 48.0
	if g.wide {
		logo, x = 26, 28
	}
	img.Logo(g.x(x), g.s(logo), g.s(logo), art.Style{Size: g.at(logo, 1, theme.Display, -.015), Color: ink})
	st := art.DomeStyle{Label: "Touch to start", Sub: plural(u.menu.Count(FilterAll), "drink", "drinks") + ", one nozzle", BG: u.roles.Water, FG: u.roles.OnWater, Icon: "tap", LabelPX: 84}
	if g.wide {
		dome := art.Corner(u.fonts, corners(st.Label), st, k)
		drawOver(img.RGBA, dome, g.w-dome.Rect.Dx(), g.h-dome.Rect.Dy())
	} else {
		dome := art.Dome(u.fonts, g.i(1920-art.DomeTop), st, k)
		drawOver(img.RGBA, dome, int(g.x(540-art.DomeR)+.5), g.h-dome.Rect.Dy())
	}
	c := newControl("attract.start", roleButton, "Touch to start", img.RGBA, 0, 0, func() { u.goHome() })
	c.up = nil // a full screen does not move under the finger
	p.root.Objects = []fyne.CanvasObject{c}
	p.root.Resize(fyne.NewSize(float32(g.w), float32(g.h)))
	p.root.Refresh()
}

// band draws one beverage as a layer of drink with its surface on top and its motif through a porthole.
func (p *attractPage) band(q *art.Picture, o Offer, y, h float64, first bool) {
	u, g := p.ui, p.ui.g
	k := g.k
	c := art.ColoursOf(o.Brand.Palette)
	wave := 48 * k
	if g.wide {
		wave = 24 * k
	}
	if first {
		q.Box(0, 0, g.w, g.h, c.Primary)
	} else {
		q.Wave(0, y-wave/2, float64(g.w), wave, art.WavePeriod*k, c.Primary)
		q.Box(0, int(y+wave/2)-1, g.w, g.h, c.Primary)
	}
	px, brandPX, x, right := 116.0, 34.0, 48.0, g.w-g.i(40)
	r := int(h * .62)
	if first {
		px, r = 148, int(h*.52)
	}
	if g.wide {
		px, brandPX, x, right, r = 56, 20, 28, g.i(520), int(h*.6)
	}
	q.Porthole(o.Brand, right-2*r, int(y+h+wave*.4)-int(float64(2*r)*.86), r)
	sz := g.at(px, .9, theme.Condensed, -.015)
	room := h - g.s(brandPX*3)
	if first && g.wide {
		room -= g.s(30)
	}
	lines, fit := art.FitName(u.fonts, o.Beverage.Name, sz, float64(right-2*r)-g.x(x)-g.s(20), room, g.s(24), 2)
	sz.PX = fit
	block := g.s(brandPX) + g.s(12) + float64(len(lines))*sz.PX*sz.Line
	at := y + (h-block)/2 + wave*.3
	if first {
		at += g.s(brandPX)
	}
	q.Text(o.Brand.Name, g.x(x), at, art.Style{Size: g.at(brandPX, 1, theme.Text, 0), Color: c.Ink}, art.Left)
	q.Lines(lines, g.x(x), at+g.s(brandPX)+g.s(12), art.Style{Size: sz, Color: c.Ink}, art.Left)
}

package screens

import (
	"image"
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// How long every band of the attract page stands, and how long its edge travels when one changes (tokens file, motion.band).
const (
	bandEvery = 4 * time.Second
	bandMoves = 600 * time.Millisecond
)

// attractPage is what a unit shows when nobody is there: strata of drink, one of which changes at a time. Any touch starts,
// wherever it is and however long, and does nothing else.
//
//	band 0 ▒▒▒▒▒▒▒▒ lowest picture
//	band 1 ████████ covers the foot of the one above; a new one rises from behind the one below
//	…
//	ground ▓▓dome▓▓ covers all feet
type attractPage struct {
	ui     *UI
	root   *fyne.Container
	bands  []*band // from the top
	next   int     // of the pool
	swap   int     // the band that changes next
	moving *fyne.Animation
	stop   func() // of the timer
}

// band is one stratum.
type band struct {
	offer Offer
	y, h  int
	pic   *canvas.Image
}

func newAttract(u *UI) *attractPage {
	p := &attractPage{ui: u, root: container.NewWithoutLayout()}
	heights := []float64{480, 330, 330, 330}
	if u.Geo.Wide {
		heights = []float64{170, 160, 160}
	}
	y := 0.0
	for _, h := range heights {
		o := p.draw()
		if o.Brand == nil {
			break
		}
		p.bands = append(p.bands, &band{offer: o, y: int(y + .5), h: int(u.Geo.S(h) + .5)})
		y += u.Geo.S(h)
	}
	p.build()
	p.stop = u.stage.Every(bandEvery, p.change)
	return p
}

func (p *attractPage) name() string               { return "attract" }
func (p *attractPage) again() page                { return newAttract(p.ui) }
func (p *attractPage) content() fyne.CanvasObject { return p.root }

// update takes bands away that cannot be poured any more.
func (p *attractPage) update(menuChanged bool) {
	if !menuChanged {
		return
	}
	for i, b := range p.bands {
		if o, ok := p.ui.menu.Offer(b.offer.Beverage.ID); !ok || !o.Pourable() {
			p.renew(i, false)
		}
	}
}

// left ends what runs.
func (p *attractPage) left() {
	p.stop()
	p.settle()
}

// change lets one band be another.
func (p *attractPage) change() {
	if len(p.bands) == 0 {
		return
	}
	p.renew(p.swap%len(p.bands), !p.ui.Still)
	p.swap++
}

// draw takes the next pourable beverage, of a brand that does not stand already: one whose motif is a figure, as long as
// there is one.
func (p *attractPage) draw() Offer {
	order := p.ui.menu.Brands(FilterAll)
	rest := Offer{}
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
			if !o.Pourable() {
				continue
			}
			if art.Figure(p.ui.Fonts, r.Brand) {
				return o
			}
			if rest.Brand == nil {
				rest = o
			}
			break
		}
	}
	return rest
}

func (p *attractPage) standing(r BrandRow) bool {
	for _, b := range p.bands {
		if b.offer.Brand.ID == r.Brand.ID {
			return true
		}
	}
	return false
}

// build lays the bands and the ground over each other.
func (p *attractPage) build() {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.Active, u.Roles.OnActive)
	s.Box(0, 0, g.W, g.H, u.Roles.Active)
	for i, b := range p.bands {
		b.pic = s.Pic(p.picture(i, b.offer), 0, b.top(p.wave(), i))
		b.pic.SetMinSize(fyne.NewSize(0, 0))
	}
	p.ground(s)
	logo, x := 52.0, 48.0
	if g.Wide {
		logo, x = 26, 28
	}
	if len(p.bands) > 0 {
		s.Ink = u.Colours(p.bands[0].offer.Brand.Palette).Ink
	}
	p.logo(s, g.S(x), g.S(logo), g.S(logo))
	w := &waker{id: "attract.start", name: u.T("attract.start"), face: canvas.NewRectangle(color.Transparent), wake: func() {
		if u.page == page(p) {
			u.goHome()
		}
	}}
	w.ExtendBaseWidget(w)
	w.Resize(fyne.NewSize(float32(g.W), float32(g.H)))
	s.Add(w)
	s.Fill(p.root)
}

// logo is the machine's name in the ink of the first band, which it has to follow.
func (p *attractPage) logo(s *sheet.Sheet, x, y, px float64) {
	if at := s.Pic(p.ui.logoImage(px, s.Ink), int(x), int(y-px*.2)); p.ui.Geo.Wide {
		s.Fixed(at) // above the words of the first band
	}
}

// wave is how high the edge between two bands is.
func (p *attractPage) wave() int {
	if p.ui.Geo.Wide {
		return p.ui.Geo.I(24)
	}
	return p.ui.Geo.I(48)
}

// top is where the picture of band i begins: half an edge above it.
func (b *band) top(wave, i int) int {
	if i == 0 {
		return 0
	}
	return b.y - wave/2
}

// ground is the lowest stratum with the dome, over all bands.
func (p *attractPage) ground(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	k, y := g.K, 0
	for _, b := range p.bands {
		y = b.y + b.h
	}
	sub := u.N("attract.sub", u.menu.Count(FilterAll))
	st := art.DomeStyle{Label: u.T("attract.start"), Sub: sub, BG: u.Roles.Warn, FG: u.Roles.OnWarn, Icon: "tap", LabelPX: 84}
	if g.Wide {
		st.Sub = sub
		img := u.Compose(func() *image.RGBA { return art.Corner(u.Fonts, corners(u.Fonts, st.Label), st, k) }, "attract/%v/%v", st, k)
		s.Fixed(s.Pic(img, g.W-img.Rect.Dx(), g.H-img.Rect.Dy()))
		return
	}
	wave, field := p.wave(), u.Roles.Active
	if u.Roles.Plain {
		field = u.Roles.BG // the dome is the brightest there is
	}
	edge := u.Compose(func() *image.RGBA {
		q := art.Clear(u.Fonts, g.W, wave)
		q.Wave(0, 0, float64(g.W), float64(wave), art.WavePeriod*k, field)
		if u.Roles.Plain {
			q.Box(0, wave/2, g.W, max(2, g.I(4)), u.Roles.Line)
		}
		return q.RGBA
	}, "attract/edge/%d", wave)
	if len(p.bands) > 0 {
		s.Pic(edge, 0, y-wave/2)
	}
	s.Box(0, y+wave-wave/2, g.W, g.H-y, field)
	img := u.Compose(func() *image.RGBA { return art.Dome(u.Fonts, g.I(1920-art.DomeTop), st, k) }, "attract/%v/%v", st, k)
	s.Fixed(s.Pic(img, int(g.X(540-art.DomeR)+.5), g.H-img.Rect.Dy()))
}

// renew shows another beverage in band i: it rises from behind the band below, or is there at once.
func (p *attractPage) renew(i int, moved bool) {
	p.settle()
	u, b := p.ui, p.bands[i]
	o := p.draw()
	if o.Brand == nil {
		return
	}
	b.offer = o
	old := b.pic
	top := float32(b.top(p.wave(), i))
	b.pic = sheet.Picture(p.picture(i, o), 0, int(top))
	at := 0
	for j, x := range p.root.Objects {
		if x == fyne.CanvasObject(old) {
			at = j
		}
	}
	if !moved {
		p.root.Objects[at] = b.pic
		p.finish(i, old)
		return
	}
	objs := append([]fyne.CanvasObject{}, p.root.Objects[:at+1]...)
	p.root.Objects = append(append(objs, b.pic), p.root.Objects[at+1:]...)
	b.pic.Move(fyne.NewPos(0, top+float32(b.h)))
	p.root.Refresh()
	p.moving = fyne.NewAnimation(bandMoves, func(v float32) {
		b.pic.Move(fyne.NewPos(0, top+float32(int(float32(b.h)*(1-v)))))
		if v >= 1 {
			p.moving = nil
			p.finish(i, old)
		}
	})
	p.moving.Curve = fyne.AnimationEaseOut
	p.moving.Start()
	u.packBusy()
}

// settle ends a change at once.
func (p *attractPage) settle() {
	if a := p.moving; a != nil {
		p.moving = nil
		a.Stop()
		a.Tick(1)
	}
}

// finish takes the old picture away; the first band's ink is the name's.
func (p *attractPage) finish(i int, old *canvas.Image) {
	for j, x := range p.root.Objects {
		if x == fyne.CanvasObject(old) {
			p.root.Objects = append(p.root.Objects[:j:j], p.root.Objects[j+1:]...)
			break
		}
	}
	old.Image = nil
	if i == 0 {
		p.build()
		return
	}
	p.root.Refresh()
}

// picture composes a beverage as band i: its surface on top, its motif on the right, down to where the band below covers
// it.
func (p *attractPage) picture(i int, o Offer) *image.RGBA {
	u, g := p.ui, p.ui.Geo
	b := p.bands[i]
	wave := p.wave()
	name := u.Words.Name(o.Beverage.Name)
	foot := wave // under the edge of the band below
	if g.Wide && i == len(p.bands)-1 {
		foot = max(0, g.H-b.y-b.h)
	}
	return u.Compose(func() *image.RGBA {
		c := u.Colours(o.Brand.Palette)
		top, h := 0, b.h+foot
		q := art.Clear(u.Fonts, g.W, h)
		if i == 0 {
			q.Box(0, 0, g.W, h, c.Primary)
		} else {
			top, h = wave/2, h+wave/2
			q = art.Clear(u.Fonts, g.W, h)
			q.Wave(0, 0, float64(g.W), float64(wave), art.WavePeriod*g.K, c.Primary)
			q.Box(0, wave-1, g.W, h, c.Primary)
			if c.Plain {
				q.Box(0, top, g.W, max(2, g.I(4)), u.Roles.Line)
			}
		}
		if g.Wide {
			defer q.Fixed()() // the dome keeps its corner in every language, and the words stay clear of it
		}
		p.bandWords(q, o, name, c, i, top)
		return q.RGBA
	}, "band/%d/%s/%s", i, o.Beverage.ID, name)
}

// bandWords draws motif and words of a band whose level is at top of its picture.
func (p *attractPage) bandWords(q *art.Picture, o Offer, name string, c art.Colours, i, top int) {
	u, g := p.ui, p.ui.Geo
	h := float64(p.bands[i].h)
	px, brandPX, x, right := 116.0, 34.0, 48.0, g.W-g.I(40)
	side := int(h * 1.02)
	if i == 0 {
		px, side = 148, int(h*.9)
	}
	if g.Wide {
		px, brandPX, x, right = 56, 20, 28, g.I(560-65*float64(i)) // beside the round of the dome
		side = int(h * 1.05)
	}
	if !c.Plain {
		p.motif(q, o, c, image.Rect(right-side, top+int(h)+p.wave()/2-side, right, top+int(h)+p.wave()/2))
	}
	sz := g.At(px, .9, theme.Condensed, -.015)
	room := h - g.S(brandPX*3)
	if i == 0 && g.Wide {
		room -= g.S(30)
	}
	lines, fit := art.FitName(u.Fonts, name, sz, float64(right-side)-g.S(x)-g.S(20), room, g.S(24), 2)
	sz.PX = fit
	block := g.S(brandPX) + g.S(12) + float64(len(lines))*sz.PX*sz.Line
	at := float64(top) + (h-block)/2 + float64(p.wave())*.25
	if i == 0 {
		at += g.S(brandPX)
	}
	q.Text(o.Brand.Name, g.S(x), at, art.Style{Size: g.At(brandPX, 1, theme.Text, 0), Color: c.Ink}, art.Left)
	q.Lines(lines, g.S(x), at+g.S(brandPX)+g.S(12), art.Style{Size: sz, Color: c.Ink}, art.Left)
}

// motif stands in the drink where it is a figure of its own, and is seen through a porthole where it is a pattern that a
// straight cut would end by accident.
func (p *attractPage) motif(q *art.Picture, o Offer, c art.Colours, r image.Rectangle) {
	if art.Figure(p.ui.Fonts, o.Brand) {
		q.Motif(o.Brand.Motif, c, r, nil)
		return
	}
	q.Porthole(o.Brand, r.Min.X, r.Min.Y+r.Dy()/14, r.Dx()/2)
}

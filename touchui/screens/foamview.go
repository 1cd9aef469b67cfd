package screens

import (
	"image"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// foamView is the foam on the level and, below or before it, how many seconds it still takes, what is in the cup and what
// follows. It is built anew each second.
type foamView struct {
	f     *flowView
	cloud *canvas.Image
	high  int // of the foam
	plate *canvas.Image
}

// Foam as drawn: a little stands to the last second, the rest goes down with the countdown.
const (
	foamLow       = 66
	foamPerSecond = 28
)

func newFoamView(f *flowView, s *sheet.Sheet, v serving) *foamView {
	p, l, g := f.p, f.l, f.l.Geo
	k := 1.0
	if g.Wide {
		k = .5
	}
	level := f.plan.levelAt(float64(p.poured()) / 1000 / float64(p.size().ML))
	room := level - f.plan.top - f.edgeH/2 - g.I(22*k)
	if g.Wide {
		room = level
	}
	o := &foamView{f: f, high: max(g.I(24*k), min(g.I((foamLow+foamPerSecond*float64(v.seconds))*k), room))}
	foam := p.c.Foam()
	img := l.Compose(func() *image.RGBA {
		q := l.Picture(g.W, o.high, p.c.Secondary)
		if p.c.Plain {
			return q.RGBA
		}
		defer q.Fixed()()
		bumps := [...]float64{64, 74, 56, 80, 62, 70, 76, 58, 68}
		low := min(g.S(70*k), float64(o.high)*.6)
		for i := 0; float64(i)*120*g.K*k < float64(g.W)+100*g.K; i++ {
			r := g.S(bumps[i%len(bumps)] * k)
			q.Fill((&art.Path{}).Circle(float64(i)*120*g.K*k, r+g.S(2), r), foam)
		}
		q.Box(0, int(low), g.W, o.high, foam)
		return q.RGBA
	}, "foam/%s/%dx%d", p.offer.Brand.ID, g.W, o.high)
	o.cloud = s.Pic(img, 0, 0)
	s.Fixed(o.cloud)
	sheet.Replace(f.edge, strip(l, p.c, foam, p.offer))
	if g.Wide {
		o.wide(s, v, level)
	} else {
		o.tall(s, v, level)
	}
	return o
}

// level puts the foam on the level.
func (o *foamView) level(y int) {
	o.cloud.Move(fyne.NewPos(0, float32(y-o.f.edgeH/2-o.high+1)))
}

// words are what is in the cup and what follows.
func (o *foamView) words(v serving) [2]string {
	p, l := o.f.p, o.f.l
	in, _ := reading(l, p.poured())
	rest, _ := reading(l, v.ul)
	key := "foam.last"
	if p.ui.tap {
		key = "foam.last_tap"
	}
	return [2]string{l.T("foam.in", "in", in, "volume", oneUnit(l, p.size().ML)), l.T(key, "n", rest)}
}

// ground keeps the words readable where the surface would run through them.
func (o *foamView) ground(s *sheet.Sheet, x, y, w, h, r int) {
	l, p := o.f.l, o.f.p
	img := l.Compose(func() *image.RGBA {
		q := art.Clear(l.Fonts, w, h)
		q.Round(0, 0, float64(w), float64(h), float64(r), p.c.Primary)
		return q.RGBA
	}, "foam-ground/%v/%dx%d", p.c.Primary, w, h)
	o.plate = s.Pic(img, x, y)
}

func (o *foamView) seconds(s *sheet.Sheet, v serving, x, y, px float64, align int) {
	l := o.f.l
	sz := theme.Size{PX: px, Line: .9, Cut: theme.Display, Track: -.03}
	t := s.Text(strconv.Itoa(v.seconds), x, y, sz, align)
	s.Sign("foam.seconds", l.N("foam.seconds", v.seconds), t).Value = strconv.Itoa(v.seconds)
}

func (o *foamView) tall(s *sheet.Sheet, v serving, level int) {
	p, l, g := o.f.p, o.f.l, o.f.l.Geo
	top := level + g.I(40)
	if level > g.I(470) {
		top = int(g.B(1420))
		o.ground(s, int(g.X(60)), top, g.I(960), int(g.B(660))-top, g.I(theme.RadiusCard))
	}
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	title := fitted(l, l.T("foam.title"), g.At(104, .94, theme.Display, -.015), g.S(900))
	titleY := g.B(970)
	px := min(g.S(450), (titleY-float64(top))/.84)
	mid := float64(g.W) / 2
	o.seconds(s, v, mid, (float64(top)+titleY-px*.94)/2, px, art.Centre)
	s.Sign("foam.title", l.T("foam.title"), s.Text(l.T("foam.title"), mid, titleY, title, art.Centre))
	st := l.At(40, 1.32, theme.Text, 0)
	y := titleY + title.PX*.94 + g.S(26)
	for _, t := range o.words(v) {
		st := fitted(l, t, st, g.S(920))
		s.Text(t, mid, y, st, art.Centre)
		y += st.PX * st.Line
	}
}

func (o *foamView) wide(s *sheet.Sheet, v serving, level int) {
	p, l, g := o.f.p, o.f.l, o.f.l.Geo
	x, numPX, titlePX, textPX, col, width := 28.0, 170.0, 46.0, 22.0, 128.0, 270.0
	foot := float64(g.H - target(g, 60) - g.I(24))
	if roomy(g) {
		x, numPX, titlePX, textPX, col, width = 48, 260, 76, 30, 200, 620
	}
	st := l.At(textPX, 1.3, theme.Text, 0)
	high := g.S(numPX*.9) + st.PX*2.9
	y := float64(level) + g.S(titlePX*.6)
	if y+high > foot {
		y = foot - high
		o.ground(s, g.I(x-16), int(y-g.S(12)), g.I(col+width+24), int(high+g.S(20)), g.I(theme.RadiusCard*.6))
	}
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	o.seconds(s, v, g.S(x), y, g.S(numPX), art.Left)
	lines, px := art.FitName(l.Fonts, l.T("foam.title"), theme.Size{PX: g.S(titlePX), Line: .94, Cut: theme.Display, Track: -.015}, g.S(width), g.S(numPX*.8), 14, 2)
	title := theme.Size{PX: px, Line: .94, Cut: theme.Display, Track: -.015}
	ty := y + (g.S(numPX*.9)-px*.94*float64(len(lines)))/2
	for i, t := range lines {
		at := s.Text(t, g.S(x+col), ty+float64(i)*px*.94, title, art.Left)
		if i == 0 {
			s.Sign("foam.title", l.T("foam.title"), at)
		}
	}
	at := y + g.S(numPX*.9)
	for _, t := range o.words(v) {
		st := fitted(l, t, st, g.S(col+width))
		s.Text(t, g.S(x), at, st, art.Left)
		at += st.PX * st.Line
	}
}

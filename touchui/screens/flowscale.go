package screens

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

type mark struct {
	y    int
	text string
	line *canvas.Rectangle
	num  *canvas.Image
}

type bubble struct {
	y, r int
	pic  *canvas.Image
}

func (f *flowView) addBubbles(s *sheet.Sheet) {
	p, l, g := f.p, f.l, f.l.Geo
	if !sparkling(p.offer.Beverage) || p.done() || p.c.Plain {
		return
	}
	for _, b := range [...][3]float64{{130, 1380, 26}, {250, 1220, 14}, {180, 1110, 34}, {860, 1330, 20}, {760, 1160, 30}, {860, 1040, 14}, {420, 1090, 18}, {640, 1270, 12}, {330, 1400, 12}} {
		r := g.I(b[2])
		img := l.Compose(func() *image.RGBA {
			q := l.Picture(2*r, 2*r, p.c.Primary)
			q.Round(0, 0, float64(2*r), float64(2*r), float64(r), p.c.Tint(.22))
			return q.RGBA
		}, "bubble/%s/%d", p.offer.Brand.ID, r)
		y := g.I(b[1] + lift(g))
		pic := s.Pic(img, int(g.X(b[0]))-r, y-r)
		s.Fixed(pic)
		f.bubbles = append(f.bubbles, bubble{y: y, r: r, pic: pic})
	}
}

// scale lists the marks of the jug: every 25 ml with a number at each 100, or every ounce with one at each fourth.
func scaleOf(l *sheet.Look, ml int) (shares []float64, texts []string) {
	step, whole, most, each := 25.0, 4, float64(ml), 100
	if l.Units == sheet.FluidOunces {
		step, most, each = 1, float64(ml)/mlPerFlOz, 4
	}
	for i := 1; float64(i)*step < most-step/4; i++ {
		shares = append(shares, float64(i)*step/most)
		t := ""
		if i%whole == 0 {
			t = l.Words.Number(float64(i/whole*each), 0)
		}
		texts = append(texts, t)
	}
	return shares, texts
}

func (f *flowView) addScale(s *sheet.Sheet) {
	p, l, g := f.p, f.l, f.l.Geo
	shares, texts := scaleOf(l, p.size().ML)
	if len(shares) > 40 { // a pitcher: the marks would run into each other
		return
	}
	for i, share := range shares {
		m := mark{text: texts[i], y: f.plan.levelAt(share)}
		w := 32.0
		if m.text != "" {
			w = 64
			img, over := l.Label(m.text, f.numStyle(p.c.OnSecondary))
			tw := l.Fonts.Width(m.text, theme.Text, g.S(34), 0)
			m.num = s.Pic(img, g.W-g.I(76)-int(tw+.5)-g.I(2), m.y-g.I(20)-over)
			s.Fixed(m.num)
		}
		m.line = s.Box(g.W-g.I(w), m.y-g.I(3), g.I(w), g.I(6), p.c.OnSecondary)
		s.Fixed(m.line)
		f.marks = append(f.marks, m)
	}
}

func (f *flowView) numStyle(c color.RGBA) art.Style {
	return art.Style{Size: f.l.Geo.At(34, 40.0/34, theme.Text, 0), Color: c}
}

// mark colours a mark of the scale for its side of the level, and hides it in the surface.
func (f *flowView) mark(m mark, level int) {
	p := f.p
	room := f.edgeH/2 + int(f.numStyle(p.c.Ink).PX*.6)
	near := m.y-level < room && level-m.y < room
	shown(m.line, !near)
	fg := p.c.Ink
	if m.y < level {
		fg = p.c.OnSecondary
	}
	if m.line.FillColor != fg {
		m.line.FillColor = fg
		m.line.Refresh()
	}
	if m.num != nil {
		shown(m.num, !near)
		img, _ := f.l.Label(m.text, f.numStyle(fg))
		sheet.Replace(m.num, img)
	}
}

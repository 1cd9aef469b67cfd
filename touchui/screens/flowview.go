package screens

import (
	"fmt"
	"image"
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/screens/art"
	"fountain/touchui/theme"
)

// flowPlan places number and name about the level; all in panel pixels.
type flowPlan struct {
	top, bottom  int // level of a full and of an empty cup
	sink         int // a level above this leaves no room: the number goes under the surface
	above, under int // number's top: this far above the level, or under it
	numberH      int
	nameGap      int // name under the level when the number is above
	nameH        int
	limit        int // nothing under this
}

// place returns the tops of number and name for a level, and whether each stands in the field above the level.
func (f flowPlan) place(level int) (number, name int, numberDry, nameDry bool) {
	if level < f.sink {
		number = level + f.under
		return number, number + f.numberH + f.nameGap/3, false, false
	}
	number = level - f.above
	if name = level + f.nameGap; name+f.nameH <= f.limit {
		return number, name, true, false
	}
	return number, number - f.nameH - f.nameGap/8, true, true
}

// level maps a share of the cup (0..1) to the level.
func (f flowPlan) levelAt(share float64) int {
	share = max(0, min(1, share))
	return f.bottom - int(float64(f.bottom-f.top)*share+.5)
}

// flowView is the rising level with the measured number on it. level moves what there is; nothing is composed anew
// but digits seen for the first time.
type flowView struct {
	p       *pourPage
	plan    flowPlan
	field   *canvas.Rectangle
	liquid  *canvas.Rectangle
	edge    *canvas.Image
	edgeH   int
	phase   int
	value   *control
	digits  []*canvas.Image
	unit    *canvas.Image
	brand   *canvas.Image
	names   []*canvas.Image
	lines   []string
	nameSz  theme.Size
	marks   []mark
	bubbles []bubble
	at      int // present level, -1 before the first
}

type mark struct {
	y    int
	ml   int
	line *canvas.Rectangle
	num  *canvas.Image
}

type bubble struct {
	y, r int
	pic  *canvas.Image
}

func newFlowView(p *pourPage, s *sheet) *flowView {
	g := p.ui.g
	f := &flowView{p: p, at: -1, edgeH: p.ui.edgeH()}
	f.plan = flowPlan{
		top: g.i(200), bottom: int(g.b(420)), sink: g.i(530), above: g.i(348), under: g.i(44), numberH: g.i(288),
		nameGap: g.i(92), limit: int(g.b(400)),
	}
	if g.wide {
		f.plan = flowPlan{top: g.i(20), bottom: g.i(440), sink: g.i(156), above: g.i(166), under: g.i(24), numberH: g.i(141), nameGap: g.i(46), limit: g.i(472)}
	}
	if p.done() {
		f.plan.limit = int(g.b(626)) // above the way home
		if p.trouble() != "" {
			f.plan.limit = int(g.b(750)) // and above the note
		}
		if g.wide {
			f.plan.limit = g.i(396)
		}
	}
	f.field = s.box(0, 0, g.w, 0, p.c.Secondary)
	f.liquid = s.box(0, 0, g.w, 0, p.c.Primary)
	f.edge = s.pic(p.strip(), 0, 0)
	if !g.wide {
		f.bubblesAndScale(s)
	}
	f.texts(s)
	s.add(p.dome)
	if p.done() {
		f.finish(s)
	}
	return f
}

func (f *flowView) period() int {
	return f.p.ui.g.i(art.WavePeriod)
}

// wave moves the surface sideways, once round in 2.4 s at 15 frames a second.
func (f *flowView) wave() {
	f.phase = (f.phase + max(f.period()/36, 1)) % f.period()
	f.edge.Move(fyne.NewPos(float32(-f.phase), float32(f.at-f.edgeH/2)))
}

func (f *flowView) bubblesAndScale(s *sheet) {
	p, u, g := f.p, f.p.ui, f.p.ui.g
	if sparkling(p.offer.Beverage) && !p.done() {
		for _, b := range [...][3]float64{{130, 1380, 26}, {250, 1220, 14}, {180, 1110, 34}, {860, 1330, 20}, {760, 1160, 30}, {860, 1040, 14}, {420, 1090, 18}, {640, 1270, 12}, {330, 1400, 12}} {
			r := g.i(b[2])
			img := u.compose(func() *image.RGBA {
				q := art.NewPicture(u.fonts, 2*r, 2*r, p.c.Primary)
				q.Round(0, 0, float64(2*r), float64(2*r), float64(r), p.c.Tint(.22))
				return q.RGBA
			}, "bubble/%s/%d", p.offer.Brand.ID, r)
			f.bubbles = append(f.bubbles, bubble{y: g.i(b[1]), r: r, pic: s.pic(img, int(g.x(b[0]))-r, g.i(b[1])-r)})
		}
	}
	size := p.size().ML
	for ml := 25; ml < size; ml += 25 {
		m := mark{ml: ml, y: f.plan.levelAt(float64(ml) / float64(size))}
		w := 32.0
		if ml%100 == 0 {
			w = 64
			img, over := u.label(strconv.Itoa(ml), f.numStyle(p.c.OnSecondary))
			tw := u.fonts.Width(strconv.Itoa(ml), theme.Text, g.s(34), 0)
			m.num = s.pic(img, g.w-g.i(76)-int(tw+.5)-g.i(2), m.y-g.i(20)-over)
		}
		m.line = s.box(g.w-g.i(w), m.y-g.i(3), g.i(w), g.i(6), p.c.OnSecondary)
		f.marks = append(f.marks, m)
	}
	// the mark of a full cup
	dash := u.compose(func() *image.RGBA {
		q := art.NewPicture(u.fonts, g.w, g.i(6), p.c.Secondary)
		for x := 0.0; x < float64(g.w); x += 40 * g.k {
			q.Box(int(x), 0, g.i(22), g.i(6), p.c.OnSecondary)
		}
		return q.RGBA
	}, "dash/%s/%d", p.offer.Brand.ID, g.w)
	s.pic(dash, 0, f.plan.top-g.i(3))
	s.bg, s.ink = p.c.Secondary, p.c.OnSecondary
	s.text(fmt.Sprintf("%s, full at %d ml", p.size().Name, size), g.x(48), float64(f.plan.top)-g.s(62), g.at(36, 1, theme.Text, 0), art.Left)
}

func (f *flowView) numStyle(c color.RGBA) art.Style {
	return art.Style{Size: f.p.ui.g.at(34, 40.0/34, theme.Text, 0), Color: c}
}

// texts adds number, unit and name; level moves and colours them.
func (f *flowView) texts(s *sheet) {
	p, u, g := f.p, f.p.ui, f.p.ui.g
	s.bg, s.ink = p.c.Primary, p.c.Ink
	width, px, height := g.s(860), g.s(150), g.s(280)
	brandPX := g.s(40)
	if g.wide {
		width, px, height, brandPX = g.s(380), g.s(80), g.s(80), g.s(24)
		s.bg, s.ink = p.c.Secondary, p.c.OnSecondary
		if t := fmt.Sprintf("%s, full at %d ml", p.size().Name, p.size().ML); true {
			s.text(t, float64(g.w)-g.s(20), g.s(30), g.at(22, 1.2, theme.Text, 0), art.Right)
		}
	}
	f.lines, f.nameSz = p.nameLines(theme.Condensed, width, height, px, .9)
	if len(f.lines) > 1 { // one line if it does not get too small for it
		one := theme.Size{PX: px, Line: .9, Cut: theme.Condensed, Track: -.015}
		one.PX = u.fonts.Fit([]string{p.offer.Beverage.Name}, one.Cut, one.Track, width, px, 1)
		if one.PX >= px*.6 {
			f.lines, f.nameSz = []string{p.offer.Beverage.Name}, one
		}
	}
	f.plan.nameH = int(brandPX*1.35 + f.nameSz.PX*.95*float64(len(f.lines)))
	f.brand = s.pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
	for range f.lines {
		f.names = append(f.names, s.pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0))
	}
	for range 4 {
		f.digits = append(f.digits, s.pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0))
	}
	f.unit = s.pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
	f.value = newControl("pour.volume", roleValue, "Millilitres in the cup", image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0, nil)
	f.value.pic.Hide()
	s.add(f.value)
}

// level shows ul microlitres.
func (f *flowView) level(ul int64) {
	p, g := f.p, f.p.ui.g
	ml := int(ul / 1000)
	f.value.value = strconv.Itoa(ml)
	y := f.plan.levelAt(float64(ul) / 1000 / float64(p.size().ML))
	number, name, numberDry, nameDry := f.plan.place(y)
	f.number(ml, number, numberDry)
	if y == f.at {
		return
	}
	f.at = y
	f.field.Resize(fyne.NewSize(float32(g.w), float32(y)))
	f.liquid.Move(fyne.NewPos(0, float32(y)))
	f.liquid.Resize(fyne.NewSize(float32(g.w), float32(g.h-y)))
	f.edge.Move(fyne.NewPos(float32(-f.phase), float32(y-f.edgeH/2)))
	f.title(name, nameDry)
	for _, b := range f.bubbles {
		shown(b.pic, b.y-b.r > max(y+f.edgeH/2, name+f.plan.nameH+g.i(12)))
	}
	for _, m := range f.marks {
		f.mark(m, y)
	}
}

func shown(o fyne.CanvasObject, yes bool) {
	if yes == o.Visible() {
		return
	}
	if yes {
		o.Show()
	} else {
		o.Hide()
	}
}

// mark colours a mark of the scale for its side of the level, and hides it in the surface.
func (f *flowView) mark(m mark, level int) {
	p, u, g := f.p, f.p.ui, f.p.ui.g
	near := m.y-level < g.i(30) && level-m.y < g.i(30)
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
		img, _ := u.label(strconv.Itoa(m.ml), f.numStyle(fg))
		replace(m.num, img)
	}
}

// number sets the volume in cells of one width, so that it does not dance.
func (f *flowView) number(ml, y int, dry bool) {
	p, u, g := f.p, f.p.ui, f.p.ui.g
	fg := p.c.Ink
	if dry {
		fg = p.c.OnSecondary
	}
	sz := u.digitSize()
	x := int(g.x(48))
	if g.wide {
		x = g.i(28)
	}
	text := strconv.Itoa(ml)
	x0 := x
	for i, c := range f.digits {
		shown(c, i < len(text))
		if i >= len(text) {
			continue
		}
		img, cell := u.digit(text[i:i+1], fg)
		replace(c, img)
		c.Move(fyne.NewPos(float32(x), float32(y)))
		x += cell
	}
	us := theme.Size{PX: sz.PX * .3, Line: 1, Cut: theme.Display, Track: -.015}
	img := u.compose(func() *image.RGBA {
		q, _ := art.Label(u.fonts, "ml", art.Style{Size: us, Color: fg})
		return q.RGBA
	}, "unit/%v/%v", us.PX, fg)
	replace(f.unit, img)
	base := u.fonts.Baseline(sz.Cut, sz.PX, sz.Line) - u.fonts.Baseline(us.Cut, us.PX, us.Line)
	f.unit.Move(fyne.NewPos(float32(x)+float32(g.s(14)), float32(float64(y)+base-float64(int(us.PX*.2)))))
	f.value.Move(fyne.NewPos(float32(x0), float32(y)))
	f.value.Resize(fyne.NewSize(float32(x-x0), float32(sz.PX*sz.Line)))
}

// title sets brand and name at y.
func (f *flowView) title(y int, dry bool) {
	p, u, g := f.p, f.p.ui, f.p.ui.g
	fg := p.c.Ink
	if dry {
		fg = p.c.OnSecondary
	}
	x, px := g.x(48), 40.0
	if g.wide {
		x, px = g.s(28), 24
	}
	sz := g.at(px, 1, theme.Text, 0)
	img, over := u.label(p.offer.Brand.Name, art.Style{Size: sz, Color: fg})
	replace(f.brand, img)
	f.brand.Move(fyne.NewPos(float32(int(x-sz.PX*.05)), float32(y-over)))
	top := float64(y) + sz.PX*1.35
	for i, l := range f.lines {
		img, over := u.label(l, art.Style{Size: f.nameSz, Color: fg})
		replace(f.names[i], img)
		f.names[i].Move(fyne.NewPos(float32(int(x-f.nameSz.PX*.05)), float32(int(top+float64(i)*f.nameSz.PX*.9)-over)))
	}
}

// finish adds what the end of a pour says, and the way home.
func (f *flowView) finish(s *sheet) {
	p, u, g := f.p, f.p.ui, f.p.ui.g
	s.bg, s.ink = p.c.Well, p.c.Ink
	words := p.trouble()
	if g.wide {
		st := buttonStyle{h: g.i(64), padL: g.i(28), padR: g.i(28), radius: g.s(32), px: g.s(22), fill: p.c.Well, fg: p.c.Ink}
		s.control(newControl("pour.done", roleButton, "Done", u.button("Done", st), g.i(28), int(g.b(76)), u.goHome))
		if words != "" {
			f.note(s, words, g.at(18, 1.2, theme.Text, 0), g.i(150), int(g.b(76)), g.s(270))
		}
		return
	}
	st := buttonStyle{h: g.i(116), radius: g.s(58), px: g.s(32), fill: p.c.Well, fg: p.c.Ink, width: g.i(400)}
	s.control(newControl("pour.done", roleButton, "That’s enough for me", u.button("That’s enough for me", st), int(g.x(340)), int(g.b(616)), u.goHome))
	if words != "" {
		f.note(s, words, g.at(34, 1.25, theme.Text, 0), int(g.x(140)), int(g.b(740)), g.s(800))
	}
}

// note puts words on a plate of their own, so that the level behind does not matter.
func (f *flowView) note(s *sheet, words string, sz theme.Size, x, y int, width float64) {
	u, g := f.p.ui, f.p.ui.g
	lines := art.Wrap(u.fonts, words, sz, width-g.s(40))
	h := int(float64(len(lines))*sz.PX*sz.Line + g.s(24))
	q := art.Clear(u.fonts, int(width), h)
	q.Round(0, 0, width, float64(h), g.s(24), f.p.c.Well)
	q.Lines(lines, width/2, g.s(12), art.Style{Size: sz, Color: f.p.c.Ink}, art.Centre)
	s.sign("pour.note", words, s.pic(q.RGBA, x, y))
}

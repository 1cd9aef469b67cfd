package screens

import (
	"fmt"
	"image"
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
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
	value   *sheet.Control
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

func newFlowView(p *pourPage, s *sheet.Sheet) *flowView {
	g := p.ui.Geo
	f := &flowView{p: p, at: -1, edgeH: p.ui.edgeH()}
	f.plan = flowPlan{
		top: g.I(200), bottom: int(g.B(420)), sink: g.I(530), above: g.I(348), under: g.I(44), numberH: g.I(288),
		nameGap: g.I(92), limit: int(g.B(400)),
	}
	if g.Wide {
		f.plan = flowPlan{top: g.I(20), bottom: g.I(440), sink: g.I(156), above: g.I(166), under: g.I(24), numberH: g.I(141), nameGap: g.I(46), limit: g.I(472)}
	}
	if p.done() {
		f.plan.limit = int(g.B(626)) // above the way home
		if p.trouble() != "" {
			f.plan.limit = int(g.B(750)) // and above the note
		}
		if g.Wide {
			f.plan.limit = g.I(396)
		}
	}
	f.field = s.Box(0, 0, g.W, 0, p.c.Secondary)
	f.liquid = s.Box(0, 0, g.W, 0, p.c.Primary)
	f.edge = s.Pic(p.strip(), 0, 0)
	if !g.Wide {
		f.bubblesAndScale(s)
	}
	f.texts(s)
	s.Add(p.dome)
	if p.done() {
		f.finish(s)
	}
	return f
}

func (f *flowView) period() int {
	return f.p.ui.Geo.I(art.WavePeriod)
}

// wave moves the surface sideways, once round in 2.4 s at 15 frames a second.
func (f *flowView) wave() {
	f.phase = (f.phase + max(f.period()/36, 1)) % f.period()
	f.edge.Move(fyne.NewPos(float32(-f.phase), float32(f.at-f.edgeH/2)))
}

func (f *flowView) bubblesAndScale(s *sheet.Sheet) {
	p, u, g := f.p, f.p.ui, f.p.ui.Geo
	if sparkling(p.offer.Beverage) && !p.done() {
		for _, b := range [...][3]float64{{130, 1380, 26}, {250, 1220, 14}, {180, 1110, 34}, {860, 1330, 20}, {760, 1160, 30}, {860, 1040, 14}, {420, 1090, 18}, {640, 1270, 12}, {330, 1400, 12}} {
			r := g.I(b[2])
			img := u.Compose(func() *image.RGBA {
				q := u.Picture(2*r, 2*r, p.c.Primary)
				q.Round(0, 0, float64(2*r), float64(2*r), float64(r), p.c.Tint(.22))
				return q.RGBA
			}, "bubble/%s/%d", p.offer.Brand.ID, r)
			f.bubbles = append(f.bubbles, bubble{y: g.I(b[1]), r: r, pic: s.Pic(img, int(g.X(b[0]))-r, g.I(b[1])-r)})
		}
	}
	size := p.size().ML
	for ml := 25; ml < size; ml += 25 {
		m := mark{ml: ml, y: f.plan.levelAt(float64(ml) / float64(size))}
		w := 32.0
		if ml%100 == 0 {
			w = 64
			img, over := u.Label(strconv.Itoa(ml), f.numStyle(p.c.OnSecondary))
			tw := u.Fonts.Width(strconv.Itoa(ml), theme.Text, g.S(34), 0)
			m.num = s.Pic(img, g.W-g.I(76)-int(tw+.5)-g.I(2), m.y-g.I(20)-over)
		}
		m.line = s.Box(g.W-g.I(w), m.y-g.I(3), g.I(w), g.I(6), p.c.OnSecondary)
		f.marks = append(f.marks, m)
	}
	// the mark of a full cup
	dash := u.Compose(func() *image.RGBA {
		q := u.Picture(g.W, g.I(6), p.c.Secondary)
		for x := 0.0; x < float64(g.W); x += 40 * g.K {
			q.Box(int(x), 0, g.I(22), g.I(6), p.c.OnSecondary)
		}
		return q.RGBA
	}, "dash/%s/%d", p.offer.Brand.ID, g.W)
	s.Pic(dash, 0, f.plan.top-g.I(3))
	s.BG, s.Ink = p.c.Secondary, p.c.OnSecondary
	s.Text(fmt.Sprintf("%s, full at %d ml", p.size().Name, size), g.X(48), float64(f.plan.top)-g.S(62), g.At(36, 1, theme.Text, 0), art.Left)
}

func (f *flowView) numStyle(c color.RGBA) art.Style {
	return art.Style{Size: f.p.ui.Geo.At(34, 40.0/34, theme.Text, 0), Color: c}
}

// texts adds number, unit and name; level moves and colours them.
func (f *flowView) texts(s *sheet.Sheet) {
	p, u, g := f.p, f.p.ui, f.p.ui.Geo
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	width, px, height := g.S(860), g.S(150), g.S(280)
	brandPX := g.S(40)
	if g.Wide {
		width, px, height, brandPX = g.S(380), g.S(80), g.S(80), g.S(24)
		s.BG, s.Ink = p.c.Secondary, p.c.OnSecondary
		if t := fmt.Sprintf("%s, full at %d ml", p.size().Name, p.size().ML); true {
			s.Text(t, float64(g.W)-g.S(20), g.S(30), g.At(22, 1.2, theme.Text, 0), art.Right)
		}
	}
	f.lines, f.nameSz = p.nameLines(theme.Condensed, width, height, px, .9)
	if len(f.lines) > 1 { // one line if it does not get too small for it
		one := theme.Size{PX: px, Line: .9, Cut: theme.Condensed, Track: -.015}
		one.PX = u.Fonts.Fit([]string{p.offer.Beverage.Name}, one.Cut, one.Track, width, px, 1)
		if one.PX >= px*.6 {
			f.lines, f.nameSz = []string{p.offer.Beverage.Name}, one
		}
	}
	f.plan.nameH = int(brandPX*1.35 + f.nameSz.PX*.95*float64(len(f.lines)))
	f.brand = s.Pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
	for range f.lines {
		f.names = append(f.names, s.Pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0))
	}
	for range 4 {
		f.digits = append(f.digits, s.Pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0))
	}
	f.unit = s.Pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
	f.value = sheet.NewControl("pour.volume", sheet.RoleValue, "Millilitres in the cup", image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0, nil)
	f.value.SetPicture(nil)
	s.Add(f.value)
}

// level shows ul microlitres.
func (f *flowView) level(ul int64) {
	p, g := f.p, f.p.ui.Geo
	ml := int(ul / 1000)
	f.value.Value = strconv.Itoa(ml)
	y := f.plan.levelAt(float64(ul) / 1000 / float64(p.size().ML))
	number, name, numberDry, nameDry := f.plan.place(y)
	f.number(ml, number, numberDry)
	if y == f.at {
		return
	}
	f.at = y
	f.field.Resize(fyne.NewSize(float32(g.W), float32(y)))
	f.liquid.Move(fyne.NewPos(0, float32(y)))
	f.liquid.Resize(fyne.NewSize(float32(g.W), float32(g.H-y)))
	f.edge.Move(fyne.NewPos(float32(-f.phase), float32(y-f.edgeH/2)))
	f.title(name, nameDry)
	for _, b := range f.bubbles {
		shown(b.pic, b.y-b.r > max(y+f.edgeH/2, name+f.plan.nameH+g.I(12)))
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
	p, u, g := f.p, f.p.ui, f.p.ui.Geo
	near := m.y-level < g.I(30) && level-m.y < g.I(30)
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
		img, _ := u.Label(strconv.Itoa(m.ml), f.numStyle(fg))
		sheet.Replace(m.num, img)
	}
}

// number sets the volume in cells of one width, so that it does not dance.
func (f *flowView) number(ml, y int, dry bool) {
	p, u, g := f.p, f.p.ui, f.p.ui.Geo
	fg := p.c.Ink
	if dry {
		fg = p.c.OnSecondary
	}
	sz := u.digitSize()
	x := int(g.X(48))
	if g.Wide {
		x = g.I(28)
	}
	text := strconv.Itoa(ml)
	x0 := x
	for i, c := range f.digits {
		shown(c, i < len(text))
		if i >= len(text) {
			continue
		}
		img, cell := u.digit(text[i:i+1], fg)
		sheet.Replace(c, img)
		c.Move(fyne.NewPos(float32(x), float32(y)))
		x += cell
	}
	us := theme.Size{PX: sz.PX * .3, Line: 1, Cut: theme.Display, Track: -.015}
	img := u.Compose(func() *image.RGBA {
		q, _ := art.Label(u.Fonts, "ml", art.Style{Size: us, Color: fg})
		return q.RGBA
	}, "unit/%v/%v", us.PX, fg)
	sheet.Replace(f.unit, img)
	base := u.Fonts.Baseline(sz.Cut, sz.PX, sz.Line) - u.Fonts.Baseline(us.Cut, us.PX, us.Line)
	f.unit.Move(fyne.NewPos(float32(x)+float32(g.S(14)), float32(float64(y)+base-float64(int(us.PX*.2)))))
	f.value.Move(fyne.NewPos(float32(x0), float32(y)))
	f.value.Resize(fyne.NewSize(float32(x-x0), float32(sz.PX*sz.Line)))
}

// title sets brand and name at y.
func (f *flowView) title(y int, dry bool) {
	p, u, g := f.p, f.p.ui, f.p.ui.Geo
	fg := p.c.Ink
	if dry {
		fg = p.c.OnSecondary
	}
	x, px := g.X(48), 40.0
	if g.Wide {
		x, px = g.S(28), 24
	}
	sz := g.At(px, 1, theme.Text, 0)
	img, over := u.Label(p.offer.Brand.Name, art.Style{Size: sz, Color: fg})
	sheet.Replace(f.brand, img)
	f.brand.Move(fyne.NewPos(float32(int(x-sz.PX*.05)), float32(y-over)))
	top := float64(y) + sz.PX*1.35
	for i, l := range f.lines {
		img, over := u.Label(l, art.Style{Size: f.nameSz, Color: fg})
		sheet.Replace(f.names[i], img)
		f.names[i].Move(fyne.NewPos(float32(int(x-f.nameSz.PX*.05)), float32(int(top+float64(i)*f.nameSz.PX*.9)-over)))
	}
}

// finish adds what the end of a pour says, and the way home.
func (f *flowView) finish(s *sheet.Sheet) {
	p, u, g := f.p, f.p.ui, f.p.ui.Geo
	s.BG, s.Ink = p.c.Well, p.c.Ink
	words := p.trouble()
	if g.Wide {
		st := sheet.ButtonStyle{H: g.I(64), PadL: g.I(28), PadR: g.I(28), Radius: g.S(32), PX: g.S(22), Fill: p.c.Well, FG: p.c.Ink}
		s.Control(sheet.NewControl("pour.done", sheet.RoleButton, "Done", u.Look.Button("Done", st), g.I(28), int(g.B(76)), u.goHome))
		if words != "" {
			f.note(s, words, g.At(18, 1.2, theme.Text, 0), g.I(150), int(g.B(76)), g.S(270))
		}
		return
	}
	st := sheet.ButtonStyle{H: g.I(116), Radius: g.S(58), PX: g.S(32), Fill: p.c.Well, FG: p.c.Ink, Width: g.I(400)}
	s.Control(sheet.NewControl("pour.done", sheet.RoleButton, "That’s enough for me", u.Look.Button("That’s enough for me", st), int(g.X(340)), int(g.B(616)), u.goHome))
	if words != "" {
		f.note(s, words, g.At(34, 1.25, theme.Text, 0), int(g.X(140)), int(g.B(740)), g.S(800))
	}
}

// note puts words on a plate of their own, so that the level behind does not matter.
func (f *flowView) note(s *sheet.Sheet, words string, sz theme.Size, x, y int, width float64) {
	u, g := f.p.ui, f.p.ui.Geo
	lines := art.Wrap(u.Fonts, words, sz, width-g.S(40))
	h := int(float64(len(lines))*sz.PX*sz.Line + g.S(24))
	q := art.Clear(u.Fonts, int(width), h)
	q.Round(0, 0, width, float64(h), g.S(24), f.p.c.Well)
	q.Lines(lines, width/2, g.S(12), art.Style{Size: sz, Color: f.p.c.Ink}, art.Centre)
	s.Sign("pour.note", words, s.Pic(q.RGBA, x, y))
}

package screens

import (
	"fmt"
	"image"

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
	tight        int // the least of it
	nameH        int
	limit        int // nothing under this
}

// place returns the tops of number and name for a level, and whether each stands in the field above the level.
func (f flowPlan) place(level int) (number, name int, numberDry, nameDry bool) {
	if level < f.sink {
		number = level + f.under
		return number, number + f.numberH + f.nameGap/3, false, false
	}
	number = min(level-f.above, f.limit-f.numberH) // a note may stand above the level
	if name = min(level+f.nameGap, f.limit-f.nameH); name >= level+f.tight {
		return number, name, true, false
	}
	return number, number - f.nameH - f.nameGap/8, true, true
}

// nameRoom is how high a name may be to have room above the number wherever it has none under the level.
func (f flowPlan) nameRoom() float64 {
	return float64(f.limit-f.tight-f.above-f.nameGap/8) / 2
}

// level maps a share of the cup (0..1) to the level.
func (f flowPlan) levelAt(share float64) int {
	share = max(0, min(1, share))
	return f.bottom - int(float64(f.bottom-f.top)*share+.5)
}

// planFor is where the level goes on a panel, while it pours and after, when a way home stands below.
func planFor(g sheet.Geo, after bool) flowPlan {
	switch {
	case !g.Wide:
		return flowPlan{top: g.I(200), bottom: int(g.B(420)), sink: g.I(530), above: g.I(348), under: g.I(44), numberH: g.I(288), nameGap: g.I(92), limit: int(g.B(400))}
	case roomy(g):
		return flowPlan{top: g.I(60), bottom: g.I(690), sink: g.I(250), above: g.I(174), under: g.I(28), numberH: g.I(150), nameGap: g.I(44), limit: g.I(704)}
	case after:
		return flowPlan{top: g.I(20), bottom: g.I(440), sink: g.I(146), above: g.I(138), under: g.I(22), numberH: g.I(113), nameGap: g.I(36), limit: g.I(472)}
	}
	return flowPlan{top: g.I(20), bottom: g.I(440), sink: g.I(156), above: g.I(166), under: g.I(24), numberH: g.I(141), nameGap: g.I(46), limit: g.I(472)}
}

// flowView is the rising level with the measured number on it. level moves what there is; nothing is composed anew
// but digits seen for the first time.
type flowView struct {
	p       *pourPage
	l       *sheet.Look
	plan    flowPlan
	x       int // left edge of number and names, within part; the other edge where reading goes leftward
	part    int // width of what is beside the dome; portrait: of the panel
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
	notes   []*canvas.Image // figures of the full cup
	words   []string
	noteSz  theme.Size
	marks   []mark
	bubbles []bubble
	foam    *foamView // while foam settles
	after   bool      // nothing flows: there is a way home
	fullPic *canvas.Image
	fullSt  theme.Size
	fullTxt string
	at      int // present level, -1 before the first
}

func newFlowView(p *pourPage, s *sheet.Sheet) *flowView {
	l, g := p.l, p.l.Geo
	paused := p.active() && p.ui.pour.portion && p.ui.pour.state == paused
	f := &flowView{p: p, l: l, at: -1, after: p.done() || paused, edgeH: edgeH(g), x: int(g.X(48)), part: g.W}
	f.plan = planFor(g, f.after)
	f.plan.tight = f.edgeH/2 + g.I(6)
	if g.Wide {
		f.part = g.W - g.I(art.CornerR)
		s.Rail(f.part)
	}
	if g.Wide && !roomy(g) {
		f.x = g.I(28)
	}
	if l.RTL() && f.scaled() {
		f.x = g.I(200) // the jug scale keeps its side
	}
	if f.after {
		f.plan.limit = f.wayHome() - g.I(12)
		if t := p.trouble(); t != "" && !g.Wide {
			f.plan.limit -= f.noteHeight(f.noteLines(t)) + g.I(12)
		}
	}
	f.field = s.Box(0, 0, g.W, 0, p.c.Secondary)
	f.liquid = s.Box(0, 0, g.W, 0, p.c.Primary)
	f.edge = s.Pic(strip(l, p.c, p.c.Secondary, p.offer), 0, 0)
	s.Fixed(f.field, f.liquid, f.edge)
	v := p.serving()
	foams := p.done() && v.state == settling
	if f.scaled() && !foams {
		f.addBubbles(s)
		f.addScale(s)
	}
	if foams {
		f.foam = newFoamView(f, s, v)
	} else {
		f.texts(s)
	}
	f.full(s)
	s.Add(s.Fixed(p.dome))
	if f.after {
		f.finish(s)
	}
	return f
}

// scaled reports whether there is room for a jug scale and bubbles.
func (f *flowView) scaled() bool { return !f.l.Geo.Wide }

func (f *flowView) period() int { return f.l.Geo.I(art.WavePeriod) }

// wave moves the surface sideways, once round in 2.4 s at 15 frames a second.
func (f *flowView) wave() {
	f.phase = (f.phase + max(f.period()/36, 1)) % f.period()
	f.edge.Move(fyne.NewPos(float32(-f.phase), float32(f.at-f.edgeH/2)))
}

// full adds the mark of a full cup and what it means.
func (f *flowView) full(s *sheet.Sheet) {
	p, l, g := f.p, f.l, f.l.Geo
	s.BG, s.Ink = p.c.Secondary, p.c.OnSecondary
	text := l.T("pour.full_at", "size", p.size().Name(l.Words), "volume", oneUnit(l, p.size().ML))
	if g.Wide && !roomy(g) {
		if f.foam != nil {
			return // foam stands there
		}
		f.fullTxt, f.fullSt = text, fitted(l, text, l.At(22, 1.2, theme.Text, 0), g.S(330))
		f.fullPic = s.Pic(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
		s.Fixed(f.fullPic)
		return
	}
	dash := l.Compose(func() *image.RGBA {
		q := l.Picture(g.W, g.I(6), p.c.Secondary)
		for x := 0.0; x < float64(g.W); x += 40 * g.K {
			q.Box(int(x), 0, g.I(22), g.I(6), p.c.OnSecondary)
		}
		return q.RGBA
	}, "dash/%s/%d", p.offer.Brand.ID, g.W)
	s.Fixed(s.Pic(dash, 0, f.plan.top-g.I(3)))
	px := 36.0
	if roomy(g) {
		px = 26
	}
	st := fitted(l, text, l.At(px, 1, theme.Text, 0), g.S(900))
	s.Text(text, float64(f.x), float64(f.plan.top)-st.PX*1.3-g.S(14), st, art.Left)
}

// texts adds number, unit and name; level moves and colours them.
func (f *flowView) texts(s *sheet.Sheet) {
	p, l, g := f.p, f.l, f.l.Geo
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	width, px, height := g.S(860), g.S(150), g.S(280)
	brandPX, notePX := f.brandPX(), 30.0
	switch {
	case roomy(g):
		width, px, height, notePX = g.S(700), g.S(80), g.S(80), 24
	case g.Wide && f.after:
		width, px, height, notePX = g.S(380), g.S(64), g.S(64), 0
	case g.Wide:
		width, px, height, notePX = g.S(380), g.S(80), g.S(80), 20
	case l.RTL():
		width = g.S(800)
	}
	if notePX > 0 {
		note := l.T("facts.when_full", "kcal", kcal(p.offer.Beverage, p.size().ML), "sugar", sugarG(p.offer.Beverage, p.size().ML))
		f.noteSz = fitted(l, note, l.At(notePX, 1.3, theme.Text, 0), width)
		f.words = []string{note}
	}
	height = min(height, max((f.plan.nameRoom()-brandPX*1.35-f.noteSz.PX*1.6-g.S(6))/.95, g.S(34)))
	name := drinkName(l.Words, p.offer)
	sz := theme.Size{PX: px, Line: .95, Cut: theme.Condensed, Track: -.015}
	f.lines, sz.PX = art.FitName(l.Fonts, name, sz, width, height, 12, 3)
	if len(f.lines) > 1 { // one line if it does not get too small for it
		if one := l.Fonts.Fit([]string{name}, sz.Cut, sz.Track, width, px, 1); one >= px*.6 {
			f.lines, sz.PX = []string{name}, one
		}
	}
	f.nameSz = sz
	f.plan.nameH = int(brandPX*1.35 + f.nameSz.PX*.95*float64(len(f.lines)) + f.noteSz.PX*1.6)
	blank := image.NewRGBA(image.Rect(0, 0, 1, 1))
	pic := func() *canvas.Image {
		c := s.Pic(blank, 0, 0)
		s.Fixed(c)
		return c
	}
	f.brand = pic()
	for range f.lines {
		f.names = append(f.names, pic())
	}
	for range f.words {
		f.notes = append(f.notes, pic())
	}
	for range 5 {
		f.digits = append(f.digits, pic())
	}
	f.unit = pic()
	f.value = sheet.NewControl("pour.volume", sheet.RoleValue, l.T("pour.in_cup"), blank, 0, 0, nil)
	f.value.SetPicture(nil)
	s.Add(s.Fixed(f.value))
}

func (f *flowView) brandPX() float64 {
	switch g := f.l.Geo; {
	case roomy(g):
		return g.S(30)
	case g.Wide:
		return g.S(24)
	default:
		return g.S(40)
	}
}

// level shows ul microlitres.
func (f *flowView) level(ul int64) {
	p, g := f.p, f.l.Geo
	y := f.plan.levelAt(float64(ul) / 1000 / float64(p.size().ML))
	number, name, numberDry, nameDry := f.plan.place(y)
	if f.foam == nil {
		f.value.Value = fmt.Sprint(ul / 1000)
		f.number(ul, number, numberDry)
	}
	if y == f.at {
		return
	}
	f.at = y
	f.field.Resize(fyne.NewSize(float32(g.W), float32(y)))
	f.liquid.Move(fyne.NewPos(0, float32(y)))
	f.liquid.Resize(fyne.NewSize(float32(g.W), float32(g.H-y)))
	f.edge.Move(fyne.NewPos(float32(-f.phase), float32(y-f.edgeH/2)))
	clear := name + f.plan.nameH + g.I(12)
	if f.foam != nil {
		f.foam.level(y)
	} else {
		f.title(name, nameDry)
	}
	f.fullAt(y)
	for _, b := range f.bubbles {
		shown(b.pic, b.y-b.r > max(y+f.edgeH/2, clear))
	}
	for _, m := range f.marks {
		f.mark(m, y)
	}
}

// fullAt keeps what a full cup means on the small panel on one side of the surface.
func (f *flowView) fullAt(level int) {
	if f.fullPic == nil {
		return
	}
	g, fg, y := f.l.Geo, f.p.c.OnSecondary, f.l.Geo.I(30)
	if level < y+int(f.fullSt.PX*1.3)+f.edgeH/2 {
		fg, y = f.p.c.Ink, max(level+f.edgeH/2+g.I(2), y)
	}
	img, over := f.l.Label(f.fullTxt, art.Style{Size: f.fullSt, Color: fg})
	sheet.Replace(f.fullPic, img)
	f.fullPic.Move(fyne.NewPos(float32(g.W-g.I(16)-img.Rect.Dx()), float32(y-over)))
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

// put places a picture of width w that reading begins at x with.
func (f *flowView) put(c *canvas.Image, x, w, y float64) {
	if f.l.RTL() {
		x = float64(f.part) - x - w
	}
	c.Move(fyne.NewPos(float32(int(x)), float32(int(y))))
}

// number sets the volume in cells of one width, so that it does not dance.
func (f *flowView) number(ul int64, y int, dry bool) {
	p, l, g := f.p, f.l, f.l.Geo
	fg := p.c.Ink
	if dry {
		fg = p.c.OnSecondary
	}
	sz := digitSize(g, f.after)
	text, unit := reading(l, ul)
	cells := make([]*image.RGBA, 0, len(f.digits))
	wide := 0
	widths := make([]int, 0, len(f.digits))
	for _, r := range text {
		if len(cells) == len(f.digits) {
			break
		}
		img, cell := digit(l, sz, string(r), fg)
		cells, widths = append(cells, img), append(widths, cell)
		wide += cell
	}
	us := theme.Size{PX: sz.PX * .3, Line: 1, Cut: theme.Display, Track: -.015}
	uimg, over := l.Label(unit, art.Style{Size: us, Color: fg})
	uw, gap := l.Fonts.Width(unit, us.Cut, us.PX, us.Track), g.S(14)
	x := float64(f.x)
	ux := x + float64(wide) + gap
	if l.RTL() { // digits go rightward in every language; the unit follows as reading goes
		x = float64(f.part - f.x - wide)
		ux = x - gap - uw
	}
	x0 := x
	for i, c := range f.digits {
		shown(c, i < len(cells))
		if i >= len(cells) {
			continue
		}
		sheet.Replace(c, cells[i])
		c.Move(fyne.NewPos(float32(int(x)), float32(y)))
		x += float64(widths[i])
	}
	sheet.Replace(f.unit, uimg)
	base := l.Fonts.Baseline(sz.Cut, sz.PX, sz.Line) - l.Fonts.Baseline(us.Cut, us.PX, us.Line)
	f.unit.Move(fyne.NewPos(float32(int(ux-us.PX*.05)), float32(int(float64(y)+base)-over)))
	f.value.Move(fyne.NewPos(float32(int(x0)), float32(y)))
	f.value.Resize(fyne.NewSize(float32(wide), float32(sz.PX*sz.Line)))
}

// title sets brand, name and figures at y.
func (f *flowView) title(y int, dry bool) {
	p, l := f.p, f.l
	fg := p.c.Ink
	if dry {
		fg = p.c.OnSecondary
	}
	line := func(c *canvas.Image, t string, sz theme.Size, y float64) {
		img, over := l.Label(t, art.Style{Size: sz, Color: fg})
		sheet.Replace(c, img)
		f.put(c, float64(f.x)-sz.PX*.05, float64(img.Rect.Dx()), y-float64(over))
	}
	brandPX := f.brandPX()
	line(f.brand, p.offer.Brand.Name, theme.Size{PX: brandPX, Line: 1, Cut: theme.Text}, float64(y))
	top := float64(y) + brandPX*1.35
	for i, t := range f.lines {
		line(f.names[i], t, f.nameSz, top+float64(i)*f.nameSz.PX*.9)
	}
	top += float64(len(f.lines))*f.nameSz.PX*.9 + f.noteSz.PX*.5
	for i, t := range f.words {
		line(f.notes[i], t, f.noteSz, top+float64(i)*f.noteSz.PX*f.noteSz.Line)
	}
}

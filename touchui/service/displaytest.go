package service

import (
	"image"
	"image/color"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/art"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// What the display test shows, in order.
const (
	testMenu = iota
	testColours
	testGrid
	testTouch
)

// displayPage tests panel and touch: full colours for dead pixels, a grid up to the edges, and a field of cells to wipe.
type displayPage struct {
	s     *Service
	part  int
	shade int
	field *touchField
	quit  int // seconds until the touch part ends when nobody touches
	says  string
	bad   bool
}

func newDisplayTest(s *Service) *displayPage { return &displayPage{s: s} }

func (p *displayPage) name() string { return "display" }
func (p *displayPage) close()       {}

// shades a person looks for dead and stuck pixels on.
func (p *displayPage) shades() []color.RGBA {
	return []color.RGBA{
		{R: 255, A: 255}, {G: 255, A: 255}, {B: 255, A: 255}, {R: 255, G: 255, B: 255, A: 255}, {A: 255}, {R: 128, G: 128, B: 128, A: 255},
	}
}

func (p *displayPage) build(sh *sheet.Sheet) {
	d := p.s.on(sh)
	p.field = nil
	switch p.part {
	case testColours:
		p.buildColours(d)
	case testGrid:
		p.buildGrid(d)
	case testTouch:
		p.buildTouch(d)
	default:
		p.buildMenu(d)
	}
}

func (p *displayPage) buildMenu(d *draw) {
	m, s := d.m, p.s
	area := d.header(d.T("service.display.title"), d.T("service.display.size", "w", m.w, "h", m.h), s.showMenu)
	h := max(m.v(200, 84), m.key)
	parts := []struct {
		id   string
		part int
		icon string
	}{{"colours", testColours, "all"}, {"grid", testGrid, "still"}, {"touch", testTouch, "tap"}}
	y := area.y
	if !m.wide { // low, in reach
		y += area.h - len(parts)*(h+m.gap) + m.gap
	}
	for _, e := range parts {
		d.card("service.display."+e.id, d.T("service.display."+e.id), d.T("service.display."+e.id+".say"), e.icon, rect{area.x, y, area.w, h}, d.Roles.Ink, func() {
			p.part, p.shade, p.says = e.part, 0, ""
			s.redraw()
		}, m.heading)
		y += h + m.gap
	}
	if p.says != "" {
		c := d.Roles.Go
		if p.bad {
			c = d.Roles.Warn
		}
		if !m.wide {
			y = area.y - m.gap
		}
		d.para(p.says, area.x, y+m.gap, area.w, 4, m.body, c)
	}
}

// whole is a control as large as the screen that shows img.
func (d *draw) whole(id, name string, img image.Image, tap func()) {
	c := sheet.NewControl(id, sheet.RoleButton, name, img, 0, 0, tap)
	c.Flat = true
	d.Control(c)
}

func (p *displayPage) buildColours(d *draw) {
	c := p.shades()[p.shade]
	q := art.NewPicture(d.Fonts, d.m.w, d.m.h, c)
	d.whole("service.display.next", d.T("service.display.next"), q.RGBA, func() {
		if p.shade++; p.shade == len(p.shades()) {
			p.part, p.says, p.bad = testMenu, "", false
		}
		p.s.redraw()
	})
}

// buildGrid draws lines on the outermost pixels, a grid, and the corners named: what is cut off or doubled is seen.
func (p *displayPage) buildGrid(d *draw) {
	m := d.m
	q := art.NewPicture(d.Fonts, m.w, m.h, d.Roles.BG)
	defer q.Fixed()()
	step := m.v(60, 40)
	for x := 0; x < m.w; x += step {
		q.Box(x, 0, 1, m.h, d.Roles.Line)
	}
	for y := 0; y < m.h; y += step {
		q.Box(0, y, m.w, 1, d.Roles.Line)
	}
	ink := d.Roles.Ink
	q.Box(0, 0, m.w, 1, ink)
	q.Box(0, m.h-1, m.w, 1, ink)
	q.Box(0, 0, 1, m.h, ink)
	q.Box(m.w-1, 0, 1, m.h, ink)
	r := float64(min(m.w, m.h)) * .4
	cx, cy := float64(m.w)/2, float64(m.h)/2
	q.Fill((&art.Path{}).Circle(cx, cy, r).Stroke(art.Pen{Width: 2}), ink)
	st := art.Style{Size: theme.Size{PX: m.f(40, 20), Line: 1, Cut: theme.Text}, Color: ink}
	pad := m.f(20, 10)
	w, h := float64(m.w), float64(m.h)
	q.Text("1", pad, pad, st, art.Left)
	q.Text("2", w-pad, pad, st, art.Right)
	q.Text("3", pad, h-pad-st.PX, st, art.Left)
	q.Text("4", w-pad, h-pad-st.PX, st, art.Right)
	for i := range 16 { // a scale of greys: all have to differ
		g := uint8(i * 17)
		q.Box(m.w*i/16, m.h/2-m.v(60, 30), m.w/16+1, m.v(120, 60), color.RGBA{R: g, G: g, B: g, A: 255})
	}
	d.whole("service.display.done", d.T("service.display.next"), q.RGBA, func() { p.part = testMenu; p.s.redraw() })
}

// touchIdle ends the touch part when no finger came: a person whose touches do not arrive cannot leave by touching.
const touchIdle = 20

func (p *displayPage) buildTouch(d *draw) {
	p.quit = touchIdle
	p.field = newTouchField(d, p)
	for _, o := range p.field.objects() {
		d.Fixed(o)
		d.Add(o)
	}
}

func (p *displayPage) second() {
	if p.part != testTouch {
		return
	}
	if p.s.stage.Touching() {
		p.quit = touchIdle
		return
	}
	if p.quit--; p.quit <= 0 {
		p.finish()
	}
}

// finish ends the touch part with its result.
func (p *displayPage) finish() {
	l := p.s.look
	missed, places := p.field.missed()
	p.part, p.bad = testMenu, missed > 0
	p.says = l.T("service.display.all")
	if missed > 0 {
		p.says = l.N("service.display.missed", missed) + " " + l.Words.List(places...)
	}
	p.s.redraw()
}

// touchField is the screen in cells. Each cell takes its own finger, so that all ten can draw at once; where one passed,
// the cell is marked and its trail drawn.
type touchField struct {
	p          *displayPage
	cols, rows int
	seen       []bool
	left       int
	img        *image.RGBA
	pic        *canvas.Image
	q          *art.Picture
	d          *draw
	cells      []fyne.CanvasObject
}

func newTouchField(d *draw, p *displayPage) *touchField {
	size := max(d.Geo.MM(12), 40) // half of what a finger covers
	f := &touchField{p: p, d: d, cols: max(4, d.m.w/size), rows: max(4, d.m.h/size)}
	f.left = f.cols * f.rows
	f.seen = make([]bool, f.left)
	f.q = art.NewPicture(d.Fonts, d.m.w, d.m.h, d.Roles.BG)
	f.q.Fixed() // cells are where they are in every language
	for i := range f.seen {
		r := f.cell(i)
		f.q.Box(r.x, r.y, r.w-1, r.h-1, d.Roles.Surface)
	}
	f.img = f.q.RGBA
	f.pic = sheet.Picture(f.img, 0, 0)
	for i := range f.seen {
		r := f.cell(i)
		c := &touchCell{f: f, i: i}
		c.ExtendBaseWidget(c)
		c.Move(fyne.NewPos(float32(r.x), float32(r.y)))
		c.Resize(fyne.NewSize(float32(r.w), float32(r.h)))
		f.cells = append(f.cells, c)
	}
	return f
}

func (f *touchField) objects() []fyne.CanvasObject {
	return append([]fyne.CanvasObject{f.pic}, f.cells...)
}

func (f *touchField) cell(i int) rect {
	x, y := i%f.cols, i/f.cols
	x0, x1 := x*f.d.m.w/f.cols, (x+1)*f.d.m.w/f.cols
	y0, y1 := y*f.d.m.h/f.rows, (y+1)*f.d.m.h/f.rows
	return rect{x0, y0, x1 - x0, y1 - y0}
}

// trail marks what a finger passed from a to b.
func (f *touchField) trail(a, b fyne.Position) {
	d := f.d
	n := int(max(1, math.Hypot(float64(b.X-a.X), float64(b.Y-a.Y))/8))
	for i := range n + 1 {
		t := float32(i) / float32(n)
		x, y := int(a.X+(b.X-a.X)*t), int(a.Y+(b.Y-a.Y)*t)
		if x < 0 || y < 0 || x >= d.m.w || y >= d.m.h {
			continue
		}
		at := x*f.cols/d.m.w + y*f.rows/d.m.h*f.cols
		if !f.seen[at] {
			f.seen[at] = true
			f.left--
			r := f.cell(at)
			f.q.Box(r.x, r.y, r.w-1, r.h-1, d.Roles.Go)
		}
	}
	line := (&art.Path{}).Move(float64(a.X), float64(a.Y)).Line(float64(b.X)+.1, float64(b.Y))
	f.q.Fill(line.Stroke(art.Pen{Width: d.m.f(10, 5), Round: true}), d.Roles.Ink)
	f.show()
}

// show presents the field: the same pixels in a new image, so that the painter sees a change.
func (f *touchField) show() {
	next := *f.img
	f.pic.Image = &next
	f.pic.Refresh()
}

// missed counts the cells no finger reached, and says in which parts of the screen they lie.
func (f *touchField) missed() (n int, places []string) {
	var parts [3][3]int
	for i, s := range f.seen {
		if !s {
			n++
			parts[(i/f.cols)*3/f.rows][(i%f.cols)*3/f.cols]++
		}
	}
	names := [3][3]string{{"topleft", "top", "topright"}, {"left", "centre", "right"}, {"bottomleft", "bottom", "bottomright"}}
	for y := range parts {
		for x := range parts[y] {
			if parts[y][x] > 0 {
				places = append(places, f.d.T("service.display."+names[y][x]))
			}
		}
	}
	return n, places
}

// touchCell is one cell: it draws its finger's trail over the whole field.
type touchCell struct {
	widget.BaseWidget
	f    *touchField
	i    int
	last fyne.Position
}

var (
	_ kiosk.Accessible = (*touchCell)(nil)
	_ mobile.Touchable = (*touchCell)(nil)
	_ fyne.Draggable   = (*touchCell)(nil)
)

// CreateRenderer implements fyne.Widget: the field's picture lies below.
func (c *touchCell) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(canvas.NewRectangle(color.Transparent))
}

func (c *touchCell) to(p fyne.Position, begin bool) {
	at := c.Position().Add(p)
	if begin {
		c.last = at
	}
	c.f.trail(c.last, at)
	c.last = at
}

// TouchDown implements mobile.Touchable.
func (c *touchCell) TouchDown(e *mobile.TouchEvent) { c.to(e.Position, true) }

// TouchUp implements mobile.Touchable.
func (c *touchCell) TouchUp(*mobile.TouchEvent) { c.ended() }

// TouchCancel implements mobile.Touchable: a drag follows.
func (c *touchCell) TouchCancel(*mobile.TouchEvent) {}

// Dragged implements fyne.Draggable.
func (c *touchCell) Dragged(e *fyne.DragEvent) { c.to(e.Position, false) }

// DragEnd implements fyne.Draggable.
func (c *touchCell) DragEnd() { c.ended() }

// ended: when every cell was reached, the test is over.
func (c *touchCell) ended() {
	if c.f.left == 0 && c.f.p.part == testTouch && !c.f.p.s.drawing {
		c.f.p.finish()
	}
}

// AccessibleID implements kiosk.Accessible, as do the next four. Only the first cell stands for the field.
func (c *touchCell) AccessibleID() string {
	return numbered("service.display.cell", c.i)
}
func (c *touchCell) AccessibleRole() string { return "cell" }
func (c *touchCell) AccessibleName() string { return c.f.d.T("service.display.touch") }
func (c *touchCell) AccessibleValue() string {
	return map[bool]string{true: "on", false: "off"}[c.f.seen[c.i]]
}
func (c *touchCell) AccessibleEnabled() bool { return true }

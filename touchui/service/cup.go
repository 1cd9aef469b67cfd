package service

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/art"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// cup is the measuring cup: its level is dragged to where the liquid stands. Touching it puts the level there.
type cup struct {
	widget.BaseWidget
	n   *number
	d   *draw
	r   rect
	pic *canvas.Image
}

var (
	_ kiosk.Accessible = (*cup)(nil)
	_ mobile.Touchable = (*cup)(nil)
	_ fyne.Draggable   = (*cup)(nil)
)

func newCup(d *draw, n *number, r rect) *cup {
	c := &cup{n: n, d: d.s.on(d.Look.Sheet(d.Roles.BG, d.Roles.Ink)), r: r}
	c.pic = sheet.Picture(c.draw(), 0, 0)
	c.ExtendBaseWidget(c)
	c.Move(fyne.NewPos(float32(r.x), float32(r.y)))
	c.Resize(fyne.NewSize(float32(r.w), float32(r.h)))
	return c
}

// CreateRenderer implements fyne.Widget.
func (c *cup) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(c.pic) }

// Forget drops the picture of a page that is gone.
func (c *cup) Forget() { c.pic.Image = nil }

// The inside of the cup, in shares of its picture's height.
const (
	cupTop    = .03
	cupBottom = .97
	cupFull   = .06 // where the top mark is, below the rim
)

func (c *cup) level(y float32) float64 {
	h := float64(c.r.h)
	return (cupBottom - float64(y)/h) / (cupBottom - cupTop - cupFull) * c.n.scale()
}

// TouchDown implements mobile.Touchable.
func (c *cup) TouchDown(e *mobile.TouchEvent) { c.n.to(c.level(e.Position.Y)) }

// TouchUp implements mobile.Touchable.
func (c *cup) TouchUp(*mobile.TouchEvent) {}

// TouchCancel implements mobile.Touchable: a drag goes on by Dragged; a lost finger ends the operation.
func (c *cup) TouchCancel(*mobile.TouchEvent) { c.n.page.fingerLost() }

// Dragged implements fyne.Draggable.
func (c *cup) Dragged(e *fyne.DragEvent) { c.n.to(c.level(e.Position.Y)) }

// DragEnd implements fyne.Draggable.
func (c *cup) DragEnd() { c.n.page.fingerLost() }

func (c *cup) show() {
	if c.pic.Image != nil {
		sheet.Replace(c.pic, c.draw())
	}
}

// AccessibleID implements kiosk.Accessible, as do the next four.
func (c *cup) AccessibleID() string    { return "service.op.cup" }
func (c *cup) AccessibleRole() string  { return sheet.RoleSlider }
func (c *cup) AccessibleName() string  { return c.d.s.said(c.n.ask.What) }
func (c *cup) AccessibleValue() string { return c.n.text() + " " + c.n.ask.Unit }
func (c *cup) AccessibleEnabled() bool { return true }

// draw draws the cup: its wall, the liquid cut hard at the level, the scale, and the handle at the level.
func (c *cup) draw() *image.RGBA {
	d, m := c.d, c.d.m
	q := art.Clear(d.Fonts, c.r.w, c.r.h)
	defer q.Fixed()() // a scale is read the same way everywhere
	w, h := float64(c.r.w), float64(c.r.h)
	pen := m.f(9, 4)
	top, bottom := cupTop*h, cupBottom*h
	handle := m.f(72, 40)
	inset := m.f(24, 10) // room for the handle, which stands out
	xl, xr := inset, w-pen
	lean := (xr - xl) * .11
	side := func(y float64) (l, r float64) {
		t := (y - top) / (bottom - top)
		return xl + lean*t, xr - lean*t
	}
	body := (&art.Path{}).Poly(xl, top, xr, top, xr-lean, bottom, xl+lean, bottom)
	q.Fill(body, d.Roles.Surface)
	scale := c.n.scale()
	at := func(v float64) float64 { return bottom - v/scale*(bottom-top-cupFull*h) }
	y := bottom
	if c.n.set {
		y = max(top, at(c.n.value))
		l, r := side(y)
		q.Fill((&art.Path{}).Poly(l, y, r, y, xr-lean, bottom, xl+lean, bottom), d.Roles.Warn)
	}
	major := nice(scale / 6)
	font := theme.Size{PX: m.f(30, 15), Line: 1, Cut: theme.Text}
	marks := func(ink color.RGBA) {
		for i := 1; float64(i)*major/5 <= scale*1.001; i++ {
			v := float64(i) * major / 5
			ly := at(v)
			_, r := side(ly)
			r -= m.f(44, 18)
			length, thick := m.f(40, 18), m.f(5, 2)
			if i%5 == 0 {
				length, thick = m.f(80, 34), m.f(6, 3)
				if ly-font.PX > y || ly+font.PX < y || !c.n.set { // a number that the level crosses is not read
					q.Text(c.n.mark(v), r-length-m.f(18, 8), ly-font.PX/2, art.Style{Size: font, Color: ink}, art.Right)
				}
			}
			q.Fill((&art.Path{}).Rect(r-length, ly-thick/2, length, thick, 0), ink)
		}
	}
	edge := int(y + .5) // the scale is light above the liquid and dark on it
	restore := q.Clip(image.Rect(0, 0, c.r.w, edge))
	marks(d.Roles.Ink)
	restore()
	restore = q.Clip(image.Rect(0, edge, c.r.w, c.r.h))
	marks(d.Roles.OnWarn)
	restore()
	wall := (&art.Path{}).Move(xl, top).Line(xl+lean, bottom).Line(xr-lean, bottom).Line(xr, top)
	q.Fill(wall.Stroke(art.Pen{Width: pen, Round: true}), d.Roles.Ink)
	hy := min(max(y, top+handle/2), bottom-handle/2)
	if !c.n.set {
		hy = (top + bottom) / 2
	}
	hw := handle * 2.4
	q.Round(0, hy-handle/2, hw, handle, handle/2, d.Roles.Active)
	icon := handle * .55
	q.Icon("up", hw*.25-icon/2+handle*.1, hy-icon/2, icon, d.Roles.OnActive)
	q.Icon("down", hw*.75-icon/2-handle*.1, hy-icon/2, icon, d.Roles.OnActive)
	return q.RGBA
}

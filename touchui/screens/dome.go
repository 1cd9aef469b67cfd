package screens

import (
	"fmt"
	"image"
	"math"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/art"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// dome is the push pad above the nozzle. It reports fingers; it decides nothing. The kiosk gives an object to one
// finger at a time, so a second finger on the dome never arrives here.
type dome struct {
	widget.BaseWidget
	ui       *UI
	id       string
	role     string
	style    art.DomeStyle
	value    string
	disabled bool
	pic      *canvas.Image
	down, up func()
	tap      func() // for a dome that is a plain button
	keyed    bool   // a key was the last to press it
}

var (
	_ kiosk.Accessible = (*dome)(nil)
	_ kiosk.Round      = (*dome)(nil)
	_ mobile.Touchable = (*dome)(nil)
)

func newDome(u *UI, id, role string, down, up func()) *dome {
	d := &dome{ui: u, id: id, role: role, pic: sheet.Picture(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0), down: down, up: up}
	d.ExtendBaseWidget(d)
	if d.low() {
		d.lowPlace()
		return d
	}
	g := u.leaf().Geo
	if g.Wide {
		r := g.I(art.CornerR)
		d.Resize(fyne.NewSize(float32(r), float32(r)))
		d.Move(fyne.NewPos(float32(g.W-r), float32(g.H-r)))
		return d
	}
	h := g.I(1920 - art.DomeTop)
	d.Resize(fyne.NewSize(float32(int(2*art.DomeR*g.K+.5)), float32(h)))
	d.Move(fyne.NewPos(float32(int(g.X(540-art.DomeR)+.5)), float32(g.H-h)))
	return d
}

// look changes what the dome shows.
func (d *dome) look(st art.DomeStyle, value string, disabled bool) {
	d.style, d.value, d.disabled = st, value, disabled
	if d.low() {
		sheet.Replace(d.pic, d.lowPicture(st))
		return
	}
	sheet.Replace(d.pic, pad(d.ui.leaf(), st))
}

// pad composes the push pad once for each look of it.
func pad(l *sheet.Look, st art.DomeStyle) *image.RGBA {
	return l.Compose(func() *image.RGBA {
		if l.Geo.Wide {
			return art.Corner(l.Fonts, corners(l.Fonts, st.Label), st, l.Geo.K)
		}
		return art.Dome(l.Fonts, l.Geo.I(1920-art.DomeTop), st, l.Geo.K)
	}, "dome/%s", fmt.Sprint(st))
}

// corners breaks a label for the corner pad, so that it can be set as large as its round allows, in lines of like length.
func corners(f *theme.Fonts, label string) []string {
	const widest, largest = 230, 46 // drawn, as art.Corner sets it
	sz := theme.Size{PX: 100, Line: 1, Cut: theme.Display, Track: -.015}
	var best []string
	bestPX := 0.0
	for n := 1; n <= 3; n++ {
		lines, px := art.FitName(f, label, sz, widest, float64(n)*100, 8, n) // no size is the largest: the breaks decide
		if px = min(px, largest); px > bestPX*1.03 {
			best, bestPX = lines, px
		}
	}
	return best
}

// Forget drops the picture of a dome that is not shown again.
func (d *dome) Forget() { d.pic.Image = nil }

// CreateRenderer implements fyne.Widget.
func (d *dome) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(d.pic) }

// Covers reports whether a point lies on the round pad, not only in its box.
func (d *dome) Covers(p fyne.Position) bool {
	at, r := d.Disc()
	if r == 0 {
		return true // its corners are too small to be missed
	}
	return math.Hypot(float64(p.X-at.X), float64(p.Y-at.Y)) <= float64(r)
}

// Disc implements kiosk.Round: its centre lies in the lower corner of landscape panels, and below the lower edge of portrait
// ones. The pad of low reach is none.
func (d *dome) Disc() (fyne.Position, float32) {
	if d.low() {
		return fyne.Position{}, 0
	}
	g := d.ui.leaf().Geo
	r := float32(art.DomeR * g.K)
	if g.Wide {
		r = float32(art.CornerR * g.K)
	}
	return fyne.NewPos(r, r), r
}

// TouchDown implements mobile.Touchable.
func (d *dome) TouchDown(e *mobile.TouchEvent) {
	if !d.disabled && d.down != nil && d.Covers(e.Position) {
		d.keyed = false
		d.down()
	}
}

// TouchUp implements mobile.Touchable.
func (d *dome) TouchUp(*mobile.TouchEvent) { d.lifted() }

// TouchCancel implements mobile.Touchable: slid off, covered, or the finger is lost.
func (d *dome) TouchCancel(*mobile.TouchEvent) { d.lifted() }

func (d *dome) lifted() {
	if d.up != nil {
		d.up()
	}
}

// Tapped implements fyne.Tappable.
func (d *dome) Tapped(e *fyne.PointEvent) {
	if d.tap != nil && !d.disabled && d.Covers(e.Position) {
		d.tap()
	}
}

// AccessibleID implements kiosk.Accessible, as do the next four.
func (d *dome) AccessibleID() string    { return d.id }
func (d *dome) AccessibleRole() string  { return d.role }
func (d *dome) AccessibleName() string  { return strings.TrimSpace(d.style.Label + ". " + d.style.Sub) }
func (d *dome) AccessibleValue() string { return d.value }
func (d *dome) AccessibleEnabled() bool { return !d.disabled }

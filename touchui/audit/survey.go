package audit

import (
	"image"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/kiosk"
	"fountain/touchui/kiosk/paint"
	"fountain/touchui/sheet"
)

// survey is what lies on a screen, in pixels.
type survey struct {
	screen   image.Rectangle
	texts    []placed
	controls []control
}

// placed is a text on the screen.
type placed struct {
	text
	owner  string          // id of the control it belongs to, "" for none
	clip   image.Rectangle // what can be seen there
	slides bool            // it is in something that scrolls: cut off there it comes by scrolling
	across bool            // that scrolls sideways
}

// control is something that can be touched.
type control struct {
	id, role string
	enabled  bool
	full     image.Rectangle // as if nothing cut it off
	seen     image.Rectangle
	shape    Shaped
}

// Shaped is implemented by a control that is not as large as its box, such as a round one.
type Shaped interface {
	Covers(fyne.Position) bool // in the control's own coordinates
}

// covers reports whether a touch there is the control's.
func (c control) covers(p image.Point) bool {
	if !p.In(c.seen) {
		return false
	}
	return c.shape == nil || c.shape.Covers(fyne.NewPos(float32(p.X-c.full.Min.X), float32(p.Y-c.full.Min.Y)))
}

// touchable are the roles a finger acts on; others are only read.
var touchable = map[string]bool{
	sheet.RoleButton: true, sheet.RoleTile: true, sheet.RoleSwitch: true, sheet.RoleSlider: true, sheet.RoleKey: true, sheet.RoleHold: true,
}

type walker struct {
	*survey
	trace *Trace
}

// where is what a walk knows about the place it is at.
type where struct {
	off    fyne.Position
	clip   paint.Rect
	owner  string
	slides bool
	across bool
}

func (t *Trace) survey(c fyne.Canvas, screen image.Rectangle) *survey {
	w := walker{survey: &survey{screen: screen}, trace: t}
	top := c.Content()
	if o := c.Overlays().Top(); o != nil {
		top = o // what lies below it cannot be read or touched now
	}
	w.walk(top, where{clip: paint.Rect{X1: float32(screen.Dx()), Y1: float32(screen.Dy())}})
	return w.survey
}

func (w *walker) walk(o fyne.CanvasObject, at where) {
	if o == nil || !o.Visible() {
		return
	}
	at.off = at.off.Add(o.Position())
	own := paint.RectOf(at.off, o.Size())
	if acc, ok := o.(kiosk.Accessible); ok {
		at.owner = acc.AccessibleID()
		c := control{id: acc.AccessibleID(), role: acc.AccessibleRole(), enabled: acc.AccessibleEnabled(), full: pixels(own), seen: pixels(own.Intersect(at.clip))}
		c.shape, _ = o.(Shaped)
		if !c.seen.Empty() && touchable[c.role] {
			w.controls = append(w.controls, c)
		}
	}
	if img, ok := o.(*canvas.Image); ok && img.Image != nil {
		by := image.Pt(ceil(at.off.X), ceil(at.off.Y))
		for _, x := range w.trace.of(img.Image) {
			p := placed{text: x.moved(by, image.Rect(-far, -far, far, far)), owner: at.owner, clip: pixels(at.clip), slides: at.slides, across: at.across}
			w.texts = append(w.texts, p)
		}
	}
	kids, clips := paint.Children(o)
	if clips {
		at.clip = at.clip.Intersect(own)
		at.slides = true
		if sc, ok := o.(*container.Scroll); ok {
			at.across = at.across || sc.Direction != container.ScrollVerticalOnly
		}
	}
	for _, k := range kids {
		w.walk(k, at)
	}
}

const far = 1 << 20

func ceil(v float32) int { return int(math.Ceil(float64(v))) }

func pixels(r paint.Rect) image.Rectangle {
	if r.Empty() {
		return image.Rectangle{}
	}
	return image.Rect(ceil(r.X0), ceil(r.Y0), ceil(r.X1), ceil(r.Y1))
}

// seen is the part of a text's ink that is on the screen.
func (p placed) seen() image.Rectangle { return p.Box.Intersect(p.clip).Intersect(p.Clip) }

// shows counts the pixels of solid ink that should be seen, and those that are seen in the text's colour.
func (p placed) shows(shot *image.RGBA) (want, got int) {
	r := p.seen()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if p.ink.AlphaAt(x, y).A < 250 {
				continue
			}
			want++
			if near(shot.RGBAAt(x, y), p.Color) {
				got++
			}
		}
	}
	return want, got
}

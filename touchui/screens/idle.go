package screens

import (
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/kiosk"
)

// How long nobody touches before the screen grows dim, and before it returns to the start (tokens file, motion.idle).
const (
	DimAfter  = 45 * time.Second
	IdleAfter = 60 * time.Second
)

// Rest is how far a screen that nobody uses has gone to rest.
type Rest int

// Stages of rest.
const (
	Awake Rest = iota
	Dim        // it says that it is about to forget
	Away       // it returns to the start
)

// Idle is the rule of the idle return: never while a cup stands, foam settles, a pour is active or a finger rests, and only
// DimAfter and IdleAfter after the last of these.
type Idle struct {
	busy time.Time // last moment something kept the screen
}

// At is how far the screen rests now, given what is so now. keep is anything but a finger that keeps the screen.
func (i *Idle) At(now, lastTouch time.Time, keep, touching bool) Rest {
	if keep || touching || i.busy.IsZero() {
		i.busy = now
	}
	if lastTouch.After(i.busy) {
		i.busy = lastTouch
	}
	switch since := now.Sub(i.busy); {
	case since >= IdleAfter:
		return Away
	case since >= DimAfter:
		return Dim
	}
	return Awake
}

// kept reports whether something but a finger keeps the screen as it is.
func (u *UI) kept() bool {
	s := &u.snap
	return s.Cup || u.pour.active() || s.Pour != nil && (s.Pour.FoamMS > 0 || s.Pour.TopOffMS > 0)
}

// tick runs every second on the Fyne thread.
func (u *UI) tick() {
	u.packBusy()
	u.narrate()
	rest := u.idle.At(u.now(), u.stage.LastTouch(), u.kept(), u.stage.Touching())
	switch u.page.(type) {
	case *outagePage, *attractPage, *servicePage:
		return
	}
	switch rest {
	case Away:
		u.reset()
		u.show(newAttract(u))
	case Dim:
		u.dim()
	case Awake: // a cup or a drink can wake it too
		u.undim()
	}
}

// dimmed is the alpha of the veil over a screen that is about to forget.
const dimmed = 140

// dim lays a veil over the page. The touch that takes it away does nothing else.
func (u *UI) dim() {
	if u.veiled {
		return
	}
	u.veiled = true
	w := &waker{id: "idle.wake", name: u.T("attract.start"), face: canvas.NewRectangle(color.NRGBA{A: dimmed}), wake: u.undim}
	w.ExtendBaseWidget(w)
	w.Resize(fyne.NewSize(float32(u.Geo.W), float32(u.Geo.H)))
	u.stage.SetContent(container.NewWithoutLayout(u.page.content(), w))
}

func (u *UI) undim() {
	if !u.veiled {
		return
	}
	u.veiled = false
	u.stage.SetContent(u.page.content())
}

// waker is as large as the screen and takes the first touch, wherever and however long it is; what stands there after it
// does not get that touch.
type waker struct {
	widget.BaseWidget
	id, name string
	face     fyne.CanvasObject
	wake     func()
}

var (
	_ kiosk.Accessible = (*waker)(nil)
	_ fyne.Tappable    = (*waker)(nil)
	_ mobile.Touchable = (*waker)(nil)
)

// CreateRenderer implements fyne.Widget.
func (w *waker) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(w.face) }

// TouchDown implements mobile.Touchable: the screen changes at once, which takes the finger away from whatever comes.
func (w *waker) TouchDown(*mobile.TouchEvent) { w.wake() }

// TouchUp implements mobile.Touchable.
func (w *waker) TouchUp(*mobile.TouchEvent) {}

// TouchCancel implements mobile.Touchable.
func (w *waker) TouchCancel(*mobile.TouchEvent) {}

// Tapped implements fyne.Tappable, for keys.
func (w *waker) Tapped(*fyne.PointEvent) { w.wake() }

// AccessibleID implements kiosk.Accessible, as do the next four.
func (w *waker) AccessibleID() string    { return w.id }
func (w *waker) AccessibleRole() string  { return "button" }
func (w *waker) AccessibleName() string  { return w.name }
func (w *waker) AccessibleValue() string { return "" }
func (w *waker) AccessibleEnabled() bool { return true }

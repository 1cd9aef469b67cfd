package screens

import (
	"image"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/agent/api"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
)

// serviceHold is how long a finger rests on the machine's name to ask for the technician's screens: longer than anybody
// rests by chance. A PIN comes after it, so it is no secret.
const serviceHold = 3 * time.Second

// corner is the machine's name as a picture; a finger that rests on it for serviceHold opens the technician's screens.
type corner struct {
	widget.BaseWidget
	ui   *UI
	pic  *canvas.Image
	stop func() // of the running timer; nil: no finger rests
}

var (
	_ kiosk.Accessible = (*corner)(nil)
	_ mobile.Touchable = (*corner)(nil)
)

// serviceCorner adds the machine's name at x, y as the entrance for technicians. Where there are no technician's screens
// it is only the name.
func (u *UI) serviceCorner(s *sheet.Sheet, img image.Image, x, y int) fyne.CanvasObject {
	if u.service == nil {
		return s.Pic(img, x, y)
	}
	c := &corner{ui: u, pic: sheet.Picture(img, 0, 0)}
	c.ExtendBaseWidget(c)
	c.Move(fyne.NewPos(float32(x), float32(y)))
	c.Resize(c.pic.Size())
	s.Add(c)
	return c
}

// CreateRenderer implements fyne.Widget.
func (c *corner) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(c.pic) }

// TouchDown implements mobile.Touchable.
func (c *corner) TouchDown(*mobile.TouchEvent) {
	c.let()
	c.stop = c.ui.stage.Every(serviceHold, func() {
		c.let()
		c.ui.openService()
	})
}

// TouchUp implements mobile.Touchable.
func (c *corner) TouchUp(*mobile.TouchEvent) { c.let() }

// TouchCancel implements mobile.Touchable.
func (c *corner) TouchCancel(*mobile.TouchEvent) { c.let() }

func (c *corner) let() {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

// Forget drops the picture of a corner that is not shown again, and whatever waits for it.
func (c *corner) Forget() {
	c.let()
	c.pic.Image = nil
}

// AccessibleID implements kiosk.Accessible, as do the next four.
func (c *corner) AccessibleID() string    { return "home.logo" }
func (c *corner) AccessibleRole() string  { return "image" }
func (c *corner) AccessibleName() string  { return "fountain" }
func (c *corner) AccessibleValue() string { return "" }
func (c *corner) AccessibleEnabled() bool { return true }

// servicePage stands in the consumer's screens' place while a technician works: nothing of theirs can be reached, and the
// idle return is the technician's screens' own.
type servicePage struct {
	svc  Service
	root fyne.CanvasObject
}

func (u *UI) openService() {
	if u.service == nil || isPage[*servicePage](u.page) || u.pour.active() {
		return
	}
	p := &servicePage{}
	p.svc = u.service(u.Look, func() { u.leaveService(p) })
	p.root = p.svc.Content()
	p.svc.Update(u.snap)
	u.show(p)
}

// leaveService goes back to the consumer's screens. A page that was left before leaves nothing again.
func (u *UI) leaveService(p *servicePage) {
	if u.page != page(p) {
		return
	}
	if u.cat == nil || u.snap.Unit == api.UnitOutOfOrder || u.snap.Unit == api.UnitStarting {
		u.show(newOutage(u))
		return
	}
	u.reset()
	u.goHome()
}

func (p *servicePage) name() string               { return "service" }
func (p *servicePage) content() fyne.CanvasObject { return p.root }
func (p *servicePage) again() page                { return p }
func (p *servicePage) update(bool)                {} // take hands it every snapshot
func (p *servicePage) left()                      { p.svc.Close() }

package sheet

import (
	"image"
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/kiosk"
)

// Roles of accessible objects.
const (
	RoleButton = "button"
	RoleTile   = "tile"
	RoleSwitch = "switch"
	RoleSlider = "slider"
	RoleKey    = "key" // of an on-screen keyboard
	RoleHold   = "hold"
	RoleValue  = "value"
	RoleText   = "text"
)

// How a pressed control looks: moved down, and 12 % toward the ink (tokens file, states).
const (
	pressShift = 6
	pressVeil  = 31 // alpha, of 255
)

// Control is a picture that can be touched, or only be found: everything interactive but the dome.
type Control struct {
	widget.BaseWidget
	ID, Role, Name, Value string
	Disabled              bool
	Tap                   func()
	Radius                float32    // of its corners, for the pressed look
	Ink                   color.RGBA // toward which it goes when pressed
	Down                  func()     // a finger came down on it: for what must not wait for the finger to lift; optional
	Cancelled             func()     // a touch on it ended without being let go; optional
	Flat                  bool       // has no pressed look: it is as large as the screen, or says by itself that it is touched

	pic  *canvas.Image
	veil *canvas.Rectangle
	img  image.Image
	box  *fyne.Container
	down bool
}

var (
	_ kiosk.Accessible = (*Control)(nil)
	_ fyne.Tappable    = (*Control)(nil)
	_ mobile.Touchable = (*Control)(nil)
)

// NewControl is a control as large as its picture at x, y. tap may be nil.
func NewControl(id, role, name string, img image.Image, x, y int, tap func()) *Control {
	c := &Control{ID: id, Role: role, Name: name, Tap: tap}
	c.init(Picture(img, 0, 0))
	c.img = img
	c.Move(fyne.NewPos(float32(x), float32(y)))
	c.Resize(sizeOf(img))
	return c
}

// NewEmpty is a control of a size that gets its picture by SetPicture when it comes into sight.
func NewEmpty(id, role, name string, x, y, w, h int, tap func()) *Control {
	c := &Control{ID: id, Role: role, Name: name, Tap: tap}
	pic := canvas.NewImageFromImage(nil)
	pic.ScaleMode = canvas.ImageScalePixels
	c.init(pic)
	c.Move(fyne.NewPos(float32(x), float32(y)))
	c.Resize(fyne.NewSize(float32(w), float32(h)))
	return c
}

func (c *Control) init(pic *canvas.Image) {
	c.pic, c.veil = pic, canvas.NewRectangle(color.Transparent)
	c.veil.Hide()
	c.box = &fyne.Container{Objects: []fyne.CanvasObject{c.pic, c.veil}}
	c.ExtendBaseWidget(c)
}

// CreateRenderer implements fyne.Widget.
func (c *Control) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(c.box) }

// Covers reports whether a point of the control's box lies on it: its corners are round.
func (c *Control) Covers(p fyne.Position) bool {
	s := c.Size()
	r := min(c.Radius, s.Width/2, s.Height/2)
	dx := max(r-p.X, p.X-(s.Width-r), 0)
	dy := max(r-p.Y, p.Y-(s.Height-r), 0)
	return dx*dx+dy*dy <= r*r || dx == 0 || dy == 0
}

// Tapped implements fyne.Tappable.
func (c *Control) Tapped(*fyne.PointEvent) {
	if c.Tap != nil && !c.Disabled {
		c.Tap()
	}
}

// TouchDown implements mobile.Touchable: the pressed look, within one frame and without composing anything.
func (c *Control) TouchDown(*mobile.TouchEvent) {
	if c.Down != nil && !c.Disabled {
		c.Down()
	}
	if c.Tap == nil || c.Disabled || c.Flat || c.img == nil || c.down {
		return
	}
	c.down = true
	c.veil.FillColor = color.NRGBA{R: c.Ink.R, G: c.Ink.G, B: c.Ink.B, A: pressVeil}
	c.veil.CornerRadius = c.Radius
	c.veil.Resize(sizeOf(c.img))
	c.veil.Move(fyne.NewPos(0, pressShift))
	c.pic.Move(fyne.NewPos(0, pressShift))
	c.veil.Show() // the picture has not changed: refreshing the whole would compare it again
}

// TouchUp implements mobile.Touchable.
func (c *Control) TouchUp(*mobile.TouchEvent) { c.released() }

// TouchCancel implements mobile.Touchable.
func (c *Control) TouchCancel(*mobile.TouchEvent) {
	c.released()
	if c.Cancelled != nil {
		c.Cancelled()
	}
}

func (c *Control) released() {
	if !c.down {
		return
	}
	c.down = false
	c.veil.Hide()
	c.pic.Move(fyne.NewPos(0, 0))
}

// SetPicture changes the picture; nil takes it away.
func (c *Control) SetPicture(img image.Image) {
	c.img = img
	if img == nil {
		c.released()
		c.pic.Image = nil
		return
	}
	Replace(c.pic, img)
}

// Pictured reports whether the control has a picture now.
func (c *Control) Pictured() bool { return c.pic.Image != nil }

// AccessibleID implements kiosk.Accessible, as do the next four.
func (c *Control) AccessibleID() string    { return c.ID }
func (c *Control) AccessibleRole() string  { return c.Role }
func (c *Control) AccessibleName() string  { return strings.ReplaceAll(c.Name, "\u200b", "") } // marks of words are for breaking lines
func (c *Control) AccessibleValue() string { return c.Value }
func (c *Control) AccessibleEnabled() bool { return !c.Disabled }

package screens

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/kiosk"
	"fountain/touchui/screens/art"
	"fountain/touchui/theme"
)

// picture shows img unscaled at x, y.
func picture(img *image.RGBA, x, y int) *canvas.Image {
	c := canvas.NewImageFromImage(img)
	c.ScaleMode = canvas.ImageScalePixels
	c.FillMode = canvas.ImageFillStretch
	c.Move(fyne.NewPos(float32(x), float32(y)))
	c.Resize(sizeOf(img))
	return c
}

func sizeOf(img image.Image) fyne.Size {
	return fyne.NewSize(float32(img.Bounds().Dx()), float32(img.Bounds().Dy()))
}

// forget drops the pictures of a page that will not be shown again: Fyne keeps its widgets for another minute.
func forget(o fyne.CanvasObject) {
	switch t := o.(type) {
	case *fyne.Container:
		for _, k := range t.Objects {
			forget(k)
		}
	case *container.Scroll:
		forget(t.Content)
	case *control:
		t.up, t.pic.Image = nil, nil
	case *dome:
		t.pic.Image = nil
	case *canvas.Image:
		t.Image = nil
	}
}

// drawOver composes img with empty corners onto dst.
func drawOver(dst, img *image.RGBA, x, y int) {
	draw.Draw(dst, img.Bounds().Add(image.Pt(x, y)), img, image.Point{}, draw.Over)
}

// replace shows another picture in c.
func replace(c *canvas.Image, img *image.RGBA) {
	if c.Image == img {
		return
	}
	c.Image = img
	c.Resize(sizeOf(img))
	c.Refresh()
}

// Roles of accessible objects.
const (
	roleButton = "button"
	roleTile   = "tile"
	roleSwitch = "switch"
	roleHold   = "hold"
	roleValue  = "value"
	roleText   = "text"
)

// control is a picture that can be touched, or only be found: everything interactive on the screens but the dome.
type control struct {
	widget.BaseWidget
	id, role, name, value string
	disabled              bool
	pic                   *canvas.Image
	up                    *image.RGBA
	ink, page             color.RGBA // for the pressed look
	shift                 int        // how far it moves down when pressed
	tap                   func()
}

var (
	_ kiosk.Accessible = (*control)(nil)
	_ fyne.Tappable    = (*control)(nil)
	_ mobile.Touchable = (*control)(nil)
)

func newControl(id, role, name string, img *image.RGBA, x, y int, tap func()) *control {
	c := &control{id: id, role: role, name: name, pic: picture(img, 0, 0), up: img, tap: tap, shift: 6}
	c.ExtendBaseWidget(c)
	c.Move(fyne.NewPos(float32(x), float32(y)))
	c.Resize(sizeOf(img))
	return c
}

// CreateRenderer implements fyne.Widget.
func (c *control) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(c.pic) }

// Tapped implements fyne.Tappable.
func (c *control) Tapped(*fyne.PointEvent) {
	if c.tap != nil && !c.disabled {
		c.tap()
	}
}

// TouchDown implements mobile.Touchable: the pressed look, within one frame.
func (c *control) TouchDown(*mobile.TouchEvent) {
	if c.tap != nil && !c.disabled && c.up != nil {
		replace(c.pic, art.Pressed(c.up, c.ink, c.page, c.shift))
	}
}

// TouchUp implements mobile.Touchable.
func (c *control) TouchUp(*mobile.TouchEvent) { c.released() }

// TouchCancel implements mobile.Touchable.
func (c *control) TouchCancel(*mobile.TouchEvent) { c.released() }

func (c *control) released() {
	if c.up != nil {
		replace(c.pic, c.up)
	}
}

// show changes the picture.
func (c *control) show(img *image.RGBA) {
	c.up = img
	replace(c.pic, img)
}

// AccessibleID implements kiosk.Accessible, as do the next four.
func (c *control) AccessibleID() string    { return c.id }
func (c *control) AccessibleRole() string  { return c.role }
func (c *control) AccessibleName() string  { return c.name }
func (c *control) AccessibleValue() string { return c.value }
func (c *control) AccessibleEnabled() bool { return !c.disabled }

// fixed is a layout for contents that were placed by hand.
type fixed fyne.Size

func (f fixed) Layout([]fyne.CanvasObject, fyne.Size) {}
func (f fixed) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.Size(f) }

// sheet collects the objects of a page, back to front.
type sheet struct {
	ui   *UI
	bg   color.RGBA // behind text
	ink  color.RGBA
	objs []fyne.CanvasObject
}

func (s *sheet) add(o ...fyne.CanvasObject) { s.objs = append(s.objs, o...) }

func (s *sheet) container(w, h int) *fyne.Container {
	c := &fyne.Container{Layout: fixed(fyne.NewSize(float32(w), float32(h))), Objects: s.objs}
	c.Resize(fyne.NewSize(float32(w), float32(h)))
	return c
}

// box adds a flat rectangle.
func (s *sheet) box(x, y, w, h int, c color.Color) *canvas.Rectangle {
	r := canvas.NewRectangle(c)
	r.Move(fyne.NewPos(float32(x), float32(y)))
	r.Resize(fyne.NewSize(float32(w), float32(h)))
	s.add(r)
	return r
}

// pic adds a picture.
func (s *sheet) pic(img *image.RGBA, x, y int) *canvas.Image {
	c := picture(img, x, y)
	s.add(c)
	return c
}

// label composes a line of text, cached. It has no background: lines are set closer than their ascenders reach.
func (u *UI) label(t string, st art.Style) (img *image.RGBA, over int) {
	img = u.cache.Get(fmt.Sprintf("label/%v/%s", st, t), func() *image.RGBA {
		p, _ := art.Label(u.fonts, t, st)
		return p.RGBA
	})
	return img, int(st.PX * .2)
}

// text adds one line of text whose line box begins at y.
func (s *sheet) text(t string, x, y float64, sz theme.Size, align int) *canvas.Image {
	st := art.Style{Size: sz, Color: s.ink}
	img, over := s.ui.label(t, st)
	w := s.ui.fonts.Width(t, sz.Cut, sz.PX, sz.Track)
	switch align {
	case art.Centre:
		x -= w / 2
	case art.Right:
		x -= w
	}
	return s.pic(img, int(x-sz.PX*.05+.5), int(y+.5)-over)
}

// lines adds lines under each other.
func (s *sheet) lines(ls []string, x, y float64, sz theme.Size, align int) float64 {
	for i, l := range ls {
		s.text(l, x, y+float64(i)*sz.PX*sz.Line, sz, align)
	}
	return float64(len(ls)) * sz.PX * sz.Line
}

// sign adds text that GET /tree lists, such as a title.
func (s *sheet) sign(id, t string, at *canvas.Image) {
	c := &control{id: id, role: roleText, name: t, pic: at}
	c.ExtendBaseWidget(c)
	c.Move(at.Position())
	c.Resize(at.Size())
	at.Move(fyne.NewPos(0, 0))
	for i, o := range s.objs {
		if o == fyne.CanvasObject(at) {
			s.objs[i] = c
			return
		}
	}
	s.add(c)
}

// press gives a control the sheet's colours for its pressed look.
func (s *sheet) control(c *control) *control {
	c.ink, c.page = s.ink, s.bg
	s.add(c)
	return c
}

// buttonStyle is how a pill, chip or key looks.
type buttonStyle struct {
	h        int
	padL     int
	padR     int
	gap      int
	radius   float64
	px       float64
	iconPX   float64
	icon     string
	fill, fg color.RGBA
	border   float64 // > 0: only a line
	width    int     // 0: as wide as its text
	stacked  bool    // icon over text
}

// button composes a flat rounded rectangle with an icon and text.
func (u *UI) button(text string, b buttonStyle) *image.RGBA {
	return u.cache.Get(fmt.Sprintf("button/%v/%s", b, text), func() *image.RGBA {
		tw := u.fonts.Width(text, theme.Text, b.px, 0)
		inner := tw
		if b.icon != "" && !b.stacked {
			inner += b.iconPX + float64(b.gap)
		}
		w := b.width
		if w == 0 {
			w = int(inner+.5) + b.padL + b.padR
		}
		p := art.Clear(u.fonts, w, b.h)
		if b.border > 0 {
			p.Frame(0, 0, float64(w), float64(b.h), b.radius, b.border, b.fg)
		} else {
			p.Round(0, 0, float64(w), float64(b.h), b.radius, b.fill)
		}
		st := art.Style{Size: theme.Size{PX: b.px, Line: 1, Cut: theme.Text}, Color: b.fg}
		if b.stacked {
			y := (float64(b.h) - b.iconPX - float64(b.gap) - b.px) / 2
			p.Icon(b.icon, (float64(w)-b.iconPX)/2, y, b.iconPX, b.fg)
			p.Text(text, float64(w)/2, y+b.iconPX+float64(b.gap), st, art.Centre)
			return p.RGBA
		}
		x := float64(b.padL)
		if b.width != 0 {
			x = (float64(w) - inner) / 2
		}
		if b.icon != "" {
			p.Icon(b.icon, x, (float64(b.h)-b.iconPX)/2, b.iconPX, b.fg)
			x += b.iconPX + float64(b.gap)
		}
		p.Text(text, x, (float64(b.h)-b.px)/2, st, art.Left)
		return p.RGBA
	})
}

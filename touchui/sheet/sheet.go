package sheet

import (
	"image"
	"image/color"
	"image/draw"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/theme"
)

// Sheet collects the objects of a page, back to front.
type Sheet struct {
	*Look
	BG  color.RGBA // behind text
	Ink color.RGBA

	objs   []fyne.CanvasObject
	turned int                        // how many of objs have their places (see turn.go)
	fixed  map[fyne.CanvasObject]bool // those that keep their places in every language
	rail   float32                    // > 0: left edge of the part that keeps its side
}

// Sheet is an empty sheet with the colours of its text.
func (l *Look) Sheet(bg, ink color.RGBA) *Sheet { return &Sheet{Look: l, BG: bg, Ink: ink} }

// Add puts objects on top.
func (s *Sheet) Add(o ...fyne.CanvasObject) { s.objs = append(s.objs, o...) }

// Objects are what was laid on the sheet, placed for a page as large as the panel.
func (s *Sheet) Objects() []fyne.CanvasObject {
	s.turn(float32(s.Geo.W))
	return s.objs
}

// Container is the sheet as an object of w×h pixels, for a scroll area or a page.
func (s *Sheet) Container(w, h int) *fyne.Container {
	s.turn(float32(w))
	c := &fyne.Container{Layout: placed(fyne.NewSize(float32(w), float32(h))), Objects: s.objs}
	c.Resize(fyne.NewSize(float32(w), float32(h)))
	return c
}

// Fill makes the sheet the content of a page's root, as large as the panel.
func (s *Sheet) Fill(root *fyne.Container) {
	root.Objects = s.Objects()
	root.Resize(fyne.NewSize(float32(s.Geo.W), float32(s.Geo.H)))
	root.Refresh()
}

// placed is a layout for contents that were placed by hand.
type placed fyne.Size

func (p placed) Layout([]fyne.CanvasObject, fyne.Size) {}
func (p placed) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.Size(p) }

// Box adds a flat rectangle.
func (s *Sheet) Box(x, y, w, h int, c color.Color) *canvas.Rectangle {
	r := canvas.NewRectangle(c)
	r.Move(fyne.NewPos(float32(x), float32(y)))
	r.Resize(fyne.NewSize(float32(w), float32(h)))
	s.Add(r)
	return r
}

// Pic adds a picture.
func (s *Sheet) Pic(img image.Image, x, y int) *canvas.Image {
	c := Picture(img, x, y)
	s.Add(c)
	return c
}

// Text adds one line of text whose line box begins at y; x is its left edge, centre or right edge by align.
func (s *Sheet) Text(t string, x, y float64, sz theme.Size, align int) *canvas.Image {
	st := art.Style{Size: sz, Color: s.Ink}
	img, over := s.Look.Label(t, st)
	w := s.Fonts.Width(t, sz.Cut, sz.PX, sz.Track)
	switch align {
	case art.Centre:
		x -= w / 2
	case art.Right:
		x -= w
	}
	return s.Pic(img, int(x-sz.PX*.05+.5), int(y+.5)-over)
}

// Lines adds lines under each other and returns the height they take.
func (s *Sheet) Lines(ls []string, x, y float64, sz theme.Size, align int) float64 {
	for i, l := range ls {
		s.Text(l, x, y+float64(i)*sz.PX*sz.Line, sz, align)
	}
	return float64(len(ls)) * sz.PX * sz.Line
}

// Sign makes text that was added one that GET /tree lists and speech reads, such as a title.
func (s *Sheet) Sign(id, t string, at *canvas.Image) *Control {
	c := &Control{ID: id, Role: RoleText, Name: t}
	c.init(at)
	c.Move(at.Position())
	c.Resize(at.Size())
	at.Move(fyne.NewPos(0, 0))
	for i, o := range s.objs {
		if o == fyne.CanvasObject(at) {
			s.objs[i] = c
			return c
		}
	}
	s.Add(c)
	return c
}

// Control adds a control, which goes toward the sheet's ink when pressed.
func (s *Sheet) Control(c *Control) *Control {
	c.Ink = s.Ink
	s.Add(c)
	return c
}

// Picture shows img unscaled at x, y.
func Picture(img image.Image, x, y int) *canvas.Image {
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

// Replace shows another picture in c.
func Replace(c *canvas.Image, img image.Image) {
	if c.Image == img {
		return
	}
	c.Image = img
	c.Resize(sizeOf(img))
	c.Refresh()
}

// Forget drops the pictures of a page that will not be shown again: Fyne keeps its widgets for another minute.
func Forget(o fyne.CanvasObject) {
	switch t := o.(type) {
	case *fyne.Container:
		for _, k := range t.Objects {
			Forget(k)
		}
	case *container.Scroll:
		Forget(t.Content)
	case *Control:
		t.img, t.pic.Image = nil, nil
	case interface{ Forget() }:
		t.Forget()
	case *canvas.Image:
		t.Image = nil
	}
}

// DrawOver composes img with empty corners onto dst.
func DrawOver(dst, img *image.RGBA, x, y int) {
	draw.Draw(dst, img.Bounds().Add(image.Pt(x, y)), img, image.Point{}, draw.Over)
}

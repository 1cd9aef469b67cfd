package paint_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"fountain/internal/golden"
	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

const tolerance = 2 // of 255 a channel: our blending rounds once, Fyne's several times

// picture is a deterministic image with gradients, hard edges and holes.
func picture(w, h int, variant int) *image.NRGBA {
	im := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: byte(x * 255 / w), G: byte(y * 255 / h), B: byte(variant * 60), A: 255}
			switch d := (x-w/2)*(x-w/2) + (y-h/2)*(y-h/2); {
			case d < w*w/25:
				c.A = 0
			case d < w*w/16:
				c.A = 128
			}
			im.SetNRGBA(x, y, c)
		}
	}
	return im
}

func opaque(src image.Image) *image.RGBA {
	b := src.Bounds()
	out := image.NewRGBA(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(src.At(x, y)).(color.NRGBA)
			c.A = 255
			out.Set(x, y, c)
		}
	}
	return out
}

func at(o fyne.CanvasObject, x, y, w, h float32) fyne.CanvasObject {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
	return o
}

// both draws o by our painter, turned in each way and in both orders of bytes, and by Fyne's, and compares.
func both(t *testing.T, o fyne.CanvasObject, w, h int, scale float32) {
	t.Helper()
	size := fyne.NewSize(float32(w)/scale, float32(h)/scale)
	root := container.NewWithoutLayout(canvas.NewRectangle(theme.Color(theme.ColorNameBackground)), o)
	root.Objects[0].Resize(size)
	root.Resize(size)

	c := software.NewCanvas()
	c.SetPadded(false)
	c.SetScale(scale)
	c.SetContent(root)
	c.Resize(size)
	want := c.Capture()
	seen := image.Pt(w, h)
	var first *image.RGBA
	for rot := paint.Rotate0; rot <= paint.Rotate270; rot++ {
		for _, f := range []display.PixelFormat{display.RGBA8888, display.XRGB8888} {
			panel := rot.Size(seen)
			p := paint.New(paint.Config{Width: panel.X, Height: panel.Y, Scale: scale, Format: f, Rotation: rot})
			p.Frame(root)
			got := p.Seen()
			if first == nil {
				first = got
				if _, n, worst := golden.Diff(got, want, tolerance); n > 0 {
					t.Errorf("%d pixels differ from Fyne's painter, worst by %d", n, worst)
				}
				if blank(got) {
					t.Error("nothing was drawn")
				}
			} else if !bytes.Equal(got.Pix, first.Pix) {
				t.Errorf("turned by %d, %v: looks different", rot.Degrees(), f)
			}
			for _, q := range []image.Point{{X: 0, Y: 0}, {X: 25, Y: 31}, {X: w - 1, Y: 3}, {X: 70, Y: h / 2}} {
				on := rot.Point(q, seen)
				if p.Buffer().At(on.X, on.Y) != got.RGBAAt(q.X, q.Y) {
					t.Errorf("turned by %d: the panel's pixel %v is not the seen pixel %v", rot.Degrees(), on, q)
				}
			}
		}
	}
}

func blank(im *image.RGBA) bool {
	for i := 4; i < len(im.Pix); i += 4 {
		if !bytes.Equal(im.Pix[i:i+4], im.Pix[:4]) {
			return false
		}
	}
	return true
}

func TestWidgetsLookLikeFyne(t *testing.T) {
	test.NewTempApp(t)
	list := container.NewVBox()
	for i := range 30 {
		list.Add(widget.NewButton(fmt.Sprint("Button ", i), nil))
	}
	grid := container.NewGridWithColumns(2,
		widget.NewLabel("Label\nof two lines"), widget.NewCheck("Check", nil), widget.NewSlider(0, 10),
		widget.NewProgressBar(), widget.NewEntry(), widget.NewCard("Card", "sub", widget.NewIcon(theme.HomeIcon())),
	)
	both(t, at(container.NewBorder(grid, nil, nil, nil, container.NewVScroll(list)), 0, 0, 480, 640), 480, 640, 1)
}

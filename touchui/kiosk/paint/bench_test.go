package paint_test

import (
	"fmt"
	"image/color"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// grid is 120 brands in a scroller; naive tiles let the painter scale their pictures.
func grid(naive bool) (*container.Scroll, *canvas.Rectangle) {
	size := 238
	if naive {
		size = 256
	}
	box := container.NewGridWithColumns(4)
	for i := range 120 {
		bg := canvas.NewRectangle(color.NRGBA{R: byte(i), G: 90, B: 160, A: 255})
		bg.CornerRadius = 28
		bg.SetMinSize(fyne.NewSize(238, 304))
		pic := canvas.NewImageFromImage(opaque(picture(size, size, i%4)))
		pic.FillMode = canvas.ImageFillContain
		name := canvas.NewText(fmt.Sprint("Brand ", i), color.White)
		name.TextSize = 42
		box.Add(container.NewStack(bg, pic, container.NewVBox(name)))
	}
	s := container.NewVScroll(box)
	s.Resize(fyne.NewSize(1080, 1920))
	return s, box.Objects[8].(*fyne.Container).Objects[0].(*canvas.Rectangle)
}

func BenchmarkScroll1080x1920(b *testing.B) {
	test.NewTempApp(b)
	s, _ := grid(false)
	p := paint.New(paint.Config{Width: 1080, Height: 1920, Format: display.XRGB8888})
	for y := range 40 { // warm the textures of the way
		s.ScrollToOffset(fyne.NewPos(0, float32(y)*100))
		p.Frame(s)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		s.ScrollToOffset(fyne.NewPos(0, float32(n*7%3000)))
		p.Frame(s)
	}
}

func BenchmarkUnchanged1080x1920(b *testing.B) {
	test.NewTempApp(b)
	s, _ := grid(false)
	p := paint.New(paint.Config{Width: 1080, Height: 1920})
	p.Frame(s)
	b.ReportAllocs()
	for b.Loop() {
		p.Frame(s)
	}
}

func BenchmarkPress1080x1920(b *testing.B) {
	test.NewTempApp(b)
	s, tile := grid(false)
	p := paint.New(paint.Config{Width: 1080, Height: 1920})
	p.Frame(s)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		tile.FillColor = color.NRGBA{R: byte(n%2) * 200, A: 255}
		p.Frame(s)
	}
}

func BenchmarkFynePainterNaive1080x1920(b *testing.B) {
	test.NewTempApp(b)
	s, _ := grid(true)
	c := software.NewCanvas()
	c.SetPadded(false)
	c.SetContent(s)
	c.Resize(fyne.NewSize(1080, 1920))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		s.ScrollToOffset(fyne.NewPos(0, float32(n*7%3000)))
		c.Capture()
	}
}

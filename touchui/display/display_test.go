package display_test

import (
	"errors"
	"image"
	"image/color"
	"testing"

	"fountain/touchui/display"
	"fountain/touchui/display/mem"
)

func TestFrameKeepsChannelsApart(t *testing.T) {
	for _, f := range []display.PixelFormat{display.RGBA8888, display.XRGB8888} {
		fr := display.NewFrame(4, 3, f)
		r := image.Rect(1, 1, 3, 2)
		px := []byte{10, 20, 30, 255}
		if f == display.XRGB8888 {
			px = []byte{30, 20, 10, 0} // X is anything
		}
		copy(fr.Row(r, 1), px)
		want := color.RGBA{R: 10, G: 20, B: 30, A: 255}
		if got := fr.At(1, 1); got != want {
			t.Errorf("%v: At gives %v", f, got)
		}
		if got := fr.Image(r).RGBAAt(1, 1); got != want {
			t.Errorf("%v: Image gives %v", f, got)
		}
		if got := len(fr.Row(r, 1)); got != 8 {
			t.Errorf("%v: a row of 2 pixels has %d bytes", f, got)
		}
	}
}

func TestMemoryShowsOnlyWhatWasDirty(t *testing.T) {
	d := mem.New(10, 10, display.RGBA8888)
	f := display.NewFrame(10, 10, display.RGBA8888)
	for i := range f.Pix {
		f.Pix[i] = 255
	}
	if err := d.Present(f, []image.Rectangle{image.Rect(2, 3, 5, 6), image.Rect(8, 8, 40, 40)}); err != nil {
		t.Fatal(err)
	}
	white := 0
	im := d.Image()
	for y := range 10 {
		for x := range 10 {
			if im.RGBAAt(x, y).R == 255 {
				white++
			}
		}
	}
	if white != 9+4 || d.Frames() != 1 {
		t.Errorf("%d white pixels, %d frames", white, d.Frames())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Present(f, nil); !errors.Is(err, mem.ErrClosed) {
		t.Errorf("present after close: %v", err)
	}
}

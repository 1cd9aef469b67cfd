package paint_test

import (
	"image"
	"runtime"
	"testing"
	"weak"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/kiosk/paint"
)

// A screen that rests on its second page keeps nothing of the first, beyond the budget of textures.
func TestOldPicturesAreLetGo(t *testing.T) {
	p := paint.New(paint.Config{Width: 200, Height: 200, CacheBytes: 1})
	old := make([]weak.Pointer[image.RGBA], 6)
	first := container.NewWithoutLayout()
	for i := range old {
		im := opaque(picture(30, 30, i))
		old[i] = weak.Make(im)
		first.Add(at(canvas.NewImageFromImage(im), float32(30*i), 10, 30, 30))
	}
	p.Frame(first)
	runtime.GC()
	for i, w := range old {
		if w.Value() == nil {
			t.Fatalf("picture %d is gone while it is shown", i)
		}
	}
	first.RemoveAll()
	second := container.NewWithoutLayout(at(canvas.NewImageFromImage(opaque(picture(40, 40, 9))), 50, 50, 40, 40))
	for range 2 { // the second frame shows what the first one still compared with
		p.Frame(second)
	}
	runtime.GC()
	for i, w := range old {
		if w.Value() != nil {
			t.Errorf("picture %d is still held", i)
		}
	}
	runtime.KeepAlive([]fyne.CanvasObject{first, second})
	runtime.KeepAlive(p)
}

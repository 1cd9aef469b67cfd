package paint

import (
	"image/color"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"
)

type plate struct{ widget.BaseWidget }

func (p *plate) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(canvas.NewRectangle(color.White))
}

// A screen that shows another page now and then keeps none of those before, which may each be as large as the screen.
func TestOldWidgetsAreLetGo(t *testing.T) {
	test.NewTempApp(t)
	p := New(Config{Width: 50, Height: 50})
	for range 20 {
		w := &plate{}
		w.ExtendBaseWidget(w)
		w.Resize(fyne.NewSize(50, 50))
		p.Frame(w)
		if len(p.known) != 1 || p.known[w].r == nil {
			t.Fatalf("knows %d widgets, want the one on screen", len(p.known))
		}
	}
}

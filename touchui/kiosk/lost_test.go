package kiosk_test

import (
	"errors"
	"image/color"
	"testing"
	"testing/synctest"

	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/input"
)

// TestLost: what goes on without a finger is told that nobody can stop it, or see it, any more; what a finger holds ends.
func TestLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig, box *canvas.Rectangle)
		told bool
	}{
		{"touch screen gone", func(r *rig, _ *canvas.Rectangle) { r.finger.Cancel(input.Gone) }, true},
		{"source gone", func(r *rig, _ *canvas.Rectangle) { _ = r.finger.Close() }, true},
		{"panel dark", func(r *rig, box *canvas.Rectangle) {
			r.screen.Fail(errors.New("unplugged"))
			r.on(func() { box.FillColor = color.White })
		}, true},
		{"finger gone", func(r *rig, _ *canvas.Rectangle) { r.finger.Cancel(1) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 400, 300)
				p, box := newPad("p", 100, 100), canvas.NewRectangle(color.Black)
				r.app.SetContent(row(placed(box, 0, 0, 50, 50), placed(p, 150, 100, 100, 100)))
				told, silent := 0, 0
				r.app.OnLost(func() {
					told++
					if !r.app.InputLost() {
						t.Error("the input is not said to be lost")
					}
				})
				stop := r.app.OnLost(func() { silent++ })
				stop()
				r.run(func() {
					r.finger.Down(1, 200, 150)
					r.settle()
					tt.do(r, box)
					r.settle()
					if (told > 0) != tt.told || silent > 0 {
						t.Errorf("told %d times, after its end %d", told, silent)
					}
					if tt.name != "touch screen gone" { // there the source cancels each finger by itself
						r.on(func() { expect(t, "after", p, "down 1 up 0 cancel 1 taps 0") })
					}
				})
			})
		})
	}
}

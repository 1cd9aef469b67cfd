package kiosk_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"testing"
	"testing/synctest"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// Fyne throws renderers away that were not painted for a minute. A page that comes back gets new ones, which nobody but
// us lays out: without that it would come back empty.
func TestPageComesBackAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, _ := list(40)
		first := container.NewBorder(widget.NewButton("Back", nil), nil, nil, nil, s)
		text := canvas.NewText("attract", color.White)
		second := container.NewCenter(text)
		r.app.SetContent(first)
		r.run(func() {
			r.settle()
			r.on(func() { s.ScrollToOffset(fyne.NewPos(0, 2080)) })
			r.settle()
			r.on(func() { s.ScrollToOffset(fyne.NewPos(0, 0)) })
			r.settle()
			want := r.screen.Image()
			age := func() {
				for i := range 5 {
					time.Sleep(25 * time.Hour) // longer than any other test's clock went
					r.on(func() { text.Text = fmt.Sprint("attract ", i) })
				}
			}
			r.on(func() { r.app.SetContent(second) })
			age()
			r.on(func() { r.app.SetContent(first) })
			r.settle()
			if !bytes.Equal(r.screen.Image().Pix, want.Pix) {
				t.Error("the page came back different")
			}
			// What was scrolled out of sight all the while.
			r.on(func() { r.app.SetContent(container.NewStack(first, second)) })
			age()
			r.on(func() { s.ScrollToOffset(fyne.NewPos(0, 2080)); second.Hide() })
			r.settle()
			if !bytes.Equal(crop(r.screen.Image(), image.Rect(0, 120, 380, 560)), crop(want, image.Rect(0, 120, 380, 560))) {
				t.Error("tiles scrolled into sight are different")
			}
		})
	})
}

// mortal is a pad whose renderer tells when Fyne throws it away.
type mortal struct {
	pad
	destroyed int
}

type mortalRenderer struct {
	fyne.WidgetRenderer
	m *mortal
}

func (r *mortalRenderer) Destroy() { r.m.destroyed++ }

func (m *mortal) CreateRenderer() fyne.WidgetRenderer {
	return &mortalRenderer{widget.NewSimpleRenderer(m.fill), m}
}

// Pages that need none of Fyne's own painting must not stay for ever: Fyne cleans up only while it paints.
func TestOldPagesAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		newMortal := func(id string) *mortal {
			m := &mortal{pad: pad{id: id, fill: canvas.NewRectangle(color.White)}}
			m.ExtendBaseWidget(m)
			return m
		}
		gone, shown := newMortal("gone"), newMortal("shown")
		box := canvas.NewRectangle(color.Black)
		r.app.SetContent(row(placed(gone, 50, 50, 100, 100)))
		r.run(func() {
			r.on(func() { r.app.SetContent(row(placed(shown, 50, 50, 100, 100), placed(box, 200, 50, 100, 100))) })
			for i := range byte(30) {
				time.Sleep(25 * time.Hour) // longer than any other test's clock went
				r.on(func() { box.FillColor = color.Gray{Y: i}; box.Refresh() })
			}
			r.on(func() {
				if gone.destroyed != 1 {
					t.Errorf("the old page's renderer was thrown away %d times, want 1", gone.destroyed)
				}
				if shown.destroyed != 0 {
					t.Error("the renderer of what is on screen was thrown away")
				}
			})
		})
	})
}

func crop(im *image.RGBA, r image.Rectangle) []byte {
	var out []byte
	for y := r.Min.Y; y < r.Max.Y; y++ {
		out = append(out, im.Pix[im.PixOffset(r.Min.X, y):im.PixOffset(r.Max.X, y)]...)
	}
	return out
}

// What changes nothing on the screen does not hold up the press that comes after it, and what floods the loop with such
// things does not starve it.
func TestPressDoesNotWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		p := newPad("a", 100, 100)
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			for i := range 20 {
				time.Sleep(time.Second)
				r.app.Do(func() {})
				time.Sleep(time.Millisecond)
				r.finger.Down(1, 100, 100)
				synctest.Wait()
				if f := r.frames[len(r.frames)-1]; f.Latency != 0 || r.screen.Frames() != 2*i+2 {
					t.Fatalf("press %d was shown after %v, %d frames", i, f.Latency, r.screen.Frames())
				}
				time.Sleep(time.Second)
				r.finger.Up(1, 100, 100)
			}
		})
	})
}

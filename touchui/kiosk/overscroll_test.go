package kiosk_test

import (
	"bytes"
	"fmt"
	"image"
	"testing"
	"testing/synctest"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
	"fountain/touchui/kiosk/paint"
)

// standing is how far a scroller's content stands beyond where its offset puts it.
func standing(s *container.Scroll) float32 { return s.Content.Position().Y + s.Offset.Y }

func TestOverScroll(t *testing.T) {
	for _, reduced := range []bool{false, true} {
		t.Run(fmt.Sprint("reduced motion ", reduced), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRigWith(t, 400, 600, kiosk.Config{Reduced: reduced})
				s, pads := list(20)
				r.app.SetContent(s)
				at := func() (y float32) { r.on(func() { y = standing(s) }); return y }
				r.run(func() {
					r.settle()
					still := r.screen.Image().Pix
					r.finger.Down(1, 100, 80)
					r.finger.Glide(1, 100, 80, 100, 400, 200*time.Millisecond)
					pulled := at()
					if reduced {
						if pulled != 0 {
							t.Errorf("gave way by %v", pulled)
						}
						r.finger.Up(1, 100, 400)
						return
					}
					if pulled < 60 || pulled > 150 {
						t.Errorf("320 px beyond the end show %v, at most a quarter of 600", pulled)
					}
					r.finger.Move(1, 100, 595)
					if more := at(); more <= pulled || more > 150 {
						t.Errorf("further beyond the end shows %v after %v", more, pulled)
					}
					r.finger.Glide(1, 100, 595, 100, 92, 300*time.Millisecond) // back to where the drag began
					if back := at(); back != 0 || s.Offset.Y != 0 {
						t.Errorf("back under the finger, but %v beyond, offset %v", back, s.Offset.Y)
					}
					r.finger.Glide(1, 100, 92, 100, 40, 300*time.Millisecond)
					r.on(func() {
						if s.Offset.Y != 52 || standing(s) != 0 {
							t.Errorf("scrolled to %v, %v beyond", s.Offset.Y, standing(s))
						}
					})
					r.finger.Glide(1, 100, 40, 100, 500, 300*time.Millisecond)
					last := at()
					r.finger.Up(1, 100, 500)
					for i := 0; last > 0; i++ { // swings back without turning around
						time.Sleep(40 * time.Millisecond)
						now := at()
						if now > last || now < 0 || i > 20 {
							t.Fatalf("swings from %v to %v", last, now)
						}
						last = now
					}
					time.Sleep(time.Second)
					if d, _, _, taps := sum(pads); d != 1 || taps != 0 {
						t.Errorf("%d presses, %d taps", d, taps)
					}
					if !bytes.Equal(r.screen.Image().Pix, still) {
						t.Error("the page is not as it was before")
					}
					n := r.screen.Frames()
					time.Sleep(time.Minute)
					if m := r.screen.Frames() - n; m != 0 {
						t.Errorf("%d frames after the swing", m)
					}
				})
			})
		})
	}
}

// A fling that arrives at the end swings once, a finger catches what swings where it is, and a page that changes leaves
// its scroller in place.
func TestOverScrollIsCaughtAndCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, _ := list(20)
		r.app.SetContent(s)
		at := func() (y float32) { r.on(func() { y = standing(s) }); return y }
		r.run(func() {
			r.finger.Swipe(1, 100, 100, 100, 100, time.Millisecond)
			r.on(func() { s.ScrollToOffset(fyne.NewPos(0, 200)) })
			r.finger.Swipe(1, 100, 100, 100, 250, 60*time.Millisecond)
			most := float32(0)
			for range 60 {
				most = max(most, at())
			}
			if most < 10 || most > 150 {
				t.Errorf("a fling swings %v beyond the end", most)
			}
			if y := at(); y != 0 {
				t.Errorf("%v beyond the end after the swing", y)
			}
			r.finger.Down(1, 100, 100)
			r.finger.Glide(1, 100, 100, 100, 400, 100*time.Millisecond)
			r.finger.Up(1, 100, 400)
			time.Sleep(50 * time.Millisecond)
			swinging := at()
			r.finger.Down(1, 100, 300)
			r.finger.Move(1, 100, 314)
			if y := at(); swinging < 20 || y <= 0 || y > swinging+10 {
				t.Errorf("caught at %v, was at %v", y, swinging)
			}
			held := at()
			time.Sleep(time.Second)
			if y := at(); y != held {
				t.Errorf("moved from %v to %v under a finger that rests", held, y)
			}
			r.on(func() { r.app.SetContent(widget.NewLabel("another page")) })
			if y := at(); y != 0 {
				t.Errorf("left behind %v beyond the end", y)
			}
			r.finger.Up(1, 100, 314)
		})
	})
}

// Fingers on a panel that is mounted turned, in its pixels, press what a person sees there; the tree is as seen.
func TestTurnedPanel(t *testing.T) {
	for rot := paint.Rotate0; rot <= paint.Rotate270; rot++ {
		t.Run(fmt.Sprint(rot.Degrees()), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := image.Pt(300, 500)
				panel := rot.Size(seen)
				r := &rig{t: t, screen: mem.New(panel.X, panel.Y, display.XRGB8888), finger: input.NewScript()}
				app, err := kiosk.New(kiosk.Config{Display: r.screen, Input: r.finger, Rotation: rot, Scale: 1.25})
				if err != nil {
					t.Fatal(err)
				}
				r.app = app
				p := newPad("corner", 40, 40)
				app.SetContent(row(placed(p, 8, 16, 80, 40)))
				if w, h := app.Size(); w != seen.X || h != seen.Y || app.Canvas().Size() != fyne.NewSize(240, 400) {
					t.Errorf("%dx%d, canvas %v", w, h, app.Canvas().Size())
				}
				r.run(func() {
					var els []display.Element
					r.on(func() { els = app.Elements() })
					if len(els) != 1 || els[0].Bounds != (display.Bounds{X: 10, Y: 20, W: 100, H: 50}) {
						t.Fatalf("tree: %+v", els)
					}
					for _, q := range []struct {
						at image.Point
						in bool
					}{{image.Pt(10, 20), true}, {image.Pt(109, 69), true}, {image.Pt(110, 40), false}, {image.Pt(40, 71), false}, {image.Pt(290, 490), false}} {
						before := p.taps
						on := rot.Point(q.at, seen)
						r.finger.Tap(1, on.X, on.Y, time.Millisecond)
						r.on(func() {
							if (p.taps > before) != q.in {
								t.Errorf("seen %v, panel %v: tapped %v", q.at, on, p.taps > before)
							}
						})
					}
					r.on(func() {
						got := app.Canvas().Capture()
						want := r.screen.Image()
						for _, q := range []image.Point{{X: 12, Y: 22}, {X: 200, Y: 300}} {
							on := rot.Point(q, seen)
							if got.At(q.X, q.Y) != want.At(on.X, on.Y) {
								t.Errorf("seen %v is not the panel's %v", q, on)
							}
						}
					})
				})
			})
		})
	}
}

package kiosk_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"testing"
	"testing/synctest"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/kiosk"
)

func TestIdleCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		r.app.SetContent(container.NewVBox(widget.NewButton("Still", nil), newPad("a", 100, 100)))
		r.run(func() {
			r.finger.Tap(1, 100, 100, time.Millisecond)
			time.Sleep(time.Second)
			var before, after uint64
			frames := r.screen.Frames()
			r.on(func() { before = r.app.Turns() })
			time.Sleep(24 * time.Hour)
			r.on(func() { after = r.app.Turns() })
			if n := r.screen.Frames() - frames; n != 0 {
				t.Errorf("%d frames in an idle day", n)
			}
			if n := after - before; n > 8 { // the two calls above wake it
				t.Errorf("the loop woke up %d times in an idle day", n)
			}
		})
	})
}

func TestDoAndCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		text := canvas.NewText("before", color.White)
		r.app.SetContent(text)
		before := len(r.app.Canvas().Overlays().List())
		ran := false
		fyne.DoAndWait(func() { ran = true }) // the Fyne thread itself, before Run
		if !ran || before != 0 {
			t.Error("DoAndWait on the Fyne thread did not run")
		}
		r.run(func() {
			r.settle()
			n := r.screen.Frames()
			done := make(chan struct{})
			go func() {
				defer close(done)
				fyne.Do(func() { text.Text = "after" }) // no Refresh: the painter sees it
			}()
			<-done
			r.settle()
			if m := r.screen.Frames(); m != n+1 {
				t.Errorf("fyne.Do led to %d frames", m-n)
			}
			order := []int{}
			for i := range 5 {
				fyne.Do(func() { order = append(order, i) })
			}
			fyne.DoAndWait(func() {
				fyne.DoAndWait(func() { order = append(order, 5) }) // nested: must not hang
			})
			for i, v := range order {
				if i != v {
					t.Errorf("order %v", order)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			release := make(chan struct{})
			r.app.Do(func() { <-release })
			late := false
			if err := r.app.Call(ctx, func() { late = true }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call on a stuck screen: %v", err)
			}
			close(release)
			r.settle()
			if late {
				t.Error("a call that was given up ran all the same")
			}
		})
		if err := r.app.Call(t.Context(), func() {}); err != nil && !errors.Is(err, kiosk.ErrStopped) {
			t.Errorf("call after the end: %v", err)
		}
		fyne.DoAndWait(func() {}) // must not hang
		if err := r.app.Run(t.Context()); err == nil {
			t.Error("a second Run was accepted")
		}
	})
}

func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 200, 200)
		r.app.SetContent(canvas.NewRectangle(color.White))
		beats, once := 0, 0
		stop := r.app.Every(100*time.Millisecond, func() { beats++ })
		r.app.After(time.Second, func() { once++ })
		r.run(func() {
			time.Sleep(1050 * time.Millisecond)
			r.on(func() {
				if beats != 10 || once != 1 {
					t.Errorf("after 1.05 s: %d beats, %d once", beats, once)
				}
			})
			// A screen that hangs does not beat, and does not make up for it.
			release := make(chan struct{})
			r.app.Do(func() { <-release })
			time.Sleep(5 * time.Second)
			if beats > 11 {
				t.Errorf("%d beats while stuck", beats)
			}
			close(release)
			r.on(func() {
				if beats > 12 {
					t.Errorf("made up for missed beats: %d", beats)
				}
				stop()
				beats = 0
			})
			time.Sleep(time.Second)
			r.on(func() {
				if beats != 0 || once != 1 {
					t.Errorf("%d beats after stop, %d once", beats, once)
				}
			})
		})
	})
}

func TestAnimationsTickAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 200, 200)
		box := canvas.NewRectangle(color.Black)
		r.app.SetContent(box)
		r.run(func() {
			ticks, last := 0, float32(0)
			a := fyne.NewAnimation(500*time.Millisecond, func(v float32) {
				ticks++
				last = v
				box.FillColor = color.Gray{Y: uint8(200 * v)}
			})
			n := r.screen.Frames()
			fyne.DoAndWait(a.Start)
			time.Sleep(2 * time.Second)
			r.on(func() {
				if ticks < 25 || ticks > 35 || last != 1 {
					t.Errorf("%d ticks in 500 ms, last %v", ticks, last)
				}
			})
			if m := r.screen.Frames() - n; m < 20 || m > 35 {
				t.Errorf("%d frames", m)
			}
			ticks = 0
			b := &fyne.Animation{Duration: 100 * time.Millisecond, RepeatCount: fyne.AnimationRepeatForever, AutoReverse: true, Tick: func(float32) { ticks++ }}
			fyne.DoAndWait(b.Start)
			time.Sleep(time.Second)
			var was int
			r.on(func() { was = ticks; b.Stop() })
			time.Sleep(time.Second)
			r.on(func() {
				if was < 40 || ticks != was {
					t.Errorf("%d ticks, %d after stop", was, ticks-was)
				}
			})
		})
	})
}

func TestVBlankPacesFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		screen := mem.New(100, 100, display.XRGB8888)
		tick := screen.WithVBlank()
		app, err := kiosk.New(kiosk.Config{Display: screen})
		if err != nil {
			t.Fatal(err)
		}
		box := canvas.NewRectangle(color.Black)
		app.SetContent(box)
		n := uint8(0)
		app.Every(time.Millisecond, func() { n++; box.FillColor = color.Gray{Y: n} })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- app.Run(ctx) }()
		time.Sleep(5 * time.Millisecond)
		if f := screen.Frames(); f != 1 {
			t.Errorf("%d frames without a vblank", f)
		}
		for range 10 {
			tick()
			time.Sleep(5 * time.Millisecond)
		}
		if f := screen.Frames(); f != 11 {
			t.Errorf("%d frames after 10 vblanks", f)
		}
		time.Sleep(350 * time.Millisecond) // the display owes a vblank
		if f := screen.Frames(); f < 13 || f > 16 {
			t.Errorf("%d frames: a lost vblank must slow down, not stop the screen", f)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDisplayThatFailsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100, 100)
		box := canvas.NewRectangle(color.Black)
		r.app.SetContent(box)
		r.run(func() {
			r.settle()
			r.screen.Fail(errors.New("unplugged"))
			r.on(func() { box.FillColor = color.White })
			r.settle()
			r.screen.Fail(nil)
			r.on(func() { placedText(box) })
			r.settle()
			if c := r.screen.Image().RGBAAt(50, 50); c != (color.RGBA{255, 255, 250, 255}) {
				t.Errorf("shows %v", c)
			}
			if d := r.screen.Dirty(); len(d) != 1 || d[0] != image.Rect(0, 0, 100, 100) {
				t.Errorf("repainted %v after the display came back", d)
			}
		})
	})
}

func placedText(box *canvas.Rectangle) { box.FillColor = color.RGBA{255, 255, 250, 255} }

func TestOverlaysSwallowEveryTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		grid := container.NewGridWithColumns(4)
		var pads []*pad
		for range 24 {
			p := newPad("g", 90, 90)
			pads = append(pads, p)
			grid.Add(p)
		}
		r.app.SetContent(grid)
		r.run(func() {
			closed := false
			r.on(func() {
				d := dialog.NewInformation("Out of syrup", "Call staff", r.app.Window())
				d.SetOnClosed(func() { closed = true })
				d.Show()
			})
			for y := 5; y < 600 && !closed; y += 20 {
				for x := 5; x < 400; x += 20 {
					r.finger.Tap(1, x, y, time.Millisecond)
					r.on(func() {})
					if closed {
						break
					}
				}
			}
			if !closed {
				t.Error("no tap closed the dialog")
			}
			if d, _, _, n := sum(pads); d != 0 || n != 0 {
				t.Errorf("%d presses and %d taps leaked through the dialog", d, n)
			}
			time.Sleep(time.Second)
			r.finger.Tap(1, 20, 20, time.Millisecond)
			r.on(func() {
				if _, _, _, n := sum(pads); n != 1 {
					t.Errorf("%d taps after the dialog closed", n)
				}
			})
		})
	})
}

func TestStockWidgetsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		sel := widget.NewSelect([]string{"still", "sparkling"}, nil)
		entry := widget.NewEntry()
		taps := 0
		button := widget.NewButton("Go", func() { taps++ })
		r.app.SetContent(container.NewVBox(sel, entry, button, widget.NewProgressBarInfinite()))
		r.run(func() {
			centre := func(o fyne.CanvasObject) (x, y int) {
				r.on(func() {
					p := fyne.CurrentApp().Driver().AbsolutePositionForObject(o)
					x, y = int(p.X+o.Size().Width/2), int(p.Y+o.Size().Height/2)
				})
				return
			}
			x, y := centre(sel)
			r.finger.Tap(1, x, y, time.Millisecond)
			r.on(func() {
				if len(r.app.Canvas().Overlays().List()) != 1 {
					t.Fatal("the select shows no menu")
				}
			})
			r.finger.Tap(1, x, y+60, time.Millisecond)
			r.on(func() {
				if sel.Selected == "" || len(r.app.Canvas().Overlays().List()) != 0 {
					t.Errorf("selected %q, overlays %d", sel.Selected, len(r.app.Canvas().Overlays().List()))
				}
			})
			x, y = centre(entry)
			r.finger.Tap(1, x, y, time.Millisecond)
			r.on(func() {
				if r.app.Canvas().Focused() != entry {
					t.Error("a tapped entry has no focus")
				}
			})
			x, y = centre(button)
			r.finger.Tap(1, x, y, time.Millisecond)
			r.on(func() {
				if taps != 1 || r.app.Canvas().Focused() != nil {
					t.Errorf("taps %d, focus %v", taps, r.app.Canvas().Focused())
				}
			})
		})
	})
}

func TestThemeChangeRepaints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 300, 200)
		r.app.SetContent(widget.NewLabel("Fountain"))
		r.run(func() {
			r.on(func() { r.app.SetTheme(theme.DefaultTheme(), theme.VariantLight) })
			r.settle()
			light := r.screen.Image().RGBAAt(299, 199)
			r.on(func() { r.app.SetTheme(theme.DefaultTheme(), theme.VariantDark) })
			r.settle()
			dark := r.screen.Image().RGBAAt(299, 199)
			if light.R < 200 || dark.R > 60 {
				t.Errorf("background light %v, dark %v", light, dark)
			}
		})
	})
}

func TestTreeShowsWhatCanBeTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, 600, 900, kiosk.Config{Scale: 1.5})
		s, pads := list(50)
		for i, p := range pads {
			p.id = string(rune('a'+i/26)) + string(rune('a'+i%26))
		}
		pads[1].Hide()
		r.app.SetContent(row(placed(s, 20, 40, 300, 250)))
		r.run(func() {
			r.settle()
			got, err := r.app.Tree(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 3 || got[0].ID != "aa" || got[1].ID != "ac" || got[0].Role != "button" || got[0].Name != "Pad aa" || !got[0].Enabled {
				t.Fatalf("tree %+v", got)
			}
			if want := (display.Bounds{X: 30, Y: 60, W: 450, H: 150}); got[0].Bounds != want {
				t.Errorf("bounds %+v, want %+v", got[0].Bounds, want)
			}
			if b := got[2].Bounds; b.Y+b.H != (40+250)*3/2 {
				t.Errorf("the last one is cut at %d", b.Y+b.H)
			}
			r.on(func() { s.ScrollToOffset(fyne.NewPos(0, 1000)) })
			if got, err = r.app.Tree(t.Context()); err != nil || len(got) == 0 || got[0].ID == "aa" {
				t.Errorf("after scrolling: %v %+v", err, got)
			}
			o := newPad("over", 10, 10)
			r.on(func() { r.app.Canvas().Overlays().Add(o) })
			if got, err = r.app.Tree(t.Context()); err != nil || len(got) != 1 || got[0].ID != "over" {
				t.Errorf("behind an overlay: %v %+v", err, got)
			}
		})
	})
}

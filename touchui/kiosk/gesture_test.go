package kiosk_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/kiosk"
)

func expect(t *testing.T, when string, p *pad, want string) {
	t.Helper()
	if got := p.counts(); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
	if p.broken != "" {
		t.Errorf("%s: %s", when, p.broken)
	}
}

func TestSlowTapIsATap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		p := newPad("a", 100, 100)
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			r.finger.Tap(1, 80, 90, 5*time.Second)
			r.on(func() {
				expect(t, "after a slow tap", p, "down 1 up 1 cancel 0 taps 1")
				if p.lastPos != fyne.NewPos(30, 40) {
					t.Errorf("position inside the widget is %v", p.lastPos)
				}
			})
			r.finger.Tap(1, 160, 90, time.Millisecond)
			r.on(func() { expect(t, "after a tap beside it", p, "down 1 up 1 cancel 0 taps 1") })
		})
	})
}

func TestSlideOffCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		p := newPad("a", 100, 100)
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			r.finger.Down(1, 100, 100)
			r.finger.Move(1, 145, 100) // wobbles inside
			r.finger.Move(1, 155, 100) // within the slack of the edge
			r.on(func() { expect(t, "at the edge", p, "down 1 up 0 cancel 0 taps 0") })
			r.finger.Move(1, 200, 100)
			r.on(func() { expect(t, "slid off", p, "down 1 up 0 cancel 1 taps 0") })
			r.finger.Move(1, 100, 100)
			r.finger.Up(1, 100, 100)
			r.on(func() { expect(t, "came back and left", p, "down 1 up 0 cancel 1 taps 0") })
		})
	})
}

// Whatever takes the ground from under a finger cancels its touch.
func TestWhatCancels(t *testing.T) {
	tests := []struct {
		name string
		do   func(r *rig, p *pad, page *fyne.Container)
	}{
		{"overlay shown", func(r *rig, _ *pad, _ *fyne.Container) { r.app.Canvas().Overlays().Add(newPad("o", 10, 10)) }},
		{"overlay shown and removed at once", func(r *rig, _ *pad, _ *fyne.Container) {
			o := newPad("o", 10, 10)
			r.app.Canvas().Overlays().Add(o)
			r.app.Canvas().Overlays().Remove(o)
		}},
		{"modal pop-up shown", func(r *rig, _ *pad, _ *fyne.Container) {
			widget.ShowModalPopUp(widget.NewLabel("Out of order"), r.app.Canvas())
		}},
		{"page changed", func(r *rig, _ *pad, _ *fyne.Container) { r.app.SetContent(container.NewWithoutLayout()) }},
		{"object removed", func(_ *rig, p *pad, page *fyne.Container) { page.Remove(p) }},
		{"object hidden", func(_ *rig, p *pad, _ *fyne.Container) { p.Hide() }},
		{"parent hidden", func(_ *rig, _ *pad, page *fyne.Container) { page.Hide() }},
		{"object moved away", func(_ *rig, p *pad, _ *fyne.Container) { p.Move(fyne.NewPos(250, 50)) }},
		{"told to", func(r *rig, _ *pad, _ *fyne.Container) { r.app.CancelTouches() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 400, 300)
				p := newPad("a", 100, 100)
				page := row(placed(p, 50, 50, 100, 100))
				r.app.SetContent(page)
				r.run(func() {
					r.finger.Down(1, 100, 100)
					r.on(func() {
						expect(t, "held", p, "down 1 up 0 cancel 0 taps 0")
						tt.do(r, p, page)
					})
					r.on(func() { expect(t, "after", p, "down 1 up 0 cancel 1 taps 0") })
					r.finger.Move(1, 101, 101)
					r.finger.Up(1, 100, 100)
					r.on(func() {
						expect(t, "lifted", p, "down 1 up 0 cancel 1 taps 0")
						if r.app.Touching() {
							t.Error("a finger is still thought to be down")
						}
					})
				})
			})
		})
	}
}

func TestLostFingersCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		p := newPad("a", 100, 100)
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			r.finger.Down(1, 100, 100)
			r.finger.Cancel(1)
			r.on(func() { expect(t, "cancelled by the source", p, "down 1 up 0 cancel 1 taps 0") })
			r.finger.Down(1, 100, 100)
			r.finger.Down(1, 101, 100) // its Up was lost
			r.on(func() { expect(t, "down twice", p, "down 3 up 0 cancel 2 taps 0") })
			if err := r.finger.Close(); err != nil {
				t.Error(err)
			}
			r.on(func() { expect(t, "device gone", p, "down 3 up 0 cancel 3 taps 0") })
		})

		r = newRig(t, 400, 300)
		p = newPad("b", 100, 100)
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			r.finger.Down(1, 100, 100)
			r.on(func() { expect(t, "held", p, "down 1 up 0 cancel 0 taps 0") })
		})
		expect(t, "screen stopped", p, "down 1 up 0 cancel 1 taps 0")
	})
}

// A widget learns whether its finger was lost or had a reason to end.
func TestInputLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig, page *fyne.Container)
		lost bool
	}{
		{"cancelled by the source", func(r *rig, _ *fyne.Container) { r.finger.Cancel(1) }, true},
		{"its up was lost", func(r *rig, _ *fyne.Container) { r.finger.Down(1, 350, 250) }, true},
		{"device gone", func(r *rig, _ *fyne.Container) { _ = r.finger.Close() }, true},
		{"screen stopped", func(r *rig, _ *fyne.Container) { r.app.Quit() }, true},
		{"slid off", func(r *rig, _ *fyne.Container) { r.finger.Move(1, 350, 250) }, false},
		{"slid off, then lost", func(r *rig, _ *fyne.Container) { r.finger.Move(1, 350, 250); r.finger.Cancel(1) }, false},
		{"lifted outside", func(r *rig, _ *fyne.Container) { r.finger.Up(1, 350, 250) }, false},
		{"page changed", func(r *rig, _ *fyne.Container) { r.app.Do(func() { r.app.SetContent(container.NewWithoutLayout()) }) }, false},
		{"overlay shown", func(r *rig, _ *fyne.Container) {
			r.app.Do(func() { r.app.Canvas().Overlays().Add(newPad("o", 10, 10)) })
		}, false},
		{"hidden", func(r *rig, page *fyne.Container) { r.app.Do(page.Hide) }, false},
		{"told to", func(r *rig, _ *fyne.Container) { r.app.Do(r.app.CancelTouches) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 400, 300)
				p := newPad("a", 100, 100)
				var told []bool
				p.onCancel = func() { told = append(told, r.app.InputLost()) }
				page := row(placed(p, 50, 50, 100, 100))
				r.app.SetContent(page)
				r.run(func() {
					r.finger.Down(1, 100, 100)
					r.settle()
					tt.do(r, page)
					r.settle()
				})
				if len(told) != 1 || told[0] != tt.lost {
					t.Errorf("the pad was told %v, want [%v]", told, tt.lost)
				}
				if r.app.InputLost() {
					t.Error("it stays lost")
				}
			})
		})
	}
}

func TestPressThatLeavesThePageIsNoTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		p := newPad("a", 100, 100)
		p.onUp = func() { r.app.SetContent(container.NewWithoutLayout()) }
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			r.finger.Tap(1, 100, 100, time.Millisecond)
			r.on(func() { expect(t, "page changed on release", p, "down 1 up 1 cancel 0 taps 0") })
		})
	})
}

func TestFingersAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		a, b := newPad("a", 100, 100), newPad("b", 100, 100)
		r.app.SetContent(row(placed(a, 0, 0, 100, 100), placed(b, 200, 0, 100, 100)))
		r.run(func() {
			r.finger.Down(1, 50, 50)
			r.finger.Down(2, 250, 50)
			r.finger.Down(3, 60, 60) // a second finger on the same pad does nothing
			r.finger.Up(3, 60, 60)
			r.on(func() {
				expect(t, "first held", a, "down 1 up 0 cancel 0 taps 0")
				expect(t, "second held", b, "down 1 up 0 cancel 0 taps 0")
			})
			r.finger.Up(1, 50, 50)
			r.on(func() {
				expect(t, "first lifted", a, "down 1 up 1 cancel 0 taps 1")
				expect(t, "second still held", b, "down 1 up 0 cancel 0 taps 0")
			})
			r.finger.Up(2, 250, 50)
			r.on(func() { expect(t, "second lifted", b, "down 1 up 1 cancel 0 taps 1") })
		})
	})
}

// list is a vertical scroller of pads.
func list(n int) (*container.Scroll, []*pad) {
	box := container.NewVBox()
	pads := make([]*pad, n)
	for i := range pads {
		pads[i] = newPad("p", 300, 100)
		box.Add(pads[i])
	}
	return container.NewVScroll(box), pads
}

func sum(pads []*pad) (down, up, cancel, taps int) {
	for _, p := range pads {
		down, up, cancel, taps = down+p.down, up+p.up, cancel+p.cancel, taps+p.taps
	}
	return
}

func TestDragScrollsAndFlings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, pads := list(200)
		r.app.SetContent(s)
		r.run(func() {
			offset := func() (y float32) { r.on(func() { y = s.Offset.Y }); return }
			r.finger.Down(1, 100, 500)
			r.finger.Glide(1, 100, 500, 100, 300, 250*time.Millisecond) // 800 px/s
			y := offset()
			if want := float32(200 - 12); math.Abs(float64(y-want)) > 1 {
				t.Errorf("finger moved 200 px, content %v, want %v", y, want)
			}
			if d, u, c, n := sum(pads); d != 1 || u != 0 || c != 1 || n != 0 {
				t.Errorf("a drag pressed something: down %d up %d cancel %d taps %d", d, u, c, n)
			}
			r.finger.Glide(1, 100, 300, 100, 200, 125*time.Millisecond)
			r.finger.Up(1, 100, 200)
			start := time.Now()
			y += 100
			time.Sleep(30 * time.Millisecond)
			if z := offset(); z <= y {
				t.Errorf("no fling: %v after %v", z, y)
			}
			time.Sleep(5 * time.Second)
			// v²/2a, v from the finger's last 100 ms.
			if way := float64(offset() - y); way < 100 || way > 160 {
				t.Errorf("a fling of 800 px/s went %v px, want about %v", way, 800*800/2/2600.0)
			}
			n := r.screen.Frames()
			time.Sleep(time.Minute)
			if m := r.screen.Frames(); m != n {
				t.Errorf("%d frames after the fling ended, %v after release", m-n, time.Since(start))
			}
			if d, _, _, n := sum(pads); d != 1 || n != 0 {
				t.Errorf("touched %d pads, tapped %d", d, n)
			}
		})
	})
}

func TestWhatIsScrolledOutIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, pads := list(20)
		below := newPad("below", 100, 100)
		r.app.SetContent(row(placed(below, 0, 200, 300, 100), placed(s, 0, 0, 300, 200)))
		r.run(func() {
			r.finger.Tap(1, 50, 250, time.Millisecond)
			r.finger.Tap(1, 50, 450, time.Millisecond)
			r.on(func() {
				if d, _, _, _ := sum(pads); d != 0 {
					t.Errorf("%d presses on what is scrolled out of sight", d)
				}
				expect(t, "beside the scroller", below, "down 1 up 1 cancel 0 taps 1")
			})
		})
	})
}

func TestFlingEndsAtTheEndAndAtTopSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, _ := list(500)
		r.app.SetContent(s)
		r.run(func() {
			var before, after float32
			r.finger.Down(1, 100, 590)
			r.finger.Glide(1, 100, 590, 100, 10, 30*time.Millisecond) // 19,000 px/s
			r.on(func() { before = s.Offset.Y })
			r.finger.Up(1, 100, 10)
			time.Sleep(10 * time.Second)
			r.on(func() { after = s.Offset.Y })
			if way, most := float64(after-before), 6000*6000/2/2600.0; way > most+1 || way < most-2 {
				t.Errorf("fastest fling went %v px, want %.0f", way, most)
			}
			r.finger.Swipe(1, 100, 100, 100, 500, 30*time.Millisecond)
			r.finger.Swipe(1, 100, 100, 100, 590, 30*time.Millisecond)
			time.Sleep(10 * time.Second)
			r.on(func() { s.ScrollToOffset(fyne.NewPos(0, 50)) })
			r.finger.Swipe(1, 100, 100, 100, 500, 100*time.Millisecond)
			time.Sleep(time.Second) // swings back from beyond the end
			n := r.screen.Frames()
			time.Sleep(time.Minute)
			if m := r.screen.Frames() - n; m > 0 {
				t.Errorf("%d frames after flinging against the end", m)
			}
		})
	})
}

func TestRestBeforeReleaseIsNoFling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, _ := list(100)
		r.app.SetContent(s)
		r.run(func() {
			r.finger.Down(1, 100, 500)
			r.finger.Glide(1, 100, 500, 100, 300, 100*time.Millisecond)
			for range 3 { // a browser repeats the state
				time.Sleep(100 * time.Millisecond)
				r.finger.Move(1, 100, 300)
			}
			var y, z float32
			r.on(func() { y = s.Offset.Y })
			r.finger.Up(1, 100, 300)
			time.Sleep(time.Second)
			r.on(func() { z = s.Offset.Y })
			if y != z {
				t.Errorf("went on by %v px", z-y)
			}
		})
	})
}

func TestTouchStopsAFlingAndTapsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s, pads := list(300)
		r.app.SetContent(s)
		r.run(func() {
			r.finger.Swipe(1, 100, 500, 100, 200, 100*time.Millisecond)
			time.Sleep(100 * time.Millisecond)
			d0, _, _, _ := sum(pads)
			r.finger.Tap(1, 100, 300, 50*time.Millisecond)
			var y, z float32
			r.on(func() { y = s.Offset.Y })
			time.Sleep(time.Second)
			r.on(func() { z = s.Offset.Y })
			if y != z {
				t.Errorf("the fling went on by %v px", z-y)
			}
			if d, _, _, n := sum(pads); d != d0 || n != 0 {
				t.Errorf("stopping a fling pressed %d, tapped %d", d-d0, n)
			}
			r.finger.Tap(1, 100, 300, 50*time.Millisecond)
			r.on(func() {
				if _, _, _, n := sum(pads); n != 1 {
					t.Errorf("the next tap tapped %d", n)
				}
			})
		})
	})
}

func TestNestedScrollers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		strip := container.NewHBox()
		for range 30 {
			strip.Add(newPad("s", 100, 150))
		}
		inner := container.NewHScroll(strip)
		box := container.NewVBox(inner)
		for range 30 {
			box.Add(newPad("p", 300, 100))
		}
		outer := container.NewVScroll(box)
		r.app.SetContent(outer)
		r.run(func() {
			at := func() (x, y float32) {
				time.Sleep(5 * time.Second)
				r.on(func() { x, y = inner.Offset.X, outer.Offset.Y })
				return
			}
			r.finger.Swipe(1, 300, 75, 100, 85, 200*time.Millisecond)
			if x, y := at(); x < 180 || y != 0 {
				t.Errorf("sideways on the strip: strip %v, page %v", x, y)
			}
			x0, _ := at()
			r.finger.Swipe(1, 300, 140, 305, 20, 200*time.Millisecond)
			if x, y := at(); x != x0 || y < 100 {
				t.Errorf("upwards on the strip: strip moved %v, page %v", x-x0, y)
			}
			r.on(func() { outer.ScrollToOffset(fyne.Position{}) })
			r.finger.Swipe(1, 300, 400, 50, 405, 200*time.Millisecond)
			if x, y := at(); x != x0 || y != 0 {
				t.Errorf("sideways on the page: strip moved %v, page %v", x-x0, y)
			}
		})
	})
}

func TestSliderFollowsAndDoesNotFling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		s := widget.NewSlider(0, 100)
		r.app.SetContent(row(placed(s, 0, 100, 400, 40)))
		r.run(func() {
			r.finger.Swipe(1, 30, 120, 200, 120, 100*time.Millisecond)
			time.Sleep(time.Second)
			r.on(func() {
				if math.Abs(s.Value-50) > 2 {
					t.Errorf("slider is at %v", s.Value)
				}
			})
		})
	})
}

// ownScroller implements kiosk.Scroller.
type ownScroller struct {
	widget.BaseWidget
	y, most float32
	ends    int
	ended   bool
}

func (s *ownScroller) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(canvas.NewRectangle(nil))
}
func (s *ownScroller) CanScroll(a kiosk.Axis) bool { return a == kiosk.Vertical }
func (s *ownScroller) ScrollBy(d fyne.Delta) bool {
	before := s.y
	s.y = max(0, min(s.most, s.y-d.DY))
	s.ended = false
	return s.y != before
}
func (s *ownScroller) ScrollEnd() { s.ends++; s.ended = true }

func TestOwnScroller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 600)
		s := &ownScroller{most: 100000}
		s.ExtendBaseWidget(s)
		r.app.SetContent(s)
		r.run(func() {
			r.finger.Swipe(1, 100, 500, 100, 300, 100*time.Millisecond)
			time.Sleep(5 * time.Second)
			r.on(func() {
				if s.y < 188+400 || s.ends != 1 || !s.ended {
					t.Errorf("offset %v, ends %d, ended last %v", s.y, s.ends, s.ended)
				}
			})
			y := s.y
			r.finger.Swipe(1, 100, 300, 300, 310, 100*time.Millisecond)
			time.Sleep(time.Second)
			r.on(func() {
				if s.y != y {
					t.Errorf("a sideways swipe moved it by %v", s.y-y)
				}
			})
		})
	})
}

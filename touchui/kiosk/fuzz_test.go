package kiosk_test

import (
	"image"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"fountain/touchui/kiosk"
	"fountain/touchui/kiosk/paint"
)

// Random fingers on pages that change under them: every press ends exactly once, whatever happens.
func TestFuzzTouches(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			rng, inner := rand.New(rand.NewPCG(seed, 42)), rand.New(rand.NewPCG(seed, 43))
			rot := paint.Rotation(seed % 4)
			seen := image.Pt(400, 600)
			panel := rot.Size(seen)
			r := newRigWith(t, panel.X, panel.Y, kiosk.Config{Rotation: rot, Reduced: seed%5 == 4})
			s, pads := list(40)
			extra := newPad("x", 100, 100)
			over := newPad("over", 10, 10)
			other := newPad("other", 400, 600)
			page := row(placed(s, 0, 0, 300, 600), placed(extra, 300, 200, 100, 100))
			all := append([]*pad{extra, over, other}, pads...)
			extra.onDown = func() {
				if inner.IntN(8) == 0 { // changes the page from inside of its own press
					r.app.SetContent(other)
				}
			}
			r.app.SetContent(page)
			r.run(func() {
				for i := range 400 {
					if i%50 == 0 { // a whole gesture: pulls beyond an end, or flings
						r.finger.Swipe(rng.IntN(3), 20+rng.IntN(200), 20+rng.IntN(panel.Y-40), 20+rng.IntN(200), 20+rng.IntN(panel.Y-40), time.Duration(20+rng.IntN(300))*time.Millisecond)
					}
					id, x, y := rng.IntN(3), rng.IntN(panel.X+40)-20, rng.IntN(panel.Y+40)-20
					switch rng.IntN(20) {
					case 0, 1, 2, 3, 4:
						r.finger.Down(id, x, y)
					case 5, 6, 7, 8, 9, 10:
						r.finger.Move(id, x, y)
					case 11, 12, 13:
						r.finger.Up(id, x, y)
					case 14:
						r.finger.Cancel(id)
					case 15:
						r.app.Do(func() { r.app.Canvas().Overlays().Add(over) })
					case 16:
						r.app.Do(func() { r.app.Canvas().Overlays().Remove(over) })
					case 17:
						r.app.Do(func() { r.app.SetContent(page) })
					case 18:
						p := all[rng.IntN(len(all))]
						r.app.Do(func() {
							if p.Hidden {
								p.Show()
							} else {
								p.Hide()
							}
						})
					case 19:
						time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
					}
				}
				r.settle()
				for id := range 3 {
					r.finger.Up(id, 0, 0)
				}
				r.on(func() {
					if r.app.Touching() {
						t.Errorf("seed %d: a finger is thought to be down", seed)
					}
					r.app.SetContent(page)
				})
				time.Sleep(10 * time.Second) // nothing flings or swings any more
				r.on(func() {
					if y := standing(s); y != 0 {
						t.Errorf("seed %d: the list stands %v beyond its end", seed, y)
					}
				})
				n := r.screen.Frames()
				time.Sleep(time.Minute)
				if m := r.screen.Frames() - n; m > 0 {
					t.Errorf("seed %d: %d frames without a finger", seed, m)
				}
			})
			downs := 0
			for _, p := range all {
				downs += p.down
				if p.broken != "" || p.held || p.down != p.up+p.cancel {
					t.Errorf("seed %d: %s: %s %s", seed, p.id, p.counts(), p.broken)
				}
			}
			if downs < 20 {
				t.Errorf("seed %d: only %d presses, the fuzz tests nothing", seed, downs)
			}
		})
	}
}

package screens

import (
	"fmt"
	"image/color"
	"math"
	"testing"
)

// The ring around the round dome is round: it crosses nothing that stands beside the dome.
func TestRingAroundTheDomeIsRound(t *testing.T) {
	for _, s := range []struct{ w, h int }{{800, 480}, {800, 1280}} {
		inBubble(t, s.w, s.h, func(t *testing.T, r *rig) {
			for _, m := range []textMode{textNormal, textContrast} {
				r.at(func() {
					r.ui.setText(m)
					drinkPage("beverage").show(r.ui)
					r.app.RenderNow()
				})
				without := r.mem.Image()
				r.at(func() {
					if !r.app.Focus("beverage.pour") {
						t.Fatal("the dome cannot have the focus")
					}
					r.app.RenderNow()
				})
				with := r.mem.Image()
				r.shot(fmt.Sprintf("ring-%dx%d-%d", s.w, s.h, m))
				r.at(func() {
					d := r.ui.page.(*pourPage).dome
					at, radius := d.Disc()
					at = at.Add(d.Position())
					var ring color.RGBA
					for y := range s.h {
						for x := range s.w {
							if with.RGBAAt(x, y) == without.RGBAAt(x, y) {
								continue
							}
							if off := math.Hypot(float64(x)+.5-float64(at.X), float64(y)+.5-float64(at.Y)) - float64(radius); off < -2 || off > 14 {
								t.Fatalf("%dx%d: the ring is at %d,%d, %.0f from the dome's edge", s.w, s.h, x, y, off)
							}
							ring = with.RGBAAt(x, y)
						}
					}
					if ring == (color.RGBA{}) {
						t.Errorf("%dx%d: no ring", s.w, s.h)
					}
				})
				r.at(func() { r.ui.goHome() })
			}
		})
	}
}

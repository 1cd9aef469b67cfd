package screens

import (
	"testing"
	"time"

	"fountain/touchui/art"
)

// One page follows another by one edge that travels through the screen; the new page can be touched from the first moment,
// and with reduced motion it is there at once.
func TestLevelTravels(t *testing.T) {
	inBubble(t, 800, 480, func(t *testing.T, r *rig) {
		var primary, bg [3]uint8
		r.at(func() {
			r.ui.cut = false
			b := art.ColoursOf(r.ui.cat.Brands[0].Palette).Primary
			primary, bg = [3]uint8{b.R, b.G, b.B}, [3]uint8{r.ui.Roles.BG.R, r.ui.Roles.BG.G, r.ui.Roles.BG.B}
			r.ui.show(newBrand(r.ui, &r.ui.cat.Brands[0]))
		})
		at := func(y int) [3]uint8 {
			var c [3]uint8
			r.at(func() {
				r.app.RenderNow()
				p := r.mem.Image().RGBAAt(2, y)
				c = [3]uint8{p.R, p.G, p.B}
			})
			return c
		}
		if c := at(470); c != bg {
			t.Errorf("the old page's ground does not stand at the foot: %v", c)
		}
		time.Sleep(pageMoves * 2)
		if c := at(470); c != primary {
			t.Errorf("the new page does not stand alone after %v: %v, want %v", pageMoves*2, c, primary)
		}
		n := r.mem.Frames()
		time.Sleep(10 * time.Second)
		if got := r.mem.Frames() - n; got != 0 {
			t.Errorf("%d frames after the level came to rest", got)
		}
		r.at(func() { r.ui.goHome() })
		r.tap("home.search") // while the level travels
		r.waitPage("search")
		r.at(func() {
			r.ui.Still = true
			r.ui.show(newBrand(r.ui, &r.ui.cat.Brands[0]))
		})
		if c := at(470); c != primary {
			t.Errorf("with reduced motion the new page is not there at once: %v", c)
		}
	})
}

package screens

import (
	"bytes"
	"fmt"
	"image"
	"strconv"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/sheet"
)

var panels = []struct{ w, h int }{{1080, 1920}, {800, 480}, {800, 1280}, {1920, 1080}}

// TestEveryScreen reaches and leaves every screen at every size.
// The touch that ends the attract page does nothing else. Peers: KlipperScreen's pressed what lay below (#207, #292).
func TestEveryScreen(t *testing.T) {
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			tag := fmt.Sprintf("%dx%d-", s.w, s.h)
			r := newRig(t, s.w, s.h)
			r.agent.mu.Lock()
			r.agent.rate = 400_000
			r.agent.mu.Unlock()
			r.agent.set(func(s *api.Snapshot) {
				s.Favourites = []beverage.ID{"night-tram.black-cherry-zero", "lemonpark.raspberry-hedge", "porchlight.peach-porch", "kolvane.original"}
			})
			r.waitPage("home")
			r.get("home.brand.kolvane")
			r.get("home.favourite.0")
			r.shot(tag + "home")

			r.tap("home.filter.no-sugar")
			r.until("filter on", func() bool { e, ok := r.find("home.filter.no-sugar"); return ok && e.Value == "on" })
			r.tap("home.filter.all")
			r.until("filter off", func() bool { e, ok := r.find("home.filter.all"); return ok && e.Value == "on" })

			r.tap("home.brand.kolvane")
			r.waitPage("brand")
			r.shot(tag + "brand")
			r.tap("nav.back")
			r.waitPage("home")
			r.tap("home.brand.kolvane")
			r.tap("brand.beverage.kolvane.cherry-zero")
			r.waitPage("beverage")
			r.shot(tag + "beverage")
			r.tap("beverage.size.large")
			r.until("large", func() bool { e, ok := r.find("beverage.size.large"); return ok && e.Value == "on" })
			r.tap("beverage.size.medium")

			x, y := r.press("beverage.pour")
			r.waitPage("pouring")
			r.until("290 ml", func() bool { return r.volume() >= 290 })
			r.shot(tag + "pouring")
			r.finger.Up(1, x, y)
			r.waitPage("done")
			r.shot(tag + "done")
			if r.agent.active() != 0 {
				t.Error("a pour is active after letting go")
			}
			r.tap("pour.done")
			r.waitPage("home")

			r.tap("home.water")
			r.waitPage("beverage")
			r.tap("nav.back")
			r.waitPage("brand")
			r.tap("nav.back")
			r.waitPage("home")

			r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{"kolvane.cherry-zero": "sold_out"} })
			r.tap("home.brand.kolvane")
			r.tap("brand.beverage.kolvane.cherry-zero")
			r.waitPage("sold_out")
			r.shot(tag + "sold-out")
			r.tap("nav.back")
			r.waitPage("brand")
			r.tap("nav.back")
			r.waitPage("home")

			r.agent.set(func(s *api.Snapshot) { s.Blocked = blockFizz(t, r.ui.cat) })
			r.waitPage("no_fizz")
			r.shot(tag + "no-fizz")
			r.tap("no-fizz.rest")
			r.waitPage("home")
			r.shot(tag + "home-still")
			r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{} })

			r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "no_water" })
			r.waitPage("out_of_order")
			r.shot(tag + "out-of-order")
			r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitReady, "" })
			r.waitPage("home")

			if err := r.app.Call(t.Context(), func() {
				r.ui.now = func() time.Time { return time.Now().Add(time.Hour) }
				r.ui.idle.busy = time.Now()
			}); err != nil {
				t.Fatal(err)
			}
			r.waitPage("attract")
			r.shot(tag + "attract")
			if err := r.app.Call(t.Context(), func() { r.ui.now = time.Now }); err != nil {
				t.Fatal(err)
			}
			r.tap("attract.start")
			r.waitPage("home")
		})
	}
}

// volume is the number on the pouring page.
// A page that was left keeps no pictures, and the one that is shown has all of its own.
func TestLeftPagesKeepNoPictures(t *testing.T) {
	r := newRig(t, 1080, 1920)
	r.waitPage("home")
	r.until("the tiles", func() bool { _, ok := r.find("home.favourite.0"); return ok })
	count := func(o fyne.CanvasObject) (n int) {
		var walk func(fyne.CanvasObject)
		walk = func(o fyne.CanvasObject) {
			switch t := o.(type) {
			case *fyne.Container:
				for _, k := range t.Objects {
					walk(k)
				}
			case *container.Scroll:
				walk(t.Content)
			case *sheet.Control:
				if t.Pictured() {
					n++
				}
			case *dome:
				walk(t.pic)
			case *canvas.Image:
				if t.Image != nil {
					n++
				}
			}
		}
		walk(o)
		return n
	}
	var was, left, now int
	var want *image.RGBA
	if err := r.app.Call(t.Context(), func() {
		old := r.ui.page.content()
		was = count(old)
		r.ui.open("kolvane.cherry-zero")
		left, now = count(old), count(r.ui.page.content())
		r.app.RenderNow()
		want = r.mem.Image()
		r.ui.goHome()
		r.app.RenderNow()
		r.ui.open("kolvane.cherry-zero")
		r.app.RenderNow()
	}); err != nil {
		t.Fatal(err)
	}
	if was < 20 || left != 0 || now < 5 {
		t.Errorf("home had %d pictures, kept %d, the beverage page has %d", was, left, now)
	}
	if !bytes.Equal(want.Pix, r.mem.Image().Pix) {
		t.Error("the page looks different the second time")
	}
}

func (r *rig) volume() int {
	e, ok := r.find("pour.volume")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(e.Value)
	if err != nil {
		r.t.Fatalf("pour.volume is %q", e.Value)
	}
	return n
}

func blockFizz(t *testing.T, c *beverage.Catalogue) map[beverage.ID]string {
	t.Helper()
	out := map[beverage.ID]string{}
	for i := range c.Brands {
		for j := range c.Brands[i].Beverages {
			if v := &c.Brands[i].Beverages[j]; sparkling(v) {
				out[v.ID] = whyNoFizz
			}
		}
	}
	return out
}

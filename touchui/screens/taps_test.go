package screens

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// What a step of a person at the screen takes by the keystroke-level model of Card, Moran and Newell (1980): to make up
// one's mind, to point, to touch. A drag is pointing twice with a touch between.
const (
	think = 1350 * time.Millisecond
	point = 1100 * time.Millisecond
	touch = 200 * time.Millisecond
)

// effort is what a way to a drink costs a person.
type effort struct {
	taps, drags int
}

func (e effort) takes() time.Duration {
	steps := time.Duration(e.taps + e.drags)
	return steps*(think+point+touch) + time.Duration(e.drags)*point
}

// walker goes ways through the screen as a person does, in virtual time, and counts.
type walker struct {
	*rig
	effort
}

// tapOn touches an element that is in sight.
func (w *walker) tapOn(id string) {
	w.t.Helper()
	w.taps++
	w.tap(id)
	time.Sleep(300 * time.Millisecond) // the page changes
}

// reach drags the page upwards until an element is in sight.
func (w *walker) reach(id string, x, y0, y1 int) {
	w.t.Helper()
	for range 30 {
		if e, ok := w.find(id); ok && e.Bounds.H >= 60 {
			return
		}
		w.drags++
		w.finger.Down(1, x, y0)
		w.finger.Glide(1, x, y0, x, y1, 300*time.Millisecond)
		time.Sleep(200 * time.Millisecond) // the finger rests: nothing is flung past
		w.finger.Up(1, x, y1)
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("%s never came into sight", id)
}

// TestTapsToADrink counts what it takes from the idle screen to a dome that pours: a favourite in at most two taps, any
// drink in at most four. The touch that pours is not a tap: it is held.
func TestTapsToADrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		agent := newFakeAgentOn(t, l)
		cat, err := beverage.Default()
		if err != nil {
			t.Fatal(err)
		}
		favourite := cat.Brands[7].Beverages[1].ID
		agent.set(func(s *api.Snapshot) { s.Favourites = []beverage.ID{cat.Brands[3].Beverages[0].ID, favourite} })
		w := &walker{rig: newRigOn(t, 1080, 1920, agent, api.NewClientOver(l.dial))}
		idle := func() {
			t.Helper()
			for range 20 {
				if w.page() == "attract" {
					w.effort = effort{}
					return
				}
				time.Sleep(10 * time.Second)
			}
			t.Fatalf("the screen does not come to rest: %s", w.page())
		}
		ready := func(id beverage.ID) {
			t.Helper()
			if p, dome := w.page(), w.get("beverage.pour"); p != "beverage" || !dome.Enabled {
				t.Fatalf("%s: no dome to pour on page %s", id, p)
			}
			if got := w.ui.page.(*pourPage).offer.Beverage.ID; got != id {
				t.Fatalf("came to %s, not to %s", got, id)
			}
		}

		idle()
		w.tapOn("attract.start")
		w.tapOn("home.favourite.1")
		ready(favourite)
		t.Logf("a favourite: %d taps, %v", w.taps, w.takes())
		if w.taps > 2 {
			t.Errorf("a favourite takes %d taps, want at most 2", w.taps)
		}

		var n, sum, seen int
		var worst effort
		every := 29 // FOUNTAIN_LONG=1 goes to each
		if os.Getenv("FOUNTAIN_LONG") != "" {
			every = 1
		}
		for _, b := range cat.Brands {
			for _, v := range b.Beverages {
				if seen++; seen%every != 0 {
					continue
				}
				idle()
				w.tapOn("attract.start")
				w.reach("home.brand."+string(b.ID), 540, 1500, 400)
				w.tapOn("home.brand." + string(b.ID))
				w.reach("brand.beverage."+string(v.ID), 540, 1500, 1000)
				w.tapOn("brand.beverage." + string(v.ID))
				ready(v.ID)
				if w.taps > 4 {
					t.Errorf("%s takes %d taps, want at most 4", v.ID, w.taps)
				}
				n++
				sum += int(w.takes())
				if w.takes() > worst.takes() {
					worst = w.effort
				}
			}
		}
		t.Logf("any of %d drinks without search: mean %v, worst %d taps and %d drags in %v",
			n, (time.Duration(sum) / time.Duration(n)).Round(100*time.Millisecond), worst.taps, worst.drags, worst.takes())
	})
}

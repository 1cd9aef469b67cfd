package screens

import (
	"fmt"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/sheet"
)

// openReach shows the low-reach page.
func openReach(r *rig) {
	r.t.Helper()
	r.waitPage("home")
	if err := r.app.Call(r.t.Context(), func() { r.ui.show(newReach(r.ui)) }); err != nil {
		r.t.Fatal(err)
	}
	r.waitPage("low_reach")
}

// low fails for every enabled element that is not within reach.
func (r *rig) low() {
	r.t.Helper()
	els, err := r.app.Tree(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	w, h := r.app.Size()
	limit := h * 2 / 3
	if w > h {
		limit = h / 2
	}
	n := 0
	for _, e := range els {
		if !e.Enabled || e.Role == sheet.RoleText || e.Role == sheet.RoleValue {
			continue
		}
		n++
		if e.Bounds.Y < limit {
			r.t.Errorf("page %s: %s begins at %d, above %d", r.page(), e.ID, e.Bounds.Y, limit)
		}
	}
	if n == 0 {
		r.t.Errorf("page %s has nothing to touch", r.page())
	}
}

// The whole journey with every control low: choosing, filtering, languages, pouring, the end; and the drink that runs out
// while it is chosen.
func TestReachJourney(t *testing.T) {
	for _, s := range panels {
		for _, tag := range []string{"en", "ar"} {
			t.Run(fmt.Sprintf("%dx%d-%s", s.w, s.h, tag), func(t *testing.T) {
				virtual(t, s.w, s.h, func(t *testing.T, r *rig) {
					r.call(func() { r.ui.setLanguage(tag) })
					reachPour(t, r, fmt.Sprintf("%dx%d-reach-%s-", s.w, s.h, tag))
				})
			})
		}
	}
}

func reachPour(t *testing.T, r *rig, name string) {
	openReach(r)
	r.low()
	r.shot(name + "choose")
	r.tap("reach.filter")
	r.get("reach.filter.no-sugar")
	r.low()
	r.shot(name + "filter")
	r.tap("reach.filter.no-sugar")
	r.until("the filter", func() bool { return r.get("reach.filter.no-sugar").Value == "on" })
	r.low()
	r.tap("reach.filter")
	r.until("variants", func() bool { _, ok := r.find("reach.filter.all"); return !ok })
	r.tap("beverage.size.large")
	r.until("large", func() bool { return r.get("beverage.size.large").Value == "on" })
	r.low()

	x, y := r.press("beverage.pour")
	r.waitPage("pouring")
	r.low()
	r.until("200 ml", func() bool { return r.volume() >= 200 })
	r.shot(name + "pouring")
	r.finger.Up(1, x, y)
	r.until("the end", func() bool { return r.agent.active() == 0 && r.page() != "pouring" })
	r.low()
	r.shot(name + "done")
	r.tap("pour.done")
	r.waitPage("low_reach")

	var chosen beverage.ID
	r.call(func() { chosen = r.ui.page.(*pourPage).offer.Beverage.ID })
	r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{chosen: whySoldOut} })
	r.until("another drink", func() (ok bool) {
		r.call(func() { ok = r.ui.page.(*pourPage).offer.Beverage.ID != chosen })
		return ok
	})
	r.get("beverage.problem")
	r.low()
	r.shot(name + "sold-out")
	r.tap("nav.back")
	r.waitPage("home")
	r.call(func() {
		if r.ui.reach {
			t.Error("the full view is still low")
		}
	})
}

// Low while foam settles too, and when the rest is offered.
func TestReachFoam(t *testing.T) {
	virtual(t, 1080, 1920, func(t *testing.T, r *rig) {
		openReach(r)
		x, y := r.press("beverage.pour")
		r.until("100 ml", func() bool { return r.page() == "pouring" && r.volume() >= 100 })
		r.agent.set(func(s *api.Snapshot) { s.Cup = true })
		r.finger.Up(1, x, y)
		r.until("the end", func() bool { return r.agent.active() == 0 && r.page() != "pouring" })
		r.agent.mu.Lock()
		for _, p := range r.agent.pours {
			p.TopOffID, p.TopOffUL, p.TopOffMS, p.FoamMS = p.ID, 60_000, 30_000, 8_000
		}
		r.agent.mu.Unlock()
		r.agent.poke()
		r.waitPage("foam")
		r.low()
		r.shot("1080x1920-reach-foam")
	})
}

// A mix is made and poured low too.
func TestReachMix(t *testing.T) {
	for _, size := range [][2]int{{1080, 1920}, {800, 1280}, {800, 480}, {1920, 1080}} {
		virtual(t, size[0], size[1], func(t *testing.T, r *rig) {
			openReach(r)
			r.call(func() { r.ui.show(newMix(r.ui)) })
			r.waitPage("mix")
			r.low()
			r.shot(fmt.Sprintf("%dx%d-reach-mix", size[0], size[1]))
			e := r.get("mix.level.1")
			r.finger.Tap(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+10, 5*time.Millisecond)
			r.until("a level", func() bool { return levels(r)[1] > "80 %" })
			r.tap("mix.swap.0")
			r.until("cards", func() bool { _, ok := r.find("mix.carrier"); return ok })
			r.low()
			r.tap("nav.back")
			r.get("mix.level.0")
			x, y := r.press("beverage.pour")
			r.until("100 ml", func() bool { return r.page() == "pouring" && r.volume() >= 100 })
			r.low()
			r.finger.Up(1, x, y)
			r.until("the end", func() bool { return r.agent.active() == 0 && r.page() != "pouring" })
			r.low()
			r.tap("pour.done")
			r.waitPage("low_reach")
		})
	}
}

// Low reach ends with the session.
func TestReachEndsWithTheSession(t *testing.T) {
	virtual(t, 1080, 1920, func(t *testing.T, r *rig) {
		openReach(r)
		time.Sleep(IdleAfter + 2*time.Second)
		r.waitPage("attract")
		r.call(func() {
			if r.ui.reach {
				t.Error("the next person finds the controls low")
			}
		})
	})
}

func TestReachLanguages(t *testing.T) {
	virtual(t, 1080, 1920, func(t *testing.T, r *rig) {
		openReach(r)
		r.tap("reach.filter")
		r.swipeTo("reach.language")
		r.tap("reach.language")
		r.get("language.de")
		r.low()
		r.tap("language.de")
		r.until("German", func() bool { e, ok := r.find("nav.back"); return ok && e.Name == "Volle Ansicht" })
		if p := r.page(); p != "low_reach" {
			t.Errorf("the language leads to %s", p)
		}
	})
}

// swipeTo scrolls the row until id can be touched.
func (r *rig) swipeTo(id string) {
	r.t.Helper()
	for range 12 {
		if e, ok := r.find(id); ok && e.Bounds.W > 60 {
			time.Sleep(300 * time.Millisecond) // the fling ends
			return
		}
		e := r.get("beverage.pour")
		y := e.Bounds.Y - 60
		r.finger.Swipe(1, 900, y, 300, y, 80*time.Millisecond)
		time.Sleep(400 * time.Millisecond)
	}
	r.t.Fatalf("%s never came into sight", id)
}

// call runs f on the Fyne thread.
func (r *rig) call(f func()) {
	r.t.Helper()
	if err := r.app.Call(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

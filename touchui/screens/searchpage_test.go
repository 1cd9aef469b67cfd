package screens

import (
	"fmt"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/touchui/display"
	"fountain/touchui/sheet"
)

// at puts the rig's screen on a page.
func (r *rig) at(show func()) {
	r.t.Helper()
	if err := r.app.Call(r.t.Context(), show); err != nil {
		r.t.Fatal(err)
	}
}

// The keyboard of every panel and language: keys of at least 15 mm that lie on the panel and not over each other, and at
// least firstScreen results above them.
func TestSearchPageFits(t *testing.T) {
	for _, c := range []struct {
		w, h int
		ppmm float64 // 0: the panel that was drawn
	}{{1080, 1920, 0}, {800, 480, 0}, {800, 1280, 0}, {1920, 1080, 0}, {800, 1280, 5.87}, {1080, 1920, 2.72}} {
		r := newRig(t, c.w, c.h)
		r.waitPage("home")
		for _, tag := range []string{"en", "fr", "de", "ar", "ja"} {
			name := fmt.Sprintf("%dx%d at %v %s", c.w, c.h, c.ppmm, tag)
			first, mm := 0, 0
			var els []display.Element
			r.at(func() {
				r.ui.Geo = sheet.NewGeo(c.w, c.h, c.ppmm)
				r.ui.Changed()
				r.ui.setLanguage(tag)
				p := newSearch(r.ui, "o")
				r.ui.show(p)
				first, mm = p.shownFirst(), r.ui.Geo.MM(15)
				els = r.app.Elements() // at once: on a laden host the fake agent may be late, which the screen shows
			})
			if want := firstScreen; first < want && tag != "ja" && c.ppmm < 5 || first < 6 {
				t.Errorf("%s: %d results in sight, want %d", name, first, want)
			}
			keys := 0
			for i, e := range els {
				if e.Role != sheet.RoleKey && e.ID != "nav.back" {
					continue
				}
				keys++
				b := e.Bounds
				if b.W < mm || b.H < mm {
					t.Errorf("%s: %s is %dx%d px, want at least %d", name, e.ID, b.W, b.H, mm)
				}
				if b.X < 0 || b.Y < 0 || b.X+b.W > c.w || b.Y+b.H > c.h {
					t.Errorf("%s: %s lies at %+v, outside", name, e.ID, b)
				}
				for _, o := range els[:i] {
					if a := o.Bounds; (o.Role == sheet.RoleKey || o.ID == "nav.back") && a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
						t.Errorf("%s: %s lies on %s", name, e.ID, o.ID)
					}
				}
			}
			if keys < 28 {
				t.Errorf("%s: only %d keys", name, keys)
			}
		}
	}
}

// A person types, takes back, changes script and chooses; the page stays what it was through a change of text and language.
func TestSearchByTyping(t *testing.T) {
	r := newRig(t, 1080, 1920)
	r.agent.set(func(s *api.Snapshot) { s.Mixes = true })
	r.waitPage("home")
	r.tap("home.search")
	r.waitPage("search")
	query := func(want string) {
		t.Helper()
		r.until("query "+want, func() bool { e, ok := r.find("search.query"); return ok && e.Value == want })
	}
	query("")
	for _, k := range "zee" {
		r.tap("search.key." + string(k))
	}
	query("zee")
	r.tap("search.key.delete")
	query("ze")
	r.tap("search.key.s")
	query("zes")
	r.get("search.result.zestrel.lemon-lime")

	r.at(func() { r.ui.nextText() }) // large
	query("zes")
	r.at(func() { r.ui.setLanguage("ja") })
	query("zes")
	r.get("search.result.zestrel.lemon-lime")
	if _, ok := r.find("search.key.あ"); !ok {
		t.Error("no kana on the Japanese keyboard")
	}
	r.tap("search.key.script")
	r.get("search.key.q")
	r.tap("search.key.t")
	query("zest")
	r.tap("search.result.zestrel.lemon-lime")
	r.waitPage("beverage")
	r.at(func() { r.ui.goHome() })
	r.waitPage("home")
	r.tap("home.search")
	r.waitPage("search")
	r.tap("nav.back")
	r.waitPage("home")
}

func TestQueryHasAnEnd(t *testing.T) {
	r := newRig(t, 800, 480)
	r.waitPage("home")
	r.at(func() {
		p := newSearch(r.ui, "")
		r.ui.show(p)
		p.typed(" ") // nothing to part yet
		for range 50 {
			p.typed("w")
			p.typed(" ")
			p.typed(" ")
		}
		if len(p.query) > longestQuery || strings.Contains(p.query, "  ") || strings.HasPrefix(p.query, " ") {
			t.Errorf("query %q", p.query)
		}
		for range 60 {
			p.erase()
		}
		if p.query != "" {
			t.Errorf("query %q after taking everything back", p.query)
		}
	})
}

package screens

import (
	"fmt"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// A filter by kind leaves brands of that kind and nothing else, and only kinds of which a unit has a few are offered.
func TestFiltersByKind(t *testing.T) {
	r := newRig(t, 1080, 1920)
	r.waitPage("home")
	r.at(func() { r.ui.page.(*homePage).choose(FilterTea) })
	r.until("tea", func() bool { e, ok := r.find("home.filter.tea"); return ok && e.Value == "on" })
	if _, ok := r.find("home.brand.kolvane"); ok {
		t.Error("a cola stands among the teas")
	}
	r.get("home.brand.porchlight")
	var rows, shown []string
	r.at(func() {
		for _, row := range r.ui.menu.Brands(FilterTea) {
			rows = append(rows, row.Brand.Kind)
		}
		for _, f := range r.ui.menu.Filters() {
			shown = append(shown, string(f))
			if n := len(r.ui.menu.Brands(f)); f != FilterAll && n < kindLeast {
				t.Errorf("%s is offered for %d brands", f, n)
			}
		}
	})
	if len(rows) < kindLeast {
		t.Fatalf("only %q", rows)
	}
	if e := r.get("home.count"); !strings.Contains(e.Name, fmt.Sprint(len(rows))) {
		t.Errorf("%q does not say how many of %d", e.Name, len(rows))
	}
	r.agent.set(func(s *api.Snapshot) { // nearly everything is gone
		for _, id := range r.allBut("kolvane", "porchlight") {
			s.Blocked[id] = whyNotStocked
		}
	})
	r.until("no kinds", func() bool {
		n := 0
		r.at(func() { n = len(r.ui.menu.Filters()) })
		return n == len(Filters)
	})
}

// allBut lists every beverage but those of some brands.
func (r *rig) allBut(brands ...string) (out []beverage.ID) {
	for i := range r.ui.cat.Brands {
		b := &r.ui.cat.Brands[i]
		keep := false
		for _, k := range brands {
			keep = keep || string(b.ID) == k
		}
		for j := range b.Beverages {
			if !keep {
				out = append(out, b.Beverages[j].ID)
			}
		}
	}
	return out
}

// The dock offers a mix and a phone only where the unit does, on every panel, and each leads where it says and back.
func TestDockOffersWhatTheUnitHas(t *testing.T) {
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			r := newRig(t, s.w, s.h)
			r.waitPage("home")
			for _, id := range []string{"home.mix", "home.phone"} {
				if _, ok := r.find(id); ok {
					t.Errorf("%s is offered by a unit that has none", id)
				}
			}
			r.agent.set(func(s *api.Snapshot) { s.Mixes, s.Phone = true, "https://fountain.example/u/7k3q" })
			r.tap("home.phone")
			r.waitPage("phone")
			if e := r.get("phone.code"); !strings.HasSuffix(e.Name, "7k3q") {
				t.Errorf("code %q", e.Name)
			}
			r.tap("nav.back")
			r.waitPage("home")
			r.tap("home.phone")
			r.waitPage("phone")
			r.agent.set(func(s *api.Snapshot) { s.Phone = "" })
			r.waitPage("home")
			r.tap("home.mix")
			r.until("the mix", func() bool { return r.page() != "home" })
			r.at(r.ui.goHome)
			r.waitPage("home")
			r.tap("home.water")
			r.waitPage("beverage")
			r.at(r.ui.goHome)
			r.agent.set(func(s *api.Snapshot) { s.Languages = []string{"en"} })
			r.until("no languages", func() bool { _, ok := r.find("home.language"); return !ok })
		})
	}
}

// A campaign's posters lead to their drinks; one whose drink is gone is taken away; the house's own page comes back.
func TestCampaign(t *testing.T) {
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			r := newRig(t, s.w, s.h)
			r.waitPage("home")
			th := starfall(t)
			r.at(func() { r.ui.SetCampaign(&th) })
			if e := r.get("home.title"); e.Name != "Starfall Mix" {
				t.Errorf("title %q", e.Name)
			}
			want := string(th.Posters[1].Beverage)
			if e := r.get("home.poster.1"); e.Value != want {
				t.Errorf("poster leads to %s, want %s", e.Value, want)
			}
			r.tap("home.poster.1")
			r.waitPage("beverage")
			r.at(r.ui.goHome)
			r.agent.set(func(s *api.Snapshot) { s.Blocked[th.Posters[1].Beverage] = whySoldOut })
			r.until("two posters", func() bool { _, ok := r.find("home.poster.1"); return !ok })
			r.get("home.poster.0")
			r.at(func() { r.ui.setText(textContrast) }) // who needs contrast gets it, campaign or not
			r.get("home.favourite.0")
			r.at(func() { r.ui.setText(textNormal) })
			r.get("home.poster.0")
			r.at(func() { r.ui.SetCampaign(nil) })
			r.get("home.favourite.0")
		})
	}
}

// Another text keeps the place on the wall and the filter.
func TestTextKeepsThePlace(t *testing.T) {
	r := newRig(t, 1080, 1920)
	r.waitPage("home")
	r.at(func() {
		p := r.ui.page.(*homePage)
		p.choose(FilterFizzy)
		p.build(900)
		r.ui.nextText()
	})
	if off := r.offset(); off != 900 {
		t.Errorf("the wall stands at %v, want 900", off)
	}
	r.at(func() {
		if r.ui.filter != FilterFizzy || !r.ui.Large {
			t.Errorf("filter %s, large %v", r.ui.filter, r.ui.Large)
		}
	})
}

package screens

import (
	"fmt"
	"image"
	"os"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/audit"
)

// drinkPages are the pages of one brand and one beverage, each as a function that shows it, in an order in which each can
// follow the other. Nothing is asked of an agent: a pour that stands still is put into the page.
var drinkPages = []struct {
	name string
	show func(u *UI)
}{
	{"brand", func(u *UI) { u.show(newBrand(u, offerOf(u, "kolvane.cherry-zero").Brand)) }},
	{"beverage", func(u *UI) { u.open("kolvane.cherry-zero") }},
	{"refused", func(u *UI) {
		p := newPourPage(u, offerOf(u, "kolvane.cherry-zero"))
		p.mine, u.pour.problem = true, rinseAsk
		p.build()
		u.show(p)
	}},
	{"energy", func(u *UI) { u.open(longestFacts(u)) }},
	{"pouring", func(u *UI) { still(u, 286_000, hold{state: flowing}, nil) }},
	{"pouring-low", func(u *UI) { still(u, 21_000, hold{state: flowing}, nil) }},
	{"pouring-high", func(u *UI) { still(u, 455_000, hold{state: flowing}, nil) }},
	{"foam", func(u *UI) {
		still(u, 402_000, hold{}, &api.Pour{TopOffID: "1", TopOffUL: 71_000, TopOffMS: 30_000, FoamMS: 2_900})
	}},
	{"foam-low", func(u *UI) {
		still(u, 240_000, hold{}, &api.Pour{TopOffID: "1", TopOffUL: 71_000, TopOffMS: 30_000, FoamMS: 2_900})
	}},
	{"last", func(u *UI) { still(u, 402_000, hold{}, &api.Pour{TopOffID: "1", TopOffUL: 71_000, TopOffMS: 30_000}) }},
	{"room", func(u *UI) { still(u, 286_000, hold{}, &api.Pour{}) }},
	{"stopped", func(u *UI) {
		still(u, 120_000, hold{}, &api.Pour{})
		u.pour.problem = "ended.lease_lost"
		u.page.(*pourPage).build()
	}},
	{"paused", func(u *UI) {
		still(u, 286_000, hold{state: paused}, nil)
		u.pour.portion = true
		u.page.(*pourPage).refresh()
	}},
	{"sold-out", func(u *UI) {
		o := offerOf(u, "kolvane.cherry-zero")
		o.Why = whySoldOut
		u.show(newSoldOut(u, o))
	}},
	{"no-fizz", func(u *UI) { u.show(newNoFizz(u)) }},
	{"out-of-order", func(u *UI) {
		u.snap.Unit, u.snap.Reason = api.UnitOutOfOrder, "leak"
		u.show(newOutage(u))
		u.snap.Unit, u.snap.Reason = api.UnitReady, ""
	}},
}

func offerOf(u *UI, id string) Offer {
	for _, o := range u.menu.offers {
		if string(o.Beverage.ID) == id {
			return o
		}
	}
	return Offer{}
}

// longestFacts is the beverage with the most to read before it is poured.
func longestFacts(u *UI) (id beverage.ID) {
	most := 0
	for _, b := range u.menu.order {
		for _, o := range u.menu.brands[b.ID] {
			if n := len(facts(u.Words, o.Beverage, u.cups[0])); n > most {
				most, id = n, o.Beverage.ID
			}
		}
	}
	return id
}

// still shows the page of a pour that stands still at ul microlitres.
func still(u *UI, ul int64, h hold, ended *api.Pour) {
	if !isPage[*pourPage](u.page) || u.page.(*pourPage).wanted != nil || u.page.(*pourPage).offer.Beverage.ID != "kolvane.cherry-zero" {
		u.open("kolvane.cherry-zero")
	}
	p := u.page.(*pourPage)
	p.mine, p.base, p.visit = true, 0, visit{}
	u.pour.hold, u.pour.problem, u.pour.portion = h, "", false
	u.pour.live, u.pour.ended = api.Pour{PouredUL: ul}, nil
	if ended != nil {
		u.pour.ended = &api.Pour{PouredUL: ul}
		p.visit = p.visit.heard(ended, true, false, u.now())
	}
	p.build()
}

// atRest ends what still put on the screen.
func atRest(u *UI) {
	u.pour.hold, u.pour.ended, u.pour.problem, u.pour.portion = hold{}, nil, "", false
}

// TestDrinkPages draws the pages of one brand and one beverage at every size and text mode, in languages of every
// script, and audits them. FOUNTAIN_LOOK=dir keeps the pictures and draws every language.
func TestDrinkPages(t *testing.T) {
	look := os.Getenv("FOUNTAIN_LOOK") != ""
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			r := newRig(t, s.w, s.h)
			r.waitPage("home")
			noon := time.Now()
			var trace *audit.Trace
			call := func(f func()) {
				t.Helper()
				if err := r.app.Call(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			call(func() {
				trace = audit.Watch(r.ui.Look)
				r.ui.now = func() time.Time { return noon } // no countdown moves while it is looked at
			})
			tags := []string{"en", "de", "ar", "ja"}
			switch { // the hardest; TestAudit has them all
			case look:
			case s.h > 1000:
				tags = []string{"ar"}
			default:
				tags = []string{"de", "ja"}
			}
			for _, tag := range tags {
				for m := textNormal; m < textModes; m++ {
					call(func() {
						atRest(r.ui)
						r.ui.show(newHome(r.ui))
						r.ui.setLanguage(tag)
						r.ui.setText(m)
					})
					for _, page := range drinkPages {
						name := fmt.Sprintf("%s-%s-%d-%dx%d", page.name, tag, m, s.w, s.h)
						call(func() { page.show(r.ui) })
						if look {
							r.shot("drink-" + name)
						}
						trace.Check(t, name, r.app, func() *image.RGBA { return r.mem.Image() }, r.ui.Geo.PPMM)
						call(func() { atRest(r.ui) })
					}
				}
			}
			call(func() { r.ui.reset(); r.ui.show(newHome(r.ui)) })
		})
	}
}

func drinkPage(name string) (page struct {
	name string
	show func(u *UI)
},
) {
	for _, p := range drinkPages {
		if p.name == name {
			return p
		}
	}
	panic("no page " + name)
}

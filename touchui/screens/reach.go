package screens

import (
	"fmt"
	"slices"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/art"
)

// reachPage is the whole journey with every control low: brand, variant, size, pour. What stands above only shows what is
// chosen. It stands on a pourPage, whose dome is a pad in the corner here (reachpad.go); reachlay.go lays it out.
//
//	strip, row, sizes ─► choose ─► pourPage.offer ─► window, pad
type reachPage struct {
	ui   *UI
	pour *pourPage
	reachState
}

// reachState is what stays when the page is drawn anew.
type reachState struct {
	tray   tray
	strip  float32 // how far the brands are scrolled; < 0: to the chosen one
	row    float32 // how far what is under them is scrolled
	note   string  // why another drink is chosen than the one that was
	builds int
}

// tray is what the row under the brands holds.
type tray uint8

const (
	trayVariants tray = iota
	trayFilter
	trayLanguages
)

var _ chooser = (*reachPage)(nil)

// newReach is the low-reach page. The screen stays in low reach until somebody asks for the full view, or has gone.
func newReach(u *UI) page {
	u.reach = true
	all := u.menu.pourable()
	favs, _ := u.menu.Favourites()
	for _, o := range append(slices.Clone(favs), all...) {
		if o.Pourable() && u.filter.Takes(o) {
			return newReachOf(u, o)
		}
	}
	u.filter = FilterAll
	if len(all) > 0 {
		return newReachOf(u, all[0])
	}
	u.reach = false // nothing pours: the full view says so
	return newHome(u)
}

func newReachOf(u *UI, o Offer) *pourPage {
	return newReachWith(u, o, reachState{strip: -1})
}

func newReachWith(u *UI, o Offer, st reachState) *pourPage {
	r := &reachPage{ui: u, reachState: st}
	return newChosen(u, o, r, func(p *pourPage) { r.pour = p })
}

func (p *reachPage) name() string { return "low_reach" }
func (p *reachPage) state() string {
	return fmt.Sprint(p.pour.offer.Beverage.ID, p.tray, p.builds, p.ui.filter)
}

func (p *reachPage) ask(*api.StartPour) {}
func (p *reachPage) more() bool         { return p.pour.stocked() }
func (p *reachPage) pad(st *art.DomeStyle) {
	if !p.ui.Roles.Plain { // the pad stands on the neutral half
		st.BG, st.FG = p.pour.c.Ink, p.pour.c.Primary
	}
}

// again scrolls anew: the other language may run the other way.
func (p *reachPage) again(*pourPage) page {
	st := p.reachState
	st.strip, st.row = -1, 0
	return newReachWith(p.ui, p.pour.offer, st)
}

// menuChanged chooses what comes closest when the chosen drink ran out.
func (p *reachPage) menuChanged() {
	was := p.pour.offer
	o, ok := p.ui.menu.Offer(was.Beverage.ID)
	if ok && o.Pourable() {
		p.builds++
		return
	}
	next, found := Offer{}, false
	if subs := p.ui.menu.Substitutes(was.Beverage.ID, 1); len(subs) > 0 {
		next, found = subs[0], true
	} else if all := p.ui.menu.pourable(); len(all) > 0 {
		next, found = all[0], true
	}
	if !found {
		p.back()
		return
	}
	why := whySoldOut
	if ok {
		why = o.Why
	}
	p.choose(next)
	p.note = away(p.ui.Words, drinkName(p.ui.Words, was), why)
	p.builds++
}

// back is 'Full view'.
func (p *reachPage) back() {
	p.ui.reach = false
	p.ui.goHome()
}

// choose shows another beverage in the window.
func (p *reachPage) choose(o Offer) {
	p.note, p.row = "", 0
	p.pour.offer = o
	p.pour.mine, p.pour.base, p.pour.visit = false, 0, visit{}
}

// take chooses and draws.
func (p *reachPage) take(o Offer) {
	p.choose(o)
	p.rebuild()
}

// brand chooses what a brand is best known for: its first variant that can be had.
func (p *reachPage) brand(b *beverage.Brand) {
	for _, o := range p.ui.menu.Variants(b.ID, p.ui.filter) {
		if o.Pourable() {
			p.tray = trayVariants
			p.take(o)
			return
		}
	}
}

// open changes what the row holds.
func (p *reachPage) open(t tray) {
	p.tray, p.row = t, 0
	p.rebuild()
}

// narrow shows the brands that pass f; the chosen drink goes when it does not.
func (p *reachPage) narrow(f Filter) {
	u := p.ui
	u.filter, p.strip = f, -1
	if !f.Takes(p.pour.offer) {
		for _, r := range u.menu.Brands(f) {
			if !r.Drained {
				at := p.row
				p.brand(r.Brand)
				p.tray, p.row = trayFilter, at
				break
			}
		}
	}
	p.rebuild()
}

func (p *reachPage) rebuild() {
	p.builds++
	p.pour.build()
}

// into is the offset that shows what lies at x, w wide, in a view of a row.
func into(offset, x, w, view, content float32) float32 {
	switch {
	case x < offset:
		offset = x - w/2
	case x+w > offset+view:
		offset = x + w*1.5 - view
	}
	return max(0, min(offset, max(content-view, 0)))
}

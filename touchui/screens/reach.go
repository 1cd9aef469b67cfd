package screens

import (
	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// reachPage is the whole journey with every control in the lower third: brand, variant, size, pour. What stands above
// only shows what is chosen.
type reachPage struct {
	ui   *UI
	pour *pourPage
}

var _ chooser = (*reachPage)(nil)

// newReach is the low-reach page. The screen stays in low reach until somebody asks for the full view, or has gone.
func newReach(u *UI) page {
	u.reach = true
	var o Offer
	if favs, _ := u.menu.Favourites(); len(favs) > 0 {
		o = favs[0]
	} else if all := u.menu.pourable(); len(all) > 0 {
		o = all[0]
	}
	return newReachOf(u, o)
}

func newReachOf(u *UI, o Offer) *pourPage {
	r := &reachPage{ui: u}
	return newChosen(u, o, r, func(p *pourPage) { r.pour = p })
}

func (p *reachPage) name() string         { return "low_reach" }
func (p *reachPage) state() string        { return "" }
func (p *reachPage) ask(*api.StartPour)   {}
func (p *reachPage) more() bool           { return p.ui.menu == nil || p.pour.stocked() }
func (p *reachPage) pad(*art.DomeStyle)   {}
func (p *reachPage) menuChanged()         {}
func (p *reachPage) again(*pourPage) page { return newReachOf(p.ui, p.pour.offer) }

// back is 'Full view'.
func (p *reachPage) back() {
	p.ui.reach = false
	p.ui.goHome()
}

func (p *reachPage) lay(s *sheet.Sheet) {
	g := p.ui.Geo
	if g.Wide {
		p.pour.chooseWide(s)
		return
	}
	p.pour.chooseTall(s)
}

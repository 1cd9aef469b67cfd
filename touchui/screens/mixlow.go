package screens

import (
	"fountain/touchui/sheet"
)

// low reports whether the mix has its controls in the lower third. Landscape panels stand where they are within reach.
func (p *mixPage) low() bool { return p.ui.reach && !p.ui.Geo.Wide }

// plan is where everything stands on this page.
func (p *mixPage) plan(g sheet.Geo) mixPlan {
	m := mixPlanOf(g)
	if !p.low() {
		return m
	}
	r := reachPlanOf(p.ui)
	top, bottom := float64(r.top)/g.K, float64(r.pad.Min.Y)/g.K
	m.figY = top - 110
	m.cupX, m.cupY, m.cupW, m.cupH = 340, 420, 400, m.figY-420-60
	m.swapY, m.swapH = top+10, 76
	m.colY = m.swapY + float64(target(g, m.swapH))/g.K + 10
	m.colH = bottom - 20 - m.colY
	m.zone, m.k, m.namePX = m.colH*.26, .5, 38
	m.numPX, m.gripW, m.gripH, m.inGrip = 42, 210, 62, true
	return m
}

// lowKeys are the way back, 'Keep it', the cups and the pad, where low reach has them on every page.
func (p *mixPage) lowKeys(s *sheet.Sheet) {
	u, m := p.ui, reachPlanOf(p.ui)
	r := &reachPage{ui: u, pour: p.pour}
	kept, text := p.mix.isKept(), u.T("mix.keep")
	icon := "star"
	if kept {
		text, icon = u.T("mix.kept"), "check"
	}
	c := r.key(s, m, 0, "mix.keep", text, icon, kept, func() {
		p.mix.keep()
		p.rebuild()
	})
	c.Role, c.Value = sheet.RoleSwitch, onOff(kept)
	r.key(s, m, 1, "nav.back", u.T("nav.back"), "back", false, p.back)
	for i := range u.cups {
		r.size(s, m, i)
	}
	p.pour.dome.lowPlace()
	s.Add(s.Fixed(p.pour.dome))
}

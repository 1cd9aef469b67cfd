package screens

import (
	"fountain/agent/beverage"
	"fountain/touchui/sheet"
)

// low reports whether the mix has its controls within low reach: in the lower third, or half of landscape panels.
func (p *mixPage) low() bool { return p.ui.reach }

// plan is where everything stands on this page.
func (p *mixPage) plan(g sheet.Geo) mixPlan {
	m := mixPlanOf(g)
	if !p.low() {
		return m
	}
	r := reachPlanOf(p.ui)
	if g.Wide {
		return lowWide(g, r)
	}
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

// lowWide has what is read in the upper half, and each column with its key beside it over the row of keys.
func lowWide(g sheet.Geo, r reachPlan) mixPlan {
	top, bottom := float64(r.top)/g.K, float64(r.keys[0].Min.Y)/g.K
	left, right := float64(r.margin)/g.K, float64(r.pad.Min.X)/g.K-10
	m := mixPlan{
		rail: right + 5, x: left, zone: 40, k: .42, namePX: 22, numPX: 26, gripH: 38, inGrip: true,
		titleY: 10, titlePX: 44, titleW: right - left, subY: 64, subPX: 20, subW: right - left,
		factsY: 94, factsPX: 17, factsRoom: 66, figY: 178, figPX: 34, figLabel: 20, swapPX: 18,
	}
	m.step = (right - left + 10) / beverage.MixMost
	m.swapH = 60
	m.swapW = float64(target(g, m.swapH)) / g.K
	m.colW = m.step - 10 - 6 - m.swapW
	m.gripW = m.colW - 8
	m.colY, m.colH = top+6, bottom-8-top-6
	m.swapX, m.swapY = m.colW+6, m.colY+m.colH-m.swapW
	m.cupX, m.cupY, m.cupW, m.cupH = right+50, 24, 112, 190
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

package service

import (
	"fountain/agent/api"
	"fountain/touchui/sheet"
)

// menuPage leads to every page that is not a job of the home.
type menuPage struct {
	s      *Service
	scroll scroller
}

func newMenu(s *Service) *menuPage { return &menuPage{s: s} }

func (s *Service) showMenu() { s.show(newMenu(s)) }

func (p *menuPage) name() string { return "menu" }
func (p *menuPage) close()       {}

func (p *menuPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.menu"), "", s.showHome)
	entries := []struct {
		id, icon string
		tap      func()
	}{
		{"alarms", "warn", func() { s.show(newAlarms(s)) }},
		{"lines", "still", func() { s.show(newLines(s)) }},
		{"cartridges", "swap", func() { s.show(newSlots(s, s.showMenu)) }},
		{"selftest", "check", func() { s.show(newSelfTest(s)) }},
		{"rinse", "prime", func() { s.show(newOperation(s, api.StartOp{Kind: api.OpRinse}, s.showMenu)) }},
		{"purge", "drain", func() { s.show(newChoice(s, api.OpPurge, s.showMenu)) }},
		{"brix", "bars", func() { s.show(newChoice(s, api.OpBrix, s.showMenu)) }},
		{"agitate", "stir", func() { s.show(newChoice(s, api.OpAgitate, s.showMenu)) }},
		{"network", "globe", func() { s.show(newNetwork(s)) }},
		{"content", "all", func() { s.show(newContent(s)) }},
		{"display", "screen", func() { s.show(newDisplayTest(s)) }},
		{"logs", "list", func() { s.show(newLogs(s)) }},
		{"audit", "book", func() { s.show(newAudit(s)) }},
		{"diag", "search", func() { s.show(newDiag(s)) }},
		{"setup", "sliders", func() { s.show(newSetup(s, "")) }},
	}
	n := 2
	if m.wide {
		n = 3
	}
	h := max(m.v(168, 72), m.key)
	up := d.within()
	for i, e := range entries {
		r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
		if i == len(entries)-1 && i%n == 0 { // alone in its row
			r.w = area.w
		}
		up.entry("service.menu."+e.id, up.T("service.menu."+e.id), e.icon, r, e.tap)
	}
	p.scroll.add(d, up, area, (len(entries)+n-1)/n*(h+m.gap)-m.gap)
}

// entry is a card that leads to another page: its icon, then its name.
func (d *draw) entry(id, text, icon string, r rect, tap func()) *sheet.Control {
	m := d.m
	return d.card(id, text, "", icon, r, d.Roles.Ink, func() { tap() }, m.heading)
}

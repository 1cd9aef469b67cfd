package service

import (
	"strings"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/words"
)

func (p *setupPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	var back func()
	if s.session != nil {
		back = s.showMenu
	}
	area := d.header(d.T("service.setup.title"), "", back)
	if !p.known {
		d.has(stock{fault: p.fault}, area)
		return
	}
	steps := make([]api.OpStep, len(p.state.Steps))
	at := len(steps) - 1
	for i, st := range p.state.Steps {
		steps[i] = api.OpStep{Name: d.T("service.setup." + st.ID)}
		switch {
		case st.ID == p.at:
			steps[i].State, at = "running", i
		case st.State == "done":
			steps[i].State = "done"
		case st.State == "failed":
			steps[i].State = "failed"
		}
	}
	if p.at == "done" {
		d.bars(steps, area.top(m.v(12, 6), m.v(40, 14)))
		p.buildDone(d, area)
		return
	}
	d.steps(steps, at, area.top(m.v(96, 40), m.v(28, 8)))
	st := p.step(p.at)
	foot := area.bottom(max(m.v(150, 66), m.key), m.v(28, 10))
	if m.wide && p.at == api.SetupPIN {
		p.buildPIN(d, area, foot)
		return
	}
	y := d.question("service.setup.say", d.T("service.setup."+p.at+".title"), area, 2)
	say := d.T("service.setup." + p.at + ".say")
	y += d.para(say, area.x, y, area.w, 3, m.body, d.Roles.InkSoft) + m.v(24, 8)
	if p.fault != "" {
		y += d.para(p.fault, area.x, y, area.w, 3, m.body, d.Roles.Warn) + m.v(16, 6)
	}
	rest := rect{area.x, y, area.w, area.y + area.h - y}
	switch p.at {
	case api.SetupPIN:
		p.buildPIN(d, rest, foot)
	case api.SetupLanguage:
		p.buildLanguage(d, rest, foot)
	case api.SetupZone:
		p.buildZone(d, rest, foot)
	default:
		p.buildCheck(d, rest, foot, st)
	}
}

// foot is the pair of buttons below a step: later, and what goes on. go_ may be nil.
func (p *setupPage) foot(d *draw, r rect, id, text string, k kind, tap func()) {
	left := r.left(r.w*32/100, d.m.gap)
	d.button("service.setup.later", d.T("service.later"), "", left, plain, func() { p.next(); p.s.redraw() })
	if p.doing {
		k = off
	}
	if tap != nil {
		d.button("service.setup."+id, text, "", r, k, tap)
	}
}

func (p *setupPage) buildPIN(d *draw, area, foot rect) {
	m := d.m
	text, keys := area, area
	if m.wide {
		text = keys.left(area.w*46/100, m.gap*2)
		y := d.question("service.setup.say", d.T("service.setup.pin.title"), text, 3)
		say := d.T("service.setup.pin.say")
		if p.fault != "" {
			say = p.fault
		}
		y += d.para(say, text.x, y, text.w, 4, m.body, d.Roles.InkSoft)
		text.y = y
	} else {
		keys = area.bottom(min(area.h-m.v(150, 0), m.v(760, 0)), m.gap)
		text = area
	}
	line := d.T("service.setup.pin.new")
	if p.twice {
		line = d.T("service.setup.pin.again")
	}
	d.text(line, text.x, text.y, text.w, m.body, d.Roles.Ink, art.Left)
	p.dotR = rect{text.x, text.y + int(m.body.PX*1.5), text.w, m.v(74, 34)}
	p.dots = d.Pic(d.dots(p.typed(), p.dotR), p.dotR.x, p.dotR.y)
	d.pad("service.setup.key", keys, keyNone, keyErase, p.doing, p.key)
	p.foot(d, foot, "pin", d.T("service.setup.pin.next"), goes, p.typedPIN)
}

func (p *setupPage) typed() int {
	if p.twice {
		return len(p.again)
	}
	return len(p.pin)
}

func (p *setupPage) key(k string) {
	to := &p.pin
	if p.twice {
		to = &p.again
	}
	switch {
	case k == keyErase:
		*to = strings.TrimSuffix(*to, (*to)[max(0, len(*to)-1):])
	case len(*to) < pinMost:
		*to += k
	}
	d := p.s.on(p.s.look.Sheet(p.s.look.Roles.BG, p.s.look.Roles.Ink))
	sheet.Replace(p.dots, d.dots(p.typed(), p.dotR))
}

// typedPIN goes on: the PIN has to be typed twice.
func (p *setupPage) typedPIN() {
	t := p.s.look.T
	switch {
	case len(p.pin) < pinLeast:
		p.fault = t("service.setup.pin.short", "n", pinLeast)
		p.pin = ""
	case !p.twice:
		p.twice, p.fault = true, ""
	case p.pin != p.again:
		p.fault = t("service.setup.pin.differ")
		p.pin, p.again, p.twice = "", "", false
	default:
		p.setPIN(p.pin)
		return
	}
	p.s.redraw()
}

func (p *setupPage) buildLanguage(d *draw, area, foot rect) {
	m := d.m
	lib, err := words.Embedded()
	if err != nil {
		return
	}
	up := d.within()
	const n = 2
	h := max(m.v(120, 60), m.key)
	for i, l := range lib.Languages() {
		k := plain
		if l.Tag == d.Words.Tag() {
			k = chosen
		}
		r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
		up.button("service.setup.language."+l.Tag, l.Name, "", r, k, func() { p.answer(l.Tag) })
	}
	p.scroll.add(d, up, area, (len(lib.Languages())+n-1)/n*(h+m.gap))
	p.foot(d, foot, "keep", d.Words.Language().Name, goes, func() { p.answer(d.Words.Tag()) })
}

// zones are the regions and places a person may choose: those of the IANA list that have cities of drinkers in them.
func (p *setupPage) buildZone(d *draw, area, foot rect) {
	m := d.m
	up := d.within()
	n := 2
	if m.wide {
		n = 3
	}
	h := max(m.v(104, 58), m.key)
	list := zoneRegions()
	if p.region != "" {
		list = zonesOf(p.region)
	}
	for i, z := range list {
		r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
		_, place, _ := strings.Cut(z, "/")
		if p.region == "" {
			place = z
		}
		up.button("service.setup.zone."+z, strings.ReplaceAll(place, "_", " "), "", r, plain, func() {
			if p.region == "" {
				p.region, p.scroll = z, scroller{}
				p.s.redraw()
				return
			}
			p.answer(z)
		})
	}
	p.scroll.add(d, up, area, (len(list)+n-1)/n*(h+m.gap))
	if p.region != "" {
		p.foot(d, foot, "regions", d.T("service.setup.zone.regions"), plain, func() { p.region, p.scroll = "", scroller{}; p.s.redraw() })
	} else {
		p.foot(d, foot, "utc", "UTC", plain, func() { p.answer("UTC") })
	}
}

func (p *setupPage) buildCheck(d *draw, area, foot rect, st api.SetupStep) {
	m, s := d.m, p.s
	icon, c := "warn", d.Roles.Warn
	switch st.State {
	case "done":
		icon, c = "check", d.Roles.Go
	case "failed":
		icon, c = "x", d.Roles.Stop
	}
	size := m.f(60, 32)
	d.icon(icon, area.x, area.y, size, c)
	x := area.x + int(size) + m.gap
	y := area.y + d.para(s.said(st.What), x, area.y, area.w-(x-area.x), 4, m.body, d.Roles.Ink)
	if st.State != "done" && st.Remedy != "" && !strings.Contains(st.Remedy, "fountainctl") {
		d.para(s.said(st.Remedy), x, y+m.gap, area.w-(x-area.x), 4, m.body, d.Roles.InkSoft)
	}
	if s.session == nil && (p.at == api.SetupRig || p.at == api.SetupCalibrate) {
		d.para(d.T("service.setup.needpin"), x, y+m.v(200, 80), area.w-(x-area.x), 3, m.body, d.Roles.Warn)
		p.foot(d, foot, "pin", d.T("service.setup.pin"), goes, func() { p.go_(api.SetupPIN); s.redraw() })
		return
	}
	here := func() { s.show(newSetup(s, p.at)) }
	switch {
	case p.at == api.SetupRig:
		p.foot(d, foot, "check", d.T("service.setup.rig.check"), goes, func() {
			s.show(newOperation(s, api.StartOp{Kind: api.OpSelfTest, Params: map[string]string{"dry": "true"}}, func() { s.show(newSetup(s, "")) }))
		})
	case p.at == api.SetupCalibrate:
		up := d.within()
		h := max(m.v(110, 60), m.key)
		n := 0
		for _, l := range p.stock.lines {
			if l.Kind != kindMeter && l.Kind != kindPump || l.Calibration != nil {
				continue
			}
			r := rect{0, n / 3 * (h + m.gap), area.w, h}.columns(3, m.gap)[n%3]
			up.button("service.setup.line."+l.ID, l.ID, "bars", r, plain, func() {
				s.show(newOperation(s, api.StartOp{Kind: api.OpCalibrate, Line: l.ID}, here))
			})
			n++
		}
		top := y + m.v(60, 20)
		p.scroll.add(d, up, rect{area.x, top, area.w, max(10, area.y+area.h-top)}, (n+2)/3*(h+m.gap))
		p.foot(d, foot, "done", d.T("service.setup.next"), strong, func() { p.next(); s.redraw() })
	case st.State == "done":
		p.foot(d, foot, "next", d.T("service.setup.next"), goes, func() { p.next(); s.redraw() })
	default:
		p.foot(d, foot, "check", d.T("service.setup.check"), goes, func() { p.answer("") })
	}
}

// buildDone lists the steps with their states.
func (p *setupPage) buildDone(d *draw, area rect) {
	m, s := d.m, p.s
	foot := area.bottom(max(m.v(150, 66), m.key), m.v(28, 10))
	title := d.T("service.setup.done")
	if !p.state.Done {
		title = d.T("service.setup.open")
	}
	y := d.question("service.setup.say", title, area, 2)
	up := d.within()
	h := max(m.v(130, 68), m.key)
	for i, st := range p.state.Steps {
		icon, c := "warn", d.Roles.Warn
		switch st.State {
		case "done":
			icon, c = "check", d.Roles.Go
		case "failed":
			icon, c = "x", d.Roles.Stop
		}
		up.card("service.setup.step."+st.ID, d.T("service.setup."+st.ID), s.said(st.What), icon, rect{0, i * (h + m.gap), area.w, h}, c, func() {
			p.go_(st.ID)
			s.redraw()
		}, m.heading)
	}
	p.scroll.add(d, up, rect{area.x, y, area.w, area.y + area.h - y}, len(p.state.Steps)*(h+m.gap))
	d.button("service.setup.finish", d.T("service.op.finish"), "", foot, strong, p.leave)
}

package service

import (
	"context"
	"fmt"
	"strings"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// alarmTitle is what is wrong in a few words: the line it is about first.
func (s *Service) alarmTitle(name, scope, what, line string) string {
	key := "service.alarm." + name
	if !s.look.Words.Has(key) {
		if line != "" {
			return line + ": " + s.said(what)
		}
		return s.said(what)
	}
	if line == "" && scope != "unit" {
		line = scope
	}
	shown := line
	if line == "nozzle" {
		shown = s.look.T("service.nozzle")
	}
	t := s.look.T(key, "scope", shown)
	if (line == "" || line == "unit") && s.look.T(key, "scope", "\x00") != t { // about several at once
		if what == "" {
			return s.look.T(key, "scope", "–")
		}
		return strings.TrimSuffix(s.said(what), ".")
	}
	if line != "" && line != "unit" && s.look.T(key, "scope", "\x00") == t {
		t = s.lineName(line) + ": " + t
	}
	return t
}

// act does the one thing a to-do asks for. One that is about several at once asks which.
func (s *Service) act(t api.Todo) {
	switch t.Action {
	case api.ActionClean, api.ActionCalibrate, api.ActionPrime, api.ActionBrix:
		if t.Line == "" {
			s.show(newChoice(s, t.Action, s.showHome)) // these actions are named as their operations
			return
		}
	}
	switch t.Action {
	case api.ActionCartridge:
		s.show(newSwap(s, t.Line, s.showHome))
	case api.ActionClean:
		s.show(newClean(s, t.Line, s.showHome))
	case api.ActionCalibrate:
		s.show(newOperation(s, api.StartOp{Kind: api.OpCalibrate, Line: t.Line}, s.showHome))
	case api.ActionPrime:
		s.show(newOperation(s, api.StartOp{Kind: api.OpPrime, Line: t.Line}, s.showHome))
	case api.ActionSelfTest:
		s.show(newSelfTest(s))
	case api.ActionNetwork:
		s.show(newNetwork(s))
	default:
		s.show(newAlarm(s, api.Alarm{Name: t.Alarm, Severity: t.Severity, Scope: t.Scope, What: t.What, Evidence: t.Evidence, Remedy: t.Remedy}, s.showHome))
	}
}

// alarmsPage lists what stands.
type alarmsPage struct {
	s      *Service
	list   []api.Alarm
	known  bool
	fault  string
	scroll scroller
	beat   int
}

func newAlarms(s *Service) *alarmsPage { return &alarmsPage{s: s} }

func (p *alarmsPage) name() string { return "alarms" }
func (p *alarmsPage) close()       {}
func (p *alarmsPage) opened()      { p.ask() }

func (p *alarmsPage) second() {
	if p.beat++; p.beat%2 == 0 {
		p.ask()
	}
}

func (p *alarmsPage) ask() {
	var l []api.Alarm
	c := p.s.agent()
	p.s.call(func(ctx context.Context) (err error) {
		l, err = c.Alarms(ctx)
		return err
	}, func(err error) {
		was := fmt.Sprint(p.list, p.known, p.fault)
		p.fault = ""
		if err != nil {
			p.fault = p.s.reason(err)
		} else {
			p.list, p.known = l, true
		}
		if fmt.Sprint(p.list, p.known, p.fault) != was {
			p.s.changed()
		}
	})
}

func (p *alarmsPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.alarms.title"), d.N("service.alarms.count", len(p.list)), s.showMenu)
	if p.fault != "" || !p.known || len(p.list) == 0 {
		text := p.fault
		switch {
		case text != "":
		case !p.known:
			text = d.T("service.wait")
		default:
			text = d.T("service.alarms.none")
		}
		d.para(text, area.x, area.y, area.w, 4, m.body, d.Roles.InkSoft)
		return
	}
	up := d.within()
	y := 0
	h := max(m.v(156, 78), m.key+2*m.v(18, 8))
	for i, a := range p.list {
		sub := s.said(a.Evidence)
		if sub == "" {
			sub = s.remedy(a.Name, a.Scope, a.Remedy)
		}
		up.todoRow(fmt.Sprintf("service.alarm.%d", i), a.Severity, s.alarmTitle(a.Name, a.Scope, a.What, ""), sub, d.T("service.action.show"),
			rect{0, y, area.w, h}, func() { s.show(newAlarm(s, a, func() { s.show(newAlarms(s)) })) })
		y += h + m.gap
	}
	p.scroll.add(d, up, area, y)
}

// alarmPage is one alarm: what is so, what was measured, what to do, and clearing it.
type alarmPage struct {
	s     *Service
	a     api.Alarm
	from  func()
	says  string // what came of clearing
	bad   bool
	doing bool
	gone  bool
}

func newAlarm(s *Service, a api.Alarm, from func()) *alarmPage {
	return &alarmPage{s: s, a: a, from: from}
}

func (p *alarmPage) name() string { return "alarm" }
func (p *alarmPage) close()       {}

func (p *alarmPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	title := d.T("service.alarm.warns")
	if p.a.Severity == "blocks" {
		title = d.T("service.alarm.blocks")
	}
	sub := ""
	if p.a.Scope != "" && p.a.Scope != "unit" {
		sub = s.lineName(p.a.Scope)
	}
	area := d.header(title, sub, p.from)
	foot := area.bottom(max(m.v(160, 70), m.key), m.gap)
	y := area.y
	icon, c := "warn", d.Roles.Warn
	if p.a.Severity == "blocks" {
		icon, c = "x", d.Roles.Stop
	}
	size := m.f(84, 40)
	d.icon(icon, area.x, y, size, c)
	x := area.x + int(size) + m.v(32, 16)
	y += d.para(s.alarmTitle(p.a.Name, p.a.Scope, p.a.What, ""), x, y, area.w-(x-area.x), 3, d.big(m.f(60, 28)), d.Roles.Ink)
	y = max(y, area.y+int(size)) + m.v(40, 14)
	part := func(label, text string) {
		if text == "" {
			return
		}
		d.text(label, area.x, y, area.w, m.small, d.Roles.InkSoft, art.Left)
		y += int(m.small.PX * 1.5)
		y += d.para(text, area.x, y, area.w, 4, m.body, d.Roles.Ink) + m.v(36, 12)
	}
	part(d.T("service.alarm.evidence"), s.said(p.a.Evidence))
	part(d.T("service.alarm.remedy"), s.remedy(p.a.Name, p.a.Scope, p.a.Remedy))
	if !p.a.Since.IsZero() {
		part(d.T("service.alarm.since"), stamp(p.a.Since))
	}
	if p.says != "" {
		c := d.Roles.Go
		if p.bad {
			c = d.Roles.Warn
		}
		y += d.para(p.says, area.x, y, area.w, 4, m.body, c)
	}
	k := strong
	if p.doing || p.gone {
		k = off
	}
	d.button("service.alarm.clear", d.T("service.alarm.clear"), "check", foot, k, p.clear)
}

// remedy is what to do, without what only a terminal can.
func (s *Service) remedy(name, scope, text string) string {
	if key := "service.remedy." + name; s.look.Words.Has(key) {
		return s.look.T(key, "scope", scope)
	}
	return s.said(text)
}

func (p *alarmPage) clear() {
	p.doing = true
	c := p.s.agent()
	req := api.ClearAlarm{Name: p.a.Name, Scope: p.a.Scope, Person: api.PersonAtScreen}
	p.s.call(func(ctx context.Context) error { return c.ClearAlarm(ctx, req) }, func(err error) {
		p.doing, p.bad = false, err != nil
		p.says = p.s.look.T("service.alarm.cleared")
		p.gone = err == nil
		if err != nil {
			p.says = p.s.reason(err)
		}
		p.s.changed()
	})
	p.s.redraw()
}

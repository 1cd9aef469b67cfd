package service

import (
	"context"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/sheet"
)

// choicePage asks which line, or which beverage, an operation is about.
type choicePage struct {
	s      *Service
	kind   string
	from   func()
	stock  stock
	cat    *beverage.Catalogue
	scroll scroller
}

func newChoice(s *Service, kind string, from func()) *choicePage {
	return &choicePage{s: s, kind: kind, from: from}
}

func (p *choicePage) name() string { return "choose" }
func (p *choicePage) close()       {}

func (p *choicePage) opened() {
	if p.kind != api.OpBrix {
		p.s.load(&p.stock, p.s.changed)
		return
	}
	p.s.catalogue(func(c *beverage.Catalogue, fault string) {
		p.cat, p.stock.known, p.stock.fault = c, c != nil, fault
		p.s.changed()
	})
}

// catalogue fetches what the unit can pour.
func (s *Service) catalogue(then func(*beverage.Catalogue, string)) {
	var cat *beverage.Catalogue
	s.call(func(ctx context.Context) (err error) {
		cat, err = s.client.Catalogue(ctx)
		return err
	}, func(err error) {
		if err != nil {
			then(nil, s.reason(err))
			return
		}
		then(cat, "")
	})
}

// choice is one line to choose.
type choice struct {
	id, title, sub, icon string
	ink                  roleOf
}

func (p *choicePage) choices() []choice {
	s := p.s
	var out []choice
	if p.kind == api.OpBrix {
		for _, o := range s.drinks(p.cat) {
			out = append(out, choice{string(o.id), o.variant, o.brand, "prime", goInk})
		}
		return out
	}
	if p.kind == api.OpClean {
		out = append(out, choice{"nozzle", s.look.T("service.nozzle"), s.known("service.recipe", "nozzle"), "clean", goInk})
	}
	slotted := map[string]bool{}
	for _, c := range p.stock.slots {
		slotted[c.Slot] = true
		if l, ok := p.stock.pumpOf(c.Slot); ok {
			slotted[l.ID] = true
		}
	}
	for _, l := range p.stock.lines {
		fits := false
		switch p.kind {
		case api.OpAgitate:
			fits = l.Kind == kindAgitator
		case api.OpCalibrate:
			fits = l.Kind == kindMeter || l.Kind == kindPump && !slotted[l.ID]
		default:
			fits = l.Kind == kindValve || l.Kind == kindPump && !slotted[l.ID]
		}
		if fits {
			sub, icon, ink := s.lineState(l)
			out = append(out, choice{l.ID, l.ID, sub, icon, ink})
		}
	}
	if p.kind == api.OpAgitate {
		return out
	}
	for _, c := range p.stock.slots {
		sub, icon, ink := s.ingredient(c.Ingredient), "check", goInk
		if l, ok := p.stock.pumpOf(c.Slot); ok && p.kind == api.OpCalibrate {
			_, icon, ink = s.lineState(l)
		} else if c.State != "ok" && c.State != "unverified" {
			sub, icon, ink = s.known("service.cartridge", c.State), "x", stopInk
		}
		out = append(out, choice{c.Slot, c.Slot, sub, icon, ink})
	}
	return out
}

func (p *choicePage) build(sh *sheet.Sheet) {
	d := p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.job."+p.kind), d.T("service.choose."+p.kind), p.from)
	if !d.has(p.stock, area) {
		return
	}
	list := p.choices()
	if len(list) == 0 {
		d.para(d.T("service.choose.none"), area.x, area.y, area.w, 3, m.body, d.Roles.InkSoft)
		return
	}
	const n = 2
	h := max(m.v(132, 68), m.key)
	up := d.within()
	for i, c := range list {
		r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
		up.card("service.choose."+c.id, c.title, c.sub, c.icon, r, c.ink(up), func() { p.chose(c.id) }, m.heading)
	}
	p.scroll.add(d, up, area, (len(list)+n-1)/n*(h+m.gap))
}

func (p *choicePage) chose(id string) {
	s := p.s
	back := func() { s.show(newChoice(s, p.kind, p.from)) }
	if p.kind == api.OpClean {
		s.show(newClean(s, id, back))
		return
	}
	s.show(newOperation(s, api.StartOp{Kind: p.kind, Line: id}, back))
}

// drink is a beverage to choose.
type drink struct {
	id                   beverage.ID
	name, variant, brand string // the whole name, and what stands on its card: two of a brand may differ in the last word only
}

// drinks lists the beverages that can be poured, by brand.
func (s *Service) drinks(cat *beverage.Catalogue) []drink {
	if cat == nil {
		return nil
	}
	var out []drink
	for _, b := range cat.Brands {
		for _, v := range b.Beverages {
			if s.snap.Blocked[v.ID] == "" {
				variant := s.look.Words.Name(v.Name)
				out = append(out, drink{v.ID, b.Name + " " + variant, variant, b.Name + " · " + s.look.Words.Name(b.Kind)})
			}
		}
	}
	return out
}

// recipes of the agent by what they clean.
var recipes = map[string][]string{"nozzle": {"nozzle"}, kindValve: {"line-clean", "line-sanitise"}, kindPump: {"syrup-clean"}}

// cleanPage chooses the recipe of a cleaning and says what it takes.
type cleanPage struct {
	s     *Service
	line  string
	from  func()
	stock stock
}

func newClean(s *Service, line string, from func()) *cleanPage {
	if line == "" {
		line = "nozzle"
	}
	return &cleanPage{s: s, line: line, from: from}
}

func (p *cleanPage) name() string { return "clean" }
func (p *cleanPage) close()       {}

func (p *cleanPage) opened() {
	if p.line == "nozzle" {
		return
	}
	p.s.load(&p.stock, p.s.changed)
}

func (p *cleanPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(s.lineName(p.line)+" · "+d.T("service.job.clean"), d.T("service.clean.say"), p.from)
	of := "nozzle"
	if p.line != "nozzle" {
		if !d.has(p.stock, area) {
			return
		}
		of = kindPump
		if l, ok := p.stock.line(p.line); ok {
			of = l.Kind
		}
	}
	list := recipes[of]
	if len(list) == 0 {
		d.para(d.T("service.choose.none"), area.x, area.y, area.w, 3, m.body, d.Roles.InkSoft)
		return
	}
	h := m.v(520, 280)
	for i, id := range list {
		var r rect
		if m.wide {
			r = rect{area.x, area.y, area.w, area.h}.columns(2, m.gap*2)[i]
		} else {
			r = rect{area.x, area.y + area.h - (len(list)-i)*(h+m.v(40, 0)) + m.v(40, 0), area.w, h} // low, in reach
		}
		d.box(r, d.Roles.Surface, m.radius)
		in := r.inner(m.v(36, 16))
		foot := in.bottom(max(m.v(120, 60), m.key), m.gap)
		y := in.y + d.para(s.known("service.recipe", id), in.x, in.y, in.w, 2, d.big(m.f(56, 26)), d.Roles.Ink) + m.v(20, 8)
		d.para(d.T("service.recipe."+id+".say"), in.x, y, in.w, 5, m.body, d.Roles.InkSoft)
		d.button("service.clean."+id, d.T("service.op.begin"), "clean", foot, goes, func() {
			s.show(newOperation(s, api.StartOp{Kind: api.OpClean, Line: p.line, Params: map[string]string{"recipe": id}}, p.from))
		})
	}
}

// selfTestPage chooses between the dry and the wet self-test.
type selfTestPage struct{ s *Service }

func newSelfTest(s *Service) *selfTestPage { return &selfTestPage{s: s} }

func (p *selfTestPage) name() string { return "selftest" }
func (p *selfTestPage) close()       {}

func (p *selfTestPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.menu.selftest"), d.T("service.selftest.say"), s.showMenu)
	for i, dry := range []bool{true, false} {
		id := "wet"
		params := map[string]string(nil)
		if dry {
			id, params = "dry", map[string]string{"dry": "true"}
		}
		var r rect
		if m.wide {
			r = area.columns(2, m.gap*2)[i]
		} else {
			r = rect{area.x, area.y + area.h - (2-i)*m.v(560, 0) + m.v(40, 0), area.w, m.v(520, 0)} // low, in reach
		}
		d.box(r, d.Roles.Surface, m.radius)
		in := r.inner(m.v(36, 16))
		foot := in.bottom(max(m.v(120, 60), m.key), m.gap)
		y := in.y + d.para(d.T("service.selftest."+id), in.x, in.y, in.w, 2, d.big(m.f(56, 26)), d.Roles.Ink) + m.v(20, 8)
		d.para(d.T("service.selftest."+id+".say"), in.x, y, in.w, 5, m.body, d.Roles.InkSoft)
		d.button("service.selftest."+id, d.T("service.op.begin"), "check", foot, goes, func() {
			s.show(newOperation(s, api.StartOp{Kind: api.OpSelfTest, Params: params}, func() { s.show(newSelfTest(s)) }))
		})
	}
}

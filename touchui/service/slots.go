package service

import (
	"context"
	"image"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// slotsPage lists the cartridges, to swap one.
type slotsPage struct {
	s      *Service
	from   func()
	stock  stock
	scroll scroller
}

func newSlots(s *Service, from func()) *slotsPage { return &slotsPage{s: s, from: from} }

func (p *slotsPage) name() string { return "cartridges" }
func (p *slotsPage) close()       {}
func (p *slotsPage) opened()      { p.s.load(&p.stock, p.s.changed) }

func (p *slotsPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.slots.title"), d.T("service.slots.say"), p.from)
	if !d.has(p.stock, area) {
		return
	}
	const n = 2
	h := max(m.v(132, 68), m.key)
	up := d.within()
	for i, c := range p.stock.slots {
		r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
		icon, ink := "check", goInk
		if c.State != "ok" && c.State != "unverified" {
			icon, ink = "x", stopInk
		}
		name := c.Slot
		if c.Ingredient != "" {
			name += "  " + s.ingredient(c.Ingredient)
		}
		up.card("service.cartridge."+c.Slot, name, s.known("service.cartridge", c.State)+" · "+s.ml(c.LeftUL), icon, r, ink(up),
			func() { s.show(newSwap(s, c.Slot, func() { s.show(newSlots(s, p.from)) })) }, m.label)
	}
	p.scroll.add(d, up, area, (len(p.stock.slots)+n-1)/n*(h+m.gap))
}

// Steps of a swap.
const (
	swapOut  = iota // take the old one out
	swapIn          // put the new one in
	swapRead        // the tag is read and judged
)

// swapPage leads through the change of a cartridge: out, in, read and judged by the agent, then primed.
type swapPage struct {
	s     *Service
	slot  string
	from  func()
	stock stock
	step  int
	found *api.Cartridge
	fault string
	doing bool
}

func newSwap(s *Service, slot string, from func()) *swapPage {
	return &swapPage{s: s, slot: slot, from: from}
}

func (p *swapPage) name() string { return "swap" }
func (p *swapPage) close()       {}
func (p *swapPage) opened()      { p.s.load(&p.stock, p.s.changed) }

func (p *swapPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	c, _ := p.stock.slot(p.slot)
	sub := ""
	if c.Ingredient != "" {
		sub = s.ingredient(c.Ingredient)
	}
	area := d.header(d.T("service.swap.title", "slot", p.slot), sub, p.from)
	steps := []api.OpStep{{Name: d.T("service.swap.out")}, {Name: d.T("service.swap.in")}, {Name: d.T("service.swap.read")}, {Name: d.T("service.job.prime")}}
	for i := range steps {
		switch {
		case i < p.step || p.good():
			steps[i].State = "done"
		case i == p.step && p.found != nil && !p.good():
			steps[i].State = "failed"
		case i == p.step:
			steps[i].State = "running"
		}
	}
	if p.good() {
		steps[3].State = "running"
	}
	d.steps(steps, min(p.step, 2), area.top(m.v(96, 42), m.v(30, 10)))
	foot := area.bottom(max(m.v(172, 76), m.key), m.v(30, 12))
	title, say := p.words()
	y := area.y
	y += d.para(title, area.x, y, area.w, 2, m.question, d.Roles.Ink) + m.v(24, 8)
	y += d.para(say, area.x, y, area.w, 3, m.body, d.Roles.InkSoft) + m.v(30, 10)
	if p.fault != "" {
		y += d.para(p.fault, area.x, y, area.w, 3, m.body, d.Roles.Warn) + m.v(20, 8)
	}
	if p.found != nil {
		f := p.found
		rows := []pair{
			{d.T("service.slot.state"), s.known("service.cartridge", f.State)},
			{d.T("service.slot.belongs"), s.ingredient(f.Ingredient)},
			{d.T("service.slot.holds"), s.ingredient(f.Contents)},
			{d.T("service.slot.left"), s.ml(f.LeftUL)},
			{d.T("service.slot.tag"), f.Tag},
		}
		if f.Expires != nil {
			rows = append(rows, pair{d.T("service.slot.expires"), date(*f.Expires)})
		}
		rows = append(rows, pair{d.T("service.slot.remedy"), s.said(f.Remedy)})
		d.table(rows, rect{area.x, y, area.w, 0})
	} else if room := area.y + area.h - y; room > m.v(200, 90) {
		d.cartridge(p.step, c, rect{area.x, y, area.w, room})
	}
	p.foot(d, foot)
}

func (p *swapPage) good() bool {
	return p.found != nil && (p.found.State == "ok" || p.found.State == "unverified")
}

func (p *swapPage) words() (title, say string) {
	t := p.s.look.T
	switch {
	case p.good():
		return t("service.swap.right"), t("service.swap.right.say")
	case p.found != nil:
		return t("service.swap.bad"), t("service.swap.bad.say")
	case p.step == swapOut:
		return t("service.swap.out.title"), t("service.swap.out.say")
	}
	return t("service.swap.in.title"), t("service.swap.in.say")
}

func (p *swapPage) foot(d *draw, r rect) {
	s := p.s
	k := goes
	if p.doing {
		k = off
	}
	left := r.left(r.w*32/100, d.m.gap)
	switch {
	case p.good():
		d.button("service.swap.later", d.T("service.later"), "", left, plain, p.from)
		d.button("service.swap.prime", d.T("service.job.prime"), "prime", r, goes, func() {
			s.show(newOperation(s, api.StartOp{Kind: api.OpPrime, Line: p.slot}, p.from))
		})
	case p.found != nil:
		d.button("service.swap.again", d.T("service.swap.another"), "", left, plain, func() { p.found, p.step = nil, swapOut; s.redraw() })
		d.button("service.swap.read", d.T("service.swap.readagain"), "", r, k, p.read)
	case p.step == swapOut:
		d.button("service.swap.skip", d.T("service.swap.empty"), "", left, plain, func() { p.step = swapIn; s.redraw() })
		d.button("service.swap.out", d.T("service.swap.isout"), "", r, k, p.out)
	default:
		d.button("service.swap.cancel", d.T("service.cancel"), "", left, plain, p.from)
		d.button("service.swap.in", d.T("service.swap.isin"), "", r, k, p.read)
	}
}

// out tells the agent that the old cartridge is gone.
func (p *swapPage) out() {
	p.change("removed", func(api.Cartridge) { p.step = swapIn })
}

// read lets the agent read and judge what was put in.
func (p *swapPage) read() {
	p.change("inserted", func(c api.Cartridge) { p.step, p.found = swapRead, &c })
}

func (p *swapPage) change(action string, then func(api.Cartridge)) {
	s := p.s
	p.doing, p.fault = true, ""
	cl := s.agent()
	var c api.Cartridge
	s.call(func(ctx context.Context) (err error) {
		c, err = cl.ChangeCartridge(ctx, p.slot, api.CartridgeChange{Action: action, Person: api.PersonAtScreen})
		return err
	}, func(err error) {
		p.doing = false
		if err != nil {
			p.fault = s.reason(err)
		} else {
			then(c)
		}
		s.changed()
	})
	s.redraw()
}

// cartridge draws a slot with its cartridge half way out or in, and an arrow.
func (d *draw) cartridge(step int, c api.Cartridge, r rect) {
	w, h := min(r.w, int(float64(r.h)*1.1)), r.h
	img := d.Compose(func() *image.RGBA {
		q := art.Clear(d.Fonts, w, h)
		fw, fh := float64(w), float64(h)
		pen := max(3, fh*.012)
		slotY := fh * .62
		q.Frame(fw*.28, slotY, fw*.44, fh*.34, fh*.03, pen, d.Roles.InkSoft)
		top := fh * .12
		q.Round(fw*.33, top, fw*.34, fh*.58, fh*.04, d.Roles.Surface)
		q.Frame(fw*.33, top, fw*.34, fh*.58, fh*.04, pen, d.Roles.Ink)
		colour := theme.Liquid(c.Ingredient)
		level := .46
		if step == swapOut {
			level = .06
		}
		q.Round(fw*.33+2*pen, top+fh*(.58-level)-2*pen, fw*.34-4*pen, fh*level, fh*.02, colour)
		icon := "down"
		if step == swapOut {
			icon = "up"
		}
		q.Icon(icon, fw*.76, fh*.3, fh*.16, d.Roles.Go)
		return q.RGBA
	}, "cartridge/%d/%s/%d/%d", step, c.Ingredient, w, h)
	d.Pic(img, r.x+(r.w-w)/2, r.y)
}

package service

import (
	"context"
	"fmt"
	"strings"

	"fountain/agent/api"
	"fountain/touchui/sheet"
)

// networkPage shows how the unit reaches the cloud, and names its proxy.
type networkPage struct {
	s      *Service
	net    api.Network
	known  bool
	fault  string
	scroll scroller
	edit   *keyboard // not nil while the proxy is typed
	beat   int
}

func newNetwork(s *Service) *networkPage { return &networkPage{s: s} }

func (p *networkPage) name() string { return "network" }
func (p *networkPage) close()       {}
func (p *networkPage) opened()      { p.ask() }

func (p *networkPage) second() {
	if p.beat++; p.beat%3 == 0 && p.edit == nil {
		p.ask()
	}
}

func (p *networkPage) ask() {
	c := p.s.agent()
	var n api.Network
	p.s.call(func(ctx context.Context) (err error) {
		n, err = c.Network(ctx)
		return err
	}, func(err error) { p.got(n, err) })
}

func (p *networkPage) got(n api.Network, err error) {
	was := fmt.Sprint(p.net, p.known, p.fault)
	p.fault = ""
	if err != nil {
		p.fault = p.s.reason(err)
	} else {
		p.net, p.known = n, true
	}
	if fmt.Sprint(p.net, p.known, p.fault) != was && p.edit == nil {
		p.s.changed()
	}
}

func (p *networkPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	if p.edit != nil {
		area := rect{m.pad, m.v(40, 12), m.w - 2*m.pad, m.h - m.v(40, 12) - m.v(40, 12)}
		if !m.wide { // there the keys need the room
			area = d.header(d.T("service.network.title"), "", s.showMenu)
		}
		p.buildEdit(d, area)
		return
	}
	area := d.header(d.T("service.network.title"), s.known("service.cloud", p.net.Cloud), s.showMenu)
	if !p.known {
		d.has(stock{fault: p.fault}, area)
		return
	}
	foot := area.bottom(max(m.v(150, 70), m.key), m.gap*2)
	d.button("service.network.proxy", d.T("service.network.setproxy"), "", foot, strong, func() {
		p.edit = &keyboard{s: s, text: p.net.Proxy, most: 120}
		if n := p.net.NextProxy; n != "" && n != "none" {
			p.edit.text = n
		}
		if strings.Contains(p.edit.text, "*") || p.edit.text == "" { // a masked password cannot be kept
			p.edit.text = "http://"
		}
		s.redraw()
	})
	up := d.within()
	y := 0
	if p.fault != "" {
		y += up.para(p.fault, 0, y, area.w, 3, m.body, d.Roles.Warn) + m.gap
	}
	proxy := p.net.Proxy
	if proxy == "" {
		proxy = d.T("service.network.none")
	}
	next := p.net.NextProxy
	if next == "none" {
		next = d.T("service.network.none")
	}
	rows := []pair{
		{d.T("service.network.cloud"), s.known("service.cloud", p.net.Cloud)},
		{d.T("service.network.endpoint"), p.net.Endpoint},
		{d.T("service.network.error"), s.said(p.net.LastErr)},
		{d.T("service.network.proxy"), proxy},
		{d.T("service.network.next"), next},
	}
	for _, l := range p.net.Links {
		state := d.T("service.network.down")
		if l.Up {
			state = d.T("service.network.up")
		}
		rows = append(rows, pair{l.Name, strings.Join(append([]string{state}, l.Addresses...), ", ")}, pair{"MAC", l.MAC})
	}
	y = up.table(rows, rect{0, y, area.w, 0})
	p.scroll.add(d, up, area, y)
}

func (p *networkPage) buildEdit(d *draw, area rect) {
	m, s := d.m, p.s
	foot := area.bottom(max(m.v(150, 62), m.key), m.gap)
	cells := foot.columns(3, m.gap)
	y := area.y
	if p.fault != "" {
		y += d.para(p.fault, area.x, y, area.w, 2, m.body, d.Roles.Warn)
	} else if !m.wide {
		y += d.para(d.T("service.network.say"), area.x, y, area.w, 3, m.body, d.Roles.InkSoft)
	}
	y += m.gap
	p.edit.build(d, rect{area.x, y, area.w, area.y + area.h - y})
	d.button("service.network.cancel", d.T("service.cancel"), "", cells[0], plain, func() { p.edit, p.fault = nil, ""; s.redraw() })
	d.button("service.network.remove", d.T("service.network.remove"), "", cells[1], plain, func() { p.save("") })
	d.button("service.network.save", d.T("service.save"), "", cells[2], goes, func() { p.save(p.edit.text) })
}

func (p *networkPage) save(proxy string) {
	s := p.s
	c := s.agent()
	var n api.Network
	s.call(func(ctx context.Context) (err error) {
		n, err = c.SetProxy(ctx, api.SetProxy{Proxy: proxy, Person: api.PersonAtScreen})
		return err
	}, func(err error) {
		p.fault = ""
		if err != nil {
			p.fault = s.reason(err)
		} else {
			p.edit, p.net, p.known = nil, n, true
		}
		s.changed()
	})
}

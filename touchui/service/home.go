package service

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// overview is what the service home last heard of the unit.
type overview struct {
	api.Overview
	known  bool
	fault  string
	asking bool
}

// seeEvery is how often the home looks.
const seeEvery = 2 * time.Second

// look asks for the overview; changed is called when something on it is different.
func (s *Service) seeOverview(changed func()) {
	if s.view.asking || s.session == nil {
		return
	}
	s.view.asking = true
	var o api.Overview
	c := s.agent()
	s.always(func(ctx context.Context) (err error) {
		o, err = c.Overview(ctx)
		return err
	}, func(err error) {
		was := s.view
		s.view.asking = false
		if err != nil {
			s.view.fault = s.reason(err)
		} else {
			s.view = overview{Overview: o, known: true}
		}
		if s.view.mark() != was.mark() {
			changed()
		}
	})
}

// mark tells whether two overviews look the same.
func (v overview) mark() string {
	o := v.Overview
	o.At, o.Figures.UptimeS, o.Figures.FreeBytes = time.Time{}, 0, 0
	f := o.Figures
	o.Figures = api.Figures{}
	show := func(p *float64) string {
		if p == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f", *p)
	}
	sync := ""
	if f.LastSync != nil {
		sync = clock(*f.LastSync)
	}
	return fmt.Sprint(o, v.known, v.fault, show(f.WaterC), show(f.GasKPa), show(f.InletKPa), f.DrinksToday, f.Online, sync, f.Backlog)
}

// homePage is the service home: what to do first, the cartridges, five figures, five jobs.
type homePage struct {
	s      *Service
	scroll scroller
	side   scroller
	beat   int
}

func newHome(s *Service) *homePage { return &homePage{s: s} }

func (p *homePage) name() string { return "home" }
func (p *homePage) close()       {}
func (p *homePage) opened()      { p.s.seeOverview(p.s.changed) }

func (p *homePage) second() {
	if p.beat++; p.beat%int(seeEvery/time.Second) == 0 {
		p.s.seeOverview(p.s.changed)
	}
}

func (p *homePage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m, v := d.m, s.view
	sub := v.fault
	if sub == "" && v.known {
		sub = d.N("service.home.todos", len(v.Todos))
		if v.Place != "" {
			sub = v.Place + " · " + sub
		}
	}
	area := d.headerWith(d.T("service.home.title"), sub, "service.menu", "all", s.showMenu)
	jobs := area.bottom(max(m.v(204, 84), m.key), m.v(28, 10))
	p.jobs(d, jobs)
	if !v.known {
		text := v.fault
		if text == "" {
			text = d.T("service.wait")
		}
		d.para(text, area.x, area.y, area.w, 3, m.body, d.Roles.InkSoft)
		return
	}
	if m.wide {
		left := area.left(area.w*52/100, m.gap*2)
		up := d.within()
		h := p.todos(up, rect{0, 0, left.w, 0})
		h = p.figures(up, rect{0, h + m.gap, left.w, 0}, 3)
		p.scroll.add(d, up, left, h)
		up = d.within()
		p.side.add(d, up, area, p.cartridges(up, rect{0, 0, area.w, area.h}, 5))
		return
	}
	up := d.within()
	h := p.todos(up, rect{0, 0, area.w, 0})
	h = p.cartridges(up, rect{0, h + m.v(36, 0), area.w, area.h}, 8)
	h = p.figures(up, rect{0, h + m.v(20, 0), area.w, 0}, 5)
	p.scroll.add(d, up, area, h)
}

// todos adds the first things to do and returns where they end.
func (p *homePage) todos(d *draw, r rect) int {
	m, s := d.m, p.s
	todos := s.view.Todos
	if len(todos) == 0 {
		row := rect{r.x, r.y, r.w, m.v(130, 62)}
		d.box(row, d.Roles.Surface, m.radius)
		size := m.f(48, 28)
		d.icon("check", row.x+m.v(36, 18), row.y+(row.h-int(size))/2, size, d.Roles.Go)
		d.text(d.T("service.home.nothing"), row.x+m.v(120, 64), row.y+(row.h-int(m.heading.PX))/2, row.w-m.v(150, 76), m.heading, d.Roles.Ink, art.Left)
		return row.y + row.h
	}
	most := 3
	if m.wide {
		most = 20 // they scroll beside the cartridges
	}
	y := r.y
	h := max(m.v(156, 78), m.key+2*m.v(18, 8))
	for i, t := range todos[:min(most, len(todos))] {
		p.todo(d, i, t, rect{r.x, y, r.w, h})
		y += h + m.gap
	}
	if n := len(todos) - most; n > 0 {
		more := rect{r.x, y, r.w, max(m.v(84, 56), d.Geo.MM(targetMM))}
		d.button("service.todo.more", d.N("service.home.more", n), "next", more, plain, func() { s.show(newAlarms(s)) })
		y += more.h + m.gap
	}
	return y - m.gap
}

func (p *homePage) todo(d *draw, i int, t api.Todo, r rect) {
	sub := p.s.said(t.Evidence)
	if t.Hidden > 0 {
		sub = d.N("service.home.hidden", t.Hidden)
		if t.Evidence != "" && !d.m.wide {
			sub = p.s.said(t.Evidence) + " " + sub
		}
	}
	if sub == "" {
		sub = p.s.remedy(t.Alarm, t.Scope, t.Remedy)
	}
	d.todoRow(fmt.Sprintf("service.todo.%d", i), t.Severity, p.s.alarmTitle(t.Alarm, t.Scope, t.What, t.Line), sub,
		d.T("service.action."+t.Action), r, func() { p.s.act(t) })
}

// todoRow is a card with a sign by severity (shape and colour), what is so, and its one action.
func (d *draw) todoRow(id, severity, title, sub, action string, r rect, tap func()) {
	m := d.m
	fill, fg, icon := d.Roles.Warn, d.Roles.OnWarn, "warn"
	if severity == "blocks" {
		fill, fg, icon = d.Roles.Stop, d.Roles.OnStop, "x"
	}
	side := m.v(132, 58)
	img := d.Compose(func() *image.RGBA {
		q := art.Clear(d.Fonts, r.w, r.h)
		q.Round(0, 0, float64(r.w), float64(r.h), m.radius, d.Roles.Surface)
		restore := q.Clip(image.Rect(0, 0, side, r.h))
		q.Round(0, 0, float64(side)+2*m.radius, float64(r.h), m.radius, fill)
		restore()
		size := m.f(60, 30)
		q.Icon(icon, (float64(side)-size)/2, (float64(r.h)-size)/2, size, fg)
		return q.RGBA
	}, "todo/%s/%d/%d", severity, r.w, r.h)
	d.Pic(img, r.x, r.y)
	bw := m.v(216, 112)
	x := r.x + side + m.v(32, 14)
	w := r.w - side - m.v(32, 14) - bw - 2*m.v(24, 10)
	both := m.heading.PX*1.1 + m.small.PX*1.2
	y := r.y + int((float64(r.h)-both)/2)
	pic := d.text(title, x, y, w, m.heading, d.Roles.Ink, art.Left)
	d.Sign(id+".title", title, pic)
	d.text(sub, x, y+int(m.heading.PX*1.16), w, m.small, d.Roles.InkSoft, art.Left)
	bh := max(m.v(108, 56), m.key)
	c := d.button(id, action, "", rect{r.x + r.w - bw - m.v(24, 10), r.y + (r.h-bh)/2, bw, bh}, strong, tap)
	c.Name = action + ": " + title
}

// cartridges adds the slots as levels, n side by side, and returns where they end.
func (p *homePage) cartridges(d *draw, r rect, n int) int {
	m, s := d.m, p.s
	slots := s.view.Slots
	if len(slots) == 0 {
		return r.y
	}
	y := r.y
	d.text(d.T("service.home.cartridges"), r.x, y, r.w*55/100, m.heading, d.Roles.Ink, art.Left)
	hint := d.T("service.home.touch")
	d.text(hint, r.x+r.w, y+int(m.heading.PX*.2), r.w*42/100, m.small, d.Roles.InkSoft, art.Right)
	y += m.v(68, 34)
	n = min(n, max(2, (r.w+m.v(12, 8))/(d.Geo.MM(targetMM)+m.v(12, 8))))
	gap := m.v(12, 8)
	h := m.v(168, 84)
	for i, sl := range slots {
		c := rect{r.x, y + i/n*(h+m.v(16, 8)), r.w, h}.columns(n, gap)[i%n]
		s.slot(d, sl, c)
	}
	return y + (len(slots)+n-1)/n*(h+m.v(16, 8)) - m.v(16, 8)
}

// slot adds one cartridge as a level: its number and share above, the liquid in its colour below.
func (s *Service) slot(d *draw, sl api.SlotLevel, r rect) {
	m := d.m
	mark := d.Roles.InkSoft
	frame := color.RGBA{}
	switch {
	case sl.State != "ok" && sl.State != "unverified" || sl.Percent == 0:
		mark, frame = d.Roles.Stop, d.Roles.Stop
	case sl.Low:
		mark, frame = d.Roles.Warn, d.Roles.Warn
	}
	img := d.Compose(func() *image.RGBA {
		q := art.Clear(d.Fonts, r.w, r.h)
		w, h := float64(r.w), float64(r.h)
		top := m.f(44, 22)
		num := art.Style{Size: theme.Size{PX: m.f(28, 16), Line: 1, Cut: theme.Text}, Color: d.Roles.Ink}
		if frame.A != 0 {
			num.Color = mark
		}
		share := art.Style{Size: theme.Size{PX: m.f(26, 15), Line: 1, Cut: theme.Sans}, Color: mark}
		q.Text(slotNumber(sl.Slot), m.f(4, 2), m.f(4, 2), num, art.Left)
		q.Text(fmt.Sprintf("%d%%", sl.Percent), w-m.f(4, 2), m.f(5, 3), share, art.Right)
		box := h - top
		radius := m.f(18, 9)
		q.Round(0, top, w, box, radius, d.Roles.Surface)
		in := m.f(4, 3)
		full := box - 2*in
		level := full * float64(min(max(sl.Percent, 0), 100)) / 100
		if level > 0 {
			restore := q.Clip(image.Rect(0, int(h-in-level+.5), r.w, r.h))
			q.Round(in, top+in, w-2*in, full, radius-in/2, theme.Liquid(sl.Ingredient))
			restore()
		}
		if frame.A != 0 {
			q.Frame(0, top, w, box, radius, m.f(5, 3), frame)
		}
		return q.RGBA
	}, "slot/%s/%s/%d/%v/%d/%d", sl.Slot, sl.Ingredient, sl.Percent, frame, r.w, r.h)
	name := sl.Slot
	if sl.Name != "" {
		name += ", " + s.look.Words.Name(sl.Name)
	}
	c := sheet.NewControl("service.slot."+sl.Slot, sheet.RoleTile, name, img, r.x, r.y, func() { s.show(newLine(s, sl.Slot, s.showHome)) })
	c.Value = fmt.Sprintf("%d%% %s", sl.Percent, sl.State)
	c.Radius = float32(m.f(18, 9))
	d.Control(c)
}

func (s *Service) showHome() { s.show(newHome(s)) }

// slotNumber is a slot's id as short as it fits: "s07" is 07.
func slotNumber(id string) string {
	return strings.TrimLeft(strings.TrimPrefix(id, "slot"), "sS-_")
}

// figures adds five figures, n in a row, and returns where they end.
func (p *homePage) figures(d *draw, r rect, n int) int {
	m, s, f := d.m, p.s, p.s.view.Figures
	type figure struct {
		is, what string
		c        color.RGBA
	}
	ink := d.Roles.Ink
	none := d.T("service.figure.none")
	figs := []figure{{none, d.T("service.figure.water"), ink}, {none, d.T("service.figure.gas"), ink}, {none, d.T("service.figure.inlet"), ink}}
	if f.WaterC != nil {
		figs[0].is = d.T("service.celsius", "v", s.num(*f.WaterC, 1))
		figs[0].c = p.alarmed(d, "water_warm", "water_too_warm", "water_freezing")
	}
	if f.GasKPa != nil {
		figs[1].is, figs[1].c = s.pressure(*f.GasKPa), p.alarmed(d, "co2_low", "co2_out")
	}
	if f.InletKPa != nil {
		figs[2].is, figs[2].c = s.pressure(*f.InletKPa), p.alarmed(d, "water_pressure_low", "water_pressure_high", "no_water")
	}
	figs = append(figs, figure{s.num(float64(f.DrinksToday), 0), d.T("service.figure.today"), ink})
	sync := d.T("service.figure.never")
	if f.LastSync != nil {
		sync = d.T("service.figure.sync", "time", clock(*f.LastSync))
	}
	if f.Online {
		figs = append(figs, figure{d.T("service.online"), sync, ink})
	} else {
		figs = append(figs, figure{d.T("service.offline"), sync, d.Roles.Warn})
	}
	h := m.v(100, 58)
	for i, fg := range figs {
		c := rect{r.x, r.y + i/n*(h+m.gap/2), r.w, h}.columns(n, m.v(20, 10))[i%n]
		d.text(fg.is, c.x, c.y, c.w, m.figure, fg.c, art.Left)
		d.text(fg.what, c.x, c.y+int(m.figure.PX*1.15), c.w, theme.Size{PX: m.f(27, 16), Line: 1.2, Cut: theme.Sans}, d.Roles.InkSoft, art.Left)
	}
	return r.y + (len(figs)+n-1)/n*(h+m.gap/2)
}

// alarmed is the colour of a figure: as the worst of the named alarms that stand.
func (p *homePage) alarmed(d *draw, names ...string) color.RGBA {
	c := d.Roles.Ink
	for _, t := range p.s.view.Todos {
		for _, n := range names {
			if t.Alarm != n {
				continue
			}
			if t.Severity == "blocks" {
				return d.Roles.Stop
			}
			c = d.Roles.Warn
		}
	}
	return c
}

// jobs are the five things a crew does.
func (p *homePage) jobs(d *draw, r rect) {
	s := p.s
	jobs := []struct {
		id, icon string
		tap      func()
	}{
		{"clean", "clean", func() { s.show(newChoice(s, api.OpClean, s.showHome)) }},
		{"swap", "swap", func() { s.show(newSlots(s, s.showHome)) }},
		{"prime", "prime", func() { s.show(newChoice(s, api.OpPrime, s.showHome)) }},
		{"calibrate", "bars", func() { s.show(newChoice(s, api.OpCalibrate, s.showHome)) }},
		{"pour", "target", func() { s.show(newTestPour(s, beverage.ID(""))) }},
	}
	for i, c := range r.columns(len(jobs), d.m.gap) {
		j := jobs[i]
		d.job("service.job."+j.id, d.T("service.job."+j.id), j.icon, c, j.tap)
	}
}

// job is a large key with its icon over its name.
func (d *draw) job(id, text, icon string, r rect, tap func()) {
	m := d.m
	fitted, sz := d.fit(text, m.label, float64(r.w)-m.f(24, 12))
	st := sheet.ButtonStyle{
		H: r.h, Width: r.w, Radius: m.radius, PX: sz.PX, IconPX: m.f(56, 28), Gap: m.v(24, 10), Icon: icon, Stacked: true,
		Fill: d.Roles.Surface, FG: d.Roles.Ink,
	}
	c := d.Button(id, sheet.RoleButton, fitted, st, r.x, r.y, tap)
	c.Name = text
}

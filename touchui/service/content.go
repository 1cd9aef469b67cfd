package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/touchui/sheet"
)

// contentPage shows what runs: software, boot slot, catalogue, planogram, campaign, and the unit's name and storage.
type contentPage struct {
	s      *Service
	config []api.ConfigValue
	scroll scroller
}

func newContent(s *Service) *contentPage { return &contentPage{s: s} }

func (p *contentPage) name() string { return "content" }
func (p *contentPage) close()       {}

func (p *contentPage) opened() {
	s := p.s
	s.seeOverview(s.changed)
	c := s.agent()
	s.call(func(ctx context.Context) (err error) {
		p.config, err = c.Config(ctx)
		return err
	}, func(error) { s.changed() }) // an agent without it: the rest is shown
}

func (p *contentPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	v := s.view
	area := d.header(d.T("service.content.title"), v.Serial, s.showMenu)
	if !v.known {
		d.has(stock{fault: v.fault}, area)
		return
	}
	rig := d.T("service.content.hw")
	if v.Versions.Rig == "sim" {
		rig = d.T("service.content.sim")
	}
	campaign := v.Versions.Campaign
	if campaign == "" {
		campaign = d.T("service.content.nocampaign")
	}
	slot := v.Versions.BootSlot
	if slot == "" {
		slot = d.T("service.content.oneslot")
	}
	f := v.Figures
	up := d.within()
	y := up.table([]pair{
		{d.T("service.content.software"), v.Versions.Software},
		{d.T("service.content.slot"), slot},
		{d.T("service.content.catalogue"), shorten(v.Versions.Catalogue, 12)},
		{d.T("service.content.planogram"), v.Versions.Planogram},
		{d.T("service.content.campaign"), campaign},
		{d.T("service.content.rig"), rig},
		{d.T("service.content.thing"), v.Thing},
		{d.T("service.content.serial"), v.Serial},
		{d.T("service.content.backlog"), fmt.Sprint(f.Backlog)},
		{d.T("service.content.free"), d.T("service.content.of", "free", bytes(f.FreeBytes), "all", bytes(f.TotalBytes))},
		{d.T("service.content.uptime"), uptime(f.UptimeS)},
	}, rect{0, 0, area.w, 0})
	for _, c := range p.config {
		if c.Next != nil {
			y = up.table([]pair{{c.Key, d.T("service.content.next", "now", c.Value, "next", c.Next)}}, rect{0, y, area.w, 0})
		}
	}
	p.scroll.add(d, up, area, y)
}

// bytes writes a size of storage.
func bytes(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

func uptime(sec int64) string {
	d := time.Duration(sec) * time.Second
	if d >= 24*time.Hour {
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
	return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
}

// logsPage shows the unit's log, newest first.
type logsPage struct {
	s      *Service
	level  string
	lines  []api.LogLine // oldest first
	next   uint64
	lost   uint64
	known  bool
	fault  string
	skip   int // of the newest: how far back the page looks
	asking bool
	scroll scroller
}

// Bounds of the log page.
const (
	logKept  = 2000
	logShown = 30 // lines on a page
)

// logLevels a person may choose, from all to errors only.
var logLevels = []string{"debug", "info", "warn", "error"}

func newLogs(s *Service) *logsPage { return &logsPage{s: s, level: "info"} }

func (p *logsPage) name() string { return "logs" }
func (p *logsPage) close()       {}
func (p *logsPage) opened()      { p.ask() }

func (p *logsPage) second() { p.ask() }

func (p *logsPage) ask() {
	if p.asking {
		return
	}
	p.asking = true
	c, since, level := p.s.agent(), p.next, p.level
	var l api.Logs
	p.s.call(func(ctx context.Context) (err error) {
		l, err = c.Logs(ctx, since, level)
		return err
	}, func(err error) {
		p.asking = false
		if level != p.level {
			return // another was chosen meanwhile
		}
		fault := ""
		if err != nil {
			fault = p.s.reason(err)
		}
		news := fault != p.fault || !p.known && err == nil || len(l.Entries) > 0
		p.fault = fault
		if err == nil {
			p.known = true
			p.next, p.lost = l.Next, l.Lost
			p.lines = append(p.lines, l.Entries...)
			p.lines = p.lines[max(0, len(p.lines)-logKept):]
		}
		if news && p.skip == 0 {
			p.s.changed()
		}
	})
}

func (p *logsPage) choose(level string) {
	p.level, p.lines, p.next, p.skip, p.known, p.asking = level, nil, 0, 0, false, false
	p.scroll = scroller{}
	p.ask()
	p.s.redraw()
}

func (p *logsPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.logs.title"), d.N("service.logs.count", len(p.lines)), s.showMenu)
	for i, r := range area.top(max(m.v(98, 55), m.key), m.gap).columns(len(logLevels), m.gap) {
		k := plain
		if logLevels[i] == p.level {
			k = chosen
		}
		c := d.button("service.logs."+logLevels[i], d.T("service.logs."+logLevels[i]), "", r, k, func() { p.choose(logLevels[i]) })
		c.Role = sheet.RoleSwitch
		c.Value = map[bool]string{true: "on", false: "off"}[logLevels[i] == p.level]
	}
	foot := area.bottom(max(m.v(98, 55), m.key), m.gap)
	cells := foot.columns(2, m.gap)
	older, newer := off, off
	if p.skip+logShown < len(p.lines) {
		older = plain
	}
	if p.skip > 0 {
		newer = plain
	}
	d.button("service.logs.older", d.T("service.logs.older"), "", cells[0], older, func() { p.page(logShown) })
	d.button("service.logs.newer", d.T("service.logs.newer"), "", cells[1], newer, func() { p.page(-logShown) })
	if !p.known || len(p.lines) == 0 {
		text := p.fault
		if text == "" && p.known {
			text = d.T("service.logs.none")
		}
		d.has(stock{fault: text}, area)
		return
	}
	up := d.within()
	y := 0
	end := len(p.lines) - p.skip
	for i := end - 1; i >= max(0, end-logShown); i-- {
		l := p.lines[i]
		c := d.Roles.InkSoft
		switch l.Level {
		case "warn":
			c = d.Roles.Warn
		case "error":
			c = d.Roles.Stop
		}
		head := l.At.Format("01-02 15:04:05") + "  " + strings.ToUpper(l.Level)
		up.text(head, 0, y, area.w, m.small, c, 0)
		y += int(m.small.PX * 1.25)
		y += up.para(strings.TrimSpace(l.Text+"  "+l.Attrs), 0, y, area.w, 3, m.small, d.Roles.Ink)
		y += m.v(14, 6)
		up.Box(0, y, area.w, max(1, m.v(2, 1)), d.Roles.Line)
		y += m.v(14, 6)
	}
	p.scroll.add(d, up, area, y)
}

func (p *logsPage) page(by int) {
	p.skip = max(0, min(p.skip+by, max(0, len(p.lines)-1)))
	p.scroll = scroller{}
	p.s.redraw()
}

// auditPage is the service book: who did what, newest first.
type auditPage struct {
	s      *Service
	list   []api.AuditEntry
	known  bool
	fault  string
	scroll scroller
}

func newAudit(s *Service) *auditPage { return &auditPage{s: s} }

func (p *auditPage) name() string { return "audit" }
func (p *auditPage) close()       {}

func (p *auditPage) opened() {
	c := p.s.agent()
	p.s.call(func(ctx context.Context) (err error) {
		p.list, err = c.Audit(ctx)
		return err
	}, func(err error) {
		p.known = err == nil
		if err != nil {
			p.fault = p.s.reason(err)
		}
		p.s.changed()
	})
}

const auditShown = 60

func (p *auditPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	area := d.header(d.T("service.menu.audit"), "", s.showMenu)
	if !p.known || len(p.list) == 0 {
		text := p.fault
		if p.known {
			text = d.T("service.audit.none")
		}
		d.has(stock{fault: text}, area)
		return
	}
	up := d.within()
	var rows []pair
	for _, e := range p.list[:min(auditShown, len(p.list))] {
		what := s.known("service.job", e.Action)
		if e.Line != "" {
			what += " " + e.Line
		}
		rows = append(rows, pair{stamp(e.At) + "  " + e.Person, what + ": " + s.known("service.result", e.Result)})
	}
	p.scroll.add(d, up, area, up.table(rows, rect{0, 0, area.w, 0}))
}

package service

import (
	"context"
	"fmt"
	"slices"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// stock is what the unit has: lines and what sits in the slots.
type stock struct {
	lines []api.Line
	slots []api.Cartridge
	known bool
	fault string
}

// load asks for lines and cartridges; then is called when they came, or did not.
func (s *Service) load(to *stock, then func()) {
	var got stock
	c := s.agent()
	if !s.view.known { // names of ingredients come with it
		s.seeOverview(s.changed)
	}
	s.call(func(ctx context.Context) (err error) {
		if got.lines, err = c.Lines(ctx); err != nil {
			return err
		}
		got.slots, err = c.Cartridges(ctx)
		return err
	}, func(err error) {
		if err != nil {
			to.fault = s.reason(err)
		} else {
			got.known = true
			*to = got
		}
		then()
	})
}

func (k stock) line(id string) (api.Line, bool) {
	i := slices.IndexFunc(k.lines, func(l api.Line) bool { return l.ID == id })
	if i < 0 {
		return api.Line{}, false
	}
	return k.lines[i], true
}

func (k stock) slot(id string) (api.Cartridge, bool) {
	i := slices.IndexFunc(k.slots, func(c api.Cartridge) bool { return c.Slot == id })
	if i < 0 {
		return api.Cartridge{}, false
	}
	return k.slots[i], true
}

// pumpOf finds the pump that draws from a slot.
func (k stock) pumpOf(slot string) (api.Line, bool) {
	i := slices.IndexFunc(k.lines, func(l api.Line) bool { return l.Kind == kindPump && l.Slot == slot })
	if i < 0 {
		return api.Line{}, false
	}
	return k.lines[i], true
}

// calibrated finds what a calibration of id is about: the line itself, or the pump of a slot.
func (k stock) calibrated(id string) (api.Line, bool) {
	if _, ok := k.slot(id); ok {
		return k.pumpOf(id)
	}
	return k.line(id)
}

// Kinds of lines, as hal.Kind writes them.
const (
	kindValve    = "valve"
	kindMeter    = "flow-meter"
	kindPump     = "dosing-pump"
	kindAgitator = "agitator"
)

// lineName is a line's id in a heading.
func (s *Service) lineName(id string) string {
	if id == "nozzle" {
		return s.look.T("service.nozzle")
	}
	return s.look.T("service.line", "id", id)
}

// ingredient is the name of an ingredient, as the overview told it, in the language of the screen.
func (s *Service) ingredient(id string) string {
	for _, sl := range s.view.Slots {
		if sl.Ingredient == id && sl.Name != "" {
			return s.look.Words.Name(sl.Name)
		}
	}
	return s.look.Words.Name(id)
}

// has waits for the stock, or tells why there is none; true when there is one.
func (d *draw) has(k stock, area rect) bool {
	if k.known {
		return true
	}
	text := k.fault
	if text == "" {
		text = d.T("service.wait")
	}
	d.para(text, area.x, area.y, area.w, 4, d.m.body, d.Roles.InkSoft)
	return false
}

// linesPage lists valves, meters, pumps and agitators with what is due or wrong.
type linesPage struct {
	s      *Service
	stock  stock
	scroll scroller
}

func newLines(s *Service) *linesPage { return &linesPage{s: s} }

func (p *linesPage) name() string { return "lines" }
func (p *linesPage) close()       {}
func (p *linesPage) opened()      { p.s.load(&p.stock, p.s.changed) }

func (p *linesPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.lines.title"), d.N("service.lines.count", len(p.stock.lines)), s.showMenu)
	if !d.has(p.stock, area) {
		return
	}
	n := 2
	if m.wide && m.w < m.v(0, 700) {
		n = 1
	}
	h := max(m.v(140, 72), m.key)
	up := d.within()
	for i, l := range p.stock.lines {
		r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
		sub, icon, c := s.lineState(l)
		up.card("service.line."+l.ID, l.ID, sub, icon, r, c(up), func() { s.show(newLine(s, l.ID, func() { s.show(newLines(s)) })) }, m.heading)
	}
	p.scroll.add(d, up, area, (len(p.stock.lines)+n-1)/n*(h+m.gap))
}

// lineState is the most important thing about a line.
func (s *Service) lineState(l api.Line) (sub, icon string, c roleOf) {
	t := s.look.T
	kind := s.known("service.kind", l.Kind)
	switch {
	case l.LockedOut != "":
		return t("service.line.locked", "why", s.known("service.code", l.LockedOut)), "x", stopInk
	case l.CleanDue != nil && !l.CleanDue.After(s.now()):
		return t("service.line.cleandue", "date", date(*l.CleanDue)), "warn", warnInk
	case l.Kind != kindValve && l.Kind != kindAgitator && l.Calibration == nil:
		return kind + " · " + t("service.line.plate"), "warn", warnInk
	case l.Calibration != nil:
		return kind + " · " + t("service.line.factor", "f", s.num(l.Calibration.Factor, 3)), "check", goInk
	}
	return kind, "check", goInk
}

// linePage is one line or slot: its state, its history, and what can be done with it.
type linePage struct {
	s      *Service
	id     string
	from   func()
	stock  stock
	scroll scroller
	says   string
	bad    bool
}

func newLine(s *Service, id string, from func()) *linePage {
	return &linePage{s: s, id: id, from: from}
}

func (p *linePage) name() string { return "line" }
func (p *linePage) close()       {}
func (p *linePage) opened()      { p.s.load(&p.stock, p.s.changed) }
func (p *linePage) again()       { p.s.show(newLine(p.s, p.id, p.from)) }

func (p *linePage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	slot, isSlot := p.stock.slot(p.id)
	line, isLine := p.stock.line(p.id)
	if isSlot && !isLine {
		line, isLine = p.stock.pumpOf(p.id)
	}
	sub := ""
	switch {
	case slot.Ingredient != "":
		sub = s.ingredient(slot.Ingredient)
	case isLine:
		sub = s.known("service.kind", line.Kind)
	}
	area := d.header(s.lineName(p.id), sub, p.from)
	if !d.has(p.stock, area) {
		return
	}
	jobs := p.jobs(slot, isSlot, line, isLine)
	n := 2
	if m.wide {
		n = 4
	}
	jh := max(m.v(120, 60), m.key)
	rows := (len(jobs) + n - 1) / n
	foot := area.bottom(rows*(jh+m.gap)-m.gap, m.gap*2)
	for i, j := range jobs {
		r := rect{foot.x, foot.y + i/n*(jh+m.gap), foot.w, jh}.columns(n, m.gap)[i%n]
		d.button("service.line."+j.id, j.text, j.icon, r, j.kind, j.tap)
	}
	up := d.within()
	y := 0
	if p.says != "" {
		c := d.Roles.Go
		if p.bad {
			c = d.Roles.Warn
		}
		y += up.para(p.says, 0, y, area.w, 3, m.body, c) + m.gap
	}
	y = up.table(p.facts(slot, isSlot, line, isLine), rect{0, y, area.w, 0})
	if isLine && line.Calibration != nil {
		y += m.v(30, 12)
		up.text(d.T("service.line.history"), 0, y, area.w, m.heading, d.Roles.Ink, art.Left)
		y += int(m.heading.PX * 1.5)
		var rows []pair
		for _, c := range append([]api.Calibration{*line.Calibration}, line.History...) {
			rows = append(rows, pair{date(c.At) + " · " + c.Person, s.num(c.Factor, 4)})
		}
		y = up.table(rows, rect{0, y, area.w, 0})
	}
	p.scroll.add(d, up, area, y)
}

func (p *linePage) facts(slot api.Cartridge, isSlot bool, line api.Line, isLine bool) []pair {
	s := p.s
	t := s.look.T
	var rows []pair
	if isSlot {
		rows = append(
			rows,
			pair{t("service.slot.state"), s.known("service.cartridge", slot.State)},
			pair{t("service.slot.left"), s.ml(slot.LeftUL)},
			pair{t("service.slot.belongs"), s.ingredient(slot.Ingredient)},
		)
		if slot.Contents != slot.Ingredient {
			rows = append(rows, pair{t("service.slot.holds"), s.ingredient(slot.Contents)})
		}
		rows = append(rows, pair{t("service.slot.tag"), slot.Tag})
		if slot.Expires != nil {
			rows = append(rows, pair{t("service.slot.expires"), date(*slot.Expires)})
		}
		rows = append(rows, pair{t("service.slot.remedy"), s.said(slot.Remedy)})
	}
	if isLine {
		if line.LockedOut != "" {
			rows = append(rows, pair{t("service.line.lockout"), s.known("service.code", line.LockedOut)})
		}
		if line.Cleaned != nil {
			rows = append(rows, pair{t("service.line.cleaned"), stamp(*line.Cleaned)})
		}
		if line.CleanDue != nil {
			rows = append(rows, pair{t("service.line.due"), date(*line.CleanDue)})
		}
		switch {
		case line.Calibration != nil:
			rows = append(
				rows, pair{t("service.line.calibration"), s.num(line.Calibration.Factor, 4)},
				pair{t("service.line.calibrated"), date(line.Calibration.At) + ", " + line.Calibration.Person},
				pair{t("service.line.expires"), date(line.Calibration.Expires)},
			)
		case line.Kind == kindMeter || line.Kind == kindPump:
			rows = append(rows, pair{t("service.line.calibration"), t("service.line.plate")})
		}
	}
	return rows
}

// lineJob is one thing that can be done with a line.
type lineJob struct {
	id, text, icon string
	kind           kind
	tap            func()
}

func (p *linePage) jobs(slot api.Cartridge, isSlot bool, line api.Line, isLine bool) []lineJob {
	s := p.s
	t := s.look.T
	op := func(kind, id, icon, line string) lineJob {
		return lineJob{id, t("service.job." + kind), icon, plain, func() {
			if kind == api.OpClean {
				s.show(newClean(s, line, p.again))
				return
			}
			s.show(newOperation(s, api.StartOp{Kind: kind, Line: line}, p.again))
		}}
	}
	var jobs []lineJob
	if isSlot {
		jobs = append(jobs, lineJob{"swap", t("service.job.swap"), "swap", strong, func() { s.show(newSwap(s, p.id, p.again)) }})
	}
	if isSlot || isLine && (line.Kind == kindValve || line.Kind == kindPump) {
		jobs = append(jobs, op(api.OpPrime, "prime", "prime", p.id), op(api.OpClean, "clean", "clean", p.id), op(api.OpPurge, "purge", "drain", p.id))
	}
	if isSlot || isLine && line.Kind != kindAgitator {
		jobs = append(jobs, op(api.OpCalibrate, "calibrate", "bars", p.id))
	}
	if isLine && line.Calibration != nil {
		jobs = append(jobs, lineJob{"undo", t("service.line.undo"), "back", plain, func() { p.undo(line.ID) }})
	}
	if isLine && (line.Kind == kindValve || line.Kind == kindPump) {
		jobs = append(jobs, op(api.OpSelfTest, "selftest", "check", line.ID))
	}
	if isLine && line.Kind == kindAgitator {
		jobs = append(jobs, op(api.OpAgitate, "agitate", "stir", line.ID))
	}
	_ = slot
	return jobs
}

// undo goes back to the calibration before the present one.
func (p *linePage) undo(id string) {
	s := p.s
	c := s.agent()
	var now api.Line
	s.call(func(ctx context.Context) (err error) {
		now, err = c.UndoCalibration(ctx, id, api.PersonAtScreen)
		return err
	}, func(err error) {
		p.bad = err != nil
		switch {
		case err != nil:
			p.says = s.reason(err)
		case now.Calibration == nil:
			p.says = s.look.T("service.line.plateagain")
		default:
			p.says = s.look.T("service.line.undone", "f", s.num(now.Calibration.Factor, 4))
		}
		s.load(&p.stock, s.changed)
	})
}

// numbered is what a list page is called in the tree.
func numbered(prefix string, i int) string { return fmt.Sprintf("%s.%d", prefix, i) }

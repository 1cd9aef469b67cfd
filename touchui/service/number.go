package service

import (
	"fmt"
	"image"
	"math"
	"strconv"
	"strings"

	"fyne.io/fyne/v2/canvas"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// number is a figure that a person reads and enters: by dragging the level of a measuring cup, by steps, or by digits.
type number struct {
	ask    api.Ask
	value  float64
	set    bool // nothing is proposed: a person has to read it
	typing bool
	typed  string

	page *operationPage
	cup  *cup
	big  *canvas.Image
	bigR rect
	eff  *canvas.Image
	effR rect
	save *sheet.Control
	savR rect
}

func (n *number) reset() { *n = number{} }

// scale is the top of the cup: what the ask allows, but no more than a round figure above what came by the meter.
func (n *number) scale() float64 {
	top := n.ask.Max
	if v := float64(n.page.flow.last) / 1000; v > 0 {
		top = min(top, v*1.35)
	}
	return nice(top)
}

// step is what one touch of a key changes.
func (n *number) step() float64 {
	switch top := n.scale(); {
	case top <= 60:
		return .1
	case top <= 200:
		return .5
	}
	return 1
}

func (n *number) digits() int {
	if n.step() < 1 {
		return 1
	}
	return 0
}

// to sets the value, as far as the question allows, in whole steps.
func (n *number) to(v float64) {
	st := n.step()
	v = math.Round(v/st) * st
	n.value, n.set = min(max(v, n.ask.Min), n.ask.Max), true
	n.refresh()
}

func (n *number) bump(by float64) {
	if !n.set {
		n.to(n.scale() / 2)
		return
	}
	n.to(n.value + by*n.step())
}

func (n *number) text() string {
	switch {
	case n.typing:
		if n.typed == "" {
			return "–"
		}
		return strings.ReplaceAll(n.typed, ".", n.page.s.look.T("lang.decimal"))
	case !n.set:
		return "–"
	}
	return n.page.s.num(n.value, n.digits())
}

// allowed reports whether the figure may be sent.
func (n *number) allowed() bool {
	return n.set && n.value >= n.ask.Min && n.value <= n.ask.Max
}

func (n *number) build(p *operationPage, d *draw, area rect, ask api.Ask) {
	n.page = p
	if n.ask != ask {
		n.ask, n.value, n.set, n.typing, n.typed = ask, 0, false, false, ""
	}
	m := d.m
	isCup := ask.Unit == "ml" || ask.Unit == "g"
	n.savR = area.bottom(max(m.v(172, 72), m.key), m.v(24, 10))
	left := n.savR.left(n.savR.w*32/100, m.gap)
	d.button("service.op.no", d.T("service.op.stop"), "", left, plain, p.stop)
	n.save = d.button("service.op.save", n.saveText(), "", n.savR, n.saveKind(), n.send)
	var side rect
	if m.wide {
		cupR := area.left(area.w*34/100, m.gap*2)
		side = area
		if isCup && !n.typing {
			n.addCup(d, cupR)
			t := d.text(p.s.said(ask.What), side.x, side.y, side.w, d.big(m.f(60, 26)), d.Roles.Ink, art.Left)
			d.Sign("service.op.say", p.s.said(ask.What), t)
			side.top(m.v(60, 34), 0)
		} else {
			n.cup = nil
			y := d.question("service.op.say", p.s.said(ask.What), cupR, 4)
			if n.typing {
				n.bigR = rect{cupR.x, y, cupR.w, m.v(150, 90)}
				n.addBig(d)
				d.pad("service.op.key", side, keyPoint, keyErase, false, n.key)
				return
			}
		}
	} else {
		y := d.question("service.op.say", p.s.said(ask.What), area, 2)
		if isCup {
			y += d.para(d.T("service.op.read"), area.x, y, area.w, 2, m.body, d.Roles.InkSoft)
		}
		y += m.v(30, 8)
		area.h -= y - area.y
		area.y = y
		if h := m.v(340, 0); isCup && area.h > m.v(640, 0)+h+m.v(90, 0) {
			n.notes(d, area.bottom(m.v(40, 0), m.v(20, 0)))
			p.addCurve(d, area.bottom(h, m.v(24, 0)))
		} else if isCup {
			n.notes(d, area.bottom(m.v(40, 0), m.v(20, 0)))
		}
		side = area
		if isCup {
			n.addCup(d, side.left(area.w*45/100, m.v(60, 0)))
		}
	}
	n.side(d, side)
}

// side is the figure, its keys, and what it will do.
func (n *number) side(d *draw, r rect) {
	m := d.m
	if n.typing {
		n.bigR = r.top(m.v(180, 60), m.v(10, 4))
		n.addBig(d)
		d.pad("service.op.key", r, keyPoint, keyErase, false, n.key)
		return
	}
	var keys []rect
	if m.wide { // figure and keys in one row
		row := r.top(max(m.v(0, 76), m.key), m.v(0, 10))
		n.bigR = row.left(row.w*36/100, m.gap)
		keys = rect{row.x, row.y + (row.h-m.key)/2, row.w, m.key}.columns(3, m.gap)
	} else {
		n.bigR = r.top(m.v(210, 76), m.v(16, 6))
		keys = r.top(max(m.v(140, 58), m.key), m.v(30, 8)).columns(3, m.gap)
	}
	n.addBig(d)
	d.button("service.op.less", "", "minus", keys[0], plain, func() { n.bump(-1) }).Name = d.T("service.op.less")
	d.button("service.op.more", "", "plus", keys[1], plain, func() { n.bump(1) }).Name = d.T("service.op.more")
	d.button("service.op.type", "123", "", keys[2], plain, func() {
		n.typing, n.typed, n.set = true, "", false
		n.page.draw()
	}).Name = d.T("service.op.type")
	n.effR = rect{r.x, r.y, r.w, min(r.h, m.v(240, 130))}
	n.eff = d.Pic(n.effect(d), n.effR.x, n.effR.y)
	d.Sign("service.op.effect", d.T("service.op.effect"), n.eff)
}

func (n *number) addBig(d *draw) {
	n.big = d.Pic(n.bigPic(d), n.bigR.x, n.bigR.y)
}

func (n *number) bigPic(d *draw) *image.RGBA {
	m := d.m
	q := art.Clear(d.Fonts, n.bigR.w, n.bigR.h)
	below := theme.Size{PX: m.f(32, 17), Line: 1, Cut: theme.Text}
	const under = 1.45 // of its size takes a line, with the depths of Arabic
	px := min(m.f(160, 58), float64(n.bigR.h)*.7, (float64(n.bigR.h)-under*below.PX)/1.08)
	sz := d.big(px)
	sz.PX = d.Fonts.Fit([]string{n.text()}, sz.Cut, sz.Track, float64(n.bigR.w), px, px/3)
	q.Text(n.text(), 0, 0, art.Style{Size: sz, Color: d.Roles.Ink}, art.Left)
	unit := d.T("service.op.in", "unit", n.unit())
	if n.typing {
		unit = d.T("service.op.range", "min", d.s.num(n.ask.Min, 1), "max", d.s.num(n.ask.Max, 1), "unit", n.unit())
	}
	q.Text(unit, 0, px*1.08, art.Style{Size: below, Color: d.Roles.InkSoft}, art.Left)
	return q.RGBA
}

// usual range of a calibration's factor, as the agent judges it (docs/SERVICE.md): only shown here.
const (
	usualLeast = 0.5
	usualMost  = 2.0
)

// effect tells, before anything is saved, what the figure does and whether it is within the limits.
func (n *number) effect(d *draw) *image.RGBA {
	m, s, p := d.m, d.s, n.page
	q := art.Clear(d.Fonts, n.effR.w, max(1, n.effR.h))
	type row struct{ label, value string }
	var rows []row
	ok, why := n.allowed(), ""
	if c := p.flow.last; c > 0 && (n.ask.Unit == "ml" || n.ask.Unit == "g") {
		rows = append(rows, row{d.T("service.op.counted"), s.ml(c)})
		if f, known := n.factor(c); known {
			rows = append(rows, row{d.T("service.op.factor"), d.T("service.op.about", "v", s.num(f, 3))})
			if f < usualLeast || f > usualMost {
				ok, why = false, d.T("service.op.unusual")
			}
		}
		if p.req.Kind == api.OpCalibrate {
			rows = append(rows, row{d.T("service.op.allowed"), d.T("service.op.to", "min", s.num(usualLeast, 1), "max", s.num(usualMost, 1))})
		}
	} else {
		rows = append(rows, row{d.T("service.op.allowed"), d.T("service.op.to", "min", s.num(n.ask.Min, 1), "max", s.num(n.ask.Max, 1)+" "+n.unit())})
	}
	y := 0.0
	sz := theme.Size{PX: m.f(31, 17), Line: 1.2, Cut: theme.Sans}
	for _, r := range rows {
		w := float64(n.effR.w)
		lt, ls := d.fit(r.label, sz, w*.52)
		q.Text(lt, 0, y, art.Style{Size: ls, Color: d.Roles.InkSoft}, art.Left)
		vt, vs := d.fit(r.value, sz, w*.46)
		q.Text(vt, w, y, art.Style{Size: vs, Color: d.Roles.Ink}, art.Right)
		y += sz.PX * 1.5
	}
	if n.set {
		icon, c, text := "check", d.Roles.Go, d.T("service.op.within")
		if !ok {
			icon, c, text = "warn", d.Roles.Warn, why
			if text == "" {
				text = d.T("service.op.outside")
			}
		}
		q.Icon(icon, 0, y+sz.PX*.2, sz.PX*1.2, c)
		t, ts := d.fit(text, theme.Size{PX: sz.PX, Line: 1.2, Cut: theme.Text}, float64(n.effR.w)-sz.PX*1.8)
		q.Text(t, sz.PX*1.7, y+sz.PX*.2, art.Style{Size: ts, Color: c}, art.Left)
	}
	return q.RGBA
}

// factor is about what the agent will find from this figure: the factor in use, times what came over what was counted.
func (n *number) factor(counted int64) (float64, bool) {
	if n.page.req.Kind != api.OpCalibrate || !n.set || n.ask.Unit != "ml" {
		return 0, false
	}
	now := 1.0
	if l, ok := n.page.stock.calibrated(n.page.req.Line); ok && l.Calibration != nil {
		now = l.Calibration.Factor
	}
	return now * n.value * 1000 / float64(counted), true
}

// notes says what was before, and that it can be undone.
func (n *number) notes(d *draw, r rect) {
	p := n.page
	if p.req.Kind != api.OpCalibrate {
		return
	}
	was := d.T("service.op.plate")
	if l, ok := p.stock.calibrated(p.req.Line); ok && l.Calibration != nil {
		was = d.T("service.op.was", "f", d.s.num(l.Calibration.Factor, 3), "date", date(l.Calibration.At))
	}
	d.text(was, r.x, r.y, r.w*56/100, d.m.small, d.Roles.InkSoft, art.Left)
	d.text(d.T("service.op.undo"), r.x+r.w, r.y, r.w*42/100, d.m.small, d.Roles.InkSoft, art.Right)
}

func (n *number) saveText() string {
	l := n.page.s.look
	if !n.set {
		return l.T("service.op.readfirst")
	}
	return l.T("service.op.take", "v", n.page.s.num(n.value, n.digits()), "unit", n.unit())
}

func (n *number) saveKind() kind {
	if n.allowed() {
		return goes
	}
	return off
}

// refresh shows the figure without drawing the page anew: a finger may be dragging.
func (n *number) refresh() {
	s := n.page.s
	d := s.on(s.look.Sheet(s.look.Roles.BG, s.look.Roles.Ink))
	if n.big != nil {
		sheet.Replace(n.big, n.bigPic(d))
	}
	if n.eff != nil && !n.typing {
		sheet.Replace(n.eff, n.effect(d))
	}
	if n.cup != nil {
		n.cup.show()
	}
	if n.save != nil {
		n.save.Disabled = !n.allowed()
		n.save.Name = n.saveText()
		n.save.SetPicture(d.buttonPic(n.saveText(), "", n.savR, n.saveKind()))
		n.save.Refresh()
	}
}

// key takes a digit.
func (n *number) key(k string) {
	switch {
	case k == keyErase && n.typed == "":
		n.typing = false
		n.page.draw()
		return
	case k == keyErase:
		n.typed = n.typed[:len(n.typed)-1]
	case k == keyPoint && (strings.Contains(n.typed, ".") || n.typed == ""):
	case len(n.typed) < 7:
		n.typed += k
	}
	v, err := strconv.ParseFloat(n.typed, 64)
	n.value, n.set = v, err == nil
	n.refresh()
}

func (n *number) send() {
	if n.allowed() {
		n.page.answer(api.Answer{Yes: true, Number: n.value})
	}
}

func (n *number) addCup(d *draw, r rect) {
	n.cup = newCup(d, n, r)
	d.Add(n.cup)
}

// unit is the unit asked for, as the language writes it.
func (n *number) unit() string { return n.page.s.known("service.unit", n.ask.Unit) }

// mark is the number at a mark of the scale.
func (n *number) mark(v float64) string { return fmt.Sprintf("%g", math.Round(v*10)/10) }

package service

import (
	"fmt"
	"image"
	"image/color"
	"strings"

	"fyne.io/fyne/v2/canvas"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// live is what moves on an operation's page without the page being drawn anew.
type live struct {
	volume *canvas.Image
	curve  *canvas.Image
	curveR rect
	volR   rect
	clock  *canvas.Image
	clockR rect
}

func (l *live) update(p *operationPage) {
	d := p.s.on(p.s.look.Sheet(p.s.look.Roles.BG, p.s.look.Roles.Ink))
	if l.volume != nil {
		sheet.Replace(l.volume, d.volume(p.op.FlowedUL, l.volR))
	}
	if l.clock != nil {
		sheet.Replace(l.clock, d.elapsed(p, l.clockR))
	}
	if l.curve != nil && p.flow.fresh() {
		sheet.Replace(l.curve, d.curve(&p.flow, l.curveR))
	}
}

// steps shows where a wizard stands: a bar for each step, its name below while there are few.
func (d *draw) steps(steps []api.OpStep, at int, r rect) {
	m := d.m
	n := len(steps)
	if n == 0 {
		return
	}
	d.bars(steps, r)
	sz := theme.Size{PX: m.f(28, 16), Line: 1.2, Cut: theme.Text}
	y := r.y + m.v(12, 6) + m.v(16, 6)
	if n > 5 {
		at = min(max(at, 0), n-1)
		d.text(d.T("service.op.step", "n", at+1, "of", n, "name", steps[at].Name), r.x, y, r.w, sz, d.Roles.Ink, art.Left)
		return
	}
	for i, c := range r.columns(n, m.gap) {
		icon, ink := "", d.Roles.InkSoft
		switch steps[i].State {
		case "done":
			icon = "check"
		case "failed":
			icon = "x"
		case "running":
			ink = d.Roles.Ink
		}
		x, w := c.x, c.w
		if icon != "" {
			size := m.f(30, 16)
			d.icon(icon, x, y+m.v(2, 1), size, ink)
			x += int(size) + m.v(8, 4)
			w -= int(size) + m.v(8, 4)
		}
		d.text(fmt.Sprintf("%d %s", i+1, steps[i].Name), x, y, w, sz, ink, art.Left)
	}
}

// bars is one bar for each step.
func (d *draw) bars(steps []api.OpStep, r rect) {
	gap := d.m.gap
	if len(steps) > 6 {
		gap = d.m.v(6, 4)
	}
	bar := d.m.v(12, 6)
	for i, c := range r.columns(len(steps), gap) {
		fill := d.Roles.Line
		switch steps[i].State {
		case "done":
			fill = d.Roles.Go
		case "failed":
			fill = d.Roles.Stop
		case "running":
			fill = d.Roles.Active
		}
		d.box(rect{c.x, c.y, c.w, bar}, fill, float64(bar)/2)
	}
}

// question sets what is asked or happens, as large as it fits, and returns where it ends.
func (d *draw) question(id, text string, r rect, lines int) int {
	sz := d.m.question
	if ls := d.wrap(text, sz, r.w, 99); len(ls) > 3 {
		sz = d.big(d.m.f(56, 26))
		sz.Line = 1.08
	}
	ls := d.wrap(text, sz, r.w, lines)
	for i, l := range ls {
		pic := d.text(l, r.x, r.y+int(float64(i)*sz.PX*sz.Line), r.w, sz, d.Roles.Ink, art.Left)
		if i == 0 {
			d.Sign(id, text, pic)
		}
	}
	return r.y + int(float64(len(ls))*sz.PX*sz.Line) + d.m.v(28, 8)
}

func (p *operationPage) buildBefore(d *draw, area rect) {
	foot := area.bottom(max(d.m.v(172, 76), d.m.key), d.m.gap)
	left := foot.left(foot.w*32/100, d.m.gap)
	d.question("service.op.say", d.T("service.op.before."+p.req.Kind), area, 5)
	d.button("service.op.cancel", d.T("service.cancel"), "", left, plain, p.from)
	d.button("service.op.begin", d.T("service.op.begin"), "", foot, goes, p.start)
}

func (p *operationPage) buildConfirm(d *draw, area rect, ask api.Ask) {
	m := d.m
	foot := area.bottom(max(m.v(172, 76), m.key), m.v(30, 12))
	left := foot.left(foot.w*32/100, m.gap)
	y := d.question("service.op.say", p.s.said(ask.What), area, 6)
	if p.refused != "" {
		y += d.para(p.refused, area.x, y, area.w, 3, m.body, d.Roles.Warn)
	}
	y += d.para(d.T("service.op.shut"), area.x, y, area.w, 2, m.body, d.Roles.InkSoft) + m.v(30, 10)
	p.proofs(d, rect{area.x, y, area.w, area.y + area.h - y})
	expert := expertOnly(ask)
	yes, k := d.T("service.op.yes"), goes
	if expert {
		yes, k = d.T("service.op.expert"), strong
	}
	d.button("service.op.no", d.T("service.op.no"), "", left, plain, func() { p.answer(api.Answer{}) })
	d.button("service.op.yes", yes, "", foot, k, func() { p.answer(api.Answer{Yes: true, Expert: expert}) })
}

// expertOnly tells whether a question accepts what only an expert may.
func expertOnly(a api.Ask) bool { return strings.Contains(a.What, "Only an expert") }

func (p *operationPage) buildRunning(d *draw, area rect) {
	m := d.m
	pad := area.bottom(max(m.v(260, 100), m.key), m.v(30, 12))
	say := p.s.said(p.op.Say)
	switch {
	case p.phase == starting:
		say = d.T("service.op.starting")
	case p.phase == ending:
		say = d.T("service.op.ending")
	case p.sending, p.op.Ask != nil:
		say = d.T("service.wait")
	}
	text := area
	if m.wide {
		text = area.left(area.w*46/100, m.gap*2)
	}
	y := d.question("service.op.say", say, text, 3)
	p.live.volR = rect{text.x, y, text.w, m.v(190, 84)}
	p.live.volume = d.Pic(d.volume(p.op.FlowedUL, p.live.volR), text.x, y)
	d.Sign("service.op.volume", d.T("service.op.flowed"), p.live.volume)
	y += p.live.volR.h
	p.live.clockR = rect{text.x, y, text.w, m.v(50, 28)}
	p.live.clock = d.Pic(d.elapsed(p, p.live.clockR), text.x, y)
	y += p.live.clockR.h + m.v(30, 8)
	if m.wide {
		y = area.y
	}
	rest := rect{area.x, y, area.w, area.y + area.h - y}
	if h := m.v(330, 150); rest.h >= h {
		p.addCurve(d, rest.top(h, m.v(24, 10)))
	}
	p.proofs(d, rest)
	if p.phase == ending {
		d.button("service.op.stop", d.T("service.op.stopping"), "", pad, off, nil)
		return
	}
	c := d.button("service.op.stop", d.T("service.op.stop"), "x", pad, stops, p.stop)
	c.Down = p.stop // at once, not when the finger lifts
}

// volume is the flowed volume in large digits.
func (d *draw) volume(ul int64, r rect) *image.RGBA {
	q := art.Clear(d.Fonts, r.w, r.h)
	px := float64(r.h) * .86
	v := float64(ul) / 1000
	digits := 0
	if v < 100 {
		digits = 1
	}
	w := q.Text(d.s.num(v, digits), 0, 0, art.Style{Size: d.big(px), Color: d.Roles.Ink}, art.Left)
	q.Text(d.T("service.op.flowed"), w+px*.15, px*.56, art.Style{Size: theme.Size{PX: d.m.f(34, 18), Line: 1, Cut: theme.Text}, Color: d.Roles.InkSoft}, art.Left)
	return q.RGBA
}

func (d *draw) elapsed(p *operationPage, r rect) *image.RGBA {
	sec := int(p.s.now().Sub(p.began).Seconds())
	text := d.T("service.op.elapsed", "time", fmt.Sprintf("%d:%02d", sec/60, sec%60))
	q := art.Clear(d.Fonts, r.w, r.h)
	q.Text(text, 0, 0, art.Style{Size: theme.Size{PX: d.m.f(30, 17), Line: 1.2, Cut: theme.Sans}, Color: d.Roles.InkSoft}, art.Left)
	return q.RGBA
}

func (p *operationPage) addCurve(d *draw, r rect) {
	p.live.curveR = r
	p.live.curve = d.Pic(d.curve(&p.flow, r), r.x, r.y)
}

// proofs lists the steps with their proofs, as far as there is room: the present one is always among them.
func (p *operationPage) proofs(d *draw, r rect) {
	m := d.m
	row := int(m.body.PX*1.35) + m.v(16, 5)
	steps := p.named()
	n := min(len(steps), r.h/row)
	if n <= 0 {
		return
	}
	first := max(0, min(p.op.Step-n/2, len(steps)-n))
	y := r.y
	for i, st := range steps[first : first+n] {
		icon, c, ink := "", d.Roles.Line, d.Roles.InkSoft
		switch st.State {
		case "done":
			icon, c = "check", d.Roles.Go
		case "failed":
			icon, c = "x", d.Roles.Stop
		case "running":
			ink = d.Roles.Ink
		}
		size := m.body.PX
		if icon != "" {
			d.icon(icon, r.x, y+int(size*.12), size, c)
		} else {
			dot := int(size * .5)
			d.box(rect{r.x + (int(size)-dot)/2, y + int(size*.38), dot, dot}, map[bool]color.RGBA{true: d.Roles.Ink, false: d.Roles.Line}[st.State == "running"], float64(dot)/2)
		}
		x := r.x + int(size*1.6)
		w := r.w - int(size*1.6)
		if st.Proof != "" {
			d.text(p.s.proof(st.Proof), r.x+r.w, y, w*52/100, m.body, d.Roles.InkSoft, art.Right)
			w = w * 46 / 100
		}
		d.text(fmt.Sprintf("%d  %s", first+i+1, st.Name), x, y, w, m.body, ink, art.Left)
		y += row
	}
}

// proof is a step's proof: a code or a figure.
func (s *Service) proof(t string) string {
	if key := "service.reason." + t; s.look.Words.Has(key) {
		return s.look.T(key)
	}
	return strings.TrimSuffix(s.said(t), ".")
}

// buildOutcome tells how it ended, what was measured, and what to do.
func (p *operationPage) buildOutcome(d *draw, area rect) {
	m, s, o := d.m, p.s, p.op
	foot := area.bottom(max(m.v(172, 76), m.key), m.v(30, 12))
	left := foot.left(foot.w*40/100, m.gap)
	title, icon, c := d.T("service.op.done"), "check", d.Roles.Go
	say := ""
	switch {
	case p.fault != "":
		title, icon, c, say = d.T("service.op.notdone"), "x", d.Roles.Stop, p.fault
	case o.Outcome == api.OpFailed:
		title, icon, c = d.T("service.op.failed"), "x", d.Roles.Stop
	case o.Outcome == api.OpStopped:
		title, icon, c = d.T("service.op.stopped"), "warn", d.Roles.Warn
	}
	if o.Reason != "" && say == "" && o.Outcome != api.OpDone {
		say = sentence(s.known("service.reason", o.Reason))
	}
	size := m.f(96, 44)
	d.icon(icon, area.x, area.y, size, c)
	x := area.x + int(size) + m.v(32, 16)
	t := d.text(title, x, area.y+int((size-m.question.PX)/2), area.w-(x-area.x), m.question, d.Roles.Ink, art.Left)
	d.Sign("service.op.outcome", title, t)
	y := area.y + int(size) + m.v(30, 10)
	if say != "" {
		y += d.para(say, area.x, y, area.w, 3, m.body, d.Roles.Ink) + m.v(10, 4)
	}
	if o.Remedy != "" && p.fault == "" {
		y += d.para(s.said(o.Remedy), area.x, y, area.w, 3, m.body, d.Roles.Warn) + m.v(10, 4)
	}
	if o.ID != "" {
		y += d.para(d.T("service.op.waste", "v", s.ml(o.FlowedUL)), area.x, y, area.w, 1, m.body, d.Roles.InkSoft)
	}
	y += m.v(30, 10)
	rest := rect{area.x, y, area.w, area.y + area.h - y}
	if rest.h > m.v(100, 50) {
		up := d.within()
		h := up.evidence(o.Evidence, rect{0, 0, rest.w, 0})
		p.scroll.add(d, up, rest, h)
	}
	d.button("service.op.again", d.T("service.op.again"), "", left, plain, p.start)
	d.button("service.op.finish", d.T("service.op.finish"), "", foot, strong, p.from)
}

// evidence lists what was measured and what it had to be, and returns where it ends.
func (d *draw) evidence(list []api.Evidence, r rect) int {
	m := d.m
	y := r.y
	row := int(m.body.PX*1.5) + m.v(10, 4)
	for _, e := range list {
		icon, c := "check", d.Roles.Go
		if !e.OK {
			icon, c = "x", d.Roles.Stop
		}
		size := m.body.PX
		d.icon(icon, r.x, y+int(size*.1), size, c)
		x := r.x + int(size*1.5)
		is := d.s.measured(e)
		w := min(r.w*44/100, int(d.Fonts.Width(is, m.body.Cut, m.body.PX, m.body.Track))+2)
		d.text(d.s.what(e.What), x, y, r.w-int(size*1.5)-w-m.gap, m.body, d.Roles.InkSoft, art.Left)
		d.text(is, r.x+r.w, y, w, m.body, d.Roles.Ink, art.Right)
		y += row
		d.Box(r.x, y-m.v(8, 3), r.w, max(1, m.v(2, 1)), d.Roles.Line)
	}
	return y
}

// what is the step and the thing that was measured there: "run 1: volume".
func (s *Service) what(t string) string {
	step, thing, ok := strings.Cut(t, ": ")
	if !ok {
		return strings.TrimSuffix(s.said(t), ".")
	}
	return strings.TrimSuffix(s.said(step), ".") + ": " + strings.TrimSuffix(s.said(thing), ".")
}

// measured is one figure with its limits; of what can only be so or not, that.
func (s *Service) measured(e api.Evidence) string {
	if e.Unit == "" && e.Min == 1 && e.Max == 1 {
		if e.Is == 1 {
			return s.look.T("service.yes")
		}
		return s.look.T("service.no")
	}
	is := s.num(e.Is, digitsOf(e.Is))
	if e.Unit != "" {
		is += " " + s.known("service.unit", e.Unit)
	}
	if e.Min == 0 && e.Max == 0 {
		return is
	}
	if e.Max > 1e15 { // no upper limit
		return s.look.T("service.op.atleast", "is", is, "min", s.num(e.Min, digitsOf(e.Min)))
	}
	return s.look.T("service.op.limits", "is", is, "min", s.num(e.Min, digitsOf(e.Min)), "max", s.num(e.Max, digitsOf(e.Max)))
}

// digitsOf is how many decimals a figure is worth.
func digitsOf(v float64) int {
	switch v = max(v, -v); {
	case v == float64(int64(v)):
		return 0
	case v < 10:
		return 3
	case v < 100:
		return 1
	}
	return 0
}

package service

import (
	"context"
	"image"
	"strings"
	"time"

	"fyne.io/fyne/v2/canvas"

	"fountain/agent/api"
	"fountain/internal/problem"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// Length of a PIN.
const (
	pinLeast = 6
	pinMost  = 12
)

// pinPage asks for the PIN. It never says anything about the PIN but that one was wrong.
type pinPage struct {
	s      *Service
	digits string
	wrong  bool      // the last one
	fault  string    // the agent does not answer, or a pour is active
	until  time.Time // no PIN may be tried before
	locked bool
	asking bool

	dots *canvas.Image
	dotR rect
}

func newPIN(s *Service) *pinPage { return &pinPage{s: s} }

func (p *pinPage) name() string { return "pin" }
func (p *pinPage) close()       { p.digits = "" }

func (p *pinPage) opened() { p.ask() }

// ask learns whether a PIN is set and when the next may be tried.
func (p *pinPage) ask() {
	var st api.SessionState
	p.s.call(func(ctx context.Context) (err error) {
		st, err = p.s.client.SessionState(ctx)
		return err
	}, func(err error) {
		was, _ := p.say()
		switch {
		case err != nil:
			p.fault = p.s.reason(err)
		case st.Setup:
			p.s.show(newSetup(p.s, ""))
			return
		default:
			p.fault = ""
			p.wait(st)
		}
		if now, _ := p.say(); now != was { // else no finger that types is disturbed
			p.s.changed()
		}
	})
}

func (p *pinPage) wait(st api.SessionState) {
	p.locked, p.until = st.Locked, time.Time{}
	if st.WaitMS > 0 {
		p.until = p.s.now().Add(time.Duration(st.WaitMS) * time.Millisecond)
	}
}

func (p *pinPage) waiting() time.Duration { return max(0, p.until.Sub(p.s.now())) }

// second counts the wait down.
func (p *pinPage) second() {
	if p.until.IsZero() {
		if p.fault != "" && !p.asking {
			p.ask()
		}
		return
	}
	if p.waiting() == 0 {
		p.until, p.wrong = time.Time{}, false
		p.s.changed()
		p.ask()
		return
	}
	p.s.changed()
}

// say is the one sentence under the title, and whether it is a warning.
func (p *pinPage) say() (string, bool) {
	l := p.s.look
	wait := int((p.waiting() + time.Second - 1) / time.Second)
	switch {
	case p.fault != "":
		return p.fault, true
	case wait > 90:
		return l.N("service.pin.locked", (wait+59)/60), true
	case wait > 0:
		return l.N("service.pin.wait", wait), true
	case p.wrong:
		return l.T("service.pin.wrong"), true
	}
	return l.T("service.pin.say"), false
}

func (p *pinPage) build(sh *sheet.Sheet) {
	d := p.s.on(sh)
	m := d.m
	area := rect{m.pad, m.v(40, 20), m.w - 2*m.pad, m.h - m.v(40, 20) - m.v(56, 14)}
	logo := m.f(46, 26)
	img := d.Compose(func() *image.RGBA {
		q := art.Clear(d.Fonts, int(logo*7), int(logo*1.4))
		q.Logo(0, 0, logo, art.Style{Size: d.logoSize(logo), Color: d.Roles.Ink})
		return q.RGBA
	}, "logo/%v", logo)
	d.Pic(img, area.x, area.y)
	var keys, text rect
	if m.wide {
		text = area.left(area.w*46/100, m.gap*2)
		keys = area
		text.top(m.v(0, 60), 0)
	} else {
		keys = area.bottom(min(max(5*m.key+4*m.gap, m.v(0, 0)+m.h*55/100), m.h*62/100), m.v(60, 0))
		text = area
		text.y += text.h - m.v(420, 0)
	}
	t := d.text(d.T("service.pin.title"), text.x, text.y, text.w, d.big(m.f(104, 46)), d.Roles.Ink, art.Left)
	d.Sign("service.title", d.T("service.pin.title"), t)
	say, warn := p.say()
	c := d.Roles.InkSoft
	if warn {
		c = d.Roles.Warn
	}
	y := text.y + int(m.f(140, 60))
	ls := d.wrap(say, m.body, text.w, 4)
	for i, l := range ls {
		pic := d.text(l, text.x, y+int(float64(i)*m.body.PX*m.body.Line), text.w, m.body, c, art.Left)
		if i == 0 {
			d.Sign("service.pin.say", say, pic)
		}
	}
	p.dotR = rect{text.x, y + m.v(120, 96), text.w, m.v(74, 34)}
	p.dots = d.Pic(d.dots(len(p.digits), p.dotR), p.dotR.x, p.dotR.y)
	open := keys.bottom(max(m.key, m.v(150, 62)), m.gap)
	disabled := p.waiting() > 0 || p.asking
	d.pad("service.pin", keys, keyClose, keyErase, disabled, p.type_)
	k := goes
	if disabled {
		k = off
	}
	d.button("service.pin.open", d.T("service.pin.open"), "", open, k, p.open)
}

// dots shows how many digits were typed: as many circles as a PIN has at least, then more.
func (d *draw) dots(typed int, r rect) *image.RGBA {
	n := max(pinLeast, typed)
	size := float64(r.h) - 4
	step := size * 1.38
	if width := step*float64(n-1) + size; width > float64(r.w) {
		size *= float64(r.w) / width
		step = size * 1.38
	}
	q := art.Clear(d.Fonts, r.w, r.h)
	y := float64(r.h) / 2
	for i := range n {
		x := float64(i)*step + 1
		if i < typed {
			q.Round(x, y-size/2, size, size, size/2, d.Roles.Ink)
		} else {
			q.Frame(x, y-size/2, size, size, size/2, d.m.f(5, 3), d.Roles.InkSoft)
		}
	}
	return q.RGBA
}

// type_ takes a key. Only the dots change, so that a second finger may be down already.
func (p *pinPage) type_(k string) {
	switch {
	case k == keyClose:
		p.s.exit()
		return
	case p.waiting() > 0 || p.asking:
		return
	case k == keyErase:
		p.digits = strings.TrimSuffix(p.digits, p.digits[max(0, len(p.digits)-1):])
	case len(p.digits) < pinMost:
		p.digits += k
	}
	sheet.Replace(p.dots, p.s.on(p.s.look.Sheet(p.s.look.Roles.BG, p.s.look.Roles.Ink)).dots(len(p.digits), p.dotR))
	if p.wrong {
		p.wrong = false
		p.s.changed()
	}
}

// open tries the PIN.
func (p *pinPage) open() {
	if p.digits == "" || p.asking || p.waiting() > 0 {
		return
	}
	pin := p.digits
	p.digits, p.asking = "", true
	var open *api.Session
	var st api.SessionState
	s := p.s
	s.call(func(ctx context.Context) error {
		var err error
		if open, err = s.client.OpenSession(ctx, pin); err == nil {
			return nil
		}
		if now, serr := s.client.SessionState(ctx); serr == nil {
			st = now
		}
		return err
	}, func(err error) {
		p.asking = false
		switch {
		case err == nil:
			s.unlocked(open)
			s.show(newHome(s))
			return
		case is(err, problem.CodeForbidden):
			p.wrong, p.fault = true, ""
		case st.WaitMS > 0:
			p.fault = ""
		default:
			p.fault = s.reason(err)
		}
		p.wait(st)
		s.redraw()
	})
	s.redraw()
}

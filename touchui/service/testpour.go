package service

import (
	"context"
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// testTarget bounds a test pour.
const testTarget = 240_000 // µL

// testPourPage pours a little of a beverage while a finger holds, and tells what was recorded.
type testPourPage struct {
	s       *Service
	id      beverage.ID // empty: to be chosen
	drink   drink
	cat     *beverage.Catalogue
	fault   string
	scroll  scroller
	leash   *leash
	pour    *api.Pour // as last heard of
	settled bool
	again   bool // a finger holds while the last pour settles: the next one begins then
	says    string

	pad    *holdPad
	volume *canvas.Image
	volR   rect
	shown  int64
}

func newTestPour(s *Service, id beverage.ID) *testPourPage { return &testPourPage{s: s, id: id} }

func (p *testPourPage) name() string { return "pour" }
func (p *testPourPage) busy() bool   { return p.leash != nil && p.leash.held() }

func (p *testPourPage) opened() {
	p.s.catalogue(func(c *beverage.Catalogue, fault string) {
		p.cat, p.fault = c, fault
		p.s.changed()
	})
}

func (p *testPourPage) close() {
	if p.leash != nil {
		p.leash.drop(p.why(), nil)
	}
}

// why a pour stops: somebody let go, or the screen lost the finger.
func (p *testPourPage) why() string {
	if p.s.stage.InputLost() && !p.s.drawing {
		return api.StopScreenLost
	}
	return api.StopReleased
}

func (p *testPourPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	if p.id == "" {
		area := d.header(d.T("service.job.pour"), d.T("service.choose.pour"), s.showHome)
		if !d.has(stock{known: p.cat != nil, fault: p.fault}, area) {
			return
		}
		list := s.drinks(p.cat)
		if len(list) == 0 {
			d.para(d.T("service.pour.none"), area.x, area.y, area.w, 3, m.body, d.Roles.InkSoft)
			return
		}
		const n = 2
		h := max(m.v(132, 68), m.key)
		up := d.within()
		for i, k := range list {
			r := rect{0, i / n * (h + m.gap), area.w, h}.columns(n, m.gap)[i%n]
			up.card("service.pour."+string(k.id), k.variant, k.brand, "prime", r, d.Roles.Ink, func() {
				q := newTestPour(s, k.id)
				q.drink = k
				s.show(q)
			}, m.heading)
		}
		p.scroll.add(d, up, area, (len(list)+n-1)/n*(h+m.gap))
		return
	}
	area := d.header(p.drink.name, d.T("service.job.pour"), func() { s.show(newTestPour(s, "")) })
	padR := area.bottom(max(m.v(560, 190), m.key), m.v(40, 12))
	y := d.question("service.pour.say", d.T("service.pour.say"), area, 2)
	p.volR = rect{area.x, y, area.w, m.v(260, 100)}
	p.shown = p.poured()
	p.volume = d.Pic(d.volume(p.shown, p.volR), area.x, y)
	y += p.volR.h + m.gap
	if p.says != "" {
		d.para(p.says, area.x, y, area.w, 3, m.body, d.Roles.InkSoft)
	}
	p.pad = newHoldPad(d, p, padR)
	d.Add(p.pad)
}

func (p *testPourPage) poured() int64 {
	if p.pour == nil {
		return 0
	}
	return p.pour.PouredUL
}

// press asks for a pour.
func (p *testPourPage) press() {
	if p.leash != nil && (p.leash.held() || !p.settled) {
		p.again = !p.leash.held()
		return
	}
	s := p.s
	p.pour, p.settled, p.again, p.says = nil, false, false, ""
	h := &leash{s: s}
	h.over = func(err error) {
		if p.leash == h {
			p.end(err)
		}
	}
	p.leash = h
	c := s.agent()
	req := api.StartPour{Beverage: p.id, TargetUL: testTarget, Mode: api.ModeHold, Source: "service"}
	h.take(func(ctx context.Context) (*api.Lease, error) {
		ctx, cancel := context.WithTimeout(ctx, partLimit)
		defer cancel()
		l, pour, err := c.Lease(ctx, req)
		if err == nil {
			s.stage.Do(func() { p.pour = &pour })
		}
		return l, err
	}, func(err error) {
		if err != nil {
			p.settled, p.says = true, s.reason(err)
			s.changed()
		}
	})
}

// let lets go.
func (p *testPourPage) let() {
	p.again = false
	if p.leash == nil || !p.leash.held() {
		return
	}
	held := p.leash.lease != nil
	p.leash.drop(p.why(), nil)
	if !held {
		p.settled = true
		return
	}
	p.end(nil)
}

// end waits for the record of a pour that has ended.
func (p *testPourPage) end(lost error) {
	s := p.s
	id := p.leash.lease.ID()
	c := s.agent()
	var last api.Pour
	s.call(func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, settleLimit)
		defer cancel()
		last, err = c.Settled(ctx, id)
		return err
	}, func(err error) {
		p.settled = true
		switch {
		case p.again:
			p.press()
			return
		case err == nil:
			p.pour = &last
			p.says = s.look.T("service.pour.ended", "v", s.ml(last.PouredUL), "outcome", s.known("service.result", last.Outcome))
		case lost != nil:
			p.says = s.look.T("service.op.lost")
		default:
			p.says = s.reason(err)
		}
		s.changed()
	})
}

// follow shows how much was poured.
func (p *testPourPage) follow(_, now api.Snapshot) {
	if p.pour == nil || now.Pour == nil || now.Pour.ID != p.pour.ID || p.volume == nil {
		return
	}
	p.pour = now.Pour
	if p.pour.PouredUL != p.shown {
		p.shown = p.pour.PouredUL
		sheet.Replace(p.volume, p.s.on(p.s.look.Sheet(p.s.look.Roles.BG, p.s.look.Roles.Ink)).volume(p.shown, p.volR))
	}
}

// holdPad is the large key that pours while it is held.
type holdPad struct {
	widget.BaseWidget
	p    *testPourPage
	d    *draw
	r    rect
	pic  *canvas.Image
	down bool
}

var (
	_ kiosk.Accessible = (*holdPad)(nil)
	_ mobile.Touchable = (*holdPad)(nil)
)

func newHoldPad(d *draw, p *testPourPage, r rect) *holdPad {
	h := &holdPad{p: p, d: d.s.on(d.Look.Sheet(d.Roles.BG, d.Roles.Ink)), r: r}
	h.pic = sheet.Picture(h.draw(), 0, 0)
	h.ExtendBaseWidget(h)
	h.Move(fyne.NewPos(float32(r.x), float32(r.y)))
	h.Resize(fyne.NewSize(float32(r.w), float32(r.h)))
	return h
}

// CreateRenderer implements fyne.Widget.
func (h *holdPad) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(h.pic) }

// Forget drops the picture of a page that is gone.
func (h *holdPad) Forget() { h.pic.Image = nil }

// TouchDown implements mobile.Touchable.
func (h *holdPad) TouchDown(*mobile.TouchEvent) { h.set(true); h.p.press() }

// TouchUp implements mobile.Touchable.
func (h *holdPad) TouchUp(*mobile.TouchEvent) { h.set(false); h.p.let() }

// TouchCancel implements mobile.Touchable.
func (h *holdPad) TouchCancel(*mobile.TouchEvent) { h.set(false); h.p.let() }

func (h *holdPad) set(down bool) {
	if h.down != down && h.pic.Image != nil {
		h.down = down
		sheet.Replace(h.pic, h.draw())
	}
}

func (h *holdPad) draw() *image.RGBA {
	d := h.d
	q := art.Clear(d.Fonts, h.r.w, h.r.h)
	fill, fg, text := d.Roles.Go, d.Roles.OnGo, d.T("service.pour.hold")
	if h.down {
		fill, fg, text = theme.Mix(d.Roles.Go, d.Roles.BG, .18), d.Roles.OnGo, d.T("service.pour.letgo")
	}
	q.Round(0, 0, float64(h.r.w), float64(h.r.h), d.m.radius*1.5, fill)
	t, sz := d.fit(text, d.big(d.m.f(96, 40)), float64(h.r.w)*.9)
	q.Text(t, float64(h.r.w)/2, (float64(h.r.h)-sz.PX)/2, art.Style{Size: sz, Color: fg}, art.Centre)
	return q.RGBA
}

// AccessibleID implements kiosk.Accessible, as do the next four.
func (h *holdPad) AccessibleID() string    { return "service.pour.pad" }
func (h *holdPad) AccessibleRole() string  { return sheet.RoleHold }
func (h *holdPad) AccessibleName() string  { return h.d.T("service.pour.hold") }
func (h *holdPad) AccessibleValue() string { return "" }
func (h *holdPad) AccessibleEnabled() bool { return true }

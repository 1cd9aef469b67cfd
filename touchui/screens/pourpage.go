package screens

import (
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// pourPage is one beverage from choosing its size to the full cup: the beverage page, the pouring page and the end of
// it, and the sold-out page, whose dome pours what is recommended instead. They are one page because the dome has to
// stay under the finger while everything else changes.
type pourPage struct {
	ui     *UI
	offer  Offer  // what the dome pours; zero when nothing is left to recommend
	wanted *Offer // sold out: what was asked for
	c      art.Colours
	root   *fyne.Container
	dome   *dome
	flow   *flowView // while pouring and after
	mine   bool      // the pour in u.pour was asked for here
	base   int64     // µL in the cup from earlier holds of this visit
	shown  string    // what the root was built for
	stop   func()    // of the wave's timer
	own    chooser   // what is chosen from here; nil: the page of one beverage
}

func newPourPage(u *UI, o Offer) *pourPage {
	return newPour(u, o, nil)
}

// newSoldOut recommends what comes closest to o.
func newSoldOut(u *UI, o Offer) *pourPage {
	var instead Offer
	if subs := u.menu.Substitutes(o.Beverage.ID, 1); len(subs) > 0 {
		instead = subs[0]
	}
	return newPour(u, instead, &o)
}

func newPour(u *UI, o Offer, wanted *Offer) *pourPage {
	p := &pourPage{ui: u, offer: o, wanted: wanted, root: container.NewWithoutLayout()}
	p.start()
	return p
}

// newChosen is a page that chooses for itself; meet tells it of the page it stands on.
func newChosen(u *UI, o Offer, own chooser, meet func(*pourPage)) *pourPage {
	p := &pourPage{ui: u, offer: o, own: own, root: container.NewWithoutLayout()}
	meet(p)
	p.start()
	return p
}

func (p *pourPage) start() {
	u, o := p.ui, p.offer
	if o.Brand != nil {
		p.c = art.ColoursOf(o.Brand.Palette)
	}
	p.dome = newDome(u, "beverage.pour", sheet.RoleHold, p.down, p.up)
	p.root.Resize(fyne.NewSize(float32(u.Geo.W), float32(u.Geo.H)))
	p.build()
	p.warm()
}

func (p *pourPage) name() string {
	switch {
	case p.ui.pour.active():
		return "pouring"
	case p.flow != nil:
		return "done"
	case p.wanted != nil:
		return "sold_out"
	case p.own != nil:
		return p.own.name()
	}
	return "beverage"
}

// active, done and trouble are what the pour of this page does; one left behind on another page is not shown here.
func (p *pourPage) active() bool { return p.mine && p.ui.pour.active() }
func (p *pourPage) done() bool   { return p.mine && !p.ui.pour.active() && p.ui.pour.ended != nil }
func (p *pourPage) trouble() string {
	if !p.mine {
		return ""
	}
	return p.ui.pour.problem
}

func (p *pourPage) again() page {
	if p.own != nil {
		return p.own.again(p)
	}
	q := newPour(p.ui, p.offer, p.wanted)
	q.mine, q.base = p.mine, p.base
	q.build()
	return q
}

func (p *pourPage) content() fyne.CanvasObject { return p.root }

func (p *pourPage) update(menuChanged bool) {
	u := p.ui
	if p.own != nil {
		if menuChanged && p.flow == nil {
			p.own.menuChanged()
		}
	} else if menuChanged && p.flow == nil && p.offer.Brand != nil {
		if o, ok := u.menu.Offer(p.offer.Beverage.ID); !ok {
			u.goHome()
			return
		} else if !o.Pourable() {
			if p.wanted != nil {
				u.show(newSoldOut(u, *p.wanted))
			} else {
				u.open(o.Beverage.ID)
			}
			return
		}
	}
	if state := p.state(); state != p.shown {
		p.build()
	}
	if p.flow != nil {
		p.flow.level(p.poured())
		p.look()
	}
	p.animate(p.active() && u.pour.state == flowing)
}

// state says what the page has to be built for.
func (p *pourPage) state() string {
	u := p.ui
	switch {
	case p.active():
		return "flow"
	case p.done():
		return "done/" + p.trouble()
	case p.own != nil:
		return fmt.Sprintf("%s/%d/%v/%s", p.own.state(), u.cup, u.tap, p.trouble())
	}
	return fmt.Sprintf("choose/%d/%v/%s", u.cup, u.tap, p.trouble())
}

// poured is what is in the cup, µL.
func (p *pourPage) poured() int64 {
	switch {
	case p.done():
		return p.base + p.ui.pour.ended.PouredUL
	case p.active():
		return p.base + p.ui.pour.live.PouredUL
	}
	return p.base
}

func (p *pourPage) size() Cup { return p.ui.cups[p.ui.cup] }

// more tells whether the drink of this page can be poured on.
func (p *pourPage) more() bool {
	if p.ui.menu == nil {
		return true
	}
	if p.own != nil {
		return p.own.more()
	}
	return p.stocked()
}

// stocked tells whether the beverage of this page can be poured.
func (p *pourPage) stocked() bool {
	o, ok := p.ui.menu.Offer(p.offer.Beverage.ID)
	return ok && o.Pourable()
}

// left is what still fits in, µL; a rest too small to pour well is none.
func (p *pourPage) left() int64 {
	const least = 15_000
	if l := int64(p.size().ML)*1000 - p.poured(); l >= least {
		return l
	}
	return 0
}

func (p *pourPage) down() {
	u := p.ui
	if u.tap && p.active() {
		u.pour.release(false)
		return
	}
	if u.pour.active() || p.offer.Beverage == nil {
		return
	}
	base, target := int64(0), int64(p.size().ML)*1000
	if p.done() { // the rest of the same cup
		base, target = p.poured(), p.left()
		if target == 0 {
			return
		}
	}
	p.base, p.mine = base, true
	mode := api.ModeHold
	if u.tap {
		mode = api.ModePortion
	}
	req := api.StartPour{Beverage: p.offer.Beverage.ID, TargetUL: target, Mode: mode, Source: "touch"}
	if p.own != nil {
		p.own.ask(&req)
	}
	u.pour.press(req)
}

func (p *pourPage) up() {
	if !p.ui.tap {
		p.ui.pour.release(p.ui.stage.InputLost())
	}
}

// build lays out the view for the present state around the same dome.
func (p *pourPage) build() {
	u := p.ui
	p.shown = p.state()
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	p.flow = nil
	switch {
	case p.active() || p.done():
		p.flow = newFlowView(p, s)
		p.flow.level(p.poured())
	case p.wanted != nil:
		p.soldOut(s)
	case p.own != nil:
		p.own.lay(s)
	case u.Geo.Wide:
		p.chooseWide(s)
	default:
		p.chooseTall(s)
	}
	p.look()
	p.root.Objects = s.Objects()
	p.root.Refresh()
}

// look sets the dome for the state of the pour.
func (p *pourPage) look() {
	u, cup := p.ui, p.size()
	if p.offer.Beverage == nil {
		return
	}
	st := art.DomeStyle{Label: "Hold to pour", Sub: fmt.Sprintf("%s, %d ml", cup.Name, cup.ML), BG: p.c.Ink, FG: p.c.Primary, Icon: "hold", LabelPX: 72}
	if p.wanted != nil {
		st.Sub, st.BG, st.FG = p.offer.Brand.Name+" "+p.offer.Beverage.Name, p.c.Primary, p.c.Ink
	}
	if u.tap {
		st.Label, st.Icon = "Tap to pour", "tap"
	}
	if p.flow != nil {
		st.BG, st.FG = p.c.Ink, p.c.Primary
	}
	outline := func(label, sub string) {
		st.Label, st.Sub, st.Icon, st.Outline, st.BG, st.FG = label, sub, "", true, p.c.Primary, p.c.Ink
	}
	switch {
	case p.active() && (u.pour.state == ending || u.pour.released):
		outline("Wait", "The last drops are on their way")
		p.dome.look(st, "settling", true)
	case p.active() && u.pour.live.Phase == api.PhasePaused:
		outline("Paused", "Let go, put the cup back, hold again")
		if u.tap {
			outline("Paused", "Tap, put the cup back, tap again")
		}
		p.dome.look(st, "paused", false)
	case p.active() && u.pour.rinsing:
		outline("Rinsing", "Keep the cup away and hold on")
		if u.tap {
			outline("Rinsing", "Keep the cup away")
		}
		p.dome.look(st, "rinsing", false)
	case p.active():
		st.Pressed, st.Label, st.Sub = true, "Let go to stop", "Pouring"
		if u.tap {
			st.Label = "Tap to stop"
		}
		p.dome.look(st, "pouring", false)
	case p.done() && p.left() == 0:
		outline("Enjoy", "Your cup is full")
		p.dome.look(st, "full", true)
	case p.done() && !p.more():
		outline("Enjoy", "There is no more of it just now")
		p.dome.look(st, "gone", true)
	case p.done():
		st.Label, st.Sub = "Hold for more", fmt.Sprintf("%d ml still fit in", p.left()/1000)
		if u.tap {
			st.Label = "Tap for more"
		}
		p.dome.look(st, "ready", false)
	default:
		p.dome.look(st, "ready", false)
	}
}

// animate moves the wave while liquid flows.
func (p *pourPage) animate(on bool) {
	switch {
	case on && p.stop == nil:
		p.stop = p.ui.stage.Every(time.Second/15, func() {
			if p.flow != nil {
				p.flow.wave()
			}
		})
	case !on && p.stop != nil:
		p.stop()
		p.stop = nil
	}
}

func (p *pourPage) pick(i int) {
	p.ui.cup = i
	p.mine = false
	p.build()
}

func (p *pourPage) back() {
	if p.own != nil {
		p.own.back()
		return
	}
	b := p.offer.Brand
	if p.wanted != nil {
		b = p.wanted.Brand
	}
	p.ui.show(newBrand(p.ui, b))
}

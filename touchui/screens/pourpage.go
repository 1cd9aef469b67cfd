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
	l      *sheet.Look // of the present build
	root   *fyne.Container
	dome   *dome
	flow   *flowView // while pouring and after
	mine   bool      // the pour in u.pour was asked for here
	base   int64     // µL in the cup from earlier holds of this visit
	visit  visit     // what becomes of the cup after a pour
	shown  string    // what the root was built for
	stop   func()    // of the wave's timer
	watch  func()    // of the timer after a pour: foam settles, a cup is taken
	own    chooser   // what is chosen from here; nil: the page of one beverage
}

func newPourPage(u *UI, o Offer) *pourPage {
	return newPour(u, o, nil)
}

// newSoldOut recommends what comes closest to o.
func newSoldOut(u *UI, o Offer) *pourPage {
	return newPour(u, u.closest(o), &o)
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
	u := p.ui
	p.dome = newDome(u, "beverage.pour", sheet.RoleHold, p.down, p.up)
	p.root.Resize(fyne.NewSize(float32(u.Geo.W), float32(u.Geo.H)))
	p.build()
	p.warm()
}

func (p *pourPage) name() string {
	switch {
	case p.ui.pour.active():
		return "pouring"
	case p.flow != nil && p.serving().state == settling:
		return "foam"
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

// done also holds after a further pour of a cup was refused: what is in it is in it.
func (p *pourPage) done() bool {
	return p.mine && !p.ui.pour.active() && (p.ui.pour.ended != nil || p.base > 0)
}

func (p *pourPage) trouble() string {
	if !p.mine || p.ui.pour.problem == "" {
		return ""
	}
	key, w := p.ui.pour.problem, p.ui.Words
	switch {
	case p.ui.tap && key == rinseAsk:
		return w.T("rinse.ask_tap")
	case p.ui.tap && key == rinseDone:
		return w.T("rinse.done_tap")
	case w.T(key) == key: // an end this screen has never heard of
		return w.T("ended.other")
	}
	return w.T(key)
}

// serving is what may follow now.
func (p *pourPage) serving() serving {
	return p.visit.at(p.ui.now(), int64(p.size().ML)*1000-p.poured(), p.more())
}

// untold reports that the agent has not said yet what may follow the pour that just ended.
func (p *pourPage) untold() bool {
	e, s := p.ui.pour.ended, p.ui.snap.Pour
	return p.done() && e != nil && p.ui.pour.problem == "" && s != nil && (s.ID != e.ID || s.Phase != api.PhaseDone)
}

func (p *pourPage) again() page {
	if p.own == nil {
		return newPour(p.ui, p.offer, p.wanted).takeOver(p)
	}
	q := p.own.again(p)
	if q, ok := q.(*pourPage); ok {
		return q.takeOver(p)
	}
	return q
}

// takeOver goes on with the cup of another page.
func (p *pourPage) takeOver(from *pourPage) *pourPage {
	p.mine, p.base, p.visit = from.mine, from.base, from.visit
	p.build()
	return p
}

func (p *pourPage) content() fyne.CanvasObject { return p.root }

func (p *pourPage) update(menuChanged bool) {
	u := p.ui
	if p.own != nil {
		if menuChanged && p.flow == nil {
			p.own.menuChanged()
		}
	} else if menuChanged && p.flow == nil && p.overtaken() {
		return
	}
	p.visit = p.visit.heard(u.snap.Pour, u.snap.Cup, p.active(), u.now())
	p.refresh()
}

// overtaken shows another page when the menu says something else than this one: its drink ran out, or what ran out is
// there again, lacks for another reason, or has something closer to it.
func (p *pourPage) overtaken() bool {
	u, of := p.ui, p.offer
	if p.wanted != nil {
		of = *p.wanted
	}
	o, ok := u.menu.Offer(of.Beverage.ID)
	switch {
	case !ok:
		u.goHome()
	case p.wanted == nil && o.Pourable(), p.wanted != nil && o.Why == of.Why && u.closest(o).Beverage == p.offer.Beverage:
		return false
	default:
		u.open(o.Beverage.ID)
	}
	return true
}

// closest is what to have instead of o; zero when nothing is left to recommend.
func (u *UI) closest(o Offer) Offer {
	if subs := u.menu.Substitutes(o.Beverage.ID, 1); len(subs) > 0 {
		return subs[0]
	}
	return Offer{}
}

// refresh shows what is so now.
func (p *pourPage) refresh() {
	u := p.ui
	if state := p.state(); state != p.shown {
		p.build()
	}
	if p.flow != nil {
		p.flow.level(p.poured())
		p.look()
	}
	p.animate(p.active() && u.pour.state == flowing && !u.Still)
	p.follow(p.done())
}

// follow looks after the cup of a pour that ended: a countdown is a second further, a cup was taken for good.
func (p *pourPage) follow(on bool) {
	switch {
	case on && p.watch == nil:
		p.watch = p.ui.stage.Every(time.Second/5, func() {
			if p.serving().state == over {
				p.ui.goHome()
				return
			}
			if p.state() != p.shown {
				p.refresh()
			}
		})
	case !on && p.watch != nil:
		p.watch()
		p.watch = nil
	}
}

// left implements leaver.
func (p *pourPage) left() {
	p.animate(false)
	p.follow(false)
}

// state says what the page has to be built for.
func (p *pourPage) state() string {
	u := p.ui
	switch {
	case p.active() && u.pour.portion && u.pour.state == paused:
		return "paused/" + p.trouble()
	case p.active():
		return "flow"
	case p.done():
		v := p.serving()
		return fmt.Sprintf("done/%d/%d/%v/%s", v.state, v.seconds, p.untold(), p.trouble())
	case p.own != nil:
		return fmt.Sprintf("%s/%d/%v/%s", p.own.state(), u.cup, u.tap, p.trouble())
	}
	return fmt.Sprintf("choose/%d/%v/%s", u.cup, u.tap, p.trouble())
}

// poured is what is in the cup, µL.
func (p *pourPage) poured() int64 {
	switch {
	case p.done() && p.ui.pour.ended != nil:
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
	if p.offer.Beverage == nil {
		return false
	}
	o, ok := p.ui.menu.Offer(p.offer.Beverage.ID)
	return ok && o.Pourable()
}

func (p *pourPage) down() {
	u := p.ui
	switch {
	case p.active() && u.pour.portion && u.pour.state == paused:
		u.pour.goOn()
		return
	case p.active() && u.pour.portion:
		u.pour.release(false)
		return
	case u.pour.active() || p.offer.Beverage == nil:
		return
	}
	req := api.StartPour{Beverage: p.offer.Beverage.ID, TargetUL: int64(p.size().ML) * 1000, Mode: api.ModeHold, Source: "touch"}
	base := int64(0)
	if p.done() { // the rest of the same cup
		s := p.serving()
		if s.state != last && s.state != room || p.untold() {
			return
		}
		base, req.TargetUL, req.TopOff = p.poured(), s.ul, s.topOff
	}
	p.base, p.mine = base, true
	p.visit = visit{}.heard(nil, u.snap.Cup, true, u.now())
	if u.tap {
		req.Mode = api.ModePortion
	}
	if p.own != nil {
		p.own.ask(&req)
	}
	u.pour.press(req)
}

func (p *pourPage) up() {
	if p.ui.pour.active() && !p.ui.pour.portion {
		p.ui.pour.release(p.ui.stage.InputLost())
	}
}

// build lays out the view for the present state around the same dome.
func (p *pourPage) build() {
	u := p.ui
	p.shown, p.l = p.state(), u.leaf()
	p.c = art.Colours{}
	if p.offer.Brand != nil {
		p.c = u.Colours(p.offer.Brand.Palette)
	}
	s := p.l.Sheet(u.Roles.BG, u.Roles.Ink)
	p.flow = nil
	switch {
	case p.active() || p.done():
		p.flow = newFlowView(p, s)
		p.flow.level(p.poured())
	case p.wanted != nil:
		p.soldOut(s)
	case p.own != nil:
		p.own.lay(s)
	default:
		p.choose(s)
	}
	p.look()
	s.Fill(p.root)
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
	p.mine, p.base = false, 0
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

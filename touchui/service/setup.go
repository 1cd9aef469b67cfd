package service

import (
	"context"
	"fmt"
	"slices"

	"fyne.io/fyne/v2/canvas"

	"fountain/agent/api"
)

// setupPage is the first-run wizard: the steps of api.Setup, one after the other. It runs without a session only until a
// PIN is set; with the PIN just set it opens one, so that the rest may go on.
type setupPage struct {
	s      *Service
	at     string // step shown; empty: the first that is open
	state  api.Setup
	known  bool
	fault  string
	doing  bool
	scroll scroller
	beat   int

	pin, again string // as typed
	twice      bool   // the PIN is typed again
	dots       *canvas.Image
	dotR       rect
	region     string // of the zone, "" while one is chosen
	stock      stock
}

func newSetup(s *Service, at string) *setupPage { return &setupPage{s: s, at: at} }

func (p *setupPage) name() string { return "setup" }
func (p *setupPage) close()       { p.pin, p.again = "", "" }

func (p *setupPage) opened() {
	p.ask()
	if p.at == api.SetupCalibrate && p.s.session != nil {
		p.s.load(&p.stock, p.s.changed)
	}
}

func (p *setupPage) second() {
	if p.beat++; p.beat%3 == 0 && !p.doing && (p.at == api.SetupClaim || p.at == api.SetupNetwork) {
		p.ask()
	}
}

func (p *setupPage) ask() {
	c := p.s.agent()
	var st api.Setup
	p.s.call(func(ctx context.Context) (err error) {
		st, err = c.Setup(ctx)
		return err
	}, func(err error) { p.got(st, err, false) })
}

// got takes the state in; on goes to the next open step when the shown one is done.
func (p *setupPage) got(st api.Setup, err error, on bool) {
	was := fmt.Sprint(p.state, p.known, p.fault)
	p.fault = ""
	if err != nil {
		p.fault = p.s.reason(err)
	} else {
		p.state, p.known = st, true
		if p.at == "" || on && p.step(p.at).State == "done" {
			p.next()
		}
	}
	if fmt.Sprint(p.state, p.known, p.fault) != was || on {
		p.s.changed()
	}
}

func (p *setupPage) step(id string) api.SetupStep {
	i := slices.IndexFunc(p.state.Steps, func(st api.SetupStep) bool { return st.ID == id })
	if i < 0 {
		return api.SetupStep{ID: id}
	}
	return p.state.Steps[i]
}

// next shows the first step after the present one that is not done; none: the list.
func (p *setupPage) next() {
	i := slices.IndexFunc(p.state.Steps, func(st api.SetupStep) bool { return st.ID == p.at })
	p.go_("done")
	for _, st := range p.state.Steps[i+1:] {
		if st.State != "done" {
			p.go_(st.ID)
			return
		}
	}
}

func (p *setupPage) go_(id string) {
	p.at, p.fault, p.region, p.pin, p.again, p.twice = id, "", "", "", "", false
	p.scroll = scroller{}
	if id == api.SetupCalibrate && p.s.session != nil {
		p.s.load(&p.stock, p.s.changed)
	}
}

// answer passes an answer, or asks for the check, of the shown step.
func (p *setupPage) answer(value string) {
	s := p.s
	p.doing, p.fault = true, ""
	c, at := s.agent(), p.at
	var st api.Setup
	s.call(func(ctx context.Context) (err error) {
		st, err = c.AnswerSetup(ctx, at, api.SetupAnswer{Value: value, Person: api.PersonAtScreen})
		return err
	}, func(err error) {
		p.doing = false
		if err == nil && at == api.SetupLanguage {
			s.speak(value)
		}
		p.got(st, err, true)
	})
	s.redraw()
}

// setPIN sets the PIN and opens the session it allows.
func (p *setupPage) setPIN(pin string) {
	s := p.s
	p.doing, p.fault = true, ""
	c := s.agent()
	had := s.session != nil
	var st api.Setup
	var open *api.Session
	s.call(func(ctx context.Context) (err error) {
		if st, err = c.AnswerSetup(ctx, api.SetupPIN, api.SetupAnswer{Value: pin, Person: api.PersonAtScreen}); err != nil || had {
			return err
		}
		open, err = s.client.OpenSession(ctx, pin)
		return err
	}, func(err error) {
		p.doing = false
		p.pin, p.again, p.twice = "", "", false
		if open != nil {
			s.unlocked(open)
		}
		p.got(st, err, true)
	})
	s.redraw()
}

func (p *setupPage) leave() {
	if p.s.session != nil {
		p.s.showMenu()
		return
	}
	p.s.exit()
}

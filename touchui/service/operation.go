package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/internal/problem"
	"fountain/touchui/sheet"
)

// phase is where an operation's page stands.
type phase int

const (
	before   phase = iota // the unit asks nothing before something moves: the page does
	starting              // the agent was asked
	working               // it runs, or asks
	ending                // it was stopped, or has ended; the agent tells the outcome
	over
)

// operationPage is every operation: the machine's program decides the steps, the questions and the proofs.
//
//	before ─yes─► starting ─lease─► working ─stop, outcome, lease lost─► ending ─► over
//
// Leaving the page, a lost finger, a lost agent or the end of the session stops it.
type operationPage struct {
	s    *Service
	req  api.StartOp
	from func()

	phase   phase
	leash   *leash
	op      api.Op
	fault   string // why it did not start, or was lost
	refused string // why the last answer was not taken
	asking  bool   // a look at the agent is under way
	sending bool   // an answer is
	taken   taken

	number number
	flow   flow
	stock  stock
	began  time.Time // of the present step
	scroll scroller
	live   live
	shown  string // what the page was built from
}

// taken is an answer the agent took but may still show the question of.
type taken struct {
	ask   api.Ask
	step  int
	until time.Time
}

// takeTime is how long an answered question may still be shown: the control loop takes the answer at its next tick.
const takeTime = time.Second

func newOperation(s *Service, req api.StartOp, from func()) *operationPage {
	req.Person = api.PersonAtScreen
	p := &operationPage{s: s, req: req, from: from, phase: starting}
	if req.Kind == api.OpRinse || req.Kind == api.OpAgitate {
		p.phase = before
	}
	return p
}

func (p *operationPage) name() string { return "operation" }

// busy: something moves, or time runs; a question waits for a person, who has to touch the screen.
func (p *operationPage) busy() bool { return p.phase == working && p.ask() == nil }

func (p *operationPage) opened() {
	p.s.load(&p.stock, p.s.changed)
	if p.phase == starting {
		p.start()
	}
}

func (p *operationPage) start() {
	s := p.s
	p.phase, p.fault, p.refused, p.op, p.flow = starting, "", "", api.Op{}, flow{}
	p.number.reset()
	p.began = s.now()
	h := &leash{s: s, tick: p.look}
	h.over = func(err error) { p.lost(h, err) }
	p.leash = h
	c := s.agent()
	h.take(func(ctx context.Context) (*api.Lease, error) {
		l, op, err := c.OpLease(ctx, p.req)
		if err == nil {
			s.stage.Do(func() { p.op = op })
		}
		return l, err
	}, func(err error) {
		p.phase = working
		if err != nil {
			p.phase, p.fault = over, s.reason(err)
		}
		p.draw()
	})
	p.draw()
}

// look asks how the operation stands: at every beat, one call at a time.
func (p *operationPage) look() {
	if p.asking || p.phase != working {
		return
	}
	p.asking = true
	c, id := p.s.agent(), p.op.ID
	var op api.Op
	p.s.call(func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, partLimit)
		defer cancel()
		op, err = c.Op(ctx, id)
		return err
	}, func(err error) {
		p.asking = false
		if err == nil && p.phase == working && p.op.ID == op.ID {
			p.take(op)
		}
	})
}

// take shows how the operation stands now.
func (p *operationPage) take(op api.Op) {
	if op.Step != p.op.Step {
		p.began = p.s.now()
		p.number.reset()
	}
	p.flow.add(p.s.now(), op)
	p.op = op
	if op.Outcome != "" {
		p.phase = over
		p.leash.drop(api.StopReleased, nil)
	}
	p.draw()
}

// ask is the question to put to the person now.
func (p *operationPage) ask() *api.Ask {
	a := p.op.Ask
	if p.phase != working || a == nil || p.sending {
		return nil
	}
	if *a == p.taken.ask && p.op.Step == p.taken.step && p.s.now().Before(p.taken.until) {
		return nil
	}
	return a
}

// answer passes a person's answer on.
func (p *operationPage) answer(a api.Answer) {
	ask := p.ask()
	if ask == nil {
		return
	}
	p.sending, p.refused = true, ""
	c, id, step, was := p.s.agent(), p.op.ID, p.op.Step, *ask
	var op api.Op
	p.s.call(func(ctx context.Context) (err error) {
		op, err = c.AnswerOp(ctx, id, a)
		return err
	}, func(err error) {
		p.sending = false
		switch {
		case err == nil:
			p.taken = taken{was, step, p.s.now().Add(takeTime)}
			if p.phase == working {
				p.take(op)
				return
			}
		case is(err, problem.CodeConflict), is(err, problem.CodeNotFound): // no longer asked: the next look says what is
		default:
			p.refused = p.s.reason(err)
		}
		p.draw()
	})
	p.draw()
}

// stop ends it; everything shuts.
func (p *operationPage) stop() {
	if p.phase != working && p.phase != starting {
		return
	}
	id := p.op.ID
	p.phase = ending
	p.leash.drop(api.StopReleased, nil)
	p.draw()
	if id == "" {
		p.phase = over
		p.op.Outcome = api.OpStopped
		p.draw()
		return
	}
	p.settle(id, nil)
}

// lost: the lease is over. Either the operation has ended, or the agent was lost.
func (p *operationPage) lost(h *leash, err error) {
	if p.leash != h || p.phase != working {
		return
	}
	p.phase = ending
	p.draw()
	p.settle(p.op.ID, err)
}

// settle waits for the outcome. why is the error that ended the lease.
func (p *operationPage) settle(id string, why error) {
	s := p.s
	c := s.agent()
	limit := settleLimit
	if why != nil { // the agent was silent before: what can be said is said soon
		limit = partLimit
	}
	var op api.Op
	s.call(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		for {
			now, err := c.Op(ctx, id)
			if err == nil && now.Outcome != "" {
				op = now
				return nil
			}
			if err != nil && !is(err, problem.CodeUnreachable) {
				return err
			}
			t := time.NewTimer(api.BeatEvery)
			select {
			case <-ctx.Done():
				t.Stop()
				if err == nil {
					err = ctx.Err()
				}
				return err
			case <-t.C:
			}
		}
	}, func(err error) {
		p.phase = over
		switch {
		case err == nil:
			p.op = op
		case why != nil || is(err, problem.CodeUnreachable):
			p.fault = s.look.T("service.op.lost")
		default:
			p.fault = s.reason(err)
		}
		p.draw()
	})
}

// close stops what runs: the page is left.
func (p *operationPage) close() {
	if p.leash != nil {
		p.leash.drop(api.StopReleased, nil)
	}
	if p.phase == working || p.phase == starting {
		p.phase = ending
	}
}

// fingerLost stops it when the screen lost its touch device: nobody could stop it any more.
func (p *operationPage) fingerLost() {
	if p.s.stage.InputLost() && !p.s.drawing && (p.phase == working || p.phase == starting) {
		p.stop()
	}
}

// draw draws the page anew when what it shows is something else, and otherwise only what moves.
func (p *operationPage) draw() {
	if p.s.page != page(p) {
		return
	}
	if now := p.mark(); now != p.shown {
		p.s.changed() // not under a finger: its touch would be lost
		return
	}
	p.live.update(p)
}

// mark says what the layout depends on.
func (p *operationPage) mark() string {
	var b strings.Builder
	fmt.Fprint(&b, p.phase, p.fault, p.refused, p.sending, p.op.Step, p.op.Say, p.op.Outcome, p.op.Reason, p.number.typing, p.stock.known)
	for _, st := range p.op.Steps {
		fmt.Fprint(&b, st.State, st.Proof)
	}
	if a := p.ask(); a != nil {
		fmt.Fprint(&b, *a)
	}
	return b.String()
}

func (p *operationPage) build(sh *sheet.Sheet) {
	d := p.s.on(sh)
	p.shown = p.mark()
	p.live = live{}
	area := d.header(p.title(), p.sub(), p.from)
	ask := p.ask()
	if len(p.op.Steps) > 0 {
		if d.m.wide && ask != nil && ask.Kind == api.AskNumber { // the room is needed
			d.bars(p.named(), area.top(d.m.v(12, 6), d.m.v(28, 10)))
		} else {
			d.steps(p.named(), p.op.Step, area.top(d.m.v(96, 40), d.m.v(28, 8)))
		}
	}
	switch {
	case p.phase == over:
		p.buildOutcome(d, area)
	case p.phase == before:
		p.buildBefore(d, area)
	case ask != nil && ask.Kind == api.AskNumber:
		p.number.build(p, d, area, *ask)
	case ask != nil:
		p.buildConfirm(d, area, *ask)
	default:
		p.buildRunning(d, area)
	}
	for _, o := range d.Objects() {
		if c, ok := o.(*sheet.Control); ok {
			c.Cancelled = p.fingerLost
		}
	}
}

func (p *operationPage) title() string {
	job := p.s.look.T("service.job." + p.req.Kind)
	if p.req.Line == "" {
		return job
	}
	return p.s.lineName(p.req.Line) + " · " + job
}

func (p *operationPage) sub() string {
	if c, ok := p.stock.slot(p.req.Line); ok && c.Ingredient != "" {
		return p.s.ingredient(c.Ingredient)
	}
	if l, ok := p.stock.line(p.req.Line); ok {
		return p.s.known("service.kind", l.Kind)
	}
	if r := p.req.Params["recipe"]; r != "" {
		return p.s.known("service.recipe", r)
	}
	return ""
}

// named are the steps in the language of the screen.
func (p *operationPage) named() []api.OpStep {
	out := make([]api.OpStep, len(p.op.Steps))
	for i, st := range p.op.Steps {
		st.Name = strings.TrimSuffix(p.s.said(st.Name), ".")
		out[i] = st
	}
	return out
}

package screens

import (
	"context"
	"log/slog"
	"time"

	"fountain/agent/api"
	"fountain/internal/logkey"
)

// Agent is what the screens need of the machine; *api.Client is it.
type Agent interface {
	Lease(ctx context.Context, req api.StartPour) (*api.Lease, api.Pour, error)
	RinseLease(ctx context.Context) (*api.Lease, error)
	Settled(ctx context.Context, id string) (api.Pour, error)
	Resume(ctx context.Context, id string) error
}

var _ Agent = (*api.Client)(nil)

// How long the screen waits for the agent to grant a pour, and for its record.
const (
	askLimit    = 2 * time.Second
	settleLimit = 8 * time.Second
)

// pourer runs the hold machine against the agent. All methods run on the Fyne thread; calls to the agent run in
// goroutines that report back through stage.Do. changed is called after every step.
type pourer struct {
	hold
	stage   Stage
	agent   Agent
	log     *slog.Logger
	group   func(func()) // starts a goroutine somebody waits for
	changed func()
	quit    chan struct{} // closed when the screen ends: what still pours is stopped

	lease    *api.Lease
	lost     bool // nobody let go: the screen lost its input or its agent
	stopTick func()
	portion  bool     // the pour runs without a finger
	live     api.Pour // the active pour as last heard of
	ended    *api.Pour
	rinseDue bool   // the last press was refused because the nozzle has to be rinsed
	rinseRan bool   // the unit has begun to rinse by itself since
	rinsing  bool   // what the lease holds is a rinse
	problem  string // key of what is said about it; "" when all is well
}

func (p *pourer) do(e holdEvent) {
	next, effect := p.step(e)
	p.hold = next
	switch effect {
	case doBeat:
		p.lease.Beat()
	case doStop:
		p.stop()
	case doResume:
		p.resume()
	case doNothing, doAsk: // press asks: it has the request
	}
	if p.state == resting && p.stopTick != nil {
		p.stopTick()
		p.stopTick = nil
	}
	if e != evTick {
		p.changed()
	}
}

// press asks for a pour unless one is under way.
func (p *pourer) press(req api.StartPour) {
	next, effect := p.step(evPress)
	if effect != doAsk {
		return
	}
	p.portion, p.rinseRan = req.Mode == api.ModePortion, false
	rinse := p.rinseDue // they were told to take the cup away; where no sensor sees that, this press is how the unit knows
	p.hold, p.lost, p.problem, p.ended, p.live, p.rinseDue, p.rinsing = next, false, "", nil, api.Pour{}, false, false
	p.stopTick = p.stage.Every(api.BeatEvery, func() { p.do(evTick) })
	p.group(func() {
		ctx, cancel := p.bounded(askLimit)
		defer cancel()
		lease, pour, err := p.agent.Lease(ctx, req)
		rinsing := false
		if rinse && wantsRinse(err) {
			if l, rerr := p.agent.RinseLease(ctx); rerr == nil { // else the refusal stands
				lease, pour, err, rinsing = l, api.Pour{ID: l.ID(), Phase: api.PhaseArming}, nil, true
			}
		}
		p.stage.Do(func() {
			p.rinsing = rinsing
			p.answered(lease, pour, err)
		})
		if err == nil {
			p.watch(lease)
		}
	})
	p.changed()
}

func (p *pourer) answered(l *api.Lease, pour api.Pour, err error) {
	if err != nil {
		p.problem, p.rinseDue = refusal(err), wantsRinse(err)
		p.log.Warn("pour refused", slog.Any(logkey.Err, err))
		p.do(evRefused)
		return
	}
	p.lease, p.live = l, pour
	p.do(evGranted)
}

// goOn asks for a paused portion to flow again.
func (p *pourer) goOn() {
	if p.state == paused && p.portion {
		p.problem = ""
		p.do(evPress)
	}
}

func (p *pourer) resume() {
	l := p.lease
	p.group(func() {
		ctx, cancel := p.bounded(askLimit)
		defer cancel()
		err := p.agent.Resume(ctx, l.ID())
		p.stage.Do(func() {
			if p.lease != l || p.state != resuming {
				return // stopped meanwhile
			}
			if err != nil {
				p.problem = refusal(err)
				p.log.Info("resume refused", slog.String(logkey.Pour, l.ID()), slog.Any(logkey.Err, err))
				p.do(evRefused)
				return
			}
			p.do(evGranted)
		})
	})
}

// watch reports the end of a lease, and ends it with the screen. Not the Fyne thread.
func (p *pourer) watch(l *api.Lease) {
	select {
	case <-l.Ended():
		p.stage.Do(func() {
			if p.lease == l {
				p.do(evOver)
			}
		})
	case <-p.quit:
		p.end(l, api.StopScreenLost)
	}
}

// end stops a pour. Not the Fyne thread.
func (p *pourer) end(l *api.Lease, reason string) {
	if err := l.StopFor(reason); err != nil {
		p.log.Warn("stop pour", slog.String(logkey.Pour, l.ID()), slog.Any(logkey.Err, err)) // no beats follow: the lease ends it
	}
}

// bounded is a context for a call that ends after limit or with the screen.
func (p *pourer) bounded(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() { // ends with the context, which every caller cancels
		select {
		case <-p.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// release lets go: the finger lifted or slid off, or the page changed; or, when lost, nobody did and the screen lost its
// input or its agent. The first release of a pour decides which.
func (p *pourer) release(lost bool) {
	if !p.active() {
		return
	}
	if p.state != ending && !p.released {
		p.lost = lost
	}
	p.do(evRelease)
}

func (p *pourer) stop() {
	l, reason := p.lease, api.StopReleased
	if p.lost {
		reason = api.StopScreenLost
	}
	if p.rinsing {
		p.stopRinse(l, reason)
		return
	}
	p.group(func() {
		p.end(l, reason)
		ctx, cancel := p.bounded(settleLimit)
		defer cancel()
		last, err := p.agent.Settled(ctx, l.ID())
		lost := l.Err()
		p.stage.Do(func() { p.settled(last, err, lost) })
	})
}

// stopRinse ends a rinse, done or let go of. It has no record to wait for.
func (p *pourer) stopRinse(l *api.Lease, reason string) {
	over := false
	select {
	case <-l.Ended():
		over = l.Err() == nil
	default:
	}
	p.group(func() {
		if !over {
			p.end(l, reason)
		}
		p.stage.Do(func() {
			p.lease, p.rinsing, p.rinseDue, p.problem = nil, false, !over, rinseAsk
			if over {
				p.problem = rinseDone
			}
			p.do(evSettled)
		})
	})
}

func (p *pourer) settled(last api.Pour, err, lost error) {
	p.lease = nil
	if err != nil {
		last = p.live // what was measured last stands
		last.Phase = api.PhaseDone
		p.problem = refusal(err)
	}
	if lost != nil {
		p.problem = refusal(lost)
	}
	if p.problem == "" {
		p.problem = endWords(last)
	}
	p.ended = &last
	p.do(evSettled)
}

// heard takes the pour of a snapshot.
func (p *pourer) heard(s api.Snapshot) {
	if s.Pour != nil && p.lease != nil && s.Pour.ID == p.lease.ID() {
		p.live = *s.Pour
		e := evFlows
		if p.live.Phase == api.PhasePaused {
			e = evPaused
		}
		if next, _ := p.step(e); next != p.hold {
			if e == evFlows {
				p.problem = ""
			}
			p.do(e)
		}
	}
	switch { // a unit that sees cups rinses by itself when the cup is away
	case p.active() || !p.rinseDue:
	case s.Rinsing:
		p.rinseRan, p.problem = true, rinseNow
	case p.rinseRan:
		p.rinseRan, p.rinseDue, p.problem = false, false, rinseDone
	}
}

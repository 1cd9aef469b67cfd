package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"fountain/internal/problem"
)

// Lease is one pour, or one operation, held by this process. The caller's own loop proves that it is alive by Beat; when
// it stops calling, the beats stop too, and the agent shuts the valves after LeaseLimit.
//
//	caller's loop ──Beat──► token ──► sender ──POST …/beat──► agent
//
// Safe for concurrent use. End it with Stop.
type Lease struct {
	held  held
	id    string
	token chan struct{} // one beat waiting is enough: two at once prove nothing more
	quit  chan struct{}
	gone  chan struct{} // closed when the sender returned
	once  sync.Once
	err   error // why the sender returned; read after gone
}

// held are the calls of what a lease holds.
type held struct {
	beat func(ctx context.Context, id string) error
	stop func(ctx context.Context, id, reason string) error
}

func newLease(ctx context.Context, id string, h held) *Lease {
	l := &Lease{held: h, id: id, token: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{})}
	go l.send(context.WithoutCancel(ctx))
	return l
}

// Lease starts a pour. ctx bounds the start only.
func (c *Client) Lease(ctx context.Context, req StartPour) (*Lease, Pour, error) {
	p, err := c.StartPour(ctx, req)
	if err != nil {
		return nil, Pour{}, err
	}
	return newLease(ctx, p.ID, held{beat: c.Beat, stop: c.StopFor}), p, nil
}

// RinseLease starts a rinse of the nozzle, as Lease does a pour. The cup has to be away; the lease is over when it is done.
func (c *Client) RinseLease(ctx context.Context) (*Lease, error) {
	r, err := c.Rinse(ctx)
	if err != nil {
		return nil, err
	}
	return newLease(ctx, r.ID, held{beat: c.Beat, stop: c.StopFor}), nil
}

// ID is the id of the pour or the operation.
func (l *Lease) ID() string { return l.id }

// Beat says that the caller is alive and still wants the pour. It never blocks; call it every BeatEvery or more often.
func (l *Lease) Beat() {
	select {
	case l.token <- struct{}{}:
	default:
	}
}

// Ended is closed when the lease is over: stopped here, or the agent says that the pour ended.
func (l *Lease) Ended() <-chan struct{} { return l.gone }

// Err says why the lease is over, once Ended is closed; nil after Stop and after a pour that ended by itself.
func (l *Lease) Err() error {
	select {
	case <-l.gone:
		return l.err
	default:
		return nil
	}
}

// Stop ends the beats and stops the pour. It works whatever happened to the caller's context. Repeated calls are fine.
func (l *Lease) Stop() error { return l.StopFor(StopReleased) }

// StopFor is Stop with a reason, one of Stop…. The first that arrives counts.
func (l *Lease) StopFor(reason string) error {
	l.once.Do(func() { close(l.quit) })
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := l.held.stop(ctx, l.id, reason) // at once: not behind a beat that is under way
	<-l.gone
	return err
}

// send turns tokens into beats, at most one every BeatEvery. A beat that fails for lack of an answer is not the end:
// the next one may get through before the lease runs out.
func (l *Lease) send(ctx context.Context) {
	defer close(l.gone)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with send: cancel is deferred there
		select {
		case <-l.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	failing := time.Time{}
	for {
		select {
		case <-l.quit:
			return
		case <-l.token:
		}
		began := time.Now()
		bctx, done := context.WithTimeout(ctx, LeaseLimit)
		err := l.held.beat(bctx, l.id)
		done()
		if ctx.Err() != nil {
			return
		}
		var p *problem.Problem
		switch {
		case err == nil:
			failing = time.Time{}
		case errors.As(err, &p) && (p.Code == problem.CodeConflict || p.Code == problem.CodeNotFound):
			return // the pour has ended
		case failing.IsZero():
			failing = began
		case time.Since(failing) > LeaseLimit:
			l.err = err
			return
		}
		rest := time.NewTimer(BeatEvery - time.Since(began))
		select {
		case <-l.quit:
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// Settled waits until pour id has its record, or failed to get one, and returns it. An agent that is starting again
// meanwhile is waited for: it records what its predecessor left.
func (c *Client) Settled(ctx context.Context, id string) (Pour, error) {
	for {
		p, err := c.Pour(ctx, id)
		if err == nil && p.Phase == PhaseDone || err != nil && !away(err) {
			return p, err
		}
		t := time.NewTimer(BeatEvery / 2)
		select {
		case <-ctx.Done():
			t.Stop()
			if err == nil {
				err = ctx.Err()
			}
			return p, err
		case <-t.C:
		}
	}
}

// away tells whether nobody answered.
func away(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == problem.CodeUnreachable && p.Retry
}

// Hold runs a whole pour: it starts it, beats until ctx ends or the pour ends, stops it, and waits for its record.
// progress, if not nil, is called about every BeatEvery from Hold's goroutine and must not block for long: its caller's
// life is what the beats prove. The end of ctx is a normal way to let go and no error.
func (c *Client) Hold(ctx context.Context, req StartPour, progress func(Pour)) (Pour, error) {
	l, p, err := c.Lease(ctx, req)
	if err != nil {
		return p, err
	}
	tick := time.NewTicker(BeatEvery)
	defer tick.Stop()
	held := true
	for held && p.Phase != PhaseDone && p.Phase != PhaseSettling {
		l.Beat()
		if progress != nil {
			progress(p)
		}
		select {
		case <-ctx.Done():
			held = false
		case <-l.Ended():
			held = false
		case <-tick.C:
			if now, err := c.Pour(ctx, p.ID); err == nil { // without an answer the last known state stands
				p = now
			}
		}
	}
	stopErr := l.Stop()
	// The record follows the settle time; ctx may be gone already.
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	last, err := c.Settled(wait, p.ID)
	switch {
	case err == nil:
		if progress != nil {
			progress(last)
		}
		return last, nil
	case l.Err() != nil:
		return p, l.Err()
	case stopErr != nil:
		return p, stopErr
	default:
		return p, err
	}
}

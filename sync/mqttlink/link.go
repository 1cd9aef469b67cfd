package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/internal/logkey"
)

// Link keeps one connection alive, one after the other, and runs the sessions on each.
type Link struct {
	cfg      Config
	budget   *budget
	sessions []named
	jitter   func(time.Duration) time.Duration
	asked    chan *trial

	// Owned by Run.
	rank  *ranking
	trial *trial // under way; nil: none
	asks  *trial // the connection makes room for it; nil: none

	mu      sync.Mutex // guards what follows
	state   State
	changed chan struct{}
}

type named struct {
	name string
	run  Session
}

// New checks the configuration and returns a Link that is not running yet.
func New(cfg Config) (*Link, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l := &Link{
		cfg:     cfg,
		budget:  newBudget(cfg),
		jitter:  func(most time.Duration) time.Duration { return rand.N(most) },
		asked:   make(chan *trial),
		rank:    newRanking(slices.Clone(cfg.Addrs)),
		changed: make(chan struct{}),
	}
	l.state = State{Phase: Offline, Since: time.Now(), Addr: l.rank.addr(), Addrs: l.rank.addrs}
	return l, nil
}

// Handle adds a session for every connection to come. Call it before Run.
func (l *Link) Handle(name string, s Session) { l.sessions = append(l.sessions, named{name, s}) }

// State returns what the link is doing.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Changed returns a channel that is closed at the next change of State.
func (l *Link) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *Link) set(p Phase, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Phase != p {
		l.state.Phase, l.state.Since = p, time.Now()
	}
	if err != nil {
		l.state.LastErr = err.Error()
	}
	switch {
	case p == Connecting:
		l.state.Connects++
	case errors.Is(err, ErrRefused):
		l.state.Refused++
	default:
		l.state.Refused = 0
	}
	l.state.Addr, l.state.Addrs = l.addr(), l.rank.addrs
	close(l.changed)
	l.changed = make(chan struct{})
}

// addr is the endpoint in use.
func (l *Link) addr() string {
	if l.trial != nil {
		return l.trial.rank.addr()
	}
	return l.rank.addr()
}

// Run connects at once, and again whenever a connection ends, until ctx ends. It returns nil then.
func (l *Link) Run(ctx context.Context) error {
	defer func() { l.settle(ctx.Err()); l.set(Offline, nil) }()
	ceiling := BackoffMin
	for ctx.Err() == nil {
		l.set(Connecting, nil)
		at := l.addr()
		up, err := l.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if up >= StableAfter {
			ceiling = BackoffMin
		}
		delay := l.pause(ceiling, up, err)
		ceiling = min(2*ceiling, BackoffMax)
		l.next(up, err)
		if l.addr() != at { // another endpoint has not been asked yet
			ceiling = BackoffMin
			delay = max(l.jitter(ceiling), ConnectGap)
		}
		l.set(Offline, err)
		l.cfg.Log.Info("offline", logkey.Addr, at, logkey.Err, err, slog.Duration("again_in", delay))
		l.rest(ctx, delay)
	}
	return nil
}

// rest waits for the next attempt. A new list of endpoints is tried sooner.
func (l *Link) rest(ctx context.Context, delay time.Duration) {
	end := time.Now().Add(delay)
	soonest := time.Now().Add(ConnectGap)
	for {
		timer := time.NewTimer(time.Until(end))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case t := <-l.asked:
			timer.Stop()
			if l.trial != nil {
				t.reply <- errBusy
				continue
			}
			l.trial, end = t, soonest
			continue
		}
		timer.Stop()
		return
	}
}

// pause is how long to wait after a connection that was up for so long ended with err. It is measured from the end of
// the last connection, which is later than its CONNECT.
func (l *Link) pause(ceiling, up time.Duration, err error) time.Duration {
	if up >= StableAfter && errors.Is(err, ErrLost) { // a fleet may have been dropped: come back spread out
		return ConnectGap + l.jitter(l.cfg.DropSpread)
	}
	return max(l.jitter(ceiling), ConnectGap)
}

// next decides by which endpoint to connect after an attempt (up 0) or a connection has ended.
func (l *Link) next(up time.Duration, err error) {
	var better *betterFound
	switch {
	case l.asks != nil: // however the connection ended meanwhile
		l.trial, l.asks = l.asks, nil
	case l.trial != nil:
		l.trial.failed(err)
		if l.trial.over() {
			l.settle(err)
		}
	case errors.As(err, &better):
		l.rank.returnTo(better.addr)
	case up == 0:
		l.rank.missed()
	default:
		l.rank.ended(up)
	}
}

// once runs one connection from CONNECT to its end and returns how long it was up; 0 when there was no CONNACK.
func (l *Link) once(ctx context.Context) (time.Duration, error) {
	addr := l.addr()
	conn, err := dial(ctx, l.cfg, addr, l.budget)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // returns when the transport is closed: the next client starts only after
	start := time.Now()
	l.set(Online, nil)
	l.cfg.Log.Info("online", logkey.Addr, addr, logkey.Thing, l.cfg.ClientID)
	err = l.serve(ctx, conn)
	return max(time.Since(start), 1), err
}

func (l *Link) serve(ctx context.Context, conn *Conn) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range l.sessions {
		g.Go(func() error {
			if err := s.run(ctx, conn); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
	g.Go(func() error { return l.watch(ctx, g, conn) })
	err := g.Wait()
	if lost := conn.Err(); lost != nil { // whatever a session says about a lost connection, this is why
		return lost
	}
	return err
}

// watch follows a connection until it is lost or has to make room.
func (l *Link) watch(ctx context.Context, g *errgroup.Group, conn *Conn) error {
	found := make(chan string, 1) // one probe at a time
	var proof, look <-chan time.Time
	if l.trial != nil {
		proof = time.After(TrialProof)
	} else if len(l.rank.better()) > 0 {
		look = time.After(l.rank.wait + l.jitter(l.rank.wait/4))
	}
	for {
		select {
		case <-conn.Lost():
			return conn.Err()
		case <-ctx.Done():
			return ctx.Err()
		case t := <-l.asked:
			if l.trial != nil {
				t.reply <- errBusy
				continue
			}
			l.asks = t
			return errAsked
		case <-proof:
			l.adopt()
			if len(l.rank.better()) > 0 {
				look = time.After(l.rank.wait)
			}
		case <-look:
			better := l.rank.better()
			g.Go(func() error { found <- l.probe(ctx, better); return nil })
		case addr := <-found:
			if addr != "" {
				return &betterFound{addr}
			}
			look = time.After(l.rank.wait)
		}
	}
}

// probe returns the best of the endpoints that answers a TLS handshake, or "".
func (l *Link) probe(ctx context.Context, better []string) string {
	for _, addr := range better {
		pctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
		conn, err := open(pctx, l.cfg, addr)
		cancel()
		if err != nil {
			l.cfg.Log.Debug("better endpoint does not answer", logkey.Addr, addr, logkey.Err, err)
			continue
		}
		_ = conn.Close() // nothing was sent
		return addr
	}
	return ""
}

type betterFound struct{ addr string }

// Error implements error.
func (b *betterFound) Error() string { return "the better endpoint " + b.addr + " answers again" }

package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	return &Link{
		cfg:     cfg,
		budget:  newBudget(cfg),
		jitter:  func(most time.Duration) time.Duration { return rand.N(most) },
		state:   State{Phase: Offline, Since: time.Now()},
		changed: make(chan struct{}),
	}, nil
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
	if p == Connecting {
		l.state.Connects++
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// Run connects at once, and again whenever a connection ends, until ctx ends. It returns nil then.
func (l *Link) Run(ctx context.Context) error {
	defer l.set(Offline, nil)
	ceiling := BackoffMin
	for ctx.Err() == nil {
		l.set(Connecting, nil)
		up, err := l.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if up >= StableAfter {
			ceiling = BackoffMin
		}
		// Measured from the end of the last connection, which is later than its CONNECT.
		delay := max(l.jitter(ceiling), ConnectGap)
		ceiling = min(2*ceiling, BackoffMax)
		l.set(Offline, err)
		l.cfg.Log.Info("offline", logkey.Addr, l.cfg.Addr, logkey.Err, err, slog.Duration("again_in", delay))
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	return nil
}

// once runs one connection from CONNECT to its end and returns how long it was up.
func (l *Link) once(ctx context.Context) (time.Duration, error) {
	conn, err := dial(ctx, l.cfg, l.budget)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // returns when the transport is closed: the next client starts only after
	start := time.Now()
	l.set(Online, nil)
	l.cfg.Log.Info("online", logkey.Addr, l.cfg.Addr, logkey.Thing, l.cfg.ClientID)
	err = l.serve(ctx, conn)
	return time.Since(start), err
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
	g.Go(func() error {
		select {
		case <-conn.Lost():
			return conn.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	err := g.Wait()
	// A session's complaint about a lost connection is worth less than why it was lost.
	if lost := conn.Err(); lost != nil && errors.Is(err, ErrLost) {
		return lost
	}
	return err
}

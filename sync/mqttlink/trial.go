package mqttlink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"fountain/internal/logkey"
)

// trial is a new list of endpoints that has to prove itself. The old one stays until then.
type trial struct {
	rank  *ranking
	left  int // attempts
	last  error
	reply chan error // capacity 1
}

var (
	errBusy  = errors.New("another list of endpoints is being tried")
	errAsked = errors.New("new endpoints are tried")
)

// Try connects by another list of endpoints, best first, and keeps to it from then on if a connection by it lives for
// TrialProof with all its sessions. Otherwise the old list stays in use and the error wraps ErrTrial. The present
// connection ends: there are never two clients with one id. So call it outside of a session, while Run runs. Nothing is
// stored: whoever calls keeps the list when Try returned nil, and gives it to New the next time.
func (l *Link) Try(ctx context.Context, addrs []string) error {
	if err := checkAddrs(addrs); err != nil {
		return err
	}
	t := &trial{rank: newRanking(slices.Clone(addrs)), left: TrialMisses * len(addrs), reply: make(chan error, 1)}
	select {
	case l.asked <- t:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-t.reply:
		return err
	case <-ctx.Done():
		return ctx.Err() // the trial goes on; its outcome is in State
	}
}

// failed takes note of an attempt, or a connection, that came to nothing.
func (t *trial) failed(err error) {
	t.left--
	t.last = err
	t.rank.move((t.rank.at + 1) % len(t.rank.addrs))
}

func (t *trial) over() bool { return t.left <= 0 }

// adopt takes the list that has proved itself.
func (l *Link) adopt() {
	t := l.trial
	l.mu.Lock()
	l.trial, l.rank = nil, t.rank
	l.state.Addr, l.state.Addrs = l.rank.addr(), l.rank.addrs
	l.mu.Unlock()
	l.cfg.Log.Info("new endpoints taken", logkey.Addr, l.rank.addr())
	t.reply <- nil
}

// settle ends a trial that failed.
func (l *Link) settle(err error) {
	t := cmp.Or(l.trial, l.asks)
	if t == nil {
		return
	}
	l.trial, l.asks = nil, nil
	if t.last != nil {
		err = t.last
	}
	l.cfg.Log.Warn("new endpoints do not work, the old ones stay", logkey.Addr, t.rank.addr(), logkey.Err, err)
	t.reply <- fmt.Errorf("%w: %w", ErrTrial, err)
}

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/internal/logkey"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// What the shadows of the unit have in common.

// Pauses before what failed is tried again.
const (
	retryMin = 10 * time.Second
	retryMax = 640 * time.Second
)

// follow follows a shadow on one connection: hear takes in every change at once, and settle, which is due at first, after
// each change and whenever somebody else says so, what holds.
func (a *Agent) follow(ctx context.Context, shadows *shadow.Mux, name string, due chan struct{}, hear func(shadow.Heard), settle func(context.Context, *shadow.Client) error) error {
	heard, err := shadows.Listen(name)
	if err != nil {
		return err
	}
	client, err := shadows.Client(name)
	if err != nil {
		return err
	}
	wake(due)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case h := <-heard:
				hear(h)
				wake(due)
			}
		}
	})
	g.Go(func() error {
		return whenDue(ctx, a.log, name, due, func() error { return settle(ctx, client) })
	})
	return g.Wait()
}

// wake gives a signal on a channel that has room for one.
func wake(due chan<- struct{}) {
	select {
	case due <- struct{}{}:
	default: // a signal is waiting already
	}
}

// whenDue does what is due, and again after a pause when it failed, until ctx ends or the connection is gone.
func whenDue(ctx context.Context, log *slog.Logger, what string, due <-chan struct{}, do func() error) error {
	pause := retryMin
	again := make(<-chan time.Time)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-due:
		case <-again:
		}
		err := do()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, shadow.ErrLost):
			return err
		case err != nil:
			log.Warn("shadow", slog.String(logkey.Key, what), slog.Any(logkey.Err, err), slog.Duration("again_in", pause))
			again = time.After(pause)
			pause = min(2*pause, retryMax)
		default:
			again, pause = nil, retryMin
		}
	}
}

// document asks for a shadow; one that was never written, or was deleted, says nothing.
func document(ctx context.Context, client *shadow.Client) (*wire.ShadowDocument, error) {
	doc, err := client.Get(ctx)
	var refused *wire.ShadowError
	if errors.As(err, &refused) && refused.Code == wire.ShadowNotFound {
		return &wire.ShadowDocument{}, nil
	}
	return doc, err
}

// changes is what has to be reported to turn what the shadow holds into want; nil when nothing has. Keys that want does
// not have are removed.
func changes(have json.RawMessage, want any) (map[string]any, error) {
	b, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	var old, now map[string]any
	if err := json.Unmarshal(b, &now); err != nil {
		return nil, err
	}
	if len(have) > 0 {
		if err := json.Unmarshal(have, &old); err != nil {
			return nil, err
		}
	}
	return difference(old, now), nil
}

func difference(old, now map[string]any) map[string]any {
	var out map[string]any
	set := func(k string, v any) {
		if out == nil {
			out = map[string]any{}
		}
		out[k] = v
	}
	for _, k := range slices.Sorted(maps.Keys(old)) {
		if _, stays := now[k]; !stays {
			set(k, nil)
		}
	}
	for k, v := range now {
		was, known := old[k]
		m, object := v.(map[string]any)
		om, both := was.(map[string]any)
		switch {
		case object && both:
			if d := difference(om, m); d != nil {
				set(k, d)
			}
		case !known || !equal(was, v):
			set(k, v)
		}
	}
	return out
}

func equal(a, b any) bool {
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	return xerr == nil && yerr == nil && string(x) == string(y)
}

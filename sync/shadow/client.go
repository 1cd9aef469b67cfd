package shadow

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fountain/sync/wire"
)

// Client speaks to one shadow over one connection. It is safe for concurrent use.
type Client struct {
	mux  *Mux
	path wire.ShadowPath
	turn chan struct{} // one token per shadow, shared by its clients
	wake chan struct{} // one signal: delta was filled

	// Guarded by the Mux.
	seen  int64 // version of the newest desired state known, by get or delta
	delta json.RawMessage
}

// Get fetches the document. When there is none the error is a *wire.ShadowError with code wire.ShadowNotFound.
func (c *Client) Get(ctx context.Context) (*wire.ShadowDocument, error) {
	return c.ask(ctx, wire.ShadowGet, func(token string) any { return wire.ShadowRequest{ClientToken: token} })
}

// Update changes the document. With ch.Version set the change is refused when the document has moved on: the error
// is a *wire.ShadowError with code wire.ShadowConflict, and the document is fetched again and returned as current, so
// that the caller decides on the new state.
func (c *Client) Update(ctx context.Context, ch wire.ShadowChange) (accepted, current *wire.ShadowDocument, err error) {
	if size := len(ch.State.Desired) + len(ch.State.Reported); size > wire.MaxShadowState {
		return nil, nil, fmt.Errorf("update shadow %s: %w: state has %d bytes, at most %d", nameOf(c.path), wire.ErrLimit, size, wire.MaxShadowState)
	}
	doc, err := c.ask(ctx, wire.ShadowUpdate, func(token string) any { ch.ClientToken = token; return ch })
	var refused *wire.ShadowError
	if !errors.As(err, &refused) || refused.Code != wire.ShadowConflict {
		return doc, nil, err
	}
	current, gerr := c.Get(ctx)
	if gerr != nil {
		return nil, nil, errors.Join(err, gerr)
	}
	return nil, current, err
}

// Report updates the reported section, without a version check: nobody else writes it.
func (c *Client) Report(ctx context.Context, reported any) error {
	raw, err := json.Marshal(reported)
	if err != nil {
		return fmt.Errorf("report to shadow %s: %w", nameOf(c.path), err)
	}
	_, _, err = c.Update(ctx, wire.ShadowChange{State: wire.ShadowState{Reported: raw}})
	return err
}

// Next waits for a desired state newer than any this client has seen by Get or Next, and returns the part of it that
// differs from reported. States that arrive between two calls are merged into the newest.
func (c *Client) Next(ctx context.Context) (json.RawMessage, error) {
	for {
		c.mux.mu.Lock()
		d := c.delta
		c.delta = nil
		c.mux.mu.Unlock()
		if d != nil {
			return d, nil
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.mux.conn.Lost():
			return nil, ErrLost
		}
	}
}

// offer takes a delta in unless it is old. The caller holds the Mux's mutex.
func (c *Client) offer(version int64, state json.RawMessage) bool {
	if version <= c.seen {
		return false
	}
	c.seen, c.delta = version, state
	select {
	case c.wake <- struct{}{}:
	default: // Next has a signal already
	}
	return true
}

func (c *Client) ask(ctx context.Context, op string, body func(token string) any) (*wire.ShadowDocument, error) {
	for _, gate := range []chan struct{}{c.turn, c.mux.slots} {
		select {
		case gate <- struct{}{}:
			defer func() { <-gate }()
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.mux.conn.Lost():
			return nil, c.failed(op, ErrLost)
		}
	}
	token := rand.Text()
	payload, err := json.Marshal(body(token))
	if err != nil {
		return nil, c.failed(op, err)
	}
	got := c.mux.expect(token, c)
	defer c.mux.forget(token)

	timer := time.NewTimer(AnswerTimeout)
	defer timer.Stop()
	if err := c.mux.conn.Publish(ctx, c.path.Request(op), 1, payload); err != nil {
		return nil, c.failed(op, err)
	}
	select {
	case a := <-got:
		return a.doc, a.err
	case <-timer.C:
		return nil, c.failed(op, ErrNoAnswer)
	case <-c.mux.conn.Lost():
		return nil, c.failed(op, ErrLost)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) failed(op string, err error) error {
	return fmt.Errorf("%s shadow %s: %w", op, nameOf(c.path), err)
}

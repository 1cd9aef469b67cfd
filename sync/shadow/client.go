package shadow

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"fountain/sync/wire"
)

// Client speaks to one shadow of one thing over one connection. It is safe for concurrent use.
type Client struct {
	conn Conn
	path wire.ShadowPath
	turn chan struct{} // one token: holds a request's right to be under way
	wake chan struct{} // one signal: delta was filled

	mu      sync.Mutex // guards what follows, never held over I/O
	waiting map[string]chan answer
	seen    int64 // version of the newest desired state known, by get or delta
	delta   json.RawMessage
	ignored uint64
}

type answer struct {
	doc *wire.ShadowDocument
	err error
}

// Open subscribes to what a client of the shadow hears; an empty name is the classic shadow.
func Open(ctx context.Context, conn Conn, thing, name string) (*Client, error) {
	if err := errors.Join(wire.CheckThing(thing), wire.CheckShadowName(name)); err != nil {
		return nil, fmt.Errorf("open shadow: %w", err)
	}
	c := &Client{
		conn:    conn,
		path:    wire.Shadow(thing, name),
		turn:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		waiting: make(map[string]chan answer),
	}
	err := conn.Subscribe(ctx, c.receive,
		c.path.Delta(),
		c.path.Accepted(wire.ShadowGet), c.path.Rejected(wire.ShadowGet),
		c.path.Accepted(wire.ShadowUpdate), c.path.Rejected(wire.ShadowUpdate))
	if err != nil {
		return nil, fmt.Errorf("open shadow %q: %w", name, err)
	}
	return c, nil
}

// Get fetches the document. When there is none the error is a *wire.ShadowError with code wire.ShadowNotFound.
func (c *Client) Get(ctx context.Context) (*wire.ShadowDocument, error) {
	return c.ask(ctx, wire.ShadowGet, func(token string) any { return wire.ShadowRequest{ClientToken: token} })
}

// Update changes the document. With ch.Version set the change is refused when the document has moved on: the error
// is a *wire.ShadowError with code wire.ShadowConflict, and the document is fetched again before it is returned, so
// that the caller decides on the new state.
func (c *Client) Update(ctx context.Context, ch wire.ShadowChange) (*wire.ShadowDocument, *wire.ShadowDocument, error) {
	if size := len(ch.State.Desired) + len(ch.State.Reported); size > wire.MaxShadowState {
		return nil, nil, fmt.Errorf("update shadow: %w: state has %d bytes, at most %d", wire.ErrLimit, size, wire.MaxShadowState)
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
		return fmt.Errorf("report to shadow: %w", err)
	}
	_, _, err = c.Update(ctx, wire.ShadowChange{State: wire.ShadowState{Reported: raw}})
	return err
}

// Next waits for a desired state newer than any seen by Get or Next, and returns the part of it that differs from
// reported. States that arrive between two calls are merged into the newest.
func (c *Client) Next(ctx context.Context) (json.RawMessage, error) {
	for {
		c.mu.Lock()
		d := c.delta
		c.delta = nil
		c.mu.Unlock()
		if d != nil {
			return d, nil
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.conn.Lost():
			return nil, ErrLost
		}
	}
}

// Ignored counts messages that were old, not for this client, or could not be read.
func (c *Client) Ignored() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ignored
}

func (c *Client) ask(ctx context.Context, op string, body func(token string) any) (*wire.ShadowDocument, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	token := rand.Text()
	payload, err := json.Marshal(body(token))
	if err != nil {
		return nil, fmt.Errorf("%s shadow: %w", op, err)
	}
	got := make(chan answer, 1)
	c.await(token, got)
	defer c.await(token, nil)

	timer := time.NewTimer(AnswerTimeout)
	defer timer.Stop()
	if err := c.conn.Publish(ctx, c.path.Request(op), 1, payload); err != nil {
		return nil, fmt.Errorf("%s shadow: %w", op, err)
	}
	select {
	case a := <-got:
		return a.doc, a.err
	case <-timer.C:
		return nil, fmt.Errorf("%s shadow: %w", op, ErrNoAnswer)
	case <-c.conn.Lost():
		return nil, fmt.Errorf("%s shadow: %w", op, ErrLost)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) await(token string, ch chan answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch == nil {
		delete(c.waiting, token)
		return
	}
	c.waiting[token] = ch
}

// receive is the connection's handler; it never blocks.
func (c *Client) receive(topic string, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ok bool
	switch topic {
	case c.path.Delta():
		ok = c.takeDelta(payload)
	case c.path.Accepted(wire.ShadowGet):
		ok = c.takeDocument(payload, true)
	case c.path.Accepted(wire.ShadowUpdate):
		ok = c.takeDocument(payload, false)
	case c.path.Rejected(wire.ShadowGet), c.path.Rejected(wire.ShadowUpdate):
		ok = c.takeRefusal(payload)
	}
	if !ok {
		c.ignored++
	}
}

func (c *Client) takeDelta(payload []byte) bool {
	d, err := wire.DecodeShadowDelta(payload)
	if err != nil || d.Version <= c.seen {
		return false
	}
	c.seen, c.delta = d.Version, d.State
	select {
	case c.wake <- struct{}{}:
	default: // Next has a signal already
	}
	return true
}

// takeDocument hands an answer over. Only a whole document tells how new the desired state is: the answer to an
// update carries a version that a delta still under way may not have reached.
func (c *Client) takeDocument(payload []byte, whole bool) bool {
	d, err := wire.DecodeShadowDocument(payload)
	if err != nil {
		return false
	}
	if !c.hand(d.ClientToken, answer{doc: d}) {
		return false
	}
	if whole && d.Version >= c.seen {
		c.seen, c.delta = d.Version, nil // what a delta had to tell is in the document
	}
	return true
}

func (c *Client) takeRefusal(payload []byte) bool {
	e, err := wire.DecodeShadowError(payload)
	return err == nil && c.hand(e.ClientToken, answer{err: e})
}

func (c *Client) hand(token string, a answer) bool {
	ch := c.waiting[token]
	if ch == nil {
		return false
	}
	delete(c.waiting, token)
	ch <- a // capacity 1, one answer per token
	return true
}

package shadow

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"fountain/sync/wire"
)

// Mux shares one set of subscriptions among the clients of all of a thing's named shadows. It is safe for concurrent
// use.
type Mux struct {
	conn  Conn
	thing string
	slots chan struct{} // InFlight tokens: the right of a request to be under way

	mu        sync.Mutex // guards what follows and the state of every Client, never held over I/O
	waiting   map[string]call
	clients   map[wire.ShadowPath][]*Client
	listeners map[wire.ShadowPath][]chan Heard
	turns     map[wire.ShadowPath]chan struct{}
	ignored   uint64
}

// call is a request under way.
type call struct {
	client *Client
	got    chan answer // capacity 1, one answer per token
}

type answer struct {
	doc *wire.ShadowDocument
	err error
}

// Open subscribes to what the clients of a thing's named shadows hear. Call it once per connection.
func Open(ctx context.Context, conn Conn, thing string) (*Mux, error) {
	if err := wire.CheckThing(thing); err != nil {
		return nil, fmt.Errorf("open shadows: %w", err)
	}
	m := &Mux{
		conn: conn, thing: thing, slots: make(chan struct{}, InFlight),
		waiting: map[string]call{}, clients: map[wire.ShadowPath][]*Client{}, listeners: map[wire.ShadowPath][]chan Heard{}, turns: map[wire.ShadowPath]chan struct{}{},
	}
	if err := conn.Subscribe(ctx, m.receive, wire.ShadowFilters(thing)...); err != nil {
		return nil, fmt.Errorf("open shadows: %w", err)
	}
	return m, nil
}

// Client attaches a client of the named shadow. It costs nothing on the wire. Every call returns another client, and
// each hears every delta from now on: several parts of a unit may follow one shadow. Begin with Get, which tells what
// the deltas before told.
func (m *Mux) Client(name string) (*Client, error) {
	if err := wire.CheckShadowName(name); err != nil || name == "" {
		return nil, fmt.Errorf("attach to shadow %q: %w", name, orNoName(err))
	}
	c := &Client{mux: m, path: wire.Shadow(m.thing, name), wake: make(chan struct{}, 1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turns[c.path] == nil {
		m.turns[c.path] = make(chan struct{}, 1)
	}
	c.turn = m.turns[c.path]
	m.clients[c.path] = append(m.clients[c.path], c)
	return c, nil
}

func orNoName(err error) error {
	if err == nil {
		err = fmt.Errorf("%w: the classic shadow is not used", wire.ErrLimit)
	}
	return err
}

// Ignored counts messages that were old, for nobody here, or could not be read.
func (m *Mux) Ignored() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ignored
}

// expect makes the answer with this token go to c.
func (m *Mux) expect(token string, c *Client) <-chan answer {
	got := make(chan answer, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[token] = call{c, got}
	return got
}

func (m *Mux) forget(token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, token)
}

// receive is the connection's handler; it never blocks.
func (m *Mux) receive(topic string, payload []byte) {
	t, known := wire.ParseShadow(topic)
	path := wire.Shadow(t.Thing, t.Name)
	m.mu.Lock()
	defer m.mu.Unlock()
	ok := false
	switch {
	case !known || t.Thing != m.thing:
	case t.Kind == "delta":
		ok = m.takeDelta(path, payload)
	case t.Kind == "accepted":
		ok = m.takeDocument(path, payload, t.Op == wire.ShadowGet)
	case t.Kind == "rejected":
		e, err := wire.DecodeShadowError(payload)
		ok = err == nil && m.hand(path, e.ClientToken, answer{err: e}) != nil
	}
	if !ok {
		m.ignored++
	}
}

func (m *Mux) takeDelta(path wire.ShadowPath, payload []byte) bool {
	d, err := wire.DecodeShadowDelta(payload)
	if err != nil {
		return false
	}
	taken := m.tell(path, Heard{d.Version, d.State, true})
	for _, c := range m.clients[path] {
		taken = c.offer(d.Version, d.State) || taken
	}
	return taken
}

// takeDocument hands an answer over. Only a whole document tells how new the desired state is: the answer to an
// update carries a version that a delta still under way may not have reached.
func (m *Mux) takeDocument(path wire.ShadowPath, payload []byte, whole bool) bool {
	d, err := wire.DecodeShadowDocument(payload)
	if err != nil {
		return false
	}
	c := m.hand(path, d.ClientToken, answer{doc: d})
	if c != nil && whole && d.Version >= c.seen {
		c.seen, c.delta = d.Version, nil // what a delta had to tell is in the document
	}
	if c == nil && !whole && d.State.Desired != nil {
		return m.tell(path, Heard{Version: d.Version, Desired: d.State.Desired})
	}
	return c != nil
}

// hand gives an answer to the call that waits for it and returns its client; nil when nobody waits.
func (m *Mux) hand(path wire.ShadowPath, token string, a answer) *Client {
	w, ok := m.waiting[token]
	if !ok || w.client.path != path {
		return nil
	}
	delete(m.waiting, token)
	w.got <- a
	return w.client
}

// name of the shadow a path leads to, for errors.
func nameOf(p wire.ShadowPath) string { return string(p)[strings.LastIndexByte(string(p), '/')+1:] }

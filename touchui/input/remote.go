package input

import (
	"slices"
	"sync"
	"time"
)

// Silence is how long a remote finger may be down without a report before its touches are cancelled (DESIGN 3).
const Silence = 300 * time.Millisecond

// RemoteEvent is one event a browser reports.
type RemoteEvent struct {
	Phase Phase
	ID    int           // the browser's pointer
	X, Y  int           // display pixels
	Clock time.Duration // the browser's clock; only differences count
	Key   KeyCode       // one of the keyboard instead of a finger; ID, X and Y mean nothing then, Move only keeps it down
}

// Remote merges browsers into one source. One client controls: the first, until its stream is gone; then whoever
// touches next. Others watch. A client that falls silent with a finger down, or whose stream goes, loses its touches.
// All methods may be called from any goroutine.
type Remote struct {
	s       *Queue[Touch]
	k       *Queue[Key]
	silence time.Duration

	mu      sync.Mutex
	clients map[string]*client
	control string // name of the client that controls, "" for none
	nextID  int
}

type client struct {
	streams int // open streams; 0 for one that only posts
	down    map[int]finger
	keys    []KeyCode // that are down
	timer   *time.Timer
	epoch   int // invalidates timers that fired late
	offset  time.Duration
	synced  bool
	start   time.Time
}

type finger struct{ id, x, y int }

var _ KeySource = (*Remote)(nil)

// NewRemote returns a source without clients; silence 0 means Silence.
func NewRemote(silence time.Duration) *Remote {
	if silence <= 0 {
		silence = Silence
	}
	return &Remote{s: NewTouches(), k: NewQueue[Key](), silence: silence, clients: map[string]*client{}}
}

// Events delivers the touches of whoever controls.
func (r *Remote) Events() <-chan Touch { return r.s.Out() }

// Keys delivers the keys of whoever controls.
func (r *Remote) Keys() <-chan Key { return r.k.Out() }

// Close cancels nothing more: the reader sees the channel close, which ends all touches.
func (r *Remote) Close() error {
	r.mu.Lock()
	for name, c := range r.clients {
		c.stop()
		delete(r.clients, name)
	}
	r.control = ""
	r.mu.Unlock()
	r.s.Close()
	r.k.Close()
	return nil
}

// Join tells that a client's stream opened and reports whether the client controls.
func (r *Remote) Join(name string) (controls bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.client(name)
	c.streams++
	if r.control == "" {
		r.control = name
	}
	return r.control == name
}

// Leave tells that a client's stream is gone: its touches are cancelled and control is free. When it was the one in
// control, what goes on without a finger has nobody left who sees it.
func (r *Remote) Leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clients[name]
	if c == nil {
		return
	}
	c.streams--
	r.drop(c)
	if c.streams <= 0 {
		if r.control == name {
			r.s.Push(Touch{Phase: Cancel, ID: Gone, At: time.Now()})
		}
		r.forget(name)
	}
}

// Take gives control to a client with an open stream, unless a finger of the controlling one is down.
func (r *Remote) Take(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clients[name]
	if c == nil {
		return false
	}
	if held := r.clients[r.control]; held != nil && r.control != name && held.holds() {
		return false
	}
	r.control = name
	return true
}

// Controls reports whether the client controls.
func (r *Remote) Controls(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.control == name
}

// Report hands on a client's events in order. An empty report keeps the client's fingers alive. It returns false, and
// drops the events, for a client that only watches.
func (r *Remote) Report(name string, events []RemoteEvent) (controls bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.control == "" && touches(events) {
		r.client(name)
		r.control = name
	}
	c := r.clients[name]
	if c == nil || r.control != name {
		return false
	}
	now := time.Now()
	for _, e := range events {
		r.event(c, e, now)
	}
	r.watch(name, c)
	if !c.holds() && c.streams == 0 {
		r.forget(name) // it only posts; nothing else tells when it is gone
	}
	return true
}

func touches(events []RemoteEvent) bool {
	return slices.ContainsFunc(events, func(e RemoteEvent) bool { return e.Phase == Down })
}

func (r *Remote) event(c *client, e RemoteEvent, now time.Time) {
	if e.Key != 0 {
		r.key(c, e, now)
		return
	}
	t := Touch{Phase: e.Phase, X: e.X, Y: e.Y, At: c.when(e.Clock, now)}
	f, isDown := c.down[e.ID]
	switch {
	case e.Phase == Down:
		if isDown {
			r.s.Push(Touch{Phase: Cancel, ID: f.id, X: f.x, Y: f.y, At: t.At})
		}
		r.nextID++
		f.id = r.nextID
	case !isDown:
		return // cancelled here before, or never seen
	}
	t.ID = f.id
	f.x, f.y = e.X, e.Y
	if e.Phase == Down || e.Phase == Move {
		c.down[e.ID] = f
	} else {
		delete(c.down, e.ID)
	}
	r.s.Push(t)
}

// key hands on one of the keyboard. One that repeats itself is down once.
func (r *Remote) key(c *client, e RemoteEvent, now time.Time) {
	i := slices.Index(c.keys, e.Key)
	switch {
	case e.Phase == Move || e.Phase == Down == (i >= 0):
		return // it stays as it is
	case e.Phase == Down:
		c.keys = append(c.keys, e.Key)
	default:
		c.keys = slices.Delete(c.keys, i, i+1)
	}
	r.k.Push(Key{Phase: e.Phase, Code: e.Key, At: now})
}

// watch arms the silence of a client that has fingers or keys down.
func (r *Remote) watch(name string, c *client) {
	c.stop()
	if !c.holds() {
		return
	}
	epoch := c.epoch
	c.timer = time.AfterFunc(r.silence, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if c.epoch != epoch {
			return // a report came in the meantime
		}
		r.drop(c)
		if c.streams == 0 && r.clients[name] == c {
			r.forget(name)
		}
	})
}

// drop cancels the client's touches.
func (r *Remote) drop(c *client) {
	c.stop()
	ids := make([]int, 0, len(c.down))
	for id := range c.down {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		f := c.down[id]
		r.s.Push(Touch{Phase: Cancel, ID: f.id, X: f.x, Y: f.y, At: time.Now()})
	}
	clear(c.down)
	for _, k := range c.keys {
		r.k.Push(Key{Phase: Cancel, Code: k, At: time.Now()})
	}
	c.keys = nil
}

// forget removes a client and passes control on to no one: the next to touch gets it.
func (r *Remote) forget(name string) {
	r.clients[name].stop()
	delete(r.clients, name)
	if r.control == name {
		r.control = ""
	}
}

func (r *Remote) client(name string) *client {
	c := r.clients[name]
	if c == nil {
		c = &client{down: map[int]finger{}}
		r.clients[name] = c
	}
	return c
}

// holds reports whether the client has a finger or a key down.
func (c *client) holds() bool { return len(c.down)+len(c.keys) > 0 }

func (c *client) stop() {
	c.epoch++
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// when maps the browser's clock to ours by the fastest report since the first finger came down: reports that arrive in
// a bunch keep their distances, which a fling's speed is taken from.
func (c *client) when(clock time.Duration, now time.Time) time.Time {
	if clock <= 0 {
		return now
	}
	if len(c.down) == 0 || !c.synced {
		c.start, c.offset, c.synced = now, clock, true
		return now
	}
	at := c.start.Add(clock - c.offset)
	if at.After(now) || now.Sub(at) > Silence {
		c.start, c.offset = now, clock
		return now
	}
	return at
}

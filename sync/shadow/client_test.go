package shadow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/sync/wire"
)

// service is one shadow and the connection to it. It merges only the top level: what a client hears is under test here.
type service struct {
	t       *testing.T
	path    wire.ShadowPath
	mute    bool
	refuse  *wire.ShadowError
	lost    chan struct{}
	mu      sync.Mutex
	hear    func(string, []byte)
	filters []string
	desired map[string]any
	version int64
	flying  int
	most    int
	got     []wire.ShadowChange
}

func newService(t *testing.T) *service {
	return &service{t: t, path: wire.Shadow("u1", "ledger"), lost: make(chan struct{}), version: 4, desired: map[string]any{"a": 1}}
}

func (s *service) Lost() <-chan struct{} { return s.lost }

func (s *service) Subscribe(_ context.Context, h func(string, []byte), filters ...string) error {
	s.hear, s.filters = h, filters
	return nil
}

func (s *service) say(topic string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range s.filters {
		if ok, _ := path.Match(strings.ReplaceAll(f, "+", "*"), topic); ok {
			s.hear(topic, raw)
			return
		}
	}
	s.t.Errorf("nobody listens on %s", topic)
}

func (s *service) delta(version int64, state string) {
	s.say(s.path.Delta(), wire.ShadowDeltaDocument{State: json.RawMessage(state), Version: version})
}

func (s *service) Publish(_ context.Context, topic string, qos byte, payload []byte) error {
	if s.mute {
		return nil
	}
	s.mu.Lock()
	s.flying++
	s.most = max(s.most, s.flying)
	s.mu.Unlock()
	go func() {
		time.Sleep(10 * time.Millisecond)
		s.mu.Lock()
		s.flying--
		s.mu.Unlock()
		s.answer(topic, payload)
	}()
	return nil
}

func (s *service) answer(topic string, payload []byte) {
	raw, _ := json.Marshal(s.desired)
	switch topic {
	case s.path.Request(wire.ShadowGet):
		req, err := wire.DecodeShadowRequest(payload)
		if err != nil {
			s.t.Error(err)
		}
		if s.refuse != nil {
			s.refuse.ClientToken = req.ClientToken
			s.say(s.path.Rejected(wire.ShadowGet), s.refuse)
			return
		}
		s.say(s.path.Accepted(wire.ShadowGet), wire.ShadowDocument{
			State: wire.ShadowState{Desired: raw}, Version: s.version, ClientToken: req.ClientToken,
		})
	case s.path.Request(wire.ShadowUpdate):
		ch, err := wire.DecodeShadowChange(payload)
		if err != nil {
			s.t.Error(err)
			return
		}
		s.got = append(s.got, *ch)
		if ch.Version != 0 && ch.Version != s.version {
			s.say(s.path.Rejected(wire.ShadowUpdate), wire.ShadowError{Code: 409, Message: "Version conflict", ClientToken: ch.ClientToken})
			return
		}
		s.version++
		s.say(s.path.Accepted(wire.ShadowUpdate), wire.ShadowDocument{State: ch.State, Version: s.version, ClientToken: ch.ClientToken})
	}
}

func open(t *testing.T, s *service) *Client {
	t.Helper()
	m, err := Open(t.Context(), s, "u1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Client("ledger")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGetUpdateReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		c := open(t, s)
		doc, err := c.Get(t.Context())
		if err != nil || doc.Version != 4 || string(doc.State.Desired) != `{"a":1}` {
			t.Fatalf("%+v %v", doc, err)
		}
		if err := c.Report(t.Context(), map[string]int{"b": 2}); err != nil {
			t.Fatal(err)
		}
		if got := s.got[0]; string(got.State.Reported) != `{"b":2}` || got.State.Desired != nil || got.Version != 0 || got.ClientToken == "" {
			t.Errorf("request %+v", got)
		}
		if _, _, err := c.Update(t.Context(), wire.ShadowChange{Version: 5, State: wire.ShadowState{Reported: json.RawMessage(`{}`)}}); err != nil {
			t.Errorf("right version: %v", err)
		}
		_, current, err := c.Update(t.Context(), wire.ShadowChange{Version: 2, State: wire.ShadowState{Reported: json.RawMessage(`{}`)}})
		var refused *wire.ShadowError
		if !errors.As(err, &refused) || refused.Code != wire.ShadowConflict || current == nil || current.Version != 6 {
			t.Errorf("wrong version: %+v %v", current, err)
		}
		big := json.RawMessage(`{"x":"` + strings.Repeat("x", wire.MaxShadowState) + `"}`)
		if err := c.Report(t.Context(), big); !errors.Is(err, wire.ErrLimit) {
			t.Errorf("too big: %v", err)
		}
	})
}

func TestRefusalSilenceAndLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		c := open(t, s)
		s.refuse = &wire.ShadowError{Code: 404, Message: "No shadow exists with name: 'ledger'"}
		_, err := c.Get(t.Context())
		var refused *wire.ShadowError
		if !errors.As(err, &refused) || refused.Code != wire.ShadowNotFound {
			t.Errorf("got %v", err)
		}
		s.mute = true
		start := time.Now()
		if _, err := c.Get(t.Context()); !errors.Is(err, ErrNoAnswer) || time.Since(start) != AnswerTimeout {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { close(s.lost) })
		if _, err := c.Get(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Next(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
		if len(c.mux.waiting) != 0 {
			t.Errorf("%d calls are still waited for", len(c.mux.waiting))
		}
	})
}

func TestOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		c := open(t, s)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := c.Report(t.Context(), map[string]int{"n": i}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s.most != 1 || len(s.got) != 20 {
			t.Errorf("%d at once, %d in all", s.most, len(s.got))
		}
	})
}

func TestDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		c := open(t, s)
		next := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			d, err := c.Next(ctx)
			if err != nil {
				return "none"
			}
			return string(d)
		}
		want := func(name, want string) {
			t.Helper()
			if got := next(); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		s.delta(3, `{"a":3}`)
		want("first", `{"a":3}`)
		s.delta(3, `{"a":3}`)
		want("the same again", "none")
		s.delta(2, `{"a":2}`)
		want("older", "none")
		for v := range 100 { // nobody takes them meanwhile: the newest is enough
			s.delta(int64(10+v), fmt.Sprintf(`{"a":%d}`, v))
		}
		want("newest of many", `{"a":99}`)
		want("only once", "none")
		s.version = 200
		if _, err := c.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.delta(150, `{"a":"old"}`)
		want("older than the document", "none")
		// The answer to our own update must not hide a delta that was under way.
		if err := c.Report(t.Context(), map[string]int{}); err != nil { // version 201
			t.Fatal(err)
		}
		s.delta(201, `{"a":"new"}`)
		want("same version as our update", `{"a":"new"}`)
		s.hear(s.path.Delta(), []byte(`{"state":`))
		s.hear(s.path.Accepted(wire.ShadowGet), []byte(`{"state":{},"version":1,"clientToken":"not ours"}`))
		want("garbage", "none")
		if n := c.mux.Ignored(); n != 5 {
			t.Errorf("%d ignored", n)
		}
	})
}

func TestNamesAreChecked(t *testing.T) {
	for _, thing := range []string{"", "a/b"} {
		if _, err := Open(t.Context(), newService(t), thing); !errors.Is(err, wire.ErrLimit) {
			t.Errorf("thing %q: %v", thing, err)
		}
	}
	m := open(t, newService(t)).mux
	for _, name := range []string{"", "b/c", "+", strings.Repeat("x", 65)} {
		if _, err := m.Client(name); !errors.Is(err, wire.ErrLimit) {
			t.Errorf("shadow %q: %v", name, err)
		}
	}
}

// One set of subscriptions serves every named shadow: answers find their caller, deltas their followers, and of one
// shadow one request is under way while others go on, ten in all.
func TestManyShadowsShareTheSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		m, err := Open(t.Context(), s, "u1")
		if err != nil {
			t.Fatal(err)
		}
		if len(s.filters) != 5 {
			t.Errorf("%d filters: %v", len(s.filters), s.filters)
		}
		ledger, _ := m.Client("ledger")
		second, _ := m.Client("ledger")
		recall, _ := m.Client("recall")
		s.delta(7, `{"a":7}`)
		for name, c := range map[string]*Client{"first": ledger, "second": second} {
			if d, err := c.Next(t.Context()); err != nil || string(d) != `{"a":7}` {
				t.Errorf("%s follower got %s, %v", name, d, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d, err := recall.Next(ctx); err == nil {
			t.Errorf("recall heard the ledger's delta %s", d)
		}
		s.mute = true // requests stay under way
		s.most = 0
		wait, stop := context.WithTimeout(t.Context(), AnswerTimeout/2)
		defer stop()
		var wg sync.WaitGroup
		for i := range 15 {
			c, err := m.Client(fmt.Sprintf("s%d", i))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				wg.Go(func() { _, _ = c.Get(wait) })
			}
		}
		synctest.Wait()
		m.mu.Lock()
		if len(m.waiting) != InFlight {
			t.Errorf("%d requests under way", len(m.waiting))
		}
		paths := map[wire.ShadowPath]int{}
		for _, w := range m.waiting {
			if paths[w.client.path]++; paths[w.client.path] > 1 {
				t.Errorf("%d requests of %s at once", paths[w.client.path], w.client.path)
			}
		}
		m.mu.Unlock()
		wg.Wait()
		// An answer on another shadow's topic is not taken for the one that was asked for.
		s.mute = false
		got := m.expect("tok", recall)
		s.say(s.path.Accepted(wire.ShadowGet), wire.ShadowDocument{Version: 9, ClientToken: "tok"})
		select {
		case a := <-got:
			t.Errorf("recall took the ledger's answer %+v", a)
		default:
		}
	})
}

package apiserver_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/problem"
)

// admin is every part of apiserver.Admin; it notes what reached it.
type admin struct{ got []string }

func (a *admin) note(s ...string) { a.got = append(a.got, strings.Join(s, " ")) }

type (
	slots  struct{ *admin }
	alarms struct{ *admin }
	wizard struct{ *admin }
	trail  struct{ *admin }
)

func (a slots) List(context.Context) ([]api.Cartridge, error) { return nil, nil }

func (a slots) Change(_ context.Context, slot string, c api.CartridgeChange) (api.Cartridge, error) {
	a.note(slot, c.Action, c.Person)
	return api.Cartridge{Slot: slot, State: "ok"}, nil
}

func (a alarms) List() []api.Alarm { return nil }

func (a alarms) Clear(_ context.Context, c api.ClearAlarm) error {
	a.note(c.Name, c.Scope, c.Person)
	return nil
}

func (a wizard) State(context.Context) (api.Setup, error) { return api.Setup{Done: true}, nil }

func (a wizard) Answer(_ context.Context, step string, in api.SetupAnswer) (api.Setup, error) {
	a.note(step, in.Value, in.Person)
	return api.Setup{}, nil
}

func (a trail) List() ([]api.AuditEntry, error) { return nil, nil }

func TestAdminRoutes(t *testing.T) {
	a := &admin{}
	full := apiserver.Admin{Cartridges: slots{a}, Alarms: alarms{a}, Setup: wizard{a}, Audit: trail{a}}
	for _, c := range []struct {
		name, method, path, body string
		consumer, bare           bool // the consumer's socket; an agent without these parts
		status                   int
		answer, reached          string
	}{
		{name: "no cartridges are a list", method: "GET", path: "cartridges", status: 200, answer: "[]"},
		{name: "no alarms are a list", method: "GET", path: "alarms", status: 200, answer: "[]"},
		{name: "no actions are a list", method: "GET", path: "audit", status: 200, answer: "[]"},
		{name: "setup", method: "GET", path: "setup", status: 200, answer: `"done":true`},
		{name: "a change", method: "PUT", path: "cartridges/s07", body: `{"action":"removed","person":" ada "}`, status: 200, answer: `"s07"`, reached: "s07 removed ada"},
		{name: "clear", method: "POST", path: "alarms/clear", body: `{"name":"stuck_open","scope":"still","person":"ada"}`, status: 204, reached: "stuck_open still ada"},
		{name: "a step", method: "POST", path: "setup/zone", body: `{"value":"Asia/Tokyo","person":"ada"}`, status: 200, reached: "zone Asia/Tokyo ada"},
		{name: "nobody", method: "POST", path: "setup/zone", body: `{"value":"Asia/Tokyo","person":" "}`, status: 400, answer: "nobody is named"},
		{name: "a long name", method: "PUT", path: "cartridges/s07", body: `{"action":"removed","person":"` + strings.Repeat("a", 65) + `"}`, status: 400, answer: "longer than 64"},
		{name: "an unknown field", method: "POST", path: "alarms/clear", body: `{"alarm":"x","person":"ada"}`, status: 400, answer: "unknown field"},
		{name: "two objects", method: "POST", path: "alarms/clear", body: `{"person":"ada"}{}`, status: 400, answer: "something follows"},
		{name: "an old agent", method: "GET", path: "cartridges", bare: true, status: 409, answer: "cannot do that"},
		{name: "an old agent's setup", method: "POST", path: "setup/pin", body: `{"value":"482915","person":"ada"}`, bare: true, status: 409},
		{name: "the consumer's socket", method: "GET", path: "audit", consumer: true, status: 403, answer: "service.sock"},
		{name: "the consumer's socket, a change", method: "POST", path: "setup/pin", body: `{"value":"482915","person":"ada"}`, consumer: true, status: 403},
		{name: "no such call", method: "DELETE", path: "audit", status: 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.got = nil
			cfg := apiserver.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Admin: full}
			if c.bare {
				cfg.Admin = apiserver.Admin{}
			}
			f := newFake()
			r := httptest.NewRequest(c.method, "http://fountain/v1/service/"+c.path, strings.NewReader(c.body))
			if c.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			apiserver.New(cfg, f, f).Handler(!c.consumer).ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, c.status, c.answer)
			}
			if got := strings.Join(a.got, ","); got != c.reached {
				t.Errorf("the unit was told %q, want %q", got, c.reached)
			}
			if c.status >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("an error of type %s", w.Header().Get("Content-Type"))
			}
		})
	}
}

// asker is an operation that asks one question, refuses the first answer, shows the question a moment longer when it was
// answered, as a control loop does, and then goes on for ever.
type asker struct {
	mu      sync.Mutex
	beats   int
	answers int
	stale   int // reads that still show the question
	stopped bool
}

func (a *asker) op() api.Op {
	o := api.Op{ID: "A", Kind: api.OpPrime, Steps: []api.OpStep{{Name: "ask", State: "running"}}}
	switch {
	case a.stopped:
		o.Outcome = api.OpStopped
	case a.answers < 2 || a.stale > 0:
		a.stale--
		o.Ask = &api.Ask{Kind: api.AskConfirm, What: "Is a jug below?"}
	default:
		o.FlowedUL = int64(a.beats)
	}
	return o
}

func (a *asker) Start(context.Context, api.StartOp) (api.Op, error) { return a.Op("A") }

func (a *asker) Op(string) (api.Op, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.op(), nil
}

func (a *asker) Beat(string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.beats++
	if a.stopped {
		return &problem.Problem{Code: problem.CodeConflict, What: "this operation has ended"}
	}
	return nil
}

func (a *asker) Answer(string, api.Answer) (api.Op, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answers++; a.answers == 1 {
		return api.Op{}, &problem.Problem{Code: problem.CodeBadRequest, What: "that cannot be"}
	}
	a.stale = 3
	return a.op(), nil
}

func (a *asker) Stop(string, string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	return nil
}

func (a *asker) Lines() ([]api.Line, error)            { return nil, nil }
func (a *asker) Undo(string, string) (api.Line, error) { return api.Line{}, nil }

// person answers after a while, and leaves once something has flowed for some beats.
type person struct {
	leave          func()
	asked, refused atomic.Int32
}

func (p *person) Show(o api.Op) {
	if o.FlowedUL > 8 {
		p.leave()
	}
}

func (p *person) Answer(context.Context, api.Op, api.Ask) (api.Answer, error) {
	p.asked.Add(1)
	time.Sleep(4 * api.BeatEvery) // a person thinks longer than a lease lasts
	return api.Answer{Yes: true}, nil
}

func (p *person) Refused(api.Op, error) error {
	p.refused.Add(1)
	return nil
}

// TestWorkAsksOnceAndHolds: the lease is held while a person thinks, a question is asked once and again only when its
// answer was refused, and leaving stops the operation.
func TestWorkAsksOnceAndHolds(t *testing.T) {
	dir, err := os.MkdirTemp("", "fapi")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	u, f := &asker{}, newFake()
	srv := apiserver.New(apiserver.Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Ops: u}, f, f)
	sctx, end := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- srv.Run(sctx, func() { close(ready) }) }()
	<-ready
	defer func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	c := api.NewClient(filepath.Join(dir, api.ServiceSocket))
	defer c.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	p := &person{leave: leave}
	o, err := c.Work(ctx, api.StartOp{Kind: api.OpPrime, Person: "ada"}, p)
	if err != nil || o.Outcome != api.OpStopped {
		t.Fatalf("%+v, %v", o, err)
	}
	if p.asked.Load() != 2 || p.refused.Load() != 1 {
		t.Errorf("asked %d times, refused %d: want once, and once more after a refusal", p.asked.Load(), p.refused.Load())
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.beats < 8 || !u.stopped {
		t.Errorf("%d beats, stopped %v", u.beats, u.stopped)
	}
}

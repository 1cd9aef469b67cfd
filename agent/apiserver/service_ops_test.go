package apiserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/internal/localhttp"
	"fountain/internal/problem"
)

// work is an Ops that knows one operation.
type work struct {
	mu      sync.Mutex
	req     api.StartOp
	beats   int
	stopped []string
	answer  api.Answer
	undone  string
	ended   bool
}

func (w *work) Start(_ context.Context, req api.StartOp) (api.Op, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.req = req
	return api.Op{ID: "A", Kind: req.Kind}, nil
}

func (w *work) Op(id string) (api.Op, error) {
	if id != "A" {
		return api.Op{}, &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "there is none"}
	}
	return api.Op{ID: id}, nil
}

func (w *work) Beat(id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return &problem.Problem{Code: problem.CodeConflict, Where: id, What: "it has ended"}
	}
	w.beats++
	return nil
}

func (w *work) Answer(id string, a api.Answer) (api.Op, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = a
	return api.Op{ID: id}, nil
}

func (w *work) Stop(id, reason string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = append(w.stopped, id+" "+reason)
	return nil
}

func (w *work) Lines() ([]api.Line, error) { return nil, nil }

func (w *work) Undo(line, person string) (api.Line, error) {
	w.undone = line + " by " + person
	return api.Line{ID: line}, nil
}

func (w *work) stops() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.stopped, ", ")
}

func TestOpRoutes(t *testing.T) {
	w := &work{}
	h := New(Config{Ops: w}, nil, nil).Handler(true)
	call := func(method, path, body string) (int, string) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = localhttp.UnixHost
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/service/ops", `{"kind":"rinse"}`, 400},             // nobody
		{"POST", "/v1/service/ops", `{"person":"ann"}`, 400},             // nothing
		{"POST", "/v1/service/ops", `{"kind":"rinse","perso":"x"}`, 400}, // unknown field
		{"POST", "/v1/service/ops", `{"kind":"rinse","person":" ann ","params":{"ml":"300"}}`, 201},
		{"GET", "/v1/service/ops/A", "", 200},
		{"GET", "/v1/service/ops/B", "", 404},
		{"POST", "/v1/service/ops/A/beat", "", 204},
		{"POST", "/v1/service/ops/A/answer", `{"yes":true,"expert":true}`, 200},
		{"POST", "/v1/service/ops/A/answer", `{"yes":1}`, 400},
		{"DELETE", "/v1/service/ops/A", "", 204},
		{"GET", "/v1/service/lines", "", 200},
		{"POST", "/v1/service/lines/m1/undo", "", 400},
		{"POST", "/v1/service/lines/m1/undo?person=ann", "", 200},
	} {
		if status, body := call(tc.method, tc.path, tc.body); status != tc.status {
			t.Errorf("%s %s: %d, want %d: %s", tc.method, tc.path, status, tc.status, body)
		}
	}
	if w.req.Person != "ann" || w.req.Params["ml"] != "300" || w.beats != 1 || !w.answer.Expert || w.undone != "m1 by ann" || w.stops() != "A stopped" {
		t.Errorf("%+v", w)
	}
	if _, body := call("GET", "/v1/service/lines", ""); strings.TrimSpace(body) != "[]" {
		t.Errorf("no lines are %q", body)
	}
	none := New(Config{}, nil, nil).Handler(true)
	r := httptest.NewRequest("GET", "/v1/service/lines", nil)
	r.Host = localhttp.UnixHost
	rec := httptest.NewRecorder()
	none.ServeHTTP(rec, r)
	if rec.Code != http.StatusConflict {
		t.Errorf("without operations: %d", rec.Code)
	}
}

// TestOpsAreNotForTheScreen: the consumer's socket starts no operation and lists no line.
func TestOpsAreNotForTheScreen(t *testing.T) {
	w := &work{}
	h := New(Config{Ops: w}, nil, nil).Handler(false)
	for _, path := range []string{"/v1/service/ops", "/v1/service/ops/A/beat", "/v1/service/lines/m1/undo?person=x"} {
		r := httptest.NewRequest("POST", path, strings.NewReader(`{"kind":"rinse","person":"ann"}`))
		r.Host = localhttp.UnixHost
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		var p problem.Problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Code != problem.CodeForbidden {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	if w.req.Kind != "" || w.beats != 0 {
		t.Error("the screen reached an operation")
	}
}

// TestOpLeaseEndsWithItsConnection: when who beats goes away, the operation is stopped at once.
func TestOpLeaseEndsWithItsConnection(t *testing.T) {
	dir := t.TempDir()
	w := &work{}
	s := New(Config{Dir: dir, Ops: w, Log: slog.New(slog.DiscardHandler)}, nil, &stops{})
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	<-ready
	c := api.NewClient(filepath.Join(dir, api.ServiceSocket))
	op, err := c.StartOp(ctx, api.StartOp{Kind: api.OpRinse, Person: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.BeatOp(ctx, op.ID); err != nil {
		t.Fatal(err)
	}
	if w.stops() != "" {
		t.Fatalf("stopped %s while its holder is there", w.stops())
	}
	c.Close()
	for end := time.Now().Add(time.Minute); w.stops() == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the holder is gone and the operation goes on")
		}
	}
	if got := w.stops(); got != "A "+StopLeaseLost {
		t.Errorf("stopped %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

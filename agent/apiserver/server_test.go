package apiserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// fake is a unit whose pours flow 1 ml per beat.
type fake struct {
	mu      sync.Mutex
	rev     uint64
	changed chan struct{}
	pour    *api.Pour
	lost    []string // pours stopped because their holder went away
	reasons []string // of every stop
	beats   int
	alive   bool
	refuse  error
}

func newFake() *fake { return &fake{changed: make(chan struct{})} }

func (f *fake) bump() {
	f.rev++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) change() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bump()
}

func (f *fake) Status() api.Status { return api.Status{Version: "test", Unit: api.UnitReady} }

func (f *fake) Snapshot() api.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return api.Snapshot{Rev: f.rev, Unit: api.UnitReady, Blocked: map[beverage.ID]string{}}
}

func (f *fake) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fake) Brands() []api.Brand {
	return []api.Brand{{ID: "kolvane", Name: "Kolvane", Available: true}}
}

func (f *fake) Catalogue() ([]byte, string) { return []byte(`{"version":1}`), "sha256:abc" }

func (f *fake) UIAlive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive = true
}

func (f *fake) Start(_ context.Context, req api.StartPour) (api.Pour, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return api.Pour{}, f.refuse
	}
	f.pour = &api.Pour{
		ID: fmt.Sprintf("P%d", f.rev), Beverage: req.Beverage, Mode: req.Mode, Source: req.Source,
		Phase: api.PhaseFlowing, TargetUL: req.TargetUL,
	}
	f.bump()
	return *f.pour, nil
}

// Pause and Resume move the fake's pour between flowing and paused.
func (f *fake) Pause(id string) error  { return f.turn(id, api.PhaseFlowing, api.PhasePaused) }
func (f *fake) Resume(id string) error { return f.turn(id, api.PhasePaused, api.PhaseFlowing) }

func (f *fake) turn(id, from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.pour == nil || f.pour.ID != id:
		return &problem.Problem{Code: problem.CodeNotFound, What: "no such pour"}
	case f.pour.Phase != from:
		return &problem.Problem{Code: problem.CodeConflict, What: "it is " + f.pour.Phase}
	}
	f.pour.Phase = to
	f.bump()
	return nil
}

const rinseID = "01RINSE"

func (f *fake) Rinse(context.Context) (string, error) { return rinseID, nil }

func (f *fake) Beat(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pour == nil || f.pour.ID != id || f.pour.Phase != api.PhaseFlowing {
		return &problem.Problem{Code: problem.CodeConflict, Where: id, What: "the pour has ended"}
	}
	f.beats++
	f.pour.PouredUL += 1000
	if f.pour.PouredUL >= f.pour.TargetUL {
		f.end(wire.Completed, "")
	}
	return nil
}

func (f *fake) end(o wire.Outcome, reason string) {
	f.pour.Phase, f.pour.Outcome, f.pour.Reason, f.pour.Seq = api.PhaseDone, string(o), reason, 7
	f.pour.Record = json.RawMessage(`{"v":1,"seq":7}`)
	f.bump()
}

func (f *fake) Stop(id, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id != rinseID && (f.pour == nil || f.pour.ID != id) {
		return &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "no such pour"}
	}
	f.reasons = append(f.reasons, reason)
	if reason == apiserver.StopLeaseLost {
		f.lost = append(f.lost, id)
	}
	if id != rinseID && f.pour.Phase == api.PhaseFlowing {
		f.end(wire.Stopped, "")
	}
	return nil
}

func (f *fake) Pour(id string) (api.Pour, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pour == nil || f.pour.ID != id {
		return api.Pour{}, &problem.Problem{Code: problem.CodeNotFound, Where: id, What: "no such pour"}
	}
	return *f.pour, nil
}

func (f *fake) lostPours() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lost...)
}

// serve runs a server over f and returns its run directory.
func serve(t *testing.T, f *fake) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fapi") // short: a unix socket path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	start(t, f, dir)
	return dir
}

func start(t *testing.T, f *fake, dir string) {
	t.Helper()
	s := apiserver.New(apiserver.Config{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, f, f)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("run: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// eventually waits for something another goroutine does; a minute is far beyond what it takes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}

func TestPortionRunsToItsTarget(t *testing.T) {
	f := newFake()
	c := api.NewClient(filepath.Join(serve(t, f), api.ServiceSocket))
	defer c.Close()
	seen := 0
	p, err := c.Hold(t.Context(), api.StartPour{Beverage: "kolvane.classic", TargetUL: 3000, Mode: api.ModePortion, Source: "service"},
		func(api.Pour) { seen++ })
	if err != nil {
		t.Fatal(err)
	}
	if p.Outcome != "completed" || p.PouredUL != 3000 || p.Seq != 7 || p.Record == nil {
		t.Errorf("pour = %+v", p)
	}
	if seen < 3 {
		t.Errorf("progress was told %d times", seen)
	}
	if lost := f.lostPours(); len(lost) != 0 {
		t.Errorf("a pour that completed was stopped as lost: %v", lost)
	}
}

func TestHoldStopsWithItsContext(t *testing.T) {
	f := newFake()
	c := api.NewClient(filepath.Join(serve(t, f), api.AgentSocket))
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := c.Hold(ctx, api.StartPour{Beverage: "b", TargetUL: 1e6, Mode: api.ModeHold, Source: "touch"}, func(p api.Pour) {
		if p.PouredUL >= 2000 {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Outcome != "stopped" || p.PouredUL < 2000 || p.PouredUL > 6000 {
		t.Errorf("pour = %+v", p)
	}
	if lost := f.lostPours(); len(lost) > 1 { // the cancelled beat may cut its connection before DELETE arrives
		t.Errorf("lost = %v", lost)
	}
}

// A caller that stops beating must not be kept alive by the client's own goroutine.
func TestLeaseBeatsOnlyForItsCaller(t *testing.T) {
	f := newFake()
	c := api.NewClient(filepath.Join(serve(t, f), api.AgentSocket))
	defer c.Close()
	l, _, err := c.Lease(t.Context(), api.StartPour{Beverage: "b", TargetUL: 1e6, Mode: api.ModeHold, Source: "touch"})
	if err != nil {
		t.Fatal(err)
	}
	count := func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.beats }
	for range 100 { // a caller faster than BeatEvery costs no more beats
		l.Beat()
	}
	eventually(t, "a beat arrives", func() bool { return count() > 0 })
	time.Sleep(2*api.LeaseLimit + api.BeatEvery) // nothing may happen: that takes its time to see
	if n := count(); n > 2 {
		t.Errorf("%d beats for a caller that has stopped calling", n)
	}
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if err := l.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
}

func TestWhoLetGo(t *testing.T) {
	f := newFake()
	c := api.NewClient(filepath.Join(serve(t, f), api.AgentSocket))
	defer c.Close()
	for _, tc := range []struct {
		stop func(*api.Lease) error
		want string
	}{
		{(*api.Lease).Stop, "released"},
		{func(l *api.Lease) error { return l.StopFor(api.StopReleased) }, "released"},
		{func(l *api.Lease) error { return l.StopFor(api.StopScreenLost) }, "screen_lost"},
	} {
		l, _, err := c.Lease(t.Context(), api.StartPour{Beverage: "b", TargetUL: 1e6, Mode: api.ModeHold, Source: "touch"})
		if err != nil {
			t.Fatal(err)
		}
		if err := tc.stop(l); err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		if len(f.reasons) != 1 || f.reasons[0] != tc.want {
			t.Errorf("the pour was stopped for %q, want %q alone", f.reasons, tc.want)
		}
		f.reasons = nil
		f.mu.Unlock()
	}

	// A reason nobody may give stops nothing: the lease goes on, and ends for lack of beats.
	l, p, err := c.Lease(t.Context(), api.StartPour{Beverage: "b", TargetUL: 1e6, Mode: api.ModeHold, Source: "touch"})
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"lease_lost", "target", "", "screen_lost&reason=released"} {
		err := c.StopFor(t.Context(), p.ID, reason)
		if code := problem.From(err).Code; code != problem.CodeBadRequest {
			t.Errorf("reason %q: %v, want %s", reason, err, problem.CodeBadRequest)
		}
	}
	f.mu.Lock()
	if len(f.reasons) != 0 {
		t.Errorf("refused reasons stopped the pour: %q", f.reasons)
	}
	f.mu.Unlock()
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
}

func TestLeaseEndsWithItsConnection(t *testing.T) {
	f := newFake()
	dir := serve(t, f)
	conn, err := net.Dial("unix", filepath.Join(dir, api.AgentSocket))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"beverage":"b","target_ul":240000,"mode":"hold","source":"touch"}`
	fmt.Fprintf(conn, "POST /v1/pours HTTP/1.1\r\nHost: fountain\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 201" {
		t.Fatalf("answer %q, %v", answer, err)
	}
	// Another connection that only looks must not take the lease over, nor end it.
	c := api.NewClient(filepath.Join(dir, api.AgentSocket))
	if _, err := c.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if lost := f.lostPours(); len(lost) != 0 {
		t.Fatalf("lost = %v before the holder went", lost)
	}
	_ = conn.Close()
	eventually(t, "the pour is stopped", func() bool { return len(f.lostPours()) == 1 })
}

func TestRefuses(t *testing.T) {
	f := newFake()
	dir := serve(t, f)
	good := `{"beverage":"b","target_ul":240000,"mode":"hold","source":"touch"}`
	with := func(k, v string) http.Header { return http.Header{"Content-Type": {"application/json"}, k: {v}} }
	plain := with("X", "y")
	for _, c := range []struct {
		name, method, path, host, body string
		header                         http.Header
		status                         int
		code                           string
	}{
		{"foreign host", "POST", "/v1/pours", "evil.example", good, plain, 403, problem.CodeForbidden},
		{"foreign origin", "POST", "/v1/pours", "fountain", good, with("Origin", "https://evil.example"), 403, problem.CodeForbidden},
		{"cross-site fetch", "POST", "/v1/pours", "fountain", good, with("Sec-Fetch-Site", "cross-site"), 403, problem.CodeForbidden},
		{"foreign reader", "GET", "/v1/snapshot", "fountain", "", with("Origin", "https://evil.example"), 403, problem.CodeForbidden},
		{"a form", "POST", "/v1/pours", "fountain", good, http.Header{"Content-Type": {"text/plain"}}, 415, problem.CodeUnsupported},
		{"unknown field", "POST", "/v1/pours", "fountain", `{"beverage":"b","volume":1}`, plain, 400, problem.CodeBadRequest},
		{"two objects", "POST", "/v1/pours", "fountain", good + good, plain, 400, problem.CodeBadRequest},
		{"no object", "POST", "/v1/pours", "fountain", ``, plain, 400, problem.CodeBadRequest},
		{"huge", "POST", "/v1/pours", "fountain", `{"beverage":"` + strings.Repeat("x", 20<<10) + `"}`, plain, 413, problem.CodeBadRequest},
		{"service by the screen", "POST", "/v1/pours", "fountain", strings.Replace(good, "touch", "service", 1), plain, 403, problem.CodeForbidden},
		{"phone", "POST", "/v1/pours", "fountain", strings.Replace(good, "touch", "phone", 1), plain, 400, problem.CodeBadRequest},
		{"no volume", "POST", "/v1/pours", "fountain", strings.Replace(good, "240000", "0", 1), plain, 400, problem.CodeBadRequest},
		{"nothing named", "POST", "/v1/pours", "fountain", strings.Replace(good, `"beverage":"b",`, "", 1), plain, 400, problem.CodeBadRequest},
		{"a mix and a beverage", "POST", "/v1/pours", "fountain", strings.Replace(good, `"beverage":"b"`, `"beverage":"b","mix":[{"beverage":"a","share":100}]`, 1), plain, 400, problem.CodeBadRequest},
		{"a mix of four", "POST", "/v1/pours", "fountain", strings.Replace(good, `"beverage":"b"`, `"mix":[{"beverage":"a","share":25},{"beverage":"b","share":25},{"beverage":"c","share":25},{"beverage":"d","share":25}]`, 1), plain, 400, problem.CodeBadRequest},
		{"bad mode", "POST", "/v1/pours", "fountain", strings.Replace(good, "hold", "flood", 1), plain, 400, problem.CodeBadRequest},
		{"no such call", "GET", "/v1/valves", "fountain", "", plain, 404, problem.CodeNotFound},
		{"wrong method", "GET", "/v1/pours", "fountain", "", plain, 404, problem.CodeNotFound},
		{"no such pour", "GET", "/v1/pours/nope", "fountain", "", plain, 404, problem.CodeNotFound},
		{"stop for no reason anybody may give", "DELETE", "/v1/pours/nope?reason=lease_lost", "fountain", "", plain, 400, problem.CodeBadRequest},
		{"stop for two reasons", "DELETE", "/v1/pours/nope?reason=released&reason=screen_lost", "fountain", "", plain, 400, problem.CodeBadRequest},
		{"beat of nothing", "POST", "/v1/pours/nope/beat", "fountain", "", plain, 409, problem.CodeConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			hc := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return net.Dial("unix", filepath.Join(dir, api.AgentSocket))
			}}}
			defer hc.CloseIdleConnections()
			req, err := http.NewRequest(c.method, "http://"+c.host+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = c.header
			resp, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var p problem.Problem
			b, _ := io.ReadAll(resp.Body)
			if err := json.Unmarshal(b, &p); err != nil {
				t.Fatalf("not problem+json: %s", b)
			}
			if resp.StatusCode != c.status || p.Code != c.code || p.What == "" {
				t.Errorf("got %d %+v, want %d %s", resp.StatusCode, p, c.status, c.code)
			}
		})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pour != nil {
		t.Errorf("a refused request poured: %+v", f.pour)
	}
}

func TestProblemsReachTheClient(t *testing.T) {
	f := newFake()
	f.refuse = &problem.Problem{Code: problem.CodeUnsafe, Where: "door", What: "the door is open", Remedy: "close it", Retry: true}
	c := api.NewClient(filepath.Join(serve(t, f), api.AgentSocket))
	defer c.Close()
	_, err := c.Hold(t.Context(), api.StartPour{Beverage: "b", TargetUL: 1, Mode: api.ModeHold, Source: "touch"}, nil)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeUnsafe || p.Remedy != "close it" || problem.ExitCode(err) != 3 {
		t.Errorf("err = %#v", err)
	}
	away := api.NewClient(filepath.Join(t.TempDir(), "none.sock"))
	if _, err := away.Status(t.Context()); !errors.As(err, &p) || p.Code != problem.CodeUnreachable || !p.Retry {
		t.Errorf("err = %v", err)
	}
}

func TestSockets(t *testing.T) {
	f := newFake()
	dir := t.TempDir()
	for _, n := range []string{api.AgentSocket, api.ServiceSocket} { // what a killed agent leaves behind
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, n)})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	start(t, f, dir)
	for _, n := range []string{api.AgentSocket, api.ServiceSocket} {
		fi, err := os.Stat(filepath.Join(dir, n))
		if err != nil || fi.Mode().Perm() != 0o660 {
			t.Errorf("%s: %v %v", n, fi.Mode(), err)
		}
	}
	second := apiserver.New(apiserver.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)}, f, f)
	err := second.Run(t.Context(), nil)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeAddrInUse {
		t.Errorf("second instance: %v", err)
	}
	c := api.NewClient(filepath.Join(dir, api.AgentSocket))
	defer c.Close()
	if err := c.UIAlive(t.Context()); err != nil || !f.alive {
		t.Errorf("the first instance was disturbed: %v", err)
	}
}

func TestCatalogueHasAnETag(t *testing.T) {
	f := newFake()
	h := apiserver.New(apiserver.Config{Log: slog.New(slog.DiscardHandler)}, f, f).Handler(false)
	get := func(tag string) *recorder {
		r, _ := http.NewRequest("GET", "http://fountain/v1/catalogue", nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := newRecorder(nil)
		h.ServeHTTP(w, r)
		return w
	}
	first := get("")
	if first.status != 200 || first.body.Len() == 0 {
		t.Fatalf("first: %d", first.status)
	}
	if again := get(first.header.Get("ETag")); again.status != http.StatusNotModified || again.body.Len() != 0 {
		t.Errorf("again: %d %q", again.status, again.body.String())
	}
}

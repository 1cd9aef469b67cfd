package screens

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// fakeAgent implements the routes of the local API that a screen uses, over a real unix socket, with a scripted pour:
// flow starts flowDelay after the grant and runs at rate until it is stopped, the lease ends or the target is reached.
type fakeAgent struct {
	t      *testing.T
	socket string
	srv    *http.Server
	cat    []byte

	mu      sync.Mutex
	snap    api.Snapshot
	pours   map[string]*fakePour
	n       int
	grant   chan struct{} // when set, POST waits for it
	refuse  error
	once    bool          // refuse only one
	drop    chan struct{} // closed: event streams end
	rinses  int
	rate    float64 // µL per second
	started chan string
	alive   int
	push    chan struct{}
	lease   time.Duration
	cups    bool            // it sees cups: a pour pauses without one
	foam    time.Duration   // > 0: drinks foam so long, and top-offs are offered
	asked   []api.StartPour // every pour that began
}

type fakePour struct {
	api.Pour
	began, beat time.Time
	beats       int
	held        int64     // counted before the last pause
	ended       time.Time // when the fake noticed
}

// catalogueJSON is what every fake agent answers: to check the catalogue anew for each takes longer than many a test.
var catalogueJSON = sync.OnceValues(func() ([]byte, error) {
	cat, err := beverage.Load("")
	if err != nil {
		return nil, err
	}
	return json.Marshal(cat)
})

func newFakeAgent(t *testing.T) *fakeAgent {
	t.Helper()
	dir, err := os.MkdirTemp("", "ui") // t.TempDir is too long for a socket path in long test names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeAgentOn(t, l)
	f.socket = socket
	return f
}

// newFakeAgentOn serves on l.
func newFakeAgentOn(t *testing.T, l net.Listener) *fakeAgent {
	t.Helper()
	raw, err := catalogueJSON()
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeAgent{
		t: t, cat: raw, pours: map[string]*fakePour{}, rate: 75_000, lease: 30 * time.Second, // a loaded host must not end what a test does not mean to end
		started: make(chan string, 16), push: make(chan struct{}, 1), drop: make(chan struct{}),
		snap: api.Snapshot{Rev: 1, Unit: api.UnitReady, Sizes: []api.Size{{ID: "small", UL: 355_000}, {ID: "medium", UL: 473_000}, {ID: "large", UL: 710_000}}, Blocked: map[beverage.ID]string{}, Catalogue: "sha256:one"},
	}
	f.srv = &http.Server{Handler: f.routes()}
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.srv.Serve(l) })
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() { f.run(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = f.srv.Close()
		wg.Wait()
	})
	return f
}

// set changes the snapshot.
func (f *fakeAgent) set(change func(*api.Snapshot)) {
	f.mu.Lock()
	change(&f.snap)
	f.snap.Rev++
	f.mu.Unlock()
	f.poke()
}

func (f *fakeAgent) poke() {
	select {
	case f.push <- struct{}{}:
	default:
	}
}

// active counts pours that may flow.
func (f *fakeAgent) active() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, p := range f.pours {
		if p.Phase == api.PhaseArming || p.Phase == api.PhaseFlowing || p.Phase == api.PhasePaused {
			n++
		}
	}
	return n
}

// count is how many pours were asked for.
func (f *fakeAgent) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// leases ends a pour that is not beaten for so long.
func (f *fakeAgent) leases(limit time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lease = limit
}

// foams makes drinks foam for so long.
func (f *fakeAgent) foams(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.foam = d
}

// refuseNext refuses the next pour.
func (f *fakeAgent) refuseNext(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse, f.once = err, true
}

// dropAll breaks the event streams, as an agent that restarts.
func (f *fakeAgent) dropAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.drop)
	f.drop = make(chan struct{})
}

func (f *fakeAgent) last() api.Pour {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pours[fmt.Sprint(f.n)]; p != nil {
		return p.Pour
	}
	return api.Pour{}
}

// run moves the scripted pours.
func (f *fakeAgent) run(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			f.mu.Lock()
			moved := false
			for _, p := range f.pours {
				if p.Phase == api.PhasePaused && now.Sub(p.beat) > f.lease {
					p.Phase, p.Outcome, p.Reason = api.PhaseDone, "interrupted", "lease_lost"
				}
				if p.Phase == api.PhaseDone && p.ended.IsZero() {
					p.ended = now
				}
				if p.Phase != api.PhaseFlowing {
					continue
				}
				moved = true
				p.PouredUL = min(p.held+int64(now.Sub(p.began).Seconds()*f.rate), p.TargetUL)
				switch {
				case f.cups && !f.snap.Cup:
					p.Phase, p.Pause, p.held = api.PhasePaused, "cup_removed", p.PouredUL
				case now.Sub(p.beat) > f.lease:
					p.Phase, p.Outcome, p.Reason = api.PhaseDone, "interrupted", "lease_lost"
				case p.PouredUL == p.TargetUL:
					p.Phase, p.Outcome = api.PhaseDone, "completed"
				}
			}
			f.mu.Unlock()
			if moved {
				f.poke()
			}
		}
	}
}

func (f *fakeAgent) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/catalogue", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(f.cat) })
	m.HandleFunc("GET /v1/events", f.events)
	m.HandleFunc("PUT /v1/ui/alive", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		f.alive++
		f.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("POST /v1/pours", f.start)
	m.HandleFunc("GET /v1/session", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.SessionState{PINSet: true})
	})
	m.HandleFunc("POST /v1/session", func(w http.ResponseWriter, _ *http.Request) { // nobody here knows the PIN
		problem.Write(w, &problem.Problem{Code: problem.CodeForbidden, What: "that is not the PIN"})
	})
	m.HandleFunc("POST /v1/rinse", func(w http.ResponseWriter, _ *http.Request) { // a pour but for its route
		f.mu.Lock()
		defer f.mu.Unlock()
		f.n++
		f.rinses++
		now := time.Now()
		f.pours[fmt.Sprint(f.n)] = &fakePour{Pour: api.Pour{ID: fmt.Sprint(f.n), Phase: api.PhaseFlowing, TargetUL: 20_000}, began: now, beat: now}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(api.Rinse{ID: fmt.Sprint(f.n)})
	})
	m.HandleFunc("POST /v1/pours/{id}/resume", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		p := f.pours[r.PathValue("id")]
		var err *problem.Problem
		switch {
		case p == nil || p.Phase != api.PhasePaused:
			err = &problem.Problem{Code: problem.CodeConflict, What: "it is not paused"}
		case !f.snap.Cup:
			err = &problem.Problem{Code: problem.CodeUnsafe, Where: "no_cup", What: "there is no cup under the nozzle"}
		default:
			p.Phase, p.Pause, p.began = api.PhaseFlowing, "", time.Now()
		}
		f.mu.Unlock()
		f.poke()
		if err != nil {
			problem.Write(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("POST /v1/pours/{id}/beat", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		p := f.pours[r.PathValue("id")]
		if p == nil || p.Phase == api.PhaseDone {
			problem.Write(w, &problem.Problem{Code: problem.CodeConflict, What: "the pour has ended"})
			return
		}
		now := time.Now()
		p.beat = now
		p.beats++
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("GET /v1/pours/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		_ = json.NewEncoder(w).Encode(f.pours[r.PathValue("id")].Pour)
	})
	m.HandleFunc("DELETE /v1/pours/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		if p := f.pours[r.PathValue("id")]; p != nil && p.Phase != api.PhaseDone {
			p.Phase, p.Outcome, p.Reason = api.PhaseDone, "stopped", api.StopReleased
			if why := r.URL.Query().Get("reason"); why == api.StopScreenLost {
				p.Outcome, p.Reason = "interrupted", why
			}
		}
		f.mu.Unlock()
		f.poke()
		w.WriteHeader(http.StatusNoContent)
	})
	return m
}

func (f *fakeAgent) start(w http.ResponseWriter, r *http.Request) {
	var req api.StartPour
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		problem.Write(w, &problem.Problem{Code: problem.CodeBadRequest, What: err.Error()})
		return
	}
	f.mu.Lock()
	grant, refuse := f.grant, f.refuse
	if f.once {
		f.refuse, f.once = nil, false
	}
	f.mu.Unlock()
	select {
	case f.started <- string(req.Beverage):
	default:
	}
	if grant != nil {
		select {
		case <-grant:
		case <-r.Context().Done():
			return
		}
	}
	if refuse != nil {
		problem.Write(w, refuse)
		return
	}
	f.mu.Lock()
	f.n++
	now := time.Now()
	f.asked = append(f.asked, req)
	p := &fakePour{Pour: api.Pour{ID: fmt.Sprint(f.n), Beverage: req.Beverage, Mix: req.Mix, Mode: req.Mode, Source: req.Source, Phase: api.PhaseFlowing, TargetUL: req.TargetUL}, began: now, beat: now}
	f.pours[p.ID] = p
	out := p.Pour
	f.mu.Unlock()
	f.poke()
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(out)
}

// offer adds what the agent offers an ended drink while its cup stands: 15 % of the first pour, once its foam has settled.
func (f *fakeAgent) offer(c *api.Pour, p *fakePour) {
	if f.foam == 0 || p.Phase != api.PhaseDone || p.Reason != "" && p.Reason != api.StopReleased || f.cups && !f.snap.Cup {
		return
	}
	first, target := p.ID, p.TargetUL
	if last := f.asked[len(f.asked)-1]; last.TopOff != "" {
		first, target = last.TopOff, f.pours[last.TopOff].TargetUL
	}
	left := target * 15 / 100
	for i, r := range f.asked {
		if r.TopOff == first {
			left -= f.pours[fmt.Sprint(i+1)].TargetUL
		}
	}
	if left < 2000 {
		return
	}
	since := time.Duration(0)
	if !p.ended.IsZero() {
		since = time.Since(p.ended)
	}
	c.TopOffID, c.TopOffUL, c.TopOffMS, c.FoamMS = first, left, (30*time.Second - since).Milliseconds(), max(0, f.foam-since).Milliseconds()
}

func (f *fakeAgent) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	f.mu.Lock()
	drop := f.drop
	f.mu.Unlock()
	for {
		f.mu.Lock()
		s := f.snap
		if p := f.pours[fmt.Sprint(f.n)]; p != nil {
			c := p.Pour
			f.offer(&c, p)
			s.Pour = &c
		}
		b, err := json.Marshal(s)
		f.mu.Unlock()
		if err != nil {
			f.t.Error(err)
			return
		}
		if _, err := fmt.Fprintf(w, "event: snapshot\ndata: %s\n\n", b); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-drop:
			return
		case <-f.push:
		case <-tick.C:
		}
	}
}

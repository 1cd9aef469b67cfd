// Package apiserver serves the local API of agent/api on two unix sockets. It imports api, problem and localhttp, and
// defines the small interfaces (Unit, Pours) that agent implements; it never imports agent.
//
//	agent.sock   (touch)          ─┐            ┌─► Unit:  Status, Snapshot, Brands, Catalogue, Changed
//	service.sock (touch, service) ─┴─► Server ──┤       Sessions: who gave the PIN, for the service API on agent.sock
//	                                   leases ──┴─► Pours: Start, Beat, Stop, Pour
//
// State it owns: which connection carried the last beat of the active pour. When that connection closes, the lease is
// over and the pour is stopped at once, without waiting for its beats to run out.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/localhttp"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// Limits of the server.
const (
	maxBody      = 16 << 10 // the largest request is a StartPour of some 200 bytes
	maxPath      = 107      // of a unix socket on Linux, without the closing zero byte
	streamGap    = time.Second / 30
	streamPulse  = time.Second
	closeTimeout = 2 * time.Second
)

// Unit is what the server shows. All methods are safe for concurrent use and return at once.
type Unit interface {
	Status() api.Status
	// Snapshot is the present state. The caller does not change what it refers to.
	Snapshot() api.Snapshot
	// Changed is closed at the next change of the snapshot.
	Changed() <-chan struct{}
	Brands() []api.Brand
	// Catalogue is the file's bytes and its digest.
	Catalogue() (body []byte, digest string)
	// UIAlive notes that the screen drew a frame.
	UIAlive()
}

// Pours is what the server commands. Errors are *problem.Problem.
type Pours interface {
	// Start begins a pour; its lease runs from now.
	Start(ctx context.Context, req api.StartPour) (api.Pour, error)
	// Beat renews the lease; an error when the pour is not active any more.
	Beat(id string) error
	// Stop ends the pour; no error when it already ended, CodeNotFound when it is unknown. The reason is one of api.Stop…,
	// or StopLeaseLost when the holder went away.
	Stop(id, reason string) error
	// Pause shuts an active pour and keeps its count; CodeConflict when it cannot be paused any more.
	Pause(id string) error
	// Resume lets a paused pour flow again; CodeConflict when it is not paused, CodeUnsafe when something forbids it.
	Resume(id string) error
	// Rinse begins a rinse of the nozzle and returns its id; Beat and Stop take it too.
	Rinse(ctx context.Context) (string, error)
	// Pour returns an active or a recent pour.
	Pour(id string) (api.Pour, error)
}

// StopLeaseLost is the reason of a stop that nobody asked for: the holder's connection is gone.
const StopLeaseLost = "lease_lost"

// Config of a Server.
type Config struct {
	Dir     string // run directory: both sockets lie there
	Metrics http.Handler
	Admin   Admin // for the service socket
	Ops     Ops   // service operations; nil: none
	// Sessions opens the service API on the consumer's socket too; nil: it stays shut there.
	Sessions Sessions
	Log      *slog.Logger
}

// Server is the local API.
type Server struct {
	cfg   Config
	unit  Unit
	pours Pours

	ops    opHolders
	mu     sync.Mutex
	holder map[string]net.Conn // pour id -> the connection that carried its last beat; the active one and late ones before it
}

// New makes a server; Run serves.
func New(cfg Config, unit Unit, pours Pours) *Server {
	return &Server{cfg: cfg, unit: unit, pours: pours, holder: map[string]net.Conn{}}
}

type connKey struct{}

// Run listens on both sockets, calls ready once they answer, and serves until ctx ends.
func (s *Server) Run(ctx context.Context, ready func()) error {
	type door struct {
		l   net.Listener
		srv *http.Server
	}
	var doors []door
	for _, d := range []struct {
		name    string
		service bool
	}{{api.AgentSocket, false}, {api.ServiceSocket, true}} {
		l, err := listen(filepath.Join(s.cfg.Dir, d.name))
		if err != nil {
			for _, o := range doors {
				_ = o.l.Close() // the first error is the one to tell
			}
			return err
		}
		doors = append(doors, door{l, s.httpServer(ctx, s.Handler(d.service))})
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, d := range doors {
		g.Go(func() error {
			if err := d.srv.Serve(d.l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", d.l.Addr(), err)
			}
			return nil
		})
		g.Go(func() error {
			<-gctx.Done()
			stop, cancel := context.WithTimeout(context.WithoutCancel(gctx), closeTimeout)
			defer cancel()
			if err := d.srv.Shutdown(stop); err != nil {
				return d.srv.Close() // somebody keeps a request open; it is cut
			}
			return nil
		})
	}
	if ready != nil {
		ready()
	}
	return g.Wait()
}

func (s *Server) httpServer(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				s.connGone(c)
			}
		},
	}
}

// Handler is the API without its sockets. service also accepts pours of source "service".
func (s *Server) Handler(service bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.unit.Status()) })
	mux.HandleFunc("GET /v1/snapshot", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.unit.Snapshot()) })
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/catalogue", s.catalogue)
	mux.HandleFunc("GET /v1/brands", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.unit.Brands()) })
	mux.HandleFunc("POST /v1/pours", func(w http.ResponseWriter, r *http.Request) { s.start(w, r, service) })
	mux.HandleFunc("POST /v1/pours/{id}/beat", s.beat)
	mux.HandleFunc("POST /v1/pours/{id}/pause", func(w http.ResponseWriter, r *http.Request) { s.tell(w, r, s.pours.Pause) })
	mux.HandleFunc("POST /v1/pours/{id}/resume", func(w http.ResponseWriter, r *http.Request) { s.tell(w, r, s.pours.Resume) })
	mux.HandleFunc("POST /v1/rinse", s.rinse)
	mux.HandleFunc("GET /v1/pours/{id}", s.pour)
	mux.HandleFunc("DELETE /v1/pours/{id}", s.stop)
	mux.HandleFunc("PUT /v1/ui/alive", func(w http.ResponseWriter, _ *http.Request) {
		s.unit.UIAlive()
		w.WriteHeader(http.StatusNoContent)
	})
	work := http.NewServeMux()
	s.adminRoutes(work)
	s.homeRoutes(work)
	s.storeRoutes(work)
	s.leaveRoutes(work)
	s.opRoutes(work)
	work.HandleFunc("/", noCall)
	if service {
		mux.Handle("/v1/service/", work)
	} else {
		mux.Handle("/v1/service/", s.gate(work))
		s.sessionRoutes(mux)
	}
	if s.cfg.Metrics != nil {
		mux.Handle("GET /v1/metrics", s.cfg.Metrics)
	}
	mux.HandleFunc("/", noCall)
	return localhttp.Protect(localhttp.JSONOnly(maxBody, mux), localhttp.UnixHost)
}

// noCall answers what is no call, also what the mux would answer with 405.
func noCall(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, &problem.Problem{
		Code: problem.CodeNotFound, Where: r.Method + " " + r.URL.Path, What: "there is no such call",
		Remedy: "the calls are listed in package agent/api",
	})
}

func (s *Server) start(w http.ResponseWriter, r *http.Request, service bool) {
	var req api.StartPour
	if err := readJSON(r, &req); err != nil {
		problem.Write(w, err)
		return
	}
	if err := check(req, req.Source == "service" && s.inService(r, service)); err != nil {
		problem.Write(w, err)
		return
	}
	p, err := s.pours.Start(r.Context(), req)
	if err != nil {
		problem.Write(w, err)
		return
	}
	if !s.hold(r, p.ID, true) { // the caller hung up while the pour was started
		_ = s.pours.Stop(p.ID, StopLeaseLost) // it may have ended by itself
		return
	}
	w.Header().Set("Location", "/v1/pours/"+p.ID)
	writeJSON(w, http.StatusCreated, p)
}

func check(req api.StartPour, service bool) error {
	bad := func(where, what, remedy string) error {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: where, What: what, Remedy: remedy}
	}
	switch {
	case len(req.Mix) > beverage.MixMost:
		return bad("mix", "the mix has too many beverages", fmt.Sprintf("give at most %d", beverage.MixMost))
	case len(req.Mix) > 0 && req.Beverage != "":
		return bad("beverage", "both a beverage and a mix are named", "leave one of them out")
	case len(req.Mix) == 0 && req.Beverage == "":
		return bad("beverage", "no beverage named", "give the id of a beverage of GET /v1/brands")
	case req.TargetUL <= 0:
		return bad("target_ul", "the volume must be more than nothing", "give microlitres: 240 ml are 240000")
	case req.Mode != api.ModePortion && req.Mode != api.ModeHold:
		return bad("mode", fmt.Sprintf("mode %q is unknown", req.Mode), `give "portion" or "hold"`)
	case req.Source == "service" && !service:
		return &problem.Problem{
			Code: problem.CodeForbidden, Where: "source", What: "this socket serves the consumer's screen only",
			Remedy: "technician's pours go through " + api.ServiceSocket + ", or need the service PIN",
		}
	case req.Source != "touch" && req.Source != "service":
		return bad("source", fmt.Sprintf("source %q is unknown", req.Source), `give "touch" or "service"`)
	}
	return nil
}

func (s *Server) beat(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := s.pours.Beat(id); err != nil {
		s.release(id)
		problem.Write(w, err)
		return
	}
	if !s.hold(r, id, false) {
		_ = s.pours.Stop(id, StopLeaseLost) // it may have ended by itself
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// tell gives a command to a pour.
func (s *Server) tell(w http.ResponseWriter, r *http.Request, command func(id string) error) {
	if err := command(r.PathValue("id")); err != nil {
		problem.Write(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) rinse(w http.ResponseWriter, r *http.Request) {
	id, err := s.pours.Rinse(r.Context())
	if err != nil {
		problem.Write(w, err)
		return
	}
	if !s.hold(r, id, true) { // the caller hung up while it was started
		_ = s.pours.Stop(id, StopLeaseLost) // it may have ended by itself
		return
	}
	writeJSON(w, http.StatusCreated, api.Rinse{ID: id})
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	reason, err := stopReason(r)
	if err != nil { // nothing has happened: the lease still bounds the pour
		problem.Write(w, err)
		return
	}
	s.release(id)
	if err := s.pours.Stop(id, reason); err != nil {
		problem.Write(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// stopReason is the reason a holder gives: api.StopReleased when it gives none.
func stopReason(r *http.Request) (string, error) {
	given, ok := r.URL.Query()["reason"]
	if !ok {
		return api.StopReleased, nil
	}
	if len(given) == 1 && (given[0] == api.StopReleased || given[0] == api.StopScreenLost) {
		return given[0], nil
	}
	return "", &problem.Problem{
		Code: problem.CodeBadRequest, Where: "reason", What: fmt.Sprintf("%q is no reason to stop a pour", given),
		Remedy: "give " + api.StopReleased + " or " + api.StopScreenLost + ", or none",
	}
}

func (s *Server) pour(w http.ResponseWriter, r *http.Request) {
	p, err := s.pours.Pour(r.PathValue("id"))
	if err != nil {
		problem.Write(w, err)
		return
	}
	writeJSON(w, http.StatusOK, p)
}

func (s *Server) catalogue(w http.ResponseWriter, r *http.Request) {
	body, digest := s.unit.Catalogue()
	tag := `"` + digest + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client may be gone
}

// hold notes that r's connection carries the lease of pour id; false when that connection is gone already. A start
// forgets the pours before; a beat does not, for it may be a late one of a pour that has ended meanwhile.
func (s *Server) hold(r *http.Request, id string, started bool) bool {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	if c == nil {
		return true // a handler without its server (tests): no connection to lose
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Context().Err() != nil {
		return false
	}
	if started {
		clear(s.holder) // one pour at a time
	}
	s.holder[id] = c
	return true
}

func (s *Server) release(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holder, id)
}

// connGone stops the pour whose lease c carried.
func (s *Server) connGone(c net.Conn) {
	s.opConnGone(c)
	s.mu.Lock()
	var lost []string // one, and at most those that have ended already
	for id, h := range s.holder {
		if h == c {
			lost = append(lost, id)
			delete(s.holder, id)
		}
	}
	s.mu.Unlock()
	for _, id := range lost {
		if err := s.pours.Stop(id, StopLeaseLost); err != nil {
			s.cfg.Log.Warn("stop pour of lost connection", slog.String(logkey.Pour, id), slog.Any(logkey.Err, err))
		}
	}
}

package apiserver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"fountain/agent/api"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// Ops are the service operations. Errors are *problem.Problem.
type Ops interface {
	// Start begins an operation; its lease runs from now.
	Start(ctx context.Context, req api.StartOp) (api.Op, error)
	// Op is an operation, live or ended.
	Op(id string) (api.Op, error)
	// Beat renews the lease; an error when the operation has ended.
	Beat(id string) error
	Answer(id string, a api.Answer) (api.Op, error)
	// Stop ends the operation; no error when it already ended. The reason is a word, or StopLeaseLost.
	Stop(id, reason string) error
	Lines() ([]api.Line, error)
	// Undo goes back to the calibration before the present one.
	Undo(line, person string) (api.Line, error)
}

// opHolders are the connections that carried the last beat of an operation: when one closes, its operation stops.
type opHolders struct {
	mu     sync.Mutex
	holder map[string]net.Conn
}

// opRoutes serves operations and lines.
func (s *Server) opRoutes(mux *http.ServeMux) {
	o := s.cfg.Ops
	handle := func(pattern string, f http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if there(w, "service operations", o != nil) {
				f(w, r)
			}
		})
	}
	handle("POST /v1/service/ops", s.startOp)
	handle("GET /v1/service/ops/{id}", func(w http.ResponseWriter, r *http.Request) {
		op, err := o.Op(r.PathValue("id"))
		answer(w, op, err)
	})
	handle("POST /v1/service/ops/{id}/beat", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if err := o.Beat(id); err != nil {
			s.releaseOp(id)
			problem.Write(w, err)
			return
		}
		if !s.holdOp(r, id) {
			_ = o.Stop(id, StopLeaseLost) // it may have ended by itself
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	handle("POST /v1/service/ops/{id}/answer", func(w http.ResponseWriter, r *http.Request) {
		var a api.Answer
		if err := readJSON(r, &a); err != nil {
			problem.Write(w, err)
			return
		}
		op, err := o.Answer(r.PathValue("id"), a)
		answer(w, op, err)
	})
	handle("DELETE /v1/service/ops/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		s.releaseOp(id)
		if err := o.Stop(id, "stopped"); err != nil {
			problem.Write(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	handle("GET /v1/service/lines", func(w http.ResponseWriter, _ *http.Request) {
		lines, err := o.Lines()
		answer(w, orNone(lines), err)
	})
	handle("POST /v1/service/lines/{id}/undo", func(w http.ResponseWriter, r *http.Request) {
		person := cmp.Or(r.URL.Query().Get("person"), personOf(r))
		if err := CheckPerson(&person); err != nil {
			problem.Write(w, err)
			return
		}
		line, err := o.Undo(r.PathValue("id"), person)
		answer(w, line, err)
	})
}

func (s *Server) startOp(w http.ResponseWriter, r *http.Request) {
	var req api.StartOp
	if !read(w, r, &req, &req.Person) {
		return
	}
	if req.Kind == "" {
		problem.Write(w, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "kind", What: "no operation named",
			Remedy: fmt.Sprintf("give %s, %s, %s, %s, %s, %s, %s or %s", api.OpPrime, api.OpPurge, api.OpRinse, api.OpClean, api.OpCalibrate, api.OpSelfTest, api.OpBrix, api.OpAgitate),
		})
		return
	}
	op, err := s.cfg.Ops.Start(r.Context(), req)
	if err != nil {
		problem.Write(w, err)
		return
	}
	if !s.holdOp(r, op.ID) { // the caller hung up while it was started
		_ = s.cfg.Ops.Stop(op.ID, StopLeaseLost) // it may have ended by itself
		return
	}
	w.Header().Set("Location", "/v1/service/ops/"+op.ID)
	writeJSON(w, http.StatusCreated, op)
}

// holdOp notes that r's connection carries the lease of operation id; false when that connection is gone already.
func (s *Server) holdOp(r *http.Request, id string) bool {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	if c == nil {
		return true // a handler without its server (tests): no connection to lose
	}
	s.ops.mu.Lock()
	defer s.ops.mu.Unlock()
	if r.Context().Err() != nil {
		return false
	}
	if s.ops.holder == nil || s.ops.holder[id] == nil { // a new one: one operation at a time
		s.ops.holder = map[string]net.Conn{}
	}
	s.ops.holder[id] = c
	return true
}

func (s *Server) releaseOp(id string) {
	s.ops.mu.Lock()
	defer s.ops.mu.Unlock()
	delete(s.ops.holder, id)
}

// opConnGone stops the operation whose lease c carried.
func (s *Server) opConnGone(c net.Conn) {
	s.ops.mu.Lock()
	var lost []string // one at most
	for id, h := range s.ops.holder {
		if h == c {
			lost = append(lost, id)
			delete(s.ops.holder, id)
		}
	}
	s.ops.mu.Unlock()
	for _, id := range lost {
		if err := s.cfg.Ops.Stop(id, StopLeaseLost); err != nil {
			s.cfg.Log.Warn("stop operation of lost connection", slog.String(logkey.Session, id), slog.Any(logkey.Err, err))
		}
	}
}

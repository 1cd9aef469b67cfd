package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"fountain/agent/api"
	"fountain/internal/problem"
)

func (f *fakeAgent) opRoutes(m *http.ServeMux) {
	m.HandleFunc("POST /v1/service/ops", func(w http.ResponseWriter, r *http.Request) {
		var in api.StartOp
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.refuse != nil {
			problem.Write(w, f.refuse)
			f.refuse = nil
			return
		}
		f.n++
		f.started = append(f.started, in)
		now := time.Now()
		o := &fakeOp{Op: api.Op{ID: fmt.Sprint("op", f.n), Kind: in.Kind, Line: in.Line}, script: f.script(in), since: now, beat: now}
		for _, st := range o.script {
			o.Steps = append(o.Steps, api.OpStep{Name: st.name, State: "waiting"})
		}
		o.Steps[0].State = "running"
		f.ops[o.ID], f.last = o, o.ID
		o.move(now)
		write(w, http.StatusCreated, o.Op)
	})
	find := func(w http.ResponseWriter, r *http.Request) *fakeOp {
		o := f.ops[r.PathValue("id")]
		if o == nil {
			refused(w, problem.CodeNotFound, "there is no such operation, or it is long over", "")
		}
		return o
	}
	m.HandleFunc("GET /v1/service/ops/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o := find(w, r); o != nil {
			write(w, 200, o.Op)
		}
	})
	m.HandleFunc("POST /v1/service/ops/{id}/beat", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o := find(w, r); o != nil {
			if o.Outcome != "" {
				refused(w, problem.CodeConflict, "this operation has ended", "")
				return
			}
			o.beat = time.Now()
			o.beats++
			w.WriteHeader(http.StatusNoContent)
		}
	})
	m.HandleFunc("POST /v1/service/ops/{id}/answer", func(w http.ResponseWriter, r *http.Request) {
		var in api.Answer
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		o := find(w, r)
		switch {
		case o == nil:
		case o.Outcome != "" || o.script[o.Step].ask == nil:
			refused(w, problem.CodeConflict, "nothing is asked", "")
		case !in.Yes && o.script[o.Step].ask.Kind == api.AskConfirm:
			f.answers = append(f.answers, in)
			o.end(api.OpStopped, "answered_no", "begin again when you are ready")
			write(w, 200, o.Op)
		default:
			f.answers = append(f.answers, in)
			o.next(time.Now(), "confirmed by screen")
			write(w, 200, o.Op)
		}
	})
	m.HandleFunc("DELETE /v1/service/ops/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o := f.ops[r.PathValue("id")]; o != nil && o.Outcome == "" {
			f.stopped++
			o.end(api.OpStopped, "stopped", "begin again when you are ready")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (f *fakeAgent) pourRoutes(m *http.ServeMux) {
	m.HandleFunc("POST /v1/pours", func(w http.ResponseWriter, r *http.Request) {
		var in api.StartPour
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		if in.Source != "service" || r.Header.Get(api.SessionHeader) != f.session {
			refused(w, problem.CodeUnavailable, "the unit is out of order: service", "")
			return
		}
		f.n++
		now := time.Now()
		q := &fakePour{Pour: api.Pour{ID: fmt.Sprint("pour", f.n), Beverage: in.Beverage, Phase: api.PhaseFlowing, TargetUL: in.TargetUL}, began: now, beat: now}
		f.pours[q.ID] = q
		write(w, http.StatusCreated, q.Pour)
	})
	m.HandleFunc("POST /v1/pours/{id}/beat", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if q := f.pours[r.PathValue("id")]; q != nil && q.Phase == api.PhaseFlowing {
			q.beat = time.Now()
			w.WriteHeader(http.StatusNoContent)
			return
		}
		refused(w, problem.CodeConflict, "the pour has ended", "")
	})
	m.HandleFunc("GET /v1/pours/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		write(w, 200, f.pours[r.PathValue("id")].Pour)
	})
	m.HandleFunc("DELETE /v1/pours/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if q := f.pours[r.PathValue("id")]; q != nil && q.Phase == api.PhaseFlowing {
			q.Phase, q.Outcome, q.Reason = api.PhaseDone, "stopped", "released"
			if why := r.URL.Query().Get("reason"); why != "" {
				q.Reason = why
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

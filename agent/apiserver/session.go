package apiserver

import (
	"context"
	"net/http"
	"strings"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// Sessions are the people who gave the PIN at the screen. Errors are *problem.Problem.
type Sessions interface {
	State() api.SessionState
	Open(req api.OpenSession) (api.Session, error)
	// Session does not prolong it.
	Session(id string) (api.Session, error)
	// Use names who acts with a session, or refuses with status 401; prolong says that the call is a sign of life.
	Use(id string, prolong bool) (person string, err error)
	Close(id string)
}

type personKey struct{}

type wizardKey struct{}

// ByWizard tells whether a call was let in without a session because no PIN was set when it began.
func ByWizard(ctx context.Context) bool { return ctx.Value(wizardKey{}) != nil }

// personOf is who acts by a session; empty on the service socket, where the body says it.
func personOf(r *http.Request) string {
	p, _ := r.Context().Value(personKey{}).(string)
	return p
}

// sessionRoutes serves sessions on the consumer's socket.
func (s *Server) sessionRoutes(mux *http.ServeMux) {
	o := s.cfg.Sessions
	if o == nil {
		return
	}
	mux.HandleFunc("GET /v1/session", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, o.State()) })
	mux.HandleFunc("POST /v1/session", func(w http.ResponseWriter, r *http.Request) {
		var req api.OpenSession
		err := readJSON(r, &req)
		var out api.Session
		if err == nil {
			out, err = o.Open(req)
		}
		if err != nil {
			problem.Write(w, err)
			return
		}
		writeJSON(w, http.StatusCreated, out)
	})
	mux.HandleFunc("GET /v1/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		out, err := o.Session(r.PathValue("id"))
		answer(w, out, err)
	})
	mux.HandleFunc("POST /v1/session/{id}/touch", func(w http.ResponseWriter, r *http.Request) {
		_, err := o.Use(r.PathValue("id"), true)
		var out api.Session
		if err == nil {
			out, err = o.Session(r.PathValue("id"))
		}
		answer(w, out, err)
	})
	mux.HandleFunc("DELETE /v1/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		o.Close(r.PathValue("id"))
		w.WriteHeader(http.StatusNoContent)
	})
}

// gate lets through to the service API on the consumer's socket who carries a session, and before a PIN was ever set
// whoever runs the first-run wizard. Reading is no sign of life: a screen that refreshes itself keeps nobody logged in.
func (s *Server) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := s.cfg.Sessions
		if o == nil {
			problem.Write(w, &problem.Problem{
				Code: problem.CodeForbidden, Where: r.URL.Path, What: "this socket serves the consumer's screen only",
				Remedy: "service work goes through " + api.ServiceSocket,
			})
			return
		}
		id := r.Header.Get(api.SessionHeader)
		person, ctx := api.PersonAtScreen, r.Context()
		if id == "" && isSetup(r.URL.Path) && o.State().Setup {
			ctx = context.WithValue(ctx, wizardKey{}, true)
		} else {
			var err error
			if person, err = o.Use(id, r.Method != http.MethodGet); err != nil {
				problem.Write(w, err)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, personKey{}, person)))
	})
}

func isSetup(path string) bool {
	const setup = "/v1/service/setup"
	return path == setup || strings.HasPrefix(path, setup+"/")
}

// inService tells whether r may pour for service: on the service socket, or with a session.
func (s *Server) inService(r *http.Request, service bool) bool {
	if service || s.cfg.Sessions == nil {
		return service
	}
	id := r.Header.Get(api.SessionHeader)
	if id == "" {
		return false
	}
	_, err := s.cfg.Sessions.Use(id, true)
	return err == nil
}

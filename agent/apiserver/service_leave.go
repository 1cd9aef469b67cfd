package apiserver

import (
	"context"
	"net/http"

	"fountain/agent/api"
)

// Leave takes a unit out of service, and back. Errors are *problem.Problem.
type Leave interface {
	State() api.Leaving
	Leave(ctx context.Context, in api.Decommission) (api.Leaving, error)
	Return(ctx context.Context, in api.Recommission) (api.Leaving, error)
}

func (s *Server) leaveRoutes(mux *http.ServeMux) {
	l := s.cfg.Admin.Leave
	mux.HandleFunc("GET /v1/service/decommission", func(w http.ResponseWriter, _ *http.Request) {
		if there(w, "decommissioning", l != nil) {
			answer(w, l.State(), nil)
		}
	})
	mux.HandleFunc("POST /v1/service/decommission", func(w http.ResponseWriter, r *http.Request) {
		var in api.Decommission
		if there(w, "decommissioning", l != nil) && read(w, r, &in, &in.Person) {
			out, err := l.Leave(r.Context(), in)
			answer(w, out, err)
		}
	})
	mux.HandleFunc("POST /v1/service/recommission", func(w http.ResponseWriter, r *http.Request) {
		var in api.Recommission
		if there(w, "decommissioning", l != nil) && read(w, r, &in, &in.Person) {
			out, err := l.Return(r.Context(), in)
			answer(w, out, err)
		}
	})
}

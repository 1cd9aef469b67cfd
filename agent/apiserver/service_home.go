package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// Home is the service home and the network page.
type Home interface {
	Overview(ctx context.Context) (api.Overview, error)
	Network() api.Network
	SetProxy(in api.SetProxy) (api.Network, error)
}

// Logs are the last lines of the unit's log.
type Logs interface {
	Logs(since uint64, level string) (api.Logs, error)
}

// Settings are the configuration.
type Settings interface {
	List() ([]api.ConfigValue, error)
	// Set takes a technician's keys only.
	Set(key string, in api.SetConfig) (api.ConfigValue, error)
}

// Diag makes diagnostics.
type Diag interface {
	File(ctx context.Context) ([]byte, error)
	Short(ctx context.Context) (string, error)
}

// homeRoutes serves what the service home and its pages show.
func (s *Server) homeRoutes(mux *http.ServeMux) {
	a := s.cfg.Admin
	mux.HandleFunc("GET /v1/service/overview", func(w http.ResponseWriter, r *http.Request) {
		if there(w, "the overview", a.Home != nil) {
			out, err := a.Home.Overview(r.Context())
			answer(w, out, err)
		}
	})
	mux.HandleFunc("GET /v1/service/network", func(w http.ResponseWriter, _ *http.Request) {
		if there(w, "the network", a.Home != nil) {
			answer(w, a.Home.Network(), nil)
		}
	})
	mux.HandleFunc("PUT /v1/service/network/proxy", func(w http.ResponseWriter, r *http.Request) {
		var in api.SetProxy
		if there(w, "the network", a.Home != nil) && read(w, r, &in, &in.Person) {
			out, err := a.Home.SetProxy(in)
			answer(w, out, err)
		}
	})
	mux.HandleFunc("GET /v1/service/logs", func(w http.ResponseWriter, r *http.Request) {
		if !there(w, "the log", a.Logs != nil) {
			return
		}
		q := r.URL.Query()
		since, err := uint64(0), error(nil)
		if v := q.Get("since"); v != "" {
			if since, err = strconv.ParseUint(v, 10, 64); err != nil {
				problem.Write(w, &problem.Problem{
					Code: problem.CodeBadRequest, Where: "since", What: fmt.Sprintf("%q is no line's number", v), Remedy: "give next of the last answer, or 0",
				})
				return
			}
		}
		out, err := a.Logs.Logs(since, q.Get("level"))
		answer(w, out, err)
	})
	mux.HandleFunc("GET /v1/service/config", func(w http.ResponseWriter, _ *http.Request) {
		if there(w, "the configuration", a.Settings != nil) {
			list, err := a.Settings.List()
			answer(w, orNone(list), err)
		}
	})
	mux.HandleFunc("PUT /v1/service/config/{key}", func(w http.ResponseWriter, r *http.Request) {
		var in api.SetConfig
		if there(w, "the configuration", a.Settings != nil) && read(w, r, &in, &in.Person) {
			out, err := a.Settings.Set(r.PathValue("key"), in)
			answer(w, out, err)
		}
	})
	mux.HandleFunc("GET /v1/service/diag", func(w http.ResponseWriter, r *http.Request) {
		if !there(w, "diagnostics", a.Diag != nil) {
			return
		}
		if r.URL.Query().Get("short") != "" {
			text, err := a.Diag.Short(r.Context())
			send(w, "text/plain; charset=utf-8", []byte(text), err)
			return
		}
		body, err := a.Diag.File(r.Context())
		send(w, "application/gzip", body, err)
	})
}

// send answers with a document that is no JSON.
func send(w http.ResponseWriter, kind string, body []byte, err error) {
	if err != nil {
		problem.Write(w, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) // the client may be gone
}

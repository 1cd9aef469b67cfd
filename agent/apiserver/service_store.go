package apiserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// Store is the pour buffer.
type Store interface {
	State() api.StoreState
	// Pours writes records, one a line; log empty: all logs.
	Pours(ctx context.Context, log string, from uint64, w io.Writer) error
	// Quarantine writes an api.QuarantinedPour a line.
	Quarantine(ctx context.Context, w io.Writer) error
	Release(in api.ReleasePours) (api.Released, error)
	Backup(ctx context.Context, w io.Writer) error
}

// storeRoutes serves the pour buffer.
func (s *Server) storeRoutes(mux *http.ServeMux) {
	st := s.cfg.Admin.Store
	mux.HandleFunc("GET /v1/service/store", func(w http.ResponseWriter, _ *http.Request) {
		if there(w, "the store", st != nil) {
			answer(w, st.State(), nil)
		}
	})
	mux.HandleFunc("GET /v1/service/store/pours", func(w http.ResponseWriter, r *http.Request) {
		if !there(w, "the store", st != nil) {
			return
		}
		q := r.URL.Query()
		from, err := uint64(1), error(nil)
		if v := q.Get("from"); v != "" {
			if from, err = strconv.ParseUint(v, 10, 64); err != nil {
				problem.Write(w, &problem.Problem{
					Code: problem.CodeBadRequest, Where: "from", What: fmt.Sprintf("%q is no number of a record", v), Remedy: "give the first one you want",
				})
				return
			}
		}
		stream(w, "application/jsonl", func(w io.Writer) error { return st.Pours(r.Context(), q.Get("log"), from, w) })
	})
	mux.HandleFunc("GET /v1/service/store/quarantine", func(w http.ResponseWriter, r *http.Request) {
		if there(w, "the store", st != nil) {
			stream(w, "application/jsonl", func(w io.Writer) error { return st.Quarantine(r.Context(), w) })
		}
	})
	mux.HandleFunc("POST /v1/service/store/release", func(w http.ResponseWriter, r *http.Request) {
		var in api.ReleasePours
		if there(w, "the store", st != nil) && read(w, r, &in, &in.Person) {
			out, err := st.Release(in)
			answer(w, out, err)
		}
	})
	mux.HandleFunc("GET /v1/service/store/backup", func(w http.ResponseWriter, r *http.Request) {
		if there(w, "the store", st != nil) {
			stream(w, "application/gzip", func(w io.Writer) error { return st.Backup(r.Context(), w) })
		}
	})
}

// stream answers with a document that is made while it is sent. What fails before its first byte is told as ever; later
// the connection is cut, so that nobody takes half of it for the whole.
func stream(w http.ResponseWriter, kind string, write func(io.Writer) error) {
	out := &late{w: w, kind: kind}
	err := write(out)
	switch {
	case err == nil:
		_, _ = out.Write(nil) // an empty document has a kind too; the client may be gone
	case !out.began:
		problem.Write(w, err)
	default:
		panic(http.ErrAbortHandler)
	}
}

// late sets the header with the first byte.
type late struct {
	w     http.ResponseWriter
	kind  string
	began bool
}

// Write implements io.Writer.
func (l *late) Write(b []byte) (int, error) {
	if !l.began {
		l.began = true
		l.w.Header().Set("Content-Type", l.kind)
		l.w.WriteHeader(http.StatusOK)
	}
	return l.w.Write(b)
}

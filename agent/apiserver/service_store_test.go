package apiserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/problem"
)

// buffer is a pour buffer whose streams fail when told so: before their first byte or behind it.
type buffer struct {
	*admin
	early, late error
}

func (b buffer) State() api.StoreState { return api.StoreState{Pending: 7} }

func (b buffer) write(w io.Writer, s string) error {
	if b.early != nil {
		return b.early
	}
	if _, err := io.WriteString(w, s); err != nil {
		return err
	}
	return b.late
}

func (b buffer) Pours(_ context.Context, log string, from uint64, w io.Writer) error {
	b.note("pours", log, fmt.Sprint(from))
	return b.write(w, "{}\n")
}
func (b buffer) Quarantine(_ context.Context, w io.Writer) error { return b.write(w, "") }

func (b buffer) Release(in api.ReleasePours) (api.Released, error) {
	b.note("release", in.Log, fmt.Sprint(in.Seqs), in.Person)
	return api.Released{Released: len(in.Seqs)}, nil
}
func (b buffer) Backup(_ context.Context, w io.Writer) error { return b.write(w, "gz") }

func TestStoreRoutes(t *testing.T) {
	refused := &problem.Problem{Code: problem.CodeNotFound, What: "no such log"}
	for _, c := range []struct {
		name, method, path, body string
		buffer                   buffer
		bare                     bool
		status                   int
		kind, says, did          string
	}{
		{name: "state", method: "GET", status: 200, kind: "application/json", says: `"pending":7`},
		{name: "pours", method: "GET", path: "/pours?log=l1&from=5", status: 200, kind: "application/jsonl", says: "{}\n", did: "pours l1 5"},
		{name: "all pours", method: "GET", path: "/pours", status: 200, kind: "application/jsonl", did: "pours  1"},
		{name: "no number", method: "GET", path: "/pours?from=x", status: 400, says: "no number"},
		{name: "no such log", method: "GET", path: "/pours?log=x", buffer: buffer{early: refused}, status: 404, says: "no such log", did: "pours x 1"},
		{name: "nothing set aside", method: "GET", path: "/quarantine", status: 200, kind: "application/jsonl"},
		{name: "release", method: "POST", path: "/release", body: `{"log":"l1","seqs":[3,4],"person":"ada"}`, status: 200, says: `"released":2`, did: "release l1 [3 4] ada"},
		{name: "release by nobody", method: "POST", path: "/release", body: `{"log":"l1"}`, status: 400, says: "nobody is named"},
		{name: "backup", method: "GET", path: "/backup", status: 200, kind: "application/gzip", says: "gz"},
		{name: "backup that cannot begin", method: "GET", path: "/backup", buffer: buffer{early: errors.New("no")}, status: 500},
		{name: "an old agent", method: "GET", bare: true, status: 409, says: "cannot do that"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &admin{}
			c.buffer.admin = a
			cfg := apiserver.Config{Log: slog.New(slog.DiscardHandler), Admin: apiserver.Admin{Store: c.buffer}}
			if c.bare {
				cfg.Admin.Store = nil
			}
			r := httptest.NewRequest(c.method, "http://fountain/v1/service/store"+c.path, strings.NewReader(c.body))
			if c.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			apiserver.New(cfg, nil, nil).Handler(true).ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || c.kind != "" && w.Header().Get("Content-Type") != c.kind {
				t.Errorf("%d %s of %s", w.Code, w.Body, w.Header().Get("Content-Type"))
			}
			if got := strings.Join(a.got, ","); got != c.did {
				t.Errorf("did %q, want %q", got, c.did)
			}
		})
	}
}

// A document that breaks off is never taken for a whole one.
func TestBrokenStreamIsAnError(t *testing.T) {
	for _, late := range []error{nil, errors.New("a sector cannot be read")} {
		s := apiserver.New(apiserver.Config{Log: slog.New(slog.DiscardHandler), Admin: apiserver.Admin{Store: buffer{admin: &admin{}, late: late}}}, nil, nil)
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: s.Handler(true), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		done := make(chan struct{})
		go func() { defer close(done); _ = srv.Serve(l) }()
		c := api.NewClient(l.Addr().String())
		var out bytes.Buffer
		if err := c.StoreBackup(t.Context(), &out); (err == nil) != (late == nil) {
			t.Errorf("the stream failed with %v, the client says %v with %q", late, err, &out)
		}
		c.Close()
		_ = srv.Close()
		<-done
	}
}

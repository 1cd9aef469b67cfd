package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/internal/problem"
)

func write(w http.ResponseWriter, code int, v any) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func refused(w http.ResponseWriter, code, what, remedy string) {
	problem.Write(w, &problem.Problem{Code: code, What: what, Remedy: remedy})
}

func (f *fakeAgent) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/catalogue", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(f.cat) })
	m.HandleFunc("GET /v1/session", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		write(w, 200, api.SessionState{PINSet: f.pin != "", Setup: f.pin == "", Open: f.session != "", WaitMS: max(0, time.Until(f.wait).Milliseconds()), Locked: f.locked})
	})
	m.HandleFunc("POST /v1/session", f.open)
	m.HandleFunc("GET /v1/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.session == "" || r.PathValue("id") != f.session {
			refused(w, problem.CodeNotFound, "the session is over", "")
			return
		}
		write(w, 200, api.Session{ID: f.session})
	})
	m.HandleFunc("POST /v1/session/{id}/touch", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.session == "" || r.PathValue("id") != f.session {
			refused(w, problem.CodeForbidden, "nobody is logged in with this session", "")
			return
		}
		write(w, 200, api.Session{ID: f.session})
	})
	m.HandleFunc("DELETE /v1/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if r.PathValue("id") == f.session {
			f.session = ""
		}
		w.WriteHeader(http.StatusNoContent)
	})
	f.serviceRoutes(m)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.calls[r.Method+" "+r.URL.Path]++
		setup := f.pin == "" && strings.HasPrefix(r.URL.Path, "/v1/service/setup")
		allowed := !strings.HasPrefix(r.URL.Path, "/v1/service/") || setup || f.session != "" && r.Header.Get(api.SessionHeader) == f.session
		f.mu.Unlock()
		if !allowed {
			refused(w, problem.CodeForbidden, "service work needs a session", "")
			return
		}
		m.ServeHTTP(w, r)
	})
}

func (f *fakeAgent) open(w http.ResponseWriter, r *http.Request) {
	var in api.OpenSession
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case time.Now().Before(f.wait):
		refused(w, problem.CodeBusy, "too early", "wait")
	case in.PIN != f.pin:
		f.wrong++
		if f.wrong >= 2 {
			f.wait = time.Now().Add(1200 * time.Millisecond)
		}
		refused(w, problem.CodeForbidden, "that PIN is wrong", "")
	default:
		f.n++
		f.session = fmt.Sprintf("session-%d", f.n)
		write(w, http.StatusCreated, api.Session{ID: f.session, Person: "screen", LeftMS: api.SessionIdle.Milliseconds()})
	}
}

func (f *fakeAgent) serviceRoutes(m *http.ServeMux) {
	read := func(path string, what func() any) {
		m.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			write(w, 200, what())
		})
	}
	read("/v1/service/overview", func() any { return f.overview })
	read("/v1/service/lines", func() any { return f.lines })
	read("/v1/service/cartridges", func() any { return f.slots })
	read("/v1/service/alarms", func() any { return f.alarms })
	read("/v1/service/setup", func() any { return f.setup })
	read("/v1/service/network", func() any { return f.network })
	read("/v1/service/audit", func() any { return f.audit })
	read("/v1/service/config", func() any {
		return []api.ConfigValue{{Key: "cloud.proxy", Value: "none", Next: "http://10.0.0.1:3128"}}
	})
	m.HandleFunc("GET /v1/service/logs", func(w http.ResponseWriter, r *http.Request) {
		order := []string{"debug", "info", "warn", "error"}
		f.mu.Lock()
		defer f.mu.Unlock()
		var since uint64
		_, _ = fmt.Sscan(r.URL.Query().Get("since"), &since)
		out := api.Logs{Next: uint64(len(f.logs)), Entries: []api.LogLine{}}
		for _, l := range f.logs {
			if l.N > since && slices.Index(order, l.Level) >= slices.Index(order, r.URL.Query().Get("level")) {
				out.Entries = append(out.Entries, l)
			}
		}
		write(w, 200, out)
	})
	m.HandleFunc("GET /v1/service/diag", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if r.URL.Query().Get("short") != "" {
			_, _ = w.Write([]byte(f.short))
			return
		}
		_, _ = w.Write(f.diag)
	})
	m.HandleFunc("PUT /v1/service/network/proxy", func(w http.ResponseWriter, r *http.Request) {
		var in api.SetProxy
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		if in.Proxy != "" && !strings.Contains(in.Proxy[min(7, len(in.Proxy)):], ":") {
			refused(w, problem.CodeBadRequest, "a proxy needs a port", "write http://host:port")
			return
		}
		f.network.NextProxy = in.Proxy
		if in.Proxy == "" {
			f.network.NextProxy = "none"
		}
		write(w, 200, f.network)
	})
	m.HandleFunc("POST /v1/service/setup/{step}", f.answerSetup)
	m.HandleFunc("PUT /v1/service/cartridges/{slot}", func(w http.ResponseWriter, r *http.Request) {
		var in api.CartridgeChange
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		if in.Action == "removed" {
			write(w, 200, api.Cartridge{Slot: r.PathValue("slot"), State: "absent"})
			return
		}
		write(w, 200, f.read)
	})
	m.HandleFunc("POST /v1/service/alarms/clear", func(w http.ResponseWriter, r *http.Request) {
		var in api.ClearAlarm
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.stands[in.Name] {
			refused(w, problem.CodeUnsafe, "its cause still stands: the flow meter flow_still does not count", "check the meter and its wire")
			return
		}
		f.alarms = slices.DeleteFunc(f.alarms, func(a api.Alarm) bool { return a.Name == in.Name && a.Scope == in.Scope })
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("POST /v1/service/lines/{id}/undo", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.lines {
			l := &f.lines[i]
			if l.ID != r.PathValue("id") {
				continue
			}
			l.Calibration = nil
			if len(l.History) > 0 {
				l.Calibration, l.History = &l.History[0], l.History[1:]
			}
			write(w, 200, l)
			return
		}
		refused(w, problem.CodeNotFound, "there is no such line in service", "")
	})
	f.opRoutes(m)
	f.pourRoutes(m)
}

func (f *fakeAgent) answerSetup(w http.ResponseWriter, r *http.Request) {
	var in api.SetupAnswer
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.PathValue("step")
	if id == api.SetupPIN {
		f.pin = in.Value
	}
	for i := range f.setup.Steps {
		if st := &f.setup.Steps[i]; st.ID == id {
			st.State, st.What = "done", "it is "+in.Value
		}
	}
	f.setup.Done = !slices.ContainsFunc(f.setup.Steps, func(st api.SetupStep) bool { return st.State != "done" })
	write(w, 200, f.setup)
}

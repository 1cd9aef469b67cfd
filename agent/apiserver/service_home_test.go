package apiserver_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/localhttp"
	"fountain/internal/problem"
)

type pages struct{ *admin }

func (pages) Overview(context.Context) (api.Overview, error) { return api.Overview{Place: "here"}, nil }
func (pages) Network() api.Network                           { return api.Network{Cloud: "online"} }

func (p pages) SetProxy(in api.SetProxy) (api.Network, error) {
	p.note("proxy", in.Proxy, in.Person)
	return api.Network{}, nil
}

func (p pages) Logs(since uint64, level string) (api.Logs, error) {
	p.note("logs", level)
	return api.Logs{Next: since + 1}, nil
}

func (pages) List() ([]api.ConfigValue, error) { return nil, nil }

func (p pages) Set(key string, in api.SetConfig) (api.ConfigValue, error) {
	p.note(key, in.Value, in.Person)
	return api.ConfigValue{Key: key}, nil
}

func (pages) File(context.Context) ([]byte, error) { return []byte("gz"), nil }
func (pages) Short(context.Context) (string, error) {
	return "", &problem.Problem{Code: problem.CodeUnavailable, What: "no"}
}

// door is who is logged in: "good".
type door struct{ *admin }

func (door) State() api.SessionState { return api.SessionState{PINSet: true} }

func (d door) Open(req api.OpenSession) (api.Session, error) {
	d.note("open", req.PIN, req.Person)
	return api.Session{ID: "good"}, nil
}

func (d door) Session(id string) (api.Session, error) {
	if id != "good" {
		return api.Session{}, &problem.Problem{Code: problem.CodeNotFound, What: "over"}
	}
	return api.Session{ID: id}, nil
}

func (d door) Use(id string, prolong bool) (string, error) {
	if id != "good" {
		return "", &problem.Problem{Code: problem.CodeForbidden, Status: 401, What: "no session"}
	}
	if prolong {
		d.note("sign of life")
	}
	return "ann", nil
}

func (d door) Close(id string) { d.note("close", id) }

func TestServicePages(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body, session string
		status                            int
		says, did                         string
	}{
		{"overview", "GET", "/v1/service/overview", "", "good", 200, `"place":"here"`, ""}, // reading is no sign of life
		{"no session", "GET", "/v1/service/overview", "", "", 401, "no session", ""},
		{"wrong session", "GET", "/v1/service/overview", "", "bad", 401, "no session", ""},
		{"network", "GET", "/v1/service/network", "", "good", 200, `"cloud":"online"`, ""},
		{"proxy", "PUT", "/v1/service/network/proxy", `{"proxy":"http://p:1"}`, "good", 200, "", "sign of life,proxy http://p:1 ann"},
		{"proxy by name", "PUT", "/v1/service/network/proxy", `{"proxy":"http://p:1","person":"bob"}`, "good", 200, "", "sign of life,proxy http://p:1 bob"},
		{"unknown field", "PUT", "/v1/service/network/proxy", `{"url":"http://p:1"}`, "good", 400, "", "sign of life"},
		{"proxy without session", "PUT", "/v1/service/network/proxy", `{"proxy":"http://p:1"}`, "", 401, "", ""},
		{"logs", "GET", "/v1/service/logs?since=41&level=warn", "", "good", 200, `"next":42`, "logs warn"},
		{"logs, no number", "GET", "/v1/service/logs?since=x", "", "good", 400, "no line's number", ""},
		{"settings", "GET", "/v1/service/config", "", "good", 200, "[]", ""},
		{"setting", "PUT", "/v1/service/config/unit.units", `{"value":"both"}`, "good", 200, `"key":"unit.units"`, "sign of life,unit.units both ann"},
		{"diag", "GET", "/v1/service/diag", "", "good", 200, "gz", ""},
		{"short diag", "GET", "/v1/service/diag?short=1", "", "good", 409, "no", ""},
		{"no such page", "GET", "/v1/service/secrets", "", "good", 404, "no such call", ""},
		{"no such page, no session", "GET", "/v1/service/secrets", "", "", 401, "", ""},
		{"setup with a PIN", "GET", "/v1/service/setup", "", "", 401, "", ""},
		{"state", "GET", "/v1/session", "", "", 200, `"pin_set":true`, ""},
		{"open", "POST", "/v1/session", `{"pin":"123456","person":"ann"}`, "", 201, `"id":"good"`, "open 123456 ann"},
		{"open with more", "POST", "/v1/session", `{"pin":"123456","root":true}`, "", 400, "", ""},
		{"touch", "POST", "/v1/session/good/touch", "", "", 200, `"id":"good"`, "sign of life"},
		{"touch what is over", "POST", "/v1/session/bad/touch", "", "", 401, "", ""},
		{"close", "DELETE", "/v1/session/bad", "", "", 204, "", "close bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &admin{}
			p := pages{a}
			h := apiserver.New(apiserver.Config{
				Sessions: door{a}, Admin: apiserver.Admin{Home: p, Logs: p, Settings: p, Diag: p, Setup: wizard{a}},
			}, nil, nil).Handler(false)
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Host = localhttp.UnixHost
			if c.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			if c.session != "" {
				r.Header.Set(api.SessionHeader, c.session)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s, want %d with %s", w.Code, w.Body, c.status, c.says)
			}
			if got := strings.Join(a.got, ","); got != c.did {
				t.Errorf("did %q, want %q", got, c.did)
			}
		})
	}
	bare := apiserver.New(apiserver.Config{}, nil, nil).Handler(true)
	for _, path := range []string{"overview", "network", "logs", "config", "diag"} {
		r := httptest.NewRequest("GET", "/v1/service/"+path, nil)
		r.Host = localhttp.UnixHost
		w := httptest.NewRecorder()
		bare.ServeHTTP(w, r)
		if w.Code != 409 {
			t.Errorf("%s of an agent without it: %d", path, w.Code)
		}
	}
}

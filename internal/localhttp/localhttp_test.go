package localhttp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func TestProtect(t *testing.T) {
	h := Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), "kiosk.example")
	for _, tc := range []struct {
		name, method, host string
		header             map[string]string
		want               int
	}{
		{"own page posts", "POST", "127.0.0.1:8081", map[string]string{"Origin": "http://127.0.0.1:8081", "Sec-Fetch-Site": "same-origin"}, 204},
		{"no browser", "POST", "localhost:8081", nil, 204},
		{"ipv6 loopback", "GET", "[::1]:8081", nil, 204},
		{"allowed name", "GET", "kiosk.example:80", nil, 204},
		{"foreign page posts", "POST", "127.0.0.1:8081", map[string]string{"Origin": "https://evil.example"}, 403},
		{"foreign page posts, modern browser", "POST", "127.0.0.1:8081", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"other port of this host posts", "POST", "127.0.0.1:8081", map[string]string{"Origin": "http://127.0.0.1:9999", "Sec-Fetch-Site": "same-site"}, 403},
		{"foreign page deletes", "DELETE", "127.0.0.1:8081", map[string]string{"Origin": "null"}, 403},
		{"foreign page reads", "GET", "127.0.0.1:8081", map[string]string{"Origin": "https://evil.example"}, 403},
		{"foreign page embeds", "GET", "127.0.0.1:8081", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403},
		{"link from elsewhere", "GET", "127.0.0.1:8081", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 204},
		{"rebound name", "GET", "evil.example:8081", nil, 403},
		{"rebound name posts", "POST", "evil.example", map[string]string{"Origin": "http://evil.example"}, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "http://"+tc.host+"/v1/pours", nil)
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.want, w.Body)
			}
		})
	}
}

func TestRequireToken(t *testing.T) {
	h := RequireToken("right", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	ask := func(path string, c *http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8081"+path, nil)
		if c != nil {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := ask("/", nil); w.Code != 403 {
		t.Fatalf("without token: %d", w.Code)
	}
	if w := ask("/?token=wrong", nil); w.Code != 403 {
		t.Fatalf("wrong token: %d", w.Code)
	}
	w := ask("/?token=right", nil)
	if w.Code != 204 || len(w.Result().Cookies()) != 1 {
		t.Fatalf("right token: %d, cookies %v", w.Code, w.Result().Cookies())
	}
	c := w.Result().Cookies()[0]
	if c.SameSite != http.SameSiteStrictMode || !c.HttpOnly {
		t.Fatalf("cookie is not strict: %v", c)
	}
	if w := ask("/touch", c); w.Code != 204 {
		t.Fatalf("with cookie: %d", w.Code)
	}
}

func TestJSONOnly(t *testing.T) {
	h := JSONOnly(16, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 64)
		if _, err := r.Body.Read(b); err != nil && strings.Contains(err.Error(), "too large") {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, tc := range []struct {
		typ, body string
		want      int
	}{
		{"application/json", "{}", 204},
		{"application/json; charset=utf-8", "{}", 204},
		{"text/plain", "{}", 415},
		{"application/x-www-form-urlencoded", "a=b", 415},
		{"", "{}", 415},
		{"application/json", strings.Repeat("x", 40), 413},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.typ)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%q %q: status %d, want %d", tc.typ, tc.body, w.Code, tc.want)
		}
	}
}

func TestListenInUse(t *testing.T) {
	l, err := Listen("127.0.0.1:0", "--http")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Listen(l.Addr().String(), "--http")
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeAddrInUse || !strings.Contains(p.Where, l.Addr().String()) {
		t.Fatalf("got %v", err)
	}
}

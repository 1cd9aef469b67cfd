package desk

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// TestPourReachesTheCloud is the main job: a portion is poured, the cup holds it, the cloud has the record once.
func TestPourReachesTheCloud(t *testing.T) {
	d, u := startDesk(t, nil)
	u.awaitReady(t)
	var p api.Pour
	attempt := 1
	for before := ""; ; attempt++ {
		var err error
		if p, err = u.client(t).Hold(t.Context(), api.StartPour{Beverage: "kolvane.zero", TargetUL: 240_000, Mode: api.ModePortion, Source: wire.SourceService}, nil); err != nil {
			t.Fatal(err)
		}
		if p.Outcome == string(wire.Completed) {
			break
		}
		u.stalled(t, before, attempt)
		before = p.ID
	}
	ended := time.Now()
	r := d.recordOf(t, p.ID)
	t.Logf("in the cloud %v after the pour settled: %d µL counted", time.Since(ended).Round(time.Millisecond), r.CountedUL)
	s, err := u.plant(t).State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != wire.Completed || !within(r.CountedUL, s.Cup.TotalUL) || !within(s.Cup.TotalUL, 240_000) {
		t.Errorf("record %+v; cup %d µL", r, s.Cup.TotalUL)
	}
	if r.Rig != "sim" || r.Seq != uint64(attempt) || !strings.Contains(r.Thing, u.Serial) {
		t.Errorf("identity of the record: %s %s %d %s", r.Thing, r.Log, r.Seq, r.Rig)
	}
	if s.Master.Open || s.SpilledUL != 0 {
		t.Errorf("after the pour: MASTER open %v, %d µL spilled", s.Master.Open, s.SpilledUL)
	}
}

// TestForeignPagesAreRefused sends what a foreign or rebound page could send to every HTTP server. Each request carries
// the token, so that nothing but its origin or host is wrong with it; the same request from the server's own page is let in.
func TestForeignPagesAreRefused(t *testing.T) {
	d, u := startDesk(t, func(c *Config) { c.NoUI = false })
	u.awaitReady(t)
	e, err := ReadEndpoints(filepath.Join(d.dir, "cloud", "endpoints.json"))
	if err != nil {
		t.Fatal(err)
	}
	const pour = `{"beverage":"house-water.still","target_ul":120000,"mode":"portion","source":"touch"}`
	for _, server := range []struct {
		name, url, socket string
		calls             []string // method and path, and body
		own               string   // the call of them that the own page may make
	}{
		{name: "console", url: e.Console, calls: []string{"GET /", "GET /api/pours", "POST /api/pours {}"}, own: "GET /api/pours"},
		{name: "screen", url: u.UI.URL(), calls: []string{"GET /tree", "GET /stream?client=x", `POST /touch {"client":"x","events":[]}`}, own: "GET /tree"},
		{name: "panel", url: u.Plant.URL(), calls: []string{"GET /v1/state", `POST /v1/faults {"kind":"e-stop","on":true}`, `POST /v1/cup {"do":"new"}`}, own: "GET /v1/state"},
		{name: "agent socket", url: "http://fountain/", socket: u.Socket(api.AgentSocket), calls: []string{"GET /v1/snapshot", "POST /v1/pours " + pour}, own: "GET /v1/snapshot"},
		{name: "service socket", url: "http://fountain/", socket: u.Socket(api.ServiceSocket), calls: []string{"GET /v1/snapshot", "POST /v1/pours " + pour}, own: "GET /v1/snapshot"},
	} {
		client := http.DefaultClient
		if server.socket != "" {
			client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", server.socket)
			}}}
		}
		ask := func(call string, change func(*http.Request)) (int, problem.Problem) {
			t.Helper()
			page, err := url.Parse(server.url)
			if err != nil {
				t.Fatal(err)
			}
			method, rest, _ := strings.Cut(call, " ")
			path, body, _ := strings.Cut(rest, " ")
			page = page.ResolveReference(&url.URL{Path: "/", RawQuery: page.RawQuery})
			path, query, _ := strings.Cut(path, "?")
			page.Path, page.RawQuery = path, strings.Trim(page.RawQuery+"&"+query, "&")
			r, err := http.NewRequestWithContext(t.Context(), method, page.String(), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			change(r)
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var p problem.Problem
			if resp.StatusCode != http.StatusOK {
				_ = json.NewDecoder(resp.Body).Decode(&p) // what is no problem leaves it empty, and the test says so
			}
			return resp.StatusCode, p
		}
		if code, p := ask(server.own, func(*http.Request) {}); code != http.StatusOK {
			t.Errorf("%s: its own page is refused: %d %v", server.name, code, &p)
		}
		for _, call := range server.calls {
			for where, change := range map[string]func(*http.Request){
				"Origin: https://evil.example": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
				"Origin: ":                     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
				"Host: evil.example":           func(r *http.Request) { r.Host = "evil.example" },
			} {
				if code, p := ask(call, change); code != http.StatusForbidden || p.Where != where {
					t.Errorf("%s: %s with %q: %d at %q, want 403 at %q", server.name, call, where, code, p.Where, where)
				}
			}
		}
	}
	s, err := u.plant(t).State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Faults) != 0 || s.Cup.TotalUL != 0 || s.Master.Commanded {
		t.Errorf("a foreign page changed the plant: %+v, %d µL", s.Faults, s.Cup.TotalUL)
	}
}

func TestRefusals(t *testing.T) {
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("directory in use", func(t *testing.T) {
		d, _ := startDesk(t, nil)
		_, err := Start(t.Context(), Config{Dir: d.dir, Bin: bin, NoUI: true})
		if p := problem.From(err); p.Code != problem.CodeConflict || p.Where != d.dir {
			t.Errorf("got %v", err)
		}
	})
	t.Run("port in use", func(t *testing.T) {
		d, _ := startDesk(t, nil)
		e, err := ReadEndpoints(filepath.Join(d.dir, "cloud", "endpoints.json"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Start(t.Context(), Config{Dir: t.TempDir(), Bin: bin, NoUI: true, MQTT: strings.Replace(e.MQTT, "localhost", "127.0.0.1", 1)})
		if err == nil || !strings.Contains(err.Error(), "already in use: --mqtt "+strings.Replace(e.MQTT, "localhost", "127.0.0.1", 1)) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("directory not writable", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), Config{Dir: filepath.Join(file, "x"), Bin: bin, NoUI: true})
		if p := problem.From(err); p.Code != problem.CodeNotWritable {
			t.Errorf("got %v", err)
		}
	})
	t.Run("binary missing", func(t *testing.T) {
		_, err := Start(t.Context(), Config{Dir: t.TempDir(), Bin: t.TempDir(), NoUI: true})
		if p := problem.From(err); p.Code != problem.CodeBadConfig || !strings.Contains(p.Remedy, "make build") {
			t.Errorf("got %v", err)
		}
	})
}

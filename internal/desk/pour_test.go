package desk

import (
	"context"
	"net/http"
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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := u.client(t).Hold(ctx, api.StartPour{Beverage: "kolvane.zero", TargetUL: 240_000, Mode: api.ModePortion, Source: wire.SourceService}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	r := d.recordOf(t, p.ID, 10*time.Second)
	t.Logf("in the cloud %v after the pour settled: %d µL counted", time.Since(ended).Round(time.Millisecond), r.CountedUL)
	s, err := u.plant(t).State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != wire.Completed || !within(r.CountedUL, s.Cup.TotalUL) || !within(s.Cup.TotalUL, 240_000) {
		t.Errorf("record %+v; cup %d µL", r, s.Cup.TotalUL)
	}
	if r.Rig != "sim" || r.Seq != 1 || !strings.Contains(r.Thing, u.Serial) {
		t.Errorf("identity of the record: %s %s %d %s", r.Thing, r.Log, r.Seq, r.Rig)
	}
	if s.Master.Open || s.SpilledUL != 0 {
		t.Errorf("after the pour: MASTER open %v, %d µL spilled", s.Master.Open, s.SpilledUL)
	}
}

// TestForeignPagesAreRefused sends what a foreign or rebound page could send to every HTTP server.
func TestForeignPagesAreRefused(t *testing.T) {
	d, u := startDesk(t, func(c *Config) { c.NoUI = false })
	e, err := ReadEndpoints(filepath.Join(d.dir, "cloud", "endpoints.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{e.Console, u.UI.URL(), u.Plant.URL()} {
		base, _, _ := strings.Cut(base, "?")
		base = strings.TrimRight(base, "/")
		for _, path := range []string{"/", "/touch", "/tree", "/v1/faults", "/v1/cup", "/api/pours", "/stream"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				for name, change := range map[string]func(*http.Request){
					"foreign origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
					"foreign fetch":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
					"rebound host":   func(r *http.Request) { r.Host = "evil.example" },
				} {
					r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(`{}`))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Content-Type", "application/json")
					change(r)
					resp, err := http.DefaultClient.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusForbidden {
						t.Errorf("%s %s with a %s: %s, want 403", method, base+path, name, resp.Status)
					}
				}
			}
		}
	}
	s, err := u.plant(t).State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Faults) != 0 || s.Cup.TotalUL != 0 {
		t.Errorf("a foreign page changed the plant: %+v", s.Faults)
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

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/internal/localhttp"
	"fountain/touchui/display"
)

func env(string) string { return "" }

// output is a writer two goroutines may use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func TestWrongUse(t *testing.T) {
	l, err := localhttp.Listen("127.0.0.1:0", "--http")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":         {[]string{"--help"}, 0, "Examples:"},
		"unknown flag": {[]string{"--colour"}, 2, "not defined"},
		"argument":     {[]string{"now"}, 2, "unexpected argument: now"},
		"drm":          {[]string{"--display", "drm"}, 2, "use --display web"},
		"fbdev":        {[]string{"--display", "fbdev"}, 2, "use --display web"},
		"no display":   {[]string{"--display", "paper"}, 2, "use auto, web or none"},
		"size":         {[]string{"--size", "1080"}, 2, "give WxH"},
		"tiny":         {[]string{"--size", "10x10"}, 2, "give WxH"},
		"port in use":  {[]string{"--http", l.Addr().String()}, 1, "address is already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs output
			if code := run(t.Context(), c.args, env, nil, &out, &errs); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if said := errs.String() + out.String(); !strings.Contains(said, c.says) || (c.code == 0) != (errs.String() == "") {
				t.Errorf("says %q, want %q", said, c.says)
			}
		})
	}
}

// TestWithoutAgent starts the screen before anything else runs: it shows that the machine is starting, answers GET /tree
// with the token only, and stops cleanly.
func TestWithoutAgent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs output
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"--http", "127.0.0.1:0", "--token", "sesame", "--size", "800x480", "--socket", filepath.Join(t.TempDir(), "none.sock")}, env, nil, &out, &errs)
	}()
	ready := regexp.MustCompile(`^fountain-ui ready: (http://127\.0\.0\.1:\d+)/\?token=sesame\n$`)
	var base string
	for deadline := time.Now().Add(10 * time.Second); base == ""; time.Sleep(2 * time.Millisecond) {
		if m := ready.FindStringSubmatch(out.String()); m != nil {
			base = m[1]
		} else if time.Now().After(deadline) {
			t.Fatalf("no ready line in %q; stderr %q", out.String(), errs.String())
		}
	}
	if status, _ := get(t, base+"/tree"); status != http.StatusForbidden {
		t.Errorf("GET /tree without token answers %d", status)
	}
	status, body := get(t, base+"/tree?token=sesame")
	var tree []display.Element
	if err := json.Unmarshal(body, &tree); status != http.StatusOK || err != nil {
		t.Fatalf("GET /tree answers %d %s: %v", status, body, err)
	}
	title := ""
	for _, e := range tree {
		if e.ID == "outage.title" {
			title = e.Name
		}
	}
	if title != "One moment" {
		t.Errorf("shows %q without an agent", title)
	}
	cancel()
	select {
	case c := <-code:
		if c != 0 {
			t.Errorf("stopped with code %d: %s", c, errs.String())
		}
	case <-time.After(5 * time.Second):
		t.Fatal("does not stop")
	}
}

func get(t *testing.T, url string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

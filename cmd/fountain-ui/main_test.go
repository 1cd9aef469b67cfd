package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/internal/localhttp"
	"fountain/touchui/display"
	"fountain/touchui/display/mem"
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
		"no card":      {[]string{"--display", "drm", "--card", "/dev/dri/none"}, 1, "there is no such display: /dev/dri/none"},
		"no buffer":    {[]string{"--display", "fbdev", "--card", "/dev/none"}, 1, "there is no such frame buffer: /dev/none"},
		"no display":   {[]string{"--display", "paper"}, 2, "use auto, drm, fbdev, web or none"},
		"turn":         {[]string{"--rotate", "45"}, 2, "use 0, 90, 180 or 270"},
		"no turn":      {[]string{"--rotate", "left"}, 2, "invalid value"},
		"scale":        {[]string{"--scale", "0"}, 2, "use a number from 0.5 to 4"},
		"mm":           {[]string{"--panel-mm", "21"}, 2, "give WxH of its lit part"},
		"wrong mm":     {[]string{"--display", "none", "--size", "1080x1920", "--panel-mm", "476x268"}, 2, "as the panel is made"},
		"calibration":  {[]string{"--touch-calibration", "1 0 0"}, 2, "3 numbers instead of six"},
		"a line":       {[]string{"--touch-calibration", "1 1 0 1 1 0"}, 2, "make a line"},
		"no file":      {[]string{"--touch-calibration", "/none/touch"}, 2, "give a file that can be read"},
		"web calibra":  {[]string{"--display", "web", "--touch-calibration", "1 0 0 0 1 0"}, 2, "a browser needs no calibration"},
		"web card":     {[]string{"--display", "web", "--card", "/dev/dri/card0"}, 2, "--display drm"},
		"auto card":    {[]string{"--card", "/dev/dri/card0"}, 2, "--display drm"},
		"fb connector": {[]string{"--display", "fbdev", "--connector", "DSI-1"}, 2, "only --display drm knows connectors"},
		"fb size":      {[]string{"--display", "fbdev", "--size", "800x480"}, 2, "a frame buffer has a size of its own"},
		"none http":    {[]string{"--display", "none", "--http", "127.0.0.1:0"}, 2, "serves nothing"},
		"token":        {[]string{"--display", "drm", "--token", "x"}, 2, "give --http too"},
		"no languages": {[]string{"--languages", "/none/words"}, 2, "there is no such directory: --languages /none/words: name one"},
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
	for deadline := time.Now().Add(time.Minute); base == ""; time.Sleep(2 * time.Millisecond) {
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
	case <-time.After(time.Minute):
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

// TestDoubts: what would be missed only later is said at the start, and only then.
func TestDoubts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	for _, c := range []struct {
		o    options
		says string
	}{
		{options{}, ""},
		{options{assets: filepath.Join(t.TempDir(), "new")}, ""},
		{options{assets: filepath.Join(file, "none")}, "--assets cannot be written"},
		{options{assets: "/proc"}, "--assets cannot be written"},
		{options{speech: "default"}, "--speech needs espeak-ng"},
	} {
		var b bytes.Buffer
		doubts(c.o, slog.New(slog.NewTextHandler(&b, nil)))
		if got := b.String(); (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("%+v: says %q, want %q", c.o, got, c.says)
		}
	}
}

// TestChoose: a desk never loses its own screen to the UI, unless it is told to.
func TestChoose(t *testing.T) {
	for _, c := range []struct {
		m    machine
		told string
		want string
	}{
		{machine{}, onAuto, onWeb},
		{machine{panel: true, fb: true}, onAuto, onWeb},
		{machine{panel: true, fb: true}, onDRM, onDRM},
		{machine{device: true, panel: true, fb: true}, onAuto, onDRM},
		{machine{device: true, fb: true}, onAuto, onFbdev},
		{machine{device: true}, onAuto, onWeb},
		{machine{device: true, panel: true}, onWeb, onWeb},
		{machine{device: true}, onDRM, onDRM},
	} {
		if got := c.m.choose(c.told); got != c.want {
			t.Errorf("%+v, told %s: draws on %s, want %s", c.m, c.told, got, c.want)
		}
	}
}

func TestPixelsPerMM(t *testing.T) {
	panel := func(w, h, mmW, mmH int) display.Display { return measured{mem.New(w, h, display.RGBA8888), mmW, mmH} }
	for _, c := range []struct {
		name       string
		d          display.Display
		mmW, mmH   int
		want       float64
		impossible bool
	}{
		{"told", mem.New(1080, 1920, display.RGBA8888), 270, 480, 4, false},
		{"measured", panel(1080, 1920, 270, 480), 0, 0, 4, false},
		{"told wins", panel(1080, 1920, 270, 480), 135, 240, 8, false},
		{"beside", beside{panel(1080, 1920, 270, 480), nil}, 0, 0, 4, false},
		{"nobody knows", mem.New(800, 480, display.RGBA8888), 0, 0, 0, false},
		{"says nothing", panel(800, 480, 0, 0), 0, 0, 0, false},
		{"lies", panel(1920, 1080, 16, 9), 0, 0, 0, false},
		{"turned", mem.New(1080, 1920, display.RGBA8888), 480, 270, 0, true},
	} {
		got, err := pixelsPerMM(c.d, c.mmW, c.mmH)
		if got != c.want || (err != nil) != c.impossible {
			t.Errorf("%s: %v %v, want %v", c.name, got, err, c.want)
		}
	}
}

type measured struct {
	display.Display
	w, h int
}

func (m measured) PanelMM() (w, h int) { return m.w, m.h }

func TestCalibrationFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "touch")
	if err := os.WriteFile(path, []byte("0 1 0\n-1 0 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"--display", "drm", "--touch-calibration", path}, env, io.Discard)
	if err != nil || o.calibration != [6]float64{0, 1, 0, -1, 0, 1} {
		t.Errorf("%v %v", o.calibration, err)
	}
}

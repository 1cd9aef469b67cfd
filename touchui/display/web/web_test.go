package web_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	_ "image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fountain/touchui/display"
	"fountain/touchui/display/web"
	"fountain/touchui/input"
)

// server is a web display behind a real HTTP server, and a browser's cookie for it.
type server struct {
	*httptest.Server
	t    *testing.T
	d    *web.Display
	jar  *http.Cookie
	pict *display.Frame
}

func serve(t *testing.T, cfg web.Config) *server {
	t.Helper()
	if cfg.Width == 0 {
		cfg.Width, cfg.Height = 320, 200
	}
	d := web.New(cfg)
	s := &server{Server: httptest.NewServer(d.Handler()), t: t, d: d, pict: display.NewFrame(cfg.Width, cfg.Height, display.RGBA8888)}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		s.Server.Close() // hangs if Close left a stream open
	})
	resp, err := http.Get(d.URL(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("the printed URL: %s, cookies %v", resp.Status, resp.Cookies())
	}
	s.jar = resp.Cookies()[0]
	return s
}

func (s *server) request(method, path, body string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.AddCookie(s.jar)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func (s *server) do(req *http.Request) (int, string) {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (s *server) post(path, body string) (int, string) {
	s.t.Helper()
	return s.do(s.request(http.MethodPost, path, body))
}

// present paints r and shows it.
func (s *server) present(r image.Rectangle, shade func(x, y int) byte) {
	s.t.Helper()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := s.pict.Row(r, y)
		for x := 0; x < len(row); x += 4 {
			row[x], row[x+1], row[x+2], row[x+3] = shade(x/4, y), shade(x/4+1, y), 90, 255
		}
	}
	if err := s.d.Present(s.pict, []image.Rectangle{r}); err != nil {
		s.t.Fatal(err)
	}
}

// viewer is the page's side of a stream.
type viewer struct {
	t    *testing.T
	s    *server
	body io.ReadCloser
	stop context.CancelFunc
	name string
}

type message struct {
	kind   byte
	frame  uint32
	last   bool
	rect   image.Rectangle
	format string
	pic    image.Image
	json   map[string]any
}

func (s *server) watch(name string) *viewer {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	resp, err := http.DefaultClient.Do(s.request(http.MethodGet, "/stream?client="+name, "").WithContext(ctx))
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("stream: %s", resp.Status)
	}
	v := &viewer{t: s.t, s: s, body: resp.Body, stop: cancel, name: name}
	s.t.Cleanup(v.close)
	return v
}

func (v *viewer) close() {
	v.stop()
	_ = v.body.Close() // cancelled, says so
}

func (v *viewer) next() message {
	v.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(v.body, head[:]); err != nil {
		v.t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(v.body, b); err != nil {
		v.t.Fatal(err)
	}
	m := message{kind: b[0]}
	switch m.kind {
	case 'I', 'C':
		if err := json.Unmarshal(b[1:], &m.json); err != nil {
			v.t.Fatal(err)
		}
	case 'R':
		n := func(i int) int { return int(binary.BigEndian.Uint16(b[6+2*i:])) }
		m.frame, m.last = binary.BigEndian.Uint32(b[1:]), b[5] == 1
		m.rect = image.Rect(n(0), n(1), n(0)+n(2), n(1)+n(3))
		var err error
		if m.pic, m.format, err = image.Decode(bytes.NewReader(b[14:])); err != nil {
			v.t.Fatal(err)
		}
		if m.pic.Bounds().Size() != m.rect.Size() {
			v.t.Errorf("rectangle %v holds a picture of %v", m.rect, m.pic.Bounds().Size())
		}
	}
	return m
}

// rect returns the next picture.
func (v *viewer) rect() message {
	v.t.Helper()
	for {
		if m := v.next(); m.kind == 'R' {
			return m
		}
	}
}

func (v *viewer) ack(frame uint32) {
	v.t.Helper()
	b, err := json.Marshal(map[string]any{"client": v.name, "ack": frame})
	if err != nil {
		v.t.Fatal(err)
	}
	if code, text := v.s.post("/touch", string(b)); code != http.StatusOK {
		v.t.Fatalf("ack: %d %s", code, text)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	s := serve(t, web.Config{Token: "secret"})
	touch := `{"client":"x","events":[{"p":"down","id":1,"x":1,"y":1}]}`
	bare := func(method, path string) *http.Request {
		r := s.request(method, path, "")
		r.Header.Del("Cookie")
		return r
	}
	with := func(r *http.Request, k, v string) *http.Request {
		if k == "Host" {
			r.Host = v
		} else {
			r.Header.Set(k, v)
		}
		return r
	}
	for _, c := range []struct {
		name string
		req  *http.Request
		want int
	}{
		{"page without token", bare("GET", "/"), 403},
		{"page with a wrong token", bare("GET", "/?token=secreT"), 403},
		{"tree without token", bare("GET", "/tree"), 403},
		{"screenshot without token", bare("GET", "/screenshot.png"), 403},
		{"stream without token", bare("GET", "/stream?client=x"), 403},
		{"touch without token", with(bare("POST", "/touch"), "Content-Type", "application/json"), 403},
		{"touch of a foreign origin", with(s.request("POST", "/touch", touch), "Origin", "https://evil.example"), 403},
		{"touch of a foreign site", with(s.request("POST", "/touch", touch), "Sec-Fetch-Site", "cross-site"), 403},
		{"touch to a foreign host", with(s.request("POST", "/touch", touch), "Host", "evil.example"), 403},
		{"page of a foreign host", with(s.request("GET", "/?token=secret", ""), "Host", "evil.example"), 403},
		{"stream for a foreign origin", with(s.request("GET", "/stream?client=x", ""), "Origin", "https://evil.example"), 403},
		{"touch as a form", with(s.request("POST", "/touch", touch), "Content-Type", "text/plain"), 415},
		{"own origin", with(s.request("POST", "/touch", touch), "Origin", s.URL), 200},
	} {
		if code, body := s.do(c.req); code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, code, body, c.want)
		}
	}
	if c := s.jar; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie %v", c)
	}
	code, body := s.do(with(bare("GET", "/"), "Accept", "text/html"))
	if code != 403 || !strings.Contains(body, "token") || !strings.Contains(body, "<h1>") || strings.Contains(body, "{") && strings.Contains(body, `"code"`) {
		t.Errorf("a person without token sees %d %s", code, body)
	}
	for _, p := range []string{"/", "/page.css", "/page.js", "/mark.svg"} {
		if code, body := s.do(s.request("GET", p, "")); code != 200 || body == "" || strings.Contains(body, `="data:`) { // the policy refuses data: URLs
			t.Errorf("%s with the cookie: %d", p, code)
		}
	}
}

func TestStream(t *testing.T) {
	s := serve(t, web.Config{})
	s.present(s.pict.Bounds(), func(x, y int) byte { return byte(x/40 + y) })
	v := s.watch("a")
	if m := v.next(); m.kind != 'I' || m.json["w"] != 320.0 || m.json["h"] != 200.0 || m.json["controls"] != true {
		t.Fatalf("first message %+v", m)
	}
	m := v.next()
	if m.rect != image.Rect(0, 0, 320, 200) || !m.last || m.frame != 1 {
		t.Fatalf("on connect: %+v", m.rect)
	}
	same(t, s, m)
	v.ack(1)
	s.present(image.Rect(10, 20, 50, 40), func(int, int) byte { return 200 })
	m = v.rect()
	if m.rect != image.Rect(10, 20, 50, 40) || m.frame != 2 {
		t.Errorf("a small change came as %v, frame %d", m.rect, m.frame)
	}
	same(t, s, m)
	// Two frames may be on their way; what comes after is merged until one is acknowledged.
	s.present(image.Rect(0, 0, 4, 4), func(int, int) byte { return 1 })
	m = v.rect()
	if m.frame != 3 {
		t.Fatalf("frame %d", m.frame)
	}
	for i := range 10 {
		s.present(image.Rect(100+i*4, 50, 104+i*4, 60), func(int, int) byte { return byte(i) })
		time.Sleep(2 * time.Millisecond) // time to send it, if the stream would
	}
	v.ack(3)
	m = v.rect()
	if m.rect != image.Rect(100, 50, 140, 60) || m.frame != 4 {
		t.Errorf("merged changes came as %v, frame %d", m.rect, m.frame)
	}
	same(t, s, m)
}

// same checks that a lossless picture shows the frame.
func same(t *testing.T, s *server, m message) {
	t.Helper()
	if m.format != "png" {
		t.Errorf("%v came as %s", m.rect, m.format)
	}
	want := s.pict.Image(m.rect)
	b := m.pic.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			r0, g0, b0, _ := m.pic.At(b.Min.X+x, b.Min.Y+y).RGBA()
			r1, g1, b1, _ := want.At(m.rect.Min.X+x, m.rect.Min.Y+y).RGBA()
			if r0 != r1 || g0 != g1 || b0 != b1 {
				t.Fatalf("pixel %d,%d of %v differs", x, y, m.rect)
			}
		}
	}
}

// Large noisy pictures come with loss while they move, and exactly once they are still.
func TestStillPicturesAreExact(t *testing.T) {
	s := serve(t, web.Config{Width: 640, Height: 480})
	rng := rand.New(rand.NewPCG(1, 1))
	s.present(s.pict.Bounds(), func(int, int) byte { return byte(rng.IntN(256)) })
	v := s.watch("a")
	m := v.rect()
	if m.format != "jpeg" {
		t.Errorf("noise came as %s", m.format)
	}
	v.ack(m.frame)
	m = v.rect()
	same(t, s, m)
}

func TestSlowBrowserDoesNotHoldThePainter(t *testing.T) {
	s := serve(t, web.Config{Width: 800, Height: 480})
	s.watch("a") // never reads
	start := time.Now()
	for i := range 200 {
		s.present(s.pict.Bounds(), func(x, y int) byte { return byte(i) })
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("200 frames took %v", took)
	}
}

// events waits for n touches.
func events(t *testing.T, src input.Source, n int) []input.Touch {
	t.Helper()
	var out []input.Touch
	for len(out) < n {
		select {
		case e := <-src.Events():
			out = append(out, e)
		case <-time.After(time.Minute):
			t.Fatalf("got %d touches of %d", len(out), n)
		}
	}
	return out
}

func TestTouchesArriveAndSilenceCancels(t *testing.T) {
	s := serve(t, web.Config{})
	v := s.watch("a")
	v.rect()
	last := time.Now()
	code, body := s.post("/touch", `{"client":"a","events":[{"p":"down","id":3,"x":10.7,"y":20,"t":5000},{"p":"move","id":3,"x":5000,"y":-4,"t":5016}]}`)
	if code != 200 || !strings.Contains(body, "true") {
		t.Fatalf("%d %s", code, body)
	}
	got := events(t, s.d.Input(), 2)
	if got[0].Phase != input.Down || got[0].X != 10 || got[0].Y != 20 || got[1].X != 319 || got[1].Y != 0 {
		t.Errorf("%+v", got)
	}
	got = events(t, s.d.Input(), 1)
	if took := time.Since(last); got[0].Phase != input.Cancel || took < input.Silence {
		t.Errorf("%v after %v", got[0].Phase, took)
	}
	t.Logf("cancelled %v after the last report", time.Since(last).Round(time.Millisecond))
}

func TestLostBrowserCancels(t *testing.T) {
	s := serve(t, web.Config{Silence: time.Hour})
	v := s.watch("a")
	v.rect()
	w := s.watch("b")
	if m := w.next(); m.json["controls"] != false {
		t.Error("the second browser controls")
	}
	s.post("/touch", `{"client":"a","events":[{"p":"down","id":1,"x":1,"y":1}]}`)
	if _, body := s.post("/touch", `{"client":"b","events":[{"p":"down","id":1,"x":1,"y":1}]}`); !strings.Contains(body, "false") {
		t.Errorf("a watcher's touch: %s", body)
	}
	if code, _ := s.post("/control", `{"client":"b"}`); code != http.StatusConflict {
		t.Errorf("taking over from a finger: %d", code)
	}
	events(t, s.d.Input(), 1)
	v.close()
	if e := events(t, s.d.Input(), 1)[0]; e.Phase != input.Cancel {
		t.Errorf("browser gone: %v", e.Phase)
	}
	if code, _ := s.post("/control", `{"client":"b"}`); code != http.StatusOK {
		t.Errorf("taking over: %d", code)
	}
	for m := w.next(); ; m = w.next() {
		if m.kind == 'C' {
			if m.json["controls"] != true {
				t.Error("not told about control")
			}
			break
		}
	}
}

func TestTreeAndScreenshot(t *testing.T) {
	s := serve(t, web.Config{})
	if code, _ := s.do(s.request("GET", "/tree", "")); code != http.StatusServiceUnavailable {
		t.Errorf("tree without a screen: %d", code)
	}
	s.d.SetTree(func(context.Context) ([]display.Element, error) {
		return []display.Element{{ID: "pour", Role: "hold", Name: "Halten", Bounds: display.Bounds{X: 1, Y: 2, W: 3, H: 4}, Enabled: true}}, nil
	})
	want := `[{"id":"pour","role":"hold","name":"Halten","bounds":{"x":1,"y":2,"w":3,"h":4},"enabled":true}]`
	if code, body := s.do(s.request("GET", "/tree", "")); code != 200 || strings.TrimSpace(body) != want {
		t.Errorf("%d %s", code, body)
	}
	s.d.SetTree(func(context.Context) ([]display.Element, error) { return nil, errors.New("stuck") })
	if code, _ := s.do(s.request("GET", "/tree", "")); code != http.StatusServiceUnavailable {
		t.Errorf("tree of a stuck screen: %d", code)
	}
	s.present(s.pict.Bounds(), func(x, y int) byte { return byte(x * y) })
	_, body := s.do(s.request("GET", "/screenshot.png", ""))
	im, err := png.Decode(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	same(t, s, message{rect: s.pict.Bounds(), format: "png", pic: im})
}

func TestCloseEndsEverything(t *testing.T) {
	s := serve(t, web.Config{})
	v := s.watch("a")
	v.rect()
	if err := s.d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, v.body); err != nil {
		t.Errorf("stream: %v", err)
	}
	if _, open := <-s.d.Input().Events(); open {
		t.Error("the input is still open")
	}
	if err := s.d.Present(s.pict, nil); !errors.Is(err, web.ErrClosed) {
		t.Errorf("present: %v", err)
	}
}

func FuzzTouchReport(f *testing.F) {
	for _, s := range []string{
		`{"client":"a","ack":1,"events":[{"p":"down","id":1,"x":1,"y":2,"t":3}]}`, `{"client":"a","events":[{"p":"up","id":-1,"x":1e300,"y":-1e300,"t":-1}]}`,
		`{}`, `[]`, `{"client":"a","events":[{"p":"hover"}]}`, `{"client":"a","ack":4294967295}`, `null`,
	} {
		f.Add([]byte(s))
	}
	d := web.New(web.Config{Width: 50, Height: 40, Token: "t"})
	h := d.Handler()
	go func() {
		for e := range d.Input().Events() {
			if e.X < 0 || e.Y < 0 || e.X >= 50 || e.Y >= 40 {
				panic("touch outside of the display")
			}
		}
	}()
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "http://localhost/touch?token=t", bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

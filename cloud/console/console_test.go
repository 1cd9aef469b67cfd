package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/cloud/store"
	"fountain/internal/localhttp"
	"fountain/sync/wire"
)

type page struct {
	*Console
	t   *testing.T
	db  *store.SQLite
	web *httptest.Server
	seq uint64
}

func newPage(t *testing.T) *page {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Store: db, Catalogue: cat, Reported: func(context.Context, string) (wire.LedgerReport, error) {
		return wire.LedgerReport{"a": {Last: 12, Backlog: 12}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := &page{Console: c, t: t, db: db, web: httptest.NewServer(localhttp.Protect(c.Handler()))}
	t.Cleanup(func() {
		c.Close()
		p.web.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(db.PutCertificate(t.Context(), store.Certificate{ID: "1", Status: store.CertPending}),
		db.Register(t.Context(), store.Registration{CertificateID: "1", Thing: "fountain-F1", Serial: "F1", At: 1})); err != nil {
		t.Fatal(err)
	}
	return p
}

// pour commits a record and tells the console.
func (p *page) pour(change func(*wire.Record)) store.Pour {
	p.t.Helper()
	p.seq++
	r := &wire.Record{
		V: 1, ID: fmt.Sprint("id", p.seq), Thing: "fountain-F1", Log: "a", Seq: p.seq, Beverage: "kolvane.classic", TargetUL: 250_000, CountedUL: 200_000,
		Outcome: wire.Stopped, Source: wire.SourceTouch, Rig: "sim",
	}
	if change != nil {
		change(r)
	}
	body, err := json.Marshal(r)
	if err != nil {
		p.t.Fatal(err)
	}
	put := store.Put{Record: r, Body: body, Received: time.Now().UnixMilli()}
	res, err := p.db.Put(p.t.Context(), []store.Put{put})
	if err != nil {
		p.t.Fatal(err)
	}
	got := store.Pour{N: res[0].N, Received: put.Received, Body: body, Record: *r}
	p.Pours([]store.Pour{got})
	return got
}

func (p *page) get(path string) (int, string) {
	p.t.Helper()
	res, err := http.Get(p.web.URL + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestPage(t *testing.T) {
	p := newPage(t)
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	brand := cat.Brands[0]
	p.pour(func(r *wire.Record) { r.Beverage = string(brand.Beverages[0].ID) })
	p.pour(func(r *wire.Record) {
		r.Beverage, r.Reason, r.Outcome = "gone.drink", "<script>alert(1)</script>", wire.Faulted
	})
	p.pour(func(r *wire.Record) { r.Rig = "hw" })
	code, html := p.get("/")
	if code != 200 {
		t.Fatal(code)
	}
	for _, want := range []string{
		brand.Name, brand.Beverages[0].Name, "--c:" + brand.Palette.Primary + ";--p:80%", "gone.drink", "&lt;script&gt;", "fountain-F1", "<b>200</b> ml", "of 250",
		`class="sim"><b>2</b>`, `class="hw"><b>1</b>`, "never seen", `data-after="3"`, `lang="en"`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(html, "<script>alert") || strings.Contains(html, "http://") || strings.Contains(html, "https://") {
		t.Error("the page runs a record's text or loads something external")
	}
	for _, f := range []string{"console.js", "console.css", "mark.svg", "BricolageGrotesque-Display.ttf", "BricolageGrotesque-Text.ttf", "OFL.txt"} {
		if code, _ := p.get("/static/" + f); code != 200 {
			t.Errorf("%s: %d", f, code)
		}
	}
	if code, _ := p.get("/nothing"); code != 404 {
		t.Errorf("unknown path: %d", code)
	}
}

// How a pour ended is said in words: once, and never as an end that a person chose when it was not.
func TestEnding(t *testing.T) {
	for _, c := range []struct {
		outcome           wire.Outcome
		reason, says, why string
	}{
		{wire.Completed, "", "full", ""},
		{wire.Stopped, "released", "let go", ""},
		{wire.Stopped, "stopped", "stopped", ""},
		{wire.Stopped, "recalled", "stopped", "recalled"},
		{wire.Interrupted, "lease_lost", "interrupted", "lease lost"},
		{wire.Faulted, "no_flow", "fault", "no flow"},
	} {
		if says, why := ending(wire.Record{Outcome: c.outcome, Reason: c.reason}); says != c.says || why != c.why {
			t.Errorf("%s, %s: %q, %q", c.outcome, c.reason, says, why)
		}
	}
}

// What was not today is shown with its date.
func TestAnotherDay(t *testing.T) {
	p := newPage(t)
	now := time.Date(2023, 11, 15, 9, 30, 0, 0, time.UTC)
	p.cfg.Now = func() time.Time { return now }
	if err := p.db.SetPresences(t.Context(), []store.Presence{{Thing: "fountain-F1", At: 1_700_000_000_000}}); err != nil {
		t.Fatal(err)
	}
	if _, html := p.get("/"); !strings.Contains(html, `offline since <time datetime="2023-11-14T22:13:20.000Z">2023-11-14 22:13</time>`) {
		t.Error("offline since a time of day that was yesterday's")
	}
	now = now.AddDate(0, 0, -1)
	if _, html := p.get("/"); !strings.Contains(html, `>22:13</time>`) {
		t.Error("today's date is said")
	}
}

// A mix is shown by what it was made of, in the colours of what there is most of.
func TestMix(t *testing.T) {
	p := newPage(t)
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	a, b := cat.Brands[0], cat.Brands[1]
	p.pour(func(r *wire.Record) {
		r.Beverage = wire.Mixed
		r.Mix = []wire.Share{{Beverage: string(a.Beverages[0].ID), Share: 30}, {Beverage: string(b.Beverages[0].ID), Share: 65}, {Beverage: "gone.drink", Share: 5}}
	})
	_, html := p.get("/")
	for _, want := range []string{"Mix", "30 % " + a.Name + " " + a.Beverages[0].Name, "65 % " + b.Name, "5 % gone.drink", "--c:" + b.Palette.Primary} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if _, body := p.get("/api/pours"); !strings.Contains(body, `"mix":[{"beverage":"`+string(a.Beverages[0].ID)+`","share":30}`) {
		t.Errorf("%s", body)
	}
}

func TestAPI(t *testing.T) {
	p := newPage(t)
	for range 3 {
		p.pour(nil)
	}
	if err := p.db.SetPresences(t.Context(), []store.Presence{{Thing: "fountain-F1", Online: true, At: 1_700_000_000_000}}); err != nil {
		t.Fatal(err)
	}
	_, body := p.get("/api/pours?after=1&limit=1")
	var pours []PourView
	if err := json.Unmarshal([]byte(body), &pours); err != nil || len(pours) != 1 || pours[0].N != 2 || pours[0].Name == "" || pours[0].UL != 200_000 {
		t.Fatalf("%s %v", body, err)
	}
	_, body = p.get("/api/units")
	var units []UnitView
	if err := json.Unmarshal([]byte(body), &units); err != nil || len(units) != 1 {
		t.Fatalf("%s %v", body, err)
	}
	u := units[0]
	if !u.Online || u.Since != "2023-11-14T22:13:20.000Z" || u.Stored != 3 || u.Last == nil || u.Last.N != 3 || u.Backlog != 9 {
		t.Fatalf("what came since the unit's report is no backlog: %+v", u)
	}
	if code, body := p.get("/api/pours?after=x"); code != 400 || !strings.Contains(body, "remedy") {
		t.Fatalf("%d %s", code, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", p.web.URL+"/api/pours", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	res, err := http.DefaultClient.Do(r)
	if err != nil || res.StatusCode != 403 {
		t.Fatalf("a rebound name: %v %v", res.StatusCode, err)
	}
	res.Body.Close()
}

// listen opens the event stream and returns its events.
func (p *page) listen(path, lastID string) <-chan [3]string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), "GET", p.web.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	out := make(chan [3]string, 100)
	go func() {
		defer res.Body.Close()
		defer close(out)
		var e [3]string
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			k, v, _ := strings.Cut(s.Text(), ": ")
			switch k {
			case "id":
				e[0] = v
			case "event":
				e[1] = v
			case "data":
				e[2] = v
			case "":
				if e[1] != "" {
					out <- e
				}
				e = [3]string{}
			}
		}
	}()
	return out
}

// wait returns the next event of a kind.
func wait(t *testing.T, in <-chan [3]string, kind string) [3]string {
	t.Helper()
	for {
		select {
		case e, ok := <-in:
			if !ok {
				t.Fatal("the stream ended")
			}
			if e[1] == kind {
				return e
			}
		case <-time.After(time.Minute):
			t.Fatalf("no %s event", kind)
		}
	}
}

func TestLive(t *testing.T) {
	p := newPage(t)
	p.pour(nil)
	first := p.pour(nil)
	in := p.listen("/events?after=1", "")
	if e := wait(t, in, "pour"); e[0] != fmt.Sprint(first.N) {
		t.Fatalf("what happened between page and stream is missed: %v", e)
	}
	wait(t, in, "totals")
	p.pour(func(r *wire.Record) { r.CountedUL = 123_000 })
	if e := wait(t, in, "pour"); e[0] != "3" || !strings.Contains(e[2], `"ul":123000`) {
		t.Fatalf("%v", e)
	}
	if e := wait(t, in, "unit"); !strings.Contains(e[2], `"stored":3`) {
		t.Fatalf("%v", e)
	}
	if e := wait(t, in, "totals"); !strings.Contains(e[2], `"pours":3`) {
		t.Fatalf("%v", e)
	}
	if err := p.db.SetPresences(t.Context(), []store.Presence{{Thing: "fountain-F1", Online: true, At: 5}}); err != nil {
		t.Fatal(err)
	}
	p.Presence("fountain-F1")
	if e := wait(t, in, "unit"); !strings.Contains(e[2], `"online":true`) {
		t.Fatalf("%v", e)
	}
	// A browser that comes back gets what it missed, once.
	again := p.listen("/events?after=0", "2")
	if e := wait(t, again, "pour"); e[0] != "3" {
		t.Fatalf("%v", e)
	}
	p.Close()
	for range in { // ends
	}
}

// TestSlowBrowser: a browser that does not read holds up nobody and is told to reload.
func TestSlowBrowser(t *testing.T) {
	p := newPage(t)
	s := &stream{events: make(chan event, 1)}
	p.streams[s] = true
	p.pour(nil)
	p.pour(nil)
	if !s.lost.Load() {
		t.Fatal("a full stream was not marked")
	}
}

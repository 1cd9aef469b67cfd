package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// object is one entry of the web display's GET /tree.
type object struct {
	ID      string `json:"id"`
	Role    string `json:"role"`
	Name    string `json:"name"`
	Value   string `json:"value"`
	Enabled bool   `json:"enabled"`
	Bounds  struct {
		X, Y, W, H float64
	} `json:"bounds"`
}

func (o object) centre() (x, y float64) { return o.Bounds.X + o.Bounds.W/2, o.Bounds.Y + o.Bounds.H/2 }

// finger is a browser reduced to what the agent cannot see past: a page, its frames, one finger.
type finger struct {
	http   *http.Client
	base   string
	cancel context.CancelFunc
	gone   atomic.Bool
	down   atomic.Pointer[[2]float64]
}

// openScreen opens the unit's screen as a browser would: page with token, then the stream of frames.
func (u *Unit) openScreen(t *testing.T) *finger {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := url.Parse(u.UI.URL())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := &finger{http: &http.Client{Jar: jar}, base: page.Scheme + "://" + page.Host, cancel: cancel}
	t.Cleanup(f.close)
	resp, err := f.http.Get(page.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+"/stream?client=finger", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := f.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("stream: %s", stream.Status)
	}
	go func() {
		defer stream.Body.Close()
		_, _ = io.Copy(io.Discard, stream.Body) // ends with close
	}()
	go func() { // the page repeats its fingers every 100 ms
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if f.down.Load() != nil {
					_ = f.report() // the screen may be gone: that is what the tests do
				}
			}
		}
	}()
	return f
}

// close is what a browser that is killed does: everything falls silent.
func (f *finger) close() {
	f.gone.Store(true)
	f.cancel()
	f.http.CloseIdleConnections()
}

type touch struct {
	P  string  `json:"p"`
	ID int     `json:"id"`
	X  float64 `json:"x"`
	Y  float64 `json:"y"`
	T  float64 `json:"t"`
}

func (f *finger) report(events ...touch) error {
	if f.gone.Load() {
		return nil
	}
	if p := f.down.Load(); p != nil && len(events) == 0 {
		events = []touch{{P: "move", ID: 1, X: p[0], Y: p[1]}}
	}
	for i := range events {
		events[i].T = float64(time.Now().UnixMilli())
	}
	b, err := json.Marshal(map[string]any{"client": "finger", "ack": 1 << 30, "events": events})
	if err != nil {
		return err
	}
	resp, err := f.http.Post(f.base+"/touch", "application/json", strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body) // only for the message
		return fmt.Errorf("touch: %s: %s", resp.Status, text)
	}
	return nil
}

func (f *finger) press(t *testing.T, o object) {
	t.Helper()
	x, y := o.centre()
	f.down.Store(&[2]float64{x, y})
	if err := f.report(touch{P: "down", ID: 1, X: x, Y: y}); err != nil {
		t.Fatal(err)
	}
}

func (f *finger) lift(t *testing.T) {
	t.Helper()
	p := f.down.Swap(nil)
	if err := f.report(touch{P: "up", ID: 1, X: p[0], Y: p[1]}); err != nil {
		t.Fatal(err)
	}
}

func (f *finger) tap(t *testing.T, o object) {
	t.Helper()
	f.press(t, o)
	time.Sleep(60 * time.Millisecond)
	f.lift(t)
}

func (f *finger) tree() (map[string]object, error) {
	resp, err := f.http.Get(f.base + "/tree")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list []object
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, err
	}
	all := map[string]object{}
	for _, o := range list {
		all[o.ID] = o
	}
	return all, nil
}

// find waits until the screen shows object id.
func (f *finger) find(t *testing.T, id string) object {
	t.Helper()
	var o object
	await(t, patience, "the screen shows "+id, func() (bool, string) {
		all, err := f.tree()
		if err != nil {
			return false, err.Error()
		}
		var ok bool
		if o, ok = all[id]; ok && o.Enabled {
			return true, ""
		}
		ids := make([]string, 0, len(all))
		for id := range all {
			ids = append(ids, id)
		}
		return false, strings.Join(ids, " ")
	})
	return o
}

// openFavourite taps the first favourite and returns the dome of its page.
func (f *finger) openFavourite(t *testing.T) object {
	t.Helper()
	f.tap(t, f.find(t, "home.favourite.0"))
	return f.find(t, "beverage.pour")
}

package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/api"
	"fountain/agent/store"
	"fountain/hal/sim"
	"fountain/hal/sim/panel"
	"fountain/internal/desk"
	"fountain/sync/wire"
	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
	"fountain/touchui/screens"
	"fountain/touchui/theme"
)

// stopLimit is how soon after the event the valves are to be commanded shut (DESIGN 8).
const stopLimit = 20.0 // ms

// measureBusyStop stops pours on a desk at rest, and on one whose agent drains and verifies a large backlog at the
// highest rate while a screen scrolls without end: from before the call of the API, HTTP and all, to the moment the
// plant saw the valve commanded shut, both on CLOCK_MONOTONIC.
func measureBusyStop(t *testing.T, emit func(Figure)) {
	stops, backlog := 40, 50_000
	if long() {
		stops, backlog = 60, 1_000_000
	}
	idle := stopsOn(t, stops, 0)
	busy := stopsOn(t, stops, backlog)
	t.Logf("stops within … ms of %d each\n%s", stops, histogram(idle, busy))
	what := fmt.Sprintf("at rest, %d stops as well", stops)
	emit(Figure{Name: "stop/busy_p50", Value: Quantile(busy, 0.5), Unit: "ms, live", Goal: "ratio<=3"}.Over(what, Quantile(idle, 0.5)))
	emit(Figure{Name: "stop/busy_p99", Value: Quantile(busy, 0.99), Unit: "ms, live", Goal: "ratio<=3"}.Over(what, Quantile(idle, 0.99)))
	emit(Figure{Name: "stop/busy_late", Value: late(busy), Unit: "% of the stops beyond 20 ms", Goal: "value<=1"}.Times(fmt.Sprintf("%s: %s %%", what, short(late(idle))), 1))
}

// late is the share of stops beyond the limit in percent.
func late(ms []float64) float64 {
	n := 0
	for _, x := range ms {
		if x > stopLimit {
			n++
		}
	}
	return 100 * float64(n) / float64(len(ms))
}

// histogram shows two runs side by side.
func histogram(idle, busy []float64) string {
	edges := []float64{1, 2, 3, 4, 6, 8, 12, 20, 50, 1e9}
	var b strings.Builder
	fmt.Fprintf(&b, "%8s %6s %6s\n", "ms", "rest", "busy")
	low := 0.0
	for _, high := range edges {
		in := func(xs []float64) (n int) {
			for _, x := range xs {
				if x > low && x <= high {
					n++
				}
			}
			return n
		}
		name := fmt.Sprintf("<= %g", high)
		if high > 1e6 {
			name = fmt.Sprintf("> %g", low)
		}
		fmt.Fprintf(&b, "%8s %6d %6d\n", name, in(idle), in(busy))
		low = high
	}
	fmt.Fprintf(&b, "%8s %6.2f %6.2f\n%8s %6.2f %6.2f", "p50", Quantile(idle, 0.5), Quantile(busy, 0.5), "worst", slices.Max(idle), slices.Max(busy))
	return b.String()
}

// stopsOn returns the milliseconds of n stops on a fresh desk; with a backlog it is busy meanwhile.
func stopsOn(t *testing.T, n, backlog int) (ms []float64) {
	cfg := plainDesk(t)
	t.Setenv("FOUNTAIN_SYNC_DRAIN_RATE", "80")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if backlog > 0 {
		fillUnit(ctx, t, cfg, backlog)
	}
	d := startDesk(ctx, t, cfg)
	defer d.Stop()
	u := d.Units[0]
	pourOn(ctx, t, u)
	if backlog > 0 {
		defer scroll(ctx, t, u)()
	}
	c, plant := api.NewClient(u.Socket(api.ServiceSocket)), panel.DialControl(u.Socket(sim.SocketName))
	defer c.Close()
	defer plant.Close()
	rng := rand.New(rand.NewPCG(1, 7))
	stalled := 0
	for len(ms) < n {
		took, ok := stopOnce(ctx, t, c, plant, time.Duration(500+rng.IntN(700))*time.Millisecond)
		if ok {
			ms = append(ms, took)
		} else if stalled++; stalled > n/5 {
			t.Fatal("this host stands still too often to measure anything")
		}
	}
	t.Logf("%d more pours ended by themselves because this host stood still", stalled)
	s, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("backlog at the end: %d", s.Cloud.Backlog)
	if backlog > 0 && s.Cloud.Backlog < uint64(backlog)/10 {
		t.Errorf("the backlog ran out: the unit was not busy to the end")
	}
	return ms
}

// stopOnce holds a drink for a while, stops it, and returns how long the valve took to be commanded shut; false when
// the pour had ended before, because all of the host stood still for longer than a lease or a loop gap.
func stopOnce(ctx context.Context, t *testing.T, c *api.Client, plant *panel.Control, hold time.Duration) (ms float64, ok bool) {
	t.Helper()
	drink := theMenu(t).drinks[0]
	l, p, err := c.Lease(ctx, api.StartPour{Beverage: drink.ID, TargetUL: 800_000, Mode: api.ModeHold, Source: wire.SourceService})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(hold); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		l.Beat()
	}
	from := monotonic()
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if p, err = c.Settled(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if p.Outcome == string(wire.Interrupted) {
		return 0, false
	}
	s, err := plant.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := s.Valve(drink.Recipe.Carrier)
	took := float64(v.CommandedShutNS-from) / 1e6
	if !ok || v.Commanded || took <= 0 {
		t.Fatalf("valve %s after the stop: %+v; the pour ended %s %s", drink.Recipe.Carrier, v, p.Outcome, p.Reason)
	}
	return took, true
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // the clock exists
	}
	return ts.Nano()
}

// fillUnit lets a desk name its unit and fills that unit's store.
func fillUnit(ctx context.Context, t *testing.T, cfg desk.Config, n int) {
	t.Helper()
	d := startDesk(ctx, t, cfg)
	u := d.Units[0]
	pourOn(ctx, t, u)
	c := api.NewClient(u.Socket(api.ServiceSocket))
	s, err := c.Status(ctx)
	c.Close()
	d.Stop()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(u.Dir, "pours")
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		_, err := st.Append(ctx, "", func(log string, seq uint64) ([]byte, error) { return recordOf(t, s.Thing, log, seq), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// scroll draws the home page in this process and moves the list up and down until the returned function is called.
func scroll(ctx context.Context, t *testing.T, u *desk.Unit) (stop func()) {
	const w, h = 1080, 1920
	finger, seen := input.NewScript(), &frames{}
	app, err := kiosk.New(kiosk.Config{
		Display: mem.New(w, h, display.XRGB8888), Input: finger, Theme: theme.Fyne{Roles: theme.Light()}, Variant: 1, OnFrame: seen.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := api.NewClient(u.Socket(api.AgentSocket))
	ui, err := screens.New(screens.Config{Stage: app, Client: client, Width: w, Height: h})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = app.Run(ctx) }) // ends with ctx
	wg.Go(func() { _ = ui.Run(ctx) })
	homeTiles(ctx, t, app)
	wg.Go(func() {
		for ctx.Err() == nil {
			finger.Swipe(1, w/2, 1500, w/2, 700, 300*time.Millisecond)
			finger.Swipe(1, w/2, 700, w/2, 1500, 300*time.Millisecond)
		}
	})
	return func() {
		n := len(seen.since(0))
		cancel()
		wg.Wait()
		client.Close()
		t.Logf("%d frames drawn meanwhile", n)
		if n < 100 {
			t.Error("the screen hardly drew: the unit was not busy")
		}
	}
}

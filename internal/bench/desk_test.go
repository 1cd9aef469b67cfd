package bench

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/internal/desk"
	"fountain/sync/wire"
	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
	"fountain/touchui/screens"
	"fountain/touchui/theme"
)

func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// measureDesk starts a desk, pours on it, and looks at its processes; then it runs the real screens in this process, on
// that desk's agent, with a display in memory and a scripted finger.
func measureDesk(t *testing.T, emit func(Figure)) {
	bin := *binDir
	if bin == "" {
		bin = t.TempDir()
		run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin+"/", "fountain/cmd/...")
	}
	dir, err := os.MkdirTemp("", "bench") // short: socket paths have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := desk.Start(ctx, desk.Config{Dir: dir, Bin: bin, Seed: 1, SwapCup: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	u := d.Units[0]
	pourOn(ctx, t, u)
	time.Sleep(2 * time.Second) // the uplink and the collector come to rest
	emit(Figure{Name: "size/agent_rss", Value: rss(t, u.Agent.PID()), Unit: "MB after three pours", Goal: "value<=60"})
	emit(Figure{Name: "size/guard_rss", Value: rss(t, u.Guard.PID()), Unit: "MB after three pours", Goal: "value<=10"})
	emit(Figure{Name: "size/ui_rss", Value: rss(t, u.UI.PID()), Unit: "MB, home page 1080x1920", Goal: "value<=80"})
	measureScreen(ctx, t, u, emit)
}

// pourOn pours three portions with the terminal's own call.
func pourOn(ctx context.Context, t *testing.T, u *desk.Unit) {
	t.Helper()
	c := api.NewClient(u.Socket(api.ServiceSocket))
	defer c.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if s, err := c.Status(ctx); err == nil && s.Unit == api.UnitReady {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the unit is not ready: %+v %v", s, err)
		}
	}
	drinks := theMenu(t).drinks
	for i := range 3 {
		p, err := c.Hold(ctx, api.StartPour{Beverage: drinks[i*20].ID, TargetUL: 150_000, Mode: api.ModePortion, Source: wire.SourceService}, nil)
		if err != nil || p.Outcome != string(wire.Completed) {
			t.Fatalf("pour %s: %+v %v", drinks[i*20].ID, p, err)
		}
	}
}

// frames are what the screen presented.
type frames struct {
	mu  sync.Mutex
	all []kiosk.Frame
}

func (f *frames) add(x kiosk.Frame) { f.mu.Lock(); defer f.mu.Unlock(); f.all = append(f.all, x) }
func (f *frames) since(n int) []kiosk.Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]kiosk.Frame(nil), f.all[n:]...)
}

func measureScreen(ctx context.Context, t *testing.T, u *desk.Unit, emit func(Figure)) {
	const w, h = 1080, 1920
	shown, finger, seen := mem.New(w, h, display.XRGB8888), input.NewScript(), &frames{}
	app, err := kiosk.New(kiosk.Config{Display: shown, Input: finger, Theme: theme.Fyne{Roles: theme.Light()}, Variant: 1, OnFrame: seen.add})
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
	wg.Go(func() {
		if err := app.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := ui.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer func() { cancel(); wg.Wait(); client.Close() }()

	tiles := homeTiles(ctx, t, app)
	time.Sleep(time.Second)
	before := len(seen.since(0))
	time.Sleep(5 * time.Second)
	idle := len(seen.since(before))

	var latencies, paints []float64
	for i := range 120 {
		e := tiles[i%len(tiles)]
		n := len(seen.since(0))
		finger.Down(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2)
		for end := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
			if fs := seen.since(n); len(fs) > 0 {
				latencies, paints = append(latencies, fs[0].Latency.Seconds()*1000), append(paints, fs[0].Paint.Seconds()*1000)
				break
			}
			if time.Now().After(end) {
				t.Fatalf("no frame after a press on %s", e.ID)
			}
		}
		finger.Cancel(1)
		time.Sleep(40 * time.Millisecond) // the released look, and the frame time after it
	}
	t.Logf("press to present: p50 %.2f p95 %.2f worst %.2f ms; of it painting: p50 %.2f p95 %.2f ms",
		Quantile(latencies, 0.5), Quantile(latencies, 0.95), Quantile(latencies, 1), Quantile(paints, 0.5), Quantile(paints, 0.95))
	// 1 ms where Fyne's painter takes 525 ms (DESIGN 8) is a ratio of 0.0019.
	emit(Figure{Name: "ui/press", Value: Quantile(latencies, 0.95), Unit: "ms p95, touch to presented", Goal: "ratio<=0.0019"}.Over(naive, fyneMS(t)))
	emit(Figure{Name: "ui/idle_frames", Value: float64(idle), Unit: "frames in 5 s of the home page", Goal: "value==0"})
}

// homeTiles waits for the home page and returns its tiles that are wholly in sight.
func homeTiles(ctx context.Context, t *testing.T, app *kiosk.App) (tiles []display.Element) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(tiles) < 4; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the home page does not come")
		}
		all, err := app.Tree(ctx)
		if err != nil {
			t.Fatal(err)
		}
		tiles = tiles[:0]
		for _, e := range all {
			if strings.HasPrefix(e.ID, "home.brand.") && e.Enabled && e.Bounds.H > 150 {
				tiles = append(tiles, e)
			}
		}
	}
	return tiles
}

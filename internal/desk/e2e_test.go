package desk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"fountain/agent/api"
	"fountain/sync/wire"
)

// TestE2E is the consumer's journey in a real browser, as a person would follow it: fling the wall, open a drink, hold,
// watch the number rise, let go, and find the pour on the console. FOUNTAIN_SHOTS names a
// directory for the pictures.
func TestE2E(t *testing.T) {
	alloc := chromium(t)
	d, u := startDesk(t, func(c *Config) { c.NoUI = false })
	u.awaitReady(t)
	e, err := ReadEndpoints(filepath.Join(d.dir, "cloud", "endpoints.json"))
	if err != nil {
		t.Fatal(err)
	}
	screen := newTab(t, alloc, 1080, 1920, u.UI.URL())
	screen.until("the screen is live", `window.fountain && fountain.live && fountain.frames > 0`)
	screen.shot("home.png")

	first := screen.tree()
	screen.drag(540, 1400, 540, 700)
	screen.until("the wall flings on", `true`)
	await(t, patience, "the wall moved", func() (bool, string) {
		now := screen.tree()
		_, top := now["home.brand.kolvane"]
		return !top && len(now) > 10, fmt.Sprint(len(first), " then ", len(now), " objects")
	})
	time.Sleep(2 * time.Second) // the fling runs out
	screen.shot("wall.png")
	screen.drag(540, 700, 540, 1500)
	screen.drag(540, 700, 540, 1500)
	time.Sleep(2 * time.Second)

	screen.tapID("home.brand.kolvane")
	screen.wait("brand.beverage.kolvane.cherry-zero")
	time.Sleep(400 * time.Millisecond)
	screen.shot("brand.png")
	screen.tapID("brand.beverage.kolvane.cherry-zero")
	dome := screen.wait("beverage.pour")
	time.Sleep(400 * time.Millisecond)
	screen.shot("beverage.png")

	var seen []int
	before := ""
	rises := func() (early bool) {
		seen = nil
		await(t, patience, "the number rises", func() (bool, string) {
			if o, ok := screen.tree()["pour.volume"]; ok {
				if ml, err := strconv.Atoi(strings.Fields(o.Value + " 0")[0]); err == nil && (len(seen) == 0 || ml > seen[len(seen)-1]) {
					seen = append(seen, ml)
				}
			}
			if len(seen) > 5 && seen[len(seen)-1] >= 180 {
				return true, ""
			}
			early = u.over(t, before)
			return early, fmt.Sprint(seen)
		})
		return early
	}
	x, y := dome.centre()
	screen.mouse(chromedp.MousePressed, x, y)
	stalls := 0
	for attempt := 1; !u.flowing(t, before, 20_000) || rises(); attempt++ {
		screen.mouse(chromedp.MouseReleased, x, y)
		stalls += u.stalled(t, before, attempt)
		before = u.last(t).ID
		x, y = screen.wait("beverage.pour").centre()
		screen.mouse(chromedp.MousePressed, x, y)
	}
	screen.shot("pouring.png")
	screen.mouse(chromedp.MouseReleased, x, y)
	released := time.Now()
	t.Logf("volume while held: %v ml", seen)

	console := newTab(t, alloc, 1280, 900, e.Console)
	console.until("the pour is on the console", fmt.Sprintf(`document.querySelectorAll('#pours li.pour').length === %d`, 1+stalls))
	t.Logf("on the console %v after letting go", time.Since(released).Round(time.Millisecond))
	cup := stillCup(t, u)
	all := d.records(t)
	if len(all) != 1+stalls {
		t.Fatalf("the cloud has %d records, want %d", len(all), 1+stalls)
	}
	checkRecord(t, all[stalls], wire.Stopped, cup)
	if got := seen[len(seen)-1]; int64(got)*1000 > cup+5000 {
		t.Errorf("the screen showed %d ml, the cup holds %d µL", got, cup)
	}
	screen.shot("done.png")

	// A second pour shows up on the open console by itself.
	p, err := u.client(t).Hold(t.Context(), api.StartPour{Beverage: "lemonpark.classic", TargetUL: 355_000, Mode: api.ModePortion, Source: wire.SourceService}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	console.until("the second pour appears without a reload", fmt.Sprintf(`document.querySelectorAll('#pours li.pour').length === %d`, 2+stalls))
	t.Logf("pour %s appeared %v after it settled", p.ID, time.Since(ended).Round(time.Millisecond))
	console.shot("console.png")
}

// chromium starts a browser that ends with the test. It skips the test where none was asked for or none could be had.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv("FOUNTAIN_E2E") == "" {
		t.Skip("needs Chromium: run make test-e2e")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: Chromium is not installed and could not be had")
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-background-timer-throttling", true))...)
	t.Cleanup(stop)
	return alloc
}

// tab is one page of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func newTab(t *testing.T, alloc context.Context, w, h int64, url string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	p := &tab{t, ctx}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(w, h, chromedp.EmulatePortrait), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) until(what, js string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeoutCause(p.ctx, patience, fmt.Errorf("never: %s", what))
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](js, chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

func (p *tab) mouse(kind input.DispatchMouseEventType, x, y float64) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.MouseEvent(kind, x, y, chromedp.ButtonLeft, func(e *input.DispatchMouseEventParams) { e.Buttons = 1 })); err != nil {
		p.t.Fatal(err)
	}
}

// drag moves a finger quickly and lets go on the move: a fling.
func (p *tab) drag(x0, y0, x1, y1 float64) {
	p.t.Helper()
	const steps = 14
	p.mouse(chromedp.MousePressed, x0, y0)
	for i := 1; i <= steps; i++ {
		k := float64(i) / steps
		p.mouse(chromedp.MouseMoved, x0+(x1-x0)*k, y0+(y1-y0)*k)
		time.Sleep(8 * time.Millisecond)
	}
	p.mouse(chromedp.MouseReleased, x1, y1)
}

func (p *tab) tree() map[string]object {
	p.t.Helper()
	list, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]object](`fetch('tree').then(r => r.json())`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]object{}
	for _, o := range list {
		all[o.ID] = o
	}
	return all
}

func (p *tab) wait(id string) object {
	p.t.Helper()
	var o object
	await(p.t, patience, "the screen shows "+id, func() (bool, string) {
		tree := p.tree()
		var ok bool
		o, ok = tree[id]
		return ok && o.Enabled, ids(tree)
	})
	return o
}

func (p *tab) tapID(id string) {
	p.t.Helper()
	x, y := p.wait(id).centre()
	p.mouse(chromedp.MousePressed, x, y)
	time.Sleep(50 * time.Millisecond)
	p.mouse(chromedp.MouseReleased, x, y)
}

// shot keeps a picture when FOUNTAIN_SHOTS is set.
func (p *tab) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("FOUNTAIN_SHOTS")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

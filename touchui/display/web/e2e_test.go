package web_test

import (
	"context"
	"fmt"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"fountain/touchui/display/web"
	touch "fountain/touchui/input"
	"fountain/touchui/kiosk"
)

// hold is a press-and-hold button that counts.
type hold struct {
	widget.BaseWidget
	fill             *canvas.Rectangle
	label            *canvas.Text
	down, up, cancel int
}

func newHold() *hold {
	h := &hold{fill: canvas.NewRectangle(color.NRGBA{R: 11, G: 107, B: 69, A: 255}), label: canvas.NewText("Hold to pour", color.White)}
	h.fill.CornerRadius = 60
	h.label.TextSize, h.label.Alignment = 48, fyne.TextAlignCenter
	h.ExtendBaseWidget(h)
	return h
}

func (h *hold) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewStack(h.fill, h.label))
}
func (h *hold) paint(c color.NRGBA, s string) { h.fill.FillColor, h.label.Text = c, s; h.Refresh() }
func (h *hold) TouchDown(*mobile.TouchEvent) {
	h.down++
	h.paint(color.NRGBA{R: 179, G: 36, B: 26, A: 255}, "Pouring")
}

func (h *hold) TouchUp(*mobile.TouchEvent) {
	h.up++
	h.paint(color.NRGBA{R: 11, G: 107, B: 69, A: 255}, "Hold to pour")
}

func (h *hold) TouchCancel(*mobile.TouchEvent) {
	h.cancel++
	h.paint(color.NRGBA{R: 11, G: 107, B: 69, A: 255}, "Hold to pour")
}
func (h *hold) AccessibleID() string    { return "pour" }
func (h *hold) AccessibleRole() string  { return "hold" }
func (h *hold) AccessibleName() string  { return h.label.Text }
func (h *hold) AccessibleValue() string { return "" }
func (h *hold) AccessibleEnabled() bool { return true }

// reports is when the page said where its fingers are.
type reports struct {
	mu   sync.Mutex
	last time.Time
	gap  time.Duration
}

func (r *reports) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/touch" {
			r.heard()
		}
		next.ServeHTTP(w, q)
	})
}

func (r *reports) heard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() {
		r.gap = max(r.gap, time.Since(r.last))
	}
	r.last = time.Now()
}

// longest is how long nothing was said at most since it was last asked.
func (r *reports) longest() (gap time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gap = r.gap
	if !r.last.IsZero() {
		gap = max(gap, time.Since(r.last))
	}
	r.gap, r.last = 0, time.Time{}
	return gap
}

// TestChromium drives the whole chain in a real browser: pointer events, POST /touch, gestures, painter, stream.
// It runs with FOUNTAIN_E2E=1 (make test-e2e).
func TestChromium(t *testing.T) {
	if os.Getenv("FOUNTAIN_E2E") == "" {
		t.Skip("needs Chromium: run make test-e2e")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: Chromium is not installed and could not be had")
	}
	d := web.New(web.Config{Width: 1080, Height: 1920})
	frames := 0
	app, err := kiosk.New(kiosk.Config{Display: d, Input: d.Input(), OnFrame: func(kiosk.Frame) { frames++ }})
	if err != nil {
		t.Fatal(err)
	}
	d.SetTree(app.Tree)
	tiles := container.NewGridWithColumns(4)
	for i := range 120 {
		bg := canvas.NewRectangle(color.NRGBA{R: byte(60 + i), G: byte(200 - i), B: byte(i * 2), A: 255})
		bg.CornerRadius = 28
		bg.SetMinSize(fyne.NewSize(238, 304))
		name := canvas.NewText(fmt.Sprint("Brand ", i), color.White)
		name.TextSize, name.Alignment = 42, fyne.TextAlignCenter
		tiles.Add(container.NewStack(bg, name))
	}
	scroll := container.NewVScroll(tiles)
	h := newHold()
	scroll.Resize(fyne.NewSize(1080, 1500))
	h.Resize(fyne.NewSize(940, 300))
	h.Move(fyne.NewPos(70, 1560))
	app.SetContent(container.NewWithoutLayout(scroll, h))

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	said := &reports{}
	srv := httptest.NewServer(said.watch(d.Handler()))
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
	}()

	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WSURLReadTimeout(time.Minute), chromedp.WindowSize(700, 1100))...)
	defer stop()
	tab, stopTab := chromedp.NewContext(alloc)
	defer stopTab()
	run := func(a ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		c, cancel := context.WithTimeout(tab, 60*time.Second)
		defer cancel()
		if err := chromedp.Do(c, a...); err != nil {
			t.Fatal(err)
		}
	}
	shot := func(name string) {
		b, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("FOUNTAIN_SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Log(err)
			}
		}
	}
	// The first run must not carry a timeout of its own: it starts the browser.
	if err := chromedp.Do(tab, chromedp.Navigate(d.URL(srv.URL))); err != nil {
		t.Fatal(err)
	}
	open := func() { // a poll does not survive the navigation it may overtake
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			ok, err := chromedp.Run(tab, chromedp.Evaluate[bool](`Boolean(window.fountain && fountain.live && fountain.frames > 0)`))
			if err == nil && ok {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the page shows nothing: %v", err)
			}
		}
	}
	open()
	box, err := chromedp.Run(tab, chromedp.Evaluate[struct{ X, Y, W, H float64 }](
		`(() => { const b = document.getElementById('screen').getBoundingClientRect(); return {X: b.left, Y: b.top, W: b.width, H: b.height} })()`))
	if err != nil {
		t.Fatal(err)
	}
	px := func(x, y float64) (float64, float64) { return box.X + x*box.W/1080, box.Y + y*box.H/1920 }
	mouse := func(kind input.DispatchMouseEventType, x, y float64) chromedp.Action[chromedp.Void] {
		x, y = px(x, y)
		return chromedp.MouseEvent(kind, x, y, chromedp.ButtonLeft, func(p *input.DispatchMouseEventParams) { p.Buttons = 1 })
	}
	on := func(f func()) {
		t.Helper()
		if err := app.Call(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	eventually := func(what string, f func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			ok := false
			on(func() { ok = f() })
			if ok {
				return
			}
			if time.Now().After(end) {
				t.Fatal("never happened: " + what)
			}
		}
	}
	shot("1-start.png")

	// The finger moves 600 px; only a fling goes further. On a busy host the finger may rest before it lifts, which is no
	// fling, or the page may stall for 300 ms, which cancels the touch: try again.
	flung := false
	for try := 0; try < 5 && !flung; try++ {
		on(func() { scroll.ScrollToOffset(fyne.Position{}) })
		swipe := []chromedp.Action[chromedp.Void]{mouse(chromedp.MousePressed, 500, 1200)}
		for y := 1200.0; y > 600; y -= 60 {
			swipe = append(swipe, mouse(chromedp.MouseMoved, 500, y))
		}
		run(append(swipe, mouse(chromedp.MouseReleased, 500, 600))...)
		time.Sleep(2 * time.Second)
		on(func() {
			flung = scroll.Offset.Y > 650
			t.Logf("swipe %d by 600 px moved the grid by %.0f px", try+1, scroll.Offset.Y)
		})
	}
	if !flung {
		t.Error("the grid never went further than the finger")
	}
	time.Sleep(3 * time.Second)
	shot("2-flung.png")

	press := func() (presses int) {
		said.longest()
		on(func() { presses = h.down + 1 })
		run(mouse(chromedp.MousePressed, 540, 1700))
		eventually("the press arrives", func() bool { return h.down == presses })
		return presses
	}
	for { // a touch ends early only when the page of a busy host was silent for too long
		presses := press()
		time.Sleep(time.Second) // far longer than the silence: the page repeats the state
		lost := false
		on(func() { lost = h.up+h.cancel == presses })
		run(mouse(chromedp.MouseReleased, 540, 1700))
		eventually("the touch ends", func() bool { return h.up+h.cancel == presses })
		gap := said.longest()
		if !lost {
			break
		}
		if gap < touch.Silence {
			t.Fatalf("held for a second, the touch was lost: up %d, cancel %d; the page was never silent for more than %v", h.up, h.cancel, gap)
		}
		t.Logf("the page was silent for %v: once more", gap)
	}

	presses := press()
	shot("3-held.png") // last: taking it stalls the page, which may count as silence
	on(func() {
		if h.up+h.cancel == presses {
			t.Log("the touch was cancelled while the page was stalled")
		}
	})
	start := time.Now()
	run(chromedp.Navigate("about:blank"))
	eventually("closing the page cancels", func() bool { return h.up+h.cancel == presses })
	t.Logf("page gone to end of touch: %v after navigation began; %d frames in all", time.Since(start).Round(time.Millisecond), frames)

	// What the browser shows is what the painter painted, once it has been still for a moment.
	run(chromedp.Navigate(d.URL(srv.URL)))
	open()
	time.Sleep(time.Second)
	shot("4-again.png")
	worst, err := chromedp.Run(tab, chromedp.Evaluate[float64](`(async () => {
		const im = await createImageBitmap(await (await fetch('screenshot.png')).blob());
		const c = new OffscreenCanvas(im.width, im.height), g = c.getContext('2d');
		g.drawImage(im, 0, 0);
		const a = g.getImageData(0, 0, im.width, im.height).data, b = pen.getImageData(0, 0, im.width, im.height).data;
		let worst = 0;
		for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i] - b[i]));
		return worst;
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if worst > 0 {
		t.Errorf("browser and painter differ by %v", worst)
	}
	resp, err := http.Get(srv.URL + "/screenshot.png?" + d.URL("")[2:])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if im, err := png.Decode(resp.Body); err != nil || im.Bounds().Dx() != 1080 {
		t.Errorf("screenshot: %v", err)
	}

	// The keyboard drives the same screen: Tab goes to the pad, which wears the ring then, Enter presses it.
	downs, ups := 0, 0
	on(func() { downs, ups = h.down, h.up })
	run(chromedp.KeyEvent("\t"))
	eventually("Tab to the pad", func() bool {
		for _, e := range app.Elements() {
			if e.ID == "pour" && e.Focused {
				return true
			}
		}
		return false
	})
	shot("5-focus.png")
	run(chromedp.KeyEvent("\r"))
	eventually("Enter to press it", func() bool { return h.down == downs+1 && h.up == ups+1 })
}

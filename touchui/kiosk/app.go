package kiosk

import (
	"context"
	"errors"
	"image"
	"log/slog"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// ErrStopped is returned by calls that need the Fyne thread after Run has returned.
var ErrStopped = errors.New("the screen has stopped")

// App is one touch screen. Create it, set the content, Run it.
//
// The goroutine that called New is the Fyne thread until Run starts; from then on it is Run's goroutine. Methods say
// when they may be called from others.
type App struct {
	cfg   Config
	log   *slog.Logger
	scale float32
	size  image.Point // as seen, pixels

	queue   *queue
	loop    *loop
	anims   animations
	gest    *gestures
	keys    *keys
	focus   *focus
	canvas  *canvas
	window  *window
	painter *paint.Painter
	fyne    *fyneApp
	onLost  []*func()
}

// New makes the App the current Fyne app (fyne.CurrentApp). It starts no goroutine.
func New(cfg Config) (*App, error) {
	if cfg.Display == nil {
		return nil, errors.New("start screen: no display given")
	}
	w, h := cfg.Display.Size()
	if w <= 0 || h <= 0 {
		return nil, errors.New("start screen: the display has no size")
	}
	if cfg.Scale <= 0 {
		cfg.Scale = 1
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Locale == "" {
		cfg.Locale = "en-US"
	}
	if cfg.FrameTime <= 0 {
		cfg.FrameTime = time.Second / 60
	}
	if cfg.Theme == nil {
		cfg.Theme = theme.DefaultTheme()
	}
	a := &App{cfg: cfg, log: cfg.Log, scale: cfg.Scale, queue: newQueue()}
	a.anims.wake = a.queue.poke
	a.painter = paint.New(paint.Config{
		Width: w, Height: h, Scale: cfg.Scale, Rotation: cfg.Rotation, Format: cfg.Display.Format(), CacheBytes: cfg.TextureBytes,
	})
	a.size = cfg.Rotation.Size(image.Pt(w, h))
	a.canvas = newCanvas(a, fyne.NewSize(float32(a.size.X)/cfg.Scale, float32(a.size.Y)/cfg.Scale))
	a.window = &window{app: a}
	a.gest = newGestures(a)
	a.keys, a.focus = newKeys(a), newFocus(a)
	a.loop = newLoop(a)
	a.fyne = newFyneApp(a, test.NewApp()) // test.NewApp makes itself current; ours comes after
	fyne.SetCurrentApp(a.fyne)
	a.SetTheme(cfg.Theme, cfg.Variant)
	return a, nil
}

// Size of the screen as a person sees it, in pixels: what pages are laid out for. It never changes. Any goroutine.
func (a *App) Size() (w, h int) { return a.size.X, a.size.Y }

// Window is the one window, always the size of the display.
func (a *App) Window() fyne.Window { return a.window }

// Canvas is the window's canvas.
func (a *App) Canvas() fyne.Canvas { return a.canvas }

// SetContent shows a page; touches on the previous one are cancelled. Fyne thread.
func (a *App) SetContent(o fyne.CanvasObject) { a.canvas.SetContent(o) }

// SetTheme changes theme and variant at once and drops every cached picture. Fyne thread.
func (a *App) SetTheme(th fyne.Theme, v fyne.ThemeVariant) { a.fyne.settings.set(th, v) }

// Run is the event loop. It returns nil when ctx ends or Quit is called, after every touch has been cancelled.
func (a *App) Run(ctx context.Context) error { return a.loop.run(ctx) }

// Quit ends Run. Any goroutine.
func (a *App) Quit() { a.queue.close() }

// Do queues f for the Fyne thread, as fyne.Do does. Any goroutine; never blocks.
func (a *App) Do(f func()) { a.queue.push(f) }

// Call runs f on the Fyne thread and waits. Any goroutine; on the Fyne thread itself f runs at once.
// It returns ErrStopped when Run has ended, or the context's error.
func (a *App) Call(ctx context.Context, f func()) error { return a.queue.call(ctx, f) }

// Every calls f on the Fyne thread each d until stop is called. A screen that hangs therefore stops calling: leases
// are kept alive this way and no other. Missed ticks are not made up for. Fyne thread.
func (a *App) Every(d time.Duration, f func()) (stop func()) { return a.loop.timers.add(d, d, f) }

// After calls f once on the Fyne thread. Fyne thread.
func (a *App) After(d time.Duration, f func()) (stop func()) { return a.loop.timers.add(d, 0, f) }

// Touching reports whether a finger is on the screen or on a key. Fyne thread.
func (a *App) Touching() bool { return len(a.gest.contacts) > 0 || len(a.keys.down) > 0 }

// LastTouch is when the screen was last touched, or a key pressed; zero if never. Fyne thread.
func (a *App) LastTouch() time.Time { return a.gest.lastTouch }

// InputLost tells a widget's TouchCancel what it is: true when the input lost the finger (its device or browser is gone
// or silent, or Run ends), false when the finger slid off or the screen changed under it. Fyne thread.
func (a *App) InputLost() bool { return a.gest.lost }

// CancelTouches ends every touch as lost: widgets get TouchCancel, drags end without a fling. Fyne thread.
func (a *App) CancelTouches() { a.gest.cancelAll() }

// Tree lists the visible interactive objects of the top layer. Any goroutine.
func (a *App) Tree(ctx context.Context) ([]display.Element, error) {
	var out []display.Element
	err := a.Call(ctx, func() { out = a.Elements() })
	return out, err
}

// RenderNow paints and presents at once what changed. Fyne thread; for tests, benchmarks and the first frame.
func (a *App) RenderNow() { a.loop.render() }

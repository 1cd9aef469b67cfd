// Package web is a display in a browser: one page that shows the frame and sends fingers back. It is the screen of a
// fresh machine and of a technician who looks on from elsewhere; it runs the same driver as the device's panel.
// It imports touchui/display, touchui/input, internal/localhttp and internal/problem.
//
//	kiosk ─ Present ─► frame ─► per browser: union of dirty rectangles ─ GET /stream ─► canvas element
//	kiosk ◄─ Events ── input.Remote ◄─ one browser controls, 300 ms of silence cancel ◄─ POST /touch ─ pointer events
//	tests ◄─ GET /tree, GET /screenshot.png
//
// A browser that draws slowly acknowledges slowly and simply gets fewer, larger frames: the painter never waits.
package web

import (
	"context"
	"errors"
	"image"
	"log/slog"
	"sync"
	"time"

	"fountain/internal/localhttp"
	"fountain/touchui/display"
	"fountain/touchui/input"
)

// ErrClosed is returned by Present after Close.
var ErrClosed = errors.New("the web display is closed")

// Config of a web display.
type Config struct {
	Width, Height int           // pixels
	Token         string        // of the printed URL; "" makes a random one
	AllowedHosts  []string      // names besides the loopback ones, without port
	Silence       time.Duration // without a report while a finger is down; 0 = input.Silence
	Log           *slog.Logger  // nil: discard

	Format    display.PixelFormat // of the frames; one beside a panel takes the panel's
	WatchOnly bool                // browsers look on and never control: there is a panel with fingers of its own
}

// Display is a display.Display and the source of its browsers' touches.
type Display struct {
	cfg    Config
	log    *slog.Logger
	remote *input.Remote
	done   chan struct{} // closed by Close
	once   sync.Once

	mu      sync.Mutex
	frame   *display.Frame
	streams map[*stream]struct{}
	tree    func(context.Context) ([]display.Element, error)
}

var _ display.Display = (*Display)(nil)

// New returns a black display without browsers. Serve its Handler.
func New(cfg Config) *Display {
	if cfg.Token == "" {
		cfg.Token = localhttp.NewToken()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Display{
		cfg: cfg, log: cfg.Log, remote: input.NewRemote(cfg.Silence), done: make(chan struct{}),
		frame:   display.NewFrame(cfg.Width, cfg.Height, cfg.Format),
		streams: map[*stream]struct{}{},
	}
	if cfg.WatchOnly {
		d.remote.Join(localhttp.NewToken()) // control is taken, for ever and by nobody
	}
	return d
}

// URL is what a person opens: base, such as "http://127.0.0.1:8080", with the token.
func (d *Display) URL(base string) string { return base + "/?token=" + d.cfg.Token }

// Input delivers the fingers of the browser that controls.
func (d *Display) Input() input.Source { return d.remote }

// SetTree sets who answers GET /tree, usually App.Tree.
func (d *Display) SetTree(f func(context.Context) ([]display.Element, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree = f
}

func (d *Display) Size() (w, h int)            { return d.cfg.Width, d.cfg.Height }
func (d *Display) Format() display.PixelFormat { return d.cfg.Format }
func (d *Display) VBlank() <-chan time.Time    { return nil }

// Present copies the dirty rectangles and wakes the browsers' streams.
func (d *Display) Present(f *display.Frame, dirty []image.Rectangle) error {
	select {
	case <-d.done:
		return ErrClosed
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f.CopyTo(d.frame, dirty)
	for s := range d.streams {
		s.pending.add(dirty...)
		s.poke()
	}
	return nil
}

// Close ends the streams and the input, so that an http.Server can shut down.
func (d *Display) Close() error {
	d.once.Do(func() { close(d.done) })
	return d.remote.Close()
}

// snapshot copies a part of the frame; into buf if that is large enough.
func (d *Display) snapshot(r image.Rectangle, buf []byte) *image.RGBA {
	r = r.Intersect(d.frame.Bounds())
	n := 4 * area(r)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	im := &image.RGBA{Pix: buf[:n], Stride: 4 * r.Dx(), Rect: r}
	d.mu.Lock()
	defer d.mu.Unlock()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := im.Pix[im.PixOffset(r.Min.X, y):][:4*r.Dx()]
		copy(row, d.frame.Row(r, y))
		if d.cfg.Format == display.XRGB8888 {
			for i := 0; i < len(row); i += 4 {
				row[i], row[i+2], row[i+3] = row[i+2], row[i], 255
			}
		}
	}
	return im
}

// region is a small set of rectangles that covers what was added.
type region []image.Rectangle

const maxRegion = 6

func (g *region) add(rects ...image.Rectangle) {
	for _, r := range rects {
		g.merge(r)
	}
}

func (g *region) merge(r image.Rectangle) {
	if r.Empty() {
		return
	}
	for i := 0; i < len(*g); i++ {
		o := (*g)[i]
		u := o.Union(r)
		if area(u) <= (area(o)+area(r))*3/2 || len(*g) >= maxRegion {
			last := len(*g) - 1
			(*g)[i] = (*g)[last]
			*g = (*g)[:last]
			r, i = u, -1
		}
	}
	*g = append(*g, r)
}

func area(r image.Rectangle) int { return r.Dx() * r.Dy() }

// Package mem is a display in memory, for tests and benchmarks. It imports touchui/display only.
package mem

import (
	"errors"
	"image"
	"image/png"
	"io"
	"sync"
	"time"

	"fountain/touchui/display"
)

// ErrClosed is returned by Present after Close.
var ErrClosed = errors.New("the display is closed")

// Display keeps what was presented. All methods may be called from any goroutine.
type Display struct {
	w, h   int
	format display.PixelFormat

	mu     sync.Mutex
	shown  *display.Frame
	frames int
	pixels int
	dirty  []image.Rectangle
	fail   error
	closed bool
	vblank chan time.Time
}

var _ display.Display = (*Display)(nil)

// New returns a black display.
func New(w, h int, f display.PixelFormat) *Display {
	return &Display{w: w, h: h, format: f, shown: display.NewFrame(w, h, f)}
}

// WithVBlank makes the display report a vblank by each call of the returned function, and not by itself. Call it
// before the display is used.
func (d *Display) WithVBlank() (tick func()) {
	d.vblank = make(chan time.Time, 1)
	return func() {
		select {
		case d.vblank <- time.Now():
		default:
		}
	}
}

func (d *Display) Size() (w, h int)            { return d.w, d.h }
func (d *Display) Format() display.PixelFormat { return d.format }
func (d *Display) VBlank() <-chan time.Time    { return d.vblank }

// Present copies the dirty rectangles and nothing else: a rectangle the painter forgot stays wrong, and tests see it.
func (d *Display) Present(f *display.Frame, dirty []image.Rectangle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return ErrClosed
	case d.fail != nil:
		return d.fail
	}
	f.CopyTo(d.shown, dirty)
	d.frames++
	d.dirty = append(d.dirty[:0], dirty...)
	for _, r := range dirty {
		d.pixels += r.Dx() * r.Dy()
	}
	return nil
}

// Fail makes Present return err until called with nil: a screen that was unplugged.
func (d *Display) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

// Close ends the display.
func (d *Display) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// Frames is how often Present succeeded.
func (d *Display) Frames() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.frames
}

// Pixels is how many pixels were presented in all.
func (d *Display) Pixels() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pixels
}

// Dirty returns the rectangles of the last frame.
func (d *Display) Dirty() []image.Rectangle {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]image.Rectangle(nil), d.dirty...)
}

// Image returns a copy of what is shown.
func (d *Display) Image() *image.RGBA {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown.Image(d.shown.Bounds())
}

// WritePNG writes what is shown.
func (d *Display) WritePNG(w io.Writer) error { return png.Encode(w, d.Image()) }

// Package display is the contract between the painter and whatever shows its pixels: a device's screen, a web page,
// memory. It knows nothing of Fyne and imports nothing of the project.
//
//	kiosk ── Present(frame, dirty) ──► Display (drm, fbdev, web, mem)
//	      ◄── VBlank (pacing) ───────
//
// The frame belongs to the painter: a display copies the dirty rows before Present returns and keeps no reference.
package display

import (
	"image"
	"image/color"
	"time"
)

// PixelFormat is the order of bytes in a Frame. Both are four bytes a pixel, alpha always 255.
type PixelFormat uint8

const (
	RGBA8888 PixelFormat = iota // bytes R, G, B, A: what Go's image package encodes without conversion
	XRGB8888                    // bytes B, G, R, X: little-endian XRGB of DRM and fbdev
)

func (f PixelFormat) String() string {
	if f == XRGB8888 {
		return "XRGB8888"
	}
	return "RGBA8888"
}

// Frame is the painter's shadow frame.
type Frame struct {
	Pix    []byte
	Stride int // bytes from one row to the next
	Size   image.Point
	Format PixelFormat
}

// NewFrame allocates a frame.
func NewFrame(w, h int, f PixelFormat) *Frame {
	return &Frame{Pix: make([]byte, w*h*4), Stride: w * 4, Size: image.Pt(w, h), Format: f}
}

// Bounds is the rectangle of the frame, from (0,0).
func (f *Frame) Bounds() image.Rectangle { return image.Rectangle{Max: f.Size} }

// Row returns the bytes of r's row y; r must lie inside the frame.
func (f *Frame) Row(r image.Rectangle, y int) []byte {
	o := y*f.Stride + r.Min.X*4
	return f.Pix[o : o+r.Dx()*4 : o+r.Dx()*4]
}

// At returns one pixel.
func (f *Frame) At(x, y int) color.RGBA {
	p := f.Pix[y*f.Stride+x*4:]
	if f.Format == XRGB8888 {
		return color.RGBA{R: p[2], G: p[1], B: p[0], A: 255}
	}
	return color.RGBA{R: p[0], G: p[1], B: p[2], A: 255}
}

// CopyTo copies the rectangles to dst, which must have the same size and format.
func (f *Frame) CopyTo(dst *Frame, rects []image.Rectangle) {
	for _, r := range rects {
		r = r.Intersect(f.Bounds())
		for y := r.Min.Y; y < r.Max.Y; y++ {
			copy(dst.Row(r, y), f.Row(r, y))
		}
	}
}

// Image returns a copy of r as an image in Go's channel order.
func (f *Frame) Image(r image.Rectangle) *image.RGBA {
	r = r.Intersect(f.Bounds())
	im := image.NewRGBA(r)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := im.Pix[im.PixOffset(r.Min.X, y):][:r.Dx()*4]
		copy(row, f.Row(r, y))
		if f.Format == XRGB8888 {
			for i := 0; i < len(row); i += 4 {
				row[i], row[i+2], row[i+3] = row[i+2], row[i], 255
			}
		}
	}
	return im
}

// Display shows frames. Present is called from one goroutine only; Close may come from any.
type Display interface {
	// Size is the resolution in pixels; it never changes while open.
	Size() (w, h int)
	// Format is the order of bytes the display wants, so that Present is a plain copy.
	Format() PixelFormat
	// Present shows the dirty rectangles of frame. It returns after copying them and blocks at most until the
	// previous page flip. An error is reported and the UI goes on: a screen may come back.
	Present(frame *Frame, dirty []image.Rectangle) error
	// VBlank delivers a value after each presented frame became visible; nil means the UI paces itself by a timer.
	VBlank() <-chan time.Time
	Close() error
}

// Measured is a display that knows how large its picture is. Panels often lie, or say nothing: (0,0).
type Measured interface {
	PanelMM() (w, h int)
}

// Element is one visible interactive object, as tests and assistive output see the screen (GET /tree).
type Element struct {
	ID      string `json:"id"`   // stable, independent of language
	Role    string `json:"role"` // button, tile, hold, slider, text …
	Name    string `json:"name"` // as a person reads it, in the language of the screen
	Value   string `json:"value,omitempty"`
	Bounds  Bounds `json:"bounds"` // the part that can be touched now, display pixels
	Enabled bool   `json:"enabled"`
	Focused bool   `json:"focused,omitempty"` // a key would act on it
}

// Bounds is a rectangle in display pixels.
type Bounds struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// BoundsOf converts a rectangle.
func BoundsOf(r image.Rectangle) Bounds {
	return Bounds{X: r.Min.X, Y: r.Min.Y, W: r.Dx(), H: r.Dy()}
}

// Package kiosk runs Fyne on a bare touch screen: it is the project's own fyne.Driver, window and canvas, with a
// finger's gestures, on Fyne's public API only (no cgo, never fyne.io/fyne/v2/app).
//
//	input.Source ─► gestures ─► widgets ─┐
//	input.KeySource ─► keys, focus ──────┤
//	fyne.Do, timers, animations ─────────┴─► dirty ─► paint.Painter ─► display.Display
//
// Everything between runs on one goroutine, the Fyne thread: the one inside App.Run. It blocks when nothing is dirty,
// animating or flinging, so an idle screen costs nothing. Fyne keeps its state in package variables, therefore one App
// a process. May import touchui/display, touchui/input and touchui/kiosk/paint.
package kiosk

import (
	"log/slog"
	"time"

	"fyne.io/fyne/v2"

	"fountain/touchui/display"
	"fountain/touchui/input"
	"fountain/touchui/kiosk/paint"
)

// Config says what the App drives. Display is required; everything else has a default.
type Config struct {
	Display display.Display
	Input   input.Source      // nil: no finger
	Theme   fyne.Theme        // nil: Fyne's own
	Variant fyne.ThemeVariant // dark (0) or light (1), handed to the theme
	Scale   float32           // display pixels per Fyne unit; 0 = 1
	// Rotation of the picture on a panel that is mounted turned. Touches of Input are then in the panel's pixels;
	// the canvas, Size and Elements are as seen.
	Rotation paint.Rotation
	Locale   fyne.Locale  // "" = en-US
	Log      *slog.Logger // nil: discard

	FrameTime    time.Duration // least time between frames when the display has no VBlank; 0 = 1/60 s
	TextureBytes int           // budget of cached pictures; 0 = 48 MiB
	Reduced      bool          // reduced motion: Settings().ShowAnimations() is false, no fling

	// OnFrame is called on the Fyne thread after each presented frame (first frame, benchmarks). Optional.
	OnFrame func(Frame)
}

// Frame tells about one presented frame.
type Frame struct {
	N       uint64        // 1 for the first
	Latency time.Duration // oldest unseen touch to presented; 0 when no touch led to it
	Items   int           // primitives in the display list
	Pixels  int           // pixels repainted
	Paint   time.Duration // walk, diff and paint
}

// Axis is a direction a scroller moves in.
type Axis uint8

const (
	Horizontal Axis = iota
	Vertical
)

// Scroller is a widget that scrolls itself under a finger and on after it (fling). container.Scroll and the
// collections of package widget need none of this; implement it for a scroller of your own, instead of fyne.Draggable.
type Scroller interface {
	// CanScroll reports whether a drag along the axis could move the content now. When false, the drag goes to the
	// next scroller outwards.
	CanScroll(Axis) bool
	// ScrollBy moves the content with a finger's movement and reports whether anything moved; false ends a fling.
	ScrollBy(fyne.Delta) bool
	// ScrollEnd is called once after the finger left and the fling ended.
	ScrollEnd()
}

// Accessible is implemented by interactive widgets so that tests and assistive output can find them: GET /tree lists
// those that are visible and not behind an overlay. Called on the Fyne thread only.
type Accessible interface {
	AccessibleID() string    // stable and independent of language, such as "brand.lumen" or "pour"
	AccessibleRole() string  // button, tile, hold, switch, slider, text, image
	AccessibleName() string  // what a person reads, in the language of the screen
	AccessibleValue() string // current value, "" for none
	AccessibleEnabled() bool
}

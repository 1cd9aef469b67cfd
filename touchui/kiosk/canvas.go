package kiosk

import (
	"image"
	"sync"

	"fyne.io/fyne/v2"
)

// canvas is the one fyne.Canvas. Its layers are the content and the overlays above it; only the top one is touched.
type canvas struct {
	fyne.ShortcutHandler
	app     *App
	size    fyne.Size
	content fyne.CanvasObject
	over    []fyne.CanvasObject
	changes uint64 // counts changes of layers: touches of before are cancelled
	focused fyne.Focusable
	onRune  func(rune)
	onKey   func(*fyne.KeyEvent)
	roots   []fyne.CanvasObject // reused by layers

	// Widgets should refresh on the Fyne thread; one that does not must not corrupt memory.
	mu      sync.Mutex
	isDirty bool
	stale   map[fyne.CanvasObject]struct{}
	old     map[fyne.CanvasObject]struct{}
}

var (
	_ fyne.Canvas       = (*canvas)(nil)
	_ fyne.OverlayStack = (*overlays)(nil)
)

func newCanvas(a *App, size fyne.Size) *canvas {
	return &canvas{
		app: a, size: size, isDirty: true,
		stale: map[fyne.CanvasObject]struct{}{}, old: map[fyne.CanvasObject]struct{}{},
	}
}

// layers returns content and overlays from bottom to top; valid until the next call.
func (c *canvas) layers() []fyne.CanvasObject {
	c.roots = append(append(c.roots[:0], c.content), c.over...)
	return c.roots
}

// top is the layer that gets touches; nil when there is no content.
func (c *canvas) top() fyne.CanvasObject {
	if n := len(c.over); n > 0 {
		return c.over[n-1]
	}
	return c.content
}

func (c *canvas) dirty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isDirty
}

// takeStale returns what was refreshed since the last frame and makes the canvas clean; valid until the next call.
func (c *canvas) takeStale() map[fyne.CanvasObject]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.old)
	c.stale, c.old = c.old, c.stale
	c.isDirty = false
	return c.old
}

// Refresh repaints o in the next frame if it looks different.
func (c *canvas) Refresh(o fyne.CanvasObject) {
	if o == nil {
		return
	}
	c.mu.Lock()
	c.stale[o] = struct{}{}
	c.isDirty = true
	c.mu.Unlock()
	c.app.queue.poke()
}

// SetDirty asks for a frame; Fyne's primitives call it when they move or hide.
func (c *canvas) SetDirty() {
	c.mu.Lock()
	was := c.isDirty
	c.isDirty = true
	c.mu.Unlock()
	if !was {
		c.app.queue.poke()
	}
}

func (c *canvas) layersChanged() {
	c.changes++
	c.Unfocus()
	c.SetDirty()
}

func (c *canvas) Content() fyne.CanvasObject { return c.content }

func (c *canvas) SetContent(o fyne.CanvasObject) {
	c.content = o
	if o != nil {
		o.Resize(c.size)
		o.Move(fyne.Position{})
	}
	c.layersChanged()
}

func (c *canvas) Size() fyne.Size { return c.size }
func (c *canvas) Scale() float32  { return c.app.scale }

// PixelCoordinateForPosition rounds down, as Fyne does.
func (c *canvas) PixelCoordinateForPosition(p fyne.Position) (int, int) {
	return int(p.X * c.app.scale), int(p.Y * c.app.scale)
}

func (c *canvas) InteractiveArea() (fyne.Position, fyne.Size) { return fyne.Position{}, c.size }

// Capture paints what is due and returns a copy of the frame, as seen. Fyne thread.
func (c *canvas) Capture() image.Image {
	c.app.loop.render()
	return c.app.painter.Seen()
}

func (c *canvas) OnTypedRune() func(rune)              { return c.onRune }
func (c *canvas) SetOnTypedRune(f func(rune))          { c.onRune = f }
func (c *canvas) OnTypedKey() func(*fyne.KeyEvent)     { return c.onKey }
func (c *canvas) SetOnTypedKey(f func(*fyne.KeyEvent)) { c.onKey = f }
func (c *canvas) Overlays() fyne.OverlayStack          { return (*overlays)(c) }
func (c *canvas) Focused() fyne.Focusable              { return c.focused }
func (c *canvas) FocusNext()                           { c.step(1) }
func (c *canvas) FocusPrevious()                       { c.step(-1) }

// Focus gives o the focus; a disabled object does not take it.
func (c *canvas) Focus(o fyne.Focusable) {
	if c.focused == o {
		return
	}
	if d, ok := o.(fyne.Disableable); ok && d.Disabled() {
		return
	}
	c.Unfocus()
	if c.focused = o; o != nil {
		o.FocusGained()
	}
}

func (c *canvas) Unfocus() {
	if f := c.focused; f != nil {
		c.focused = nil
		f.FocusLost()
	}
}

// step moves the focus along the objects of the top layer.
func (c *canvas) step(by int) {
	var all []fyne.Focusable
	at := -1
	visit(c.top(), func(o fyne.CanvasObject) {
		f, ok := o.(fyne.Focusable)
		if d, is := o.(fyne.Disableable); !ok || is && d.Disabled() {
			return
		}
		if f == c.focused {
			at = len(all)
		}
		all = append(all, f)
	})
	if len(all) == 0 {
		return
	}
	if at < 0 && by < 0 {
		at = 0
	}
	c.Focus(all[(at+by+len(all))%len(all)])
}

// overlays is the canvas as a fyne.OverlayStack.
type overlays canvas

// Add shows o above everything and cancels every touch below. An overlay fills the screen; a widget.PopUp looks after
// its own size.
func (s *overlays) Add(o fyne.CanvasObject) {
	if o == nil {
		return
	}
	c := (*canvas)(s)
	c.over = append(c.over, o)
	if _, popup := o.(interface{ ShowAtPosition(fyne.Position) }); !popup {
		o.Move(fyne.Position{})
		o.Resize(c.size)
	}
	c.layersChanged()
}

func (s *overlays) List() []fyne.CanvasObject { return s.over }

// Remove takes o away and everything above it.
func (s *overlays) Remove(o fyne.CanvasObject) {
	for i, x := range s.over {
		if x == o {
			clear(s.over[i:])
			s.over = s.over[:i]
			(*canvas)(s).layersChanged()
			return
		}
	}
}

func (s *overlays) Top() fyne.CanvasObject {
	if n := len(s.over); n > 0 {
		return s.over[n-1]
	}
	return nil
}

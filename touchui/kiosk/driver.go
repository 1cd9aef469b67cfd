package kiosk

import (
	"context"
	"time"

	"fyne.io/fyne/v2"

	"fountain/internal/logkey"
	"fountain/touchui/kiosk/paint"
)

// driver is the fyne.Driver of the one window.
type driver struct {
	app  *App
	text fyne.Driver // measures text as Fyne's painter draws it
}

var _ fyne.Driver = (*driver)(nil)

func (d *driver) CreateWindow(string) fyne.Window { return d.app.window }
func (d *driver) AllWindows() []fyne.Window       { return []fyne.Window{d.app.window} }

func (d *driver) RenderedTextSize(s string, size float32, style fyne.TextStyle, src fyne.Resource) (fyne.Size, float32) {
	return d.text.RenderedTextSize(s, size, style, src)
}

// CanvasForObject is the one canvas for every object, shown or not: there is no other it could come to.
func (d *driver) CanvasForObject(fyne.CanvasObject) fyne.Canvas { return d.app.canvas }

// AbsolutePositionForObject is (0,0) for an object that is not visible on any layer.
func (d *driver) AbsolutePositionForObject(o fyne.CanvasObject) fyne.Position {
	for _, root := range d.app.canvas.layers() {
		if p, ok := locate(root, o, fyne.Position{}); ok {
			return p
		}
	}
	return fyne.Position{}
}

func (d *driver) Device() fyne.Device { return device{d.app} }

func (d *driver) Run() {
	if err := d.app.Run(context.Background()); err != nil {
		d.app.log.Error("run screen", logkey.Err, err)
	}
}

func (d *driver) Quit()                            { d.app.Quit() }
func (d *driver) StartAnimation(a *fyne.Animation) { d.app.anims.start(a) }
func (d *driver) StopAnimation(a *fyne.Animation)  { d.app.anims.stop(a) }
func (d *driver) DoubleTapDelay() time.Duration    { return doubleTap }
func (d *driver) SetDisableScreenBlanking(bool)    {}

// DoFromGoroutine serves fyne.Do and fyne.DoAndWait.
func (d *driver) DoFromGoroutine(f func(), wait bool) {
	if !wait {
		d.app.queue.push(f)
		return
	}
	if err := d.app.queue.call(context.Background(), f); err != nil {
		d.app.log.Debug("call after the screen stopped", logkey.Err, err)
	}
}

// locate returns the absolute position of target below o.
func locate(o, target fyne.CanvasObject, off fyne.Position) (fyne.Position, bool) {
	if o == nil || !o.Visible() {
		return fyne.Position{}, false
	}
	pos := off.Add(o.Position())
	if o == target {
		return pos, true
	}
	kids, _ := paint.Children(o)
	for _, k := range kids {
		if p, ok := locate(k, target, pos); ok {
			return p, true
		}
	}
	return fyne.Position{}, false
}

// visit calls f for o and every visible object below it, also those scrolled out of sight.
func visit(o fyne.CanvasObject, f func(fyne.CanvasObject)) {
	if o == nil || !o.Visible() {
		return
	}
	f(o)
	kids, _ := paint.Children(o)
	for _, k := range kids {
		visit(k, f)
	}
}

// window is the one fyne.Window. It fills the display, so most of what windows do has no meaning here.
type window struct {
	app      *App
	title    string
	onClosed func()
	onClose  func()
}

var _ fyne.Window = (*window)(nil)

func (w *window) Title() string                                { return w.title }
func (w *window) SetTitle(s string)                            { w.title = s }
func (w *window) FullScreen() bool                             { return true }
func (w *window) SetFullScreen(bool)                           {}
func (w *window) Resize(fyne.Size)                             {}
func (w *window) RequestFocus()                                {}
func (w *window) FixedSize() bool                              { return true }
func (w *window) SetFixedSize(bool)                            {}
func (w *window) CenterOnScreen()                              {}
func (w *window) Padded() bool                                 { return false }
func (w *window) SetPadded(bool)                               {}
func (w *window) Icon() fyne.Resource                          { return nil }
func (w *window) SetIcon(fyne.Resource)                        {}
func (w *window) SetMaster()                                   {}
func (w *window) MainMenu() *fyne.MainMenu                     { return nil }
func (w *window) SetMainMenu(*fyne.MainMenu)                   {}
func (w *window) SetOnClosed(f func())                         { w.onClosed = f }
func (w *window) SetCloseIntercept(f func())                   { w.onClose = f }
func (w *window) SetOnDropped(func(fyne.Position, []fyne.URI)) {}
func (w *window) Show()                                        {}
func (w *window) Hide()                                        {}
func (w *window) ShowAndRun()                                  { w.app.fyne.Run() }
func (w *window) Content() fyne.CanvasObject                   { return w.app.canvas.content }
func (w *window) SetContent(o fyne.CanvasObject)               { w.app.canvas.SetContent(o) }
func (w *window) Canvas() fyne.Canvas                          { return w.app.canvas }
func (w *window) Clipboard() fyne.Clipboard                    { return w.app.fyne.Clipboard() }

// Close ends the App, unless intercepted.
func (w *window) Close() {
	if w.onClose != nil {
		w.onClose()
		return
	}
	if w.onClosed != nil {
		w.onClosed()
	}
	w.app.Quit()
}

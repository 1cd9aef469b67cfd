package kiosk_test

import (
	"context"
	"fmt"
	"image/color"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"

	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
)

// pad is a widget that notes what happens to it.
type pad struct {
	widget.BaseWidget
	id               string
	fill             *canvas.Rectangle
	down, up, cancel int
	taps             int
	held             bool
	broken           string // first violation of Down, then exactly one Up or Cancel
	onDown           func()
	onUp             func()
	onCancel         func()
	min              fyne.Size
	lastPos          fyne.Position
}

func newPad(id string, w, h float32) *pad {
	p := &pad{id: id, fill: canvas.NewRectangle(color.NRGBA{R: 40, G: 120, B: 90, A: 255}), min: fyne.NewSize(w, h)}
	p.ExtendBaseWidget(p)
	return p
}

var (
	_ mobile.Touchable = (*pad)(nil)
	_ fyne.Tappable    = (*pad)(nil)
	_ kiosk.Accessible = (*pad)(nil)
)

func (p *pad) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(p.fill) }
func (p *pad) MinSize() fyne.Size                  { return p.min }

func (p *pad) TouchDown(e *mobile.TouchEvent) {
	if p.held && p.broken == "" {
		p.broken = "a second down"
	}
	p.down++
	p.held = true
	p.lastPos = e.Position
	p.fill.FillColor = color.NRGBA{R: 200, G: 60, B: 40, A: 255}
	p.fill.Refresh()
	if p.onDown != nil {
		p.onDown()
	}
}

func (p *pad) release(what string) {
	if !p.held && p.broken == "" {
		p.broken = what + " without a down"
	}
	p.held = false
	p.fill.FillColor = color.NRGBA{R: 40, G: 120, B: 90, A: 255}
	p.fill.Refresh()
}

func (p *pad) TouchUp(*mobile.TouchEvent) {
	p.up++
	p.release("up")
	if p.onUp != nil {
		p.onUp()
	}
}

func (p *pad) TouchCancel(*mobile.TouchEvent) {
	p.cancel++
	p.release("cancel")
	if p.onCancel != nil {
		p.onCancel()
	}
}
func (p *pad) Tapped(*fyne.PointEvent) { p.taps++ }
func (p *pad) AccessibleID() string    { return p.id }
func (p *pad) AccessibleRole() string  { return "button" }
func (p *pad) AccessibleName() string  { return "Pad " + p.id }
func (p *pad) AccessibleValue() string { return fmt.Sprint(p.taps) }
func (p *pad) AccessibleEnabled() bool { return true }

func (p *pad) counts() string {
	return fmt.Sprintf("down %d up %d cancel %d taps %d", p.down, p.up, p.cancel, p.taps)
}

// rig is a running App on a memory display.
type rig struct {
	t      *testing.T
	app    *kiosk.App
	screen *mem.Display
	finger *input.Script
	frames []kiosk.Frame
}

func newRig(t *testing.T, w, h int) *rig {
	t.Helper()
	return newRigWith(t, w, h, kiosk.Config{})
}

func newRigWith(t *testing.T, w, h int, cfg kiosk.Config) *rig {
	t.Helper()
	r := &rig{t: t, screen: mem.New(w, h, display.RGBA8888), finger: input.NewScript()}
	cfg.Display, cfg.Input = r.screen, r.finger
	cfg.OnFrame = func(f kiosk.Frame) { r.frames = append(r.frames, f) }
	app, err := kiosk.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.app = app
	return r
}

// run starts the loop, runs f beside it, and stops it.
func (r *rig) run(f func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.app.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		if err := r.finger.Close(); err != nil {
			r.t.Error(err)
		}
	}()
	f()
}

// on runs f on the Fyne thread after everything sent so far was handled.
func (r *rig) on(f func()) {
	r.t.Helper()
	r.settle()
	if err := r.app.Call(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
}

// settle waits until the loop has read the last touch sent.
func (r *rig) settle() { time.Sleep(20 * time.Millisecond) }

func row(o ...fyne.CanvasObject) *fyne.Container { return container.NewWithoutLayout(o...) }

func placed(o fyne.CanvasObject, x, y, w, h float32) fyne.CanvasObject {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
	return o
}

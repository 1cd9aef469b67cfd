// Package audit judges a screen as somebody would who sees little, aims badly, or reads another language. It is for
// tests: of pages, and of themes a campaign brings along. It may import what pages are made of.
//
//		Watch(look) ─► every text that is composed ─┐
//		kiosk canvas: objects, places, clips ───────┼─► Trace.Page ─► []Fault
//		picture of the display ─────────────────────┘
//
//	  - Contrast is measured on the picture: the colours right around the ink of every text against the text's own, 4.5, or
//	    3 for bold text of 24 pixels or more (WCAG 2.2 AA).
//	  - A target is an enabled control: 15 mm both ways at the panel's pixels per millimetre, none on top of another. A key
//	    of an on-screen keyboard counts with the gap to the next key, which belongs to it as far as fingers go.
//	  - Overflow is ink beyond its picture, scroll area or screen, ink over other ink, and ink under or across a control it
//	    does not belong to.
//
// A Trace belongs to the Fyne thread, except that pictures may be composed anywhere.
package audit

import (
	"context"
	"fmt"
	"image"
	"sync"
	"testing"

	"fyne.io/fyne/v2"

	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// Kind is what a fault is about.
type Kind string

// Kinds of faults.
const (
	Contrast Kind = "contrast"
	Target   Kind = "target"
	Overflow Kind = "overflow"
)

// Fault is something that a person will stumble over.
type Fault struct {
	Kind  Kind
	Where string // the text, or the id of the control
	What  string
}

func (f Fault) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Where, f.What) }

// Trace remembers what text stands in which composed picture.
type Trace struct {
	mu    sync.Mutex
	texts map[*image.RGBA][]text
}

// text is a line of text with its ink.
type text struct {
	theme.TracedText
	ink *image.Alpha // in the picture's coordinates
}

var _ theme.Tracer = (*Trace)(nil)

// Watch makes l tell of every text from now on, and compose everything anew. Call it before the page is built.
func Watch(l *sheet.Look) *Trace {
	t := &Trace{texts: map[*image.RGBA][]text{}}
	l.Fonts = l.Fonts.Traced(t)
	l.Changed()
	return t
}

// Text implements theme.Tracer.
func (t *Trace) Text(img *image.RGBA, tt theme.TracedText) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.texts[img] = append(t.texts[img], text{tt, tt.Ink})
}

// Paste implements theme.Tracer.
func (t *Trace) Paste(dst, src *image.RGBA, at image.Point) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.texts[src] {
		t.texts[dst] = append(t.texts[dst], x.moved(at, dst.Rect.Intersect(src.Rect.Add(at))))
	}
}

// moved is the text in another picture, of which room can show it.
func (x text) moved(by image.Point, room image.Rectangle) text {
	x.Box, x.Clip = x.Box.Add(by), x.Clip.Add(by).Intersect(room)
	ink := *x.ink
	ink.Rect = ink.Rect.Add(by)
	x.ink = &ink
	return x
}

func (t *Trace) of(img image.Image) []text {
	p, ok := img.(*image.RGBA)
	if !ok {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.texts[p]
}

// Screen is what is judged: *kiosk.App is it.
type Screen interface {
	Canvas() fyne.Canvas
	Call(context.Context, func()) error
	RenderNow()
}

// Page judges what screen shows now, at ppmm pixels per millimetre. shot takes the picture of its display. Any goroutine
// but the Fyne thread.
func (t *Trace) Page(ctx context.Context, screen Screen, shot func() *image.RGBA, ppmm float64) ([]Fault, error) {
	var out []Fault
	err := screen.Call(ctx, func() {
		screen.RenderNow()
		out = t.judge(screen.Canvas(), shot(), ppmm)
	})
	return out, err
}

// Check fails tb for every fault of what screen shows now, with the page's name.
func (t *Trace) Check(tb testing.TB, name string, screen Screen, shot func() *image.RGBA, ppmm float64) {
	tb.Helper()
	faults, err := t.Page(tb.Context(), screen, shot, ppmm)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range faults {
		tb.Errorf("%s: %s", name, f)
	}
}

func (t *Trace) judge(c fyne.Canvas, shot *image.RGBA, ppmm float64) []Fault {
	s := t.survey(c, shot.Rect)
	var out []Fault
	out = append(out, s.contrast(shot)...)
	out = append(out, s.targets(ppmm)...)
	return append(out, s.overflow(shot)...)
}

package kiosk

import (
	"math"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// Motion of a scroller after the finger left, in display pixels: design tokens, motion.fling.
const (
	flingDeceleration = 2600.0 // px/s²
	flingMax          = 6000.0 // px/s
	flingMin          = 120.0  // px/s; slower is no fling
)

// drag is an object that follows a finger, or goes on after it.
type drag struct {
	app   *App
	obj   fyne.CanvasObject
	path  path
	index int
	last  fyne.Position // of the finger, up to which the object has moved
	rest  fyne.Delta    // less than a pixel, not handed on yet
	over  *stretch      // beyond the end, under the finger; nil: none
	held  bool          // by a finger
}

// to moves the object with the finger.
func (d *drag) to(pos fyne.Position) {
	delta := fyne.Delta{DX: pos.X - d.last.X, DY: pos.Y - d.last.Y}
	d.last = pos
	d.by(delta)
}

// by hands on whole pixels only: content at fractions of a pixel would let neighbours jitter against each other. It
// reports whether anything moved; a Draggable that cannot tell always does.
func (d *drag) by(delta fyne.Delta) bool {
	s := d.app.scale
	d.rest.DX += delta.DX
	d.rest.DY += delta.DY
	step := fyne.Delta{DX: whole(d.rest.DX, s), DY: whole(d.rest.DY, s)}
	if step.DX == 0 && step.DY == 0 {
		return true
	}
	d.rest.DX -= step.DX
	d.rest.DY -= step.DY
	switch o := d.obj.(type) {
	case Scroller:
		return o.ScrollBy(step)
	case *container.Scroll:
		if d.held {
			d.pulled(o, step)
			return true
		}
		before := o.Offset
		o.Dragged(d.event(step))
		return o.Offset != before
	case fyne.Draggable:
		o.Dragged(d.event(step))
	}
	return true
}

func (d *drag) event(step fyne.Delta) *fyne.DragEvent {
	at, _, _ := d.path.place(d.index, d.app.gest.screen())
	return &fyne.DragEvent{PointEvent: point(d.last, at), Dragged: step}
}

func (d *drag) end() {
	switch o := d.obj.(type) {
	case Scroller:
		o.ScrollEnd()
	case fyne.Draggable:
		o.DragEnd()
	}
}

func whole(v, scale float32) float32 {
	return float32(math.Round(float64(v*scale))) / scale
}

// fling is a drag that goes on by itself, slowing down evenly.
type fling struct {
	drag    *drag
	changes uint64
	start   time.Time
	speed   float64    // Fyne units per second at start
	brake   float64    // Fyne units per second²
	dir     fyne.Delta // unit vector
	gone    float64    // distance handed on
}

// release lets go of what the finger dragged.
func (g *gestures) release(c *contact, at time.Time) {
	d := c.drag
	c.drag, d.held = nil, false
	if d.over != nil {
		g.letGo(d)
		d.end()
		return
	}
	v := c.trail.velocity(at)
	switch s := d.obj.(type) {
	case Scroller:
		v = along(v, s.CanScroll(Horizontal), s.CanScroll(Vertical))
	case *container.Scroll:
		v = along(v, canScroll(s, Horizontal), canScroll(s, Vertical))
	default:
		v = fyne.Delta{} // a slider stays where it was left
	}
	scale := float64(g.app.scale)
	speed := math.Hypot(float64(v.DX), float64(v.DY))
	if g.app.cfg.Reduced || speed*scale < flingMin {
		d.end()
		return
	}
	dir := fyne.Delta{DX: v.DX / float32(speed), DY: v.DY / float32(speed)}
	g.flings = append(g.flings, &fling{
		drag: d, changes: g.app.canvas.changes, start: time.Now(), dir: dir,
		speed: min(speed, flingMax/scale), brake: flingDeceleration / scale,
	})
}

// along keeps the directions that exist, and of two only the main one unless the movement is oblique.
func along(v fyne.Delta, horizontal, vertical bool) fyne.Delta {
	if !horizontal || abs(v.DY) > 2*abs(v.DX) && vertical {
		v.DX = 0
	}
	if !vertical || abs(v.DX) > 2*abs(v.DY) && horizontal {
		v.DY = 0
	}
	return v
}

// flinging reports whether anything moves without a finger.
func (g *gestures) flinging() bool { return len(g.flings) > 0 || len(g.swings) > 0 }

// tick moves what is flinging; called once a frame.
func (g *gestures) tick(now time.Time) {
	for _, f := range slices.Clone(g.flings) {
		moved, over := f.tick(now)
		if !moved {
			g.bump(f, now)
		}
		if !moved || over {
			g.endFling(f)
		}
	}
	g.swingOn(now)
}

// tick follows the closed form of an even deceleration, so the way does not depend on the frame rate. moved is false when
// there was no more way to go.
func (f *fling) tick(now time.Time) (moved, over bool) {
	t, stop := now.Sub(f.start).Seconds(), f.speed/f.brake
	t = max(0, min(t, stop))
	way := f.speed*t - f.brake*t*t/2
	step := float32(way - f.gone)
	f.gone = way
	return f.drag.by(fyne.Delta{DX: f.dir.DX * step, DY: f.dir.DY * step}), t >= stop
}

func (g *gestures) endFling(f *fling) {
	if i := slices.Index(g.flings, f); i >= 0 {
		g.flings = slices.Delete(g.flings, i, i+1)
		f.drag.end()
	}
}

// stopFlings stops what flings under a new finger and reports whether there was any.
func (g *gestures) stopFlings(p path) (stopped bool) {
	for _, f := range slices.Clone(g.flings) {
		if slices.Contains(p, f.drag.obj) {
			g.endFling(f)
			stopped = true
		}
	}
	return stopped
}

// trail remembers where a finger was lately.
type trail struct {
	n  int
	at [8]time.Time
	p  [8]fyne.Position
}

const (
	trailSpan = 100 * time.Millisecond // looked back on for the velocity
	trailRest = 70 * time.Millisecond  // a finger that did not move for this long rests
)

func (t *trail) add(p fyne.Position, at time.Time) {
	if t.n > 0 && t.p[(t.n-1)%len(t.p)] == p {
		return // a repeated report is no movement
	}
	t.at[t.n%len(t.p)], t.p[t.n%len(t.p)] = at, p
	t.n++
}

// velocity is in Fyne units per second, zero for a finger that rested before it left at the given time.
func (t *trail) velocity(at time.Time) fyne.Delta {
	if t.n < 2 {
		return fyne.Delta{}
	}
	last := (t.n - 1) % len(t.p)
	if at.Sub(t.at[last]) > trailRest {
		return fyne.Delta{}
	}
	first := last
	for i := t.n - 1; i >= 0 && i > t.n-1-len(t.p); i-- {
		k := i % len(t.p)
		if t.at[last].Sub(t.at[k]) > trailSpan {
			break
		}
		first = k
	}
	dt := float32(t.at[last].Sub(t.at[first]).Seconds())
	if dt < 0.004 {
		return fyne.Delta{}
	}
	return fyne.Delta{DX: (t.p[last].X - t.p[first].X) / dt, DY: (t.p[last].Y - t.p[first].Y) / dt}
}

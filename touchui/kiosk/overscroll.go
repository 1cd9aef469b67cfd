package kiosk

import (
	"math"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// Over-scroll: at its ends the content of a container.Scroll gives way a little under a finger, and swings back when it
// is let go; a fling that arrives there swings once. It says that there is no more, where an edge that stops dead looks
// like a screen that hangs. With reduced motion there is none.
const (
	// stretchShare of the scroller's length is the most that the content ever gives way.
	stretchShare = 0.25
	// stretchGive is how far the content goes with the first pixel of the finger.
	stretchGive = 0.5
	// stretchSpring is the rate at which a stretch swings back, per second: critically damped, gone in 0.4 s.
	stretchSpring = 16.0
)

// stretch is how far a scroller's content stands beyond its end: under a finger, or swinging back.
type stretch struct {
	app     *App
	scroll  *container.Scroll
	path    path
	index   int
	changes uint64
	pull    fyne.Delta // of the finger beyond the end; positive pulls the content right and down

	// Swinging back: displacement and speed of the content when the finger left.
	start     time.Time
	from, vel fyne.Delta
}

// shown is where a pull puts the content: half as far at first, never beyond the share.
func shown(pull, length float32) float32 {
	most := float64(length) * stretchShare
	if most <= 0 {
		return 0
	}
	return float32(math.Copysign(most*(1-math.Exp(-math.Abs(float64(pull))*stretchGive/most)), float64(pull)))
}

// pullFor is the pull that shows d: the inverse of shown.
func pullFor(d, length float32) float32 {
	most := float64(length) * stretchShare
	x := math.Abs(float64(d)) / most
	if most <= 0 || x == 0 {
		return 0
	}
	return float32(math.Copysign(-math.Log(1-min(x, .999))*most/stretchGive, float64(d)))
}

// take uses up what of a finger's step goes into or out of the stretch before the content scrolls.
func (s *stretch) take(step fyne.Delta) (rest fyne.Delta) {
	s.pull.DX, rest.DX = unwind(s.pull.DX, step.DX)
	s.pull.DY, rest.DY = unwind(s.pull.DY, step.DY)
	return rest
}

// unwind adds step to a pull that there is; what would turn it around is left over.
func unwind(pull, step float32) (now, rest float32) {
	switch sum := pull + step; {
	case pull == 0:
		return 0, step
	case sum*pull > 0:
		return sum, 0
	default:
		return 0, sum
	}
}

// add pulls further, along the directions that the scroller has.
func (s *stretch) add(d fyne.Delta) {
	if canScroll(s.scroll, Horizontal) {
		s.pull.DX += d.DX
	}
	if canScroll(s.scroll, Vertical) {
		s.pull.DY += d.DY
	}
}

func (s *stretch) show() {
	size := s.scroll.Size()
	s.place(fyne.Delta{DX: shown(s.pull.DX, size.Width), DY: shown(s.pull.DY, size.Height)})
}

// place puts the content d beyond where it belongs, in whole pixels.
func (s *stretch) place(d fyne.Delta) {
	if c := s.scroll.Content; c != nil {
		o, scale := s.scroll.Offset, s.app.scale
		c.Move(fyne.NewPos(whole(d.DX, scale)-o.X, whole(d.DY, scale)-o.Y))
	}
}

// swing lets go at a speed in Fyne units per second.
func (s *stretch) swing(vel fyne.Delta, now time.Time) {
	size := s.scroll.Size()
	s.from = fyne.Delta{DX: shown(s.pull.DX, size.Width), DY: shown(s.pull.DY, size.Height)}
	s.start, s.vel, s.pull = now, vel, fyne.Delta{}
}

// at is the displacement now; over is true when it has come to rest.
func (s *stretch) at(now time.Time) (d fyne.Delta, over bool) {
	t := max(0, now.Sub(s.start).Seconds())
	axis := func(x0, v, length float32) float32 {
		x := (float64(x0) + (float64(v)+stretchSpring*float64(x0))*t) * math.Exp(-stretchSpring*t)
		return clamp(float32(x), length*stretchShare)
	}
	size := s.scroll.Size()
	d = fyne.Delta{DX: axis(s.from.DX, s.vel.DX, size.Width), DY: axis(s.from.DY, s.vel.DY, size.Height)}
	const still = 0.5
	return d, t > 1/stretchSpring && abs(d.DX) < still && abs(d.DY) < still
}

// pulled moves a scroller by a finger's step and stretches it with what is left at its end.
func (d *drag) pulled(o *container.Scroll, step fyne.Delta) {
	if d.over != nil {
		step = d.over.take(step)
	}
	before := o.Offset
	o.Dragged(d.event(step))
	left := fyne.Delta{DX: step.DX - (before.X - o.Offset.X), DY: step.DY - (before.Y - o.Offset.Y)}
	if d.app.cfg.Reduced {
		return
	}
	if d.over == nil && (left.DX != 0 || left.DY != 0) {
		d.over = d.stretch(o)
	}
	if d.over != nil {
		d.over.add(left)
		d.over.show()
	}
}

func (d *drag) stretch(o *container.Scroll) *stretch {
	return &stretch{app: d.app, scroll: o, path: d.path, index: d.index, changes: d.app.canvas.changes}
}

// letGo swings back what the drag holds stretched, if anything.
func (g *gestures) letGo(d *drag) {
	if s := d.over; s != nil {
		d.over = nil
		s.swing(fyne.Delta{}, time.Now())
		g.swings = append(g.swings, s)
	}
}

// bump swings a scroller whose fling arrives at its end with speed left.
func (g *gestures) bump(f *fling, now time.Time) {
	o, ok := f.drag.obj.(*container.Scroll)
	left := float32(f.speed - f.brake*now.Sub(f.start).Seconds())
	if !ok || g.app.cfg.Reduced || left*g.app.scale < flingMin {
		return
	}
	s := f.drag.stretch(o)
	// Half the speed: the end takes the rest.
	s.swing(fyne.Delta{DX: f.dir.DX * left / 2, DY: f.dir.DY * left / 2}, now)
	g.swings = append(g.swings, s)
}

// catch takes a scroller that swings over into a drag, where it is.
func (g *gestures) catch(d *drag) {
	for i, s := range g.swings {
		if fyne.CanvasObject(s.scroll) != d.obj {
			continue
		}
		g.swings = slices.Delete(g.swings, i, i+1)
		size := s.scroll.Size()
		x, _ := s.at(time.Now())
		d.over = d.stretch(s.scroll)
		d.over.pull = fyne.Delta{DX: pullFor(x.DX, size.Width), DY: pullFor(x.DY, size.Height)}
		return
	}
}

// swingOn moves what swings; called once a frame.
func (g *gestures) swingOn(now time.Time) {
	for i := 0; i < len(g.swings); {
		s := g.swings[i]
		d, over := s.at(now)
		if over {
			s.place(fyne.Delta{})
			g.swings = slices.Delete(g.swings, i, i+1)
			continue
		}
		s.place(d)
		i++
	}
}

// dropSwings puts back, without a swing, what lost its ground: all, or what is not on the screen any more.
func (g *gestures) dropSwings(all bool) {
	for i := 0; i < len(g.swings); {
		s := g.swings[i]
		_, _, ok := s.path.place(s.index, g.screen())
		if !all && ok && s.changes == g.app.canvas.changes {
			i++
			continue
		}
		s.place(fyne.Delta{})
		g.swings = slices.Delete(g.swings, i, i+1)
	}
}

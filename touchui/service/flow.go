package service

import (
	"image"
	"math"
	"time"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/theme"
)

// flow is what the screen saw flow: the volume of each look, for the curve and for what the last run gave.
type flow struct {
	points []flowPoint
	base   int64     // µL before the present run
	last   int64     // µL of the last run
	moved  time.Time // when something flowed last
	still  bool      // a look has seen that the run is over
	drawn  int
}

type flowPoint struct {
	at time.Time
	ul int64
}

// stillFor is how long the curve goes on after the flow has ended.
const stillFor = 400 * time.Millisecond

// add takes a look.
func (f *flow) add(now time.Time, op api.Op) {
	n := len(f.points)
	if n > 0 && op.FlowedUL > f.points[n-1].ul {
		if f.still || f.moved.IsZero() { // another run: its own curve, from nothing
			f.points = append(f.points[:0], flowPoint{now.Add(-api.BeatEvery), f.points[n-1].ul})
			f.base = f.points[0].ul
		}
		f.moved, f.last, f.still = now, op.FlowedUL-f.base, false
	} else if n > 0 && now.Sub(f.moved) > stillFor {
		f.still = true
		return
	}
	const most = 1200 // two minutes of looks
	if n := len(f.points); n >= most {
		f.points = append(f.points[:0], f.points[n-most/2:]...)
	}
	f.points = append(f.points, flowPoint{now, op.FlowedUL})
}

// fresh reports whether the curve has grown by enough to be drawn again.
func (f *flow) fresh() bool { return len(f.points) != f.drawn }

// rates are the flow in ml/s between looks, smoothed over three, and the time of each in seconds.
func (f *flow) rates() (t, v []float64) {
	for i := 1; i < len(f.points); i++ {
		lo := max(0, i-2)
		dt := f.points[i].at.Sub(f.points[lo].at).Seconds()
		if dt <= 0 {
			continue
		}
		t = append(t, f.points[i].at.Sub(f.points[0].at).Seconds())
		v = append(v, float64(f.points[i].ul-f.points[lo].ul)/1000/dt)
	}
	return t, v
}

// curve draws the flow over time.
func (d *draw) curve(f *flow, r rect) *image.RGBA {
	f.drawn = len(f.points)
	m := d.m
	q := art.Clear(d.Fonts, r.w, r.h)
	defer q.Fixed()() // time goes to the right everywhere
	w, h := float64(r.w), float64(r.h)
	q.Round(0, 0, w, h, min(m.radius, h/4), d.Roles.Surface)
	label := theme.Size{PX: m.f(28, 16), Line: 1, Cut: theme.Text}
	soft := art.Style{Size: theme.Size{PX: m.f(26, 15), Line: 1, Cut: theme.Text}, Color: d.Roles.InkSoft}
	q.Text(d.T("service.op.flow"), m.f(32, 16), m.f(24, 12), art.Style{Size: label, Color: d.Roles.Ink}, art.Left)
	x0, x1 := m.f(110, 56), w-m.f(36, 18)
	y0, y1 := m.f(84, 42), h-m.f(54, 28)
	t, v := f.rates()
	top, end := 1.0, 1.0
	for i := range v {
		top, end = max(top, v[i]), max(end, t[i])
	}
	top = nice(top * 1.1)
	for i := range 3 {
		y := y1 - (y1-y0)*float64(i)/2
		q.Box(int(x0), int(y), int(x1-x0), max(1, m.v(2, 1)), d.Roles.Line)
		q.Text(d.s.num(top*float64(i)/2, digitsOf(top/2)), x0-m.f(16, 8), y-soft.PX/2, soft, art.Right)
	}
	q.Text(d.T("service.seconds", "n", 0), x0, y1+m.f(14, 6), soft, art.Left)
	q.Text(d.T("service.seconds", "n", int(math.Ceil(end))), x1, y1+m.f(14, 6), soft, art.Right)
	if len(v) > 1 {
		line := &art.Path{}
		for i := range v {
			x, y := x0+(x1-x0)*t[i]/math.Ceil(end), y1-(y1-y0)*min(v[i], top)/top
			if i == 0 {
				line.Move(x, y)
			} else {
				line.Line(x, y)
			}
		}
		q.Fill(line.Stroke(art.Pen{Width: m.f(7, 4), Round: true}), d.Roles.Warn)
	}
	return q.RGBA
}

// nice is the next round figure from v on: 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
		if v <= k*p*1.0001 {
			return k * p
		}
	}
	return 10 * p
}

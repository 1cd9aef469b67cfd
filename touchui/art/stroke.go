package art

import "math"

// Pen says how an outline is drawn.
type Pen struct {
	Width float64 // in the units of the path's map
	Round bool    // round caps and joins; else butt caps and mitred joins
}

// Stroke returns the outline of p as a path to fill. width is scaled by the map of p.
func (p *Path) Stroke(pen Pen) *Path {
	k := 1.0
	if p.m != nil {
		k = p.m.factor()
	}
	h := pen.Width * k / 2
	out := &Path{}
	for _, c := range p.contours {
		pts := c.pts
		if len(pts) < 2 {
			if pen.Round && len(pts) == 1 {
				out.Circle(pts[0].X, pts[0].Y, h)
			}
			continue
		}
		if c.closed && len(pts) > 2 {
			l, r := offset(pts, h, pen, true), offset(reversed(pts), h, pen, true)
			out.add(l)
			out.add(r)
			continue
		}
		l := offset(pts, h, pen, false)
		l = append(l, ending(pts[len(pts)-2], pts[len(pts)-1], h, pen)...)
		l = append(l, offset(reversed(pts), h, pen, false)...)
		l = append(l, ending(pts[1], pts[0], h, pen)...)
		out.add(l)
	}
	return out
}

func (p *Path) add(pts []Point) { p.contours = append(p.contours, contour{pts: pts, closed: true}) }

// offset walks along pts at distance h to the left (y is down: to the left of the direction of travel).
func offset(pts []Point, h float64, pen Pen, closed bool) []Point {
	n := len(pts)
	var out []Point
	for i, q := range pts {
		var a, b Point // unit directions in and out
		switch {
		case closed:
			a, b = direction(pts[(i+n-1)%n], q), direction(q, pts[(i+1)%n])
		case i == 0:
			b = direction(q, pts[1])
			a = b
		case i == n-1:
			a = direction(pts[i-1], q)
			b = a
		default:
			a, b = direction(pts[i-1], q), direction(q, pts[i+1])
		}
		out = append(out, corner(q, a, b, h, pen)...)
	}
	return out
}

// corner returns the offset points at q between directions a and b.
func corner(q, a, b Point, h float64, pen Pen) []Point {
	cross, dot := a.X*b.Y-a.Y*b.X, a.X*b.X+a.Y*b.Y
	na, nb := Point{a.Y, -a.X}, Point{b.Y, -b.X}
	pa, pb := Point{q.X + h*na.X, q.Y + h*na.Y}, Point{q.X + h*nb.X, q.Y + h*nb.Y}
	mitre := func() Point {
		s := h / (1 + dot)
		return Point{q.X + s*(na.X+nb.X), q.Y + s*(na.Y+nb.Y)}
	}
	switch {
	case dot > .9: // a flattened curve, or straight on
		return []Point{mitre()}
	case cross < 0: // inner side: through the point itself, so that the winding stays whole
		return []Point{pa, q, pb}
	case pen.Round:
		out := []Point{pa}
		turn := math.Acos(math.Max(-1, math.Min(1, dot)))
		steps := max(int(turn/.2), 1)
		for i := 1; i < steps; i++ {
			s, c := math.Sincos(turn * float64(i) / float64(steps))
			out = append(out, Point{q.X + h*(na.X*c-na.Y*s), q.Y + h*(na.X*s+na.Y*c)})
		}
		return append(out, pb)
	case dot > -.875: // mitre limit 4
		return []Point{mitre()}
	}
	return []Point{pa, pb}
}

// ending is the round cap at q when coming from p.
func ending(p, q Point, h float64, pen Pen) []Point {
	if !pen.Round {
		return nil
	}
	d := direction(p, q)
	n := Point{d.Y, -d.X}
	var out []Point
	for i := 1; i < 12; i++ {
		s, c := math.Sincos(math.Pi * float64(i) / 12)
		out = append(out, Point{q.X + h*(n.X*c-n.Y*s), q.Y + h*(n.X*s+n.Y*c)})
	}
	return out
}

func direction(a, b Point) Point {
	d := math.Hypot(b.X-a.X, b.Y-a.Y)
	if d == 0 {
		return Point{1, 0}
	}
	return Point{(b.X - a.X) / d, (b.Y - a.Y) / d}
}

// Package art draws everything on the screens that is not a plain box: motifs, tiles, cards, cups, icons, level edges,
// the dome and all text, as opaque *image.RGBA pictures made once and cached.
//
// It imports agent/beverage (a motif is data of the catalogue) and touchui/theme. Pictures never change after they were
// returned; Cache is the only state, owned by whoever made it.
//
//	beverage.Motif ─► shapes ─► Path ─┐
//	theme.Fonts    ─► glyph outlines ─┼─► Picture (fill, stroke, anti-aliased) ─► Cache ─► screens
//	icons, cups, edges ─► Path ───────┘
package art

import "math"

// Point is a position in pixels or motif units.
type Point struct{ X, Y float64 }

// Matrix is an affine map: x' = A·x + C·y + E, y' = B·x + D·y + F.
type Matrix struct{ A, B, C, D, E, F float64 }

// Translate, Scale and Rotate return maps; Mul applies n first, then m.
func Translate(x, y float64) Matrix { return Matrix{A: 1, D: 1, E: x, F: y} }

// Scale scales about the origin.
func Scale(k float64) Matrix { return Matrix{A: k, D: k} }

// Rotate turns by degrees clockwise (y is down) about cx, cy.
func Rotate(deg, cx, cy float64) Matrix {
	s, c := math.Sincos(deg * math.Pi / 180)
	return Matrix{A: c, B: s, C: -s, D: c, E: cx - c*cx + s*cy, F: cy - s*cx - c*cy}
}

// Mul returns the map that applies n, then m.
func (m Matrix) Mul(n Matrix) Matrix {
	return Matrix{
		A: m.A*n.A + m.C*n.B, B: m.B*n.A + m.D*n.B,
		C: m.A*n.C + m.C*n.D, D: m.B*n.C + m.D*n.D,
		E: m.A*n.E + m.C*n.F + m.E, F: m.B*n.E + m.D*n.F + m.F,
	}
}

// Apply maps p.
func (m Matrix) Apply(p Point) Point {
	return Point{m.A*p.X + m.C*p.Y + m.E, m.B*p.X + m.D*p.Y + m.F}
}

// factor is the length factor of m (it never shears).
func (m Matrix) factor() float64 { return math.Hypot(m.A, m.B) }

// Path is a list of contours made of straight lines; curves are flattened when they are added.
// The zero value is an empty path drawn without a map.
type Path struct {
	contours []contour
	m        *Matrix // applied to what is added
	tol      float64 // flattening tolerance in pixels
	cur      Point   // unmapped
}

type contour struct {
	pts    []Point
	closed bool
}

// NewPath returns an empty path that maps what is added by m.
func NewPath(m Matrix) *Path { return &Path{m: &m, tol: .05} }

func (p *Path) mapped(q Point) Point {
	if p.m == nil {
		return q
	}
	return p.m.Apply(q)
}

// Move begins a contour.
func (p *Path) Move(x, y float64) *Path {
	p.cur = Point{x, y}
	p.contours = append(p.contours, contour{pts: []Point{p.mapped(p.cur)}})
	return p
}

// Line adds a straight line.
func (p *Path) Line(x, y float64) *Path {
	p.cur = Point{x, y}
	if len(p.contours) == 0 {
		return p.Move(x, y)
	}
	c := &p.contours[len(p.contours)-1]
	q := p.mapped(p.cur)
	if last := c.pts[len(c.pts)-1]; math.Abs(last.X-q.X)+math.Abs(last.Y-q.Y) > 1e-6 {
		c.pts = append(c.pts, q)
	}
	return p
}

// Quad adds a quadratic curve.
func (p *Path) Quad(x1, y1, x, y float64) *Path {
	c := p.cur
	return p.Cube(c.X+(x1-c.X)*2/3, c.Y+(y1-c.Y)*2/3, x+(x1-x)*2/3, y+(y1-y)*2/3, x, y)
}

// Cube adds a cubic curve.
func (p *Path) Cube(x1, y1, x2, y2, x, y float64) *Path {
	a, k := p.cur, 1.0
	if p.m != nil {
		k = p.m.factor()
	}
	// the second difference bounds the distance between curve and chord: n = sqrt(d·3/4 / tol)
	d := math.Max(math.Hypot(a.X-2*x1+x2, a.Y-2*y1+y2), math.Hypot(x1-2*x2+x, y1-2*y2+y)) * k
	n := int(math.Ceil(math.Sqrt(d * .75 / p.tolerance())))
	n = min(max(n, 1), 256)
	for i := 1; i <= n; i++ {
		t := float64(i) / float64(n)
		u := 1 - t
		p.Line(u*u*u*a.X+3*u*u*t*x1+3*u*t*t*x2+t*t*t*x, u*u*u*a.Y+3*u*u*t*y1+3*u*t*t*y2+t*t*t*y)
	}
	return p
}

func (p *Path) tolerance() float64 {
	if p.tol == 0 {
		return .05
	}
	return p.tol
}

// Close ends the contour with a straight line to its begin.
func (p *Path) Close() *Path {
	if n := len(p.contours); n > 0 {
		c := &p.contours[n-1]
		c.closed = true
		if k := len(c.pts); k > 2 && math.Hypot(c.pts[0].X-c.pts[k-1].X, c.pts[0].Y-c.pts[k-1].Y) < 1e-6 {
			c.pts = c.pts[:k-1]
		}
	}
	return p
}

// Arc adds a part of an ellipse about x, y from angle a0 to a1 in degrees clockwise from the top. It draws a line to its
// begin unless the path has no contour yet or begin is true.
func (p *Path) Arc(x, y, rx, ry, a0, a1 float64, begin bool) *Path {
	k := 1.0
	if p.m != nil {
		k = p.m.factor()
	}
	r := math.Max(math.Max(rx, ry)*k, .01)
	step := 2 * math.Acos(math.Max(1-p.tolerance()/r, 0)) * 180 / math.Pi
	n := max(int(math.Ceil(math.Abs(a1-a0)/math.Max(step, .5))), 1)
	for i := 0; i <= n; i++ {
		s, c := math.Sincos((a0 + (a1-a0)*float64(i)/float64(n)) * math.Pi / 180)
		if i == 0 && begin {
			p.Move(x+rx*s, y-ry*c)
		} else {
			p.Line(x+rx*s, y-ry*c)
		}
	}
	return p
}

// Circle adds a closed circle.
func (p *Path) Circle(x, y, r float64) *Path { return p.Arc(x, y, r, r, 0, 360, true).Close() }

// Rect adds a closed rectangle with corners of radius r.
func (p *Path) Rect(x, y, w, h, r float64) *Path {
	r = math.Min(r, math.Min(w, h)/2)
	if r <= 0 {
		return p.Move(x, y).Line(x+w, y).Line(x+w, y+h).Line(x, y+h).Close()
	}
	p.Arc(x+r, y+r, r, r, 270, 360, true)
	p.Arc(x+w-r, y+r, r, r, 0, 90, false)
	p.Arc(x+w-r, y+h-r, r, r, 90, 180, false)
	p.Arc(x+r, y+h-r, r, r, 180, 270, false)
	return p.Close()
}

// Poly adds a closed polygon of x, y pairs.
func (p *Path) Poly(pts ...float64) *Path {
	for i := 0; i+1 < len(pts); i += 2 {
		if i == 0 {
			p.Move(pts[i], pts[i+1])
		} else {
			p.Line(pts[i], pts[i+1])
		}
	}
	return p.Close()
}

// reversed adds the points of c backwards as a new contour, to cut a hole.
func reversed(c []Point) []Point {
	out := make([]Point, len(c))
	for i, q := range c {
		out[len(c)-1-i] = q
	}
	return out
}

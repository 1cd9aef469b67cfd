package art

import (
	"image/color"
	"math"
	"slices"
	"strconv"
)

// Icons by name, drawn in a box of 48. Parts are filled, or drawn as lines when they have a width.
var icons = map[string][]glyphPart{
	"back":    {line("M28 10 12 24l16 14M13 24h25")},
	"tap":     {ball(24, 24, 7), loop(24, 24, 17)},
	"hold":    {solid("M24 5C27 12 35 19 35 28a11 11 0 0 1-22 0C13 19 21 12 24 5Z")},
	"zero":    {loop(24, 24, 16), line("M13 35 35 13")},
	"moon":    {solid("M32 6a18 18 0 1 0 10 26A16 16 0 0 1 32 6Z")},
	"bubbles": {ball(17, 30, 10), ball(34, 17, 7), ball(35, 37, 4.5), ball(17, 9, 4)},
	"still":   {line("M4 18q10-10 20 0t20 0"), line("M4 32q10-10 20 0t20 0")},
	"star":    {solid("m24 4 6 13 14 2-10 10 2 15-12-7-12 7 2-15L4 19l14-2Z")},
	"check":   {{d: "m9 25 11 11 20-24", width: 6}},
	"x":       {{d: "m11 11 26 26M37 11 11 37", width: 6}},
	"lock":    {solid("M13 21H35a4 4 0 0 1 4 4V39a4 4 0 0 1-4 4H13a4 4 0 0 1-4-4V25a4 4 0 0 1 4-4Z"), line("M16 22V14a8 8 0 0 1 16 0V22")},
	"warn":    {line("M24 8 43 40H5Z"), line("M24 19V28"), ball(24, 34, 3)},
	"clean":   {solid("M24 4Q26 22 44 24Q26 26 24 44Q22 26 4 24Q22 22 24 4Z")},
	"swap":    {line("M6 18H40L32 9M42 30H8l8 9")},
	"prime":   {line("M24 6C27 13 36 20 36 30a12 12 0 0 1-24 0C12 20 21 13 24 6Z")},
	"bars":    {{d: "M10 40V27", width: 8}, {d: "M24 40V9", width: 8}, {d: "M38 40V19", width: 8}},
	"target":  {ball(24, 24, 7), loop(24, 24, 17)},
	"erase":   {line("M17 10H43V38H17L5 24Z"), line("M23 18 35 30M35 18 23 30")},
	"up":      {{d: "m10 31 14-14 14 14", width: 6}},
	"down":    {{d: "m10 17 14 14 14-14", width: 6}},
	"plus":    {{d: "M24 10V38M10 24H38", width: 6}},
	"minus":   {{d: "M10 24H38", width: 6}},
	"leaf":    {solid("M7 43C3 20 15 6 43 5C44 32 32 44 13 40L10 44Z")},
	"citrus":  {loop(24, 24, 18), line("M24 8V40M10 16 38 32M38 16 10 32")},
	"bolt":    {solid("M28 2 9 27H22L18 46 39 19H26Z")},
	"next":    {line("M20 10 34 24 20 38")},
	"search":  {loop(21, 21, 13), {d: "m31 31 11 11", width: 6}},
	"reach":   {line("M16 4H32a5 5 0 0 1 5 5V39a5 5 0 0 1-5 5H16a5 5 0 0 1-5-5V9a5 5 0 0 1 5-5Z"), solid("M16 28H32V39H16Z")},
	"phone":   {line("M16 4H32a4 4 0 0 1 4 4V40a4 4 0 0 1-4 4H16a4 4 0 0 1-4-4V8a4 4 0 0 1 4-4Z"), ball(24, 36, 3)},
	"globe":   {loop(24, 24, 18), line("M6 24H42M24 6C34 16 34 32 24 42C14 32 14 16 24 6Z")},
	"list":    {line("M17 12H43M17 24H43M17 36H43"), ball(8, 12, 4), ball(8, 24, 4), ball(8, 36, 4)},
	"stir":    {line("M36 12A17 17 0 1 0 41 27"), solid("M42 5V20H27Z")},
	"screen":  {line("M5 8H43V34H5Z"), line("M15 42H33")},
	"book":    {line("M9 6H33a6 6 0 0 1 6 6V42H15a6 6 0 0 1-6-6Z"), line("M18 18H30M18 28H30")},
	"sliders": {line("M5 14H43M5 34H43"), ball(31, 14, 7), ball(16, 34, 7)},
	"drain":   {line("M24 5V29M13 19 24 30 35 19"), line("M7 42H41")},
	"all": {
		solid("M9 5H17a4 4 0 0 1 4 4V17a4 4 0 0 1-4 4H9a4 4 0 0 1-4-4V9a4 4 0 0 1 4-4Z"),
		solid("M31 5H39a4 4 0 0 1 4 4V17a4 4 0 0 1-4 4H31a4 4 0 0 1-4-4V9a4 4 0 0 1 4-4Z"),
		solid("M9 27H17a4 4 0 0 1 4 4V39a4 4 0 0 1-4 4H9a4 4 0 0 1-4-4V31a4 4 0 0 1 4-4Z"),
		solid("M31 27H39a4 4 0 0 1 4 4V39a4 4 0 0 1-4 4H31a4 4 0 0 1-4-4V31a4 4 0 0 1 4-4Z"),
	},
}

// directed are the icons that point along the way of reading.
var directed = []string{"back", "next", "erase"}

type glyphPart struct {
	d       string
	width   float64 // 0: filled
	x, y, r float64 // a circle when r > 0
}

func solid(d string) glyphPart       { return glyphPart{d: d} }
func line(d string) glyphPart        { return glyphPart{d: d, width: 5} }
func ball(x, y, r float64) glyphPart { return glyphPart{x: x, y: y, r: r} }
func loop(x, y, r float64) glyphPart { return glyphPart{x: x, y: y, r: r, width: 5} }

// Icon draws a named icon in a square of size at x, y. Unknown names draw nothing.
func (p *Picture) Icon(name string, x, y, size float64, c color.RGBA) {
	m := Translate(p.at(x, size), y).Mul(Scale(size / 48))
	if p.turned && slices.Contains(directed, name) {
		m = m.Mul(Matrix{-1, 0, 0, 1, 48, 0})
	}
	for _, g := range icons[name] {
		p.part(g, m, c)
	}
}

func (p *Picture) part(g glyphPart, m Matrix, c color.RGBA) {
	q := NewPath(m)
	if g.r > 0 {
		q.Circle(g.x, g.y, g.r)
	} else {
		q.data(g.d)
	}
	if g.width > 0 {
		q = q.Stroke(Pen{Width: g.width, Round: true})
	}
	p.Fill(q, c)
}

// Logo draws the machine's own mark and word and returns its width. y is the top of a line of px.
func (p *Picture) Logo(x, y, px float64, st Style) float64 {
	s := px * .8
	x = p.at(x, s+px*.26+p.f.Width("fountain", st.Cut, st.PX, st.Track))
	defer p.Fixed()() // its place is turned around, the logo is not
	m := Translate(x, y+(px-s)/2).Mul(Scale(s / 40))
	p.Fill(NewPath(m).Circle(20, 20, 17).Stroke(Pen{Width: 5}), st.Color)
	p.Fill(NewPath(m).data("M3 22q8.5-7 17 0t17 0A17 17 0 0 1 3 22Z"), st.Color)
	return s + px*.26 + p.Text("fountain", x+s+px*.26, y, st, Left)
}

// data adds the path of an SVG d attribute (M L H V C Q T A Z, absolute and relative).
func (p *Path) data(d string) *Path {
	s := scanner{s: d}
	var cmd byte
	var ctrl Point // last control point of Q and T
	for {
		if c, ok := s.command(); ok {
			cmd = c
		} else if s.end() {
			return p
		}
		rel := cmd >= 'a'
		ox, oy := 0.0, 0.0
		if rel {
			ox, oy = p.cur.X, p.cur.Y
		}
		at := p.cur
		isQuad := false
		switch cmd | 0x20 {
		case 'm':
			p.Move(ox+s.num(), oy+s.num())
			cmd = 'L' | cmd&0x20
		case 'l':
			p.Line(ox+s.num(), oy+s.num())
		case 'h':
			p.Line(ox+s.num(), at.Y)
		case 'v':
			p.Line(at.X, oy+s.num())
		case 'c':
			x1, y1, x2, y2 := ox+s.num(), oy+s.num(), ox+s.num(), oy+s.num()
			p.Cube(x1, y1, x2, y2, ox+s.num(), oy+s.num())
		case 'q':
			x1, y1 := ox+s.num(), oy+s.num()
			p.Quad(x1, y1, ox+s.num(), oy+s.num())
			ctrl, isQuad = Point{x1, y1}, true
		case 't':
			x1, y1 := 2*at.X-ctrl.X, 2*at.Y-ctrl.Y
			p.Quad(x1, y1, ox+s.num(), oy+s.num())
			ctrl, isQuad = Point{x1, y1}, true
		case 'a':
			rx := s.num()
			s.num()
			s.num()
			large, sweep := s.num() != 0, s.num() != 0
			p.arcTo(rx, large, sweep, ox+s.num(), oy+s.num())
		case 'z':
			p.Close()
			if s.end() {
				return p
			}
		default:
			return p // a typo in the tables above; TestIcons looks at each
		}
		if !isQuad {
			ctrl = p.cur
		}
	}
}

// arcTo adds a circular arc of an SVG path.
func (p *Path) arcTo(r float64, large, sweep bool, x, y float64) {
	a := p.cur
	dx, dy := x-a.X, y-a.Y
	d := math.Hypot(dx, dy)
	if d == 0 {
		return
	}
	r = math.Max(r, d/2)
	h := math.Sqrt(math.Max(r*r-d*d/4, 0))
	if large == sweep {
		h = -h
	}
	cx, cy := (a.X+x)/2-h*dy/d, (a.Y+y)/2+h*dx/d
	angle := func(px, py float64) float64 { return math.Atan2(px-cx, cy-py) * 180 / math.Pi }
	a0, a1 := angle(a.X, a.Y), angle(x, y)
	if sweep && a1 < a0 {
		a1 += 360
	}
	if !sweep && a1 > a0 {
		a1 -= 360
	}
	p.Arc(cx, cy, r, r, a0, a1, false)
	p.Line(x, y)
}

type scanner struct {
	s string
	i int
}

func (s *scanner) skip() {
	for s.i < len(s.s) && (s.s[s.i] == ' ' || s.s[s.i] == ',') {
		s.i++
	}
}

func (s *scanner) end() bool { s.skip(); return s.i >= len(s.s) }

func (s *scanner) command() (byte, bool) {
	s.skip()
	if s.i < len(s.s) && s.s[s.i] >= 'A' {
		s.i++
		return s.s[s.i-1], true
	}
	return 0, false
}

func (s *scanner) num() float64 {
	s.skip()
	j := s.i
	dot := false
	for j < len(s.s) {
		c := s.s[j]
		if c == '.' && !dot {
			dot = true
		} else if !(c >= '0' && c <= '9' || c == '-' && j == s.i) {
			break
		}
		j++
	}
	v, err := strconv.ParseFloat(s.s[s.i:j], 64)
	if err != nil {
		s.i = len(s.s)
		return 0
	}
	s.i = j
	return v
}

package service

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// targetMM is the least height and width of what a finger hits on a panel that is read at arm's length.
const targetMM = 15

// metrics are the lengths of a panel: each is drawn twice, for 1080 wide and for 800×480, and scaled to the panel.
type metrics struct {
	wide          bool
	w, h          int
	k             float64
	pad, gap, key int
	head          int // height of the header
	title         theme.Size
	question      theme.Size
	heading       theme.Size // of a row or a section
	body          theme.Size
	label         theme.Size
	small         theme.Size
	figure        theme.Size
	least         float64 // pixels of the smallest text
	radius        float64
}

func newMetrics(g sheet.Geo) metrics {
	m := metrics{wide: g.Wide, w: g.W, h: g.H, k: float64(g.W) / 1080}
	if g.Wide {
		m.k = g.K
	}
	sz := func(tall, wide, line float64, cut theme.Cut, track float64) theme.Size {
		return theme.Size{PX: m.f(tall, wide), Line: line, Cut: cut, Track: track}
	}
	m.pad, m.gap = m.v(40, 20), m.v(16, 10)
	m.key = max(m.v(98, 55), g.MM(targetMM))
	m.title = sz(52, 28, 1, theme.Display, -.01)
	m.question = sz(84, 36, 1, theme.Display, -.015)
	m.heading = sz(42, 24, 1.05, theme.Display, -.01)
	m.body = sz(34, 20, 1.3, theme.Text, 0)
	m.label = sz(30, 19, 1.2, theme.Text, 0)
	m.small = sz(28, 18, 1.3, theme.Sans, 0)
	m.figure = sz(46, 24, 1, theme.Display, -.01)
	m.head = m.key + 2*m.v(26, 6)
	m.least = m.f(24, 15)
	m.radius = m.f(36, 18)
	return m
}

// f is a length drawn for either orientation, v the same in whole pixels.
func (m metrics) f(tall, wide float64) float64 {
	if m.wide {
		return wide * m.k
	}
	return tall * m.k
}

func (m metrics) v(tall, wide float64) int { return int(m.f(tall, wide) + .5) }

// rect is a part of the page in pixels.
type rect struct{ x, y, w, h int }

func (r rect) inner(by int) rect { return rect{r.x + by, r.y + by, r.w - 2*by, r.h - 2*by} }

// top cuts h pixels off the upper edge, gap pixels above what is left; bottom likewise below.
func (r *rect) top(h, gap int) rect {
	t := rect{r.x, r.y, r.w, h}
	r.y += h + gap
	r.h -= h + gap
	return t
}

func (r *rect) bottom(h, gap int) rect {
	b := rect{r.x, r.y + r.h - h, r.w, h}
	r.h -= h + gap
	return b
}

// left cuts w pixels off the left.
func (r *rect) left(w, gap int) rect {
	l := rect{r.x, r.y, w, r.h}
	r.x += w + gap
	r.w -= w + gap
	return l
}

// columns splits r into n parts of equal width.
func (r rect) columns(n, gap int) []rect {
	out := make([]rect, n)
	for i := range out {
		x0, x1 := i*(r.w+gap)/n, (i+1)*(r.w+gap)/n-gap
		out[i] = rect{r.x + x0, r.y, x1 - x0, r.h}
	}
	return out
}

// draw is one layout under way.
type draw struct {
	*sheet.Sheet
	s *Service
	m metrics
}

func (s *Service) on(sh *sheet.Sheet) *draw { return &draw{Sheet: sh, s: s, m: s.m} }

// within is a layout on a sheet of its own, to scroll.
func (d *draw) within() *draw { return d.s.on(d.Look.Sheet(d.Roles.BG, d.Roles.Ink)) }

// text sets one line in at most width pixels: smaller first, down to three quarters or what can be read, then cut.
func (d *draw) text(t string, x, y, width int, sz theme.Size, c color.RGBA, align int) *canvas.Image {
	t, sz = d.fit(t, sz, float64(width))
	was := d.Ink
	d.Ink = c
	defer func() { d.Ink = was }()
	return d.Text(t, float64(x), float64(y), sz, align)
}

func (d *draw) fit(t string, sz theme.Size, width float64) (string, theme.Size) {
	if w := d.Fonts.Width(t, sz.Cut, sz.PX, sz.Track); w > width {
		sz.PX = max(min(sz.PX, max(sz.PX*.75, d.m.least)), float64(int(sz.PX*width/w)))
	}
	for r := []rune(t); len(r) > 1 && d.Fonts.Width(t, sz.Cut, sz.PX, sz.Track) > width; {
		r = r[:len(r)-1]
		t = string(r) + "…"
	}
	return t, sz
}

// para sets a sentence in lines, at most lines of them, and returns the height they take.
func (d *draw) para(t string, x, y, width, lines int, sz theme.Size, c color.RGBA) int {
	ls := d.wrap(t, sz, width, lines)
	for i, l := range ls {
		d.text(l, x, y+int(float64(i)*sz.PX*sz.Line), width, sz, c, art.Left)
	}
	return int(float64(len(ls)) * sz.PX * sz.Line)
}

func (d *draw) wrap(t string, sz theme.Size, width, lines int) []string {
	ls := art.Wrap(d.Fonts, t, sz, float64(width))
	if len(ls) > lines {
		rest := ls[lines-1]
		for _, l := range ls[lines:] {
			rest += " " + l
		}
		ls = append(ls[:lines-1:lines-1], rest)
	}
	return ls
}

// box adds a card.
func (d *draw) box(r rect, fill color.RGBA, radius float64) {
	img := d.Compose(func() *image.RGBA {
		p := art.Clear(d.Fonts, r.w, r.h)
		p.Round(0, 0, float64(r.w), float64(r.h), min(radius, float64(min(r.w, r.h))/2), fill)
		return p.RGBA
	}, "box/%d/%d/%v/%v", r.w, r.h, fill, radius)
	d.Pic(img, r.x, r.y)
}

// kind is how a button looks.
type kind int

const (
	plain  kind = iota // on a card or the page: raised
	quiet              // sunk
	strong             // the one thing to do
	goes               // starts or saves something
	stops              // stops something
	chosen             // of a choice
	off                // cannot be used now
)

// button adds a button that fills r. icon may be empty.
func (d *draw) button(id, text, icon string, r rect, k kind, tap func()) *sheet.Control {
	c := sheet.NewControl(id, sheet.RoleButton, text, d.buttonPic(text, icon, r, k), r.x, r.y, tap)
	c.Radius = float32(d.corner(r))
	c.Disabled = k == off
	return d.Control(c)
}

func (d *draw) corner(r rect) float64 { return min(d.m.radius, float64(r.h)/2) }

// buttonPic is the picture of a button; its text gets smaller, then two lines, before it is cut.
func (d *draw) buttonPic(text, icon string, r rect, k kind) *image.RGBA {
	st := sheet.ButtonStyle{H: r.h, Width: r.w, Radius: d.corner(r), PX: d.m.label.PX, Icon: icon, IconPX: d.m.f(38, 22), Gap: d.m.v(16, 8)}
	if k == goes || k == stops {
		st.PX = min(d.m.f(46, 24), float64(r.h)*.34)
		st.IconPX = st.PX * 1.1
	}
	d.dress(&st, k)
	room := float64(r.w) - d.m.f(40, 20)
	if icon != "" {
		room -= st.IconPX + float64(st.Gap)
	}
	if text == "" {
		st.Gap = 0
	}
	fitted, sz := d.fit(text, theme.Size{PX: st.PX, Line: 1, Cut: theme.Text}, room)
	st.PX = sz.PX
	return d.Look.Button(fitted, st)
}

func (d *draw) dress(st *sheet.ButtonStyle, k kind) {
	r := d.Roles
	switch k {
	case plain:
		st.Fill, st.FG = r.Surface, r.Ink
	case quiet:
		st.Fill, st.FG = r.Sunk, r.Ink
	case strong, chosen:
		st.Fill, st.FG = r.Active, r.OnActive
	case goes:
		st.Fill, st.FG = r.Go, r.OnGo
	case stops:
		st.Fill, st.FG = r.Stop, r.OnStop
	case off:
		st.Border, st.FG = d.m.f(3, 2), r.InkSoft
	}
}

// icon adds an icon.
func (d *draw) icon(name string, x, y int, size float64, c color.RGBA) {
	img := d.Compose(func() *image.RGBA {
		p := art.Clear(d.Fonts, int(size+1), int(size+1))
		p.Icon(name, 0, 0, size, c)
		return p.RGBA
	}, "icon/%s/%v/%v", name, size, c)
	d.Pic(img, x, y)
}

// header adds the bar on top, with the way back and the lock, and returns what is left of the page.
func (d *draw) header(title, sub string, back func()) rect {
	return d.headerWith(title, sub, "service.back", "back", back)
}

// headerWith is header with another button beside the lock.
func (d *draw) headerWith(title, sub, id, icon string, tap func()) rect {
	m := d.m
	d.Box(0, 0, m.w, m.head, d.Roles.Surface)
	at := rect{m.pad, (m.head - m.key) / 2, m.w - 2*m.pad, m.key}
	lock := at
	lock.w = m.v(290, 168)
	lock.x = at.x + at.w - lock.w
	d.s.lock.add(d, lock)
	at.w -= lock.w + m.gap
	if tap != nil {
		b := rect{at.x + at.w - m.key*5/4, at.y, m.key * 5 / 4, m.key}
		d.pill(id, d.T(id), icon, b, tap)
		at.w -= b.w + m.gap
	}
	if sub == "" {
		t := d.text(title, at.x, (m.head-int(m.title.PX))/2, at.w, m.title, d.Roles.Ink, art.Left)
		d.Sign("service.title", title, t)
	} else {
		y := (m.head - int(m.title.PX+m.small.PX*1.3)) / 2
		t := d.text(title, at.x, y, at.w, m.title, d.Roles.Ink, art.Left)
		d.Sign("service.title", title, t)
		d.text(sub, at.x, y+int(m.title.PX*1.1), at.w, m.small, d.Roles.InkSoft, art.Left)
	}
	return rect{m.pad, m.head + m.v(32, 12), m.w - 2*m.pad, m.h - m.head - m.v(32, 12) - m.v(40, 12)}
}

// pill adds a round button with only an icon.
func (d *draw) pill(id, name, icon string, r rect, tap func()) *sheet.Control {
	c := d.Button(id, sheet.RoleButton, "", d.iconOnly(icon, r), r.x, r.y, tap)
	c.Name = name
	return c
}

func (d *draw) iconOnly(icon string, r rect) sheet.ButtonStyle {
	st := sheet.ButtonStyle{H: r.h, Width: r.w, Radius: float64(r.h) / 2, PX: d.m.label.PX, Icon: icon, IconPX: d.m.f(40, 24)}
	d.dress(&st, quiet)
	return st
}

// scroller keeps how far a page is scrolled while it is drawn anew.
type scroller struct {
	at float32
}

// add shows up, h pixels high, in r.
func (o *scroller) add(d, up *draw, r rect, h int) {
	sc := container.NewVScroll(up.Container(r.w, max(h, r.h)))
	sc.Move(fyne.NewPos(float32(r.x), float32(r.y)))
	sc.Resize(fyne.NewSize(float32(r.w), float32(r.h)))
	sc.Offset.Y = max(0, min(o.at, float32(h-r.h)))
	sc.OnScrolled = func(p fyne.Position) { o.at = p.Y }
	sc.Refresh()
	d.Add(sc)
}

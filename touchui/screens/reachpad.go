package screens

import (
	"fmt"
	"image"

	"fyne.io/fyne/v2"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// The dome of low reach is a pad in the lower corner, under the thumb of who sits in front of the machine. It is the
// same dome: what it does, and what it says, stays.

// low reports whether controls stand low.
func (d *dome) low() bool { return d.ui.reach }

// lowPlace puts the pad where low reach has it.
func (d *dome) lowPlace() {
	m := reachPlanOf(d.ui)
	r, x := m.pad, m.pad.Min.X
	if d.ui.RTL() && !m.look.Geo.Wide { // landscape pages keep the side of the dome
		x = m.look.Geo.W - r.Max.X
	}
	d.Move(fyne.NewPos(float32(x), float32(r.Min.Y)))
	d.Resize(fyne.NewSize(float32(r.Dx()), float32(r.Dy())))
}

// lowPicture composes the pad.
func (d *dome) lowPicture(st art.DomeStyle) *image.RGBA {
	m := reachPlanOf(d.ui)
	l := m.look
	w, h := m.pad.Dx(), m.pad.Dy()
	return l.Compose(func() *image.RGBA {
		q := art.Clear(l.Fonts, w, h)
		fw, fh := float64(w), float64(h)
		r := min(fh/2, 123*m.k)
		q.Round(0, 0, fw, fh, r, st.BG)
		switch pen := max(6*m.k, 3); {
		case st.Outline:
			q.Frame(0, 0, fw, fh, r, pen, st.FG)
		case st.Pressed:
			q.Frame(pen*2, pen*2, fw-4*pen, fh-4*pen, r-2*pen, pen, st.FG)
		}
		left, right := r*.5, r*.45
		if st.Icon != "" && fw > 2.2*fh*.5 {
			s := min(fh*.3, fw*.2)
			q.Icon(st.Icon, left, (fh-s)/2, s, st.FG)
			left += s + 10*m.k
		}
		room := fw - left - right
		top, high := fh*.14, fh*.72
		if st.Sub != "" && (st.Icon == "" || st.Pressed) {
			sub := theme.Size{PX: max(26*m.k, 16*l.Geo.K), Line: 1.1, Cut: theme.Text}
			ls := art.Wrap(l.Fonts, st.Sub, sub, room)
			for least := sub.PX * .75; len(ls) > 2 && sub.PX > least; ls = art.Wrap(l.Fonts, st.Sub, sub, room) {
				sub.PX *= .95
			}
			below := float64(len(ls)) * sub.PX * sub.Line
			high -= below + sub.PX*.3
			q.Lines(ls, left+room/2, top+high+sub.PX*.3, art.Style{Size: sub, Color: st.FG}, art.Centre)
		}
		sz := theme.Size{PX: 62 * m.k, Line: 1, Cut: theme.Display, Track: -.015}
		lines, px := art.FitName(l.Fonts, st.Label, sz, room, high, 12, 3)
		sz.PX = px
		y := top + (high-px*float64(len(lines)))/2
		q.Lines(lines, left+room/2, y, art.Style{Size: sz, Color: st.FG}, art.Centre)
		return q.RGBA
	}, "pad/%s/%dx%d", fmt.Sprint(st), w, h)
}

// reachPlan is where low reach has its controls, panel pixels. On portrait panels they lie in the lower third; landscape
// panels stand on counters, where the lower half is within reach and the lower third has no room for fingers.
type reachPlan struct {
	look   *sheet.Look
	k      float64 // panel pixels per drawn pixel
	top    int     // nothing that can be touched lies above
	margin int
	strip  image.Rectangle // brands
	tile   image.Point
	row    image.Rectangle // variants, or what the filter offers
	keys   [2]image.Rectangle
	size   image.Rectangle // the first; the others follow at step
	step   int
	pad    image.Rectangle
}

func reachPlanOf(u *UI) reachPlan {
	l := u.leaf()
	if u.Geo.Wide {
		l = u.Look
	}
	g := l.Geo
	m := reachPlan{look: l, k: g.K, margin: g.I(40)}
	least := g.MM(15)
	gap := g.I(20)
	if !g.Wide {
		m.top = (g.H*2 + 2) / 3
		avail := float64(g.H-m.top) / 640 // of what is drawn
		rowH, keysH := max(int(96*avail), least), max(int(240*avail), 2*least+g.I(12))
		below, above := 40*avail, 14*avail
		if spare, want := float64(g.H-m.top-keysH-rowH-least-2*reachRing(m.k)), below+above+2*float64(gap); spare < want {
			f := max(spare/want, .3) // a small panel: fingers do not shrink, the room between does
			below, above, gap = below*f, above*f, int(float64(gap)*f)
		}
		bottom := g.H - int(below)
		y := m.top + int(above)
		m.pad = image.Rect(g.W-m.margin-g.I(384), bottom-keysH, g.W-m.margin, bottom)
		m.row = image.Rect(0, bottom-keysH-gap-rowH, g.W, bottom-keysH-gap)
		m.strip = image.Rect(0, y, g.W, m.row.Min.Y-gap)
		wide := max(g.I(108), least)
		m.step = wide + g.I(10)
		kw, kh := min(g.I(232), m.pad.Min.X-m.margin-3*m.step-g.I(16)), (keysH-g.I(12))/2
		m.keys[0] = image.Rect(m.margin, m.pad.Min.Y, m.margin+kw, m.pad.Min.Y+kh)
		m.keys[1] = image.Rect(m.margin, bottom-kh, m.margin+kw, bottom)
		m.size = image.Rect(m.keys[0].Max.X+g.I(16), m.pad.Min.Y, m.keys[0].Max.X+g.I(16)+wide, bottom)
	} else {
		m.k *= .6
		m.margin, gap = g.I(20), g.I(8)
		m.top = g.H / 2
		bottom := g.H - g.I(10)
		keysH := max(g.I(70), least)
		rowH := max(g.I(56), least)
		m.pad = image.Rect(g.W-m.margin-g.I(214), bottom-keysH-gap-rowH, g.W-m.margin, bottom)
		m.row = image.Rect(0, m.pad.Min.Y, m.pad.Min.X-g.I(10), m.pad.Min.Y+rowH)
		m.strip = image.Rect(0, m.top+g.I(6), g.W, m.row.Min.Y-gap)
		left := m.pad.Min.X - g.I(10) - m.margin // of pixels for the keys and sizes
		kw := left * 26 / 100
		m.keys[0] = image.Rect(m.margin, bottom-keysH, m.margin+kw, bottom)
		m.keys[1] = m.keys[0].Add(image.Pt(kw+gap, 0))
		m.step = (left - 2*(kw+gap) + gap) / 3
		m.size = image.Rect(m.keys[1].Max.X+gap, bottom-keysH, m.keys[1].Max.X+m.step, bottom)
	}
	h := m.strip.Dy()
	m.tile = image.Pt(h*170/200, h)
	if g.Wide {
		m.tile.X = h * 3 / 2
	}
	return m
}

// reachRing is how wide the ring around the chosen tile is.
func reachRing(k float64) int { return max(int(10*k), 4) }

// lowered is y, or as far below it as low reach needs.
func (u *UI) lowered(y int) int {
	if !u.reach {
		return y
	}
	m := reachPlanOf(u)
	return max(y, m.top+m.look.Geo.I(10))
}

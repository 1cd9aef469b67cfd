package audit

import (
	"fmt"
	"image"
)

// rim is how many pixels ink may go over before somebody would see it.
const rim = 2

// minPX is the least size of letters: below it strokes are thinner than a pixel.
const minPX = 14

// overflow looks for text that has no room.
func (s *survey) overflow(shot *image.RGBA) []Fault {
	var out []Fault
	add := func(p placed, format string, args ...any) {
		out = append(out, Fault{Overflow, p.Text, fmt.Sprintf(format, args...)})
	}
	hidden := make([]bool, len(s.texts))
	for i, p := range s.texts {
		want, got := p.shows(shot)
		hidden[i] = want > 0 && got*4 < want
		if p.seen().Empty() || hidden[i] {
			if !p.slides && p.Box.Intersect(s.screen).Empty() {
				add(p, "lies beyond the screen: %v", p.Box)
			}
			continue
		}
		switch {
		case !p.Box.Inset(rim).In(p.Clip):
			add(p, "its picture cuts it off: ink %v, room %v", p.Box, p.Clip)
		case !p.slides && !p.Box.Inset(rim).In(p.clip):
			add(p, "beyond the screen: ink %v", p.Box)
		case p.slides && !p.across && (p.Box.Min.X+rim < p.clip.Min.X || p.Box.Max.X-rim > p.clip.Max.X):
			add(p, "wider than where it scrolls: ink %v, room %v", p.Box, p.clip)
		case got*10 < want*9:
			add(p, "partly covered: %d of %d pixels of ink are seen, at %v", got, want, p.Box)
		}
		if p.Size.PX < minPX {
			add(p, "too small to be read: %.1f px", p.Size.PX)
		}
		for _, c := range s.controls {
			if c.id == p.owner || p.seen().Inset(rim).In(c.seen) {
				continue // its own, or a word laid on a control
			}
			if n := p.inkWhere(c.covers); n > 8 {
				add(p, "runs into %s: %v and %v", c.id, p.seen(), c.seen)
			}
		}
	}
	for i, p := range s.texts {
		for j := i + 1; j < len(s.texts); j++ {
			q := s.texts[j]
			if hidden[i] || hidden[j] || p.Text == q.Text && p.Box == q.Box || p.seen().Intersect(q.seen()).Empty() {
				continue
			}
			if n := p.inkWhere(func(at image.Point) bool { return at.In(q.seen()) && q.ink.AlphaAt(at.X, at.Y).A > 128 }); n > 4 {
				add(p, "stands on %q: %v and %v", q.Text, p.seen(), q.seen())
			}
		}
	}
	return out
}

// inkWhere counts the pixels of ink that are seen where in is true.
func (p placed) inkWhere(in func(image.Point) bool) int {
	n := 0
	r := p.seen()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if p.ink.AlphaAt(x, y).A > 128 && in(image.Pt(x, y)) {
				n++
			}
		}
	}
	return n
}

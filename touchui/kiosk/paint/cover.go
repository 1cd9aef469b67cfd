package paint

import "image"

const (
	// coverMin is the least area, in pixels, worth leaving out below an opaque item.
	coverMin = 1024
	// pieceMax bounds the pieces an item is drawn in.
	pieceMax = 160
	// coverNear is how many items above a small item are asked whether they cover it; a large one asks all.
	coverNear, coverLarge = 6, 1 << 14
)

// occlusion is the paint of one rectangle: the items in it, what each of them covers, and what is left of one item.
// It is kept between frames for its memory only.
type occlusion struct {
	items  []*item
	areas  []image.Rectangle
	covers []image.Rectangle
	left   []image.Rectangle
	spare  []image.Rectangle
}

// paint draws everything inside r once, as far as possible: from the topmost item that hides all below it, and of each
// item only what no later one covers.
func (p *Painter) paint(r image.Rectangle) {
	h := &p.hidden
	h.items, h.areas, h.covers = h.items[:0], h.areas[:0], h.covers[:0]
	first := 0
	bare := true
	for i := len(p.next) - 1; i >= 0; i-- {
		if r.In(p.next[i].cover()) {
			first, bare = i, false
			break
		}
	}
	for i := first; i < len(p.next); i++ {
		it := &p.next[i]
		if a := it.area.Intersect(r); !a.Empty() {
			h.items, h.areas, h.covers = append(h.items, it), append(h.areas, a), append(h.covers, it.cover().Intersect(r))
		}
	}
	if bare {
		for _, q := range h.visible(r, 0) {
			fill(p.frame, q, p.bg)
		}
	}
	for k, it := range h.items {
		p.stats.Drawn++
		for _, q := range h.visible(h.areas[k], k+1) {
			if it.tex == nil {
				fill(p.frame, q, it.fill)
			} else {
				composite(p.frame, it.tex, it.at, q)
			}
		}
	}
	clear(h.items) // they belong to the list
}

// visible returns what of r is not covered by the items from k on. The slice is valid until the next call.
func (h *occlusion) visible(r image.Rectangle, k int) []image.Rectangle {
	h.left = append(h.left[:0], r)
	above := h.covers[k:]
	if area(r) < coverLarge && len(above) > coverNear {
		above = above[:coverNear]
	}
	for _, c := range above {
		if c.Overlaps(r) && area(c.Intersect(r)) >= coverMin {
			h.subtract(c)
		}
	}
	return h.left
}

// subtract takes c away from what is left.
func (h *occlusion) subtract(c image.Rectangle) {
	if len(h.left) >= pieceMax {
		return
	}
	h.spare = h.spare[:0]
	for _, q := range h.left {
		o := q.Intersect(c)
		if area(o) < coverMin && o != q {
			h.spare = append(h.spare, q)
			continue
		}
		for _, s := range [...]image.Rectangle{
			{q.Min, image.Pt(q.Max.X, o.Min.Y)},
			{image.Pt(q.Min.X, o.Min.Y), image.Pt(o.Min.X, o.Max.Y)},
			{image.Pt(o.Max.X, o.Min.Y), image.Pt(q.Max.X, o.Max.Y)},
			{image.Pt(q.Min.X, o.Max.Y), q.Max},
		} {
			if !s.Empty() {
				h.spare = append(h.spare, s)
			}
		}
	}
	h.left, h.spare = h.spare, h.left
}

package paint

import "image"

// item is one primitive in the display list: a solid rectangle, or a texture at a place. Two equal items draw the same
// pixels: textures are compared by identity, and their content never changes.
type item struct {
	obj  any             // the object it comes from; only to find it again in the next list
	at   image.Point     // of the texture's corner
	area image.Rectangle // visible part, inside the frame, never empty
	tex  *texture        // nil: solid
	fill pixel
}

func (a *item) same(b *item) bool {
	return a.area == b.area && a.tex == b.tex && a.at == b.at && a.fill == b.fill
}

// cover is where nothing below it can be seen.
func (a *item) cover() image.Rectangle {
	switch {
	case a.tex != nil:
		return a.tex.core.Add(a.at).Intersect(a.area)
	case a.fill[3] == 255:
		return a.area
	}
	return image.Rectangle{}
}

const (
	maxDirty  = 16 // rectangles a frame; more are merged
	lookAhead = 24 // items searched for the next match of the two lists
)

// damage is the set of rectangles in which the picture may differ.
type damage struct{ rects []image.Rectangle }

func (d *damage) add(r image.Rectangle) {
	if r.Empty() {
		return
	}
	for i := 0; i < len(d.rects); i++ {
		u := d.rects[i].Union(r)
		if area(u)*4 <= (area(d.rects[i])+area(r))*5 {
			// Cheap to merge: take it out and look again, the union may now touch others.
			last := len(d.rects) - 1
			d.rects[i] = d.rects[last]
			d.rects = d.rects[:last]
			r, i = u, -1
		}
	}
	d.rects = append(d.rects, r)
	if len(d.rects) > maxDirty {
		d.squeeze()
	}
}

// squeeze merges the pair that grows least.
func (d *damage) squeeze() {
	bi, bj, best := 0, 1, int(^uint(0)>>1)
	for i := range d.rects {
		for j := i + 1; j < len(d.rects); j++ {
			if g := area(d.rects[i].Union(d.rects[j])) - area(d.rects[i]) - area(d.rects[j]); g < best {
				bi, bj, best = i, j, g
			}
		}
	}
	u := d.rects[bi].Union(d.rects[bj])
	last := len(d.rects) - 1
	d.rects[bj] = d.rects[last]
	d.rects = d.rects[:last]
	d.rects[bi] = u
}

func area(r image.Rectangle) int { return r.Dx() * r.Dy() }

// diff adds what changed from a to b. It pairs the two lists in order; an item without an equal partner is damage.
// Where all items over a pixel have partners, the same items in the same order draw it, so it cannot differ.
func (d *damage) diff(a, b []item) {
	for len(a) > 0 && len(b) > 0 && a[0].same(&b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1].same(&b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	for len(a) > 0 && len(b) > 0 {
		if a[0].obj == b[0].obj {
			if !a[0].same(&b[0]) {
				d.add(a[0].area)
				d.add(b[0].area)
			}
			a, b = a[1:], b[1:]
			continue
		}
		inA, inB := find(a, b[0].obj), find(b, a[0].obj)
		switch {
		case inB > 0 && (inA < 0 || inB <= inA): // b has new items in front
			for i := range inB {
				d.add(b[i].area)
			}
			b = b[inB:]
		case inA > 0: // items of a are gone
			for i := range inA {
				d.add(a[i].area)
			}
			a = a[inA:]
		default:
			d.add(a[0].area)
			d.add(b[0].area)
			a, b = a[1:], b[1:]
		}
	}
	for i := range a {
		d.add(a[i].area)
	}
	for i := range b {
		d.add(b[i].area)
	}
}

func find(l []item, obj any) int {
	for i := 1; i < len(l) && i < lookAhead; i++ {
		if l[i].obj == obj {
			return i
		}
	}
	return -1
}

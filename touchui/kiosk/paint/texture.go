package paint

import (
	"bytes"
	"image"
	"slices"
)

// texture is a rasterised primitive: premultiplied, turned and in the frame's channel order, trimmed to what is not
// transparent.
type texture struct {
	pix    []byte
	stride int
	size   image.Point // on the panel
	full   image.Point // of the primitive untrimmed, as seen
	off    image.Point // on the panel, from the primitive's corner to the trimmed picture
	source *Bitmap     // whose pixels these are; nil: the texture's own, or an image's
	at     []int32     // where row y begins in pix; nil: y*stride. Equal rows are kept once
	opaque bool
	core   image.Rectangle // on the texture: no pixel in it is translucent; a good part of what there is of them
	spans  []span
	rows   []int32 // spans[rows[y]:rows[y+1]] belong to row y

	bytes      int
	used       uint64 // frame of last use
	drop       func() // removes it from its map
	prev, next *texture
}

// span is a run of pixels of one kind; transparent runs are left out.
type span struct {
	x0, x1 int16
	opaque bool
	even   bool // all of one translucent colour
}

const (
	evenMin = 16 // equal translucent pixels that are worth a span of their own
	copyMin = 8  // opaque pixels, likewise: fewer are blended with their neighbours, which gives the same
	gapMin  = 4  // transparent pixels that are worth ending a run
)

// empty tells that the primitive has no visible pixels.
func (t *texture) empty() bool { return t.size.X == 0 || t.size.Y == 0 }

// texture takes over a primitive as seen. own tells that nobody else holds its pixels; otherwise they are copied when
// they must change.
func (p *Painter) texture(im *image.RGBA, own bool) *texture {
	full := im.Rect.Size()
	if p.rot != Rotate0 {
		im, own = p.rot.turn(im), true
	}
	t := newTexture(im, p.swap, own)
	t.full = full
	return t
}

// texture of a Bitmap: its own memory if that is as this painter's frame is.
func (p *Painter) bitmap(b *Bitmap) *texture {
	if b.Rotation != p.rot || b.Format != p.frame.Format {
		return p.texture(toRGBA(b), true)
	}
	return &texture{
		pix: b.Pix, stride: b.Stride, size: p.rot.Size(b.Size), full: b.Size, opaque: true, source: b,
		core:  image.Rectangle{Max: p.rot.Size(b.Size)},
		bytes: b.Stride*p.rot.Size(b.Size).Y + 128,
	}
}

// unused tells the source that this texture shows it no more.
func (t *texture) unused() {
	if t.source != nil && t.source.Unused != nil {
		t.source.Unused()
	}
}

// row is where row y begins in pix.
func (t *texture) row(y int) int {
	if t.at != nil {
		return int(t.at[y])
	}
	return y * t.stride
}

// newTexture takes over what is already turned.
func newTexture(im *image.RGBA, swap, own bool) *texture {
	b := visible(im)
	if b.Empty() {
		return &texture{bytes: 64}
	}
	t := &texture{size: b.Size(), off: b.Min.Sub(im.Rect.Min)}
	src := im.Pix[im.PixOffset(b.Min.X, b.Min.Y):]
	if swap || own {
		t.pack(src, im.Stride, swap)
	} else {
		t.pix, t.stride = src, im.Stride
	}
	t.index()
	// Shared pixels count as well: the texture keeps them from being collected.
	t.bytes = len(t.pix) + len(t.spans)*6 + (len(t.rows)+len(t.at))*4 + 128
	return t
}

// pack copies the pixels. Rows that equal the one above are kept once, if they are many: the inside of a rounded
// rectangle, a bar, a gradient. That saves memory and, above all, the time to read it again.
func (t *texture) pack(src []byte, stride int, swap bool) {
	n := t.size.X * 4
	at, unique := make([]int32, t.size.Y), 0
	for y := range t.size.Y {
		if y == 0 || !bytes.Equal(src[y*stride:][:n], src[(y-1)*stride:][:n]) {
			unique++
		}
		at[y] = int32((unique - 1) * n)
	}
	if unique*4 > t.size.Y*3 {
		at, unique = nil, t.size.Y
	}
	t.stride, t.at = n, at
	t.pix = make([]byte, unique*n)
	for y := range t.size.Y {
		if at != nil && y > 0 && at[y] == at[y-1] {
			continue
		}
		row := t.pix[t.row(y):][:n]
		copy(row, src[y*stride:])
		if swap {
			swapRow(row)
		}
	}
}

func (t *texture) index() {
	t.rows = make([]int32, t.size.Y+1)
	t.opaque = true
	for y := range t.size.Y {
		t.rows[y] = int32(len(t.spans))
		row := t.pix[t.row(y):][:t.size.X*4]
		blend := -1 // where a translucent run begins that goes on
		for x := 0; x < t.size.X; {
			k, e := run(row, x)
			t.opaque = t.opaque && k == 2
			switch {
			case k == 2 && e-x >= copyMin:
				t.blended(row, blend, x)
				blend = -1
				t.spans = append(t.spans, span{x0: int16(x), x1: int16(e), opaque: true})
			case k == 0 && (blend < 0 || e-x >= gapMin):
				t.blended(row, blend, x)
				blend = -1
			case blend < 0:
				blend = x
			}
			x = e
		}
		t.blended(row, blend, t.size.X)
	}
	t.rows[t.size.Y] = int32(len(t.spans))
	if t.opaque {
		t.core, t.spans, t.rows = image.Rectangle{Max: t.size}, nil, nil
		return
	}
	t.spans = slices.Clip(t.spans)
	t.findCore()
}

// run returns the kind of the pixels from x on and where they end.
func run(row []byte, x int) (k, end int) {
	k, end = kind(row[x*4+3]), x+1
	for end*4 < len(row) && kind(row[end*4+3]) == k {
		end++
	}
	return k, end
}

// blended adds the spans of a translucent run: of what is even in it, and of the rest. It does nothing for x < 0.
func (t *texture) blended(row []byte, x, e int) {
	add := func(a, b int, even bool) {
		if a < b {
			t.spans = append(t.spans, span{x0: int16(a), x1: int16(b), even: even})
		}
	}
	if x < 0 {
		return
	}
	from := x
	for x < e {
		n := x + 1
		for n < e && [4]byte(row[n*4:]) == [4]byte(row[x*4:]) {
			n++
		}
		if n-x >= evenMin {
			add(from, x, false)
			add(x, n, true)
			from = n
		}
		x = n
	}
	add(from, e, false)
}

// findCore takes the widest opaque run of the middle row and follows it upwards and downwards.
func (t *texture) findCore() {
	mid := t.size.Y / 2
	var best span
	for _, s := range t.spans[t.rows[mid]:t.rows[mid+1]] {
		if s.opaque && s.x1-s.x0 > best.x1-best.x0 {
			best = s
		}
	}
	covers := func(y int) bool {
		for _, s := range t.spans[t.rows[y]:t.rows[y+1]] {
			if s.opaque && s.x0 <= best.x0 && s.x1 >= best.x1 {
				return true
			}
		}
		return false
	}
	if best.x0 == best.x1 {
		return
	}
	y0, y1 := mid, mid+1
	for y0 > 0 && covers(y0-1) {
		y0--
	}
	for y1 < t.size.Y && covers(y1) {
		y1++
	}
	if r := image.Rect(int(best.x0), y0, int(best.x1), y1); area(r) >= coverMin {
		t.core = r
	}
}

func kind(alpha byte) int {
	switch alpha {
	case 0:
		return 0
	case 255:
		return 2
	}
	return 1
}

// visible is the smallest rectangle that holds every pixel that is not transparent.
func visible(im *image.RGBA) image.Rectangle {
	w := im.Rect.Dx()
	x0, x1, y0, y1 := w, 0, -1, 0
	for y := range im.Rect.Dy() {
		row := im.Pix[y*im.Stride:][:w*4]
		l := 0
		for l < w && row[l*4+3] == 0 {
			l++
		}
		if l == w {
			continue
		}
		r := w
		for row[r*4-1] == 0 {
			r--
		}
		x0, x1 = min(x0, l), max(x1, r)
		if y0 < 0 {
			y0 = y
		}
		y1 = y + 1
	}
	if y0 < 0 {
		return image.Rectangle{}
	}
	return image.Rect(x0, y0, x1, y1).Add(im.Rect.Min)
}

func swapRow(row []byte) {
	for i := 0; i+3 < len(row); i += 4 {
		row[i], row[i+2] = row[i+2], row[i]
	}
}

// lru is the order of textures by use, with a budget of bytes. It is a ring; root.next was used last.
type lru struct {
	root   texture
	bytes  int
	budget int
}

func (l *lru) init(budget int) {
	l.budget = budget
	l.root.prev, l.root.next = &l.root, &l.root
}

func (l *lru) add(t *texture) {
	l.bytes += t.bytes
	l.link(t)
}

func (l *lru) link(t *texture) {
	t.prev, t.next = &l.root, l.root.next
	t.prev.next, t.next.prev = t, t
}

func (l *lru) use(t *texture, frame uint64) {
	if t.used == frame {
		return
	}
	t.used = frame
	t.prev.next, t.next.prev = t.next, t.prev
	l.link(t)
}

func (l *lru) remove(t *texture) {
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
	l.bytes -= t.bytes
	t.drop()
	t.unused()
}

// trim removes the textures used longest ago until the budget holds; what the current frame shows stays.
func (l *lru) trim(frame uint64) {
	for l.bytes > l.budget {
		t := l.root.prev
		if t == &l.root || t.used == frame {
			return
		}
		l.remove(t)
	}
}

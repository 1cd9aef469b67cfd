package paint

import (
	"encoding/binary"
	"image"

	"fountain/touchui/display"
)

// pixel is a premultiplied colour in the frame's channel order.
type pixel [4]byte

// fill covers r with c; r lies inside the frame.
func fill(dst *display.Frame, r image.Rectangle, c pixel) {
	if r.Empty() || c[3] == 0 {
		return
	}
	if c[3] != 255 {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			blendSolid(dst.Row(r, y), c)
		}
		return
	}
	first := dst.Row(r, r.Min.Y)
	copy(first, c[:])
	for n := 4; n < len(first); n *= 2 {
		copy(first[n:], first[:n])
	}
	o := (r.Min.Y+1)*dst.Stride + r.Min.X*4
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(dst.Pix[o:o+len(first)], first)
		o += dst.Stride
	}
}

// composite puts t over dst with its upper left corner at p; clip lies inside the frame.
func composite(dst *display.Frame, t *texture, p image.Point, clip image.Rectangle) {
	c := clip.Intersect(image.Rectangle{Min: p, Max: p.Add(t.size)})
	if c.Empty() {
		return
	}
	if t.opaque || c.Sub(p).In(t.core) {
		n, from := c.Dx()*4, (c.Min.X-p.X)*4
		o := c.Min.Y*dst.Stride + c.Min.X*4
		for y := c.Min.Y; y < c.Max.Y; y++ {
			s := t.row(y-p.Y) + from
			copy(dst.Pix[o:o+n], t.pix[s:s+n])
			o += dst.Stride
		}
		return
	}
	// In the texture's columns from here on.
	left, right := int32(c.Min.X-p.X), int32(c.Max.X-p.X)
	for y := c.Min.Y; y < c.Max.Y; y++ {
		src := t.pix[t.row(y-p.Y):]
		line := dst.Pix[y*dst.Stride:]
		for _, s := range t.spans[t.rows[y-p.Y]:t.rows[y-p.Y+1]] {
			x0, x1 := max(int32(s.x0), left), min(int32(s.x1), right)
			if x0 >= x1 {
				continue
			}
			d, f := line[(int(x0)+p.X)*4:(int(x1)+p.X)*4], src[x0*4:x1*4]
			switch {
			case s.opaque:
				copy(d, f)
			case s.even:
				blendSolid(d, pixel(f[:4]))
			default:
				blend(d, f)
			}
		}
	}
}

// Four channels are blended at once, each in sixteen bits of a word: two in each half.
const lanes = 0x00ff00ff_00ff00ff

func spread(v uint32) uint64 { return (uint64(v) | uint64(v)<<24) & lanes }

// times is v*a/255 of each channel, rounded to nearest.
func times(v uint32, a uint64) uint32 {
	x := spread(v)*a + 0x00800080_00800080
	x = (x + x>>8&lanes) >> 8 & lanes
	return uint32(x) | uint32(x>>24)
}

// blend puts src over dst; both premultiplied, dst opaque.
func blend(dst, src []byte) {
	src = src[:len(dst)]
	for len(dst) >= 4 && len(src) >= 4 {
		s := binary.LittleEndian.Uint32(src)
		binary.LittleEndian.PutUint32(dst, s+times(binary.LittleEndian.Uint32(dst), 255-uint64(s>>24)))
		dst, src = dst[4:], src[4:]
	}
}

// blendSolid puts c over dst, two pixels at once.
func blendSolid(dst []byte, c pixel) {
	s := uint64(binary.LittleEndian.Uint32(c[:]))
	s |= s << 32
	a := 255 - uint64(c[3])
	for len(dst) >= 8 {
		v := binary.LittleEndian.Uint64(dst)
		x, y := (v&lanes)*a+0x00800080_00800080, (v>>8&lanes)*a+0x00800080_00800080
		x, y = (x+x>>8&lanes)>>8&lanes, (y+y>>8&lanes)&^lanes
		binary.LittleEndian.PutUint64(dst, s+(x|y))
		dst = dst[8:]
	}
	if len(dst) >= 4 {
		binary.LittleEndian.PutUint32(dst, uint32(s)+times(binary.LittleEndian.Uint32(dst), a))
	}
}

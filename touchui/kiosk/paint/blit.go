package paint

import (
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
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(dst.Row(r, y), first)
	}
}

// composite puts t over dst with its upper left corner at p; clip lies inside the frame.
func composite(dst *display.Frame, t *texture, p image.Point, clip image.Rectangle) {
	c := clip.Intersect(image.Rectangle{Min: p, Max: p.Add(t.size)})
	if c.Empty() {
		return
	}
	for y := c.Min.Y; y < c.Max.Y; y++ {
		src := t.pix[(y-p.Y)*t.stride:]
		if t.opaque {
			copy(dst.Row(c, y), src[(c.Min.X-p.X)*4:])
			continue
		}
		line := dst.Pix[y*dst.Stride:]
		for _, s := range t.spans[t.rows[y-p.Y]:t.rows[y-p.Y+1]] {
			x0, x1 := max(int(s.x0)+p.X, c.Min.X), min(int(s.x1)+p.X, c.Max.X)
			if x0 >= x1 {
				continue
			}
			d, f := line[x0*4:x1*4], src[(x0-p.X)*4:(x1-p.X)*4]
			if s.opaque {
				copy(d, f)
			} else {
				blend(d, f)
			}
		}
	}
}

// blend puts src over dst; both premultiplied, dst opaque. v*a/255 is rounded to nearest.
func blend(dst, src []byte) {
	src = src[:len(dst)]
	for i := 0; i+3 < len(dst); i += 4 {
		d, s := dst[i:i+4:i+4], src[i:i+4:i+4]
		a := 255 - uint32(s[3])
		d[0] = s[0] + byte((uint32(d[0])*a*257+32768)>>16)
		d[1] = s[1] + byte((uint32(d[1])*a*257+32768)>>16)
		d[2] = s[2] + byte((uint32(d[2])*a*257+32768)>>16)
	}
}

func blendSolid(dst []byte, c pixel) {
	a := (255 - uint32(c[3])) * 257
	for i := 0; i+3 < len(dst); i += 4 {
		d := dst[i : i+4 : i+4]
		d[0] = c[0] + byte((uint32(d[0])*a+32768)>>16)
		d[1] = c[1] + byte((uint32(d[1])*a+32768)>>16)
		d[2] = c[2] + byte((uint32(d[2])*a+32768)>>16)
	}
}

package paint

import (
	"bytes"
	"image"
	"image/color"
	"testing"
)

// A picture turned clockwise has its upper left corner at the upper right, then lower right, then lower left.
func TestRotation(t *testing.T) {
	seen := image.Pt(5, 3)
	corner := map[Rotation]image.Point{Rotate0: {}, Rotate90: {X: 2}, Rotate180: {X: 4, Y: 2}, Rotate270: {Y: 4}}
	next := map[Rotation]image.Point{Rotate0: {X: 1}, Rotate90: {X: 2, Y: 1}, Rotate180: {X: 3, Y: 2}, Rotate270: {Y: 3}}
	for r := range Rotation(4) {
		if got := r.Point(image.Point{}, seen); got != corner[r] {
			t.Errorf("%d degrees: the first pixel goes to %v", r.Degrees(), got)
		}
		if got := r.Point(image.Pt(1, 0), seen); got != next[r] {
			t.Errorf("%d degrees: the second pixel goes to %v", r.Degrees(), got)
		}
		im := image.NewRGBA(image.Rectangle{Max: seen})
		for y := range seen.Y {
			for x := range seen.X {
				im.SetRGBA(x, y, color.RGBA{byte(x), byte(y), 9, 255})
				p := image.Pt(x, y)
				if back := r.Back(r.Point(p, seen), seen); back != p {
					t.Errorf("%d degrees: %v came back as %v", r.Degrees(), p, back)
				}
				one := image.Rectangle{Min: p, Max: p.Add(image.Pt(1, 1))}
				if q := r.Rect(one, seen); q.Min != r.Point(p, seen) || q.Size() != image.Pt(1, 1) {
					t.Errorf("%d degrees: the rectangle of %v is %v", r.Degrees(), p, q)
				}
			}
		}
		out := r.turn(im)
		if out.Rect.Size() != r.Size(seen) {
			t.Fatalf("%d degrees: size %v", r.Degrees(), out.Rect.Size())
		}
		for y := range seen.Y {
			for x := range seen.X {
				p := r.Point(image.Pt(x, y), seen)
				if out.RGBAAt(p.X, p.Y) != im.RGBAAt(x, y) {
					t.Errorf("%d degrees: pixel %d,%d is not at %v", r.Degrees(), x, y, p)
				}
			}
		}
		if back, err := ParseRotation(r.Degrees()); err != nil || back != r {
			t.Errorf("%d degrees: %v %v", r.Degrees(), back, err)
		}
	}
	for _, d := range []int{-90, 45, 360} {
		if _, err := ParseRotation(d); err == nil {
			t.Errorf("%d degrees were accepted", d)
		}
	}
}

// Blending rounds each channel to nearest, for every value and alpha.
func TestBlend(t *testing.T) {
	for a := range 256 {
		for v := range 256 {
			for _, s := range []int{0, a / 3, a} {
				dst, src := []byte{byte(v), byte(255 - v), 7, 255}, []byte{byte(s), byte(s), 0, byte(a)}
				blend(dst, src)
				part := func(d int) byte { return byte(s + (d*(255-a)*2+255)/510) }
				if want := [4]byte{part(v), part(255 - v), byte((7*(255-a)*2 + 255) / 510), 255}; [4]byte(dst) != want {
					t.Fatalf("%d over %d with alpha %d: %v, want %v", s, v, a, dst, want)
				} else {
					flat := bytes.Repeat([]byte{byte(v), byte(255 - v), 7, 255}, 3)
					if blendSolid(flat, pixel(src)); !bytes.Equal(flat, bytes.Repeat(want[:], 3)) {
						t.Fatalf("evenly: %d over %d with alpha %d: %v, want %v", s, v, a, flat, want)
					}
				}
			}
		}
	}
}

package paint

import (
	"fmt"
	"image"
)

// Rotation is how far the picture is turned clockwise on the panel, because the panel is mounted turned the other way.
// Layout, touches and element bounds are as a person sees the screen; frames, textures and damage are the panel's.
type Rotation uint8

// The rotations a panel can have.
const (
	Rotate0 Rotation = iota
	Rotate90
	Rotate180
	Rotate270
)

// ParseRotation reads degrees clockwise: 0, 90, 180 or 270.
func ParseRotation(degrees int) (Rotation, error) {
	if degrees%90 != 0 || degrees < 0 || degrees > 270 {
		return Rotate0, fmt.Errorf("a screen cannot be turned by %d degrees, only by 0, 90, 180 or 270", degrees)
	}
	return Rotation(degrees / 90), nil
}

// Degrees clockwise.
func (r Rotation) Degrees() int { return int(r) * 90 }

// Size converts between the panel's size and the size as seen; it works both ways.
func (r Rotation) Size(s image.Point) image.Point {
	if r%2 == 1 {
		return image.Pt(s.Y, s.X)
	}
	return s
}

// Rect converts a rectangle as seen, on a screen or picture of that seen size, to the panel's pixels.
func (r Rotation) Rect(q image.Rectangle, seen image.Point) image.Rectangle {
	switch r {
	case Rotate90:
		return image.Rect(seen.Y-q.Max.Y, q.Min.X, seen.Y-q.Min.Y, q.Max.X)
	case Rotate180:
		return image.Rect(seen.X-q.Max.X, seen.Y-q.Max.Y, seen.X-q.Min.X, seen.Y-q.Min.Y)
	case Rotate270:
		return image.Rect(q.Min.Y, seen.X-q.Max.X, q.Max.Y, seen.X-q.Min.X)
	}
	return q
}

// Point converts a pixel as seen to the panel's.
func (r Rotation) Point(p, seen image.Point) image.Point {
	switch r {
	case Rotate90:
		return image.Pt(seen.Y-1-p.Y, p.X)
	case Rotate180:
		return image.Pt(seen.X-1-p.X, seen.Y-1-p.Y)
	case Rotate270:
		return image.Pt(p.Y, seen.X-1-p.X)
	}
	return p
}

// Back converts a pixel of the panel to the pixel as seen, on a screen of that seen size.
func (r Rotation) Back(p, seen image.Point) image.Point {
	return ((4 - r) % 4).Point(p, r.Size(seen))
}

// turn returns im turned; im itself for Rotate0.
func (r Rotation) turn(im *image.RGBA) *image.RGBA {
	if r == Rotate0 {
		return im
	}
	w, h := im.Rect.Dx(), im.Rect.Dy()
	size := r.Size(image.Pt(w, h))
	out := image.NewRGBA(image.Rectangle{Max: size})
	// First pixel of the first row, and the ways to the next pixel and the next row, in out.
	first := r.Point(image.Point{}, image.Pt(w, h))
	right, down := r.Point(image.Pt(1, 0), image.Pt(w, h)).Sub(first), r.Point(image.Pt(0, 1), image.Pt(w, h)).Sub(first)
	dx, dy := right.X*4+right.Y*out.Stride, down.X*4+down.Y*out.Stride
	at := first.X*4 + first.Y*out.Stride
	for y := range h {
		src := im.Pix[y*im.Stride:][:w*4]
		o := at + y*dy
		for x := 0; x < len(src); x += 4 {
			copy(out.Pix[o:o+4], src[x:x+4])
			o += dx
		}
	}
	return out
}

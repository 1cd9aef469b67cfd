package paint

import (
	"fmt"
	"image"
	"image/color"

	"fountain/touchui/display"
)

// Bitmap is an opaque picture that lies in memory as a painter's frame does: turned as the panel is, in its order of
// bytes. A painter of the same rotation and format shows Pix as it is, without a copy; any other converts it. Show it
// by a canvas.Image of its size. Its pixels never change.
//
// Memory that is not Go's, such as a mapped file, is kept valid by Owner: whatever shows the Bitmap holds it.
type Bitmap struct {
	Pix      []byte
	Stride   int         // bytes from one row to the next
	Size     image.Point // as seen, before turning
	Rotation Rotation
	Format   display.PixelFormat
	Owner    any
	// Unused is called when no painter's texture shows the Bitmap any more, so that its memory may be given back until
	// it is read again. Optional; on the painter's thread.
	Unused func()
}

var _ image.Image = (*Bitmap)(nil)

// NewBitmap makes a Bitmap of an image that has no transparent pixel; it fails on one that has.
func NewBitmap(im *image.RGBA, r Rotation, f display.PixelFormat) (*Bitmap, error) {
	b := im.Rect
	for y := b.Min.Y; y < b.Max.Y; y++ {
		row := im.Pix[im.PixOffset(b.Min.X, y):][:b.Dx()*4]
		for i := 3; i < len(row); i += 4 {
			if row[i] != 255 {
				return nil, fmt.Errorf("make bitmap: pixel %d,%d is not opaque", i/4, y-b.Min.Y)
			}
		}
	}
	src := &image.RGBA{Pix: im.Pix[im.PixOffset(b.Min.X, b.Min.Y):], Stride: im.Stride, Rect: image.Rectangle{Max: b.Size()}}
	out := r.turn(src)
	if out == src {
		out = toRGBA(src)
	}
	if f == display.XRGB8888 {
		swapRow(out.Pix)
	}
	return &Bitmap{Pix: out.Pix, Stride: out.Stride, Size: b.Size(), Rotation: r, Format: f}, nil
}

// ColorModel implements image.Image, as do Bounds and At: the picture as seen.
func (*Bitmap) ColorModel() color.Model { return color.RGBAModel }

// Bounds begin at (0,0).
func (b *Bitmap) Bounds() image.Rectangle { return image.Rectangle{Max: b.Size} }

// At returns one pixel as seen.
func (b *Bitmap) At(x, y int) color.Color {
	p := image.Pt(x, y)
	if !p.In(b.Bounds()) {
		return color.RGBA{}
	}
	p = b.Rotation.Point(p, b.Size)
	q := b.Pix[p.Y*b.Stride+p.X*4:]
	if b.Format == display.XRGB8888 {
		return color.RGBA{R: q[2], G: q[1], B: q[0], A: 255}
	}
	return color.RGBA{R: q[0], G: q[1], B: q[2], A: 255}
}

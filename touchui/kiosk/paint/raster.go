package paint

import (
	"image"
	"image/color"
	"image/draw"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"
)

// deepColor is a premultiplied colour of 16 bits a channel, comparable, for keys.
type deepColor struct{ r, g, b, a uint16 }

func deep(c color.Color) deepColor {
	if c == nil {
		return deepColor{}
	}
	r, g, b, a := c.RGBA()
	return deepColor{uint16(r), uint16(g), uint16(b), uint16(a)}
}

type shapeKind uint8

const (
	rectangle shapeKind = iota
	circle
	line
	polygon
	arc
)

// shapeKey is everything a shape's pixels depend on.
type shapeKey struct {
	kind         shapeKind
	w, h         float32 // Fyne units
	fill, stroke deepColor
	width        float32    // of the stroke
	v            [5]float32 // radii, angles, end points: what the kind has
}

func (k *shapeKey) setStroke(c color.Color, width float32) {
	if c != nil && width > 0 {
		k.stroke, k.width = deep(c), width
	}
}

// strokePad is the room around a shape that its stroke and soft edge need, in Fyne units: the rule of Fyne's painter.
func strokePad(k shapeKey, plain float32) float32 {
	if k.width > 0 {
		return k.width + 2
	}
	return plain
}

type textKey struct {
	text  string
	size  float32
	style fyne.TextStyle
	font  fyne.Resource
	color deepColor
}

type gradientKey struct {
	w, h     int
	from, to deepColor
	a, b     float64
	radial   bool
}

// rasteriser draws one primitive by Fyne's software painter on a transparent canvas, so that looks cannot diverge.
type rasteriser struct {
	canvas test.WindowlessCanvas
	box    *fyne.Container
}

// capture draws o, already moved to its place, and returns w × h pixels.
func (r *rasteriser) capture(o fyne.CanvasObject, w, h int, scale float32) *image.RGBA {
	if r.canvas == nil {
		r.canvas = software.NewTransparentCanvas()
		r.canvas.SetPadded(false)
		r.box = &fyne.Container{}
		r.canvas.SetContent(r.box)
	}
	r.box.Objects = append(r.box.Objects[:0], o)
	r.canvas.SetScale(scale)
	r.canvas.Resize(fyne.NewSize(float32(w)/scale, float32(h)/scale))
	im := r.canvas.Capture()
	r.box.Objects[0] = nil
	r.box.Objects = r.box.Objects[:0]
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	src, ok := im.(*image.NRGBA)
	if !ok {
		draw.Draw(out, out.Rect, im, image.Point{}, draw.Src)
		return out
	}
	premultiply(out, src)
	return out
}

// shape rasterises o, whose size Fyne's painter would take from k (a rectangle's aspect is already applied).
func (r *rasteriser) shape(o fyne.CanvasObject, k shapeKey, pad float32, w, h int, scale float32) *image.RGBA {
	at := fyne.NewPos(pad, pad)
	switch t := o.(type) {
	case *canvas.Rectangle:
		c := *t
		c.Aspect = 0
		c.Move(at)
		c.Resize(fyne.NewSize(k.w, k.h))
		return r.capture(&c, w, h, scale)
	case *canvas.Circle:
		c := *t
		c.Move(at)
		return r.capture(&c, w, h, scale)
	case *canvas.Line:
		c := *t
		c.Move(at)
		return r.capture(&c, w, h, scale)
	case *canvas.Polygon:
		c := *t
		c.Move(at)
		return r.capture(&c, w, h, scale)
	case *canvas.Arc:
		c := *t
		c.Move(at)
		return r.capture(&c, w, h, scale)
	}
	return image.NewRGBA(image.Rectangle{})
}

func (r *rasteriser) text(t *canvas.Text, w, h int, scale float32) *image.RGBA {
	c := *t
	c.Alignment = fyne.TextAlignLeading
	c.Move(fyne.Position{})
	c.Resize(t.MinSize())
	return r.capture(&c, w, h, scale)
}

// premultiply converts the upper left corner of src; what src lacks stays transparent.
func premultiply(dst *image.RGBA, src *image.NRGBA) {
	w, h := min(dst.Rect.Dx(), src.Rect.Dx()), min(dst.Rect.Dy(), src.Rect.Dy())
	for y := range h {
		d, s := dst.Pix[y*dst.Stride:][:w*4], src.Pix[y*src.Stride:][:w*4]
		for i := 0; i < len(s); i += 4 {
			switch a := uint32(s[i+3]); a {
			case 0:
			case 255:
				copy(d[i:i+4], s[i:i+4])
			default:
				d[i] = byte((uint32(s[i])*a + 127) / 255)
				d[i+1] = byte((uint32(s[i+1])*a + 127) / 255)
				d[i+2] = byte((uint32(s[i+2])*a + 127) / 255)
				d[i+3] = byte(a)
			}
		}
	}
}

// toRGBA copies an image with its corner at (0,0).
func toRGBA(src image.Image) *image.RGBA {
	b := src.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	if n, ok := src.(*image.NRGBA); ok && b.Min == (image.Point{}) {
		premultiply(out, n)
		return out
	}
	draw.Draw(out, out.Rect, src, b.Min, draw.Src)
	return out
}

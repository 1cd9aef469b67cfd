package theme

import (
	"image"
	"image/color"
)

// Tracer learns what text is drawn, for tests of contrast and overflow (touchui/audit).
type Tracer interface {
	// Text was drawn into img.
	Text(img *image.RGBA, t TracedText)
	// Paste copied src into dst at a place.
	Paste(dst, src *image.RGBA, at image.Point)
}

// TracedText is one line of text in a picture.
type TracedText struct {
	Text  string
	Size  Size
	Color color.RGBA
	Box   image.Rectangle // of its ink, even where the picture is too small for it
	Ink   *image.Alpha    // how much of each pixel of the box is ink
	Clip  image.Rectangle // what of the picture could be drawn on
}

// Traced is the same fonts telling t of everything they draw. nil: nobody.
func (f *Fonts) Traced(t Tracer) *Fonts { return &Fonts{set: f.set, tag: f.tag, rtl: f.rtl, trace: t} }

// Tracer is who learns what is drawn, or nil.
func (f *Fonts) Tracer() Tracer { return f.trace }

package web

import (
	"bytes"
	"image"
	"image/jpeg"
)

const (
	smallPixels = 120_000 // up to here loss is never worth it
	flatShare   = 12      // percent of neighbours that differ; fewer is flat art, which PNG packs well
	quality     = 85
)

// encoder turns parts of a frame into PNG or JPEG; one per stream, its buffers are reused.
type encoder struct {
	buf bytes.Buffer
	png pngWriter
	pix []byte // of the last snapshot, to be used again
}

// encode returns bytes that are valid until the next call. exact forbids loss.
func (e *encoder) encode(im *image.RGBA, exact bool) (body []byte, lossy bool) {
	e.buf.Reset()
	if exact || area(im.Rect) <= smallPixels || flat(im) {
		e.png.encode(&e.buf, im)
		return e.buf.Bytes(), false
	}
	_ = jpeg.Encode(&e.buf, im, &jpeg.Options{Quality: quality})
	return e.buf.Bytes(), true
}

// flat samples how often neighbours differ.
func flat(im *image.RGBA) bool {
	differ, n := 0, 0
	for y := 0; y < im.Rect.Dy(); y += 7 {
		row := im.Pix[y*im.Stride:][:im.Rect.Dx()*4]
		for i := 4; i+4 <= len(row); i += 12 {
			n++
			if !bytes.Equal(row[i:i+3], row[i-4:i-1]) {
				differ++
			}
		}
	}
	return differ*100 < n*flatShare
}

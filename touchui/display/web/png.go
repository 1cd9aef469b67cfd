package web

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
)

// pngWriter writes opaque pictures as PNG several times faster than image/png, which tries five filters on every row:
// screens are flat areas, for which the difference to the row above is enough and compresses well at the least effort.
type pngWriter struct {
	z   *zlib.Writer
	row []byte
}

const pngHead = "\x89PNG\r\n\x1a\n"

// encode appends im, whose alpha is ignored, to buf.
func (p *pngWriter) encode(buf *bytes.Buffer, im *image.RGBA) {
	w, h := im.Rect.Dx(), im.Rect.Dy()
	buf.WriteString(pngHead)
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = binary.BigEndian.AppendUint32(head, uint32(h))
	chunk(buf, "IHDR", func() { buf.Write(append(head, 8, 2, 0, 0, 0)) }) // 8 bits, RGB, no interlace
	chunk(buf, "IDAT", func() { p.pixels(buf, im, w, h) })
	chunk(buf, "IEND", func() {})
}

func (p *pngWriter) pixels(buf *bytes.Buffer, im *image.RGBA, w, h int) {
	if p.z == nil {
		p.z, _ = zlib.NewWriterLevel(buf, zlib.BestSpeed) // the level is valid
	} else {
		p.z.Reset(buf)
	}
	if n := 1 + 3*w; cap(p.row) < n {
		p.row = make([]byte, n)
	}
	row := p.row[:1+3*w]
	for y := range h {
		src := im.Pix[y*im.Stride:][:4*w]
		row[0] = 0 // filter none
		d := row[1:]
		if y == 0 {
			for i := range w {
				s := src[i*4 : i*4+3 : i*4+3]
				t := d[i*3 : i*3+3 : i*3+3]
				t[0], t[1], t[2] = s[0], s[1], s[2]
			}
		} else {
			row[0] = 2 // filter up
			up := im.Pix[(y-1)*im.Stride:][:4*w]
			if bytes.Equal(src, up) {
				clear(d)
			} else {
				for i := range w {
					s, u := src[i*4:i*4+3:i*4+3], up[i*4:i*4+3:i*4+3]
					t := d[i*3 : i*3+3 : i*3+3]
					t[0], t[1], t[2] = s[0]-u[0], s[1]-u[1], s[2]-u[2]
				}
			}
		}
		_, _ = p.z.Write(row) // a bytes.Buffer takes everything
	}
	_ = p.z.Close()
}

// chunk writes a PNG chunk around what body writes.
func chunk(buf *bytes.Buffer, kind string, body func()) {
	start := buf.Len()
	buf.Write([]byte{0, 0, 0, 0})
	buf.WriteString(kind)
	body()
	b := buf.Bytes()[start:]
	binary.BigEndian.PutUint32(b, uint32(len(b)-8))
	buf.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b[4:])))
}

package web

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"
)

func TestPNGIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var p pngWriter
	var buf bytes.Buffer
	for _, size := range []image.Point{{1, 1}, {7, 3}, {640, 2}, {3, 200}, {301, 99}} {
		im := image.NewRGBA(image.Rect(5, 6, 5+size.X, 6+size.Y))
		for y := range size.Y {
			for x := range size.X {
				o := y*im.Stride + x*4
				v := byte(rng.IntN(256))
				if rng.IntN(3) > 0 && y > 0 {
					copy(im.Pix[o:o+4], im.Pix[o-im.Stride:][:4])
				} else {
					copy(im.Pix[o:o+4], []byte{v, v / 2, 255 - v, 255})
				}
			}
		}
		buf.Reset()
		p.encode(&buf, im) // the writer is reused
		got, err := png.Decode(bytes.NewReader(buf.Bytes()))
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		for y := range size.Y {
			for x := range size.X {
				if g, w := fmt.Sprint(got.At(x, y)), fmt.Sprint(im.At(5+x, 6+y)); g != w {
					t.Fatalf("%v: pixel %d,%d is %s, want %s", size, x, y, g, w)
				}
			}
		}
	}
}

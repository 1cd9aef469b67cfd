//go:build linux

package fbdev

import (
	"errors"
	"image"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"fountain/internal/problem"
	"fountain/touchui/display"
)

// The structs have the kernel's sizes (include/uapi/linux/fb.h), on 64-bit and on 32-bit processors.
func TestLayout(t *testing.T) {
	fix, line := uintptr(68), uintptr(44)
	if unsafe.Sizeof(uintptr(0)) == 8 {
		fix, line = 80, 48
	}
	if got := unsafe.Sizeof(fixInfo{}); got != fix {
		t.Errorf("fb_fix_screeninfo has %d bytes, want %d", got, fix)
	}
	if got := unsafe.Offsetof(fixInfo{}.lineLength); got != line {
		t.Errorf("line_length is at %d, want %d", got, line)
	}
	if got := unsafe.Sizeof(varInfo{}); got != 160 {
		t.Errorf("fb_var_screeninfo has %d bytes, want 160", got)
	}
	if got := unsafe.Offsetof(varInfo{}.height); got != 88 {
		t.Errorf("height is at %d, want 88", got)
	}
}

func true32(w, h, stride int) (varInfo, fixInfo) {
	return varInfo{
			xres: uint32(w), yres: uint32(h), bitsPerPixel: 32, red: bitfield{16, 8, 0}, green: bitfield{8, 8, 0}, blue: bitfield{0, 8, 0}, width: 268, height: 476,
		},
		fixInfo{smemLen: uint32(stride * h), visual: visualTrue, lineLength: uint32(stride)}
}

func TestLayoutOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*varInfo, *fixInfo)
		says   string // "" is fine
		check  func(layout) bool
	}{
		{"xrgb", func(*varInfo, *fixInfo) {}, "", func(l layout) bool { return l.format == display.XRGB8888 && !l.rgb565 && l.mm == image.Pt(268, 476) }},
		{"rgbx", func(v *varInfo, _ *fixInfo) { v.red.offset, v.blue.offset = 0, 16 }, "", func(l layout) bool { return l.format == display.RGBA8888 }},
		{"rgb565", func(v *varInfo, f *fixInfo) {
			v.bitsPerPixel, v.red, v.green, v.blue = 16, bitfield{11, 5, 0}, bitfield{5, 6, 0}, bitfield{0, 5, 0}
		}, "", func(l layout) bool { return l.rgb565 && l.format == display.XRGB8888 }},
		{"a second page", func(v *varInfo, f *fixInfo) { v.yoffset, f.smemLen = 10, 2*f.smemLen }, "", func(l layout) bool { return l.offset == 10*128 }},
		{"unknown size", func(v *varInfo, _ *fixInfo) { v.width, v.height = 0xffffffff, 0xffffffff }, "", func(l layout) bool { return l.mm == image.Point{} }},
		{"24 bits", func(v *varInfo, _ *fixInfo) { v.bitsPerPixel = 24 }, "24 bits a pixel", nil},
		{"palette", func(_ *varInfo, f *fixInfo) { f.visual = 3 }, "true colour", nil},
		{"planes", func(_ *varInfo, f *fixInfo) { f.kind = 1 }, "true colour", nil},
		{"too short", func(_ *varInfo, f *fixInfo) { f.smemLen -= 9 }, "makes no sense", nil},
		{"narrow lines", func(_ *varInfo, f *fixInfo) { f.lineLength = 100 }, "makes no sense", nil},
		{"nothing", func(v *varInfo, _ *fixInfo) { v.xres, v.yres = 0, 0 }, "makes no sense", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, f := true32(30, 20, 128)
			tt.change(&v, &f)
			l, n, err := layoutOf(v, f)
			switch {
			case tt.says != "":
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v, want %q", err, tt.says)
				}
			case err != nil || n != int(f.smemLen) || !tt.check(l):
				t.Errorf("%+v %d %v", l, n, err)
			}
		})
	}
}

// What is drawn in parts is what is drawn at once, and nothing else is touched.
func TestWrite(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	f := display.NewFrame(30, 20, display.XRGB8888)
	for i := range f.Pix {
		f.Pix[i] = byte(r.Uint32())
	}
	for _, rgb565 := range []bool{false, true} {
		l := layout{size: f.Size, stride: 128, offset: 256, format: display.XRGB8888, rgb565: rgb565}
		whole, parts := make([]byte, 128*22), make([]byte, 128*22)
		l.write(whole, f, f.Bounds())
		for y := 0; y < 20; y += 3 {
			for x := 0; x < 30; x += 7 {
				l.write(parts, f, image.Rect(x, y, x+7, y+3)) // some reach beyond the frame
			}
		}
		if string(whole) != string(parts) {
			t.Errorf("rgb565 %v: drawn in parts it looks different", rgb565)
		}
		width := 120
		if rgb565 {
			width = 60
		}
		for i, b := range whole {
			if x := i % 128; (i < 256 || x >= width) && b != 0 {
				t.Fatalf("rgb565 %v: byte %d outside the picture is %#x", rgb565, i, b)
			}
		}
		if !rgb565 && string(whole[256:256+120]) != string(f.Row(f.Bounds(), 0)) {
			t.Error("the first row is not the frame's")
		}
	}
}

// Dithered colours are the frame's on average, and black and white stay themselves.
func TestDither(t *testing.T) {
	for _, c := range [][3]byte{{0, 0, 0}, {255, 255, 255}, {100, 150, 37}, {3, 252, 129}} { // blue, green, red
		var sum [3]float64
		for y := range 4 {
			src, dst := make([]byte, 16), make([]byte, 8)
			for x := range 4 {
				copy(src[4*x:], c[:])
			}
			dither(dst, src, 0, y)
			for x := range 4 {
				v := uint16(dst[2*x]) | uint16(dst[2*x+1])<<8
				sum[0] += float64(v&31) * 255 / 31
				sum[1] += float64(v>>5&63) * 255 / 63
				sum[2] += float64(v>>11) * 255 / 31
			}
		}
		for i, s := range sum {
			if mean := s / 16; mean < float64(c[i])-4 || mean > float64(c[i])+4 {
				t.Errorf("%v: channel %d is %.1f on average", c, i, mean)
			}
		}
		if plain := c[0] == c[1] && c[1] == c[2]; plain && (sum[0]/16 != float64(c[0]) || sum[1] != sum[0] || sum[2] != sum[0]) {
			t.Errorf("%v becomes %v", c, sum)
		}
	}
}

func TestOpenProblem(t *testing.T) {
	_, err := Open(Config{Path: t.TempDir() + "/fb7"})
	var p *problem.Problem
	if !errors.As(err, &p) || !strings.Contains(p.What, "no such frame buffer") || p.Remedy == "" {
		t.Errorf("%v", err)
	}
}

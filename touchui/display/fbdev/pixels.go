//go:build linux

package fbdev

import (
	"errors"
	"fmt"
	"image"

	"fountain/touchui/display"
)

// layout is where the pixels of a frame buffer lie and how they look.
type layout struct {
	size           image.Point
	mm             image.Point
	offset, stride int // bytes
	format         display.PixelFormat
	rgb565         bool
}

// layoutOf reads the kernel's description. length is the size of the mapping.
func layoutOf(v varInfo, f fixInfo) (l layout, length int, err error) {
	l.size = image.Pt(int(v.xres), int(v.yres))
	l.stride = int(f.lineLength)
	if int32(v.width) > 0 && int32(v.height) > 0 { // unknown is 0 or -1
		l.mm = image.Pt(int(v.width), int(v.height))
	}
	bytes := int(v.bitsPerPixel) / 8
	l.offset = int(v.yoffset)*l.stride + int(v.xoffset)*bytes
	length = int(f.smemLen)
	switch {
	case f.kind != typePacked || f.visual != visualTrue && f.visual != visualDirec:
		return l, 0, errors.New("its pixels are not packed true colour")
	case v.bitsPerPixel == 32 && v.red.offset == 16 && v.green.offset == 8 && v.blue.offset == 0:
		l.format = display.XRGB8888
	case v.bitsPerPixel == 32 && v.red.offset == 0 && v.green.offset == 8 && v.blue.offset == 16:
		l.format = display.RGBA8888
	case v.bitsPerPixel == 16 && v.red == bitfield{11, 5, 0} && v.green == bitfield{5, 6, 0} && v.blue == bitfield{0, 5, 0}:
		l.format, l.rgb565 = display.XRGB8888, true
	default:
		return l, 0, fmt.Errorf("it has %d bits a pixel (red at %d, green at %d, blue at %d)", v.bitsPerPixel, v.red.offset, v.green.offset, v.blue.offset)
	}
	if l.size.X <= 0 || l.size.Y <= 0 || l.stride < l.size.X*bytes || l.offset+(l.size.Y-1)*l.stride+l.size.X*bytes > length {
		return l, 0, fmt.Errorf("its size makes no sense: %dx%d, %d bytes a line, %d in all", v.xres, v.yres, l.stride, length)
	}
	return l, length, nil
}

// write copies a rectangle of a frame to the frame buffer's memory.
func (l *layout) write(mem []byte, f *display.Frame, r image.Rectangle) {
	r = r.Intersect(f.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := mem[l.offset+y*l.stride:]
		if l.rgb565 {
			dither(row[2*r.Min.X:], f.Row(r, y), r.Min.X, y)
		} else {
			copy(row[4*r.Min.X:], f.Row(r, y))
		}
	}
}

// bayer spreads the error of fewer colours over 4x4 pixels. It depends on the place alone, so that a repainted part
// looks like its surroundings.
var bayer = [4][4]uint16{{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}}

// dither turns XRGB8888 into RGB565.
func dither(dst, src []byte, x, y int) {
	line := &bayer[y&3]
	for i := 0; i+4 <= len(src); i, x = i+4, x+1 {
		t := line[x&3]
		b := min(255, uint16(src[i])+t>>1) >> 3
		g := min(255, uint16(src[i+1])+t>>2) >> 2
		r := min(255, uint16(src[i+2])+t>>1) >> 3
		v := r<<11 | g<<5 | b
		dst[i/2], dst[i/2+1] = byte(v), byte(v>>8)
	}
}

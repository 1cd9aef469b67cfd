package art

import (
	"image"

	"fountain/agent/beverage"
	"fountain/touchui/theme"
)

// Figure reports whether a brand's motif stands by itself on its field: nearly nothing of it touches the sides of its box.
// What does is a pattern, which a straight cut would seem to end by accident.
func Figure(f *theme.Fonts, b *beverage.Brand) bool {
	const side, touches = 60, 6
	c := ColoursOf(b.Palette)
	p := NewPicture(f, side, side, c.Primary)
	p.Motif(b.Motif, c, image.Rect(0, 0, side, side), nil)
	n := 0
	for y := range side {
		for _, x := range [2]int{0, side - 1} {
			if p.RGBAAt(x, y) != c.Primary {
				n++
			}
		}
	}
	return n <= touches
}

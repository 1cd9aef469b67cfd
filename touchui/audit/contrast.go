package audit

import (
	"fmt"
	"image"
	"image/color"

	"fountain/touchui/theme"
)

// Where a text may stand on two colours, such as a number on a level, each of them counts from this share on.
const share = .06

// around is how far from the ink the ground is looked at, in pixels.
const around = 3

// near allows for the rounding of blending.
func near(a, b color.RGBA) bool {
	d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return d(a.R, b.R) <= 12 && d(a.G, b.G) <= 12 && d(a.B, b.B) <= 12
}

// contrast measures every text that can be seen.
func (s *survey) contrast(shot *image.RGBA) []Fault {
	var out []Fault
	for _, p := range s.texts {
		if want, got := p.shows(shot); want == 0 || got*4 < want {
			continue // something else is on top of it; overflow says so when it should not be
		}
		least := theme.ContrastText
		if p.Size.PX >= 24 && p.Size.Cut != theme.Text && p.Size.Cut != theme.Sans {
			least = theme.ContrastLarge
		}
		if c, bg := p.worst(shot); c < least {
			out = append(out, Fault{Contrast, p.Text, fmt.Sprintf("%s on %s is %.2f, less than %.1f, at %v", hex(p.Color), hex(bg), c, least, p.Box)})
		}
	}
	return out
}

// worst is the lowest contrast with a colour that makes up a share of the ground right around the ink.
func (p placed) worst(shot *image.RGBA) (float64, color.RGBA) {
	ground := map[color.RGBA]int{}
	n := 0
	r := p.seen().Inset(-around).Intersect(p.clip)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if p.ink.AlphaAt(x, y).A == 0 && p.inkNear(x, y) {
				n++
				ground[shot.RGBAAt(x, y)]++
			}
		}
	}
	worst, at := 21.0, color.RGBA{}
	for c, k := range ground {
		if float64(k) < share*float64(n) {
			continue
		}
		if v := theme.Contrast(p.Color, c); v < worst {
			worst, at = v, c
		}
	}
	return worst, at
}

func (p placed) inkNear(x, y int) bool {
	for _, d := range [4]image.Point{{-around, 0}, {around, 0}, {0, -around}, {0, around}} {
		if p.ink.AlphaAt(x+d.X, y+d.Y).A > 128 {
			return true
		}
	}
	return false
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

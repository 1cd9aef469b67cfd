package audit

import (
	"fmt"
	"image"

	"fountain/touchui/sheet"
)

// MinTarget is the least size of a target, in millimetres.
const MinTarget = 15

// targets measures every enabled control and looks for ones that lie on each other.
func (s *survey) targets(ppmm float64) []Fault {
	var out []Fault
	least := int(MinTarget*ppmm) - 1 // a pixel for rounding
	for i, c := range s.controls {
		if !c.enabled {
			continue
		}
		w, h := c.full.Dx(), c.full.Dy()
		if c.role == sheet.RoleKey {
			gx, gy := s.gaps(c)
			w, h = w+gx, h+gy
		}
		if w < least || h < least {
			out = append(out, Fault{Target, c.id, fmt.Sprintf("%.1f × %.1f mm (%d × %d px), less than %d mm", float64(w)/ppmm, float64(h)/ppmm, w, h, MinTarget)})
		}
		for _, d := range s.controls[i+1:] {
			if d.enabled && c.id != d.id && overlap(c, d) {
				out = append(out, Fault{Target, c.id, fmt.Sprintf("lies on %s: %v and %v", d.id, c.seen, d.seen)})
			}
		}
	}
	return out
}

// gaps is the distance from a key to the nearest key beside it and below or above it.
func (s *survey) gaps(c control) (x, y int) {
	x, y = far, far
	for _, d := range s.controls {
		if d.role != sheet.RoleKey || d.id == c.id {
			continue
		}
		dx := max(d.full.Min.X-c.full.Max.X, c.full.Min.X-d.full.Max.X)
		dy := max(d.full.Min.Y-c.full.Max.Y, c.full.Min.Y-d.full.Max.Y)
		if dy < 0 && dx >= 0 {
			x = min(x, dx)
		}
		if dx < 0 && dy >= 0 {
			y = min(y, dy)
		}
	}
	if x == far {
		x = 0
	}
	if y == far {
		y = 0
	}
	return x, y
}

// overlap reports whether a touch could mean both, beyond a rim of 2 pixels.
func overlap(a, b control) bool {
	r := a.seen.Inset(1).Intersect(b.seen.Inset(1))
	if r.Dx() < 2 || r.Dy() < 2 {
		return false
	}
	if a.shape == nil && b.shape == nil {
		return true
	}
	step := max(min(r.Dx(), r.Dy())/16, 1)
	for y := r.Min.Y; y < r.Max.Y; y += step {
		for x := r.Min.X; x < r.Max.X; x += step {
			if p := image.Pt(x, y); a.covers(p) && b.covers(p) {
				return true
			}
		}
	}
	return false
}

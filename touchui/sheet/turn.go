package sheet

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// Languages written from right to left. Pages place everything as for English; a sheet turns the places around when it
// becomes a container, and art does the same inside composed pictures. Shapes, digits and pictures of things are never
// drawn the other way round.
//
//   - Fixed keeps an object where it was put: the dome, which lies above the nozzle, and the jug scale.
//   - Rail says that the page is two parts, which keep their sides and turn each within itself: the rail of wide panels
//     stays where the dome is.
//   - Place is Move for what changes its place or size after the sheet became a container.
//   - FromStart brings a scroll area that goes sideways to where reading starts.

// Fixed keeps objects of the sheet where they are in every language, and returns the first, for use in an expression.
func (s *Sheet) Fixed(o ...fyne.CanvasObject) fyne.CanvasObject {
	if s.fixed == nil {
		s.fixed = map[fyne.CanvasObject]bool{}
	}
	for _, x := range o {
		s.fixed[x] = true
	}
	return o[0]
}

// Rail says that what lies right of x and what lies left of it keep their sides in every language.
func (s *Sheet) Rail(x int) { s.rail = float32(x) }

// turn gives the objects their places in a container of that width. Those that have theirs keep it.
func (s *Sheet) turn(width float32) {
	if s.RTL() {
		for _, o := range s.objs[s.turned:] {
			if !s.fixed[o] {
				o.Move(fyne.NewPos(s.turnedX(width, o.Position().X, o.Size().Width), o.Position().Y))
			}
		}
	}
	s.turned = len(s.objs)
}

func (s *Sheet) turnedX(width, x, w float32) float32 {
	const across = .95 // of the width: what spans both parts, such as the ground, belongs to neither
	if s.rail > 0 && w < across*width {
		if x+w/2 >= s.rail {
			return s.rail + width - x - w
		}
		return s.rail - x - w
	}
	return width - x - w
}

// Place moves o, which has its size already, to x, y of a container of that width, as a sheet would have placed it.
func (l *Look) Place(o fyne.CanvasObject, width, x, y float32) {
	if l.RTL() {
		x = width - x - o.Size().Width
	}
	o.Move(fyne.NewPos(x, y))
}

// FromStart shows the beginning of a scroll area that moves sideways and has its size: the left end, or the right one.
func (l *Look) FromStart(sc *container.Scroll) *container.Scroll {
	sc.Offset.X = 0
	if l.RTL() {
		sc.Offset.X = max(sc.Content.MinSize().Width-sc.Size().Width, 0)
	}
	sc.Refresh()
	return sc
}

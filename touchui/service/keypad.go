package service

import (
	"image"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// Keys of a pad beside the digits.
const (
	keyErase = "erase"
	keyClose = "x"
	keyDone  = "check"
	keyPoint = "."
	keyNone  = ""
)

// pad adds digits in three columns, with left and right of the 0 what is named; tap gets the key. Keys stay in place while
// something is typed: two fingers may type.
func (d *draw) pad(prefix string, r rect, left, right string, disabled bool, tap func(string)) {
	keys := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", left, "0", right}
	rowH := (r.h - 3*d.m.gap) / 4
	for i, k := range keys {
		if k == keyNone {
			continue
		}
		col := rect{r.x, r.y + i/3*(rowH+d.m.gap), r.w, rowH}.columns(3, d.m.gap)
		at := i % 3
		if d.RTL() { // digits stand as on every telephone; the sheet turns them back
			at = 2 - at
		}
		d.key(prefix+"."+k, k, col[at], disabled && k != keyClose, tap)
	}
}

func (d *draw) key(id, k string, r rect, disabled bool, tap func(string)) {
	img := d.Compose(func() *image.RGBA {
		p := art.Clear(d.Fonts, r.w, r.h)
		w, h, fg := float64(r.w), float64(r.h), d.Roles.Ink
		radius := min(d.m.radius, h/2)
		if disabled {
			fg = d.Roles.InkSoft
			p.Frame(0, 0, w, h, radius, d.m.f(3, 2), d.Roles.Line)
		} else {
			p.Round(0, 0, w, h, radius, d.Roles.Surface)
		}
		px := min(d.m.f(84, 40), h*.6)
		switch k {
		case keyErase, keyClose, keyDone:
			p.Icon(k, (w-px*.8)/2, (h-px*.8)/2, px*.8, fg)
		default:
			label := k
			if k == keyPoint {
				label = d.T("lang.decimal")
			}
			p.Text(label, w/2, (h-px)/2, art.Style{Size: theme.Size{PX: px, Line: 1, Cut: theme.Display}, Color: fg}, art.Centre)
		}
		return p.RGBA
	}, "key/%s/%d/%d/%v", k, r.w, r.h, disabled)
	name := k
	switch k {
	case keyErase, keyClose, keyDone:
		name = d.T("service.key." + k)
	}
	c := sheet.NewControl(id, sheet.RoleKey, name, img, r.x, r.y, func() { tap(k) })
	c.Radius, c.Disabled = float32(min(d.m.radius, float64(r.h)/2)), disabled
	d.Control(c)
}

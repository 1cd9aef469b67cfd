package service

import (
	"image"
	"image/color"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// card is a row one can touch: an icon, a title and a smaller line below. icon and sub may be empty.
func (d *draw) card(id, title, sub, icon string, r rect, c color.RGBA, tap func(), size theme.Size) *sheet.Control {
	m := d.m
	x := m.f(36, 18)
	iconPX := m.f(48, 26)
	room := float64(r.w) - 2*x
	if icon != "" {
		room -= iconPX + m.f(28, 14)
	}
	t, ts := d.fit(title, size, room)
	b, bs := d.fit(sub, m.small, room)
	img := d.Compose(func() *image.RGBA {
		q := art.Clear(d.Fonts, r.w, r.h)
		w, h := float64(r.w), float64(r.h)
		q.Round(0, 0, w, h, min(m.radius, h/2), d.Roles.Surface)
		at := x
		if icon != "" {
			q.Icon(icon, at, (h-iconPX)/2, iconPX, c)
			at += iconPX + m.f(28, 14)
		}
		y := (h - ts.PX) / 2
		if sub != "" {
			y = (h - ts.PX*1.05 - bs.PX*1.2) / 2
			q.Text(b, at, y+ts.PX*1.16, art.Style{Size: bs, Color: d.Roles.InkSoft}, art.Left)
		}
		ts.Line = 1
		q.Text(t, at, y, art.Style{Size: ts, Color: d.Roles.Ink}, art.Left)
		return q.RGBA
	}, "card/%s/%s/%s/%v/%v/%d/%d", t, b, icon, c, ts, r.w, r.h)
	role := sheet.RoleButton
	ctl := sheet.NewControl(id, role, title, img, r.x, r.y, tap)
	ctl.Value = sub
	ctl.Radius = float32(min(m.radius, float64(r.h)/2))
	ctl.Disabled = tap == nil
	return d.Control(ctl)
}

// pair is a label and its value in one row.
type pair struct{ label, value string }

// table adds rows of label and value and returns where they end.
func (d *draw) table(rows []pair, r rect) int {
	m := d.m
	y := r.y
	for _, p := range rows {
		if p.value == "" {
			continue
		}
		sz := m.body
		lw := r.w * 42 / 100
		d.text(p.label, r.x, y, lw, sz, d.Roles.InkSoft, art.Left)
		x := r.x + lw + m.gap
		ls := d.wrap(p.value, sz, r.x+r.w-x, 3)
		for i, l := range ls {
			d.text(l, r.x+r.w, y+int(float64(i)*sz.PX*1.25), r.x+r.w-x, sz, d.Roles.Ink, art.Right)
		}
		y += int(float64(max(1, len(ls)))*sz.PX*1.25) + m.v(14, 6)
		d.Box(r.x, y-m.v(8, 3), r.w, max(1, m.v(2, 1)), d.Roles.Line)
		y += m.v(6, 3)
	}
	return y
}

package screens

import (
	"image"
	"unicode/utf8"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// size is one cup.
func (p *reachPage) size(s *sheet.Sheet, m reachPlan, i int) {
	u, cup, on := p.ui, p.ui.cups[i], p.ui.cup == i
	r := m.size.Add(image.Pt(i*m.step, 0))
	w, h := r.Dx(), r.Dy()
	l, c := s.Look, p.pour.c
	name := cup.Name(u.Words)
	room := float64(w) * .9
	if c.Plain {
		room = float64(w) - 2*(max(theme.LinePlain*l.Geo.K, 2)+8) // clear of the line
	}
	text, sz := p.sizeWords(i, l, theme.Size{PX: max(min(38*m.k, float64(h)*.28), 18*l.Geo.K), Line: 1, Cut: theme.Text}, room)
	img := l.Compose(func() *image.RGBA {
		fill, fg, liquid := l.Roles.Sunk, l.Roles.Ink, theme.Mix(l.Roles.Sunk, l.Roles.Ink, .3)
		if on {
			fill, fg, liquid = l.Roles.Active, l.Roles.OnActive, c.Primary
		}
		q := art.Clear(l.Fonts, w, h)
		rad := min(theme.RadiusCard*m.k, float64(h)/2)
		if c.Plain && !on {
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusPlain*l.Geo.K, max(theme.LinePlain*l.Geo.K, 2), fg)
			liquid = fg
		} else {
			q.Round(0, 0, float64(w), float64(h), rad, fill)
		}
		if c.Plain && on {
			liquid = fg
		}
		bottom := float64(h)*.9 - sz.PX
		if l.Geo.Wide {
			bottom = float64(h)*.86 - sz.PX
		}
		k := min(float64(w)*.62/158, (bottom-float64(h)*.14)/240)
		ch := cupHeights[len(cupHeights)-len(u.cups)+i] * k
		q.Cup((float64(w)-ch*.66)/2, bottom-float64(h)*.08-ch, ch*.66, ch, .86, max(7*k, 2.5), 16*k, liquid, fg)
		q.Text(text, float64(w)/2, bottom, art.Style{Size: sz, Color: fg}, art.Centre)
		return q.RGBA
	}, "reachsize/%s/%v/%dx%d/%v/%s", cup.Key, on, w, h, c.Primary, text)
	ctl := sheet.NewControl("beverage.size."+cup.Key, sheet.RoleSwitch, u.T("size.of", "size", name, "volume", u.Volume(cup.ML)), img, r.Min.X, r.Min.Y, func() { p.pour.pick(i) })
	ctl.Value, ctl.Radius = onOff(on), float32(theme.RadiusCard*m.k)
	s.Control(ctl)
}

// sizeWords is how a cup is called on its key: all by their names, or all by initials where one has no room.
func (p *reachPage) sizeWords(i int, l *sheet.Look, sz theme.Size, width float64) (string, theme.Size) {
	least := 16 * l.Geo.K
	if !l.Geo.Wide {
		least = 22 * l.Geo.K
	}
	px := sz.PX
	for _, c := range p.ui.cups {
		px = min(px, fitted(l, c.Name(l.Words), sz, width).PX)
	}
	name := p.ui.cups[i].Name(l.Words)
	if px < least {
		r, _ := utf8.DecodeRuneInString(name)
		return string(r), sz
	}
	sz.PX = px
	return name, sz
}

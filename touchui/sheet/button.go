package sheet

import (
	"image"
	"image/color"

	"fountain/touchui/art"
	"fountain/touchui/theme"
)

// ButtonStyle is how a pill, chip or key looks.
type ButtonStyle struct {
	H        int
	PadL     int
	PadR     int
	Gap      int
	Radius   float64
	PX       float64
	IconPX   float64
	Icon     string
	Fill, FG color.RGBA
	Border   float64 // > 0: only a line
	Width    int     // 0: as wide as its text
	Stacked  bool    // icon over text
}

// Button composes a flat rounded rectangle with an icon and text.
func (l *Look) Button(text string, b ButtonStyle) *image.RGBA {
	if l.Roles.Plain { // a line around every target, and nothing round
		b.Radius = theme.RadiusPlain * l.Geo.K
		if b.Fill == l.Roles.BG && b.Border == 0 {
			b.Border = theme.LinePlain * l.Geo.K
		}
	}
	return l.Compose(func() *image.RGBA {
		tw := l.Fonts.Width(text, theme.Text, b.PX, 0)
		inner := tw
		if b.Icon != "" && !b.Stacked {
			inner += b.IconPX + float64(b.Gap)
		}
		w := b.Width
		if w == 0 {
			w = int(inner+.5) + b.PadL + b.PadR
		}
		p := art.Clear(l.Fonts, w, b.H)
		if b.Border > 0 {
			p.Frame(0, 0, float64(w), float64(b.H), b.Radius, b.Border, b.FG)
		} else {
			p.Round(0, 0, float64(w), float64(b.H), b.Radius, b.Fill)
		}
		st := art.Style{Size: theme.Size{PX: b.PX, Line: 1, Cut: theme.Text}, Color: b.FG}
		if b.Stacked {
			y := (float64(b.H) - b.IconPX - float64(b.Gap) - b.PX) / 2
			p.Icon(b.Icon, (float64(w)-b.IconPX)/2, y, b.IconPX, b.FG)
			p.Text(text, float64(w)/2, y+b.IconPX+float64(b.Gap), st, art.Centre)
			return p.RGBA
		}
		x := float64(b.PadL)
		if b.Width != 0 {
			x = (float64(w) - inner) / 2
		}
		if b.Icon != "" {
			p.Icon(b.Icon, x, (float64(b.H)-b.IconPX)/2, b.IconPX, b.FG)
			x += b.IconPX + float64(b.Gap)
		}
		p.Text(text, x, (float64(b.H)-b.PX)/2, st, art.Left)
		return p.RGBA
	}, "button/%v/%s", b, text)
}

// Button adds a control that shows an icon and text, its upper left corner at x, y.
func (s *Sheet) Button(id, role, text string, b ButtonStyle, x, y int, tap func()) *Control {
	c := NewControl(id, role, text, s.Look.Button(text, b), x, y, tap)
	c.Radius = float32(b.Radius)
	return s.Control(c)
}

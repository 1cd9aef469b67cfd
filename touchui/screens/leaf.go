package screens

import (
	"strings"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// The pages of one brand and one beverage are drawn for three shapes of panel. Portrait: 1080 wide, what is on top takes or
// gives the height that a panel has more or less than 1920. Small landscape: 800×480. Large landscape, read from
// further away and reached with the whole arm: 1280×720, so that type and targets are no larger than on the portrait panel.
const (
	leastTall  = 1700 // drawn height a portrait page needs
	largeWide  = 1000 // panel pixels of height from which a landscape panel is a large one
	wideHeight = 720  // drawn height of a large landscape page
)

// leaf is the look of these pages: that of the screen with their geometry.
func (u *UI) leaf() *sheet.Look {
	l := *u.Look
	g := &l.Geo
	switch w, h := float64(g.W), float64(g.H); {
	case !g.Wide:
		g.K = min(w/1080, h/leastTall)
		g.OX = (w - 1080*g.K) / 2
	case g.H >= largeWide:
		g.K = h / wideHeight
	}
	return &l
}

// lift is how much drawn height a portrait panel has more than 1920; negative: less.
func lift(g sheet.Geo) float64 { return float64(g.H)/g.K - 1920 }

// roomy reports whether this is the large landscape page.
func roomy(g sheet.Geo) bool { return g.Wide && g.H >= largeWide }

// target is the height of a control drawn v high: never under what a finger needs.
func target(g sheet.Geo, v float64) int {
	const leastMM = 15
	return max(g.I(v), g.MM(leastMM))
}

// oneUnit writes a volume in one unit, for where two do not fit: millilitres, unless the unit shows fluid ounces only.
func oneUnit(l *sheet.Look, ml int) string {
	if l.Units == sheet.FluidOunces {
		return l.Words.Volume(ml, sheet.FluidOunces)
	}
	return l.Words.Volume(ml, sheet.Millilitres)
}

// mlPerFlOz is the US fluid ounce.
const mlPerFlOz = 29.5735

// reading is a volume as number and unit apart: whole millilitres, or tenths of an ounce.
func reading(l *sheet.Look, ul int64) (number, unit string) {
	if l.Units != sheet.FluidOunces {
		return l.Words.Number(float64(ul/1000), 0), strings.TrimSpace(l.T("unit.ml", "v", ""))
	}
	tenths := int(float64(ul)/100/mlPerFlOz + 1e-6)
	number = l.Words.Number(float64(tenths)/10, 1)
	if tenths%10 == 0 { // 10.0: the number keeps its width
		number = strings.TrimSuffix(l.Words.Number(float64(tenths+1)/10, 1), "1") + "0"
	}
	return number, strings.TrimSpace(l.T("unit.floz", "v", ""))
}

// pill is a button of a page in a brand's colours; in high contrast it is a line, or full when it is on.
func pill(l *sheet.Look, c art.Colours, b sheet.ButtonStyle, on bool) sheet.ButtonStyle {
	if !c.Plain {
		return b
	}
	b.Radius = theme.RadiusPlain * l.Geo.K
	if on {
		b.Border, b.Fill, b.FG = 0, l.Roles.Active, l.Roles.OnActive
		return b
	}
	b.Border, b.FG = max(theme.LinePlain*l.Geo.K, 2), c.Ink
	return b
}

// leading is the distance of lines for the script of the screen: Arabic reaches further up and down.
func leading(l *sheet.Look, line float64) float64 {
	if l.RTL() {
		return line * 1.1
	}
	return line
}

// fitted is text style px large, or smaller so that t is at most width wide.
func fitted(l *sheet.Look, t string, sz theme.Size, width float64) theme.Size {
	sz.PX = l.Fonts.Fit([]string{t}, sz.Cut, sz.Track, width, sz.PX, 10)
	return sz
}

// drinkName is the name of a beverage in the language of the screen.
func drinkName(w *words.Book, o Offer) string { return w.Name(o.Beverage.Name) }

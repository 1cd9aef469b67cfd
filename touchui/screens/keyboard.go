package screens

import (
	"strings"
	"unicode"

	"fountain/touchui/sheet"
)

// latinKeys is the keyboard for names in Latin letters where a language has none of its own.
const latinKeys = "qwertyuiop asdfghjkl zxcvbnm"

// gapKey is a place without a key.
const gapKey = '_'

// keyRows are the rows of a keyboard: as the language has them when a row fits, else its letters in their order, as many
// in a row as fit.
func keyRows(keys string, fit int) [][]rune {
	var rows [][]rune
	longest := 0
	for row := range strings.FieldsSeq(keys) {
		rows = append(rows, []rune(row))
		longest = max(longest, len([]rune(row)))
	}
	if longest <= fit {
		return rows
	}
	var all []rune
	for _, row := range rows {
		for _, r := range row {
			if unicode.IsLetter(r) {
				all = append(all, r)
			}
		}
	}
	if keys == latinKeys || all[0] < unicode.MaxLatin1 {
		all = []rune("abcdefghijklmnopqrstuvwxyz") // a row of the typewriter that is cut elsewhere helps nobody
	}
	n := (len(all) + fit - 1) / fit
	per := (len(all) + n - 1) / n
	rows = rows[:0]
	for len(all) > 0 {
		m := min(per, len(all))
		rows, all = append(rows, all[:m]), all[m:]
	}
	return rows
}

// keyboard is where the keys of a search page stand.
type keyboard struct {
	rows       [][]rune
	key, keyH  int // of one letter
	gap        int
	top        int // of the first row
	left       int
	foreign    bool // the language has letters of its own, and a key to change to Latin
	latin      bool
	px, radius float64
}

// keyboardOf lays the letters of the language out above the lower edge. Keys are at least 15 mm wide and high.
func (u *UI) keyboardOf(latin bool) keyboard {
	g := u.Geo
	keys := u.T("lang.keys")
	own := []rune(keys)[0]
	b := keyboard{gap: g.I(9), left: g.I(40), px: g.S(44), radius: g.S(22), foreign: own > unicode.MaxLatin1, latin: latin}
	side, high := 91.0, 112.0
	if g.Wide {
		b.gap, b.left, b.px, b.radius, side, high = g.I(6), g.I(20), g.S(26), g.S(14), 64, 56
	}
	if b.foreign && latin {
		keys = latinKeys
	}
	least := max(g.MM(15), g.I(high*.5))
	room := g.W - 2*b.left + b.gap
	b.rows = keyRows(keys, room/(least+b.gap))
	longest := 0
	for _, r := range b.rows {
		longest = max(longest, len(r))
	}
	b.key = max(min(room/max(longest, 10)-b.gap, g.I(side*1.6)), least)
	b.keyH = max(g.MM(15), g.I(high))
	if len(b.rows) > 3 && !g.Wide {
		b.keyH = max(g.MM(15), g.I(high*.86))
	}
	b.top = g.H - g.I(24) - len(b.rows)*(b.keyH+b.gap) + b.gap
	if g.Wide {
		b.top = g.H - g.I(12) - len(b.rows)*(b.keyH+b.gap) + b.gap
	}
	return b
}

// keysOn adds the keyboard; typed is called with what a key adds.
func (p *searchPage) keysOn(s *sheet.Sheet, b keyboard) {
	u := p.ui
	st := sheet.ButtonStyle{H: b.keyH, Width: b.key, Radius: b.radius, PX: b.px, Fill: u.Roles.Surface, FG: u.Roles.Ink}
	mid := u.Geo.W / 2
	for i, row := range b.rows {
		x := mid - (len(row)*(b.key+b.gap)-b.gap)/2
		last := i == len(b.rows)-1
		y := b.top + i*(b.keyH+b.gap)
		var space, script int
		if last { // space, and the other script, stand at the end of the last row
			space = b.key*2 + b.gap
			if b.foreign {
				script = b.key*3/2 + b.gap
			}
			x -= (space + b.gap + script) / 2
			x = max(x, b.left)
		}
		for _, r := range row {
			if r != gapKey {
				letter := string(unicode.ToUpper(r))
				c := sheet.NewControl("search.key."+string(r), sheet.RoleKey, letter, u.Look.Button(letter, st), x, y, func() { p.typed(string(r)) })
				c.Radius = float32(b.radius)
				p.keyOn(s, c)
			}
			x += b.key + b.gap
		}
		if !last {
			continue
		}
		wide := st
		wide.Width, wide.PX = space, u.Fonts.Fit([]string{u.T("search.space")}, textCut, 0, float64(space)*.8, b.px*.7, b.px*.4)
		c := sheet.NewControl("search.key.space", sheet.RoleKey, u.T("search.space"), u.Look.Button(u.T("search.space"), wide), x, y, func() { p.typed(" ") })
		c.Radius = float32(b.radius)
		p.keyOn(s, c)
		if !b.foreign {
			continue
		}
		x += space + b.gap
		text := u.T("search.latin")
		if b.latin {
			text = u.T("search.letters")
		}
		wide.Width, wide.Fill = script-b.gap, u.Roles.Sunk
		wide.PX = u.Fonts.Fit([]string{text}, textCut, 0, float64(wide.Width)*.84, b.px*.7, b.px*.4)
		c = sheet.NewControl("search.key.script", sheet.RoleKey, text, u.Look.Button(text, wide), x, y, func() {
			p.latin = !p.latin
			p.build()
		})
		c.Radius = float32(b.radius)
		p.keyOn(s, c)
	}
}

// keyOn adds a key. Latin letters keep their places where the language is written from the right.
func (p *searchPage) keyOn(s *sheet.Sheet, c *sheet.Control) {
	s.Control(c)
	if p.latin {
		s.Fixed(c)
	}
}

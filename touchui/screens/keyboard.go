package screens

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fountain/touchui/sheet"
)

// latinKeys is the keyboard for names in Latin letters where a language has none of its own.
const latinKeys = "qwertyuiop asdfghjkl zxcvbnm"

// How many rows of keys leave room for what answers, on portrait and on wide panels.
const (
	mostRows     = 5
	mostRowsWide = 4
)

// gapKey is a place without a key.
const gapKey = '_'

// keyRows are the rows of a keyboard: as the language has them when they fit in a row and are at most most, else its letters
// in their order, as many in a row as fit. A table with gaps is read by columns, as kana are learned.
func keyRows(keys string, fit, most int) [][]rune {
	var rows [][]rune
	longest := 0
	for row := range strings.FieldsSeq(keys) {
		rows = append(rows, []rune(row))
		longest = max(longest, len([]rune(row)))
	}
	if longest <= fit && len(rows) <= most {
		return rows
	}
	var all []rune
	if strings.ContainsRune(keys, gapKey) {
		for x := range longest {
			for _, row := range rows {
				if x < len(row) && row[x] != gapKey {
					all = append(all, row[x])
				}
			}
		}
	} else {
		for _, row := range rows {
			all = append(all, row...)
		}
		if all[0] < unicode.MaxLatin1 {
			slices.Sort(all) // a row of the typewriter that is cut elsewhere helps nobody
		}
	}
	n := (len(all) + fit - 1) / fit
	per := (len(all) + n - 1) / n
	return slices.Collect(slices.Chunk(all, per))
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
	fit := room / (least + b.gap)
	most := mostRows
	if g.Wide {
		most = mostRowsWide
	}
	b.rows = keyRows(keys, fit, most)
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

// keysOn adds the keyboard. Space stands at the end of the last row where there is room for it.
func (p *searchPage) keysOn(s *sheet.Sheet, b keyboard) {
	u := p.ui
	st := sheet.ButtonStyle{H: b.keyH, Width: b.key, Radius: b.radius, PX: b.px, Fill: u.Roles.Surface, FG: u.Roles.Ink}
	for i, row := range b.rows {
		y := b.top + i*(b.keyH+b.gap)
		space := 0
		if room := u.Geo.W - 2*b.left - len(row)*(b.key+b.gap); i == len(b.rows)-1 && room >= b.key*3/2 {
			space = min(room, b.key*2+b.gap) + b.gap
		}
		x := (u.Geo.W - len(row)*(b.key+b.gap) - space + b.gap) / 2
		for _, r := range row {
			if r != gapKey {
				letter := string(unicode.ToUpper(r))
				p.keyOn(s, "search.key."+string(r), letter, st, x, y, func() { p.typed(string(r)) })
			}
			x += b.key + b.gap
		}
		if space > 0 {
			wide := st
			wide.Width = space - b.gap
			p.keyOn(s, "search.key.space", u.T("search.space"), wide, x, y, func() { p.typed(" ") })
		}
	}
}

// keyOn adds a key whose word is as large as it fits. Latin letters keep their places where the language is written from
// the right.
func (p *searchPage) keyOn(s *sheet.Sheet, id, text string, st sheet.ButtonStyle, x, y int, tap func()) {
	u := p.ui
	st.PX = u.Fonts.Fit([]string{text}, textCut, 0, float64(st.Width)*.84, st.PX, st.PX*.4)
	if utf8.RuneCountInString(text) > 1 {
		st.PX = min(st.PX, st.PX*.7+float64(st.H)*.06)
	}
	c := s.Control(sheet.NewControl(id, sheet.RoleKey, text, u.Look.Button(text, st), x, y, tap))
	c.Radius = float32(st.Radius)
	if p.latin {
		s.Fixed(c)
	}
}

package theme

import (
	"slices"
	"sync"
	"unicode"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/bidi"
)

// foreignScale is the size of bold scripts outside Latin beside the display face, whose letters are large for their em.
const foreignScale = .86

// Arabic reaches further below the line than Latin does, and page titles are set with hardly any room between lines: in
// the display cuts it is a little smaller and higher.
const (
	arabicScale = .78
	arabicRise  = .05
)

// glyph is a letter of a shaped line, in em of the line.
type glyph struct {
	id            font.GID
	letter        rune    // the first of its cluster
	x, y, advance float32 // offset, y up
	scale         float32
	face          uint16
	tracked       bool // letter spacing follows it
}

// line is text that was shaped, glyphs from left to right.
type line struct {
	glyphs  []glyph
	width   float64 // em, without letter spacing
	tracked int     // how often letter spacing applies
}

// lineCache keeps shaped lines: text is measured far more often than it changes.
type lineCache struct {
	mu   sync.Mutex
	kept map[lineKey]*line
}

type lineKey struct {
	s   string
	cut Cut
}

// linesKept bounds the shaped lines in memory, about 1 KiB each. The richest page, the wall, measures some 300.
const linesKept = 800

func (f *Fonts) line(s string, cut Cut) *line {
	k := lineKey{s, cut}
	f.lines.mu.Lock()
	l, ok := f.lines.kept[k]
	f.lines.mu.Unlock()
	if ok {
		return l
	}
	l = f.shape(s, cut)
	f.lines.mu.Lock()
	defer f.lines.mu.Unlock()
	if f.lines.kept == nil || len(f.lines.kept) >= linesKept {
		f.lines.kept = map[lineKey]*line{}
	}
	f.lines.kept[k] = l
	return l
}

// run is a piece of text of one font, script and direction.
type run struct {
	from, to int // runes
	face     int
	script   language.Script
	rtl      bool
}

func (f *Fonts) shape(s string, cut Cut) *line {
	text := []rune(s)
	l := &line{}
	f.set.mu.Lock()
	defer f.set.mu.Unlock()
	for _, r := range f.order(f.runs(text, cut)) {
		f.shapeRun(l, text, r, cut)
	}
	return l
}

// runs splits text where direction, font or script change.
func (f *Fonts) runs(text []rune, cut Cut) []run {
	var out []run
	levels := directions(text, f.rtl)
	near := -1
	for i, r := range text {
		face := near
		if !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Cf, r) || near < 0 {
			face = f.set.pick(r, cut, f.tag, near)
		}
		near = face
		script := language.LookupScript(r)
		if n := len(out) - 1; n >= 0 && out[n].face == face && out[n].rtl == levels[i] {
			shared := script == language.Common || script == language.Inherited
			if was := out[n].script; shared || was == script || was == language.Common {
				out[n].to = i + 1
				if !shared {
					out[n].script = script
				}
				continue
			}
		}
		if script == language.Inherited {
			script = language.Common
		}
		out = append(out, run{from: i, to: i + 1, face: face, script: script, rtl: levels[i]})
	}
	return out
}

// directions says of each letter whether it runs from right to left (Unicode bidirectional algorithm). A line without a
// letter of that direction but with Latin ones is a name, an address or a sentence nobody translated: it runs its own way
// in every language.
func directions(text []rune, rtl bool) []bool {
	out := make([]bool, len(text))
	plain, latin := true, false
	for _, r := range text {
		if r < 0x590 {
			latin = latin || unicode.Is(unicode.Latin, r)
			continue
		}
		switch p, _ := bidi.LookupString(string(r)); p.Class() {
		case bidi.R, bidi.AL, bidi.AN, bidi.RLE, bidi.RLO, bidi.RLI, bidi.FSI:
			plain = false
		}
	}
	if plain && (latin || !rtl) {
		return out
	}
	mark := "\u200e" // makes the paragraph's direction that of the language, whatever letter comes first
	if rtl {
		mark = "\u200f"
	}
	var p bidi.Paragraph
	if _, err := p.SetString(mark + string(text)); err != nil {
		return out
	}
	order, err := p.Order()
	if err != nil {
		return out
	}
	for i := range order.NumRuns() {
		r := order.Run(i)
		from, to := r.Pos() // runes, the last included
		for j := max(from-1, 0); j < to && j < len(out); j++ {
			out[j] = r.Direction() == bidi.RightToLeft
		}
	}
	return out
}

// order puts runs from left to right. Within a line there are two levels: the language's direction and the other one.
func (f *Fonts) order(runs []run) []run {
	out := make([]run, 0, len(runs))
	// Runs of the other direction keep their own order among themselves, the line as a whole has the language's.
	for i := 0; i < len(runs); {
		j := i
		for j < len(runs) && runs[j].rtl == runs[i].rtl {
			j++
		}
		group := append([]run(nil), runs[i:j]...)
		if runs[i].rtl {
			slices.Reverse(group)
		}
		if f.rtl {
			out = append(group, out...)
		} else {
			out = append(out, group...)
		}
		i = j
	}
	return out
}

// shapeRun appends a run's glyphs. The lock of the set is held.
func (f *Fonts) shapeRun(l *line, text []rune, r run, cut Cut) {
	face, err := f.set.parse(r.face)
	if err != nil {
		return
	}
	dir := di.DirectionLTR
	if r.rtl {
		dir = di.DirectionRTL
	}
	upem := float64(face.Upem())
	out := f.set.shaper.Shape(shaping.Input{
		Text: text, RunStart: r.from, RunEnd: r.to, Direction: dir, Face: face, Size: fixed.I(int(face.Upem())),
		Script: r.script, Language: language.NewLanguage(f.tag), FontFeatures: noLigatures,
	})
	scale := 1.0
	if file := &f.set.files[r.face]; file.Cut == "" && !file.Regular {
		scale = foreignScale
	}
	rise := 0.0
	if r.script == language.Arabic && (cut == Display || cut == Condensed) {
		scale, rise = arabicScale, arabicRise
	}
	k := scale / 64 / upem
	joined := r.script == language.Arabic || r.script == language.Syriac
	l.glyphs = slices.Grow(l.glyphs, len(out.Glyphs))
	for i, g := range out.Glyphs {
		last := i+1 == len(out.Glyphs) || out.Glyphs[i+1].ClusterIndex != g.ClusterIndex
		n := glyph{
			id: g.GlyphID, face: uint16(r.face), letter: text[min(g.ClusterIndex, len(text)-1)], scale: float32(scale),
			x: float32(float64(g.XOffset) * k), y: float32(float64(g.YOffset)*k + rise), advance: float32(float64(g.XAdvance) * k),
			tracked: last && !joined && scale == 1,
		}
		l.width += float64(g.XAdvance) * k
		if n.tracked {
			l.tracked++
		}
		l.glyphs = append(l.glyphs, n)
	}
}

// noLigatures: Latin names are set letter by letter, so that tracking is even. It does not touch the joining of Arabic.
var noLigatures = []shaping.FontFeature{{Tag: font.Tag(0x6c696761)}} // liga

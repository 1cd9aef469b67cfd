package theme

import (
	"fmt"
	"io/fs"
	"os"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
)

// Cut is one pinned font.
type Cut int

// The fonts: three static cuts of Bricolage Grotesque for display and labels, Noto Sans for running text.
const (
	Display Cut = iota
	Condensed
	Text
	Sans
	SansBold
	cuts
)

// cutNames are the names of the cuts in fonts.json.
var cutNames = [cuts]string{Display: "display", Condensed: "condensed", Text: "text", Sans: "sans", SansBold: "sans-bold"}

// CutNamed returns the cut a wordmark names; unknown names are the display cut.
func CutNamed(name string) Cut {
	if name == "condensed" {
		return Condensed
	}
	return Display
}

// Resource returns the font as Fyne wants it. Fyne sets only Latin, on pages of its own widgets.
func (c Cut) Resource() fyne.Resource {
	if c == SansBold {
		return fynetheme.DefaultTextBoldFont()
	}
	return fynetheme.DefaultTextFont()
}

// Fonts measures and outlines text of one language. It is safe for concurrent use.
type Fonts struct {
	set   *fontSet
	tag   string
	rtl   bool
	lines lineCache
	trace Tracer
}

// LoadFonts opens the embedded fonts for English, and further ones: directories with a fonts.json of their own, later
// ones first. Fonts are parsed when text first needs them; the ones every screen needs are parsed now.
func LoadFonts(more ...fs.FS) (*Fonts, error) {
	set, err := openFonts(more)
	if err != nil {
		return nil, err
	}
	for c := range cuts {
		if c == SansBold {
			continue // only for what the other cuts lack
		}
		if _, err := set.face(set.cut[c]); err != nil {
			return nil, fmt.Errorf("load fonts: %w", err)
		}
	}
	return &Fonts{set: set, tag: "en"}, nil
}

// LoadFontsWith is LoadFonts with a directory on the unit; "" or one that does not exist adds nothing.
func LoadFontsWith(dir string) (*Fonts, error) {
	if dir == "" {
		return LoadFonts()
	}
	return LoadFonts(os.DirFS(dir))
}

// For returns the fonts as a language sets them. tag is BCP 47; rtl is the direction of its script.
func (f *Fonts) For(tag string, rtl bool) *Fonts {
	if f.tag == tag && f.rtl == rtl {
		return f
	}
	return &Fonts{set: f.set, tag: tag, rtl: rtl, trace: f.trace}
}

// RTL reports whether the fonts set a language that is written from right to left.
func (f *Fonts) RTL() bool { return f.rtl }

// Op is one drawing step of an outline: 'M' and 'L' use point 0, 'Q' points 0 and 1, 'C' points 0 to 2.
type Op struct {
	Kind byte
	P    [3][2]float64
}

// Width measures s in pixels, kerning and tracking included.
func (f *Fonts) Width(s string, cut Cut, px, track float64) float64 {
	l := f.line(s, cut)
	return (l.width + float64(l.tracked)*track) * px
}

// Outline calls emit with the outline of s, its baseline at 0,0 and y down, and returns the width.
func (f *Fonts) Outline(s string, cut Cut, px, track float64, emit func(Op)) float64 {
	l := f.line(s, cut)
	var x float64
	for _, g := range l.glyphs {
		at, up, k := x+float64(g.x)*px, float64(g.y)*px, float64(g.scale)*px
		for _, sg := range f.set.outline(int(g.face), g.id) {
			o := Op{Kind: sg.kind}
			for i := range o.P {
				o.P[i] = [2]float64{at + float64(sg.p[i][0])*k, float64(sg.p[i][1])*k - up}
			}
			emit(o)
		}
		x += float64(g.advance) * px
		if g.tracked {
			x += track * px
		}
	}
	return x
}

// Baseline returns how far below the top of a line box of line×px the baseline lies, as browsers place it.
func (f *Fonts) Baseline(cut Cut, px, line float64) float64 {
	m := f.set.metrics(cut)
	return px * ((line-(m.ascent+m.descent))/2 + m.ascent)
}

// Lacks lists the letters of s that no font has: they would be drawn as replacement marks.
func (f *Fonts) Lacks(s string, cut Cut) []rune {
	var out []rune
	for _, g := range f.line(s, cut).glyphs {
		if g.id == 0 {
			out = append(out, g.letter)
		}
	}
	return out
}

// Fit returns the largest whole size of at most maxPX at which every line is at most width wide, and at least minPX.
func (f *Fonts) Fit(lines []string, cut Cut, track, width, maxPX, minPX float64) float64 {
	var w float64
	for _, l := range lines {
		w = max(w, f.Width(l, cut, 100, track))
	}
	if w == 0 {
		return maxPX
	}
	return max(minPX, min(maxPX, float64(int(width/w*100))))
}

package theme

import (
	"embed"
	"fmt"
	"sync"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

//go:embed fonts/*.ttf
var fontFiles embed.FS

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

// CutNamed returns the cut a wordmark names; unknown names are the display cut.
func CutNamed(name string) Cut {
	if name == "condensed" {
		return Condensed
	}
	return Display
}

// Fonts measures and outlines text. It is safe for concurrent use.
type Fonts struct {
	faces [cuts]face
	pool  sync.Pool // *sfnt.Buffer
}

type face struct {
	font            *sfnt.Font
	ascent, descent float64 // in em, descent positive
	upem            float64
}

// LoadFonts parses the embedded fonts.
func LoadFonts() (*Fonts, error) {
	f := &Fonts{pool: sync.Pool{New: func() any { return new(sfnt.Buffer) }}}
	for c := range cuts {
		b, err := c.bytes()
		if err != nil {
			return nil, err
		}
		if err := f.load(c, b); err != nil {
			return nil, fmt.Errorf("parse font %d: %w", c, err)
		}
	}
	return f, nil
}

func (c Cut) bytes() ([]byte, error) {
	switch c {
	case Sans:
		return fynetheme.DefaultTextFont().Content(), nil
	case SansBold:
		return fynetheme.DefaultTextBoldFont().Content(), nil
	}
	name := [...]string{Display: "Display", Condensed: "Condensed", Text: "Text"}[c]
	b, err := fontFiles.ReadFile("fonts/BricolageGrotesque-" + name + ".ttf")
	if err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	return b, nil
}

// Resource returns the font as Fyne wants it.
func (c Cut) Resource() fyne.Resource {
	b, err := c.bytes()
	if err != nil {
		return fynetheme.DefaultTextFont()
	}
	return fyne.NewStaticResource(fmt.Sprintf("cut-%d.ttf", c), b)
}

func (f *Fonts) load(c Cut, b []byte) error {
	ft, err := sfnt.Parse(b)
	if err != nil {
		return err
	}
	var buf sfnt.Buffer
	upem := fixed.Int26_6(ft.UnitsPerEm()) * 64
	m, err := ft.Metrics(&buf, upem, font.HintingNone)
	if err != nil {
		return err
	}
	u := float64(upem)
	f.faces[c] = face{font: ft, ascent: float64(m.Ascent) / u, descent: float64(m.Descent) / u, upem: float64(ft.UnitsPerEm())}
	return nil
}

// Op is one drawing step of an outline: 'M' and 'L' use point 0, 'Q' points 0 and 1, 'C' points 0 to 2.
type Op struct {
	Kind byte
	P    [3][2]float64
}

// Width measures s in pixels, kerning and tracking included.
func (f *Fonts) Width(s string, cut Cut, px, track float64) float64 {
	return f.run(s, cut, px, track, nil)
}

// Outline calls emit with the outline of s, its baseline at 0,0 and y down, and returns the width.
func (f *Fonts) Outline(s string, cut Cut, px, track float64, emit func(Op)) float64 {
	return f.run(s, cut, px, track, emit)
}

// Baseline returns how far below the top of a line box of line×px the baseline lies, as browsers place it.
func (f *Fonts) Baseline(cut Cut, px, line float64) float64 {
	a, d := f.faces[cut].ascent, f.faces[cut].descent
	return px * ((line-(a+d))/2 + a)
}

// run works in font units (one unit is one pixel at ppem = units per em), so that every size has the same shape.
func (f *Fonts) run(s string, cut Cut, px, track float64, emit func(Op)) float64 {
	buf := f.pool.Get().(*sfnt.Buffer)
	defer f.pool.Put(buf)
	var x float64
	var prev sfnt.GlyphIndex
	prevFace := -1
	for _, r := range s {
		c, g := f.glyph(buf, cut, r)
		fc := &f.faces[c]
		k := px / fc.upem
		ppem := fixed.Int26_6(fc.upem) * 64
		if prevFace == int(c) {
			if kern, err := fc.font.Kern(buf, prev, g, ppem, font.HintingNone); err == nil {
				x += float64(kern) / 64 * k
			}
		}
		if emit != nil {
			if segs, err := fc.font.LoadGlyph(buf, g, ppem, nil); err == nil {
				for _, sg := range segs {
					emit(op(sg, x, k))
				}
			}
		}
		if adv, err := fc.font.GlyphAdvance(buf, g, ppem, font.HintingNone); err == nil {
			x += float64(adv) / 64 * k
		}
		x += track * px
		prev, prevFace = g, int(c)
	}
	return x
}

// glyph finds r in the cut, else in Noto Sans Bold, else the replacement mark.
func (f *Fonts) glyph(buf *sfnt.Buffer, cut Cut, r rune) (Cut, sfnt.GlyphIndex) {
	if g, err := f.faces[cut].font.GlyphIndex(buf, r); err == nil && g != 0 {
		return cut, g
	}
	if g, err := f.faces[SansBold].font.GlyphIndex(buf, r); err == nil && g != 0 {
		return SansBold, g
	}
	return cut, 0
}

func op(s sfnt.Segment, x, k float64) Op {
	o := Op{Kind: [...]byte{sfnt.SegmentOpMoveTo: 'M', sfnt.SegmentOpLineTo: 'L', sfnt.SegmentOpQuadTo: 'Q', sfnt.SegmentOpCubeTo: 'C'}[s.Op]}
	for i, a := range s.Args {
		o.P[i] = [2]float64{x + float64(a.X)/64*k, float64(a.Y) / 64 * k}
	}
	return o
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

// For returns the fonts as a language sets them. tag is BCP 47; rtl is the direction of its script.
func (f *Fonts) For(string, bool) *Fonts { return f }

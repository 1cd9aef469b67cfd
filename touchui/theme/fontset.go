package theme

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
)

//go:embed fonts/*.ttf fonts/*.otf fonts/fonts.json
var fontFiles embed.FS

// fontFile is an entry of fonts.json.
type fontFile struct {
	File      string   `json:"file"`
	Scripts   []string `json:"scripts"` // ISO 15924
	Languages []string `json:"languages,omitempty"`
	Cut       string   `json:"cut,omitempty"`     // it is one of the pinned cuts
	Regular   bool     `json:"regular,omitempty"` // for running text; else bold

	source fs.FS
}

// fontSet is the font files and what was parsed of them: shared by the Fonts of all languages.
type fontSet struct {
	files []fontFile // those of the unit first
	cut   [cuts]int  // index in files

	mu       sync.Mutex // everything below: shaping is rare, lines are kept
	parsed   map[int]*font.Face
	broken   map[int]error
	shaper   shaping.HarfbuzzShaper
	outlines map[glyphKey][]segment

	metricsOnce [cuts]sync.Once
	metricsOf   [cuts]metrics
}

type glyphKey struct {
	face int
	id   font.GID
}

type metrics struct{ ascent, descent float64 } // in em, descent positive

// segment is a step of an outline as it is kept, in em.
type segment struct {
	p    [3][2]float32
	kind byte
}

// outlinesKept bounds the outlines in memory: about 0.7 KiB each. A Japanese page shows some 300 different ones.
const outlinesKept = 1000

func openFonts(more []fs.FS) (*fontSet, error) {
	own, err := fs.Sub(fontFiles, "fonts")
	if err != nil {
		return nil, fmt.Errorf("open fonts: %w", err)
	}
	s := &fontSet{parsed: map[int]*font.Face{}, broken: map[int]error{}, outlines: map[glyphKey][]segment{}}
	for _, src := range append(slices.Clone(more), own) {
		b, err := fs.ReadFile(src, "fonts.json")
		if errors.Is(err, fs.ErrNotExist) && src != own {
			continue // a unit without fonts of its own
		}
		var list struct {
			Fonts []fontFile `json:"fonts"`
		}
		if err == nil {
			err = json.Unmarshal(b, &list)
		}
		if err != nil {
			return nil, fmt.Errorf("read fonts.json: %w", err)
		}
		for _, f := range list.Fonts {
			f.source = src
			s.files = append(s.files, f)
		}
	}
	for c := range cuts {
		s.cut[c] = slices.IndexFunc(s.files, func(f fontFile) bool { return f.Cut == cutNames[c] })
		if s.cut[c] < 0 {
			return nil, fmt.Errorf("read fonts.json: no font is the cut %q", cutNames[c])
		}
	}
	return s, nil
}

// face parses file i when it is first asked for.
func (s *fontSet) face(i int) (*font.Face, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parse(i)
}

// parse is face with the lock held.
func (s *fontSet) parse(i int) (*font.Face, error) {
	if f, ok := s.parsed[i]; ok {
		return f, nil
	}
	if err := s.broken[i]; err != nil {
		return nil, err
	}
	f, err := s.files[i].open()
	if err != nil {
		s.broken[i] = err // a broken font of the unit costs its letters, not the screen
		return nil, err
	}
	s.parsed[i] = f
	return f, nil
}

func (f fontFile) open() (*font.Face, error) {
	r, err := f.source.Open(f.File)
	if err != nil {
		return nil, fmt.Errorf("open font: %w", err)
	}
	defer func() { _ = r.Close() }() // read only
	res, ok := r.(font.Resource)
	if !ok {
		return nil, fmt.Errorf("open font %s: cannot be read at random", f.File)
	}
	ld, err := opentype.NewLoader(res) // reads the tables it needs: the file itself is never in memory as a whole
	if err != nil {
		return nil, fmt.Errorf("parse font %s: %w", f.File, err)
	}
	ft, err := font.NewFont(ld)
	if err != nil {
		return nil, fmt.Errorf("parse font %s: %w", f.File, err)
	}
	return font.NewFace(ft), nil
}

func (s *fontSet) metrics(c Cut) metrics {
	s.metricsOnce[c].Do(func() {
		m := metrics{1, .25} // of a font that cannot be read: LoadFonts would have said so
		if f, err := s.face(s.cut[c]); err == nil {
			if e, ok := f.FontHExtents(); ok {
				u := float64(f.Upem())
				m = metrics{float64(e.Ascender) / u, float64(-e.Descender) / u}
			}
		}
		s.metricsOf[c] = m
	})
	return s.metricsOf[c]
}

// pick finds the file that sets r for text of a cut in a language: the cut itself, Noto Sans, the language's own script,
// then whatever has it. near is the file of the letter before, which keeps signs and spaces with their words, but not digits; -1: none.
// The lock is held. Without any, the cut shows its replacement mark.
func (s *fontSet) pick(r rune, c Cut, tag string, near int) int {
	script := language.LookupScript(r)
	shared := script == language.Common || script == language.Inherited
	if digit := r >= '0' && r <= '9'; shared && !digit && near >= 0 && s.has(near, r) {
		return near
	}
	if s.has(s.cut[c], r) {
		return s.cut[c]
	}
	best, bestRank := s.cut[c], 0
	for i := range s.files {
		f := &s.files[i]
		if f.Cut != "" && i != s.cut[SansBold] && (i != s.cut[Sans] || c != Sans) {
			continue
		}
		if !shared && !f.serves(script) {
			continue // do not even parse it
		}
		rank := 1
		if f.Cut != "" {
			rank += 8 // part of every screen
		}
		if slices.Contains(f.Languages, tag) {
			rank += 4
		}
		if f.Regular == (c == Sans) {
			rank += 2
		}
		if rank > bestRank && s.has(i, r) {
			best, bestRank = i, rank
		}
	}
	return best
}

func (f *fontFile) serves(script language.Script) bool {
	for _, name := range f.Scripts {
		if sc, err := language.ParseScript(name); err == nil && sc == script {
			return true
		}
	}
	return false
}

func (s *fontSet) has(i int, r rune) bool {
	f, err := s.parse(i)
	if err != nil {
		return false
	}
	_, ok := f.NominalGlyph(r)
	return ok
}

// outline is a glyph in em, y down.
func (s *fontSet) outline(face int, id font.GID) []segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := glyphKey{face, id}
	if o, ok := s.outlines[k]; ok {
		return o
	}
	f, err := s.parse(face)
	if err != nil {
		return nil
	}
	out, _ := f.GlyphData(id).(font.GlyphOutline)
	u := float32(f.Upem())
	ops := make([]segment, len(out.Segments))
	for i, sg := range out.Segments {
		ops[i].kind = [...]byte{opentype.SegmentOpMoveTo: 'M', opentype.SegmentOpLineTo: 'L', opentype.SegmentOpQuadTo: 'Q', opentype.SegmentOpCubeTo: 'C'}[sg.Op]
		for j, a := range sg.Args {
			ops[i].p[j] = [2]float32{a.X / u, -a.Y / u}
		}
	}
	if len(s.outlines) >= outlinesKept {
		clear(s.outlines)
	}
	s.outlines[k] = ops
	return ops
}

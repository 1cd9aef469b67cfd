package theme

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/go-text/typesetting/font"
)

// Arabic letters join: in a word each has another shape than alone, and the word runs from right to left.
func TestArabicJoins(t *testing.T) {
	f := load(t).For("ar", true)
	alone := map[rune]font.GID{}
	for _, r := range "كتب" {
		alone[r] = f.line(string(r), Display).glyphs[0].id
	}
	word := f.line("كتب", Display)
	if len(word.glyphs) != 3 {
		t.Fatalf("%d glyphs", len(word.glyphs))
	}
	for i, r := range []rune("بتك") { // as seen from the left: the last letter first
		g := word.glyphs[i]
		if g.letter != r {
			t.Errorf("glyph %d stands for %c, not %c", i, g.letter, r)
		}
		if g.id == alone[r] {
			t.Errorf("%c has the shape it has alone", r)
		}
	}
	if lam := f.line("لا", Display); len(lam.glyphs) != 1 {
		t.Errorf("lam and alif are %d glyphs, not one ligature", len(lam.glyphs))
	}
	if a, b := f.Width("كتب", Display, 100, 0), f.Width("كتب", Display, 100, -.03); a != b {
		t.Error("letter spacing tears joined letters apart")
	}
}

// Latin words and digits inside Arabic run from left to right; the sentence around them does not.
func TestDirections(t *testing.T) {
	ar, en := load(t).For("ar", true), load(t)
	read := func(f *Fonts, s string) (out string) {
		for _, g := range f.line(s, Text).glyphs {
			out += string(g.letter)
		}
		return out
	}
	for _, c := range []struct {
		f       *Fonts
		s, seen string
	}{
		{ar, "ابد 473 مل", "لم 473 دبا"},
		{ar, "Kolvane بدون", "نودب Kolvane"},
		{ar, "12.5 غ", "غ 12.5"},
		{en, "Language: عرب", "Language: برع"},
		{en, "What will it be?", "What will it be?"},
		{ar, "Kolvane", "Kolvane"},
		{ar, "02:fc:00:00:00:01", "02:fc:00:00:00:01"},
		{ar, "http://", "http://"},
		{ar, "82 of 82 lines: p01 …", "82 of 82 lines: p01 …"},
	} {
		if got := read(c.f, c.s); got != c.seen {
			t.Errorf("%q is seen as %q, not %q", c.s, got, c.seen)
		}
	}
}

// Every face sets its own script; digits keep the display face in every language.
func TestFacesByScript(t *testing.T) {
	f := load(t).For("ja", false)
	for _, c := range []struct {
		s    string
		file string
	}{
		{"A", "BricolageGrotesque-Display.ttf"},
		{"7", "BricolageGrotesque-Display.ttf"},
		{"Ж", "NotoSans-Bold.ttf"},
		{"何", "NotoSansJP-Bold.otf"},
		{"ー", "NotoSansJP-Bold.otf"},
		{"、", "NotoSansJP-Bold.otf"},
		{"ع", "NotoSansArabic-Bold.ttf"},
	} {
		if got := f.set.files[f.line(c.s, Display).glyphs[0].face].File; got != c.file {
			t.Errorf("%s is set in %s", c.s, got)
		}
	}
	if l := f.line("水7", Display); f.set.files[l.glyphs[1].face].File != "BricolageGrotesque-Display.ttf" {
		t.Error("a digit after a kanji is not in the display face")
	}
	if got := f.set.files[f.line("ع", Sans).glyphs[0].face].File; got != "NotoSansArabic-Regular.ttf" {
		t.Errorf("running Arabic is set in %s", got)
	}
	if lacks := f.Lacks("水\U0001F37Aa", Display); len(lacks) != 1 || lacks[0] != '\U0001F37A' {
		t.Errorf("lacks %q", lacks)
	}
}

// A directory on the unit adds a script; a font that is broken there costs its letters only.
func TestFontsOfTheUnit(t *testing.T) {
	b, err := os.ReadFile("fonts/NotoSansArabic-Bold.ttf")
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"fonts": []fontFile{
		{File: "broken.ttf", Scripts: []string{"Thai"}},
		{File: "mine.ttf", Scripts: []string{"Arab"}, Languages: []string{"ar"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"fonts.json": list, "mine.ttf": b, "broken.ttf": []byte("no font")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := LoadFonts(os.DirFS(dir), os.DirFS(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	f = f.For("ar", true)
	if got := f.set.files[f.line("ع", Display).glyphs[0].face].File; got != "mine.ttf" {
		t.Errorf("the unit's own font is not used: %s", got)
	}
	if f.Width("น", Display, 10, 0) == 0 {
		t.Error("no replacement mark for a letter of a broken font")
	}
	if _, err := LoadFonts(fs.FS(fstest.MapFS{"fonts.json": {Data: []byte("{")}})); err == nil {
		t.Error("a broken list was taken")
	}
}

func BenchmarkWidth(b *testing.B) {
	f, err := LoadFonts()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.Width("What will it be?", Display, 104, -.015)
	}
}

func BenchmarkShape(b *testing.B) {
	f, err := LoadFonts()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.shape("What will it be?", Display)
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := LoadFonts(); err != nil {
			b.Fatal(err)
		}
	}
}

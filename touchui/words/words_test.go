package words

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

func open(t *testing.T, tag string) *Book {
	t.Helper()
	b, err := Open(tag)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLanguagesAreData(t *testing.T) {
	l := Languages()
	if len(l) != 6 || l[0] != (Language{Tag: "en", Name: "English", Script: "Latn"}) {
		t.Fatalf("%+v", l)
	}
	if ar := open(t, "ar"); !ar.RTL() || ar.Language().Name != "العربية" {
		t.Errorf("%+v", ar.Language())
	}
	if _, err := Open("xx"); err == nil || !strings.Contains(err.Error(), "ja") {
		t.Errorf("an unknown language: %v", err)
	}
}

// A directory on the unit adds a language and changes phrases of another, without a release.
func TestWordsOfTheUnit(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pt.json":           `{"lang.name":"Português","lang.decimal":",","home.title":"O que vai ser?"}`,
		"en.json":           `{"home.title":"Thirsty?"}`,
		"catalogue.pt.json": `{"Cherry":"Cereja"}`,
		"fonts.json":        `{"fonts":[]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	l, err := OpenDir(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Languages()) != 7 {
		t.Errorf("%+v", l.Languages())
	}
	pt, err := l.Open("pt")
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		pt.T("home.title"): "O que vai ser?", pt.Name("Cherry"): "Cereja", pt.Name("Kolvane"): "Kolvane",
		pt.Number(1.5, 1): "1,5", pt.T("unit.ml", "v", 5): "5 ml", // English: the file does not have it
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	pt.T("unit.ml", "v", 6)
	if n := strings.Count(log.String(), "unit.ml"); n != 1 {
		t.Errorf("a missing phrase was logged %d times: %s", n, log.String())
	}
	if en, err := pt.Other("en"); err != nil || len(pt.Languages()) != 7 || en.T("home.title") != "Thirsty?" {
		t.Errorf("%v", err)
	}
	if en, err := l.Open("en"); err != nil || en.T("home.title") != "Thirsty?" {
		t.Errorf("%v", err)
	}
	if got := pt.T("no.such.key"); got != "no.such.key" {
		t.Errorf("%q", got)
	}
	if _, err := OpenDir(filepath.Join(dir, "none"), nil); err != nil {
		t.Error(err)
	}
	if l, err := Load(nil, fstest.MapFS{"pt.json": {Data: []byte("{")}}); err != nil || len(l.Languages()) != 6 {
		t.Errorf("a broken file: %v", err)
	} else if _, err := l.Open("pt"); err == nil {
		t.Error("a broken language opens")
	}
}

func TestNumbersListsAndVolumes(t *testing.T) {
	for _, c := range []struct{ tag, number, big, list, both, small string }{
		{"en", "10.4", "12,000", "a, b and c", "473 ml · 16 fl oz", "50 ml · 1.7 fl oz"},
		{"de", "10,4", "12.000", "a, b und c", "473 ml · 16 fl oz", "50 ml · 1,7 fl oz"},
		{"ar", "10.4", "12,000", "a، b وc", "473 مل · 16 أونصة", "50 مل · 1.7 أونصة"},
		{"ja", "10.4", "12,000", "a、b、c", "473 ml · 16 fl oz", "50 ml · 1.7 fl oz"},
	} {
		b := open(t, c.tag)
		for got, want := range map[string]string{
			b.Number(10.4, 1): c.number, b.Number(12000, 0): c.big, b.Number(3, 2): "3", b.Number(-.001, 1): "0", b.Number(1000, 0): "1000",
			b.List("a", "b", "c"): c.list, b.List("a"): "a", b.List(): "",
			b.Volume(473, BothUnits): c.both, b.Volume(50, BothUnits): c.small,
		} {
			if got != want {
				t.Errorf("%s: %q, not %q", c.tag, got, want)
			}
		}
	}
}

// Arabic has six plural forms, English two, Japanese one.
func TestPlurals(t *testing.T) {
	forms := phrase{forms: map[string]string{"zero": "0", "one": "1", "two": "2", "few": "few {n}", "many": "many {n}", "other": "other {n}"}}
	for _, c := range []struct {
		tag  string
		n    int
		want string
	}{
		{"en", 1, "1"},
		{"en", 0, "other 0"},
		{"en", 7, "other 7"},
		{"ja", 1, "other 1"},
		{"fr", 0, "1"},
		{"ar", 0, "0"},
		{"ar", 1, "1"},
		{"ar", 2, "2"},
		{"ar", 3, "few 3"},
		{"ar", 11, "many 11"},
		{"ar", 100, "other 100"},
		{"ar", 103, "few 103"},
	} {
		b := open(t, c.tag)
		b.phrases["x"] = forms
		if got := b.N("x", c.n); got != c.want {
			t.Errorf("%s %d: %q", c.tag, c.n, got)
		}
	}
}

// The pseudo languages are longer, bracketed, and keep their placeholders.
func TestPseudo(t *testing.T) {
	b, en := open(t, Pseudo), open(t, English)
	s := b.T("home.title")
	if n, m := utf8.RuneCountInString(s), utf8.RuneCountInString(en.T("home.title")); !strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]") || n*100 < m*130 || n*100 > m*145 {
		t.Errorf("%q has %d letters for %d", s, n, m)
	}
	if b.RTL() || !open(t, PseudoRTL).RTL() {
		t.Error("directions of the pseudo languages")
	}
	for k, p := range en.phrases {
		if !equal(placeholders(p), placeholders(b.phrases[k])) {
			t.Errorf("%s: %v", k, placeholders(b.phrases[k]))
		}
	}
	if got := b.Number(1.5, 1); got != "1.5" {
		t.Errorf("%q", got)
	}
}

package words_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"fountain/agent/beverage"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// phrases of the catalogue that a person reads: all but the names of brands.
func phrases(t *testing.T) map[string]bool {
	t.Helper()
	c, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, b := range c.Brands {
		out[b.Kind], out[b.Tone] = true, true
		for _, v := range b.Beverages {
			out[v.Name] = true
			for _, p := range v.Recipe.Parts { // what it tastes of, for the search
				if kind, name, _ := strings.Cut(string(p.Ingredient), "."); kind == "flavour" || kind == "juice" || kind == "tea" {
					name = strings.ReplaceAll(name, "-", " ")
					out[strings.ToUpper(name[:1])+name[1:]] = true
				}
			}
			for _, l := range [][]string{v.Allergens, v.Sweeteners, v.Notices} {
				for _, s := range l {
					out[s] = true
				}
			}
		}
	}
	for _, in := range c.Ingredients {
		out[in.Name] = true
	}
	return out
}

// Everything in the catalogue that comes with the program is translated, and nothing else is in the files.
func TestCatalogueIsTranslated(t *testing.T) {
	want := phrases(t)
	for _, l := range words.Languages() {
		if l.Tag == words.English {
			continue
		}
		b, err := os.ReadFile("data/catalogue." + l.Tag + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		for p := range want {
			if strings.TrimSpace(got[p]) == "" {
				t.Errorf("%s lacks %q", l.Tag, p)
			}
		}
		for p := range got {
			if !want[p] {
				t.Errorf("%s has %q, the catalogue has not", l.Tag, p)
			}
		}
	}
}

// No phrase of any language shows a replacement mark in any font it may be set in.
func TestEveryPhraseHasItsLetters(t *testing.T) {
	fonts, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	cuts := []theme.Cut{theme.Display, theme.Condensed, theme.Text, theme.Sans}
	for _, l := range words.Languages() {
		f := fonts.For(l.Tag, l.RTL)
		check := func(what, s string) {
			for _, c := range cuts {
				if lacks := f.Lacks(s, c); len(lacks) > 0 {
					t.Errorf("%s: %s: no font has %q of %q", l.Tag, what, lacks, s)
					return
				}
			}
		}
		for _, o := range words.Languages() {
			check("the name of "+o.Tag, o.Name) // the list of languages shows each in its own script
		}
		for _, name := range []string{l.Tag + ".json", "catalogue." + l.Tag + ".json"} {
			b, err := os.ReadFile("data/" + name)
			if err != nil {
				if l.Tag == words.English {
					continue
				}
				t.Fatal(err)
			}
			var all map[string]any
			if err := json.Unmarshal(b, &all); err != nil {
				t.Fatal(err)
			}
			for k, v := range all {
				switch v := v.(type) {
				case string:
					check(k, v)
				case map[string]any:
					for form, s := range v {
						check(k+"/"+form, s.(string))
					}
				}
			}
		}
	}
}

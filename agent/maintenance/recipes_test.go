package maintenance

import (
	"strings"
	"testing"
	"time"

	"fountain/internal/problem"
)

func TestRecipes(t *testing.T) {
	all, err := Recipes()
	if err != nil {
		t.Fatal(err)
	}
	applies := map[string]bool{}
	for _, r := range all {
		applies[r.Applies] = true
		stood := time.Duration(0)
		for _, s := range r.Steps {
			stood += s.For
		}
		if strings.HasSuffix(r.ID, "clean") && stood < 10*time.Minute {
			t.Errorf("%s stands %v, cleaner needs 10 min", r.ID, stood)
		}
	}
	if len(applies) != 3 {
		t.Errorf("recipes for %v", applies)
	}
}

// TestRecipesAreStrict: whatever is wrong with a recipe is refused with its place.
func TestRecipesAreStrict(t *testing.T) {
	const good = `
id: r
title: T
applies: valve
source: s
steps:
  - { do: dose, ml: 100, min_c: 32, max_c: 43, say: a }
  - { do: dwell, for: 10m, say: b }
  - { do: rinse, ml: 500, say: c }
`
	if _, err := ParseRecipe("good", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"unknown key":               {"ml: 100", "mililitres: 100"},
		"unknown step":              {"do: dose", "do: boil"},
		"no rinse":                  {"do: rinse", "do: flush"},
		"no volume":                 {"ml: 500, ", ""},
		"negative volume":           {"ml: 500", "ml: -500"},
		"flood":                     {"ml: 500", "ml: 50000"},
		"scalding":                  {"max_c: 43", "max_c: 75"},
		"cold above warm":           {"min_c: 32", "min_c: 44"},
		"half a range":              {", max_c: 43", ""},
		"no time":                   {"for: 10m, ", ""},
		"a volume for time":         {"for: 10m", "ml: 3"},
		"nothing to say":            {"say: b", "say: ''"},
		"no source":                 {"source: s", "source: ''"},
		"wrong target":              {"applies: valve", "applies: floor"},
		"lines of a valve":          {"ml: 500", "lines: 5"},
		"time of a flow":            {"ml: 500", "ml: 500, for: 3m"},
		"a second document":         {"say: c }", "say: c }\n---\nid: x"},
		"an ending that is a guess": {"do: rinse, ml: 500, say: c }", "do: rinse, ml: 500, say: c }\n  - { do: dose, ml: 5, say: d }"},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Fatalf("%s: nothing was edited", name)
		}
		if _, err := ParseRecipe(name, []byte(bad)); problem.From(err).Code != problem.CodeBadConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRecipe(f *testing.F) {
	for _, name := range []string{"line-clean", "nozzle", "syrup-clean"} {
		raw, err := recipeFiles.ReadFile("recipes/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRecipe("fuzz", raw)
		if err != nil {
			return
		}
		last := ""
		for _, s := range r.Steps {
			if s.flows() {
				last = s.Do
			}
			if s.MaxC > scaldC || s.ML > 10_000 {
				t.Errorf("accepted %+v", s)
			}
		}
		if last != doRinse {
			t.Errorf("accepted a recipe that ends in %q", last)
		}
	})
}

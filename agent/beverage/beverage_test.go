package beverage

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fountain/internal/problem"
)

// TestDefaultIsTheMission holds the embedded catalogue to what the product promises.
func TestDefaultIsTheMission(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	p, err := LoadPlanogram("", c)
	if err != nil {
		t.Fatal(err)
	}
	brands, beverages, offered := 0, 0, 0
	recipes := map[string]ID{}
	names := map[string]BrandID{}
	for i := range c.Brands {
		b := &c.Brands[i]
		brands++
		if first, ok := names[strings.ToLower(b.Name)]; ok {
			t.Errorf("brands %s and %s share a name", first, b.ID)
		}
		names[strings.ToLower(b.Name)] = b.ID
		pourable := false
		for j := range b.Beverages {
			v := &b.Beverages[j]
			beverages++
			pourable = pourable || len(c.Missing(v, p)) == 0
			key, err := json.Marshal(v.Recipe)
			if err != nil {
				t.Fatal(err)
			}
			if first, ok := recipes[string(key)]; ok {
				t.Errorf("%s has the recipe of %s", v.ID, first)
			}
			recipes[string(key)] = v.ID
		}
		if pourable {
			offered++
		}
	}
	t.Logf("%d brands, %d beverages, %d ingredients; the demo planogram offers %d brands from %d slots", brands, beverages, len(c.Ingredients), offered, len(p.Slots))
	if brands < 100 || beverages < 250 {
		t.Errorf("%d brands and %d beverages, want at least 100 and 250", brands, beverages)
	}
	if offered < 100 || len(p.Slots) > 80 {
		t.Errorf("the demo planogram offers %d brands from %d slots, want at least 100 from at most 80", offered, len(p.Slots))
	}
	if !strings.HasPrefix(c.Digest, "sha256:") {
		t.Errorf("digest %q", c.Digest)
	}
}

// TestBadFilesAreRefused plants one mistake at a time into the default catalogue.
func TestBadFilesAreRefused(t *testing.T) {
	type doc = map[string]any
	brand := func(d doc) doc { return d["brands"].([]any)[0].(doc) }
	bev := func(d doc) doc { return brand(d)["beverages"].([]any)[0].(doc) }
	part := func(d doc) doc { return bev(d)["recipe"].(doc)["parts"].([]any)[1].(doc) }
	for _, tc := range []struct {
		name   string
		plant  func(doc)
		where  string
		reason string
	}{
		{"unknown key", func(d doc) { brand(d)["logo"] = "x" }, "/brands/0", "logo"},
		{"wrong type", func(d doc) { bev(d)["kcal"] = "42" }, "/brands/0/beverages/0/kcal", "number"},
		{"missing palette colour", func(d doc) { delete(brand(d)["palette"].(doc), "ink") }, "/brands/0/palette", "ink"},
		{"no such shape", func(d doc) { brand(d)["motif"].(doc)["shapes"].([]any)[0].(doc)["t"] = "bottle" }, "/brands/0/motif/shapes/0/t", "one of"},
		{"shape without a radius", func(d doc) { delete(brand(d)["motif"].(doc)["shapes"].([]any)[0].(doc), "r") }, "/brands/0/motif/shapes/0", "'r'"},
		{"unknown ingredient", func(d doc) { part(d)["ingredient"] = "syrup.moon" }, "/brands/0/beverages/0/recipe/parts/1/ingredient", "not in the catalogue"},
		{"negative part", func(d doc) { part(d)["parts"] = -1.0 }, "/brands/0/beverages/0/recipe/parts/1/parts", ""},
		{"two ids", func(d doc) { bev(d)["id"] = d["ingredients"].([]any)[0].(doc)["id"] }, "/brands/0/beverages/0/id", "twice"},
		{"sugar claim", func(d doc) { bev(d)["sugar"] = 1.0 }, "/brands/0/beverages/0/sugar", "recipe gives"},
		{"wrong tag", func(d doc) { bev(d)["tags"] = []any{"still"} }, "/brands/0/beverages/0/tags", "tag"},
		{"hidden allergen", func(d doc) { bev(d)["allergens"] = []any{"milk"} }, "/brands/0/beverages/0/allergens", "recipe gives"},
		{"unreadable text", func(d doc) { brand(d)["palette"].(doc)["ink"] = brand(d)["palette"].(doc)["primary"] }, "/brands/0/palette/ink", "contrast"},
		{"newer version", func(d doc) { d["version"] = 2.0 }, "/version", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d doc
			if err := json.Unmarshal(defaultCatalogue, &d); err != nil {
				t.Fatal(err)
			}
			tc.plant(d)
			b, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "catalogue.json")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = Load(path)
			var p *problem.Problem
			if !errors.As(err, &p) || p.Code != problem.CodeBadConfig || p.Where != path+"#"+tc.where || !strings.Contains(p.What, tc.reason) {
				t.Fatalf("got %v, want a problem at %s about %q", err, tc.where, tc.reason)
			}
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalogue.json")
	if _, err := Load(path); problem.ExitCode(err) != 2 {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, defaultCatalogue[:len(defaultCatalogue)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); problem.ExitCode(err) != 2 || !strings.Contains(err.Error(), path) {
		t.Errorf("truncated file: %v", err)
	}
}

func TestPlanogramIsChecked(t *testing.T) {
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"twice":            `{"version":1,"name":"x","slots":[{"slot":"s01","ingredient":"syrup.sugar","volume_ml":1},{"slot":"s01","ingredient":"tea.black","volume_ml":1}]}`,
		"not in the":       `{"version":1,"name":"x","slots":[{"slot":"s01","ingredient":"syrup.moon","volume_ml":1}]}`,
		"needs no slot":    `{"version":1,"name":"x","slots":[{"slot":"s01","ingredient":"water.still","volume_ml":1}]}`,
		"additional prope": `{"version":1,"name":"x","slots":[{"slot":"s01","ingredient":"tea.black","volume_ml":1,"colour":"red"}]}`,
	} {
		if _, err := ParsePlanogram([]byte(text), "p.json", c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"ingredients":[],"brands":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b, "fuzz")
		if err == nil && len(c.Brands) == 0 {
			t.Fatal("an empty catalogue passed")
		}
	})
}

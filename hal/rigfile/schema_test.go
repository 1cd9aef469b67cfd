package rigfile_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"fountain/hal/rigfile"
)

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(rigfile.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rig.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("rig.json")
	if err != nil {
		t.Fatal(err)
	}
	if s.DraftVersion != 2020 {
		t.Errorf("draft %d", s.DraftVersion)
	}
	return s
}

// document reads a rig file as an editor would, without the parser.
func document(t *testing.T, file string) (any, error) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	err = yaml.Unmarshal(b, &doc)
	return doc, err
}

func TestSchemaAcceptsGoodSamples(t *testing.T) {
	s := compile(t)
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, f := range files {
		doc, err := document(t, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// beyondSchema are the mistakes no schema can tell, with the reason.
var beyondSchema = map[string]string{
	"chip-address-twice": "compares entries", "chip-label-twice": "compares entries", "duplicate-id": "compares entries",
	"line-twice": "compares entries", "line-name-twice": "compares entries", "line-of-sense-twice": "compares entries",
	"line-of-reset-twice": "compares entries", "line-of-heartbeat-twice": "compares entries", "interlock-twice": "compares entries",
	"slot-reader-twice": "compares entries", "sensor-channel-twice": "compares entries",
	"unknown-chip": "a reference", "meter-unknown-valve": "a reference", "sim-unknown-valve": "a reference", "sim-unknown-meter": "a reference",
	"slot-unknown-pump": "a reference", "slot-unknown-reader": "a reference", "agitator-unknown-slot": "a reference",
	"meter-behind-expander": "the kind of another entry", "line-name-on-expander": "the kind of another entry",
	"line-beyond-expander": "the kind of another entry", "reset-behind-expander": "the kind of another entry",
	"heartbeat-behind-expander": "the kind of another entry", "master-behind-expander": "the kind of another entry",
	"valve-on-doser": "the kind of another entry", "pump-on-adc": "the kind of another entry", "sense-behind-expander": "the kind of another entry",
	"door-behind-expander": "the kind of another entry", "pca9685-active-low": "the kind of another entry",
	"sense-of-doser": "the kind of another entry", "estop-behind-expander": "the kind of another entry",
	"slot-reader-no-reader": "the kind of another entry", "sensor-not-on-adc": "the kind of another entry",
	"heartbeat-too-slow": "the bound of a time", "watchdog-too-slow": "the bound of a time", "watchdog-fraction": "the bound of a time",
	"estop-debounce": "the bound of a time", "meter-debounce": "the bound of a time", "agitator-endless": "the bound of a time",
	"agitator-overlap": "compares values", "sensor-empty-range": "compares values", "sensor-implausible-range": "the bound depends on the role",
	"supply-too-weak": "a sum", "supply-without-current": "depends on another part of the file", "sim-hold-no-heartbeat": "depends on another part of the file",
}

// Every bad sample is refused by the schema too, but for what it cannot tell.
func TestSchemaRefusesBadSamples(t *testing.T) {
	s := compile(t)
	files, err := filepath.Glob(filepath.Join(samples, "bad", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	excused := 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		doc, err := document(t, f)
		if err != nil {
			continue // no YAML, or a key twice: every editor tells
		}
		err = s.Validate(doc)
		why := beyondSchema[name]
		switch {
		case err == nil && why == "":
			t.Errorf("%s: the schema accepts it", name)
		case err != nil && why != "":
			t.Errorf("%s: the schema can tell after all (%s): %v", name, why, err)
		}
		if why != "" {
			excused++
		}
	}
	if excused != len(beyondSchema) {
		t.Errorf("%d of %d excused samples exist", excused, len(beyondSchema))
	}
}

// The parser and the schema know the same keys, at every place: an unknown key there makes the parser list its own.
func TestSchemaKnowsTheParsersKeys(t *testing.T) {
	s := compile(t)
	places := map[string]*jsonschema.Schema{}
	objects(s, "", places)
	if len(places) < 25 {
		t.Fatalf("only %d kinds of objects in the schema: %v", len(places), slices.Sorted(maps.Keys(places)))
	}
	for place, obj := range places {
		list, err := rigfile.Parse("x", []byte(probe(place)))
		if list != nil || err == nil {
			t.Fatalf("%s: accepted", place)
		}
		var known []string
		for _, p := range all(err) {
			if k, ok := strings.CutPrefix(p.Remedy, "remove it or use one of: "); ok && p.What == "unknown key" {
				known = strings.Split(k, ", ")
			}
		}
		want := slices.Sorted(maps.Keys(obj.Properties))
		slices.Sort(known)
		if !slices.Equal(known, want) {
			t.Errorf("%s: the parser knows %v, the schema %v", place, known, want)
		}
	}
}

// objects collects every object of the schema by its path; "[]" stands for an entry of a list.
func objects(s *jsonschema.Schema, path string, into map[string]*jsonschema.Schema) {
	if len(s.Properties) == 0 {
		if items, ok := s.Items2020, s.Items2020 != nil; ok {
			objects(items, path+"[]", into)
		}
		return
	}
	into[path] = s
	for key, p := range s.Properties {
		objects(p, strings.TrimPrefix(path+"."+key, "."), into)
	}
}

// probe is a rig file with an unknown key at place.
func probe(place string) string {
	doc := "zzz: 1"
	parts := strings.Split(place, ".")
	for i := len(parts) - 1; i >= 0 && place != ""; i-- {
		key, list := strings.CutSuffix(parts[i], "[]")
		extra := ""
		if key == "chips" && i < len(parts)-1 {
			extra = "id: c, kind: mcp23017, " // only such a chip has a reset
		}
		doc = "{ " + extra + doc + " }"
		if list {
			doc = "[ " + doc + " ]"
		}
		doc = key + ": " + doc
	}
	return doc
}

// The good samples together use every key, so that what is tested above is also read.
func TestSamplesUseEveryKey(t *testing.T) {
	s := compile(t)
	places := map[string]*jsonschema.Schema{}
	objects(s, "", places)
	used := map[string]bool{}
	for _, name := range []string{"every-key.yaml", "reference.yaml"} {
		doc, err := document(t, filepath.Join(samples, name))
		if err != nil {
			t.Fatal(err)
		}
		keys(doc, "", used)
	}
	for place, obj := range places {
		for key := range obj.Properties {
			if at := strings.TrimPrefix(place+"."+key, "."); !used[at] {
				t.Errorf("no sample uses %s", at)
			}
		}
	}
}

func keys(doc any, path string, into map[string]bool) {
	switch v := doc.(type) {
	case map[string]any:
		for k, e := range v {
			at := strings.TrimPrefix(path+"."+k, ".")
			into[at] = true
			keys(e, at, into)
		}
	case []any:
		for _, e := range v {
			keys(e, path+"[]", into)
		}
	case nil, string, bool, int, float64:
	default:
		panic(fmt.Sprintf("%s: %T", path, doc))
	}
}

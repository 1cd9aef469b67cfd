package shadow

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// flat is a shadow section as a list of paths: "/a/b" is "{}" for an object, else the JSON of a value. It is the model that
// merge and delta are compared with.
type flat map[string]string

const objectMark = "{}"

func (f flat) drop(path string) {
	for p := range f {
		if p == path || strings.HasPrefix(p, path+"/") {
			delete(f, p)
		}
	}
}

// merge applies a patch, path by path.
func (f flat) merge(path string, patch map[string]any) {
	for k, v := range patch {
		p := path + "/" + k
		switch v := v.(type) {
		case nil:
			f.drop(p)
		case map[string]any:
			fresh := f[p] != objectMark
			if fresh {
				f.drop(p)
				f[p] = objectMark
			}
			before := len(f)
			f.merge(p, v)
			if fresh && len(f) == before && len(v) > 0 { // of nulls only
				f.drop(p)
			}
		default:
			f.drop(p)
			f[p] = string(mustJSON(v))
		}
	}
}

// delta lists what has other values in have, with the objects on the way.
func (f flat) delta(have flat) flat {
	out := flat{}
	for p, v := range f {
		if v == objectMark && have[p] == objectMark || v == have[p] {
			continue
		}
		out[p] = v
		for i := strings.LastIndex(p, "/"); i > 0; i = strings.LastIndex(p[:i], "/") {
			out[p[:i]] = objectMark
		}
	}
	return out
}

func flatten(m map[string]any) flat {
	f := flat{}
	f.merge("", m)
	return f
}

// draw makes sections of few keys, so that they meet. Values are integers: 1 and 1.0 are the other test's matter.
func drawSection(t *rapid.T, label string, depth int, nulls bool) map[string]any {
	m := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, label+" keys") {
		k := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, label+" key")
		kinds := 3
		if nulls {
			kinds = 4
		}
		switch kind := rapid.IntRange(0, kinds).Draw(t, label+" kind"); {
		case kind == 0:
			m[k] = json.Number(fmt.Sprint(rapid.IntRange(0, 2).Draw(t, label+" value")))
		case kind == 1:
			m[k] = []any{json.Number("1"), rapid.Bool().Draw(t, label+" value")}
		case kind == 4:
			m[k] = nil
		case depth > 0:
			m[k] = drawSection(t, label+"."+k, depth-1, nulls)
		}
	}
	return m
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, err := decodeShadowDoc(nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]flat{"desired": {}, "reported": {}}
		for i := range rapid.IntRange(1, 8).Draw(t, "updates") {
			state := map[string]any{}
			for _, name := range []string{"desired", "reported"} {
				switch rapid.IntRange(0, 5).Draw(t, name) {
				case 0:
				case 1:
					state[name] = nil
					model[name] = flat{}
				default:
					patch := drawSection(t, name, 3, true)
					state[name] = patch
					model[name].merge("", patch)
				}
			}
			c, refusal := parseChange(mustJSON(map[string]any{"state": state}))
			if refusal != nil {
				t.Fatal(refusal)
			}
			before := d
			d = d.clone()
			if refusal := d.apply(c, int64(i+1)); refusal != nil {
				t.Fatal(refusal)
			}
			if d.Version != before.Version+1 || before.Stamp != int64(i) {
				t.Fatalf("version %d after %d", d.Version, before.Version)
			}
			for name := range model {
				if x := cmp.Diff(model[name], flatten(d.State[name])); x != "" {
					t.Fatalf("%s after %s: %s", name, mustJSON(state), x)
				}
				if x := cmp.Diff(paths(d.State[name]), stampPaths(d.Meta[name])); x != "" {
					t.Fatalf("stamps of %s: %s", name, x)
				}
			}
			diff, _ := d.delta()
			if x := cmp.Diff(model["desired"].delta(model["reported"]), flatten(diff)); x != "" {
				t.Fatalf("delta of %s: %s", mustJSON(d.State), x)
			}
		}
		// A unit that reports the delta has nothing left to do.
		diff, _ := d.delta()
		if diff == nil {
			return
		}
		c, refusal := parseChange(mustJSON(map[string]any{"state": map[string]any{"reported": diff}}))
		if refusal != nil {
			t.Fatal(refusal)
		}
		if refusal := d.apply(c, 99); refusal != nil {
			t.Fatal(refusal)
		}
		if left, _ := d.delta(); left != nil {
			t.Fatalf("reported %s, left %s", mustJSON(diff), mustJSON(left))
		}
	})
}

// paths lists the leaves of a section.
func paths(m map[string]any) map[string]bool {
	out := map[string]bool{}
	for p, v := range flatten(m) {
		if v != objectMark {
			out[p] = true
		}
	}
	return out
}

// stampPaths lists where stamps are.
func stampPaths(m map[string]any) map[string]bool {
	out := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case []any:
			out[path] = true // a list's stamps stand for one leaf
		case map[string]any:
			if _, ok := v["timestamp"].(json.Number); ok {
				out[path] = true
				return
			}
			if _, ok := v["timestamp"].(int64); ok {
				out[path] = true
				return
			}
			for k, x := range v {
				walk(path+"/"+k, x)
			}
		}
	}
	for k, v := range m {
		walk("/"+k, v)
	}
	return out
}

package shadow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fountain/internal/strictjson"
)

// at strips stamps from a metadata tree so that cases stay readable: {"timestamp":7} becomes 7.
func at(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if t, ok := v["timestamp"]; ok && len(v) == 1 {
			return t
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = at(x)
		}
		return out
	case []any:
		for i := range v {
			v[i] = at(v[i])
		}
	}
	return v
}

func TestShadowSemantics(t *testing.T) {
	for _, tc := range []struct {
		name    string
		updates []string // each applied at second 1, 2, …
		state   string
		delta   string // "" none
		meta    string // of the whole document
		code    int    // of the last update; 0 accepted
	}{
		{name: "sections", updates: []string{`{"state":{"desired":{"a":1},"reported":{"a":2}}}`}, state: `{"desired":{"a":1},"reported":{"a":2}}`, delta: `{"a":1}`},
		{
			name: "merge key by key", updates: []string{`{"state":{"desired":{"a":{"x":1,"y":2}}}}`, `{"state":{"desired":{"a":{"y":3}}}}`},
			state: `{"desired":{"a":{"x":1,"y":3}}}`, delta: `{"a":{"x":1,"y":3}}`, meta: `{"desired":{"a":{"x":1,"y":2}}}`,
		},
		{name: "null deletes a key", updates: []string{`{"state":{"desired":{"a":1,"b":2}}}`, `{"state":{"desired":{"a":null}}}`}, state: `{"desired":{"b":2}}`, delta: `{"b":2}`},
		{name: "null of an absent key", updates: []string{`{"state":{"desired":{"a":1,"b":null}}}`}, state: `{"desired":{"a":1}}`, delta: `{"a":1}`},
		{name: "null state removes both sections", updates: []string{`{"state":{"desired":{"a":1},"reported":{"b":1}}}`, `{"state":null}`}, state: `{}`},
		{name: "1 and 1.0 are the same", updates: []string{`{"state":{"desired":{"a":1,"b":[1.50],"c":1e2},"reported":{"a":1.0,"b":[1.5],"c":100}}}`}, state: `{"desired":{"a":1,"b":[1.50],"c":1e2},"reported":{"a":1.0,"b":[1.5],"c":100}}`},
		{name: "digits beyond a float count", updates: []string{`{"state":{"desired":{"a":9007199254740993},"reported":{"a":9007199254740992}}}`}, state: `{"desired":{"a":9007199254740993},"reported":{"a":9007199254740992}}`, delta: `{"a":9007199254740993}`},
		{name: "types differ", updates: []string{`{"state":{"desired":{"a":1,"b":true,"c":{}},"reported":{"a":"1","b":1,"c":[]}}}`}, state: `{"desired":{"a":1,"b":true,"c":{}},"reported":{"a":"1","b":1,"c":[]}}`, delta: `{"a":1,"b":true,"c":{}}`},
		{
			name: "stamps of lists", updates: []string{`{"state":{"desired":{"a":[1,{"x":2,"y":[3]}]}}}`}, state: `{"desired":{"a":[1,{"x":2,"y":[3]}]}}`,
			delta: `{"a":[1,{"x":2,"y":[3]}]}`, meta: `{"desired":{"a":[1,{"x":1,"y":[1]}]}}`,
		},
		{name: "untouched leaves keep their stamps", updates: []string{`{"state":{"reported":{"a":1,"b":{"c":1,"d":2}}}}`, `{"state":{"reported":{"b":{"d":2}}}}`}, state: `{"reported":{"a":1,"b":{"c":1,"d":2}}}`, meta: `{"reported":{"a":1,"b":{"c":1,"d":2}}}`},
		{name: "HTML is no longer than it is", updates: []string{`{"state":{"desired":{"a":"<&>"}}}`}, state: `{"desired":{"a":"<&>"}}`, delta: `{"a":"<&>"}`},
		{name: "8192 bytes", updates: []string{`{"state":{"desired":{"a":"` + strings.Repeat("x", 8184) + `"}}}`}, code: 0},
		{name: "8193 bytes", updates: []string{`{"state":{"desired":{"a":"` + strings.Repeat("x", 8185) + `"}}}`}, code: 413},
		{name: "both sections count", updates: []string{`{"state":{"desired":{"a":"` + strings.Repeat("x", 4092) + `"}}}`, `{"state":{"reported":{"a":"` + strings.Repeat("x", 4093) + `"}}}`}, code: 413},
		{name: "eight levels", updates: []string{`{"state":{"desired":` + strings.Repeat(`{"a":`, 8) + `1` + strings.Repeat(`}`, 8) + `}}`}, code: 0},
		{name: "a new object of nulls is nothing", updates: []string{`{"state":{"desired":{"a":{"b":{"c":null}},"k":1}}}`}, state: `{"desired":{"k":1}}`, delta: `{"k":1}`, meta: `{"desired":{"k":1}}`},
		{name: "an object that loses its last key stays", updates: []string{`{"state":{"desired":{"a":{"b":1}}}}`, `{"state":{"desired":{"a":{"b":null}}}}`}, state: `{"desired":{"a":{}}}`, delta: `{"a":{}}`},
		{name: "an empty object is one", updates: []string{`{"state":{"desired":{"a":{}}}}`}, state: `{"desired":{"a":{}}}`, delta: `{"a":{}}`},
		{name: "a value becomes an object of nulls", updates: []string{`{"state":{"desired":{"a":1,"k":1}}}`, `{"state":{"desired":{"a":{"b":null}}}}`}, state: `{"desired":{"k":1}}`, delta: `{"k":1}`},
		{name: "null version is none", updates: []string{`{"state":{"desired":{"a":1}},"version":null}`}, state: `{"desired":{"a":1}}`, delta: `{"a":1}`},
		{name: "negative version", updates: []string{`{"state":{},"version":-1}`}, state: `{}`, code: 400},
		{name: "version with a fraction", updates: []string{`{"state":{},"version":1.5}`}, state: `{}`, code: 400},
		{name: "token is a number", updates: []string{`{"state":{},"clientToken":1}`}, state: `{}`, code: 400},
		{name: "no UTF-8", updates: []string{"{\"state\":{\"desired\":{\"a\":\"\xff\"}}}"}, state: `{}`, code: 415},
		{name: "null deletes a section", updates: []string{`{"state":{"desired":{"a":1},"reported":{"b":1}}}`, `{"state":{"desired":null}}`}, state: `{"reported":{"b":1}}`},
		{
			name: "arrays are values", updates: []string{`{"state":{"desired":{"a":[1,2,3]},"reported":{"a":[1,2]}}}`}, state: `{"desired":{"a":[1,2,3]},"reported":{"a":[1,2]}}`,
			delta: `{"a":[1,2,3]}`, meta: `{"desired":{"a":[1,1,1]},"reported":{"a":[1,1]}}`,
		},
		{name: "array is replaced whole", updates: []string{`{"state":{"desired":{"a":[1,2,3]}}}`, `{"state":{"desired":{"a":[9]}}}`}, state: `{"desired":{"a":[9]}}`, delta: `{"a":[9]}`},
		{name: "object replaces a value", updates: []string{`{"state":{"desired":{"a":1}}}`, `{"state":{"desired":{"a":{"b":2}}}}`}, state: `{"desired":{"a":{"b":2}}}`, delta: `{"a":{"b":2}}`},
		{name: "value replaces an object", updates: []string{`{"state":{"desired":{"a":{"b":2}}}}`, `{"state":{"desired":{"a":1}}}`}, state: `{"desired":{"a":1}}`, delta: `{"a":1}`, meta: `{"desired":{"a":2}}`},
		{
			name: "delta only where it differs", updates: []string{`{"state":{"desired":{"a":{"x":1,"y":2},"b":3},"reported":{"a":{"x":1,"y":9},"b":3,"c":4}}}`},
			state: `{"desired":{"a":{"x":1,"y":2},"b":3},"reported":{"a":{"x":1,"y":9},"b":3,"c":4}}`, delta: `{"a":{"y":2}}`,
		},
		{name: "no delta when equal", updates: []string{`{"state":{"desired":{"a":{"x":1}},"reported":{"a":{"x":1},"more":true}}}`}, state: `{"desired":{"a":{"x":1}},"reported":{"a":{"x":1},"more":true}}`},
		{name: "large numbers keep their digits", updates: []string{`{"state":{"desired":{"n":9007199254740993}}}`}, state: `{"desired":{"n":9007199254740993}}`, delta: `{"n":9007199254740993}`},
		{name: "right version", updates: []string{`{"state":{"desired":{"a":1}}}`, `{"state":{"desired":{"a":2}},"version":1}`}, state: `{"desired":{"a":2}}`, delta: `{"a":2}`},
		{name: "wrong version", updates: []string{`{"state":{"desired":{"a":1}}}`, `{"state":{"desired":{"a":2}},"version":7}`}, state: `{"desired":{"a":1}}`, delta: `{"a":1}`, code: 409},
		{name: "null in an array", updates: []string{`{"state":{"desired":{"a":[1,null]}}}`}, state: `{}`, code: 400},
		{name: "no JSON", updates: []string{`{`}, state: `{}`, code: 400},
		{name: "no state", updates: []string{`{"desired":{}}`}, state: `{}`, code: 400},
		{name: "state is no object", updates: []string{`{"state":[]}`}, state: `{}`, code: 400},
		{name: "section is no object", updates: []string{`{"state":{"desired":3}}`}, state: `{}`, code: 400},
		{name: "unknown section", updates: []string{`{"state":{"wanted":{}}}`}, state: `{}`, code: 400},
		{name: "version is text", updates: []string{`{"state":{},"version":"1"}`}, state: `{}`, code: 400},
		{name: "long token", updates: []string{`{"state":{},"clientToken":"` + strings.Repeat("x", 65) + `"}`}, state: `{}`, code: 400},
		{name: "too deep", updates: []string{`{"state":{"desired":` + strings.Repeat(`{"a":`, 9) + `1` + strings.Repeat(`}`, 9) + `}}`}, state: `{}`, code: 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var blob []byte
			version := int64(0)
			code := 0
			for i, u := range tc.updates {
				d, err := decodeShadowDoc(blob, version)
				if err != nil {
					t.Fatal(err)
				}
				c, refusal := parseChange([]byte(u))
				if refusal == nil {
					refusal = d.apply(c, int64(i+1))
				}
				if code = 0; refusal != nil {
					code = refusal.Code
					continue
				}
				if d.Version != version+1 {
					t.Fatalf("version %d after %d", d.Version, version)
				}
				blob, version = mustJSON(d), d.Version
			}
			if code != tc.code {
				t.Fatalf("code %d, want %d", code, tc.code)
			}
			d, err := decodeShadowDoc(blob, version)
			if err != nil {
				t.Fatal(err)
			}
			if tc.state == "" {
				return // too long to write down
			}
			if got := string(mustJSON(d.State)); got != tc.state {
				t.Errorf("state %s, want %s", got, tc.state)
			}
			diff, meta := d.delta()
			got := ""
			if diff != nil {
				got = string(mustJSON(diff))
				if len(meta) != len(diff) {
					t.Errorf("delta has metadata %v", meta)
				}
			}
			if got != tc.delta {
				t.Errorf("delta %s, want %s", got, tc.delta)
			}
			if tc.meta == "" {
				return
			}
			var want any
			if err := strictjson.Numbers(strings.NewReader(tc.meta), &want); err != nil {
				t.Fatal(err)
			}
			all := map[string]any{}
			for k, v := range d.Meta {
				all[k] = at(v)
			}
			if x := cmp.Diff(fmt.Sprint(want), fmt.Sprint(all)); x != "" {
				t.Errorf("metadata (-want +got): %s", x)
			}
		})
	}
}

func FuzzShadowChange(f *testing.F) {
	f.Add([]byte(`{"state":{"desired":{"a":[1,{"b":null}]},"reported":null},"version":1,"clientToken":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, refusal := parseChange(b)
		if (c == nil) == (refusal == nil) {
			t.Fatal("neither or both")
		}
		if c == nil {
			return
		}
		c.version = nil
		d, err := decodeShadowDoc(nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if refusal := d.apply(c, 1); refusal != nil {
			return
		}
		again, err := decodeShadowDoc(mustJSON(d), 1)
		if err != nil {
			t.Fatalf("what was stored cannot be read: %v", err)
		}
		if string(mustJSON(again)) != string(mustJSON(d)) {
			t.Fatal("storing changed the document")
		}
	})
}

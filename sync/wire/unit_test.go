package wire

import (
	"errors"
	"strings"
	"testing"
)

// Every topic a unit uses is one that AWS takes, and its subscriptions stay within what it allows itself.
func TestUnitTopics(t *testing.T) {
	topics := UnitTopics("fountain_consumption", strings.Repeat("T", MaxThing))
	for _, p := range topics.Publish {
		if err := CheckTopic(strings.ReplaceAll(p, "+", strings.Repeat("j", MaxJobID))); err != nil {
			t.Error(err)
		}
	}
	for _, f := range topics.Subscribe {
		if err := CheckFilter(f); err != nil {
			t.Error(err)
		}
	}
	if n := len(topics.Subscribe); n > 25 {
		t.Errorf("%d subscriptions", n)
	}
}

func TestDecodeRecall(t *testing.T) {
	r, err := DecodeRecall([]byte(`{"beverages":{"a":true,"b":false,"c":null},"ingredients":null}`))
	if err != nil || r.Beverages["a"] == nil || !*r.Beverages["a"] || *r.Beverages["b"] || r.Beverages["c"] != nil || len(r.Beverages) != 3 {
		t.Errorf("%+v %v", r, err)
	}
	for _, bad := range []string{
		`[]`, `{"beverages":[]}`, `{"beverages":{"a":1}}`, `{"beverages":{"a":"true"}}`, `{"beverages":{"":true}}`, `{"drinks":{"a":true}}`,
		`{"beverages":true}`, `{} {}`, `{"beverages":{"a":{"b":true}}}`, `{"beverages":{"` + strings.Repeat("x", MaxRecallID+1) + `":true}}`,
	} {
		if r, err := DecodeRecall([]byte(bad)); !errors.Is(err, ErrRecall) || len(r.Beverages)+len(r.Ingredients) != 0 {
			t.Errorf("%s: %+v %v", bad, r, err)
		}
	}
}

// TestDecodeRecallForbidsInDoubt: what a document with a slip forbids is legible all the same; what it allows is not.
func TestDecodeRecallForbidsInDoubt(t *testing.T) {
	for _, doc := range []string{
		`{"beverages":{"a":true,"b":false,"c":null,"d":"yes"}}`, `{"beverages":{"a":true,"b":false},"bevrages":{"c":true}}`,
		`{"beverages":{"a":true,"":true},"ingredients":7}`,
	} {
		r, err := DecodeRecall([]byte(doc))
		if !errors.Is(err, ErrRecall) || len(r.Beverages) != 1 || r.Beverages["a"] == nil || len(r.Ingredients) != 0 {
			t.Errorf("%s: %+v %v", doc, r, err)
		}
	}
}

func FuzzDecodeRecall(f *testing.F) {
	f.Add([]byte(`{"beverages":{"a":true,"b":null},"ingredients":{"c":false}}`))
	f.Add([]byte(`{"beverages":{"a":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecall(b)
		for _, sec := range []map[string]*bool{r.Beverages, r.Ingredients} {
			for id, v := range sec {
				if id == "" || len(id) > MaxRecallID {
					t.Errorf("id %q", id)
				}
				if err != nil && (v == nil || !*v) {
					t.Errorf("an error that allows %q", id)
				}
			}
		}
	})
}

func TestDecodeJob(t *testing.T) {
	d, err := DecodeJob[LogLevelJob]([]byte(`{"v":1,"operation":"log_level","level":"debug","minutes":5}`))
	if err != nil || d.Level != "debug" || d.Minutes != 5 || d.Operation != OpLogLevel {
		t.Errorf("%+v %v", d, err)
	}
	for _, bad := range []string{``, `null`, `[]`, `{}`, `{"v":2,"operation":"diag"}`, `{"v":1}`, `{"v":1,"operation":"log_level","levle":"debug"}`, `{"version":"1.0","steps":[]}`} {
		if _, err := DecodeJob[LogLevelJob]([]byte(bad)); !errors.Is(err, ErrJobDocument) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

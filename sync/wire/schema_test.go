package wire

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	s, err := c.Compile(filepath.Join("schemas", name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func allowed(t *testing.T, s *jsonschema.Schema, doc string) bool {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err != nil {
		t.Fatal(doc, err)
	}
	return s.Validate(v) == nil
}

func TestEverySchemaIsSound(t *testing.T) {
	files, err := os.ReadDir("schemas")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d schemas, %v", len(files), err)
	}
	for _, f := range files {
		schema(t, strings.TrimSuffix(f.Name(), ".schema.json"))
	}
}

// The schema of job documents and the decoder say the same, as far as a decoder alone can tell.
func TestJobSchema(t *testing.T) {
	s := schema(t, "job")
	decode := map[string]func([]byte) error{
		OpSelfTest: func(b []byte) error { _, err := DecodeJob[JobDocument](b); return err },
		OpDiag:     func(b []byte) error { _, err := DecodeJob[DiagJob](b); return err },
		OpRestart:  func(b []byte) error { _, err := DecodeJob[JobDocument](b); return err },
		OpLogLevel: func(b []byte) error { _, err := DecodeJob[LogLevelJob](b); return err },
		OpReplay:   func(b []byte) error { _, err := DecodeJob[ReplayJob](b); return err },
	}
	for doc, good := range map[string]bool{
		`{"v":1,"operation":"selftest"}`:            true,
		`{"v":1,"operation":"restart"}`:             true,
		`{"v":1,"operation":"selftest","wet":true}`: false,
		`{"v":2,"operation":"selftest"}`:            false,
		`{"v":1,"operation":"diag","url":"${aws:iot:s3-presigned-url-upload:https://s3.us-east-1.amazonaws.com/b/k}"}`: true,
		`{"v":1,"operation":"diag","url":"https://b.s3.amazonaws.com/k?X-Amz-Signature=1"}`:                            true,
		`{"v":1,"operation":"diag","url":7}`:                             false,
		`{"v":1,"operation":"log_level","level":"debug","minutes":60}`:   true,
		`{"v":1,"operation":"log_level","level":"debug","minutes":"60"}`: false,
		`{"v":1,"operation":"replay"}`:                                   true,
		`{"v":1,"operation":"replay","log":"Labc","from":12}`:            true,
		`{"v":1,"operation":"replay","log":"Labc","from":-1}`:            false,
		`{"v":1,"operation":"replay","logs":"Labc"}`:                     false,
	} {
		if got := allowed(t, s, doc); got != good {
			t.Errorf("the schema allows %s: %v", doc, got)
		}
		head, err := DecodeJobDocument([]byte(doc))
		if err == nil {
			err = decode[head.Operation]([]byte(doc))
		}
		if (err == nil) != good {
			t.Errorf("%s: %v", doc, err)
		}
	}
	for _, doc := range []string{`{"v":1,"operation":"pour"}`, `{"v":1,"operation":"log_level","level":"loud","minutes":1}`, `{"v":1,"operation":"replay","from":3}`, `{"v":1,"operation":"diag"}`} {
		if allowed(t, s, doc) {
			t.Errorf("the schema allows %s", doc)
		}
	}
}

func TestRecallSchema(t *testing.T) {
	s := schema(t, "recall")
	for doc, good := range map[string]bool{
		`{}`: true, `{"beverages":{"a":true,"b":false,"c":null},"ingredients":null}`: true, `{"beverages":{"a":1}}`: false,
		`{"beverages":[]}`: false, `{"drinks":{}}`: false, `{"beverages":{"":true}}`: false,
	} {
		if got := allowed(t, s, `{"desired":`+doc+`}`); got != good {
			t.Errorf("the schema allows %s: %v", doc, got)
		}
		if _, err := DecodeRecall([]byte(doc)); (err == nil) != good {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

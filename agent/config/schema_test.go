package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema of the config shadow lists the keys that the table allows the cloud to set, and no others.
func TestShadowSchemaHasTheKeys(t *testing.T) {
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "sync", "wire", "schemas", "config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var has, want []string
	for section, keys := range s.Properties["desired"].Ref.Properties {
		for k := range keys.Properties {
			has = append(has, section+"."+k)
		}
	}
	for _, k := range keys() {
		if k.cloud {
			want = append(want, k.path)
		}
	}
	slices.Sort(has)
	slices.Sort(want)
	if !slices.Equal(has, want) {
		t.Errorf("the schema has %s, the table %s", strings.Join(has, " "), strings.Join(want, " "))
	}
}

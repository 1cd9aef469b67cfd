package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"fountain/internal/problem"
)

// maxFile bounds a configuration file; ours has a page.
const maxFile = 1 << 20

// source is one place values come from, checked for keys and types but not yet for sense.
type source struct {
	values  map[string]any
	origins originMap
}

// reader walks a YAML file against the table of keys.
type reader struct {
	path     string
	keys     map[string]key
	sections map[string]bool
	out      source
	problems []*problem.Problem
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// readFile returns what the file sets and everything wrong with its keys and types.
func readFile(path string, table []key) (source, []*problem.Problem) {
	r := &reader{path: path, keys: map[string]key{}, sections: map[string]bool{}, out: source{map[string]any{}, originMap{}}}
	for _, k := range table {
		r.keys[k.path] = k
		for i, c := range k.path {
			if c == '.' {
				r.sections[k.path[:i]] = true
			}
		}
	}
	b, err := readLimited(path)
	if err != nil {
		return r.out, []*problem.Problem{err}
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return r.out, nil // empty: all defaults
	case err != nil:
		where := path
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			where += ":" + m[1]
		}
		what := strings.TrimPrefix(err.Error(), "yaml: ")
		return r.out, []*problem.Problem{bad(where, "the file is not YAML: "+what, "correct the line; indent with spaces, not tabs")}
	}
	r.section(doc.Content[0], "")
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.bad(&more, "the file holds more than one document", "delete everything from the second --- on")
	}
	return r.out, r.problems
}

func readLimited(path string) ([]byte, *problem.Problem) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var b []byte
		if b, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err == nil {
			if len(b) > maxFile {
				return nil, bad(path, "the file is larger than 1 MiB", "name a configuration file; testdata/config/demo.yaml is one")
			}
			return b, nil
		}
	}
	var pe *os.PathError
	what := err.Error()
	if errors.As(err, &pe) {
		what = pe.Err.Error()
	}
	return nil, &problem.Problem{
		Code: problem.CodeBadConfig, Where: path, What: "the configuration file cannot be read: " + what,
		Remedy: "check the path; testdata/config/demo.yaml is such a file",
	}
}

func bad(where, what, remedy string) *problem.Problem {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: remedy}
}

func (r *reader) bad(n *yaml.Node, what, remedy string) {
	where := r.path
	if n.Line > 0 {
		where = fmt.Sprintf("%s:%d", r.path, n.Line)
	}
	r.problems = append(r.problems, bad(where, what, remedy))
}

// section reads a mapping; prefix is "" or ends with a dot.
func (r *reader) section(n *yaml.Node, prefix string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a section with everything commented out
	}
	if n.Kind != yaml.MappingNode {
		name := strings.TrimSuffix(prefix, ".")
		if name == "" {
			name = "the file"
		}
		r.bad(n, name+" must hold keys with values", "write it as name: value lines")
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		path := prefix + name.Value
		if line, twice := first[path]; twice {
			r.bad(name, fmt.Sprintf("%s is set twice, first in line %d", path, line), "delete one of them")
			continue
		}
		first[path] = name.Line
		k, known := r.keys[path]
		switch {
		case known:
			r.value(k, name, value)
		case r.sections[path]:
			r.section(value, path+".")
		default:
			r.bad(name, "unknown key "+path, suggest(path, r.keys))
		}
	}
}

// value reads one key.
func (r *reader) value(k key, name, n *yaml.Node) {
	remedy := fmt.Sprintf("write %s, or delete the line to have %v", k.kind.want(), show(k.def))
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		r.bad(name, k.path+" has no value", remedy)
		return
	}
	v, ok := decode(k.kind, n)
	if !ok {
		what := fmt.Sprintf("%s must be %s, not %s", k.path, k.kind.want(), describe(n))
		if k.kind == text && n.Kind == yaml.ScalarNode {
			remedy = fmt.Sprintf("put it in quotes: %q", n.Value)
		}
		r.bad(n, what, remedy)
		return
	}
	r.out.values[k.path] = v
	r.out.origins[k.path] = Origin{FromFile, fmt.Sprintf("%s:%d", r.path, name.Line)}
}

// decode reads a node as a value of the kind, without YAML's silent conversions.
func decode(k kind, n *yaml.Node) (any, bool) {
	if k == sizes {
		var list []Size
		if n.Kind != yaml.SequenceNode {
			return nil, false
		}
		for _, item := range n.Content {
			var s struct {
				ID *string  `yaml:"id"`
				ML *float64 `yaml:"ml"`
			}
			if item.Kind != yaml.MappingNode || len(item.Content) != 4 || item.Decode(&s) != nil || s.ID == nil || s.ML == nil {
				return nil, false
			}
			list = append(list, Size{*s.ID, *s.ML})
		}
		return list, true
	}
	if k == words {
		list := []string{}
		if n.Kind != yaml.SequenceNode {
			return nil, false
		}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag != "!!str" {
				return nil, false
			}
			list = append(list, item.Value)
		}
		return list, true
	}
	if n.Kind != yaml.ScalarNode {
		return nil, false
	}
	tags := map[kind]string{text: "!!str", whole: "!!int", number: "!!int !!float", boolean: "!!bool", duration: "!!str"}
	if !strings.Contains(tags[k], n.Tag) {
		return nil, false
	}
	switch k {
	case whole: // also 0x10 and 1_000
		var v int
		return decodeInto(&v, n)
	case number:
		var v float64
		return decodeInto(&v, n)
	case boolean:
		var v bool
		return decodeInto(&v, n)
	default:
		return k.parse(n.Value)
	}
}

func decodeInto[T any](v *T, n *yaml.Node) (any, bool) {
	err := n.Decode(v)
	return *v, err == nil
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "this list"
	case yaml.AliasNode:
		return "a reference"
	}
	switch {
	case strings.Contains(n.Value, "-----BEGIN"):
		return "a secret itself"
	case len(n.Value) > 60:
		return fmt.Sprintf("%q…", n.Value[:60])
	}
	return fmt.Sprintf("%q", n.Value)
}

// suggest names the key that was probably meant.
func suggest(path string, known map[string]key) string {
	best, least := "", len(path)/3+1
	for k := range known {
		if d := distance(path, k); d < least || d == least && k < best {
			best, least = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "delete it; fountaind check-config --print lists every key"
}

// distance counts the letters to change, insert or delete.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = min(diag, row[j], row[j+1]) + 1
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

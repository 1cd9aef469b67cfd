package rigfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"fountain/internal/problem"
)

// reader walks YAML nodes and collects every problem with its line and key path.
type reader struct {
	file     string
	problems []error
}

func (r *reader) err() error { return errors.Join(r.problems...) }

func (r *reader) fail(n *yaml.Node, key, what, remedy string) {
	where := r.file
	if n != nil && n.Line > 0 {
		where = fmt.Sprintf("%s:%d", r.file, n.Line)
	}
	if key != "" {
		where += " " + key
	}
	r.problems = append(r.problems, &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: remedy})
}

// object is one YAML mapping whose keys are all known.
type object struct {
	r    *reader
	node *yaml.Node
	path string
	keys map[string]*yaml.Node
}

func (r *reader) object(n *yaml.Node, path string, allowed ...string) object {
	o := object{r: r, node: n, path: path, keys: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "not a mapping", "write keys and values: { "+strings.Join(allowed, ": …, ")+": … }")
		return o
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := join(path, k.Value)
		switch {
		case !slices.Contains(allowed, k.Value):
			r.fail(k, at, "unknown key", "remove it or use one of: "+strings.Join(allowed, ", "))
		case o.keys[k.Value] != nil:
			r.fail(k, at, "key stands twice", "keep one of the two")
		case v.Kind == yaml.AliasNode:
			r.fail(v, at, "aliases are not read", "write the value out")
		default:
			o.keys[k.Value] = v
		}
	}
	return o
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// each calls f for every element of the list at key.
func (o object) each(key string, f func(n *yaml.Node, path string)) {
	n := o.keys[key]
	if n == nil {
		return
	}
	path := join(o.path, key)
	if n.Kind != yaml.SequenceNode {
		o.r.fail(n, path, "not a list", "write a list of entries, each starting with \"- \"")
		return
	}
	for i, e := range n.Content {
		f(e, fmt.Sprintf("%s[%d]", path, i))
	}
}

// named adds the entry's id to its path, so that a message says whom it is about.
func (o *object) named(id string) {
	if id != "" {
		o.path += "(" + id + ")"
	}
}

func (o object) at(key string) *yaml.Node {
	if n := o.keys[key]; n != nil {
		return n
	}
	return o.node
}

func (o object) has(key string) bool { return o.keys[key] != nil }

func (o object) missing(key, remedy string) {
	o.r.fail(o.node, join(o.path, key), "missing", remedy)
}

func (o object) bad(key, what, remedy string) { o.r.fail(o.at(key), join(o.path, key), what, remedy) }

// scalar returns the text of a plain value; ok is false when the key is absent or no plain value.
func (o object) scalar(key string) (string, bool) {
	n := o.keys[key]
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		o.bad(key, "not a plain value", "write one word or number")
		return "", false
	}
	return n.Value, true
}

func (o object) text(key string) string { s, _ := o.scalar(key); return s }

// need is text that must be there.
func (o object) need(key, remedy string) string {
	if !o.has(key) {
		o.missing(key, remedy)
		return ""
	}
	s := o.text(key)
	if s == "" && o.keys[key].Kind == yaml.ScalarNode && o.keys[key].Tag != "!!null" {
		o.bad(key, "empty", remedy)
	}
	return s
}

// oneOf returns a word of the list; def when absent (an empty def means it must be there).
func (o object) oneOf(key, def string, words ...string) string {
	s, ok := o.scalar(key)
	if !ok {
		if !o.has(key) && def == "" {
			o.missing(key, "add "+key+": "+strings.Join(words, " or "))
		}
		return def
	}
	if !slices.Contains(words, s) {
		o.bad(key, fmt.Sprintf("%q is not known", s), "use "+strings.Join(words, " or "))
		return def
	}
	return s
}

func (o object) integer(key string, def, low, high int64) int64 {
	s, ok := o.scalar(key)
	if !ok {
		return def
	}
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil || v < low || v > high {
		o.bad(key, fmt.Sprintf("%q is not a whole number from %d to %d", s, low, high), "correct the number")
		return def
	}
	return v
}

func (o object) number(key string, def, low, high float64) float64 {
	s, ok := o.scalar(key)
	if !ok {
		return def
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < low || v > high {
		o.bad(key, fmt.Sprintf("%q is not a number from %g to %g", s, low, high), "correct the number")
		return def
	}
	return v
}

func (o object) duration(key string, low, high time.Duration) time.Duration {
	s, ok := o.scalar(key)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < low || d > high {
		o.bad(key, fmt.Sprintf("%q is not a time from %v to %v", s, low, high), "write a number with its unit, for example 60s or 5ms")
		return 0
	}
	return d
}

func (o object) boolean(key string) bool {
	s, ok := o.scalar(key)
	if !ok {
		return false
	}
	switch s {
	case "true":
		return true
	case "false":
		return false
	}
	o.bad(key, fmt.Sprintf("%q is not true or false", s), "write true or false")
	return false
}

func (o object) texts(key string) []string {
	var out []string
	o.each(key, func(n *yaml.Node, path string) {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			o.r.fail(n, path, "not a plain word", "write one word per entry")
			return
		}
		out = append(out, n.Value)
	})
	return out
}

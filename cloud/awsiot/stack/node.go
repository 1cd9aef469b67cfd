package stack

import (
	"maps"
	"slices"
	"strings"
)

// node is a value of the template with its place, functions resolved: string, []node, map[string]node (with keys in
// order in keys) or nil for YAML null.
type node struct {
	v      any
	keys   []string
	line   int
	absent bool // AWS::NoValue: the property or item is left out
	block  bool // a text that begins on the next line and keeps its lines
}

// lineOf is the line of a place in a text.
func (n node) lineOf(offset int) int {
	s := n.str()
	if !n.block || offset < 0 || offset > len(s) {
		return n.line
	}
	return n.line + 1 + strings.Count(s[:offset], "\n")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// get returns a key of a mapping; the zero node when it is not there.
func (n node) get(key string) node {
	m, _ := n.v.(map[string]node)
	return m[key]
}

func (n node) str() string { s, _ := n.v.(string); return s }

// list returns the items of a list, or the single value as a list of one, as IAM allows.
func (n node) list() []node {
	switch v := n.v.(type) {
	case nil:
		return nil
	case []node:
		return v
	}
	return []node{n}
}

// plain returns the node as JSON values.
func (n node) plain() any {
	switch v := n.v.(type) {
	case []node:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i].plain()
		}
		return out
	case map[string]node:
		out := map[string]any{}
		for k := range v {
			out[k] = v[k].plain()
		}
		return out
	}
	return n.v
}

// lineAt follows keys and indices as far as they lead and returns the line there.
func (n node) lineAt(path []any) int {
	line := n.line
	for _, p := range path {
		switch p := p.(type) {
		case string:
			n = n.get(p)
		case int:
			items := n.list()
			if p >= len(items) {
				return line
			}
			n = items[p]
		}
		if n.line > 0 {
			line = n.line
		}
	}
	return line
}

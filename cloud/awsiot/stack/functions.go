package stack

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"fountain/cloud/awsiot/provision"
)

// functions that make a value; others stand in Conditions.
var functions = []string{"Ref", "Sub", "GetAtt", "Join", "If", "Select", "Split", "FindInMap", "ImportValue", "Base64"}

// functionOf tells whether a node calls a function, in the short or the long form.
func functionOf(n *yaml.Node) (name string, arg *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Tag[1:], n
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		k := n.Content[0].Value
		if k == "Ref" || k == "Condition" && n.Content[1].Kind == yaml.ScalarNode {
			return k, n.Content[1]
		}
		if name, ok := strings.CutPrefix(k, "Fn::"); ok {
			return name, n.Content[1]
		}
	}
	return "", nil
}

func (r *resolver) resolve(n *yaml.Node) (node, error) {
	if name, arg := functionOf(n); arg != nil && (name != "Condition" || arg == n) {
		if !slices.Contains(functions, name) {
			return node{}, r.errorf(n.Line, "function %s is not understood here by the local cloud", name)
		}
		return r.call(name, arg)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return node{}, r.errorf(n.Line, "a value is missing: CloudFormation takes no null")
		}
		return node{v: n.Value, line: n.Line, block: n.Style&yaml.LiteralStyle != 0}, nil
	case yaml.SequenceNode:
		return r.items(n)
	case yaml.MappingNode:
		m := map[string]node{}
		out := node{v: m, line: n.Line}
		for k, v := range pairs(n) {
			x, err := r.resolve(v)
			if err != nil {
				return node{}, err
			}
			if x.absent {
				continue
			}
			m[k.Value] = x
			out.keys = append(out.keys, k.Value)
		}
		return out, nil
	}
	return node{}, r.errorf(n.Line, "this is neither a value nor a list nor a mapping")
}

func (r *resolver) items(n *yaml.Node) (node, error) {
	list := []node{}
	for _, c := range n.Content {
		x, err := r.resolve(c)
		if err != nil {
			return node{}, err
		}
		if !x.absent {
			list = append(list, x)
		}
	}
	return node{v: list, line: n.Line}, nil
}

func (r *resolver) call(name string, n *yaml.Node) (node, error) {
	fail := func(format string, args ...any) (node, error) {
		return node{}, r.errorf(n.Line, name+": "+format, args...)
	}
	text := func(s string) (node, error) {
		return node{v: s, line: n.Line, block: n.Style&yaml.LiteralStyle != 0}, nil
	}
	var args []*yaml.Node
	if n.Kind == yaml.SequenceNode {
		args = n.Content
	}
	switch name {
	case "Ref":
		if n.Value == "AWS::NoValue" {
			return node{absent: true, line: n.Line}, nil
		}
		v, err := r.ref(n.Value, n.Line)
		if err != nil {
			return fail("%v", err)
		}
		v.line = n.Line
		return v, nil
	case "GetAtt":
		id, attr, _ := strings.Cut(n.Value, ".")
		if len(args) == 2 {
			id, attr = args[0].Value, args[1].Value
		}
		v, err := r.getAtt(id, attr, n.Line)
		if err != nil {
			return fail("%v", err)
		}
		return text(v)
	case "Sub":
		v, err := r.sub(n, args)
		if err != nil {
			return fail("%v", err)
		}
		return text(v)
	case "If":
		return r.choose(n, args)
	case "Base64":
		v, err := r.textOf(n, n.Tag == "!Base64")
		if err != nil {
			return node{}, err
		}
		return text(base64.StdEncoding.EncodeToString([]byte(v)))
	case "ImportValue":
		name, err := r.textOf(n, n.Tag == "!ImportValue")
		if err != nil {
			return node{}, err
		}
		v, ok := r.loc.Exports[name]
		if !ok {
			return fail("no other stack exports %q here", name)
		}
		return text(v)
	}
	return r.callList(name, n, args)
}

// textOf resolves an argument that must be text. bare means that the node carries the function's own tag.
func (r *resolver) textOf(n *yaml.Node, bare bool) (string, error) {
	if bare {
		plain := *n
		plain.Tag = "!!str"
		n = &plain
	}
	v, err := r.resolve(n)
	if err != nil {
		return "", err
	}
	s, ok := v.v.(string)
	if !ok {
		return "", r.errorf(n.Line, "want a text")
	}
	return s, nil
}

// texts resolves a list of texts, or a function that makes one.
func (r *resolver) texts(n *yaml.Node) ([]string, error) {
	v, err := r.resolve(n)
	if err != nil {
		return nil, err
	}
	items, ok := v.v.([]node)
	if !ok {
		return nil, r.errorf(n.Line, "want a list")
	}
	var out []string
	for _, it := range items {
		s, ok := it.v.(string)
		if !ok {
			return nil, r.errorf(n.Line, "an item is no text")
		}
		out = append(out, s)
	}
	return out, nil
}

// callList calls the functions that take a list of arguments.
func (r *resolver) callList(name string, n *yaml.Node, args []*yaml.Node) (node, error) {
	want := map[string]int{"Join": 2, "Split": 2, "Select": 2, "FindInMap": 3}[name]
	if len(args) != want {
		return node{}, r.errorf(n.Line, "%s wants %d arguments", name, want)
	}
	if name == "FindInMap" {
		var keys [3]string
		for i, a := range args {
			s, err := r.textOf(a, false)
			if err != nil {
				return node{}, err
			}
			keys[i] = s
		}
		v := child(child(child(r.mappings, keys[0]), keys[1]), keys[2])
		if v == nil {
			return node{}, r.errorf(n.Line, "FindInMap: there is no %s", strings.Join(keys[:], "."))
		}
		return r.resolve(v)
	}
	first, err := r.textOf(args[0], false)
	if err != nil {
		return node{}, err
	}
	if name == "Split" {
		s, err := r.textOf(args[1], false)
		if err != nil {
			return node{}, err
		}
		if first == "" {
			return node{}, r.errorf(n.Line, "Split wants a separator")
		}
		list := []node{}
		for _, part := range strings.Split(s, first) {
			list = append(list, node{v: part, line: n.Line})
		}
		return node{v: list, line: n.Line}, nil
	}
	items, err := r.texts(args[1])
	if err != nil {
		return node{}, err
	}
	if name == "Join" {
		return node{v: strings.Join(items, first), line: n.Line}, nil
	}
	i, err := strconv.Atoi(first)
	if err != nil || i < 0 || i >= len(items) {
		return node{}, r.errorf(n.Line, "Select: there are %d items, none has index %s", len(items), first)
	}
	return node{v: items[i], line: n.Line}, nil
}

// choose is Fn::If. The branch that is not taken is resolved too, for its errors.
func (r *resolver) choose(n *yaml.Node, args []*yaml.Node) (node, error) {
	if len(args) != 3 {
		return node{}, r.errorf(n.Line, "If wants a condition and two values")
	}
	yes, err := r.decide(args[0].Value, args[0].Line)
	if err != nil {
		return node{}, err
	}
	a, err := r.branch(args[1], yes)
	if err != nil {
		return node{}, err
	}
	b, err := r.branch(args[2], !yes)
	if err != nil {
		return node{}, err
	}
	if yes {
		return a, nil
	}
	return b, nil
}

// branch resolves one side of an If; on the side that is not taken a resource need not be made.
func (r *resolver) branch(n *yaml.Node, taken bool) (node, error) {
	if taken {
		return r.resolve(n)
	}
	before := map[string]bool{}
	for id, res := range r.resources {
		before[id], res.made = res.made, true
	}
	v, err := r.resolve(n)
	for id, made := range before {
		r.resources[id].made = made
	}
	return v, err
}

// sub replaces ${Name}; ${!Name} stays as ${Name}.
func (r *resolver) sub(n *yaml.Node, args []*yaml.Node) (string, error) {
	s := n.Value
	own := map[string]string{}
	if n.Kind != yaml.ScalarNode {
		if len(args) != 2 || args[0].Kind != yaml.ScalarNode {
			return "", fmt.Errorf("want a text, or a text and a map")
		}
		s = args[0].Value
		for k, v := range pairs(args[1]) {
			text, err := r.textOf(v, false)
			if err != nil {
				return "", err
			}
			own[k.Value] = text
		}
	}
	return provision.Sub(s, func(name string) (string, error) {
		if v, ok := own[name]; ok {
			return v, nil
		}
		return r.variable(name, n.Line)
	})
}

func (r *resolver) variable(name string, line int) (string, error) {
	id, attr, dotted := strings.Cut(name, ".")
	if dotted && r.resources[id] != nil {
		return r.getAtt(id, attr, line)
	}
	v, err := r.ref(name, line)
	if err != nil {
		return "", fmt.Errorf("${%s}: %w (write ${!%s} to keep it for IoT)", name, err, name)
	}
	s, ok := v.v.(string)
	if !ok {
		return "", fmt.Errorf("${%s} is a list", name)
	}
	return s, nil
}

package stack

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"fountain/internal/problem"
)

// Location is where a stack is said to be deployed, and the values of parameters.
type Location struct {
	Region     string            // default us-east-1
	Account    string            // default 123456789012
	Parameters map[string]string // a template need not have all of them
	Exports    map[string]string // what other stacks export, for Fn::ImportValue
}

// partition is the part of AWS a region belongs to.
func (l *Location) partition() string {
	switch {
	case strings.HasPrefix(l.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(l.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// resource is an entry of Resources. props is set when it is resolved; a resource whose condition is false is not.
type resource struct {
	id, kind  string
	line      int
	raw       *yaml.Node // Properties; nil when there are none
	props     node
	made      bool
	dependsOn []string
	uses      map[string]int // logical ids it refers to -> line
}

// resolver holds one template while it is read.
type resolver struct {
	where      string // file name
	loc        Location
	params     map[string]node
	mappings   *yaml.Node
	conditions map[string]*yaml.Node
	decided    map[string]bool // conditions evaluated; absent while under way
	deciding   map[string]bool
	resources  map[string]*resource
	order      []string
	current    *resource       // whose properties are being resolved
	naming     map[string]bool // whose name is being resolved
}

// errorf says what is wrong at which line of the template.
func (r *resolver) errorf(line int, format string, args ...any) error {
	where := r.where
	if line > 0 {
		where = fmt.Sprintf("%s:%d", r.where, line)
	}
	return &problem.Problem{
		Code: problem.CodeBadConfig, Where: where, What: fmt.Sprintf(format, args...),
		Remedy: "correct the template: the real cloud would refuse it or do something else",
	}
}

// loadTemplate reads a CloudFormation template and resolves every function in it.
func loadTemplate(text []byte, where string, loc Location) (*resolver, error) {
	r := &resolver{
		where: where, loc: loc, params: map[string]node{}, conditions: map[string]*yaml.Node{}, decided: map[string]bool{},
		deciding: map[string]bool{}, resources: map[string]*resource{}, naming: map[string]bool{},
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, r.errorf(0, "not YAML: %v", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, r.errorf(0, "the template is no mapping")
	}
	if err := r.checkKeys(doc.Content[0]); err != nil {
		return nil, err
	}
	sections, err := r.sections(doc.Content[0])
	if err != nil {
		return nil, err
	}
	r.mappings = sections["Mappings"]
	for k, v := range pairs(sections["Conditions"]) {
		r.conditions[k.Value] = v
	}
	if err := r.parameters(sections["Parameters"]); err != nil {
		return nil, err
	}
	if len(pairsOf(sections["Resources"])) == 0 {
		return nil, r.errorf(0, "the template has no Resources")
	}
	for k, v := range pairs(sections["Resources"]) {
		if err := r.declare(k, v); err != nil {
			return nil, err
		}
	}
	for name, n := range r.conditions {
		if _, err := r.decide(name, n.Line); err != nil {
			return nil, err
		}
	}
	for _, id := range r.order {
		if err := r.fill(r.resources[id]); err != nil {
			return nil, err
		}
	}
	if o := sections["Outputs"]; o != nil {
		if err := r.outputs(o); err != nil {
			return nil, err
		}
	}
	return r, r.cycles()
}

func (r *resolver) sections(root *yaml.Node) (map[string]*yaml.Node, error) {
	out := map[string]*yaml.Node{}
	for k, v := range pairs(root) {
		switch k.Value {
		case "AWSTemplateFormatVersion":
			if v.Value != "2010-09-09" {
				return nil, r.errorf(v.Line, "AWSTemplateFormatVersion must be 2010-09-09")
			}
		case "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Resources", "Outputs":
		default:
			return nil, r.errorf(k.Line, "section %s is not understood by the local cloud", k.Value)
		}
		if k.Value != "AWSTemplateFormatVersion" && k.Value != "Description" && (v.Kind != yaml.MappingNode || v.Tag != "!!map") {
			return nil, r.errorf(v.Line, "section %s must be a mapping", k.Value)
		}
		out[k.Value] = v
	}
	return out, nil
}

// checkKeys refuses what YAML allows and CloudFormation does not: aliases, and keys that appear twice.
func (r *resolver) checkKeys(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return r.errorf(n.Line, "aliases are not understood by CloudFormation")
	}
	seen := map[string]bool{}
	for k := range pairs(n) {
		if seen[k.Value] {
			return r.errorf(k.Line, "key %s appears twice", k.Value)
		}
		seen[k.Value] = true
	}
	for _, c := range n.Content {
		if err := r.checkKeys(c); err != nil {
			return err
		}
	}
	return nil
}

// pairs ranges over the keys and values of a mapping.
func pairs(n *yaml.Node) func(yield func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		c := pairsOf(n)
		for i := 0; i+1 < len(c); i += 2 {
			if !yield(c[i], c[i+1]) {
				return
			}
		}
	}
}

func pairsOf(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return n.Content
}

// declare takes a resource in without resolving it.
func (r *resolver) declare(k, n *yaml.Node) error {
	res := &resource{id: k.Value, line: k.Line, made: true, uses: map[string]int{}}
	condition := ""
	for key, v := range pairs(n) {
		switch key.Value {
		case "Type":
			res.kind = v.Value
		case "Properties":
			res.raw = v
		case "Condition":
			condition = v.Value
			if r.conditions[condition] == nil {
				return r.errorf(v.Line, "resource %s: there is no condition %q", res.id, condition)
			}
		case "DependsOn":
			ids := []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode {
				ids = v.Content
			}
			for _, id := range ids {
				res.dependsOn = append(res.dependsOn, id.Value)
				res.uses[id.Value] = id.Line
			}
		case "DeletionPolicy", "UpdateReplacePolicy":
			if !slices.Contains([]string{"Delete", "Retain", "Snapshot", "RetainExceptOnCreate"}, v.Value) {
				return r.errorf(v.Line, "resource %s: %s must be Delete, Retain, RetainExceptOnCreate or Snapshot", res.id, key.Value)
			}
		case "Metadata":
		default:
			return r.errorf(key.Line, "resource %s: %s is not understood by the local cloud", res.id, key.Value)
		}
	}
	if res.kind == "" {
		return r.errorf(k.Line, "resource %s has no Type", res.id)
	}
	if _, ok := types[res.kind]; !ok {
		return r.errorf(k.Line, "resource %s: type %s is not understood by the local cloud", res.id, res.kind)
	}
	r.resources[res.id] = res
	r.order = append(r.order, res.id)
	if condition == "" {
		return nil
	}
	made, err := r.decide(condition, k.Line)
	res.made = made
	return err
}

// fill resolves a resource's properties and checks them against its type.
func (r *resolver) fill(res *resource) error {
	for _, id := range res.dependsOn {
		if r.resources[id] == nil {
			return r.errorf(res.uses[id], "resource %s: DependsOn: there is no resource %q", res.id, id)
		}
	}
	if !res.made {
		return nil
	}
	res.props = node{v: map[string]node{}, line: res.line}
	if res.raw != nil {
		r.current = res
		props, err := r.resolve(res.raw)
		r.current = nil
		if err != nil {
			return err
		}
		res.props = props
	}
	return r.check(types[res.kind].props, res.props, res.kind, res.line)
}

func (r *resolver) outputs(n *yaml.Node) error {
	for k, v := range pairs(n) {
		if child(v, "Value") == nil {
			return r.errorf(k.Line, "output %s has no Value", k.Value)
		}
		for key, x := range pairs(v) {
			switch key.Value {
			case "Value", "Export", "Description":
			case "Condition":
				if _, err := r.decide(x.Value, x.Line); err != nil {
					return err
				}
			default:
				return r.errorf(key.Line, "output %s: there is no %s", k.Value, key.Value)
			}
		}
		if c := child(v, "Condition"); c != nil && !r.decided[c.Value] {
			continue
		}
		for _, key := range []string{"Value", "Export"} {
			if x := child(v, key); x != nil {
				if _, err := r.resolve(x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// cycles refuses resources that wait for each other.
func (r *resolver) cycles() error {
	const under, done = 1, 2
	state := map[string]int{}
	var visit func(id string, path []string) error
	visit = func(id string, path []string) error {
		path = append(path, id)
		state[id] = under
		for _, next := range sortedKeys(r.resources[id].uses) {
			switch state[next] {
			case under:
				return r.errorf(r.resources[id].uses[next], "resources wait for each other: %s", strings.Join(append(path[slices.Index(path, next):], next), " -> "))
			case 0:
				if err := visit(next, path); err != nil {
					return err
				}
			}
		}
		state[id] = done
		return nil
	}
	for _, id := range r.order {
		if state[id] == 0 {
			if err := visit(id, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func child(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

package stack

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"fountain/internal/problem"
)

// node is a value of the template with its place, functions resolved: string, []node, map[string]node (with keys in
// order in keys) or nil for AWS::NoValue and YAML null.
type node struct {
	v    any
	keys []string
	line int
}

// Location is where a stack is said to be deployed, and the values of the template's parameters.
type Location struct {
	Region     string // default us-east-1
	Account    string // default 123456789012
	Parameters map[string]string
}

// resolver resolves the functions of one template.
type resolver struct {
	where  string // file name
	loc    Location
	params map[string]string
	types  map[string]string // logical id -> resource type
	names  map[string]string // logical id -> physical name, as far as it is given in the template
}

// placeError says what is wrong at which line of the template.
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

// loadTemplate reads a CloudFormation template and resolves Ref, Sub, Join and GetAtt. It returns the resources.
func loadTemplate(text []byte, where string, loc Location) (*resolver, map[string]node, error) {
	r := &resolver{where: where, loc: loc, params: map[string]string{}, types: map[string]string{}, names: map[string]string{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, nil, r.errorf(0, "not YAML: %v", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, nil, r.errorf(0, "the template is no mapping")
	}
	sections := map[string]*yaml.Node{}
	for i := 0; i+1 < len(doc.Content[0].Content); i += 2 {
		k := doc.Content[0].Content[i]
		switch k.Value {
		case "AWSTemplateFormatVersion", "Description", "Parameters", "Resources", "Outputs", "Metadata":
		default:
			return nil, nil, r.errorf(k.Line, "section %s is not understood by the local cloud", k.Value)
		}
		sections[k.Value] = doc.Content[0].Content[i+1]
	}
	if err := r.parameters(sections["Parameters"]); err != nil {
		return nil, nil, err
	}
	res := sections["Resources"]
	if res == nil || res.Kind != yaml.MappingNode {
		return nil, nil, r.errorf(0, "the template has no Resources")
	}
	for i := 0; i+1 < len(res.Content); i += 2 {
		r.declare(res.Content[i].Value, res.Content[i+1])
	}
	out := map[string]node{}
	for i := 0; i+1 < len(res.Content); i += 2 {
		n, err := r.resolve(res.Content[i+1])
		if err != nil {
			return nil, nil, err
		}
		out[res.Content[i].Value] = n
	}
	if o := sections["Outputs"]; o != nil { // resolved for its errors
		if _, err := r.resolve(o); err != nil {
			return nil, nil, err
		}
	}
	return r, out, nil
}

func (r *resolver) parameters(n *yaml.Node) error {
	if n == nil {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		value, given := r.loc.Parameters[name]
		pattern := ""
		for j := 0; j+1 < len(n.Content[i+1].Content); j += 2 {
			switch v := n.Content[i+1].Content[j+1]; n.Content[i+1].Content[j].Value {
			case "Default":
				if !given {
					value, given = v.Value, true
				}
			case "AllowedPattern":
				pattern = v.Value
			}
		}
		if !given {
			return r.errorf(n.Content[i].Line, "parameter %s has no value", name)
		}
		if pattern != "" {
			re, err := regexp.Compile("^(?:" + pattern + ")$")
			if err != nil {
				return r.errorf(n.Content[i].Line, "parameter %s: AllowedPattern: %v", name, err)
			}
			if !re.MatchString(value) {
				return r.errorf(n.Content[i].Line, "parameter %s: %q does not match %s", name, value, pattern)
			}
		}
		r.params[name] = value
	}
	return nil
}

// nameKeys are the properties that name a resource.
var nameKeys = []string{"PolicyName", "ThingTypeName", "TemplateName", "RuleName", "QueueName", "RoleName"}

func (r *resolver) declare(id string, n *yaml.Node) {
	r.names[id] = id
	r.types[id] = child(n, "Type")
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "Properties" {
			continue
		}
		for _, k := range nameKeys {
			if v := child(n.Content[i+1], k); v != "" {
				r.names[id] = v
			}
		}
	}
}

func child(n *yaml.Node, key string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i+1].Kind == yaml.ScalarNode {
			return n.Content[i+1].Value
		}
	}
	return ""
}

func (r *resolver) resolve(n *yaml.Node) (node, error) {
	switch n.Tag {
	case "!Ref", "!Sub", "!GetAtt", "!Join":
		return r.function(strings.TrimPrefix(n.Tag, "!"), n)
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return node{}, r.errorf(n.Line, "function %s is not understood by the local cloud", n.Tag)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return node{line: n.Line}, nil
		}
		return node{v: n.Value, line: n.Line}, nil
	case yaml.SequenceNode:
		var list []node
		for _, c := range n.Content {
			v, err := r.resolve(c)
			if err != nil {
				return node{}, err
			}
			list = append(list, v)
		}
		return node{v: list, line: n.Line}, nil
	case yaml.MappingNode:
		if len(n.Content) == 2 {
			switch k := n.Content[0].Value; k {
			case "Ref", "Fn::Sub", "Fn::GetAtt", "Fn::Join":
				return r.function(strings.TrimPrefix(k, "Fn::"), n.Content[1])
			}
			if strings.HasPrefix(n.Content[0].Value, "Fn::") {
				return node{}, r.errorf(n.Line, "function %s is not understood by the local cloud", n.Content[0].Value)
			}
		}
		m := map[string]node{}
		out := node{v: m, line: n.Line}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i].Value
			if _, twice := m[k]; twice {
				return node{}, r.errorf(n.Content[i].Line, "key %s appears twice", k)
			}
			v, err := r.resolve(n.Content[i+1])
			if err != nil {
				return node{}, err
			}
			m[k] = v
			out.keys = append(out.keys, k)
		}
		return out, nil
	}
	return node{}, r.errorf(n.Line, "aliases are not understood by CloudFormation")
}

func (r *resolver) function(name string, n *yaml.Node) (node, error) {
	fail := func(format string, args ...any) (node, error) {
		return node{}, r.errorf(n.Line, name+": "+format, args...)
	}
	switch name {
	case "Ref":
		v, ok := r.ref(n.Value)
		if !ok {
			return fail("%q is neither a parameter nor a resource", n.Value)
		}
		return node{v: v, line: n.Line}, nil
	case "GetAtt":
		id, attr := "", ""
		if n.Kind == yaml.SequenceNode && len(n.Content) == 2 {
			id, attr = n.Content[0].Value, n.Content[1].Value
		} else {
			id, attr, _ = strings.Cut(n.Value, ".")
		}
		v, err := r.getAtt(id, attr)
		if err != nil {
			return fail("%v", err)
		}
		return node{v: v, line: n.Line}, nil
	case "Join":
		if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
			return fail("want a separator and a list")
		}
		list, err := r.resolve(n.Content[1])
		if err != nil {
			return node{}, err
		}
		items, ok := list.v.([]node)
		if !ok {
			return fail("want a list")
		}
		var parts []string
		for _, it := range items {
			s, ok := it.v.(string)
			if !ok {
				return fail("an item is no string")
			}
			parts = append(parts, s)
		}
		return node{v: strings.Join(parts, n.Content[0].Value), line: n.Line}, nil
	}
	if n.Kind != yaml.ScalarNode {
		return fail("the form with a map is not understood by the local cloud")
	}
	v, err := r.sub(n.Value)
	if err != nil {
		return fail("%v", err)
	}
	return node{v: v, line: n.Line}, nil
}

// sub replaces ${Name}; ${!Name} stays as ${Name}.
func (r *resolver) sub(s string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return "", fmt.Errorf("${%s is not closed", rest)
		}
		s = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			b.WriteString("${" + literal + "}")
			continue
		}
		if v, ok := r.ref(name); ok {
			b.WriteString(v)
			continue
		}
		id, attr, ok := strings.Cut(name, ".")
		if !ok || r.types[id] == "" {
			return "", fmt.Errorf("${%s} is neither a parameter nor a resource (write ${!%s} to keep it for IoT)", name, name)
		}
		v, err := r.getAtt(id, attr)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
	}
}

func (r *resolver) ref(name string) (string, bool) {
	switch name {
	case "AWS::Region":
		return r.loc.Region, true
	case "AWS::AccountId":
		return r.loc.Account, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::StackName":
		return "fountain", true
	}
	if v, ok := r.params[name]; ok {
		return v, true
	}
	t, ok := r.types[name]
	if !ok {
		return "", false
	}
	if t == "AWS::SQS::Queue" {
		return fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", r.loc.Region, r.loc.Account, r.names[name]), true
	}
	return r.names[name], true
}

// arnForms say how the Arn attribute of a type is made: region, account, name.
var arnForms = map[string]string{
	"AWS::SQS::Queue":                "arn:aws:sqs:%[1]s:%[2]s:%[3]s",
	"AWS::IAM::Role":                 "arn:aws:iam::%[2]s:role/%[3]s",
	"AWS::IoT::Policy":               "arn:aws:iot:%[1]s:%[2]s:policy/%[3]s",
	"AWS::IoT::TopicRule":            "arn:aws:iot:%[1]s:%[2]s:rule/%[3]s",
	"AWS::IoT::ThingType":            "arn:aws:iot:%[1]s:%[2]s:thingtype/%[3]s",
	"AWS::IoT::ProvisioningTemplate": "arn:aws:iot:%[1]s:%[2]s:provisioningtemplate/%[3]s",
}

func (r *resolver) getAtt(id, attr string) (string, error) {
	t, ok := r.types[id]
	if !ok {
		return "", fmt.Errorf("there is no resource %q", id)
	}
	if t == "AWS::IoT::ProvisioningTemplate" && attr != "TemplateArn" || t != "AWS::IoT::ProvisioningTemplate" && attr != "Arn" && attr != "QueueName" {
		return "", fmt.Errorf("%s of %s (%s) is not understood by the local cloud", attr, id, t)
	}
	if attr == "QueueName" {
		return r.names[id], nil
	}
	form, ok := arnForms[t]
	if !ok {
		return "", fmt.Errorf("%s of %s (%s) is not understood by the local cloud", attr, id, t)
	}
	return fmt.Sprintf(form, r.loc.Region, r.loc.Account, r.names[id]), nil
}

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

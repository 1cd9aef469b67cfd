package stack

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parameter is what a template says about one of its parameters.
type parameter struct {
	name, kind, pattern string
	value               string
	given               bool
	allowed             []string
	limits              map[string]float64 // MinLength, MaxLength, MinValue, MaxValue
	line                int
}

var parameterName = regexp.MustCompile(`^[a-zA-Z0-9]{1,255}$`)

func (r *resolver) parameters(n *yaml.Node) error {
	for k, v := range pairs(n) {
		p := parameter{name: k.Value, line: k.Line, limits: map[string]float64{}}
		p.value, p.given = r.loc.Parameters[k.Value]
		if !parameterName.MatchString(p.name) {
			return r.errorf(k.Line, "parameter %s: a name holds letters and digits only", p.name)
		}
		if err := r.parameter(&p, v); err != nil {
			return err
		}
		if !p.given {
			return r.errorf(k.Line, "parameter %s has no value", p.name)
		}
		value, err := r.parameterValue(&p)
		if err != nil {
			return err
		}
		r.params[p.name] = value
	}
	return nil
}

func (r *resolver) parameter(p *parameter, n *yaml.Node) error {
	for k, v := range pairs(n) {
		switch k.Value {
		case "Type":
			p.kind = v.Value
		case "Default":
			if name, _ := functionOf(v); name != "" || v.Kind != yaml.ScalarNode {
				return r.errorf(v.Line, "parameter %s: Default must be a plain value", p.name)
			}
			if !p.given {
				p.value, p.given = v.Value, true
			}
		case "AllowedPattern":
			p.pattern = v.Value
		case "AllowedValues":
			for _, x := range v.Content {
				p.allowed = append(p.allowed, x.Value)
			}
		case "MinLength", "MaxLength", "MinValue", "MaxValue":
			f, err := strconv.ParseFloat(v.Value, 64)
			if err != nil {
				return r.errorf(v.Line, "parameter %s: %s is no number", p.name, k.Value)
			}
			p.limits[k.Value] = f
		case "Description", "ConstraintDescription", "NoEcho":
		default:
			return r.errorf(k.Line, "parameter %s: there is no %s", p.name, k.Value)
		}
	}
	if !slices.Contains([]string{"String", "Number", "CommaDelimitedList", "List<Number>"}, p.kind) {
		return r.errorf(p.line, "parameter %s: type %q is not understood by the local cloud", p.name, p.kind)
	}
	return nil
}

func (r *resolver) parameterValue(p *parameter) (node, error) {
	fail := func(format string, args ...any) (node, error) {
		return node{}, r.errorf(p.line, "parameter "+p.name+": "+format, args...)
	}
	items := []string{p.value}
	list := p.kind == "CommaDelimitedList" || p.kind == "List<Number>"
	if list {
		items = strings.Split(p.value, ",")
	}
	out := []node{}
	for _, v := range items {
		v = strings.TrimSpace(v)
		if strings.Contains(p.kind, "Number") {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return fail("%q is no number", v)
			}
			if least, ok := p.limits["MinValue"]; ok && f < least {
				return fail("%v is below %v", f, least)
			}
			if most, ok := p.limits["MaxValue"]; ok && f > most {
				return fail("%v is above %v", f, most)
			}
		}
		out = append(out, node{v: v, line: p.line})
	}
	if len(p.allowed) > 0 && !slices.Contains(p.allowed, p.value) {
		return fail("%q is none of %s", p.value, strings.Join(p.allowed, ", "))
	}
	n := float64(len([]rune(p.value)))
	if least, ok := p.limits["MinLength"]; ok && n < least {
		return fail("%q is shorter than %v characters", p.value, least)
	}
	if most, ok := p.limits["MaxLength"]; ok && n > most {
		return fail("%q is longer than %v characters", p.value, most)
	}
	if p.pattern != "" {
		re, err := regexp.Compile("^(?:" + p.pattern + ")$")
		if err != nil {
			return fail("AllowedPattern: %v", err)
		}
		if !re.MatchString(p.value) {
			return fail("%q does not match %s", p.value, p.pattern)
		}
	}
	if list {
		return node{v: out, line: p.line}, nil
	}
	return node{v: p.value, line: p.line}, nil
}

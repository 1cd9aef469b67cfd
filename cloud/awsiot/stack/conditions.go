package stack

import "go.yaml.in/yaml/v3"

// decide evaluates a condition of the template by name.
func (r *resolver) decide(name string, line int) (bool, error) {
	if v, ok := r.decided[name]; ok {
		return v, nil
	}
	n := r.conditions[name]
	switch {
	case n == nil:
		return false, r.errorf(line, "there is no condition %q", name)
	case r.deciding[name]:
		return false, r.errorf(line, "condition %s depends on itself", name)
	}
	r.deciding[name] = true
	v, err := r.condition(n)
	if err != nil {
		return false, err
	}
	r.decided[name] = v
	return v, nil
}

func (r *resolver) condition(n *yaml.Node) (bool, error) {
	name, arg := functionOf(n)
	if arg == nil {
		return false, r.errorf(n.Line, "a condition is Equals, And, Or, Not or Condition")
	}
	if name == "Condition" {
		return r.decide(arg.Value, arg.Line)
	}
	args := arg.Content
	if name == "Equals" {
		if len(args) != 2 {
			return false, r.errorf(n.Line, "Equals wants two values")
		}
		a, err := r.textOf(args[0], false)
		if err != nil {
			return false, err
		}
		b, err := r.textOf(args[1], false)
		return a == b, err
	}
	least, most := 2, 10
	switch name {
	case "And", "Or":
	case "Not":
		least, most = 1, 1
	default:
		return false, r.errorf(n.Line, "%s makes no condition", name)
	}
	if len(args) < least || len(args) > most {
		return false, r.errorf(n.Line, "%s wants %d to %d conditions", name, least, most)
	}
	all, some := true, false
	for _, a := range args {
		v, err := r.condition(a)
		if err != nil {
			return false, err
		}
		all, some = all && v, some || v
	}
	switch name {
	case "And":
		return all, nil
	case "Or":
		return some, nil
	}
	return !some, nil
}

package stack

import (
	"fmt"
	"strings"
)

// pseudo returns AWS's own parameters.
func (r *resolver) pseudo(name string) (string, bool) {
	switch name {
	case "AWS::Region":
		return r.loc.Region, true
	case "AWS::AccountId":
		return r.loc.Account, true
	case "AWS::Partition":
		return r.loc.partition(), true
	case "AWS::URLSuffix":
		if r.loc.partition() == "aws-cn" {
			return "amazonaws.com.cn", true
		}
		return "amazonaws.com", true
	case "AWS::StackName":
		return stackName, true
	case "AWS::StackId":
		return fmt.Sprintf("arn:%s:cloudformation:%s:%s:stack/%s/00000000-0000-0000-0000-000000000000", r.loc.partition(), r.loc.Region, r.loc.Account, stackName), true
	}
	return "", false
}

const stackName = "fountain"

// ref is what Ref gives for a parameter or resource.
func (r *resolver) ref(name string, line int) (node, error) {
	if v, ok := r.pseudo(name); ok {
		return node{v: v}, nil
	}
	if v, ok := r.params[name]; ok {
		return v, nil
	}
	res, physical, err := r.use(name, line)
	if err != nil {
		return node{}, err
	}
	t := types[res.kind]
	if t.ref == "" {
		return node{v: physical}, nil
	}
	return node{v: r.form(t.ref, physical)}, nil
}

// getAtt is what GetAtt gives.
func (r *resolver) getAtt(id, attr string, line int) (string, error) {
	res, physical, err := r.use(id, line)
	if err != nil {
		return "", err
	}
	form, ok := types[res.kind].attributes[attr]
	if !ok {
		return "", fmt.Errorf("%s (%s) has no attribute %q that the local cloud understands", id, res.kind, attr)
	}
	return r.form(form, physical), nil
}

// form fills in {partition}, {region}, {account} and {name}.
func (r *resolver) form(form, physical string) string {
	return strings.NewReplacer("{partition}", r.loc.partition(), "{region}", r.loc.Region, "{account}", r.loc.Account, "{name}", physical).Replace(form)
}

// use notes that the resource being resolved needs another one, and returns that one and its name.
func (r *resolver) use(id string, line int) (*resource, string, error) {
	res := r.resources[id]
	switch {
	case res == nil:
		return nil, "", fmt.Errorf("%q is neither a parameter nor a resource", id)
	case !res.made:
		return nil, "", fmt.Errorf("resource %s is not made here: its condition is false", id)
	}
	if r.current != nil {
		if _, known := r.current.uses[id]; !known {
			r.current.uses[id] = line
		}
	}
	physical, err := r.name(res)
	return res, physical, err
}

// name is the physical name of a resource: what its naming property says, or its logical id.
func (r *resolver) name(res *resource) (string, error) {
	key := types[res.kind].name
	raw := child(res.raw, key)
	if key == "" || raw == nil || r.naming[res.id] { // a name that needs itself is a cycle, which is told later
		return res.id, nil
	}
	r.naming[res.id] = true
	before := r.current
	r.current = res
	defer func() {
		r.current = before
		delete(r.naming, res.id)
	}()
	v, err := r.resolve(raw)
	if err != nil {
		return "", err
	}
	if v.absent {
		return res.id, nil
	}
	return v.str(), nil
}

package stack

import (
	"slices"

	"fountain/cloud/awsiot/rules"
)

func (s *Stack) readRule(r *resolver, _, name string, props node) error {
	p := props.get("TopicRulePayload")
	fail := func(line int, format string, args ...any) error {
		return r.errorf(line, "rule "+name+": "+format, args...)
	}
	if p.get("AwsIotSqlVersion").str() != "2016-03-23" {
		return fail(p.line, "AwsIotSqlVersion must be 2016-03-23 (CloudFormation's default is older)")
	}
	q, err := rules.ParseQuery(p.get("Sql").str())
	if err != nil {
		return fail(p.get("Sql").line, "%v", err)
	}
	rule := &rules.Rule{
		Name: name, Description: p.get("Description").str(), SQL: p.get("Sql").str(), Query: q, Disabled: p.get("RuleDisabled").str() == "true",
	}
	for _, a := range p.get("Actions").list() {
		act, err := ruleActionOf(r, name, a)
		if err != nil {
			return err
		}
		rule.Actions = append(rule.Actions, *act)
	}
	if len(rule.Actions) == 0 {
		return fail(p.line, "it has no action")
	}
	if len(rule.Actions) > 10 {
		return fail(p.line, "it has %d actions, AWS allows 10", len(rule.Actions))
	}
	if e := p.get("ErrorAction"); e.v != nil {
		if rule.ErrorAction, err = ruleActionOf(r, name, e); err != nil {
			return err
		}
	}
	s.Rules[name] = rule
	return nil
}

// ruleActionOf reads an action, whose role must exist and may do it.
func ruleActionOf(r *resolver, rule string, n node) (*rules.Action, error) {
	if len(n.keys) != 1 {
		return nil, r.errorf(n.line, "rule %s: an action is one of Sqs, Lambda and Republish", rule)
	}
	kind := n.keys[0]
	a := n.get(kind)
	role := a.get("RoleArn")
	switch kind {
	case "Sqs":
		id, arn := queueOf(r, a.get("QueueUrl").str())
		if id == "" {
			return nil, r.errorf(a.get("QueueUrl").line, "rule %s: QueueUrl %q is no queue of this template", rule, a.get("QueueUrl").str())
		}
		if err := r.mayRole(rule, role, "sqs:SendMessage", arn); err != nil {
			return nil, err
		}
		return &rules.Action{Queue: id, URL: a.get("QueueUrl").str(), Base64: a.get("UseBase64").str() == "true", Role: role.str()}, nil
	case "Lambda":
		if err := r.mayInvoke(rule, a.get("FunctionArn")); err != nil {
			return nil, err
		}
		return &rules.Action{Function: a.get("FunctionArn").str()}, nil
	case "Republish":
		if a.get("Headers").v != nil {
			return nil, r.errorf(a.get("Headers").line, "rule %s: Headers are not understood by the local cloud", rule)
		}
		topic, err := rules.ParseTopic(a.get("Topic").str())
		if err != nil {
			return nil, r.errorf(a.get("Topic").line, "rule %s: Topic: %v", rule, err)
		}
		if err := r.mayRole(rule, role, "iot:Publish", ""); err != nil {
			return nil, err
		}
		act := &rules.Action{Topic: topic, Role: role.str()}
		if a.get("Qos").str() == "1" {
			act.QoS = 1
		}
		return act, nil
	}
	return nil, r.errorf(n.line, "rule %s: action %s is not understood by the local cloud", rule, kind)
}

// queueOf finds a queue by its URL.
func queueOf(r *resolver, url string) (id, arn string) {
	for _, id := range r.order {
		res := r.resources[id]
		if res.kind != "AWS::SQS::Queue" || !res.made {
			continue
		}
		name, err := r.name(res)
		if err == nil && r.form(types[res.kind].ref, name) == url {
			return id, r.form(types[res.kind].attributes["Arn"], name)
		}
	}
	return "", ""
}

// mayInvoke checks that a permission of the template lets the rule call a function: without one AWS drops its events.
func (r *resolver) mayInvoke(rule string, function node) error {
	for _, id := range r.order {
		res := r.resources[id]
		if res.kind != "AWS::Lambda::Permission" || !res.made {
			continue
		}
		p := res.props
		source := r.form(types["AWS::IoT::TopicRule"].attributes["Arn"], rule)
		if p.get("FunctionName").str() == function.str() && p.get("Action").str() == "lambda:InvokeFunction" &&
			p.get("Principal").str() == "iot.amazonaws.com" && p.get("SourceArn").str() == source {
			return nil
		}
	}
	return r.errorf(function.line, "rule %s: no AWS::Lambda::Permission lets it invoke %s", rule, function.str())
}

// mayRole checks that a role of the template allows an action on a resource; an empty resource is any.
func (r *resolver) mayRole(rule string, role node, action, arn string) error {
	for _, id := range r.order {
		res := r.resources[id]
		if res.kind != "AWS::IAM::Role" || !res.made {
			continue
		}
		name, err := r.name(res)
		if err != nil || r.form(types[res.kind].attributes["Arn"], name) != role.str() {
			continue
		}
		for _, p := range res.props.get("Policies").list() {
			for _, st := range p.get("PolicyDocument").get("Statement").list() {
				has := func(key, want string) bool {
					return slices.ContainsFunc(st.get(key).list(), func(n node) bool { return n.str() == want })
				}
				if st.get("Effect").str() == "Allow" && has("Action", action) && (arn == "" || has("Resource", arn)) {
					return nil
				}
			}
		}
		return r.errorf(role.line, "rule %s: role %s does not allow %s on %s", rule, id, action, arn)
	}
	return r.errorf(role.line, "rule %s: RoleArn %q is no role of this template", rule, role.str())
}

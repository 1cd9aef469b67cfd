package stack

import (
	"slices"
	"strings"
)

// roleActions lists what roles of our stacks may do. IAM knows some fifteen thousand actions and no tool that works
// offline knows them all; a new one comes here with the template that needs it.
var roleActions = []string{
	"sqs:SendMessage",       // rules send to their queues
	"iot:Publish",           // rules republish
	"lambda:InvokeFunction", // the pre-provisioning hook
	"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	"s3:GetObject", "s3:PutObject", // presigned URLs of jobs
}

// readRole checks a role's policies.
func (s *Stack) readRole(r *resolver, id, _ string, props node) error {
	trust := props.get("AssumeRolePolicyDocument")
	if err := checkIAM(r, id, trust, []string{"sts:AssumeRole"}, true); err != nil {
		return err
	}
	for _, p := range props.get("Policies").list() {
		if err := checkIAM(r, id, p.get("PolicyDocument"), roleActions, false); err != nil {
			return err
		}
	}
	for _, a := range props.get("ManagedPolicyArns").list() {
		if !strings.HasPrefix(a.str(), r.form(arn("iam::"), "")) {
			return r.errorf(a.line, "role %s: %q is no policy of IAM", id, a.str())
		}
	}
	return nil
}

func checkIAM(r *resolver, id string, doc node, actions []string, trust bool) error {
	if doc.get("Version").str() != "2012-10-17" {
		return r.errorf(doc.line, "role %s: Version must be 2012-10-17", id)
	}
	for _, st := range doc.get("Statement").list() {
		for _, k := range st.keys {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}, k) {
				return r.errorf(st.get(k).line, "role %s: %s is not understood in a statement", id, k)
			}
		}
		if e := st.get("Effect"); e.str() != "Allow" && e.str() != "Deny" {
			return r.errorf(e.line, "role %s: Effect must be Allow or Deny", id)
		}
		if len(st.get("Action").list()) == 0 {
			return r.errorf(st.line, "role %s: a statement needs Action", id)
		}
		for _, a := range st.get("Action").list() {
			if !slices.Contains(actions, a.str()) {
				return r.errorf(a.line, "role %s: %q is no action that a role of this stack may have (one of %s)", id, a.str(), strings.Join(actions, ", "))
			}
		}
		if trust {
			for _, svc := range st.get("Principal").get("Service").list() {
				if !strings.HasSuffix(svc.str(), ".amazonaws.com") {
					return r.errorf(svc.line, "role %s: %q is no service", id, svc.str())
				}
			}
			continue
		}
		for _, res := range st.get("Resource").list() {
			if res.str() == "*" {
				return r.errorf(res.line, "role %s: resource * allows more than it needs", id)
			}
		}
	}
	return nil
}

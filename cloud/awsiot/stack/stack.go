// Package stack reads the CloudFormation template the real cloud is deployed with and says what it means for the local
// one: IoT policies, topic rules, provisioning and job templates. What it would have to ignore is an error with file, line and
// remedy. It imports awsiot/{jobs,policy,provision,rules}, sync/wire and internal packages.
package stack

import (
	"errors"
	"fmt"

	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/rules"
	"fountain/sync/wire"
)

// Stack is what a CloudFormation template means for the broker, resolved for one account and region. It never changes.
type Stack struct {
	Region, Account string
	// ClaimPolicy is the name of the policy with the logical id ClaimPolicy: claim certificates carry it.
	ClaimPolicy string

	ARN          string // "arn:aws:iot:REGION:ACCOUNT:"
	Policies     map[string]*policy.Policy
	Rules        map[string]*rules.Rule
	Templates    map[string]*Template
	Types        map[string]ThingType
	JobTemplates map[string]jobs.Template
}

// ThingType is a thing type's description.
type ThingType struct {
	Description string
	Searchable  []string // attributes
}

// Load reads a CloudFormation template. where names it in messages. What the local cloud would have to ignore
// (an unknown function, an unknown policy action, SQL beyond the subset) is an error with file, line and remedy.
func Load(template []byte, where string, loc Location) (*Stack, error) {
	if loc.Region == "" {
		loc.Region = "us-east-1"
	}
	if loc.Account == "" {
		loc.Account = "123456789012"
	}
	r, err := loadTemplate(template, where, loc)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Region: loc.Region, Account: loc.Account, ARN: fmt.Sprintf("arn:%s:iot:%s:%s:", loc.partition(), loc.Region, loc.Account),
		Policies: map[string]*policy.Policy{}, Rules: map[string]*rules.Rule{}, Templates: map[string]*Template{},
		Types: map[string]ThingType{}, JobTemplates: map[string]jobs.Template{},
	}
	type readers map[string]func(r *resolver, id, name string, props node) error
	for _, pass := range []readers{{
		"AWS::IoT::ThingType": s.readType, "AWS::IoT::Policy": s.readPolicy, "AWS::IoT::TopicRule": s.readRule,
		"AWS::IoT::JobTemplate": s.readJobTemplate, "AWS::IAM::Role": s.readRole, "AWS::CloudWatch::Alarm": s.readAlarm,
	}, {"AWS::IoT::ProvisioningTemplate": s.readTemplate}} { // which names policies and types
		for _, id := range r.order {
			res := r.resources[id]
			read := pass[res.kind]
			if read == nil || !res.made {
				continue
			}
			name, err := r.name(res)
			if err != nil {
				return nil, err
			}
			if err := read(r, id, name, res.props); err != nil {
				return nil, err
			}
		}
	}
	return s, s.checkRings(r)
}

// TemplateName returns the name of the only provisioning template for new units, or an error when there is none or
// several: wire.RotationTemplate is for those that have an identity.
func (s *Stack) TemplateName() (string, error) {
	var names []string
	for name := range s.Templates {
		if name != wire.RotationTemplate {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return "", fmt.Errorf("the stack has %d provisioning templates for new units, want one", len(names))
	}
	return names[0], nil
}

func (s *Stack) readPolicy(r *resolver, id, name string, props node) error {
	doc := props.get("PolicyDocument")
	if s.Policies[name] != nil {
		return r.errorf(props.line, "policy %s appears twice", name)
	}
	p, err := policy.Parse(name, doc.plain(), s.ARN)
	if err != nil {
		line := doc.line
		var place *policy.Error
		if errors.As(err, &place) {
			line, err = doc.lineAt(place.Path), errors.New(place.What)
		}
		return r.errorf(line, "policy %s: %v", name, err)
	}
	s.Policies[name] = p
	if id == "ClaimPolicy" {
		s.ClaimPolicy = name
	}
	return nil
}

func (s *Stack) readType(_ *resolver, _, name string, props node) error {
	t := ThingType{Description: props.get("ThingTypeProperties").get("ThingTypeDescription").str()}
	for _, a := range props.get("ThingTypeProperties").get("SearchableAttributes").list() {
		t.Searchable = append(t.Searchable, a.str())
	}
	s.Types[name] = t
	return nil
}

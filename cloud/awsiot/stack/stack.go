// Package stack reads the CloudFormation template the real cloud is deployed with and says what it means for the local
// one: IoT policies, topic rules, provisioning templates. What it would have to ignore is an error with file, line and
// remedy. It imports awsiot/policy, awsiot/rules and internal packages.
package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/rules"
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
	JobTemplates map[string]JobTemplate
}

// JobTemplate is a template for jobs.
type JobTemplate struct {
	ID, Description, Document string
	// Settings are presignedUrlConfig, jobExecutionsRolloutConfig, abortConfig, timeoutConfig and
	// jobExecutionsRetryConfig, as CreateJobTemplate takes them.
	Settings json.RawMessage
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
	r, resources, err := loadTemplate(template, where, loc)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Region: loc.Region, Account: loc.Account, ARN: fmt.Sprintf("arn:aws:iot:%s:%s:", loc.Region, loc.Account),
		Policies: map[string]*policy.Policy{}, Rules: map[string]*rules.Rule{}, Templates: map[string]*Template{},
		Types: map[string]ThingType{}, JobTemplates: map[string]JobTemplate{},
	}
	queues := map[string]string{}
	for id, t := range r.types {
		if t == "AWS::SQS::Queue" {
			url, _ := r.ref(id)
			queues[url] = id
		}
	}
	for id, res := range resources {
		props := res.get("Properties")
		switch r.types[id] {
		case "":
			return nil, r.errorf(res.line, "resource %s has no Type", id)
		case "AWS::IoT::Policy":
			doc := props.get("PolicyDocument")
			p, err := policy.Parse(r.names[id], doc.plain(), s.ARN)
			if err != nil {
				line := doc.line
				var place *policy.Error
				if errors.As(err, &place) {
					line, err = doc.lineAt(place.Path), errors.New(place.What)
				}
				return nil, r.errorf(line, "policy %s: %v", r.names[id], err)
			}
			s.Policies[p.Name] = p
			if id == "ClaimPolicy" {
				s.ClaimPolicy = p.Name
			}
		case "AWS::IoT::ThingType":
			t := ThingType{Description: props.get("ThingTypeProperties").get("ThingTypeDescription").str()}
			for _, a := range props.get("ThingTypeProperties").get("SearchableAttributes").list() {
				t.Searchable = append(t.Searchable, a.str())
			}
			s.Types[r.names[id]] = t
		case "AWS::IoT::TopicRule":
			rule, err := parseRule(r, r.names[id], props.get("TopicRulePayload"), queues)
			if err != nil {
				return nil, err
			}
			s.Rules[rule.Name] = rule
		}
	}
	for id, res := range resources { // after the policies they name
		if r.types[id] != "AWS::IoT::ProvisioningTemplate" {
			continue
		}
		t, err := s.parseTemplate(r, r.names[id], res.get("Properties"))
		if err != nil {
			return nil, err
		}
		s.Templates[t.Name] = t
	}
	return s, nil
}

// TemplateName returns the name of the only provisioning template, or an error when there is none or several.
func (s *Stack) TemplateName() (string, error) {
	if len(s.Templates) != 1 {
		return "", fmt.Errorf("the stack has %d provisioning templates, want one", len(s.Templates))
	}
	for name := range s.Templates {
		return name, nil
	}
	return "", nil
}

func parseRule(r *resolver, name string, p node, queues map[string]string) (*rules.Rule, error) {
	if p.get("AwsIotSqlVersion").str() != "2016-03-23" {
		return nil, r.errorf(p.line, "rule %s: AwsIotSqlVersion must be 2016-03-23 (CloudFormation's default is older)", name)
	}
	if strings.Contains(name, "-") || name == "" {
		return nil, r.errorf(p.line, "rule %s: a rule's name holds letters, digits and _ only", name)
	}
	q, err := rules.ParseQuery(p.get("Sql").str())
	if err != nil {
		return nil, r.errorf(p.get("Sql").line, "rule %s: %v", name, err)
	}
	rule := &rules.Rule{Name: name, Query: q, Disabled: p.get("RuleDisabled").str() == "true"}
	queue := func(n node) (string, error) {
		for _, k := range n.keys {
			if k != "Sqs" {
				return "", r.errorf(n.line, "rule %s: action %s is not understood by the local cloud", name, k)
			}
		}
		sqs := n.get("Sqs")
		id, ok := queues[sqs.get("QueueUrl").str()]
		if !ok {
			return "", r.errorf(n.line, "rule %s: QueueUrl %q is no queue of this template", name, sqs.get("QueueUrl").str())
		}
		if sqs.get("UseBase64").str() == "true" {
			return "", r.errorf(n.line, "rule %s: UseBase64 is not understood by the local cloud", name)
		}
		return id, nil
	}
	for _, a := range p.get("Actions").list() {
		id, err := queue(a)
		if err != nil {
			return nil, err
		}
		rule.Queues = append(rule.Queues, id)
	}
	if len(rule.Queues) == 0 {
		return nil, r.errorf(p.line, "rule %s has no action", name)
	}
	if e := p.get("ErrorAction"); e.v != nil {
		if rule.ErrorQueue, err = queue(e); err != nil {
			return nil, err
		}
	}
	return rule, nil
}

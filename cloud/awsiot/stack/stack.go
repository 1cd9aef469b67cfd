// Package stack reads the CloudFormation template the real cloud is deployed with and says what it means for the local
// one: IoT policies, topic rules, provisioning templates. What it would have to ignore is an error with file, line and
// remedy. It imports awsiot/policy, awsiot/rules and internal packages.
package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/rules"
)

// Stack is what a CloudFormation template means for the broker, resolved for one account and region. It never changes.
type Stack struct {
	Region, Account string
	// ClaimPolicy is the name of the policy with the logical id ClaimPolicy: claim certificates carry it.
	ClaimPolicy string

	ARN       string // "arn:aws:iot:REGION:ACCOUNT:"
	Policies  map[string]*policy.Policy
	Rules     map[string]*rules.Rule
	Templates map[string]*Template
	Types     map[string]ThingType
}

// ThingType is a thing type's description.
type ThingType struct {
	Description string
	Searchable  []string // attributes
}

// Template is a fleet provisioning template.
type Template struct {
	Name        string
	Description string
	Text        string // the body, JSON
	RoleARN     string
	HookARN     string
	HookVersion string // of the hook's payload

	body     templateBody
	thing    map[string]any // properties
	policies []string
}

type templateBody struct {
	Parameters map[string]struct {
		Type    string
		Default *string
	}
	Resources map[string]struct {
		Type             string
		Properties       map[string]any
		OverrideSettings map[string]string
	}
	DeviceConfiguration map[string]any
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
		Types: map[string]ThingType{},
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

func (s *Stack) parseTemplate(r *resolver, name string, p node) (*Template, error) {
	body := p.get("TemplateBody")
	fail := func(format string, args ...any) (*Template, error) {
		return nil, r.errorf(body.line, "provisioning template "+name+": "+format, args...)
	}
	hook := p.get("PreProvisioningHook")
	t := &Template{
		Name: name, Text: body.str(), Description: p.get("Description").str(), RoleARN: p.get("ProvisioningRoleArn").str(),
		HookARN: hook.get("TargetArn").str(), HookVersion: hook.get("PayloadVersion").str(),
	}
	d := json.NewDecoder(bytes.NewReader([]byte(body.str())))
	d.DisallowUnknownFields()
	if err := d.Decode(&t.body); err != nil {
		return fail("TemplateBody: %v", err)
	}
	if p.get("Enabled").str() != "true" {
		return fail("it is not Enabled")
	}
	if t.HookARN == "" {
		return fail("it has no PreProvisioningHook: whoever holds a claim certificate could make things")
	}
	certificates := 0
	for _, id := range slices.Sorted(maps.Keys(t.body.Resources)) {
		res := t.body.Resources[id]
		switch res.Type {
		case "AWS::IoT::Certificate":
			certificates++
			if status, _ := res.Properties["Status"].(string); !strings.EqualFold(status, "Active") {
				return fail("%s: Status must be Active", id)
			}
			if ref, _ := res.Properties["CertificateId"].(map[string]any); ref["Ref"] != "AWS::IoT::Certificate::Id" {
				return fail("%s: CertificateId must be the certificate of the request", id)
			}
		case "AWS::IoT::Policy":
			policy, _ := res.Properties["PolicyName"].(string)
			if s.Policies[policy] == nil {
				return fail("%s: there is no policy %q in the template", id, policy)
			}
			t.policies = append(t.policies, policy)
		case "AWS::IoT::Thing":
			if t.thing != nil {
				return fail("it makes two things")
			}
			t.thing = res.Properties
		default:
			return fail("%s: type %s is not understood by the local cloud", id, res.Type)
		}
	}
	if certificates != 1 || t.thing == nil || len(t.policies) == 0 {
		return fail("it must make one thing with one certificate and a policy")
	}
	sample := map[string]string{"AWS::IoT::Certificate::Id": "0"}
	for k := range t.body.Parameters {
		sample[k] = "sample"
	}
	if _, err := t.Plan(sample); err != nil {
		return fail("%v", err)
	}
	return t, nil
}

// Plan is what a template makes for a set of parameters.
type Plan struct {
	Thing, ThingType string
	Attributes       map[string]string
	Policies         []string
	Device           map[string]string
}

// errParameters is wrapped by the errors of Plan that are the caller's fault.
var errParameters = errors.New("bad parameters")

// Plan evaluates the template.
func (t *Template) Plan(given map[string]string) (*Plan, error) {
	params := map[string]string{}
	for k, p := range t.body.Parameters {
		v, ok := given[k]
		if !ok && p.Default != nil {
			v, ok = *p.Default, true
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s is missing", errParameters, k)
		}
		params[k] = v
	}
	for k := range given {
		if _, ok := t.body.Parameters[k]; !ok && k != "AWS::IoT::Certificate::Id" {
			return nil, fmt.Errorf("%w: %s is not a parameter of the template", errParameters, k)
		}
	}
	pl := &Plan{Policies: t.policies, Attributes: map[string]string{}, Device: map[string]string{}}
	var err error
	if pl.Thing, err = evalTemplate(t.thing["ThingName"], params); err != nil {
		return nil, fmt.Errorf("ThingName: %w", err)
	}
	if v := t.thing["ThingTypeName"]; v != nil {
		if pl.ThingType, err = evalTemplate(v, params); err != nil {
			return nil, fmt.Errorf("ThingTypeName: %w", err)
		}
	}
	attributes, _ := t.thing["AttributePayload"].(map[string]any)
	for k, v := range attributes {
		if pl.Attributes[k], err = evalTemplate(v, params); err != nil {
			return nil, fmt.Errorf("AttributePayload.%s: %w", k, err)
		}
	}
	for k, v := range t.body.DeviceConfiguration {
		if pl.Device[k], err = evalTemplate(v, params); err != nil {
			return nil, fmt.Errorf("DeviceConfiguration.%s: %w", k, err)
		}
	}
	return pl, nil
}

// evalTemplate resolves Ref and Fn::Join of a provisioning template.
func evalTemplate(v any, params map[string]string) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case map[string]any:
		if len(v) != 1 {
			break
		}
		if ref, ok := v["Ref"].(string); ok {
			s, ok := params[ref]
			if !ok {
				return "", fmt.Errorf("there is no parameter %q to Ref", ref)
			}
			return s, nil
		}
		if join, ok := v["Fn::Join"].([]any); ok && len(join) == 2 {
			sep, ok1 := join[0].(string)
			list, ok2 := join[1].([]any)
			if !ok1 || !ok2 {
				break
			}
			var parts []string
			for _, x := range list {
				s, err := evalTemplate(x, params)
				if err != nil {
					return "", err
				}
				parts = append(parts, s)
			}
			return strings.Join(parts, sep), nil
		}
	}
	return "", fmt.Errorf("%v is not understood by the local cloud (use Ref and Fn::Join)", v)
}

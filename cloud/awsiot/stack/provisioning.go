package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Template is a fleet provisioning template.
type Template struct {
	Name, Description string
	Enabled           bool
	Text              string // the body, JSON
	RoleARN           string
	HookARN           string // of the pre-provisioning hook; empty: none
	HookVersion       string // of the hook's payload

	body   templateBody
	things []string // logical ids, in order
}

type templateBody struct {
	Parameters map[string]struct {
		Type    string
		Default *string
	}
	Mappings  map[string]map[string]map[string]any
	Resources map[string]struct {
		Type             string
		Properties       map[string]any
		OverrideSettings map[string]string
	}
	DeviceConfiguration map[string]any
}

// certificateParameter is the one parameter that the service itself gives.
const certificateParameter = "AWS::IoT::Certificate::Id"

// ParseTemplate reads the body of a provisioning template as CreateProvisioningTemplate takes it. Parse errors say what is
// wrong where.
func ParseTemplate(body []byte) (*Template, error) {
	t := &Template{Text: string(body), Enabled: true}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&t.body); err != nil {
		return nil, fmt.Errorf("TemplateBody: %w", err)
	}
	if _, err := d.Token(); err == nil {
		return nil, errors.New("TemplateBody: something follows the object")
	}
	for name, p := range t.body.Parameters {
		if p.Type != "String" {
			return nil, fmt.Errorf("parameter %s: Type must be String", name)
		}
	}
	certificates := 0
	for _, id := range slices.Sorted(maps.Keys(t.body.Resources)) {
		res := t.body.Resources[id]
		allowed, ok := templateProperties[res.Type]
		if !ok {
			return nil, fmt.Errorf("%s: there is no type %q in provisioning templates", id, res.Type)
		}
		for k := range res.Properties {
			if !slices.Contains(allowed, k) {
				return nil, fmt.Errorf("%s: %s has no property %q", id, res.Type, k)
			}
		}
		for k, v := range res.OverrideSettings {
			if err := checkOverride(res.Type, k, v); err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
		}
		switch res.Type {
		case "AWS::IoT::Certificate":
			certificates++
			if ref, _ := res.Properties["CertificateId"].(map[string]any); ref["Ref"] != certificateParameter {
				return nil, fmt.Errorf("%s: CertificateId must be a Ref to %s", id, certificateParameter)
			}
		case "AWS::IoT::Policy":
			if (res.Properties["PolicyName"] == nil) == (res.Properties["PolicyDocument"] == nil) {
				return nil, fmt.Errorf("%s: PolicyName or PolicyDocument must be given, not both", id)
			}
		case "AWS::IoT::Thing":
			t.things = append(t.things, id)
		}
	}
	if certificates != 1 || len(t.things) > 1 {
		return nil, errors.New("a template makes one certificate and at most one thing")
	}
	if _, err := t.plan(t.sample(), true); err != nil {
		return nil, err
	}
	return t, nil
}

// sample gives every parameter a value, to try the template with.
func (t *Template) sample() map[string]string {
	out := map[string]string{certificateParameter: "0"}
	for k := range t.body.Parameters {
		out[k] = "sample"
	}
	return out
}

var templateProperties = map[string][]string{
	"AWS::IoT::Certificate": {"CertificateId", "Status"},
	"AWS::IoT::Policy":      {"PolicyName", "PolicyDocument"},
	"AWS::IoT::Thing":       {"ThingName", "ThingTypeName", "AttributePayload", "ThingGroups", "BillingGroup"},
}

func checkOverride(kind, key, value string) error {
	allowed := []string{"DO_NOTHING", "REPLACE", "FAIL"}
	switch {
	case kind == "AWS::IoT::Thing" && (key == "AttributePayload" || key == "ThingGroups"):
		allowed = append(allowed, "MERGE")
	case kind == "AWS::IoT::Thing" && key == "ThingTypeName", kind == "AWS::IoT::Certificate" && key == "Status":
	default:
		return fmt.Errorf("OverrideSettings of %s know no %q", kind, key)
	}
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("OverrideSettings.%s must be one of %s", key, strings.Join(allowed, ", "))
	}
	return nil
}

// Plan is what a template makes for a set of parameters.
type Plan struct {
	Thing, ThingType string // Thing is empty when the template makes none
	Attributes       map[string]string
	Groups           []string
	BillingGroup     string
	Policies         []string // names of policies that exist
	Documents        []string // policies the template brings along, as JSON
	Inactive         bool     // the certificate stays INACTIVE
	Device           map[string]string
	// Override says what becomes of what the thing has already: AttributePayload, ThingTypeName, ThingGroups, Status ->
	// DO_NOTHING, REPLACE, FAIL or MERGE.
	Override map[string]string
}

// ErrParameters is wrapped by the errors of Plan that are the caller's fault.
var ErrParameters = errors.New("bad parameters")

// Plan evaluates the template.
func (t *Template) Plan(given map[string]string) (*Plan, error) { return t.plan(given, false) }

// plan with trial set does without a value from a map: which it is depends on parameters that are not known yet.
func (t *Template) plan(given map[string]string, trial bool) (*Plan, error) {
	e := evaluator{params: map[string]string{}, mappings: t.body.Mappings, trial: trial}
	for k, p := range t.body.Parameters {
		v, ok := given[k]
		if !ok && p.Default != nil {
			v, ok = *p.Default, true
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s is missing", ErrParameters, k)
		}
		e.params[k] = v
	}
	for k := range given {
		if _, ok := t.body.Parameters[k]; !ok && k != certificateParameter {
			return nil, fmt.Errorf("%w: %s is not a parameter of the template", ErrParameters, k)
		}
	}
	e.params[certificateParameter] = given[certificateParameter]
	pl := &Plan{Attributes: map[string]string{}, Device: map[string]string{}, Override: map[string]string{}}
	for _, id := range slices.Sorted(maps.Keys(t.body.Resources)) {
		res := t.body.Resources[id]
		if err := e.resource(pl, res.Type, res.Properties); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		maps.Copy(pl.Override, res.OverrideSettings)
	}
	for k, v := range t.body.DeviceConfiguration {
		var err error
		if pl.Device[k], err = e.text(v); err != nil {
			return nil, fmt.Errorf("DeviceConfiguration.%s: %w", k, err)
		}
	}
	return pl, nil
}

// readTemplate reads the provisioning template of a stack: what a template of ours must have besides.
func (s *Stack) readTemplate(r *resolver, _, name string, p node) error {
	body := p.get("TemplateBody")
	fail := func(format string, args ...any) error {
		return r.errorf(body.line, "provisioning template "+name+": "+format, args...)
	}
	t, err := ParseTemplate([]byte(body.str()))
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return r.errorf(body.lineOf(int(syntax.Offset)-1), "provisioning template %s: %v", name, err)
	case err != nil:
		return fail("%v", err)
	}
	t.Name, t.Description = name, p.get("Description").str()
	hook := p.get("PreProvisioningHook")
	t.RoleARN, t.HookARN, t.HookVersion = p.get("ProvisioningRoleArn").str(), hook.get("TargetArn").str(), hook.get("PayloadVersion").str()
	if p.get("Enabled").str() != "true" {
		return fail("it is not Enabled")
	}
	if t.HookARN == "" {
		return fail("it has no PreProvisioningHook: whoever holds a claim certificate could make things")
	}
	pl, err := t.plan(t.sample(), true)
	switch {
	case err != nil:
		return fail("%v", err)
	case pl.Inactive:
		return fail("the certificate's Status must be Active")
	case len(pl.Documents) > 0:
		return fail("name a policy of the stack instead of a PolicyDocument")
	case pl.Thing == "" || len(pl.Policies) == 0:
		return fail("it must make a thing with a policy")
	}
	for _, n := range pl.Policies {
		if s.Policies[n] == nil {
			return fail("there is no policy %q in the stack", n)
		}
	}
	if _, ok := s.Types[pl.ThingType]; pl.ThingType != "" && !ok {
		return fail("there is no thing type %q in the stack", pl.ThingType)
	}
	s.Templates[name] = t
	return nil
}

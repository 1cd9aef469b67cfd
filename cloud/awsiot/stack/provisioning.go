package stack

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"fountain/cloud/awsiot/provision"
)

// Template is a fleet provisioning template.
type Template struct {
	Name, Description string
	Text              string // the body, JSON
	RoleARN           string
	HookARN           string // of the pre-provisioning hook
	HookVersion       string // of the hook's payload
	Policies          []string
}

// readTemplate reads a provisioning template, and checks what a template of ours must have besides.
func (s *Stack) readTemplate(r *resolver, _, name string, p node) error {
	text := p.get("TemplateBody")
	fail := func(format string, args ...any) error {
		return r.errorf(text.line, "provisioning template "+name+": "+format, args...)
	}
	hook := p.get("PreProvisioningHook")
	t := &Template{
		Name: name, Text: text.str(), Description: p.get("Description").str(), RoleARN: p.get("ProvisioningRoleArn").str(),
		HookARN: hook.get("TargetArn").str(), HookVersion: hook.get("PayloadVersion").str(),
	}
	body, err := provision.ParseTemplate(t.Text)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return r.errorf(text.lineOf(int(syntax.Offset)-1), "provisioning template %s: TemplateBody: %v", name, err)
	case err != nil:
		return fail("TemplateBody: %v", err)
	case p.get("Enabled").str() != "true":
		return fail("it is not Enabled")
	case t.HookARN == "":
		return fail("it has no PreProvisioningHook: whoever holds a claim certificate could make things")
	}
	things := 0
	for _, id := range slices.Sorted(maps.Keys(body.Resources)) {
		props := body.Resources[id].Properties
		literal := func(key string) string { v, _ := props[key].(string); return v }
		switch body.Resources[id].Type {
		case "AWS::IoT::Certificate":
			if status := literal("Status"); props["Status"] != nil && !strings.EqualFold(status, "Active") {
				return fail("%s: Status must be Active", id)
			}
			if ref, _ := props["CertificateId"].(map[string]any); ref["Ref"] != provision.ParamCertificateID {
				return fail("%s: CertificateId must be the certificate of the request", id)
			}
		case "AWS::IoT::Policy":
			if s.Policies[literal("PolicyName")] == nil {
				return fail("%s: there is no policy %q in the stack", id, literal("PolicyName"))
			}
			t.Policies = append(t.Policies, literal("PolicyName"))
		case "AWS::IoT::Thing":
			things++
			if props["ThingName"] == nil {
				return fail("%s: ThingName is missing", id)
			}
			if _, ok := s.Types[literal("ThingTypeName")]; props["ThingTypeName"] != nil && !ok {
				return fail("%s: there is no thing type %q in the stack", id, literal("ThingTypeName"))
			}
		}
	}
	switch {
	case things == 0 || len(t.Policies) == 0:
		return fail("it must make a thing with a policy")
	case len(t.Policies) > 10:
		return fail("it attaches %d policies, a certificate may have 10", len(t.Policies))
	}
	s.Templates[name] = t
	return nil
}

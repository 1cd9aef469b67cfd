package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// ParamCertificateID is the parameter that AWS IoT itself gives.
const ParamCertificateID = "AWS::IoT::Certificate::Id"

// plan is what a template makes of a set of parameters.
type plan struct {
	thing, thingType string
	attributes       map[string]string
	groups           []string
	override         map[string]string // property of the thing -> setting
	status           string            // of the certificate
	statusOverride   string
	sole             bool // the certificate is for this thing only
	certificateID    string
	csr, pem         string
	policies         []planPolicy
	device           map[string]string
	ids              map[string]string // resource type -> logical id, for policies see planPolicy
}

type planPolicy struct{ id, name, document string }

// errConflict is wrapped when OverrideSettings say FAIL.
var errConflict = errors.New("the resource exists already")

// plan evaluates the template.
func (t *Template) plan(given map[string]string) (*plan, error) {
	for name, p := range t.Parameters {
		if _, ok := given[name]; !ok && p.Default == nil {
			return nil, fmt.Errorf("parameter %s is missing", name)
		}
	}
	s := scope{t, given}
	p := &plan{attributes: map[string]string{}, device: map[string]string{}, ids: map[string]string{}}
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		r := t.Resources[id]
		var err error
		switch r.Type {
		case typeThing:
			err = p.addThing(s, r)
		case typeCertificate:
			err = p.addCertificate(s, r)
		case typePolicy:
			err = p.addPolicy(s, id, r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		p.ids[r.Type] = id
	}
	for k, v := range t.Device {
		var err error
		if p.device[k], err = s.text(v); err != nil {
			return nil, fmt.Errorf("DeviceConfiguration: %s: %w", k, err)
		}
	}
	return p, nil
}

// texts evaluates properties that are texts into where they belong; one that is absent stays.
func (s scope) texts(r resource, into map[string]*string) error {
	for name, dst := range into {
		v, ok := r.Properties[name]
		if !ok {
			continue
		}
		var err error
		if *dst, err = s.text(v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *plan) addThing(s scope, r resource) error {
	p.override = r.OverrideSettings
	if err := s.texts(r, map[string]*string{"ThingName": &p.thing, "ThingTypeName": &p.thingType}); err != nil {
		return err
	}
	if err := wire.CheckThing(p.thing); err != nil {
		return err
	}
	attributes, _ := r.Properties["AttributePayload"].(map[string]any)
	for k, v := range attributes {
		var err error
		if p.attributes[k], err = s.text(v); err != nil {
			return fmt.Errorf("AttributePayload.%s: %w", k, err)
		}
	}
	if g, ok := r.Properties["ThingGroups"]; ok {
		var err error
		if p.groups, err = s.list(g); err != nil {
			return fmt.Errorf("ThingGroups: %w", err)
		}
	}
	return nil
}

func (p *plan) addCertificate(s scope, r resource) error {
	p.statusOverride = r.OverrideSettings["Status"]
	kind := ""
	err := s.texts(r, map[string]*string{
		"Status": &p.status, "CertificateId": &p.certificateID, "CertificateSigningRequest": &p.csr, "CertificatePem": &p.pem,
		"ThingPrincipalType": &kind,
	})
	if err != nil {
		return err
	}
	if p.sole = kind == "EXCLUSIVE_THING"; !p.sole && kind != "" && kind != "NON_EXCLUSIVE_THING" {
		return fmt.Errorf("ThingPrincipalType %q is none", kind)
	}
	switch p.status = strings.ToUpper(p.status); p.status {
	case "":
		p.status = store.CertActive
	case store.CertActive, store.CertInactive:
	default:
		return fmt.Errorf("status %q is none", p.status)
	}
	return nil
}

func (p *plan) addPolicy(s scope, id string, r resource) error {
	pol := planPolicy{id: id}
	if doc, ok := r.Properties["PolicyDocument"].(map[string]any); ok && !isFunction(doc) {
		b, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		pol.document = string(b)
		named := resource{Properties: map[string]any{}}
		if name, ok := r.Properties["PolicyName"]; ok {
			named.Properties["PolicyName"] = name
		}
		r = named
	}
	if err := s.texts(r, map[string]*string{"PolicyName": &pol.name, "PolicyDocument": &pol.document}); err != nil {
		return err
	}
	switch {
	case pol.name == "" && pol.document == "":
		return errors.New("it has neither PolicyName nor PolicyDocument")
	case pol.name == "": // as AWS does
		h := sha256.Sum256([]byte(pol.document))
		pol.name = hex.EncodeToString(h[:])
	}
	p.policies = append(p.policies, pol)
	return nil
}

func isFunction(m map[string]any) bool {
	for k := range m {
		return len(m) == 1 && (k == "Ref" || strings.HasPrefix(k, "Fn::"))
	}
	return false
}

// meet settles the plan with the thing and the groups that are there already, as OverrideSettings say.
func (p *plan) meet(t store.Thing, groups []string) error {
	decide := func(property string, differs bool) (string, error) {
		set := p.override[property]
		if set == "FAIL" && differs {
			return set, fmt.Errorf("%w: %s of %s", errConflict, property, p.thing)
		}
		return set, nil
	}
	set, err := decide("AttributePayload", !maps.Equal(t.Attributes, p.attributes))
	if err != nil {
		return err
	}
	switch set {
	case "REPLACE":
	case "MERGE":
		merged := maps.Clone(t.Attributes)
		if merged == nil {
			merged = map[string]string{}
		}
		maps.Copy(merged, p.attributes)
		p.attributes = merged
	default:
		p.attributes = t.Attributes
	}
	if set, err = decide("ThingTypeName", t.Type != p.thingType); err != nil {
		return err
	}
	if set != "REPLACE" {
		p.thingType = t.Type
	}
	if set, err = decide("ThingGroups", !slices.Equal(groups, p.groups)); err != nil {
		return err
	}
	switch set {
	case "REPLACE":
	case "MERGE":
		p.groups = append(slices.Clone(groups), p.groups...)
	default:
		p.groups = groups
	}
	return nil
}

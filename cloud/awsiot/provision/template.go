package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fountain/internal/strictjson"
)

// maxBody is the quota on a template's body, characters.
const maxBody = 10240

// Template is a provisioning template's body, checked. It never changes.
type Template struct {
	Parameters map[string]struct {
		Type    string
		Default *string
	}
	Mappings  map[string]map[string]map[string]string
	Resources map[string]resource
	Device    map[string]any `json:"DeviceConfiguration"`
}

type resource struct {
	Type             string
	Properties       map[string]any
	OverrideSettings map[string]string
}

// Types of resources.
const (
	typeThing       = "AWS::IoT::Thing"
	typeCertificate = "AWS::IoT::Certificate"
	typePolicy      = "AWS::IoT::Policy"
)

// overrides lists what OverrideSettings may say, by resource type and property.
var overrides = map[string]map[string][]string{
	typeThing: {
		"AttributePayload": {"DO_NOTHING", "REPLACE", "MERGE", "FAIL"}, "ThingGroups": {"DO_NOTHING", "REPLACE", "MERGE", "FAIL"},
		"ThingTypeName": {"DO_NOTHING", "REPLACE", "FAIL"}, "BillingGroup": {"DO_NOTHING", "REPLACE", "FAIL"},
	},
	typeCertificate: {"Status": {"DO_NOTHING", "REPLACE", "FAIL"}},
}

var properties = map[string][]string{
	typeThing:       {"ThingName", "ThingTypeName", "AttributePayload", "ThingGroups", "BillingGroup", "Tags"},
	typeCertificate: {"CertificateId", "CertificateSigningRequest", "CertificatePem", "CACertificatePem", "Status", "ThingPrincipalType"},
	typePolicy:      {"PolicyName", "PolicyDocument", "Tags"},
}

// ParseTemplate reads and checks a body. Its errors are the author's fault.
func ParseTemplate(body string) (*Template, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("the body has %d characters, at most %d are allowed", len(body), maxBody)
	}
	t := &Template{}
	if err := strictjson.Known(strings.NewReader(body), t); err != nil {
		return nil, fmt.Errorf("the body is no template: %w", err)
	}
	for name, p := range t.Parameters {
		if p.Type != "String" {
			return nil, fmt.Errorf("parameter %s: Type must be String", name)
		}
	}
	count := map[string]int{}
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		r := t.Resources[id]
		count[r.Type]++
		known := properties[r.Type]
		if known == nil {
			return nil, fmt.Errorf("resource %s: there is no type %q", id, r.Type)
		}
		for p := range r.Properties {
			if !slices.Contains(known, p) {
				return nil, fmt.Errorf("resource %s: a %s has no property %s", id, r.Type, p)
			}
		}
		for p, v := range r.OverrideSettings {
			if !slices.Contains(overrides[r.Type][p], v) {
				return nil, fmt.Errorf("resource %s: OverrideSettings %s cannot be %s", id, p, v)
			}
		}
	}
	if count[typeCertificate] != 1 {
		return nil, errors.New("it must have one certificate")
	}
	if count[typeThing] > 1 {
		return nil, errors.New("it makes two things")
	}
	return t, t.checkRefs()
}

// checkRefs finds references to what is not there without knowing any value.
func (t *Template) checkRefs() error {
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				if err := walk(x); err != nil {
					return err
				}
			}
		case map[string]any:
			for k, x := range v {
				if ref, ok := x.(string); ok && k == "Ref" && len(v) == 1 {
					if _, ok := t.Parameters[ref]; !ok && !strings.HasPrefix(ref, "AWS::IoT::") {
						return fmt.Errorf("there is no parameter %q to Ref", ref)
					}
				}
				if strings.HasPrefix(k, "Fn::") && function(k) == nil {
					return fmt.Errorf("there is no function %s", k)
				}
				if err := walk(x); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		if err := walk(map[string]any(t.Resources[id].Properties)); err != nil {
			return fmt.Errorf("resource %s: %w", id, err)
		}
	}
	if err := walk(map[string]any(t.Device)); err != nil {
		return fmt.Errorf("DeviceConfiguration: %w", err)
	}
	return nil
}

// scope is what an evaluation sees.
type scope struct {
	t      *Template
	values map[string]string
}

// function finds a function of provisioning templates. It gets its argument unevaluated.
func function(name string) func(s scope, arg any) (any, error) {
	switch name {
	case "Fn::Join":
		return fnJoin
	case "Fn::Split":
		return fnSplit
	case "Fn::Select":
		return fnSelect
	case "Fn::FindInMap":
		return fnFindInMap
	case "Fn::Sub":
		return fnSub
	}
	return nil
}

// eval resolves functions: a string, a list of strings, or an error.
func (s scope) eval(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, float64:
		return fmt.Sprint(v), nil
	case []any:
		out := make([]string, len(v))
		for i, x := range v {
			var err error
			if out[i], err = s.text(x); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		for k, arg := range v {
			if len(v) > 1 {
				break
			}
			if name, ok := arg.(string); ok && k == "Ref" {
				return s.ref(name)
			}
			if f := function(k); f != nil {
				r, err := f(s, arg)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", k, err)
				}
				return r, nil
			}
		}
	}
	b, _ := json.Marshal(v) // for the message only
	return nil, fmt.Errorf("%s has no value", b)
}

func (s scope) ref(name string) (any, error) {
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	if p, ok := s.t.Parameters[name]; ok && p.Default != nil {
		return *p.Default, nil
	}
	return nil, fmt.Errorf("parameter %s is missing", name)
}

func (s scope) text(v any) (string, error) {
	x, err := s.eval(v)
	if err != nil {
		return "", err
	}
	t, ok := x.(string)
	if !ok {
		return "", errors.New("a list stands where a text is wanted")
	}
	return t, nil
}

func (s scope) list(v any) ([]string, error) {
	x, err := s.eval(v)
	if err != nil {
		return nil, err
	}
	l, ok := x.([]string)
	if !ok {
		return nil, errors.New("a text stands where a list is wanted")
	}
	return l, nil
}

var errArguments = errors.New("wrong arguments")

func args(v any, n int) ([]any, error) {
	l, ok := v.([]any)
	if !ok || len(l) != n {
		return nil, errArguments
	}
	return l, nil
}

// textAnd takes two arguments, of which the first is a text.
func (s scope) textAnd(arg any) (first string, second any, err error) {
	a, err := args(arg, 2)
	if err != nil {
		return "", nil, err
	}
	first, err = s.text(a[0])
	return first, a[1], err
}

func fnJoin(s scope, arg any) (any, error) {
	sep, list, err := s.textAnd(arg)
	if err != nil {
		return nil, err
	}
	l, err := s.list(list)
	return strings.Join(l, sep), err
}

func fnSplit(s scope, arg any) (any, error) {
	sep, text, err := s.textAnd(arg)
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return nil, errArguments
	}
	t, err := s.text(text)
	return strings.Split(t, sep), err
}

func fnSelect(s scope, arg any) (any, error) {
	at, list, err := s.textAnd(arg)
	if err != nil {
		return nil, err
	}
	l, err := s.list(list)
	if err != nil {
		return nil, err
	}
	var i int
	if _, err := fmt.Sscanf(at, "%d", &i); err != nil || i < 0 || i >= len(l) {
		return nil, fmt.Errorf("there is no item %s among %d", at, len(l))
	}
	return l[i], nil
}

func fnFindInMap(s scope, arg any) (any, error) {
	a, err := args(arg, 3)
	if err != nil {
		return nil, err
	}
	keys, err := s.list(a)
	if err != nil {
		return nil, err
	}
	v, ok := s.t.Mappings[keys[0]][keys[1]][keys[2]]
	if !ok {
		return nil, fmt.Errorf("there is no %s in the mappings", strings.Join(keys, "."))
	}
	return v, nil
}

func fnSub(s scope, arg any) (any, error) {
	text, vars := "", map[string]any{}
	switch a := arg.(type) {
	case string:
		text = a
	case []any:
		if len(a) != 2 {
			return nil, errArguments
		}
		var ok1, ok2 bool
		text, ok1 = a[0].(string)
		vars, ok2 = a[1].(map[string]any)
		if !ok1 || !ok2 {
			return nil, errArguments
		}
	default:
		return nil, errArguments
	}
	return Sub(text, func(name string) (string, error) {
		if x, own := vars[name]; own {
			return s.text(x)
		}
		return s.text(map[string]any{"Ref": name})
	})
}

// Sub replaces each ${name} of a text as Fn::Sub does, here and in CloudFormation; ${!name} stays as ${name}.
func Sub(text string, value func(name string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return "", fmt.Errorf("${%s is not closed", rest)
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		v, err := value(name)
		if err != nil {
			return "", err
		}
		out.WriteString(v)
	}
}

package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fountain/cloud/awsiot/policy"
)

// evaluator resolves the functions of a provisioning template.
type evaluator struct {
	params   map[string]string
	mappings map[string]map[string]map[string]any
	trial    bool
	calls    int
}

// maxCalls bounds the work of one evaluation: nested functions can multiply without end in a few hundred bytes.
const maxCalls = 10_000

func (e *evaluator) resource(pl *Plan, kind string, props map[string]any) (err error) {
	optional := func(key string, to *string) { // the first error stays
		if v, ok := props[key]; ok && err == nil {
			if *to, err = e.text(v); err != nil {
				err = fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	switch kind {
	case "AWS::IoT::Certificate":
		status := "ACTIVE"
		optional("Status", &status)
		switch strings.ToUpper(status) {
		case "ACTIVE":
		case "INACTIVE":
			pl.Inactive = true
		default:
			return errors.Join(err, fmt.Errorf("%q is no Status: want ACTIVE or INACTIVE", status))
		}
	case "AWS::IoT::Policy":
		var name string
		optional("PolicyName", &name)
		if name != "" {
			pl.Policies = append(pl.Policies, name)
		}
		if doc, ok := props["PolicyDocument"]; ok && err == nil {
			err = e.document(pl, doc)
		}
	case "AWS::IoT::Thing":
		if props["ThingName"] == nil {
			return errors.New("ThingName is missing")
		}
		optional("ThingName", &pl.Thing)
		optional("ThingTypeName", &pl.ThingType)
		optional("BillingGroup", &pl.BillingGroup)
		if err != nil {
			return err
		}
		attributes, isMap := props["AttributePayload"].(map[string]any)
		if props["AttributePayload"] != nil && !isMap {
			return errors.New("AttributePayload is no object")
		}
		for k, v := range attributes {
			if pl.Attributes[k], err = e.text(v); err != nil {
				return fmt.Errorf("AttributePayload.%s: %w", k, err)
			}
		}
		if g, ok := props["ThingGroups"]; ok {
			if pl.Groups, err = e.list(g); err != nil {
				err = fmt.Errorf("ThingGroups: %w", err)
			}
		}
	}
	return err
}

// document takes a policy that the template brings along, as an object or as text.
func (e *evaluator) document(pl *Plan, doc any) error {
	text, isText := doc.(string)
	if !isText {
		b, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		text = string(b)
	}
	if _, err := policy.ParseJSON("", []byte(text)); err != nil {
		return fmt.Errorf("PolicyDocument: %w", err)
	}
	pl.Documents = append(pl.Documents, text)
	return nil
}

// list evaluates what stands for a list of texts.
func (e *evaluator) list(v any) ([]string, error) {
	if m, ok := v.(map[string]any); ok && len(m) == 1 && m["Fn::Split"] != nil {
		args, _ := m["Fn::Split"].([]any)
		if len(args) != 2 {
			return nil, errors.New("Fn::Split wants a separator and a text")
		}
		sep, err1 := e.text(args[0])
		text, err2 := e.text(args[1])
		if err := errors.Join(err1, err2); err != nil || sep == "" {
			return nil, errors.Join(errors.New("Fn::Split wants a separator and a text"), err)
		}
		return strings.Split(text, sep), nil
	}
	items, ok := v.([]any)
	if !ok {
		return nil, errors.New("want a list")
	}
	var out []string
	for _, it := range items {
		s, err := e.text(it)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// text evaluates what stands for one text.
func (e *evaluator) text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case map[string]any:
		for fn, arg := range v {
			if len(v) == 1 {
				return e.call(fn, arg)
			}
		}
	}
	return "", fmt.Errorf("%v is neither text nor a function", v)
}

func (e *evaluator) call(fn string, arg any) (string, error) {
	if e.calls++; e.calls > maxCalls {
		return "", errors.New("the template calls too many functions")
	}
	args, _ := arg.([]any)
	switch fn {
	case "Ref":
		name, _ := arg.(string)
		v, ok := e.params[name]
		if !ok {
			return "", fmt.Errorf("there is no parameter %q to Ref", name)
		}
		return v, nil
	case "Fn::Join":
		if len(args) != 2 {
			return "", errors.New("Fn::Join wants a separator and a list")
		}
		sep, err := e.text(args[0])
		if err != nil {
			return "", err
		}
		parts, err := e.list(args[1])
		return strings.Join(parts, sep), err
	case "Fn::Select":
		if len(args) != 2 {
			return "", errors.New("Fn::Select wants an index and a list")
		}
		items, err := e.list(args[1])
		if err != nil {
			return "", err
		}
		n, err := strconv.Atoi(fmt.Sprint(args[0]))
		switch {
		case err != nil || n < 0:
			return "", fmt.Errorf("Fn::Select: %v is no index", args[0])
		case n >= len(items) && e.trial:
			return "sample", nil
		case n >= len(items):
			return "", fmt.Errorf("%w: Fn::Select: there are %d items, none has index %d", ErrParameters, len(items), n)
		}
		return items[n], nil
	case "Fn::FindInMap":
		keys, err := e.list(arg)
		if err != nil || len(keys) != 3 {
			return "", errors.Join(errors.New("Fn::FindInMap wants a map and two keys"), err)
		}
		m, ok := e.mappings[keys[0]]
		if !ok {
			return "", fmt.Errorf("there is no map %q", keys[0])
		}
		s, ok := m[keys[1]][keys[2]].(string)
		switch {
		case !ok && e.trial:
			return "sample", nil
		case !ok:
			return "", fmt.Errorf("%w: map %s has no %s.%s", ErrParameters, keys[0], keys[1], keys[2])
		}
		return s, nil
	case "Fn::Sub":
		return e.sub(arg)
	}
	return "", fmt.Errorf("there is no function %q in provisioning templates", fn)
}

func (e *evaluator) sub(arg any) (string, error) {
	text, ok := arg.(string)
	own := map[string]any{}
	if args, isList := arg.([]any); isList && len(args) == 2 {
		text, ok = args[0].(string)
		var isMap bool
		own, isMap = args[1].(map[string]any)
		ok = ok && isMap
	}
	if !ok {
		return "", errors.New("Fn::Sub wants a text, or a text and an object")
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("Fn::Sub: ${%s is not closed", rest)
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			b.WriteString("${" + literal + "}")
			continue
		}
		v, given := own[name]
		if !given {
			v = map[string]any{"Ref": name}
		}
		s, err := e.text(v)
		if err != nil {
			return "", fmt.Errorf("Fn::Sub: %w", err)
		}
		b.WriteString(s)
	}
}

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fountain/internal/strictjson"
)

// Error says what is wrong at which place of a document.
type Error struct {
	Path []any // keys and indices from the document's root
	What string
}

// Error implements error.
func (e *Error) Error() string {
	where := ""
	for _, p := range e.Path {
		switch p := p.(type) {
		case string:
			where += "." + p
		case int:
			where += fmt.Sprintf("[%d]", p)
		}
	}
	if where == "" {
		return e.What
	}
	return strings.TrimPrefix(where, ".") + ": " + e.What
}

// Versions of the language. In the old one ${…} is plain text.
const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

// Parse reads a policy document of our own templates, given as JSON values. arn is "arn:aws:iot:REGION:ACCOUNT:".
// Beyond ParseJSON it wants version 2012-10-17, actions of MQTT, resources of this account that go with the actions,
// keys that are known, and no Allow that is as good as everything: an action or a whole name that is only a wildcard.
// Errors are *Error.
func Parse(name string, doc any, arn string) (*Policy, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, &Error{What: err.Error()}
	}
	return parse(name, doc, bytes.TrimSpace(b.Bytes()), arn)
}

// ParseJSON reads a policy document as CreatePolicy takes it. Errors are *Error; AWS tells them as
// MalformedPolicyException with "Policy document is Malformed: " and the text.
func ParseJSON(name string, document []byte) (*Policy, error) {
	var doc any
	if err := strictjson.Numbers(bytes.NewReader(document), &doc); err != nil {
		return nil, &Error{What: fmt.Sprintf("the document is no JSON: %v", err)}
	}
	return parse(name, doc, bytes.Clone(document), "")
}

// parser reads one document. A non-empty arn means strict.
type parser struct {
	arn           string
	deniesClients bool
}

func (p *parser) strict() bool { return p.arn != "" }

func parse(name string, doc any, text []byte, arn string) (*Policy, error) {
	out := &Policy{Name: name, Document: text}
	ps := &parser{arn: arn}
	root, ok := doc.(map[string]any)
	if !ok {
		return nil, &Error{What: "the document is no object"}
	}
	for k := range root {
		switch k {
		case "Version", "Statement", "Id":
		default:
			return nil, &Error{Path: []any{k}, What: fmt.Sprintf("%s does not belong into a policy", k)}
		}
	}
	ps.deniesClients = deniesClients(root)
	version, given := root["Version"]
	literal := !given || version == version2008
	if ps.strict() && version != version2012 || !literal && version != version2012 {
		return nil, &Error{Path: []any{"Version"}, What: "Version must be " + version2012}
	}
	if len(list(root["Statement"])) == 0 {
		return nil, &Error{What: "a policy needs a Statement"}
	}
	for i, raw := range list(root["Statement"]) {
		at := []any{"Statement", i}
		if _, one := root["Statement"].(map[string]any); one {
			at = at[:1]
		}
		st, err := ps.statement(raw, at)
		if err != nil {
			return nil, err
		}
		st.literal = literal
		out.statements = append(out.statements, *st)
	}
	if n := Size(text); n > MaxSize {
		return nil, &Error{What: fmt.Sprintf("the document has %d characters without white space, at most %d are allowed", n, MaxSize)}
	}
	return out, nil
}

// Size is the length of a document that the quota is about: characters without white space.
func Size(document []byte) int {
	n := 0
	for _, r := range string(document) {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

func (p *parser) statement(raw any, at []any) (*statement, error) {
	fail := func(what string, more ...any) (*statement, error) {
		return nil, &Error{Path: append(slices.Clone(at), more...), What: what}
	}
	m, ok := raw.(map[string]any)
	if !ok {
		return fail("a statement is no object")
	}
	st := &statement{}
	for k, v := range m {
		switch k {
		case "Effect", "Action", "Resource", "Condition":
		case "NotResource":
			if p.strict() {
				return fail("NotResource allows more than it says: name the resources", k)
			}
			st.except = true
		case "Sid":
			if _, ok := v.(string); !ok {
				return fail("Sid must be text", k)
			}
		case "NotAction", "Principal", "NotPrincipal":
			return fail(k+" is not part of AWS IoT's policies", k)
		default: // ignoring it would allow too much
			return fail(k+" does not belong into a statement", k)
		}
	}
	switch m["Effect"] {
	case "Allow":
	case "Deny":
		st.deny = true
	default:
		return fail("Effect must be Allow or Deny", "Effect")
	}
	wanted := map[string]bool{}
	for j, a := range list(m["Action"]) {
		act, _ := a.(string)
		if err := p.action(act, st.deny); err != nil {
			return fail(err.Error(), "Action", j)
		}
		wanted[kinds[Action(act)]] = true
		st.actions = append(st.actions, act)
	}
	key := "Resource"
	if st.except {
		key = "NotResource"
		if _, both := m["Resource"]; both {
			return fail("a statement has Resource or NotResource", key)
		}
	}
	for j, r := range list(m[key]) {
		res, _ := r.(string)
		if err := p.resource(res, st.deny, wanted); err != nil {
			return fail(err.Error(), key, j)
		}
		st.resources = append(st.resources, res)
	}
	if len(st.actions) == 0 || len(st.resources) == 0 {
		return fail("a statement needs Action and Resource")
	}
	if c, ok := m["Condition"]; ok {
		conditions, err := p.conditions(c, append(slices.Clone(at), "Condition"))
		if err != nil {
			return nil, err
		}
		st.conditions = conditions
	}
	return st, nil
}

// list returns the items of a list, or the single value as a list of one, as IAM allows.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// actionForm is what an action must look like; greengrass:… stands in policies too.
var actionForm = regexp.MustCompile(`^[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+$`)

func (p *parser) action(act string, deny bool) error {
	if !p.strict() {
		if act != "*" && !actionForm.MatchString(act) {
			return fmt.Errorf("the action %q is invalid", act)
		}
		return nil
	}
	switch wild := strings.ContainsAny(act, "*?"); {
	case wild && deny && (act == "*" || act == "iot:*"):
	case wild:
		return fmt.Errorf("%q allows more than a device needs: name the actions", act)
	case !mqtt[Action(act)]:
		return fmt.Errorf("there is no action %q on MQTT", act)
	}
	return nil
}

// variables matches ${name}.
var variables = regexp.MustCompile(`\$\{([^}]*)\}`)

func (p *parser) variables(text string) error {
	if !p.strict() {
		return nil
	}
	for _, m := range variables.FindAllStringSubmatch(text, -1) {
		if v := m[1]; v != "*" && v != "?" && v != "$" && !knownKey(v) {
			return fmt.Errorf("variable ${%s} is unknown", v)
		}
	}
	return nil
}

func (p *parser) resource(res string, deny bool, wanted map[string]bool) error {
	if err := p.variables(res); err != nil {
		return err
	}
	if !p.strict() {
		if res != "*" && (!strings.HasPrefix(res, "arn:") || strings.Count(res, ":") < 5) {
			return fmt.Errorf("the resource %s is not in valid ARN format", res)
		}
		return nil
	}
	if res == "*" {
		if !deny {
			return errors.New("resource * allows more than a device needs: name the resources")
		}
		return nil
	}
	rest, ok := strings.CutPrefix(res, p.arn)
	if !ok {
		return fmt.Errorf("resource %q is not of this account and region (want %s…)", res, p.arn)
	}
	kind, name, ok := strings.Cut(rest, "/")
	if !ok || name == "" || !slices.Contains([]string{"client", "topic", "topicfilter"}, kind) {
		return fmt.Errorf("resource %q is no client, topic or topicfilter", res)
	}
	if !wanted[kind] && !wanted[""] { // wanted[""]: a wildcard in a Deny
		return fmt.Errorf("resource %q does not go with the statement's actions", res)
	}
	if !deny && anybody(kind, name) && !(kind == "client" && p.deniesClients) {
		return fmt.Errorf("resource %q allows more than a device needs", res)
	}
	return nil
}

// anybody tells whether a name says nothing about who asks.
func anybody(kind, name string) bool {
	return strings.Trim(name, "*?+#/") == "" || kind == "client" && name == "${iot:ClientId}"
}

// deniesClients tells whether a document denies some client ids by name: it may then allow the others.
func deniesClients(root map[string]any) bool {
	return slices.ContainsFunc(list(root["Statement"]), func(raw any) bool {
		m, _ := raw.(map[string]any)
		return m["Effect"] == "Deny" && slices.Contains(list(m["Action"]), any(string(Connect))) &&
			slices.ContainsFunc(list(m["Resource"]), func(r any) bool {
				res, _ := r.(string)
				return strings.Contains(res, ":client/")
			})
	})
}

func (p *parser) conditions(raw any, at []any) ([]condition, error) {
	fail := func(what string, more ...any) ([]condition, error) {
		return nil, &Error{Path: append(slices.Clone(at), more...), What: what}
	}
	byOp, ok := raw.(map[string]any)
	if !ok {
		return fail("Condition is no object")
	}
	var out []condition
	for op, v := range byOp {
		form, ok := parseOperator(op)
		if !ok {
			return fail(fmt.Sprintf("the condition operator %q is not understood", op), op)
		}
		byKey, ok := v.(map[string]any)
		if !ok {
			return fail("a condition is no object", op)
		}
		for key, v := range byKey {
			if p.strict() && !knownKey(key) {
				return fail(fmt.Sprintf("the condition key %q is unknown", key), op, key)
			}
			c := form
			c.key = key
			for _, x := range list(v) {
				text, ok := scalar(x)
				if !ok {
					return fail("a condition's value must be text", op, key)
				}
				if err := p.variables(text); err != nil {
					return fail(err.Error(), op, key)
				}
				c.want = append(c.want, text)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// scalar returns text, numbers and booleans as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

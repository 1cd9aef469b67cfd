// Package policy is the language of AWS IoT policies: documents, and what they allow to whom (spec/awsiot.md 5). It is
// pure; it imports the standard library only.
package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Action is what a connection asks leave for.
type Action string

// Actions of IoT policies on MQTT.
const (
	Connect       Action = "iot:Connect"
	Publish       Action = "iot:Publish"
	RetainPublish Action = "iot:RetainPublish"
	Subscribe     Action = "iot:Subscribe"
	Receive       Action = "iot:Receive"
)

// kinds says which resource each action is about.
var kinds = map[Action]string{Connect: "client", Publish: "topic", RetainPublish: "topic", Subscribe: "topicfilter", Receive: "topic"}

// maxSize is the quota on a policy document, characters without white space.
const maxSize = 2048

// Principal is who asks. Thing is set only when the client id is the thing's name and the certificate is attached to
// it: then, and only then, thing variables resolve.
type Principal struct {
	ClientID  string
	Thing     string
	ThingType string
}

// Policy is a policy document, ready to be asked.
type Policy struct {
	Name       string
	statements []statement
}

type statement struct {
	deny      bool
	actions   []string
	resources []string // full ARNs with wildcards and variables, or "*"
}

// policyVariable matches the variables that the evaluator knows.
var policyVariable = regexp.MustCompile(`\$\{([^}]*)\}`)

func knownVariable(name string) bool {
	switch name {
	case "iot:ClientId", "iot:Connection.Thing.ThingName", "iot:Connection.Thing.ThingTypeName", "iot:Connection.Thing.IsAttached":
		return true
	}
	return false
}

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

// Parse reads a policy document, given as JSON values. arn is "arn:aws:iot:REGION:ACCOUNT:". Errors are *Error.
func Parse(name string, doc any, arn string) (*Policy, error) {
	p := &Policy{Name: name}
	root, _ := doc.(map[string]any)
	fail := func(format string, args ...any) func(path ...any) (*Policy, error) {
		return func(path ...any) (*Policy, error) { return nil, &Error{Path: path, What: fmt.Sprintf(format, args...)} }
	}
	if root["Version"] != "2012-10-17" {
		return fail("Version must be 2012-10-17")()
	}
	for i, raw := range list(root["Statement"]) {
		at := []any{"Statement", i}
		if _, one := root["Statement"].(map[string]any); one {
			at = at[:1]
		}
		place := func(more ...any) []any { return append(append([]any{}, at...), more...) }
		m, ok := raw.(map[string]any)
		if !ok {
			return fail("a statement is no mapping")(at...)
		}
		st := statement{}
		for k := range m {
			switch k {
			case "Effect", "Action", "Resource", "Sid":
			default: // ignoring a Condition would allow too much
				return fail("%s is not understood by the local cloud", k)(place(k)...)
			}
		}
		switch m["Effect"] {
		case "Allow":
		case "Deny":
			st.deny = true
		default:
			return fail("Effect must be Allow or Deny")(place("Effect")...)
		}
		wanted := map[string]bool{}
		for j, a := range list(m["Action"]) {
			act, _ := a.(string)
			if act != "iot:*" && act != "*" {
				kind, ok := kinds[Action(act)]
				if !ok {
					return fail("there is no action %q on MQTT", act)(place("Action", j)...)
				}
				wanted[kind] = true
			}
			st.actions = append(st.actions, act)
		}
		for j, r := range list(m["Resource"]) {
			res, _ := r.(string)
			if err := checkResource(res, arn, wanted); err != nil {
				return fail("%v", err)(place("Resource", j)...)
			}
			st.resources = append(st.resources, res)
		}
		if len(st.actions) == 0 || len(st.resources) == 0 {
			return fail("a statement needs Action and Resource")(at...)
		}
		p.statements = append(p.statements, st)
	}
	if n := size(doc); n > maxSize {
		return fail("the document has %d characters without white space, at most %d are allowed", n, maxSize)()
	}
	return p, nil
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

func checkResource(res, arn string, wanted map[string]bool) error {
	for _, m := range policyVariable.FindAllStringSubmatch(res, -1) {
		if !knownVariable(m[1]) {
			return fmt.Errorf("variable ${%s} is unknown", m[1])
		}
	}
	if res == "*" {
		return nil
	}
	rest, ok := strings.CutPrefix(res, arn)
	if !ok {
		return fmt.Errorf("resource %q is not of this account and region (want %s…)", res, arn)
	}
	kind, name, ok := strings.Cut(rest, "/")
	if !ok || name == "" || !slices.Contains([]string{"client", "topic", "topicfilter"}, kind) {
		return fmt.Errorf("resource %q is no client, topic or topicfilter", res)
	}
	if len(wanted) > 0 && !wanted[kind] {
		return fmt.Errorf("resource %q does not go with the statement's actions", res)
	}
	return nil
}

func size(doc any) int {
	b, err := json.Marshal(doc)
	if err != nil {
		return 0 // plain values
	}
	return len(b)
}

// Allowed evaluates policies as AWS IoT does: what no statement allows is denied, an explicit deny wins. arn is
// "arn:aws:iot:REGION:ACCOUNT:"; name is what follows the kind in the resource.
func Allowed(policies []*Policy, arn string, who Principal, act Action, name string) bool {
	want := arn + kinds[act] + "/" + name
	ok := false
	for _, p := range policies {
		for _, s := range p.statements {
			if !s.names(act) || !s.covers(want, who) {
				continue
			}
			if s.deny {
				return false
			}
			ok = true
		}
	}
	return ok
}

func (s *statement) names(act Action) bool {
	return slices.ContainsFunc(s.actions, func(a string) bool { return a == "*" || a == "iot:*" || a == string(act) })
}

func (s *statement) covers(want string, who Principal) bool {
	return slices.ContainsFunc(s.resources, func(res string) bool {
		if res == "*" {
			return true
		}
		pattern, ok := compile(res, who)
		return ok && match(pattern, want)
	})
}

// Wildcards are runes outside Unicode in a compiled pattern, so that a '*' inside a client id stays a plain character.
const (
	anyRun  = rune(-1)
	anyRune = rune(-2)
)

// compile puts variables and wildcards in. It reports false when a variable has no value: then nothing matches.
func compile(res string, who Principal) ([]rune, bool) {
	var out []rune
	for len(res) > 0 {
		i := strings.IndexAny(res, "*?$")
		if i < 0 {
			return append(out, []rune(res)...), true
		}
		out = append(out, []rune(res[:i])...)
		res = res[i:]
		switch {
		case res[0] == '*':
			out, res = append(out, anyRun), res[1:]
		case res[0] == '?':
			out, res = append(out, anyRune), res[1:]
		case strings.HasPrefix(res, "${"):
			name, rest, _ := strings.Cut(res[2:], "}")
			v := who.variable(name)
			if v == "" {
				return nil, false
			}
			out, res = append(out, []rune(v)...), rest
		default:
			out, res = append(out, '$'), res[1:]
		}
	}
	return out, true
}

func (w Principal) variable(name string) string {
	switch name {
	case "iot:ClientId":
		return w.ClientID
	case "iot:Connection.Thing.ThingName":
		return w.Thing
	case "iot:Connection.Thing.ThingTypeName":
		if w.Thing != "" {
			return w.ThingType
		}
	case "iot:Connection.Thing.IsAttached":
		if w.Thing != "" {
			return "true"
		}
		return "false"
	}
	return ""
}

// match tells whether s fits a compiled pattern. It needs no more than len(p)·len(s) steps.
func match(p []rune, text string) bool {
	s := []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == anyRun:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == anyRune || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anyRun {
		i++
	}
	return i == len(p)
}

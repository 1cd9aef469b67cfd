package awsiot

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
	ActConnect   Action = "iot:Connect"
	ActPublish   Action = "iot:Publish"
	ActRetain    Action = "iot:RetainPublish"
	ActSubscribe Action = "iot:Subscribe"
	ActReceive   Action = "iot:Receive"
)

// kinds says which resource each action is about.
var kinds = map[Action]string{ActConnect: "client", ActPublish: "topic", ActRetain: "topic", ActSubscribe: "topicfilter", ActReceive: "topic"}

// maxPolicySize is the quota on a policy document, characters without white space.
const maxPolicySize = 2048

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
	line      int
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

// parsePolicy reads a resolved policy document. arn is "arn:aws:iot:REGION:ACCOUNT:".
func parsePolicy(r *resolver, name string, doc node, arn string) (*Policy, error) {
	p := &Policy{Name: name}
	if doc.get("Version").str() != "2012-10-17" {
		return nil, r.errorf(doc.line, "policy %s: Version must be 2012-10-17", name)
	}
	for _, s := range doc.get("Statement").list() {
		st := statement{line: s.line}
		m, ok := s.v.(map[string]node)
		if !ok {
			return nil, r.errorf(s.line, "policy %s: a statement is no mapping", name)
		}
		for k, v := range m {
			switch k {
			case "Effect", "Action", "Resource", "Sid":
			default: // ignoring a Condition would allow too much
				return nil, r.errorf(v.line, "policy %s: %s is not understood by the local cloud", name, k)
			}
		}
		switch s.get("Effect").str() {
		case "Allow":
		case "Deny":
			st.deny = true
		default:
			return nil, r.errorf(s.line, "policy %s: Effect must be Allow or Deny", name)
		}
		wanted := map[string]bool{}
		for _, a := range s.get("Action").list() {
			act := a.str()
			if act != "iot:*" && act != "*" {
				kind, ok := kinds[Action(act)]
				if !ok {
					return nil, r.errorf(a.line, "policy %s: there is no action %q on MQTT", name, act)
				}
				wanted[kind] = true
			}
			st.actions = append(st.actions, act)
		}
		for _, res := range s.get("Resource").list() {
			if err := checkResource(res.str(), arn, wanted); err != nil {
				return nil, r.errorf(res.line, "policy %s: %v", name, err)
			}
			st.resources = append(st.resources, res.str())
		}
		if len(st.actions) == 0 || len(st.resources) == 0 {
			return nil, r.errorf(s.line, "policy %s: a statement needs Action and Resource", name)
		}
		p.statements = append(p.statements, st)
	}
	if n := policySize(doc); n > maxPolicySize {
		return nil, r.errorf(doc.line, "policy %s has %d characters without white space, at most %d are allowed", name, n, maxPolicySize)
	}
	return p, nil
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

func policySize(n node) int {
	b, err := json.Marshal(n.plain())
	if err != nil {
		return 0 // plain holds only strings, lists and maps
	}
	return len(b)
}

// plain returns the node as JSON values.
func (n node) plain() any {
	switch v := n.v.(type) {
	case []node:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i].plain()
		}
		return out
	case map[string]node:
		out := map[string]any{}
		for k := range v {
			out[k] = v[k].plain()
		}
		return out
	}
	return n.v
}

// allowed evaluates policies as AWS IoT does: what no statement allows is denied, an explicit deny wins.
func allowed(policies []*Policy, arn string, who Principal, act Action, name string) bool {
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

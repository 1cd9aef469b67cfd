package wire

import "strings"

const (
	rulePrefix      = "$aws/rules/"
	thingPrefix     = "$aws/things/"
	provisionPrefix = "$aws/provisioning-templates/"
)

// Suffixes of answers.
const (
	accepted = "/accepted"
	rejected = "/rejected"
)

// BasicIngest is the topic on which a unit sends its consumption: $aws/rules/<rule>/c/<thing>.
func BasicIngest(rule, thing string) string { return rulePrefix + rule + "/c/" + thing }

// ParseBasicIngest takes a topic of any rule apart: the rule's name and what follows it ("c/<thing>", or nothing), which is
// all that topic(n) of the rule's SQL sees.
func ParseBasicIngest(topic string) (rule, rest string, ok bool) {
	r, ok := strings.CutPrefix(topic, rulePrefix)
	if !ok {
		return "", "", false
	}
	rule, rest, more := strings.Cut(r, "/")
	return rule, rest, rule != "" && more == (rest != "")
}

// Operations on a shadow.
const (
	ShadowGet    = "get"
	ShadowUpdate = "update"
	ShadowDelete = "delete"
)

// ShadowPath is the topic prefix of one shadow.
type ShadowPath string

// Shadow returns the prefix of a thing's shadow; an empty name is the classic shadow.
func Shadow(thing, name string) ShadowPath {
	p := thingPrefix + thing + "/shadow"
	if name != "" {
		p += "/name/" + name
	}
	return ShadowPath(p)
}

// Request is the topic that asks for op.
func (p ShadowPath) Request(op string) string { return string(p) + "/" + op }

// Accepted is the topic of op's good answer.
func (p ShadowPath) Accepted(op string) string { return string(p) + "/" + op + accepted }

// Rejected is the topic of op's refusal.
func (p ShadowPath) Rejected(op string) string { return string(p) + "/" + op + rejected }

// Delta is the topic that tells what desired has and reported has not.
func (p ShadowPath) Delta() string { return string(p) + "/update/delta" }

// Documents is the topic that tells the whole document before and after an update.
func (p ShadowPath) Documents() string { return string(p) + "/update/documents" }

// ShadowTopic is a shadow's topic taken apart.
type ShadowTopic struct {
	Thing string
	Name  string // empty: the classic shadow
	Op    string // get, update or delete
	Kind  string // empty for a request, else accepted, rejected, delta or documents
}

// ParseShadow takes a shadow topic apart; ok is false when it is none.
func ParseShadow(topic string) (t ShadowTopic, ok bool) {
	rest, ok := strings.CutPrefix(topic, thingPrefix)
	if !ok {
		return t, false
	}
	l := strings.Split(rest, "/")
	if len(l) < 3 || l[0] == "" || l[1] != "shadow" {
		return t, false
	}
	t.Thing, l = l[0], l[2:]
	if l[0] == "name" {
		if len(l) < 3 || l[1] == "" {
			return t, false
		}
		t.Name, l = l[1], l[2:]
	}
	switch l[0] {
	case ShadowGet, ShadowUpdate, ShadowDelete:
	default:
		return t, false
	}
	t.Op = l[0]
	if len(l) == 1 {
		return t, true
	}
	t.Kind = l[1]
	switch {
	case len(l) != 2:
		return t, false
	case t.Kind == "accepted" || t.Kind == "rejected":
		return t, true
	case t.Op == ShadowUpdate && (t.Kind == "delta" || t.Kind == "documents"):
		return t, true
	}
	return t, false
}

// String puts the topic together again.
func (t ShadowTopic) String() string {
	s := Shadow(t.Thing, t.Name).Request(t.Op)
	if t.Kind != "" {
		s += "/" + t.Kind
	}
	return s
}

// Topics of fleet provisioning, JSON form. Answers arrive on Accepted(topic) and Rejected(topic).
const (
	TopicCreateKeys    = "$aws/certificates/create/json"
	TopicCreateFromCSR = "$aws/certificates/create-from-csr/json"
)

// RotationTemplate is the provisioning template by which a unit registers a new certificate for itself, with the one it
// has (docs/adr/0028). Its parameters are ParamSerial and ParamReplaces.
const (
	RotationTemplate = "fountain-rotation"
	ParamSerial      = "SerialNumber"
	ParamReplaces    = "Replaces" // the certificate in use; the hook sets it
)

// AttributeReplaces is the thing's attribute that holds ParamReplaces until the new certificate has connected.
const AttributeReplaces = "replaces"

// TopicProvision is the topic that registers a thing by the named provisioning template.
func TopicProvision(template string) string { return provisionPrefix + template + "/provision/json" }

// ParseProvision returns the template of a provisioning topic and what kind of answer it is (accepted, rejected, none).
func ParseProvision(topic string) (template, kind string, ok bool) {
	rest, ok := strings.CutPrefix(topic, provisionPrefix)
	if !ok {
		return "", "", false
	}
	template, rest, ok = strings.Cut(rest, "/provision/json")
	if !ok || template == "" || strings.Contains(template, "/") {
		return "", "", false
	}
	switch rest {
	case "", accepted, rejected:
		return template, strings.TrimPrefix(rest, "/"), true
	}
	return "", "", false
}

// Accepted is the topic of a request's good answer.
func Accepted(request string) string { return request + accepted }

// Rejected is the topic of a request's refusal.
func Rejected(request string) string { return request + rejected }

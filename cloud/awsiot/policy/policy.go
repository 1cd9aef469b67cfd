// Package policy is the language of AWS IoT policies: documents, and what they allow to whom (spec/awsiot.md 5). It is
// pure; it imports the standard library only and owns no state.
//
//	template ──► Parse, strict ──┐
//	CreatePolicy ─► ParseJSON ───┴──► Policy ──► Decide(policies, who, action, name)
//
// Parse takes what our own templates may hold and refuses what is too broad for a device; ParseJSON takes what AWS takes
// and refuses only what it could not evaluate: nothing that stands in a document is ever ignored.
package policy

import "strings"

// Action is what a connection or a request asks leave for.
type Action string

// Actions of IoT policies on MQTT.
const (
	Connect       Action = "iot:Connect"
	Publish       Action = "iot:Publish"
	RetainPublish Action = "iot:RetainPublish"
	Subscribe     Action = "iot:Subscribe"
	Receive       Action = "iot:Receive"
)

// Actions of IoT policies over HTTPS with a certificate. On MQTT the same is granted by topic. The name of a shadow
// action is "THING", or "THING/SHADOW" for a named shadow; of a job action and of ListNamedShadows "THING". The guide
// writes job actions with iot: and, later, with iotjobsdata:, and in its example for devices about the resource
// topic/$aws/things/THING: both are taken.
const (
	GetShadow        Action = "iot:GetThingShadow"
	UpdateShadow     Action = "iot:UpdateThingShadow"
	DeleteShadow     Action = "iot:DeleteThingShadow"
	ListNamedShadows Action = "iot:ListNamedShadowsForThing"
	GetPendingJobs   Action = "iot:GetPendingJobExecutions"
	StartNextJob     Action = "iot:StartNextPendingJobExecution"
	DescribeJob      Action = "iot:DescribeJobExecution"
	UpdateJob        Action = "iot:UpdateJobExecution"
	GetRetained      Action = "iot:GetRetainedMessage"
	ListRetained     Action = "iot:ListRetainedMessages" // name is empty: only the resource * grants it
)

// kinds says which resource each action is about; empty: no resource but *.
var kinds = map[Action]string{
	Connect: "client", Publish: "topic", RetainPublish: "topic", Subscribe: "topicfilter", Receive: "topic",
	GetShadow: "thing", UpdateShadow: "thing", DeleteShadow: "thing", ListNamedShadows: "thing",
	GetPendingJobs: "thing", StartNextJob: "thing", DescribeJob: "thing", UpdateJob: "thing",
	GetRetained: "topic", ListRetained: "",
}

// jobActions are those that AWS moved to a prefix of their own.
var jobActions = map[Action]bool{GetPendingJobs: true, StartNextJob: true, DescribeJob: true, UpdateJob: true}

const (
	jobPrefix   = "iotjobsdata:"
	thingTopics = "topic/$aws/things/"
)

// mqtt lists the actions that mean something on MQTT, the only ones our templates may grant.
var mqtt = map[Action]bool{Connect: true, Publish: true, RetainPublish: true, Subscribe: true, Receive: true}

// MaxSize is the quota on a policy document, characters without white space.
const MaxSize = 2048

// Principal is who asks, and how. Thing is set only when the client id is the thing's name and the certificate is
// attached to it: then, and only then, thing variables resolve. What is empty has no value for variables and conditions.
type Principal struct {
	ClientID   string
	Thing      string
	ThingType  string
	Attributes map[string]string // of Thing

	SourceIP      string // address without port
	DomainName    string // the server name the client asked for
	CertificateID string
	Certificate   map[string][]string // from CertificateAttributes

	// Of a CONNECT only.
	Persistent  bool   // MQTT 3.1.1: CleanSession 0; MQTT 5: Session Expiry above 0
	LastWill    bool   // it carries a will
	LastWillARN string // "arn:aws:iot:REGION:ACCOUNT:topic/TOPIC" of the will
}

// Policy is a policy document, ready to be asked. It never changes.
type Policy struct {
	Name string
	// Document is the document as JSON: as it was given to ParseJSON, or made from what was given to Parse.
	Document   []byte
	statements []statement
}

type statement struct {
	deny       bool
	literal    bool // Version 2008-10-17: ${…} is plain text
	actions    []string
	resources  []string // full ARNs with wildcards and variables, or "*"
	except     bool     // it is about all other resources
	conditions []condition
}

// Decision is the outcome of Decide. Without an explicit allow the request is denied implicitly.
type Decision struct {
	Allowed bool
	Denied  string   // name of the policy that denies explicitly; empty when none does
	By      []string // names of the policies that allow, also when another one denies
}

// Allowed evaluates policies as AWS IoT does: what no statement allows is denied, an explicit deny wins. arn is
// "arn:aws:iot:REGION:ACCOUNT:"; name is what follows the kind in the resource.
func Allowed(policies []*Policy, arn string, who Principal, act Action, name string) bool {
	return Decide(policies, arn, who, act, name).Allowed
}

// Decide is Allowed with the reason.
func Decide(policies []*Policy, arn string, who Principal, act Action, name string) Decision {
	var want []string
	if kind := kinds[act]; kind != "" {
		want = append(want, arn+kind+"/"+name)
	}
	if jobActions[act] {
		want = append(want, arn+thingTopics+name)
	}
	var d Decision
	for _, p := range policies {
		allows := false
		for _, s := range p.statements {
			switch {
			case !s.names(act) || !s.covers(want, &who) || !s.holds(&who, act):
			case s.deny && d.Denied == "":
				d.Denied = p.Name
			case !s.deny:
				allows = true
			}
		}
		if allows {
			d.By = append(d.By, p.Name)
		}
	}
	d.Allowed = d.Denied == "" && len(d.By) > 0
	return d
}

func (s *statement) names(act Action) bool {
	moved := ""
	if jobActions[act] {
		moved = jobPrefix + strings.TrimPrefix(string(act), "iot:")
	}
	for _, a := range s.actions {
		if sameAction(a, string(act)) || moved != "" && sameAction(a, moved) {
			return true
		}
	}
	return false
}

func sameAction(pattern, act string) bool {
	return strings.EqualFold(pattern, act) || strings.ContainsAny(pattern, "*?") && matchFold(pattern, act)
}

func (s *statement) covers(want []string, who *Principal) bool {
	for _, res := range s.resources {
		if res == "*" {
			return !s.except
		}
		for _, w := range want {
			if !strings.HasPrefix(w, res[:plainLength(res)]) {
				continue
			}
			pattern, ok := s.compile(res, who)
			switch {
			case ok && match(pattern, w):
				return !s.except
			case !ok && s.except: // nobody knows what is excepted: nothing is allowed
				return s.deny
			}
		}
	}
	return s.except
}

func (s *statement) holds(who *Principal, act Action) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(s, who, act) {
			return false
		}
	}
	return true
}

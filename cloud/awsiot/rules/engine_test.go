package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// rig is an engine with a queue, a topic and a log that can be looked at.
type rig struct {
	*Engine
	sent   []Message
	topics []string
	log    bytes.Buffer
	refuse map[string]bool // queues
}

func newRig(t *testing.T, rules ...*Rule) *rig {
	t.Helper()
	r := &rig{refuse: map[string]bool{}}
	r.Engine = &Engine{
		Rules: map[string]*Rule{},
		Deliver: func(_ context.Context, m Message) error {
			if r.refuse[m.Queue] {
				return errors.New("no such queue")
			}
			r.sent = append(r.sent, m)
			return nil
		},
		Republish: func(topic string, qos byte, payload []byte) error {
			r.topics = append(r.topics, topic+" "+string('0'+rune(qos))+" "+string(payload))
			return nil
		},
		Match: func(filter, topic string) bool {
			return filter == topic || strings.HasSuffix(filter, "#") && strings.HasPrefix(topic, filter[:len(filter)-1])
		},
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	}
	for _, rule := range rules {
		r.Rules[rule.Name] = rule
	}
	return r
}

func rule(t *testing.T, name, sql string, errorQueue string, actions ...Action) *Rule {
	t.Helper()
	q, err := ParseQuery(sql)
	if err != nil {
		t.Fatal(err)
	}
	r := &Rule{Name: name, Query: q, Actions: actions}
	if errorQueue != "" {
		r.ErrorAction = &Action{Queue: errorQueue}
	}
	return r
}

func topicOf(t *testing.T, text string) *Topic {
	t.Helper()
	topic, err := ParseTopic(text)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

func TestActions(t *testing.T) {
	r := newRig(t,
		rule(t, "a", "SELECT x, topic(2) AS t FROM 'c/#'", "", Action{Queue: "q"}, Action{Queue: "q64", Base64: true}, Action{Topic: topicOf(t, "out/${topic(2)}"), QoS: 1}),
		rule(t, "b", "SELECT x FROM 'c/#' WHERE x > 1", "", Action{Queue: "qb"}),
		&Rule{Name: "off", Query: &Query{From: "c/#"}, Disabled: true, Actions: []Action{{Queue: "never"}}},
	)
	r.Published(t.Context(), "c/u1", "u1", []byte(`{"x":1}`))
	want := []Message{{Queue: "q", Body: []byte(`{"t":"u1","x":1}`)}, {Queue: "q64", Body: []byte("eyJ0IjoidTEiLCJ4IjoxfQ==")}}
	if !reflect.DeepEqual(r.sent, want) || len(r.topics) != 1 || r.topics[0] != `out/u1 1 {"t":"u1","x":1}` {
		t.Fatalf("sent %+v, published %q", r.sent, r.topics)
	}
	r.Published(t.Context(), "d/u1", "u1", []byte(`{"x":2}`))
	if len(r.sent) != 2 {
		t.Fatal("a rule ran on a topic it does not cover")
	}
	// Basic Ingest runs the one rule that is named, and its FROM still counts.
	for topic, n := range map[string]int{"$aws/rules/b/c/u1": 1, "$aws/rules/b/d/u1": 0, "$aws/rules/off/c/u1": 0} {
		before := len(r.sent)
		if ok, err := r.Ingest(t.Context(), topic, "u1", []byte(`{"x":2}`)); !ok || err != nil || len(r.sent) != before+n {
			t.Errorf("%s: %v, %v, %d sent", topic, ok, err, len(r.sent)-before)
		}
	}
	if c := r.Counts()["off"]; c.RuleNotFound != 1 || c.TopicMatch != 0 {
		t.Errorf("Basic Ingest to an inactive rule: %+v", c)
	}
	if ok, _ := r.Ingest(t.Context(), "c/u1", "u1", nil); ok {
		t.Error("an ordinary topic is taken for Basic Ingest")
	}
	counts := r.Counts()
	if counts["a"].Success != 3 || counts["a"].TopicMatch != 1 || counts["b"].TopicMatch != 2 || counts["b"].Success != 1 || counts["b"].Failure != 0 {
		t.Errorf("%+v", counts)
	}
}

// TestErrorAction: the dead letter has AWS's shape, and the message counts as taken.
func TestErrorAction(t *testing.T) {
	const payload = `{"x":1}`
	r := newRig(t, rule(t, "a", "SELECT x FROM 'c/#'", "dead", Action{Queue: "q", URL: "https://sqs/q"}))
	r.refuse["q"] = true
	if ok, err := r.Ingest(t.Context(), "$aws/rules/a/c/u1", "u1", []byte(payload)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if len(r.sent) != 1 || !r.sent[0].Error || r.sent[0].Queue != "dead" {
		t.Fatalf("%+v", r.sent)
	}
	var got struct {
		RuleName, Topic, CloudwatchTraceID, ClientID string
		Base64OriginalPayload                        []byte
		Failures                                     []struct{ FailedAction, FailedResource, ErrorMessage string }
	}
	d := json.NewDecoder(bytes.NewReader(r.sent[0].Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, r.sent[0].Body)
	}
	if got.RuleName != "a" || got.Topic != "c/u1" || got.ClientID != "u1" || string(got.Base64OriginalPayload) != payload ||
		len(got.CloudwatchTraceID) != 36 || len(got.Failures) != 1 {
		t.Fatalf("%s", r.sent[0].Body)
	}
	if f := got.Failures[0]; f.FailedAction != "SqsAction" || f.FailedResource != "https://sqs/q" || f.ErrorMessage != "Failed to send message to SQS. no such queue" {
		t.Fatalf("%+v", f)
	}
	if c := r.Counts()["a"]; c.ErrorActionSuccess != 1 || c.ParseError != 0 || c.Failure != 1 {
		t.Errorf("%+v", c)
	}
	if log := r.log.String(); !strings.Contains(log, "rule failed") || !strings.Contains(log, "rule=a") {
		t.Errorf("the log says %q", log)
	}
}

// TestUnreadable: a payload that the statement cannot read is logged, counted and gone, error action or not, as on AWS.
func TestUnreadable(t *testing.T) {
	r := newRig(t, rule(t, "a", "SELECT x FROM 'c/#'", "dead", Action{Queue: "q"}))
	if ok, err := r.Ingest(t.Context(), "$aws/rules/a/c/u1", "u1", []byte("{")); !ok || err != nil || len(r.sent) != 0 {
		t.Fatal(ok, err, r.sent)
	}
	if c := r.Counts()["a"]; c.ParseError != 1 || c.Failure+c.ErrorActionSuccess+c.ErrorActionFailure != 0 {
		t.Errorf("%+v", c)
	}
	if log := r.log.String(); !strings.Contains(log, "rule failed") || !strings.Contains(log, errNotJSON.Error()) {
		t.Errorf("the log says %q", log)
	}
}

// TestLost: when nothing takes a message, the caller hears of it and does not acknowledge.
func TestLost(t *testing.T) {
	in := []byte(`{"x":1}`)
	r := newRig(t, rule(t, "a", "SELECT x FROM 'c/#'", "dead", Action{Queue: "q"}), rule(t, "b", "SELECT x FROM 'c/#'", "", Action{Queue: "q"}))
	r.refuse["q"], r.refuse["dead"] = true, true
	for _, name := range []string{"a", "b"} {
		if _, err := r.Ingest(t.Context(), "$aws/rules/"+name+"/c/u1", "u1", in); err == nil {
			t.Errorf("%s: nothing was said", name)
		}
	}
	if c := r.Counts()["a"]; c.ErrorActionFailure != 1 {
		t.Errorf("%+v", c)
	}
	// A cloud that is going down puts nothing into the dead letters: the unit sends it again.
	r.refuse["dead"] = false
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Ingest(gone, "$aws/rules/a/c/u1", "u1", in); !errors.Is(err, context.Canceled) || len(r.sent) != 0 {
		t.Errorf("%v, %+v", err, r.sent)
	}
}

// TestUnknownRule: the unit hears nothing, people do; names a unit invents fill no memory.
func TestUnknownRule(t *testing.T) {
	r := newRig(t)
	for i := range 2 * maxUnknown {
		if ok, err := r.Ingest(t.Context(), "$aws/rules/r"+string('a'+rune(i%26))+strings.Repeat("x", i)+"/c", "u1", nil); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if n := len(r.Counts()); n != maxUnknown {
		t.Errorf("%d names are kept", n)
	}
	if !strings.Contains(r.log.String(), "there is no such active rule") || r.Counts()["ra"].RuleNotFound != 1 {
		t.Errorf("%+v", r.Counts()["ra"])
	}
}

func TestRepublishFails(t *testing.T) {
	for text, says := range map[string]string{"${nothing}": "empty", "a/${plus}": "wildcard"} {
		r := newRig(t, rule(t, "a", "SELECT * FROM 'c/#'", "dead", Action{Topic: topicOf(t, text)}))
		r.Published(t.Context(), "c/x", "u1", []byte(`{"plus":"+"}`))
		if len(r.sent) != 1 || !bytes.Contains(r.sent[0].Body, []byte("RepublishAction")) || !bytes.Contains(r.sent[0].Body, []byte(says)) || len(r.topics) != 0 {
			t.Errorf("%s: %+v, %q", text, r.sent, r.topics)
		}
	}
}

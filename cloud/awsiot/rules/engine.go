package rules

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Message is a rule's result for a queue.
type Message struct {
	Queue string // logical id in the template
	Error bool   // sent by the rule's error action
	Body  []byte
}

// Engine runs a stack's rules.
type Engine struct {
	Rules map[string]*Rule
	// Deliver takes what a rule's SQS action sends. It may block: the publisher then waits for its PUBACK. An error
	// goes to the rule's error action; when that fails too, the publisher gets no PUBACK.
	Deliver func(ctx context.Context, m Message) error
	// Republish takes what a rule's republish action sends. Nil: such an action fails.
	Republish func(topic string, qos byte, payload []byte) error
	// Invoke calls what stands for a rule's Lambda function. Nil: such an action fails.
	Invoke func(ctx context.Context, function string, event []byte) error
	// Drop is a test seam: a message for which it returns true is acknowledged and then lost, which AWS is allowed to
	// do. Nil in production.
	Drop func(rule, topic string) bool
	// Match tells whether a topic is below a filter in AWS's sense.
	Match func(filter, topic string) bool
	Log   *slog.Logger

	mu     sync.Mutex
	counts map[string]Counts
}

// Counts are a rule's figures, as AWS/IoT has them in CloudWatch.
type Counts struct {
	TopicMatch, ParseError, RuleNotFound                     int64
	Success, Failure, ErrorActionSuccess, ErrorActionFailure int64
}

// Counts returns the figures of every rule that ran or was asked for.
func (e *Engine) Counts() map[string]Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.counts)
}

func (e *Engine) count(rule string, add func(*Counts)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts = map[string]Counts{}
	}
	c := e.counts[rule]
	add(&c)
	e.counts[rule] = c
}

// maxUnknown bounds the counters of rules that do not exist: their names come from units.
const maxUnknown = 100

// Ingest runs the rule that a Basic Ingest topic names; ok is false when the topic is none. An error means the message
// may be lost: the caller must not acknowledge it.
func (e *Engine) Ingest(ctx context.Context, topic, clientID string, payload []byte) (ok bool, err error) {
	name, rest, ok := wire.ParseBasicIngest(topic)
	if !ok {
		return false, nil
	}
	r := e.Rules[name]
	if r == nil || r.Disabled { // as on AWS the unit is told nothing
		e.Log.Warn("there is no such active rule", logkey.Rule, name, logkey.Thing, clientID)
		if len(e.Counts()) < maxUnknown {
			e.count(name, func(c *Counts) { c.RuleNotFound++ })
		}
		return true, nil
	}
	return true, e.run(ctx, r, topic, Input{Topic: rest, ClientID: clientID, Payload: payload})
}

// Published runs every rule whose FROM covers an ordinary topic, or one of the cloud's own events.
func (e *Engine) Published(ctx context.Context, topic, clientID string, payload []byte) {
	for _, name := range slices.Sorted(maps.Keys(e.Rules)) {
		r := e.Rules[name]
		if r.Query.From == "" || !e.Match(r.Query.From, topic) {
			continue
		}
		if err := e.run(ctx, r, topic, Input{Topic: topic, ClientID: clientID, Payload: payload}); err != nil {
			e.Log.Error("rule lost a message", logkey.Rule, name, logkey.Topic, topic, logkey.Err, err)
		}
	}
}

// failure is one entry of an error payload.
type failure struct {
	Action   string `json:"failedAction"`
	Resource string `json:"failedResource"`
	Message  string `json:"errorMessage"`
}

// run runs a rule on one message. topic is with Basic Ingest's prefix, in.Topic without. An error means the message may be
// lost: the caller must not acknowledge it.
func (e *Engine) run(ctx context.Context, r *Rule, topic string, in Input) error {
	if r.Disabled || r.Query.From != "" && !e.Match(r.Query.From, in.Topic) {
		return nil
	}
	if e.Drop != nil && e.Drop(r.Name, topic) {
		e.Log.Warn("message dropped after acknowledgement, as asked", logkey.Topic, topic)
		return nil
	}
	e.count(r.Name, func(c *Counts) { c.TopicMatch++ })
	in.At = time.Now()
	result, err := r.Query.Run(in)
	if errors.Is(err, ErrNoMatch) {
		return nil
	}
	if err != nil { // AWS logs and counts it and lets the message go: error actions are for actions that fail
		e.count(r.Name, func(c *Counts) { c.ParseError++ })
		e.Log.Warn("rule failed", logkey.Rule, r.Name, logkey.Topic, topic, logkey.Thing, in.ClientID, logkey.Err, err)
		return nil
	}
	var failures []failure
	for i := range r.Actions {
		if f := e.send(ctx, &r.Actions[i], in, result, false); f != nil {
			failures = append(failures, *f)
			e.count(r.Name, func(c *Counts) { c.Failure++ })
			continue
		}
		e.count(r.Name, func(c *Counts) { c.Success++ })
	}
	if len(failures) == 0 {
		return nil
	}
	if ctx.Err() != nil { // the cloud is going: better not acknowledged than dead
		return fmt.Errorf("rule %s: %s: %w", r.Name, failures[0].Action, ctx.Err())
	}
	e.Log.Warn("rule failed", logkey.Rule, r.Name, logkey.Topic, topic, logkey.Thing, in.ClientID,
		logkey.Action, failures[0].Action, logkey.Err, failures[0].Message)
	if r.ErrorAction == nil {
		return fmt.Errorf("rule %s: %s: %s", r.Name, failures[0].Action, failures[0].Message)
	}
	body := encode(map[string]any{
		"ruleName": r.Name, "topic": in.Topic, "cloudwatchTraceId": uuid.NewString(), "clientId": in.ClientID,
		"base64OriginalPayload": base64.StdEncoding.EncodeToString(in.Payload), "failures": failures,
	})
	if f := e.send(ctx, r.ErrorAction, in, body, true); f != nil {
		e.count(r.Name, func(c *Counts) { c.ErrorActionFailure++ })
		return fmt.Errorf("rule %s: error action: %s", r.Name, f.Message)
	}
	e.count(r.Name, func(c *Counts) { c.ErrorActionSuccess++ })
	return nil
}

func (e *Engine) send(ctx context.Context, a *Action, in Input, body []byte, isError bool) *failure {
	if a.Queue != "" {
		if a.Base64 {
			body = []byte(base64.StdEncoding.EncodeToString(body))
		}
		if err := e.Deliver(ctx, Message{Queue: a.Queue, Error: isError, Body: body}); err != nil {
			return &failure{Action: a.kind(), Resource: a.URL, Message: "Failed to send message to SQS. " + err.Error()}
		}
		return nil
	}
	if a.Function != "" {
		err := errors.New("nothing stands for it")
		if e.Invoke != nil {
			err = e.Invoke(ctx, a.Function, body)
		}
		if err != nil {
			return &failure{Action: a.kind(), Resource: a.Function, Message: "Failed to invoke lambda function. " + err.Error()}
		}
		return nil
	}
	topic, err := a.Topic.make(in)
	if err == nil {
		err = wire.CheckTopic(topic)
	}
	if err == nil && e.Republish == nil {
		err = errors.New("nothing takes it")
	}
	if err == nil {
		err = e.Republish(topic, a.QoS, body)
	}
	if err != nil {
		return &failure{Action: a.kind(), Resource: topic, Message: "Failed to republish. " + err.Error()}
	}
	return nil
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: plain maps and texts
	}
	return b
}

package rules

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

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
	// closes the publisher's connection before PUBACK.
	Deliver func(ctx context.Context, m Message) error
	// Drop is a test seam: a message for which it returns true is acknowledged and then lost, which AWS is allowed to
	// do. Nil in production.
	Drop func(rule, topic string) bool
	// Match tells whether a topic is below a filter in AWS's sense.
	Match func(filter, topic string) bool
	Log   *slog.Logger
}

// Ingest runs the rule that a Basic Ingest topic names; ok is false when the topic is none. An error means the message
// may be lost: the caller must not acknowledge it.
func (e *Engine) Ingest(ctx context.Context, topic, clientID string, payload []byte) (ok bool, err error) {
	name, rest, ok := wire.ParseBasicIngest(topic)
	if !ok {
		return false, nil
	}
	r := e.Rules[name]
	if r == nil { // as on AWS the unit is told nothing
		e.Log.Warn("there is no such rule", slog.String("rule", name), logkey.Thing, clientID)
		return true, nil
	}
	return true, e.run(ctx, r, topic, rest, clientID, payload)
}

// Published runs every rule whose FROM covers an ordinary topic.
func (e *Engine) Published(ctx context.Context, topic, clientID string, payload []byte) {
	for _, r := range e.Rules {
		if r.Query.From != "" && e.Match(r.Query.From, topic) {
			if err := e.run(ctx, r, topic, topic, clientID, payload); err != nil {
				e.Log.Error("rule lost a message", logkey.Topic, topic, logkey.Err, err)
			}
		}
	}
}

// run runs a rule on one message. An error means the message may be lost: the caller must not acknowledge it.
func (e *Engine) run(ctx context.Context, r *Rule, topic, seen, clientID string, payload []byte) error {
	if r.Disabled || r.Query.From != "" && !e.Match(r.Query.From, seen) {
		return nil
	}
	if e.Drop != nil && e.Drop(r.Name, topic) {
		e.Log.Warn("message dropped after acknowledgement, as asked", logkey.Topic, topic)
		return nil
	}
	result, err := r.Query.Run(RuleInput{Topic: seen, ClientID: clientID, Payload: payload, At: time.Now()})
	if err != nil {
		e.Log.Warn("rule failed", slog.String("rule", r.Name), logkey.Topic, topic, logkey.Err, err)
		if r.ErrorQueue == "" {
			return nil
		}
		return e.Deliver(ctx, Message{Queue: r.ErrorQueue, Error: true, Body: encode(map[string]any{
			"ruleName": r.Name, "topic": seen, "clientId": clientID, "base64OriginalPayload": base64.StdEncoding.EncodeToString(payload),
			"failures": []any{map[string]any{"failedAction": "SQL", "errorMessage": err.Error()}},
		})})
	}
	for _, q := range r.Queues {
		if err := e.Deliver(ctx, Message{Queue: q, Body: result}); err != nil {
			return fmt.Errorf("deliver to %s: %w", q, err)
		}
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

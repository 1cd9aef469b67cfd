package awsiot

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// storeContext is for what must be written even while the broker closes.
func (b *Broker) storeContext() context.Context { return context.WithoutCancel(b.ctx) }

// reserved serves a message on a $ topic. An error closes the connection.
func (b *Broker) reserved(cl *mqtt.Client, s *session, topic string, payload []byte) error {
	if name, rest, ok := wire.ParseBasicIngest(topic); ok {
		r := b.cfg.Stack.rules[name]
		if r == nil { // as on AWS the unit is told nothing
			b.log.Warn("there is no such rule", slog.String("rule", name), logkey.Thing, s.clientID())
			return nil
		}
		return b.runRule(r, topic, rest, s.clientID(), payload)
	}
	if t, ok := wire.ParseShadow(topic); ok && t.Kind == "" {
		b.shadowRequest(t, payload)
		return nil
	}
	var answer any
	var refusal *wire.ProvisionError
	if topic == wire.TopicCreateFromCSR {
		answer, refusal = b.createFromCSR(b.ctx, payload)
	} else if name, kind, ok := wire.ParseProvision(topic); ok && kind == "" {
		answer, refusal = b.register(b.ctx, s, name, payload)
	} else {
		return fmt.Errorf("topic %s is reserved", topic)
	}
	if refusal != nil {
		b.log.Warn("provisioning request refused", logkey.Thing, s.clientID(), logkey.Reason, refusal.Error())
		b.answer(cl, s, wire.Rejected(topic), mustJSON(refusal))
		return nil
	}
	b.answer(cl, s, wire.Accepted(topic), mustJSON(answer))
	return nil
}

// answer sends to the requesting connection only, if it is subscribed: another claimant must not see a certificate.
func (b *Broker) answer(cl *mqtt.Client, s *session, topic string, payload []byte) {
	qos, ok := b.subscription(cl, topic)
	if !ok || !b.receives(cl, s, topic) {
		b.log.Warn("nobody subscribed to the answer", logkey.Thing, s.clientID(), logkey.Topic, topic)
		return
	}
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, TopicName: topic, Payload: payload, Created: time.Now().Unix(),
	}
	if qos > 0 {
		id, err := cl.NextPacketID()
		if err != nil {
			b.log.Warn("cannot answer", logkey.Thing, s.clientID(), logkey.Err, err)
			return
		}
		pk.PacketID = uint16(id)
		cl.State.Inflight.Set(pk)
	}
	if err := cl.WritePacket(pk); err != nil {
		b.log.Info("cannot answer", logkey.Thing, s.clientID(), logkey.Err, err)
	}
}

// runRule runs a rule on one message. An error means the message may be lost: the caller must not acknowledge it.
func (b *Broker) runRule(r *Rule, topic, seen, clientID string, payload []byte) error {
	if r.disabled || r.Query.From != "" && !matchFilter(r.Query.From, seen) {
		return nil
	}
	if b.cfg.DropAccepted != nil && b.cfg.DropAccepted(r.Name, topic) {
		b.log.Warn("message dropped after acknowledgement, as asked", logkey.Topic, topic)
		return nil
	}
	result, err := r.Query.Run(RuleInput{Topic: seen, ClientID: clientID, Payload: payload, At: time.Now()})
	if err != nil {
		b.log.Warn("rule failed", slog.String("rule", r.Name), logkey.Topic, topic, logkey.Err, err)
		if r.ErrorQueue == "" {
			return nil
		}
		return b.cfg.Deliver(b.ctx, QueueMessage{Queue: r.ErrorQueue, Error: true, Body: mustJSON(map[string]any{
			"ruleName": r.Name, "topic": seen, "clientId": clientID, "base64OriginalPayload": base64.StdEncoding.EncodeToString(payload),
			"failures": []any{map[string]any{"failedAction": "SQL", "errorMessage": err.Error()}},
		})})
	}
	for _, q := range r.Queues {
		if err := b.cfg.Deliver(b.ctx, QueueMessage{Queue: q, Body: result}); err != nil {
			return fmt.Errorf("deliver to %s: %w", q, err)
		}
	}
	return nil
}

// shadowRequest serves a unit's get, update or delete.
func (b *Broker) shadowRequest(t wire.ShadowTopic, payload []byte) {
	path := wire.Shadow(t.Thing, t.Name)
	var refusal *wire.ShadowError
	var err error
	lock := b.shadowLock(t.Thing)
	lock.Lock() // also orders what is published about a thing's shadows
	defer lock.Unlock()
	switch t.Op {
	case wire.ShadowUpdate:
		_, err = b.changeShadow(b.storeContext(), t.Thing, t.Name, payload)
	default:
		err = b.readShadow(b.storeContext(), t, payload)
	}
	if err == nil {
		return
	}
	if !errors.As(err, &refusal) {
		b.log.Error("shadow failed", logkey.Thing, t.Thing, logkey.Err, err)
		refusal = &wire.ShadowError{Code: 500, Message: "Internal service failure"}
	}
	refusal.Timestamp = time.Now().Unix()
	b.publish(path.Rejected(t.Op), mustJSON(refusal))
}

func (b *Broker) loadShadow(ctx context.Context, thing, name string) (*shadowDoc, error) {
	sh, err := b.cfg.Store.Shadow(ctx, thing, name)
	if err != nil {
		return nil, fmt.Errorf("read shadow: %w", err)
	}
	return decodeShadowDoc(sh.Doc, sh.Version)
}

// readShadow serves get and delete.
func (b *Broker) readShadow(ctx context.Context, t wire.ShadowTopic, payload []byte) error {
	req, err := wire.DecodeShadowRequest(payload)
	if err != nil {
		return bad("Payload is not valid JSON")
	}
	d, err := b.loadShadow(ctx, t.Thing, t.Name)
	if err != nil {
		return err
	}
	if !d.exists {
		name := t.Name
		if name == "" {
			name = t.Thing
		}
		return &wire.ShadowError{Code: wire.ShadowNotFound, Message: fmt.Sprintf("No shadow exists with name: '%s'", name), ClientToken: req.ClientToken}
	}
	path, now := wire.Shadow(t.Thing, t.Name), time.Now().Unix()
	if t.Op == wire.ShadowGet {
		b.publish(path.Accepted(t.Op), mustJSON(d.get(now, req.ClientToken)))
		return nil
	}
	if err := b.cfg.Store.PutShadow(ctx, t.Thing, t.Name, store.Shadow{Version: d.Version}); err != nil {
		return fmt.Errorf("delete shadow: %w", err)
	}
	b.publish(path.Accepted(t.Op), mustJSON(withToken(map[string]any{"version": d.Version, "timestamp": now}, req.ClientToken)))
	return nil
}

// changeShadow applies an update, stores it, then tells subscribers. The thing's lock is held.
func (b *Broker) changeShadow(ctx context.Context, thing, name string, payload []byte) (int64, error) {
	c, refusal := parseChange(payload)
	if refusal != nil {
		return 0, refusal
	}
	sh, err := b.cfg.Store.Shadow(ctx, thing, name)
	if err != nil {
		return 0, fmt.Errorf("read shadow: %w", err)
	}
	before, err := decodeShadowDoc(sh.Doc, sh.Version)
	if err != nil {
		return 0, err
	}
	d, err := decodeShadowDoc(sh.Doc, sh.Version)
	if err != nil {
		return 0, err
	}
	now := time.Now().Unix()
	meta, refusal := d.apply(c, now)
	if refusal != nil {
		return 0, refusal
	}
	if err := b.cfg.Store.PutShadow(ctx, thing, name, store.Shadow{Doc: mustJSON(d), Version: d.Version}); err != nil {
		return 0, fmt.Errorf("store shadow: %w", err)
	}
	path := wire.Shadow(thing, name)
	state := map[string]any{}
	for n, sec := range c.sections {
		state[n] = sec
	}
	b.publish(path.Accepted(wire.ShadowUpdate), mustJSON(withToken(map[string]any{
		"state": state, "metadata": meta, "version": d.Version, "timestamp": now,
	}, c.token)))
	if diff, stamps := d.delta(); diff != nil {
		b.publish(path.Delta(), mustJSON(withToken(map[string]any{
			"state": diff, "metadata": stamps, "version": d.Version, "timestamp": now,
		}, c.token)))
	}
	b.publish(path.Documents(), mustJSON(withToken(map[string]any{
		"previous": before.document(), "current": d.document(), "timestamp": now,
	}, c.token)))
	return d.Version, nil
}

func (b *Broker) updateShadow(ctx context.Context, thing, name string, state []byte) (int64, error) {
	if err := errors.Join(wire.CheckThing(thing), wire.CheckShadowName(name)); err != nil {
		return 0, fmt.Errorf("update shadow: %w", err)
	}
	lock := b.shadowLock(thing)
	lock.Lock()
	defer lock.Unlock()
	v, err := b.changeShadow(ctx, thing, name, append(append([]byte(`{"state":`), state...), '}'))
	if err != nil {
		return 0, fmt.Errorf("update shadow %s of %s: %w", name, thing, err)
	}
	return v, nil
}

func (b *Broker) reportedShadow(ctx context.Context, thing, name string) ([]byte, error) {
	d, err := b.loadShadow(ctx, thing, name)
	if err != nil {
		return nil, err
	}
	if d.State["reported"] == nil {
		return []byte("{}"), nil
	}
	return mustJSON(d.State["reported"]), nil
}

// publish sends a message of the cloud to whoever is subscribed.
func (b *Broker) publish(topic string, payload []byte) {
	if err := b.mqtt.Publish(topic, payload, false, 1); err != nil {
		b.log.Error("cannot publish", logkey.Topic, topic, logkey.Err, err)
	}
}

package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/policy"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// publish takes PUBLISH. What policy or topic forbid ends an MQTT 3.1.1 connection; an MQTT 5 client that asked for an
// answer gets it in PUBACK and stays.
func (c *conn) publish(pk *packets.Packet) error {
	f := c.resolveAlias(pk)
	if f == nil {
		f = c.judgePublish(pk)
	}
	if f != nil {
		soft := f.reason == ReasonAuth || f.code == codeTopic && f.reason == reasonClient
		if c.version != 5 || pk.FixedHeader.Qos == 0 || !soft {
			return f
		}
		c.refuse(c.clientID(), f)
		c.puback(pk.PacketID, f.code, f.text)
		return nil
	}
	if !c.messages.Allow() {
		c.b.log.Debug("message discarded above the rate", logkey.Thing, c.clientID(), logkey.Topic, pk.TopicName)
		if c.version == 5 && pk.FixedHeader.Qos > 0 {
			c.puback(pk.PacketID, codeQuota, "too many messages a second")
		}
		return nil // MQTT 3.1.1: no PUBACK
	}
	m := &Message{
		Topic: pk.TopicName, Payload: pk.Payload, QoS: pk.FixedHeader.Qos, Retain: pk.FixedHeader.Retain,
		Time: time.Now(), Properties: properties(&pk.Properties),
	}
	if f := c.b.take(c.b.ctx, c, c.identity.Load(), m); f != nil {
		return f
	}
	if m.QoS > 0 {
		c.puback(pk.PacketID, codeOK, "")
	}
	return nil
}

func (c *conn) puback(id uint16, code byte, why string) {
	c.explain(packets.Packet{
		ProtocolVersion: c.version, FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: id, ReasonCode: code,
		Properties: packets.Properties{ReasonString: why},
	})
}

// resolveAlias puts the topic in that an alias stands for.
func (c *conn) resolveAlias(pk *packets.Packet) *fault {
	if !pk.Properties.TopicAliasFlag {
		if pk.TopicName == "" {
			return faultf(reasonClient, codeProtocol, "PUBLISH without topic")
		}
		return nil
	}
	a := pk.Properties.TopicAlias
	if a == 0 || a > maxAliases {
		return faultf(reasonClient, codeAlias, "topic alias %d, 1 to %d are allowed", a, maxAliases)
	}
	if pk.TopicName == "" {
		topic, ok := c.aliases[a]
		if !ok {
			return faultf(reasonClient, codeProtocol, "topic alias %d is not known", a)
		}
		pk.TopicName = topic
		return nil
	}
	if c.aliases == nil {
		c.aliases = map[uint16]string{}
	}
	c.aliases[a] = pk.TopicName
	return nil
}

func (c *conn) judgePublish(pk *packets.Packet) *fault {
	switch {
	case pk.FixedHeader.Qos > 1:
		return faultf(reasonClient, codeQoS, "QoS 2 is not supported")
	case pk.FixedHeader.Qos == 1 && pk.PacketID == 0:
		return faultf(reasonClient, codeProtocol, "PUBLISH without packet identifier")
	case len(pk.Properties.SubscriptionIdentifier) > 0:
		return faultf(reasonClient, codeProtocol, "PUBLISH with a subscription identifier")
	}
	if f := c.b.judge(pk.TopicName, pk.Payload, pk.FixedHeader.Retain); f != nil {
		return f
	}
	return c.b.mayPublish(c.identity.Load(), pk.TopicName, pk.FixedHeader.Retain)
}

// judge checks the limits of a message, whoever sends it.
func (b *Broker) judge(topic string, payload []byte, retain bool) *fault {
	if err := wire.CheckTopic(topic); err != nil {
		return faultf(reasonClient, codeTopic, "%v", err)
	}
	if err := wire.CheckPayload(payload); err != nil {
		return faultf(reasonClient, codeTooLarge, "PAYLOAD_LIMIT_EXCEEDED: %v", err)
	}
	if retain && topic[0] == '$' {
		return faultf(reasonForbidden, codeTopic, "a reserved topic cannot be retained")
	}
	return nil
}

func (b *Broker) mayPublish(id *identity, topic string, retain bool) *fault {
	f := b.may(id, policy.Publish, topic)
	if f == nil && retain {
		f = b.may(id, policy.RetainPublish, topic)
	}
	return f
}

// take handles a message that may be published: services and rules have it, or the store and subscribers, when take
// returns without a fault. from is nil when it did not come over MQTT.
func (b *Broker) take(ctx context.Context, from *conn, id *identity, m *Message) *fault {
	if strings.HasPrefix(m.Topic, "$") {
		return b.reserved(ctx, from, id, m)
	}
	if m.Retain {
		if err := b.retain(b.storeContext(), m); err != nil {
			return faultf(reasonFailed, codeUnspecified, "keep retained message: %v", err)
		}
	}
	b.route(m, id.who.ClientID)
	return nil
}

// route gives a client's message to whoever is subscribed and to the rules.
func (b *Broker) route(m *Message, clientID string) {
	b.distribute(m, clientID)
	if b.cfg.Published != nil {
		b.cfg.Published(b.ctx, m.Topic, clientID, m.Payload)
	}
}

// distribute gives a message to whoever is subscribed. clientID is the publisher's, empty for the cloud.
func (b *Broker) distribute(m *Message, clientID string) {
	subscribers, shared := b.topics.match(m.Topic)
	for s, sub := range subscribers {
		if sub.noLocal && s.id == clientID {
			continue
		}
		if b.receives(s, m.Topic) {
			s.deliver(&delivery{m: m, retain: m.Retain && sub.published}, sub.qos)
		}
	}
	for _, in := range shared {
		b.share(m, in)
	}
}

// receives asks whether a client may have what is published to a topic; a subscription alone does not say so.
func (b *Broker) receives(s *session, topic string) bool {
	s.mu.Lock()
	id := s.identity
	if s.conn != nil {
		id = s.conn.identity.Load()
	}
	s.mu.Unlock()
	return b.may(id, policy.Receive, topic) == nil
}

// Publish sends a message of the cloud to whoever is subscribed, and to the rules. A service may call it while it holds
// its locks: the rules come later, because one of them may publish to the service again.
func (b *Broker) Publish(topic string, payload []byte) {
	m := &Message{Topic: topic, Payload: payload, QoS: 1, Time: time.Now()}
	b.distribute(m, "")
	if b.cfg.Published != nil {
		b.ruled.add(m)
	}
}

// rule works off what Publish queued for the rules.
func (b *Broker) rule(batch []*Message) {
	for _, m := range batch {
		b.cfg.Published(b.ctx, m.Topic, "", m.Payload)
	}
}

// Inject publishes as the HTTPS interface does: limits, services, rules, retaining and delivery are those of an MQTT
// publish. certificateID names the caller whose policies count; empty means an administrator, who may everything.
// Errors wrap ErrForbidden, ErrInvalid or ErrTooLarge when the message is at fault.
func (b *Broker) Inject(ctx context.Context, certificateID string, m Message) error {
	if m.QoS > 1 {
		return fmt.Errorf("%w: QoS %d is not supported", ErrInvalid, m.QoS)
	}
	f := b.judge(m.Topic, m.Payload, m.Retain)
	id := &identity{}
	if f == nil && certificateID != "" {
		var err error
		if id, err = b.identify(ctx, certificateID, "", policy.Principal{}); err != nil {
			return fmt.Errorf("%w: %w", ErrForbidden, err)
		}
		f = b.mayPublish(id, m.Topic, m.Retain)
	}
	if f == nil {
		m.Time = time.Now()
		m.Expiry = min(m.Expiry, maxExpiry)
		f = b.take(ctx, nil, id, &m)
	}
	switch {
	case f == nil:
		return nil
	case f.code == codeTooLarge:
		return fmt.Errorf("%w: %w", ErrTooLarge, f)
	case f.reason == ReasonAuth:
		return fmt.Errorf("%w: %w", ErrForbidden, f)
	case f.reason == reasonFailed:
		return f
	}
	return fmt.Errorf("%w: %w", ErrInvalid, f)
}

// lastWords publishes the will of a client that is gone, at once or after the delay it asked for.
func (b *Broker) lastWords(c *conn) {
	s, m := c.session, c.will
	m.Time = time.Now()
	if delay := min(c.willDelay, c.keep); delay > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conn == nil && s.will == nil {
			s.lastWords = func() { b.will(s.id, m) }
			s.will = time.AfterFunc(delay, s.lastWords)
		}
		return
	}
	b.will(s.id, m)
}

func (b *Broker) will(clientID string, m *Message) {
	if b.ctx.Err() != nil { // the cloud ends: nobody is left to hear it
		return
	}
	if isShadowRequest(m.Topic) { // AWS: the shadow ignores it, subscribers and rules have it
		b.route(m, clientID)
		return
	}
	if f := b.take(b.ctx, nil, &identity{who: policy.Principal{ClientID: clientID}}, m); f != nil {
		b.log.Error("cannot publish a will", logkey.Thing, clientID, logkey.Topic, m.Topic, logkey.Err, f)
	}
}

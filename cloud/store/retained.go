package store

import "context"

// Retained is a retained message. Times are milliseconds since 1970.
type Retained struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Properties []byte // opaque to the store
	Modified   int64
	Expires    int64 // 0 means never
}

// RetainedMessages keeps one message for each topic.
type RetainedMessages interface {
	PutRetained(ctx context.Context, r Retained) error
	// DeleteRetained is no error when there is none.
	DeleteRetained(ctx context.Context, topic string) error
	// Retained returns ErrNotFound when there is none.
	Retained(ctx context.Context, topic string) (Retained, error)
	// RetainedAfter lists in the order of topics, beginning after the one given, at most limit.
	RetainedAfter(ctx context.Context, topic string, limit int) ([]Retained, error)
}

package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// retainedLife is how long AWS keeps a retained message.
const retainedLife = 3 * 365 * 24 * time.Hour

// retain keeps a message for later subscribers; an empty payload deletes what is kept.
func (b *Broker) retain(ctx context.Context, m *Message) error {
	if len(m.Payload) == 0 {
		return b.cfg.Store.DeleteRetained(ctx, m.Topic)
	}
	properties, err := json.Marshal(m.Properties)
	if err != nil {
		return fmt.Errorf("encode properties: %w", err)
	}
	life := retainedLife
	if m.Expiry > 0 {
		life = m.Expiry
	}
	return b.cfg.Store.PutRetained(ctx, store.Retained{
		Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Properties: properties,
		Modified: m.Time.UnixMilli(), Expires: m.Time.Add(life).UnixMilli(),
	})
}

func retainedMessage(r store.Retained) (Message, error) {
	m := Message{Topic: r.Topic, Payload: r.Payload, QoS: r.QoS, Retain: true, Time: time.UnixMilli(r.Modified)}
	if err := json.Unmarshal(r.Properties, &m.Properties); err != nil {
		return m, fmt.Errorf("read retained message of %s: %w", r.Topic, err)
	}
	if life := time.Duration(r.Expires-r.Modified) * time.Millisecond; life <= maxExpiry {
		m.Expiry = life
	}
	return m, nil
}

// Retained returns the retained message of a topic; store.ErrNotFound when there is none.
func (b *Broker) Retained(ctx context.Context, topic string) (Message, error) {
	r, err := b.cfg.Store.Retained(ctx, topic)
	if err != nil {
		return Message{}, err
	}
	if time.Now().UnixMilli() >= r.Expires {
		return Message{}, store.ErrNotFound
	}
	return retainedMessage(r)
}

// RetainedAfter lists retained messages in the order of their topics, beginning after the topic given, at most limit.
func (b *Broker) RetainedAfter(ctx context.Context, topic string, limit int) ([]Message, error) {
	list, err := b.cfg.Store.RetainedAfter(ctx, topic, time.Now().UnixMilli(), limit)
	if err != nil {
		return nil, err
	}
	out := make([]Message, 0, len(list))
	for _, r := range list {
		m, err := retainedMessage(r)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// sendRetained gives a new subscriber what is retained: for an exact filter only, never for a shared subscription.
func (c *conn) sendRetained(f packets.Subscription) {
	if f.Filter[0] == '$' || wildcard(f.Filter) {
		return
	}
	m, err := c.b.Retained(c.b.ctx, f.Filter)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		c.b.log.Error("cannot read a retained message", logkey.Topic, f.Filter, logkey.Err, err)
	case c.b.receives(c.session, f.Filter):
		c.session.deliver(&delivery{m: &m, retain: true}, f.Qos)
	}
}

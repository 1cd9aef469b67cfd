package store

import "context"

// Retained is a retained message. Times are milliseconds since 1970.
type Retained struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Properties []byte // JSON, opaque to the store
	Modified   int64
	Expires    int64
}

// RetainedMessages keeps one message for each topic.
type RetainedMessages interface {
	PutRetained(ctx context.Context, r Retained) error
	// DeleteRetained is no error when there is none.
	DeleteRetained(ctx context.Context, topic string) error
	// Retained returns ErrNotFound when there is none.
	Retained(ctx context.Context, topic string) (Retained, error)
	// RetainedAfter lists what has not expired at now in the order of topics, beginning after the one given, at most
	// limit.
	RetainedAfter(ctx context.Context, topic string, now int64, limit int) ([]Retained, error)
	// DeleteExpiredRetained forgets what has expired at now.
	DeleteExpiredRetained(ctx context.Context, now int64) error
}

const retainedColumns = `topic, payload, qos, properties, modified, expires`

func scanRetained(row scanner) (r Retained, err error) {
	var properties string
	err = row.Scan(&r.Topic, &r.Payload, &r.QoS, &properties, &r.Modified, &r.Expires)
	r.Properties = []byte(properties)
	return r, notFound(err)
}

// PutRetained implements RetainedMessages.
func (s *db) PutRetained(ctx context.Context, r Retained) error {
	return s.write(ctx, "keep retained message", func(tx conn) error {
		_, err := tx.exec(ctx, `INSERT INTO retained(`+retainedColumns+`) VALUES (?,?,?,?,?,?)
			ON CONFLICT(topic) DO UPDATE SET payload = excluded.payload, qos = excluded.qos, properties = excluded.properties,
			modified = excluded.modified, expires = excluded.expires`, r.Topic, r.Payload, int64(r.QoS), string(r.Properties), r.Modified, r.Expires)
		return err
	})
}

// DeleteRetained implements RetainedMessages.
func (s *db) DeleteRetained(ctx context.Context, topic string) error {
	return s.write(ctx, "delete retained message", func(tx conn) error {
		_, err := tx.exec(ctx, `DELETE FROM retained WHERE topic = ?`, topic)
		return err
	})
}

// Retained implements RetainedMessages.
func (s *db) Retained(ctx context.Context, topic string) (Retained, error) {
	return scanRetained(s.reader().queryRow(ctx, `SELECT `+retainedColumns+` FROM retained WHERE topic = ?`, topic))
}

// RetainedAfter implements RetainedMessages.
func (s *db) RetainedAfter(ctx context.Context, topic string, now int64, limit int) ([]Retained, error) {
	rows, err := s.reader().query(ctx, `SELECT `+retainedColumns+` FROM retained WHERE topic > ? AND expires > ? ORDER BY topic LIMIT ?`, topic, now, limit)
	return collect(rows, err, scanRetained)
}

// DeleteExpiredRetained implements RetainedMessages.
func (s *db) DeleteExpiredRetained(ctx context.Context, now int64) error {
	return s.write(ctx, "delete expired retained messages", func(tx conn) error {
		_, err := tx.exec(ctx, `DELETE FROM retained WHERE expires <= ?`, now)
		return err
	})
}

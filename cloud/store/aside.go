package store

import (
	"context"
	"fmt"
)

// Aside is something kept that is no pour: another body under a key that was taken, or what could not be read.
type Aside struct {
	Kind     string `json:"kind"` // conflict | quarantine
	Thing    string `json:"thing"`
	Log      string `json:"log,omitempty"` // of a conflict
	Seq      uint64 `json:"seq,omitempty"` // of a conflict
	Why      string `json:"why"`
	Received int64  `json:"received"` // first time, milliseconds since 1970
	Times    int64  `json:"times"`
	Body     []byte `json:"body"`
}

// Kinds of Aside.
const (
	AsideConflict   = "conflict"
	AsideQuarantine = "quarantine"
)

// KeptAside implements Reader.
func (s *db) KeptAside(ctx context.Context, f func(Aside) error) error {
	rows, err := s.reader().query(ctx, `SELECT 'conflict', logs.thing, logs.log, conflicts.seq, 'another body is stored under this key',
			conflicts.received, conflicts.times, conflicts.body FROM conflicts JOIN logs ON logs.id = conflicts.log
		UNION ALL SELECT 'quarantine', thing, '', 0, why, received, times, body FROM quarantine ORDER BY 6, 2, 3, 4`)
	if err != nil {
		return fmt.Errorf("read what is kept aside: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a Aside
		if err := rows.Scan(&a.Kind, &a.Thing, &a.Log, &a.Seq, &a.Why, &a.Received, &a.Times, &a.Body); err != nil {
			return fmt.Errorf("read what is kept aside: %w", err)
		}
		if err := f(a); err != nil {
			return err
		}
	}
	return rows.Err()
}

package store

import (
	"context"
	"encoding/hex"
	"fmt"
)

// Aside is something kept that is no pour: another body under a key that was taken, or what could not be read.
type Aside struct {
	Kind     string `json:"kind"`         // conflict | quarantine
	ID       string `json:"id,omitempty"` // of a conflict: SHA-256 of its body, in hex
	Thing    string `json:"thing"`
	Log      string `json:"log,omitempty"` // of a conflict
	Seq      uint64 `json:"seq,omitempty"` // of a conflict
	Why      string `json:"why"`
	Received int64  `json:"received"` // first time, milliseconds since 1970
	Times    int64  `json:"times"`
	Body     []byte `json:"body"`
	Seen     int64  `json:"seen,omitempty"` // when somebody said that he has seen the conflict; 0: nobody did
	SeenBy   string `json:"seen_by,omitempty"`
}

// Kinds of Aside.
const (
	AsideConflict   = "conflict"
	AsideQuarantine = "quarantine"
)

// KeptAside implements Reader.
func (s *db) KeptAside(ctx context.Context, f func(Aside) error) error {
	rows, err := s.reader().query(ctx, `SELECT '`+AsideConflict+`', logs.thing, logs.log, conflicts.seq, 'another body is stored under this key',
			conflicts.received, conflicts.times, conflicts.body, conflicts.digest, conflicts.seen, conflicts.seen_by FROM conflicts JOIN logs ON logs.id = conflicts.log
		UNION ALL SELECT '`+AsideQuarantine+`', thing, '', 0, why, received, times, body, digest, 0, '' FROM quarantine ORDER BY 6, 2, 3, 4`)
	if err != nil {
		return fmt.Errorf("read what is kept aside: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a Aside
		var digest []byte
		if err := rows.Scan(&a.Kind, &a.Thing, &a.Log, &a.Seq, &a.Why, &a.Received, &a.Times, &a.Body, &digest, &a.Seen, &a.SeenBy); err != nil {
			return fmt.Errorf("read what is kept aside: %w", err)
		}
		if a.Kind == AsideConflict {
			a.ID = hex.EncodeToString(digest)
		}
		if err := f(a); err != nil {
			return err
		}
	}
	return rows.Err()
}

// SeeConflicts implements Conflicts.
func (s *db) SeeConflicts(ctx context.Context, by string, at int64, ids ...string) (n int, err error) {
	err = s.write(ctx, "note that conflicts were seen", func(tx conn) error {
		n = 0
		for _, id := range ids {
			digest, err := hex.DecodeString(id)
			if err != nil {
				return fmt.Errorf("conflict %q: %w", id, ErrNotFound)
			}
			res, err := tx.exec(ctx, `UPDATE conflicts SET seen = ?, seen_by = ? WHERE digest = ? AND seen = 0`, at, storable(by), digest)
			if err != nil {
				return err
			}
			m, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n += int(m)
		}
		return nil
	})
	return n, err
}

package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"fountain/internal/problem"
)

// Append makes one record durable and closes its intent (empty id: none) in the same commit. build makes the body for
// the place it gets; when it fails nothing is used up. Append with an intent id that has its record already returns that
// record's seq and does not build. After an error the record is not in any log and never will be.
func (s *Store) Append(ctx context.Context, intentID string, build func(log string, seq uint64) ([]byte, error)) (seq uint64, err error) {
	if len(intentID) > maxID {
		return 0, fmt.Errorf("append record: intent id of %d bytes is too long", len(intentID))
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("append record: %w", err)
	}
	if seq, done := s.recorded[intentID]; done && intentID != "" {
		return seq, nil
	}
	err = s.withRoom(func() error {
		seq, err = s.appendOnce(intentID, build)
		return err
	})
	return seq, err
}

// appendOnce is one try of Append. The caller holds wmu.
func (s *Store) appendOnce(intentID string, build func(log string, seq uint64) ([]byte, error)) (seq uint64, err error) {
	g, err := s.active()
	if err != nil {
		return 0, s.appendFailed(err)
	}
	l := s.cur
	seq = l.last + 1
	body, err := build(l.name, seq)
	if err != nil {
		return 0, fmt.Errorf("append record %d: %w", seq, err)
	}
	if len(body) > MaxBody {
		return 0, fmt.Errorf("append record %d: body of %d bytes is larger than %d", seq, len(body), MaxBody)
	}
	f := frame{seq: seq, stored: s.o.Now().UnixMilli(), id: intentID, body: body}
	if err := g.append(f); err != nil {
		return 0, s.appendFailed(errors.Join(err, s.afterFailure(g, err)))
	}
	if intentID != "" {
		s.recorded[intentID] = seq
	}
	s.mu.Lock()
	l.last = seq
	s.mu.Unlock()
	return seq, nil
}

// appendFailed tells a person what to do about it; the usual cause is a full or failing disk.
func (s *Store) appendFailed(err error) error {
	if isNewer(err) {
		return err
	}
	return &problem.Problem{
		Code: problem.CodeNotWritable, Where: s.dir, What: "the pour could not be stored: " + err.Error(), Retry: true,
		Remedy: "free space on the disk, or replace it; nothing pours until storing works again",
	}
}

// active is the segment that takes the next record; it makes a new one when there is none or the old one is full.
func (s *Store) active() (*segment, error) {
	l := s.cur
	var old *segment
	if n := len(l.segs); n > 0 {
		old = l.segs[n-1]
		if !old.ended {
			if err := s.reactivate(old); err != nil {
				return nil, err
			}
		}
		if !old.ended && !old.full(s.o) {
			return old, nil
		}
	}
	// The ids of recorded intents are looked for in the newest segment only: forget the intents before there is a newer.
	if err := s.updateState(s.forgetRecorded); err != nil {
		return nil, err
	}
	clear(s.recorded)
	g := &segment{log: l.name, first: l.last + 1, path: segmentPath(s.dir, l.name, l.last+1)}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if old != nil && old.first == g.first { // it has no record and never will: the new file replaces it
		if err := s.closeSegment(old); err != nil {
			return nil, err
		}
		g, old = old, nil
		g.ended, g.count, g.used = false, 0, 0
	}
	if err := g.create(s.o); err != nil {
		g.ended = true // should it be the file that was replaced
		return nil, err
	}
	// The mark goes into state.db before the first record: a segment that vanishes is noticed.
	err := s.updateLog(l, func(saved *savedLog) { saved.Active = g.first }, noMore)
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	if old != nil {
		err = s.closeSegment(old)
	}
	s.writer = g
	if n := len(l.segs); n == 0 || l.segs[n-1] != g {
		s.mu.Lock()
		l.segs = append(l.segs[:n:n], g)
		s.mu.Unlock()
	}
	return g, err
}

// closeSegment closes a segment that no reader uses meanwhile. The caller holds rmu.
func (s *Store) closeSegment(g *segment) error {
	if s.reader == g {
		s.reader = nil
	}
	if s.writer == g {
		s.writer = nil
	}
	return g.close()
}

// reactivate opens the newest segment for appending again after a failure closed it; a reader may have opened it since.
func (s *Store) reactivate(g *segment) error {
	if g == s.writer {
		return nil
	}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if err := s.closeSegment(g); err != nil {
		return err
	}
	return s.activate(g)
}

// afterFailure looks at what a failed commit left. Usually pages nobody refers to: the log goes on in a new segment. If the
// record is in the file, or the file cannot be read, nobody knows what a power cut would leave: its seq must not be used
// for another body, so a new log begins, and the record is not part of the old one.
func (s *Store) afterFailure(g *segment, why error) error {
	s.rmu.Lock()
	err := s.closeSegment(g)
	s.rmu.Unlock()
	records := 0
	last, serr := g.scan(func(frame) { records++ })
	switch {
	case isFault(why): // the file is locked by what must not be closed
		return errors.Join(err, s.condemn(s.cur, g, why))
	case serr != nil:
		return errors.Join(err, s.condemn(s.cur, g, serr))
	case last != s.cur.last:
		return errors.Join(err, s.beginLog())
	}
	g.count, g.ended = records, g.stale(last)
	return err
}

// forgetRecorded deletes the intents whose records are durable.
func (s *Store) forgetRecorded(tx *bbolt.Tx) error {
	b := tx.Bucket([]byte(bucketIntents))
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, _ := c.First(); k != nil; {
		if _, done := s.recorded[string(k)]; !done {
			k, _ = c.Next()
			continue
		}
		id := append([]byte(nil), k...)
		if err := c.Delete(); err != nil {
			return err
		}
		k, _ = c.Seek(id) // a cursor's place after Delete is not defined
	}
	return nil
}

// PutIntent makes an intent durable. Putting it again replaces its body. It refuses while there is no room for its
// record: what begins with an intent can be recorded.
func (s *Store) PutIntent(id string, body []byte) error {
	if id == "" || len(id) > maxID || len(body) > MaxBody {
		return fmt.Errorf("store intent %q of %d bytes: id or body is empty or too long", id, len(body))
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	if _, done := s.recorded[id]; done {
		return fmt.Errorf("store intent %s: it has its record already", id)
	}
	if err := s.roomForPour(); err != nil {
		return err
	}
	err := s.updateState(func(tx *bbolt.Tx) error {
		if err := s.forgetRecorded(tx); err != nil {
			return err
		}
		return bucketPut(tx, bucketIntents, id, body)
	})
	if err != nil {
		return fmt.Errorf("store intent %s: %w", id, s.appendFailed(err))
	}
	return nil
}

// DropIntent forgets an intent that never became anything; one that is not there is no error.
func (s *Store) DropIntent(id string) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	err := s.updateState(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(bucketIntents)); b != nil {
			return b.Delete([]byte(id))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop intent %s: %w", id, err)
	}
	return nil
}

// OpenIntents lists the intents without a record, by id (ULIDs: oldest first).
func (s *Store) OpenIntents() (list []Intent, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	err = s.state.view(func(tx *bbolt.Tx) error {
		return bucketEach(tx, bucketIntents, func(id string, body []byte) error {
			if _, done := s.recorded[id]; !done {
				list = append(list, Intent{ID: id, Body: body})
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list open intents: %w", err)
	}
	return list, nil
}

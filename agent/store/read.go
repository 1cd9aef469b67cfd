package store

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// Read returns records of the current log from seq `from` on: at most limit, and at most maxBytes of bodies but at least
// one record if there is any. An empty result means there is nothing newer.
func (s *Store) Read(from uint64, limit, maxBytes int) ([]Entry, error) {
	return s.ReadLog(s.Log(), from, limit, maxBytes)
}

// ReadLog is Read for any log that Logs lists. Seqs that are gone are left out: the seqs of a result ascend, but may
// jump in a log that is not current.
func (s *Store) ReadLog(log string, from uint64, limit, maxBytes int) ([]Entry, error) {
	for {
		out, bad, err := s.readOnce(log, max(from, 1), limit, maxBytes)
		if err == nil || bad == nil || isNewer(err) {
			return out, err
		}
		// Damage: note it and go on with what is left. Each round takes a segment away or notes a gap.
		if derr := s.condemnRead(log, bad, err); derr != nil {
			return nil, derr
		}
		if len(out) > 0 {
			return out, nil
		}
	}
}

// readOnce reads until a limit or damage; bad is the segment that is damaged.
func (s *Store) readOnce(log string, from uint64, limit, maxBytes int) (out []Entry, bad *segment, err error) {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	s.mu.Lock()
	l := s.find(log)
	if l == nil {
		s.mu.Unlock()
		return nil, nil, noLog(log)
	}
	view := logInfo{name: l.name, last: l.last, saved: l.saved, segs: l.segs} // slices are replaced, never written
	s.mu.Unlock()
	for i, g := range view.segs {
		end := view.end(i)
		if end < from {
			continue
		}
		if err := s.openForRead(g); err != nil {
			return out, g, err
		}
		var whole bool
		out, whole, err = g.read(out, max(from, g.first), end, limit, &maxBytes)
		if err != nil {
			return out, g, fmt.Errorf("read %s: %w", g.path, err)
		}
		if !whole {
			break
		}
	}
	return out, nil, nil
}

// find returns a log by name. The caller holds mu or wmu.
func (s *Store) find(log string) *logInfo {
	for _, l := range s.logs {
		if l.name == log {
			return l
		}
	}
	return nil
}

// openForRead verifies a closed segment and opens it; one of them stays open. The caller holds rmu.
func (s *Store) openForRead(g *segment) error {
	if g.db != nil || g.sealed != nil {
		return nil
	}
	if s.reader != nil {
		_ = s.reader.close() // nothing was written
		s.reader = nil
	}
	if err := g.seal(); err != nil {
		return fmt.Errorf("verify %s: %w", g.path, err)
	}
	s.reader = g
	return nil
}

// SetAcked moves the acknowledged mark of the current log forward, durably. A mark at or below the present one changes
// nothing; one above Last is an error.
func (s *Store) SetAcked(upto uint64) error { return s.SetAckedLog(s.Log(), upto) }

// ErrAckAhead is returned for an acknowledgement of records that do not exist.
var ErrAckAhead = errors.New("acknowledgement is ahead of the log")

// SetAckedLog is SetAcked for any log that Logs lists.
func (s *Store) SetAckedLog(log string, upto uint64) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	l := s.find(log)
	switch {
	case l == nil:
		return noLog(log)
	case upto > l.last:
		return fmt.Errorf("acknowledge %s up to %d: %w: its newest record is %d", log, upto, ErrAckAhead, l.last)
	case upto <= l.saved.Acked:
		return nil
	}
	err := s.updateLog(l, func(saved *savedLog) {
		saved.Acked = upto
		saved.skipGaps()
	}, noMore)
	if err != nil {
		return fmt.Errorf("acknowledge %s up to %d: %w", log, upto, err)
	}
	return nil
}

// foldBatch bounds what Fold holds in memory.
const foldBatch = 256

// Fold calls fn for every record not yet marked applied, oldest log first, in order. It stops at fn's first error.
func (s *Store) Fold(fn func(Entry) error) error {
	type place struct {
		log  string
		from uint64
	}
	var todo []place
	s.mu.Lock()
	for _, l := range s.logs {
		todo = append(todo, place{l.name, l.saved.Applied + 1})
	}
	s.mu.Unlock()
	for _, p := range todo {
		for {
			list, err := s.ReadLog(p.log, p.from, foldBatch, DefaultSegmentBytes)
			if err != nil {
				return fmt.Errorf("fold records: %w", err)
			}
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				if err := fn(e); err != nil {
					return err
				}
			}
			p.from = list[len(list)-1].Seq + 1
		}
	}
	return nil
}

// MarkApplied stores the result of folding a log up to upto as setting key, in the same commit as the mark. Marking
// seldom is fine: what is not marked is folded again. It writes the whole value, so every pour would wear the disk.
func (s *Store) MarkApplied(log string, upto uint64, key string, value []byte) error {
	if key == "" || len(key) > maxID || len(value) > MaxSetting {
		return fmt.Errorf("mark %s applied up to %d: key or value of %d bytes is empty or too long", log, upto, len(value))
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	l := s.find(log)
	if l == nil || upto > l.last {
		return fmt.Errorf("mark %s applied up to %d: there is no such record", log, upto)
	}
	err := s.updateLog(l, func(saved *savedLog) { saved.Applied = max(saved.Applied, upto) }, func(tx *bbolt.Tx) error {
		return bucketPut(tx, bucketSettings, key, value)
	})
	if err != nil {
		return fmt.Errorf("mark %s applied up to %d: %w", log, upto, err)
	}
	return nil
}

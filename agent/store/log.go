package store

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"fountain/internal/problem"
)

// Renew ends the current log and begins a new one: somebody found out that its numbers may be in use elsewhere, such as a
// ledger that acknowledges more than this store ever held.
func (s *Store) Renew() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	return s.beginLog()
}

// Rewind lowers the acknowledged mark of a log to upto and notes the restore generation that asked for it, durably in one
// step: the receiver lost what it had. Records above the mark are pending again as far as they are still here. A mark at
// or above the present one leaves it.
func (s *Store) Rewind(log string, upto, restore uint64) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	l := s.find(log)
	if l == nil {
		return noLog(log)
	}
	err := s.updateLog(l, func(saved *savedLog) {
		saved.Acked = min(saved.Acked, max(upto, l.oldest()-1))
		saved.skipGaps()
		saved.Restored = restore
	}, noMore)
	if err != nil {
		return fmt.Errorf("rewind %s to %d: %w", log, upto, err)
	}
	return nil
}

// oldest is the lowest seq that is still here, last+1 when there is none.
func (l *logInfo) oldest() uint64 {
	if len(l.segs) > 0 {
		return l.segs[0].first
	}
	return l.last + 1
}

func noLog(log string) error {
	return &problem.Problem{Code: problem.CodeNotFound, Where: "log " + log, What: "the store has no such log", Remedy: "see fountainctl store status"}
}

// beginLog closes the current log, if there is one, and makes a new one, in one commit. Its first segment is made by
// the first Append. The caller holds wmu (or is Open).
func (s *Store) beginLog() error {
	l := &logInfo{name: "l" + strings.ToLower(rand.Text()[:12])} // 60 random bits
	if n := len(s.logs); n > 0 {
		l.saved.Ord = s.logs[n-1].saved.Ord + 1
	}
	unit := savedUnit{Current: l.name, Board: s.o.Board, Inode: inode(filepath.Join(s.dir, stateFile))}
	var old savedLog
	if s.cur != nil {
		old = s.cur.saved
		old.Closed, old.Last, old.Seen = true, s.cur.last, s.cur.last
		old.skipGaps()
	}
	write := func(tx *bbolt.Tx) error {
		if s.cur != nil {
			if err := putJSON(tx, bucketLogs, s.cur.name, old); err != nil {
				return err
			}
			if err := s.forgetRecorded(tx); err != nil {
				return err
			}
		}
		if err := putJSON(tx, bucketLogs, l.name, l.saved); err != nil {
			return err
		}
		return putJSON(tx, bucketMeta, unitKey, unit)
	}
	err := s.withRoom(func() error { return s.state.commit(write) })
	if err != nil {
		return fmt.Errorf("begin a new log: %w", err)
	}
	s.recorded = map[string]uint64{}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.cur != nil && len(s.cur.segs) > 0 {
		err = s.closeSegment(s.cur.segs[len(s.cur.segs)-1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur != nil {
		s.cur.saved = old
	}
	s.logs = append(s.logs, l)
	s.cur = l
	return err
}

// addGap adds a gap, keeping the list sorted and free of overlaps.
func addGap(gaps []Gap, g Gap) []Gap {
	gaps = append(slices.Clone(gaps), g)
	slices.SortFunc(gaps, func(x, y Gap) int { return cmp.Compare(x.From, y.From) })
	out := gaps[:1]
	for _, g := range gaps[1:] {
		if top := &out[len(out)-1]; g.From <= top.To+1 {
			top.To = max(top.To, g.To)
		} else {
			out = append(out, g)
		}
	}
	return out
}

// skipGaps moves the acknowledged mark over a gap that begins right above it: what is gone cannot be sent.
func (l *savedLog) skipGaps() {
	for _, g := range l.Gaps {
		if g.From <= l.Acked+1 && g.To > l.Acked {
			l.Acked = g.To
		}
	}
}

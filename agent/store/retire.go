package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
)

// Retire unlinks segments whose records are all acknowledged and older than Options.Retain, and forgets closed logs with
// nothing left. The acknowledged mark is durable before (SetAcked), so a crash in between costs nothing. The newest
// segment of the current log stays. It returns how many files went.
//
// The age is by the wall clock when a record was stored: one stored before the clock was set counts as old.
func (s *Store) Retire(ctx context.Context, now time.Time) (removed int, err error) {
	return s.retire(ctx, now.Add(-s.o.Retain))
}

// RetireAcked unlinks segments whose records are all acknowledged, however young: the last thing to give up.
func (s *Store) RetireAcked(ctx context.Context) error {
	_, err := s.retire(ctx, time.UnixMilli(math.MaxInt64))
	return err
}

// retire lets go of the store between two files: a pour that waits for its record waits for one at most.
func (s *Store) retire(ctx context.Context, before time.Time) (removed int, err error) {
	for _, st := range s.Logs() {
		for more := true; more; {
			if err := s.yield(ctx); err != nil {
				return removed, err
			}
			if more, err = s.retireOne(st.Log, before); err != nil {
				return removed, fmt.Errorf("retire segments of %s: %w", st.Log, err)
			}
			if more {
				removed++
			}
		}
	}
	return removed, nil
}

// retireOne unlinks the oldest segment of a log if it may go, or forgets a log with nothing left.
func (s *Store) retireOne(log string, before time.Time) (removed bool, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return false, errClosed
	}
	l := s.find(log)
	switch {
	case l == nil:
		return false, nil
	case l != s.cur && len(l.segs) == 0 && l.last <= l.saved.Acked:
		return false, s.forgetLog(l)
	case len(l.segs) == 0, l == s.cur && len(l.segs) == 1:
		return false, nil
	}
	g, end := l.segs[0], l.end(0)
	if end > l.saved.Acked {
		return false, nil
	}
	old, err := s.olderThan(g, end, before)
	if err != nil || !old {
		return false, err
	}
	if err := s.updateLog(l, func(saved *savedLog) { saved.Retired = g.first }, noMore); err != nil {
		return false, err
	}
	return true, s.unlink(l, g)
}

// olderThan reads when the newest record of g was stored. An unreadable segment is not older: the next reader, or
// Verify, deals with it.
func (s *Store) olderThan(g *segment, end uint64, before time.Time) (bool, error) {
	if end < g.first {
		return true, nil // empty
	}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if err := s.openForRead(g); err != nil {
		return false, ignoreDamage(err)
	}
	t, err := g.newest(end)
	if err != nil {
		return false, ignoreDamage(err)
	}
	return t.Before(before), nil
}

func ignoreDamage(err error) error {
	if isNewer(err) {
		return err
	}
	return nil
}

// unlink removes a segment. The directory is not flushed: that writes ten times what noting it in state.db does, and what
// a power cut brings back is known there.
func (s *Store) unlink(l *logInfo, g *segment) error {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if err := s.closeSegment(g); err != nil {
		return err
	}
	if err := os.Remove(g.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	l.remove(g)
	s.mu.Unlock()
	return nil
}

// dropRetired unlinks what a power cut brought back.
func (s *Store) dropRetired() error {
	for _, l := range s.logs {
		for len(l.segs) > 0 && l.segs[0].first <= l.saved.Retired {
			if err := os.Remove(l.segs[0].path); err != nil {
				return err
			}
			l.segs = l.segs[1:]
		}
	}
	return nil
}

// forgetLog removes a closed log of which nothing is left. From here on nobody knows that its files were retired.
func (s *Store) forgetLog(l *logInfo) error {
	if err := atomicfile.SyncDir(s.dir); err != nil {
		return err
	}
	err := s.updateState(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(bucketLogs)); b != nil {
			return b.Delete([]byte(l.name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = slices.DeleteFunc(slices.Clone(s.logs), func(x *logInfo) bool { return x == l })
	return nil
}

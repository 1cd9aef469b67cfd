package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
)

// condemnRead deals with damage a reader met.
func (s *Store) condemnRead(log string, g *segment, why error) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	l := s.find(log)
	if l == nil {
		return nil // retired meanwhile
	}
	var short *shortError
	if errors.As(why, &short) {
		return s.condemnGap(l, g, short.seq)
	}
	for _, x := range l.segs {
		if x == g {
			return s.condemn(l, g, why)
		}
	}
	return nil // another reader was first
}

// condemn sets a damaged segment aside, rescues what is legible of it and reports it. When records above the acknowledged
// mark were in it and the log is current, a new one begins. The caller holds wmu.
func (s *Store) condemn(l *logInfo, g *segment, why error) error {
	at := slices.Index(l.segs, g)
	isNewest := at == len(l.segs)-1
	end := l.end(at)
	s.rmu.Lock()
	_ = s.closeSegment(g) // it is damaged; its content is on the disk
	r, err := s.rescue(g, end)
	if err == nil {
		s.mu.Lock()
		l.segs = slices.Concat(l.segs[:at], r.segs, l.segs[at+1:])
		if r.kept != "" {
			s.inBad++
		}
		s.mu.Unlock()
	}
	s.rmu.Unlock()
	if err != nil {
		return err
	}
	d := Damage{File: cmp.Or(r.kept, g.path), Log: l.name, FirstSeq: g.first, LastSeq: end, Rescued: r.count, Lost: r.holes, Err: why}
	if from := max(r.last+1, g.first); from <= end {
		d.Lost = append(d.Lost, Gap{from, end})
	}
	return s.note(l, isNewest || end > l.saved.Acked, d)
}

// condemnGap notes that records from seq to the end of segment g's range are missing.
func (s *Store) condemnGap(l *logInfo, g *segment, seq uint64) error {
	for i, x := range l.segs {
		if x == g && l.end(i) >= seq {
			gap := Gap{seq, l.end(i)}
			d := Damage{
				File: segmentPath(s.dir, l.name, seq), Log: l.name, FirstSeq: gap.From, LastSeq: gap.To, Lost: []Gap{gap},
				Err: fmt.Errorf("records are missing: %w", fs.ErrNotExist),
			}
			return s.note(l, i == len(l.segs)-1 || gap.To > l.saved.Acked, d)
		}
	}
	return nil // another reader was first
}

// note makes what is lost durable, begins a new log if the current one is not to go on, and reports the damage.
func (s *Store) note(l *logInfo, renew bool, d Damage) error {
	var err error
	if len(d.Lost) > 0 {
		err = s.updateLog(l, func(saved *savedLog) {
			for _, gap := range d.Lost {
				saved.Gaps = addGap(saved.Gaps, gap)
			}
			saved.skipGaps()
		}, noMore)
	}
	if l == s.cur && renew {
		d.NewLog = true
		err = errors.Join(err, s.beginLog())
	}
	s.mu.Lock()
	s.damages = append(s.damages, d)
	s.mu.Unlock()
	if s.o.OnDamage != nil {
		s.o.OnDamage(d)
	}
	return err
}

// verifyPiece is how many records Verify checks before it yields: below a millisecond of work.
const verifyPiece = 64

// Verify walks every closed segment, so that damage is known before the records are needed. It yields often.
func (s *Store) Verify(ctx context.Context) error {
	for _, st := range s.Logs() {
		s.mu.Lock()
		var segs []*segment
		if l := s.find(st.Log); l != nil {
			segs = l.segs
			if st.Current && len(segs) > 0 {
				segs = segs[:len(segs)-1] // written to: verified when opened
			}
		}
		s.mu.Unlock()
		for _, g := range segs {
			if err := s.yield(ctx); err != nil {
				return err
			}
			n := 0
			_, err := g.scan(func(frame) {
				if n++; n%verifyPiece == 0 {
					_ = s.yield(ctx) // an ended context is told before the next segment
				}
			})
			switch {
			case err == nil:
			case isNewer(err):
				return err
			default:
				if err := s.condemnRead(st.Log, g, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// yield waits until bulk work may go on.
func (s *Store) yield(ctx context.Context) error {
	if err := ctx.Err(); err != nil || s.o.Yield == nil {
		return err
	}
	return s.o.Yield(ctx)
}

// Retire unlinks segments whose records are all acknowledged and older than Options.Retain, and forgets closed logs with
// nothing left. The acknowledged mark is durable before (SetAcked), so a crash in between costs nothing. The newest
// segment of the current log stays. It returns how many files went.
//
// The age is by the wall clock when a record was stored: one stored before the clock was set counts as old.
func (s *Store) Retire(now time.Time) (removed int, err error) {
	return s.retire(func() error { return nil }, now.Add(-s.o.Retain))
}

// RetireIdle is Retire that asks Options.Yield before every file.
func (s *Store) RetireIdle(ctx context.Context, now time.Time) (removed int, err error) {
	return s.retire(func() error { return s.yield(ctx) }, now.Add(-s.o.Retain))
}

// retire lets go of the store between two files: a pour that waits for its record waits for one at most.
func (s *Store) retire(yield func() error, before time.Time) (removed int, err error) {
	for _, st := range s.Logs() {
		for more := true; more; {
			if err := yield(); err != nil {
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
	kept := make([]*logInfo, 0, len(s.logs))
	for _, x := range s.logs {
		if x != l {
			kept = append(kept, x)
		}
	}
	s.logs = kept
	return nil
}

package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

var errClosed = errors.New("store is closed")

// Open opens or creates the store in dir and recovers it. Errors are problems: not_writable, newer_schema, conflict
// (another process has it). Damage is no error: see Damages.
//
//  1. take the directory, delete files whose creation was cut
//  2. state.db: walk and open; damaged or missing: a new one
//  3. per log: note segments that are missing above the acknowledged mark
//  4. newest segment of the current log: verify every record, find last and the intents it closed
//  5. begin a new log if any of it asks for one
//
// Older segments are verified when they are first read, and by Verify: opening does not depend on the backlog.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(filepath.Join(dir, badDir), 0o700); err != nil {
		return nil, notWritable(dir, err)
	}
	lock, err := lockDir(dir, o.LockTimeout)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, o: o, lock: lock, recorded: map[string]uint64{}}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.SegmentCount <= 0 {
		o.SegmentCount = DefaultSegmentCount
	}
	if o.Retain <= 0 {
		o.Retain = DefaultRetain
	}
	if o.LowSpace == 0 {
		o.LowSpace = LowSpace
	}
	if o.CriticalSpace == 0 {
		o.CriticalSpace = CriticalSpace
	}
	if o.Ballast == 0 {
		o.Ballast = Ballast
	}
	if o.Statfs == nil {
		o.Statfs = statfs
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = 2 * time.Second
	}
	return o
}

func (s *Store) recover() error {
	if err := removeLeftovers(s.dir); err != nil {
		return notWritable(s.dir, err)
	}
	s.findBallast()
	segs, err := listSegments(s.dir)
	if err == nil {
		err = flushLeft(s.dir, segs)
	}
	if err != nil {
		return notWritable(s.dir, err)
	}
	if bad, err := os.ReadDir(filepath.Join(s.dir, badDir)); err == nil {
		s.inBad = len(bad)
	}
	db, damage, err := s.openState(segs)
	if err != nil {
		return err
	}
	s.state.db.Store(db)
	if damage != nil {
		damage.NewLog = true
		s.damages = append(s.damages, *damage)
		if damage.File != filepath.Join(s.dir, stateFile) {
			s.inBad++
		}
	}
	damage, err = s.quarantine.open(s.dir)
	if err != nil {
		return notWritable(s.dir, err)
	}
	if damage != nil {
		s.damages = append(s.damages, *damage)
		s.inBad++
	}
	unit, err := s.loadLogs(segs)
	if err != nil {
		return err
	}
	if err := s.dropRetired(); err != nil {
		return notWritable(s.dir, err)
	}
	var renew bool // the current log must not go on
	if s.cur == nil || unit.Restored || unit.Inode != inode(filepath.Join(s.dir, stateFile)) || s.o.Board != "" && unit.Board != "" && unit.Board != s.o.Board {
		renew = true
	}
	for _, l := range s.logs {
		lost, err := s.recoverLog(l)
		if err != nil {
			return err
		}
		renew = renew || lost && l == s.cur
	}
	switch {
	case renew:
		return s.beginLog()
	case s.o.Board != unit.Board && s.o.Board != "":
		unit.Board = s.o.Board
		return s.updateState(func(tx *bbolt.Tx) error { return putJSON(tx, bucketMeta, unitKey, unit) })
	}
	return nil
}

// flushLeft makes durable what a killed process wrote and did not come to flush: it is about to be read, and sent, and
// must not be gone after a power cut. Older segments were flushed before there was a newer.
func flushLeft(dir string, segs map[string][]*segment) error {
	paths := []string{filepath.Join(dir, stateFile)}
	for _, list := range segs {
		paths = append(paths, list[len(list)-1].path)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return errors.Join(atomicfile.SyncDir(filepath.Join(dir, badDir)), atomicfile.SyncDir(dir))
}

// loadLogs fills logs from state.db and the segment files; a log only files know of is closed.
func (s *Store) loadLogs(segs map[string][]*segment) (unit savedUnit, err error) {
	err = s.state.view(func(tx *bbolt.Tx) error {
		body, ok, err := bucketGet(tx, bucketMeta, unitKey)
		if err != nil {
			return err
		}
		if ok {
			if err := json.Unmarshal(body, &unit); err != nil {
				return err
			}
		}
		return bucketEach(tx, bucketLogs, func(name string, body []byte) error {
			l := &logInfo{name: name, segs: segs[name]}
			if err := json.Unmarshal(body, &l.saved); err != nil {
				return err
			}
			s.logs = append(s.logs, l)
			delete(segs, name)
			return nil
		})
	})
	if err != nil {
		return unit, fmt.Errorf("read %s: %w", stateFile, err)
	}
	for name, list := range segs {
		s.logs = append(s.logs, &logInfo{name: name, segs: list, saved: savedLog{Ord: -1, Closed: true}})
	}
	slices.SortFunc(s.logs, func(x, y *logInfo) int {
		return cmp.Or(cmp.Compare(x.saved.Ord, y.saved.Ord), strings.Compare(x.name, y.name))
	})
	for _, l := range s.logs {
		if l.name == unit.Current && !l.saved.Closed {
			s.cur = l
		}
	}
	return unit, nil
}

// recoverLog finds out what is left of a log. lost says that something is not where it should be, so that nothing may
// be appended to it any more.
func (s *Store) recoverLog(l *logInfo) (lost bool, err error) {
	if l.saved.Closed && l.saved.Ord >= 0 { // settled when it was closed
		l.last = l.saved.Last
		return s.missingFront(l)
	}
	newest, err := s.newestSound(l)
	if err != nil {
		return false, err
	}
	lost = newest.damaged
	// What was there once but is not now: the newest segment's file, or records at its end.
	known := max(l.saved.Seen, l.saved.Acked, l.last)
	if n := len(l.segs); l.saved.Active > 0 && (n == 0 || l.segs[n-1].first < l.saved.Active) {
		known = max(known, l.saved.Active)
	}
	if newest.seq < known {
		if !lost {
			s.damages = append(s.damages, Damage{
				File: segmentPath(s.dir, l.name, max(l.saved.Active, newest.seq+1)), Log: l.name, FirstSeq: newest.seq + 1, LastSeq: known, Lost: []Gap{{newest.seq + 1, known}},
				NewLog: l == s.cur, Err: fmt.Errorf("records are missing: %w", fs.ErrNotExist),
			})
		}
		lost = true
		l.saved.Gaps = addGap(l.saved.Gaps, Gap{newest.seq + 1, known})
	}
	l.last = max(newest.seq, known)
	gone, err := s.missingFront(l)
	if err != nil {
		return false, err
	}
	lost = lost || gone
	if l != s.cur {
		l.saved.Closed, l.saved.Last, l.saved.Ord = true, l.last, max(l.saved.Ord, 0)
		l.saved.skipGaps()
		return false, s.updateLogRaw(l)
	}
	if lost {
		return true, nil // beginLog closes it
	}
	if n := len(l.segs); n > 0 {
		g := l.segs[n-1]
		if g.ended = g.stale(l.last); g.ended {
			return false, nil
		}
		return false, s.activate(g)
	}
	return false, nil
}

// newestFound is the end of a log as its files tell it.
type newestFound struct {
	seq     uint64 // newest record; 0: none is left
	damaged bool   // a segment at the end was
}

// newestSound goes through the segments of a log from its end until one is sound, or something of it was rescued.
func (s *Store) newestSound(l *logInfo) (at newestFound, err error) {
	end := uint64(math.MaxUint64)
	for len(l.segs) > 0 {
		n := len(l.segs) - 1
		g := l.segs[n]
		ids := map[string]uint64{}
		last, err := s.checked(g.path, func() (uint64, error) {
			return g.scan(func(f frame) {
				g.count++
				if f.id != "" {
					ids[f.id] = f.seq
				}
			})
		})
		if err == nil {
			at.seq = last
			if l == s.cur {
				maps.Copy(s.recorded, ids)
			}
			return at, nil
		}
		if isNewer(err) {
			return at, err
		}
		if errors.Is(err, fs.ErrPermission) {
			return at, notWritable(s.dir, err)
		}
		at.damaged = true
		r, rerr := s.rescue(g, end)
		if rerr != nil {
			return at, notWritable(s.dir, rerr)
		}
		if r.kept != "" {
			s.inBad++
		}
		if l == s.cur {
			maps.Copy(s.recorded, r.ids)
		}
		l.last = max(l.last, min(r.held, end), g.first) // a segment is made for a record
		d := Damage{
			File: cmp.Or(r.kept, g.path), Log: l.name, FirstSeq: g.first, LastSeq: min(max(l.saved.Seen, l.last), end), NewLog: l == s.cur,
			Rescued: r.count, Lost: r.holes, Err: err,
		}
		for _, h := range r.holes {
			l.saved.Gaps = addGap(l.saved.Gaps, h)
		}
		if from := max(r.last+1, g.first); from <= d.LastSeq {
			d.Lost = append(d.Lost, Gap{from, d.LastSeq})
		}
		s.damages = append(s.damages, d)
		l.segs = append(l.segs[:n:n], r.segs...)
		if r.last > 0 {
			at.seq = r.last
			return at, nil
		}
		end = g.first - 1
	}
	return at, nil
}

// missingFront notes segments that are gone from the front of the log above its acknowledged mark, and reports whether
// there are any not known before.
func (s *Store) missingFront(l *logInfo) (bool, error) {
	if len(l.segs) == 0 || l.segs[0].first <= l.saved.Acked+1 {
		return false, nil
	}
	gap := Gap{l.saved.Acked + 1, l.segs[0].first - 1}
	for _, g := range l.saved.Gaps {
		if g.From <= gap.From && gap.To <= g.To {
			return false, nil // known already
		}
	}
	s.damages = append(s.damages, Damage{
		File: segmentPath(s.dir, l.name, gap.From), Log: l.name, FirstSeq: gap.From, LastSeq: gap.To, Lost: []Gap{gap},
		NewLog: l == s.cur, Err: fmt.Errorf("records are missing: %w", fs.ErrNotExist),
	})
	l.saved.Gaps = addGap(l.saved.Gaps, gap)
	l.saved.skipGaps()
	return true, s.updateLogRaw(l)
}

// updateLogRaw writes l.saved as it stands; for recovery, before there is a current log.
func (s *Store) updateLogRaw(l *logInfo) error {
	err := s.withRoom(func() error {
		return s.state.commit(func(tx *bbolt.Tx) error { return putJSON(tx, bucketLogs, l.name, l.saved) })
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", stateFile, err)
	}
	return nil
}

// activate opens the newest segment for appending. It walked clean just before.
func (s *Store) activate(g *segment) error {
	if err := g.open(s.o.SegmentBytes); err != nil {
		return &problem.Problem{Code: problem.CodeDamaged, Where: g.path, What: err.Error(), Remedy: "move the file away and start again; it is kept for salvage"}
	}
	s.writer = g
	return guarded(func() error {
		return g.db.View(func(tx *bbolt.Tx) error {
			g.used = tx.Size()
			return nil
		})
	})
}

package store

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

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
	if o.LockTimeout <= 0 {
		o.LockTimeout = 2 * time.Second
	}
	return o
}

func (s *Store) recover() error {
	if err := removeLeftovers(s.dir); err != nil {
		return notWritable(s.dir, err)
	}
	segs, err := listSegments(s.dir)
	if err != nil {
		return notWritable(s.dir, err)
	}
	if bad, err := os.ReadDir(filepath.Join(s.dir, badDir)); err == nil {
		s.inBad = len(bad)
	}
	db, damage, err := openState(s.dir, len(segs) > 0)
	if err != nil {
		return err
	}
	s.state = db
	if damage != nil {
		damage.NewLog = true
		s.damages = append(s.damages, *damage)
		if damage.File != filepath.Join(s.dir, stateFile) {
			s.inBad++
		}
	}
	unit, err := s.loadLogs(segs)
	if err != nil {
		return err
	}
	var renew bool // the current log must not go on
	if s.cur == nil || unit.Inode != inode(filepath.Join(s.dir, stateFile)) || s.o.Board != "" && unit.Board != "" && unit.Board != s.o.Board {
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

// loadLogs fills logs from state.db and the segment files; a log only files know of is closed.
func (s *Store) loadLogs(segs map[string][]*segment) (unit savedUnit, err error) {
	err = guarded(func() error {
		return s.state.View(func(tx *bbolt.Tx) error {
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
	newest := uint64(0)
	for len(l.segs) > 0 { // from the end: a damaged newest segment makes the one before it the newest
		g := l.segs[len(l.segs)-1]
		ids := map[string]uint64{}
		last, err := g.scan(func(f frame) {
			g.count++
			if f.id != "" {
				ids[f.id] = f.seq
			}
		})
		if err == nil {
			newest = last
			if l == s.cur {
				maps.Copy(s.recorded, ids)
			}
			break
		}
		if isNewer(err) {
			return false, err
		}
		if errors.Is(err, fs.ErrPermission) {
			return false, notWritable(s.dir, err)
		}
		lost = true
		to, merr := setAside(s.dir, g.path)
		if merr != nil {
			return false, notWritable(s.dir, merr)
		}
		s.inBad++
		found, held := legible(to)
		if l == s.cur {
			maps.Copy(s.recorded, found)
		}
		l.last = max(l.last, held, g.first) // a segment is made for a record
		s.damages = append(s.damages, Damage{
			File: to, Log: l.name, FirstSeq: g.first, LastSeq: max(l.saved.Seen, l.last), NewLog: l == s.cur, Err: err,
		})
		l.segs = l.segs[:len(l.segs)-1]
	}
	// What was there once but is not now: the newest segment's file, or records at its end.
	known := max(l.saved.Seen, l.saved.Acked, l.last)
	if n := len(l.segs); l.saved.Active > 0 && (n == 0 || l.segs[n-1].first < l.saved.Active) {
		known = max(known, l.saved.Active)
	}
	if newest < known {
		if !lost {
			s.damages = append(s.damages, Damage{
				File: segmentPath(s.dir, l.name, max(l.saved.Active, newest+1)), Log: l.name, FirstSeq: newest + 1, LastSeq: known,
				NewLog: l == s.cur, Err: fmt.Errorf("records are missing: %w", fs.ErrNotExist),
			})
		}
		lost = true
		l.saved.Gaps = addGap(l.saved.Gaps, Gap{newest + 1, known})
	}
	l.last = max(newest, known)
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
	if len(l.segs) > 0 {
		if err := s.activate(l.segs[len(l.segs)-1]); err != nil {
			return false, err
		}
	}
	return false, nil
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
		File: segmentPath(s.dir, l.name, gap.From), Log: l.name, FirstSeq: gap.From, LastSeq: gap.To,
		NewLog: l == s.cur, Err: fmt.Errorf("records are missing: %w", fs.ErrNotExist),
	})
	l.saved.Gaps = addGap(l.saved.Gaps, gap)
	l.saved.skipGaps()
	return true, s.updateLogRaw(l)
}

// legible finds the frames of a damaged file by their magic and checksum, wherever they lie: the intents they closed and
// the newest seq. It only informs; a frame of a commit that never completed may be among them. Of a frame whose checksum
// is wrong the id still counts: an intent's name is in no segment without its record, and a record that was sent already
// must not be made a second time as an interrupted pour.
func legible(path string) (ids map[string]uint64, last uint64) {
	ids = map[string]uint64{}
	b, err := os.ReadFile(path)
	if err != nil {
		return ids, 0 // nothing legible
	}
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	for {
		i := bytes.Index(b, magic)
		if i < 0 || len(b)-i < frameHead {
			return ids, last
		}
		b = b[i:]
		n := uint64(frameHead) + uint64(binary.LittleEndian.Uint16(b[24:])) + uint64(binary.LittleEndian.Uint32(b[28:]))
		if n <= uint64(len(b)) {
			f, err := decodeFrame(b[:n])
			if err != nil {
				f = frame{id: string(b[frameHead : frameHead+int(binary.LittleEndian.Uint16(b[24:]))])}
			}
			last = max(last, f.seq)
			if f.id != "" && (err != nil || f.seq > 0) {
				ids[f.id] = f.seq
			}
		}
		b = b[len(magic):]
	}
}

// updateLogRaw writes l.saved as it stands; for recovery, before there is a current log.
func (s *Store) updateLogRaw(l *logInfo) error {
	err := commitState(s.state, func(tx *bbolt.Tx) error { return putJSON(tx, bucketLogs, l.name, l.saved) })
	if err != nil {
		return fmt.Errorf("write %s: %w", stateFile, err)
	}
	return nil
}

// activate opens the newest segment for appending. It walked clean just before.
func (s *Store) activate(g *segment) error {
	if err := g.open(s.mapSize(), false); err != nil {
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

func (s *Store) mapSize() int64 { return s.o.SegmentBytes }

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
	err := commitState(s.state, func(tx *bbolt.Tx) error {
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
	})
	if err != nil {
		return fmt.Errorf("begin a new log: %w", err)
	}
	s.recorded = map[string]uint64{}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.cur != nil && len(s.cur.segs) > 0 {
		err = s.cur.segs[len(s.cur.segs)-1].close()
	}
	s.writer = nil
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

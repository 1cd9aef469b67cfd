package store

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Rejected is a record the receiver refuses. It is kept for good, with its body, until a person releases it; meanwhile it
// is skipped.
type Rejected struct {
	Log    string    `json:"log"`
	Seq    uint64    `json:"seq"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"` // when it was refused
	Intent string    `json:"intent,omitempty"`
	Stored time.Time `json:"stored"`         // when it was recorded
	Body   []byte    `json:"body,omitempty"` // nil: it was gone already
}

// quarantine is the file of what was rejected: a line for each, CRC32C in hex, a space, JSON. It outlives the segments,
// and a line that a power cut has torn costs nobody else. mu is held across I/O.
type quarantine struct {
	path string

	mu    sync.Mutex
	list  []held // in the order of rejection
	size  int64
	count atomic.Int64 // of list; read without mu
}

// held is a Rejected without its body, and where its line is.
type held struct {
	Rejected
	at  int64
	len int
}

const quarantineFile = "quarantine"

// maxLine bounds a line: a body in base64 and what stands around it.
const maxLine = 2*MaxBody + 8<<10

// open reads what is there. A torn last line is cut off; damage says that there were other bad ones: the file is kept in
// bad/, and one with the good lines takes its place.
func (q *quarantine) open(dir string) (damage *Damage, err error) {
	q.path = filepath.Join(dir, quarantineFile)
	b, err := readAround(q.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	bad, badAtEnd, torn := 0, 0, false
	for at := 0; at < len(b); {
		n := bytes.IndexByte(b[at:], '\n') + 1
		if n == 0 {
			torn = true
			break
		}
		r, err := decodeLine(b[at : at+n-1])
		if err != nil {
			badAtEnd++
		} else {
			bad, badAtEnd = bad+badAtEnd, 0
			r.Body = nil
			q.list = append(q.list, held{r, int64(at), n})
			q.size = int64(at + n)
		}
		at += n
	}
	if badAtEnd > 0 && bytes.IndexByte(b[q.size:], 0) >= 0 {
		torn = true // what a power cut leaves out of a new line is zero
	} else {
		bad += badAtEnd
	}
	q.count.Store(int64(len(q.list)))
	switch {
	case bad > 0:
		kept, err := keepAside(dir, q.path)
		if err != nil {
			return nil, err
		}
		good := q.list
		damage = &Damage{File: kept, Rescued: uint64(len(good)), Err: fmt.Errorf("%w: %d lines of rejected records", errFrame, bad)}
		return damage, q.rewrite(b, good)
	case torn:
		return nil, os.Truncate(q.path, q.size)
	}
	return nil, nil
}

func decodeLine(line []byte) (r Rejected, err error) {
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)) {
		return r, errFrame
	}
	return r, json.Unmarshal(body, &r)
}

func encodeLine(r Rejected) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(body, castagnoli), body), nil
}

// rewrite replaces the file by these lines of b. The caller holds mu, or nobody else knows q.
func (q *quarantine) rewrite(b []byte, lines []held) error {
	var out bytes.Buffer
	kept := make([]held, 0, len(lines))
	for _, h := range lines {
		at := int64(out.Len())
		out.Write(b[h.at : h.at+int64(h.len)])
		h.at = at
		kept = append(kept, h)
	}
	if err := atomicfile.Write(q.path, out.Bytes(), 0o600); err != nil {
		return err
	}
	q.list, q.size = kept, int64(out.Len())
	q.count.Store(int64(len(kept)))
	return nil
}

// add makes one line durable.
func (q *quarantine) add(r Rejected) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.index(r.Log, r.Seq) >= 0 {
		return nil
	}
	line, err := encodeLine(r)
	if err != nil {
		return err
	}
	_, err = os.Stat(q.path)
	fresh := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(q.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(line, q.size); err == nil {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(q.size))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if fresh {
		if err := atomicfile.SyncDir(filepath.Dir(q.path)); err != nil {
			return err
		}
	}
	r.Body = nil
	q.list = append(q.list, held{r, q.size, len(line)})
	q.size += int64(len(line))
	q.count.Store(int64(len(q.list)))
	return nil
}

// index is where a record stands in the list; -1: nowhere.
func (q *quarantine) index(log string, seq uint64) int {
	return slices.IndexFunc(q.list, func(h held) bool { return h.Log == log && h.Seq == seq })
}

// remove forgets what a release has put back.
func (q *quarantine) remove(gone func(Rejected) bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, err := os.ReadFile(q.path)
	if err != nil {
		return err
	}
	return q.rewrite(b, slices.DeleteFunc(slices.Clone(q.list), func(h held) bool { return gone(h.Rejected) }))
}

// each calls fn with every record and its body.
func (q *quarantine) each(fn func(Rejected) error) error {
	q.mu.Lock()
	list := q.list // replaced or appended to, never written
	q.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	f, err := os.Open(q.path)
	if err != nil {
		return err
	}
	defer f.Close()
	end := list[len(list)-1]
	lines := bufio.NewReaderSize(io.NewSectionReader(f, 0, end.at+int64(end.len)), maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := decodeLine(line[:len(line)-1])
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

// Reject keeps a record that the receiver refuses for its content, so that it is known and can be skipped. Rejecting it
// again changes nothing.
func (s *Store) Reject(r Rejected) error {
	list, err := s.ReadLog(r.Log, r.Seq, 1, 1)
	if err == nil && len(list) == 1 && list[0].Seq == r.Seq {
		r.Body, r.Intent, r.Stored = list[0].Body, list[0].Intent, list[0].Stored
	}
	r.At = s.o.Now()
	if err := s.withRoom(func() error { return s.quarantine.add(r) }); err != nil {
		return fmt.Errorf("keep rejected record %s/%d: %w", r.Log, r.Seq, err)
	}
	return nil
}

// Rejects lists what was rejected, without bodies, by log and seq.
func (s *Store) Rejects() []Rejected {
	s.quarantine.mu.Lock()
	defer s.quarantine.mu.Unlock()
	out := make([]Rejected, 0, len(s.quarantine.list))
	for _, h := range s.quarantine.list {
		out = append(out, h.Rejected)
	}
	slices.SortFunc(out, func(x, y Rejected) int { return cmp.Or(strings.Compare(x.Log, y.Log), cmp.Compare(x.Seq, y.Seq)) })
	return out
}

// Rejected calls fn with every rejected record and its body, oldest rejection first.
func (s *Store) Rejected(fn func(Rejected) error) error {
	if err := s.quarantine.each(fn); err != nil {
		return fmt.Errorf("read rejected records: %w", err)
	}
	return nil
}

// Release gives rejected records back to their logs, to be sent again: all of a log when no seq is named. Their logs'
// acknowledged marks go back below them, so what follows them is pending again too, unless the receiver says that it has
// it. Records that are no longer in a segment are put into one. It returns how many were released.
func (s *Store) Release(log string, seqs ...uint64) (n int, err error) {
	var todo []Rejected
	err = s.Rejected(func(r Rejected) error {
		if r.Log == log && (len(seqs) == 0 || slices.Contains(seqs, r.Seq)) {
			todo = append(todo, r)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(todo) == 0 || len(todo) < len(seqs) {
		where := "log " + log
		if len(seqs) > 0 {
			where += " " + strings.Trim(fmt.Sprint(seqs), "[]")
		}
		return 0, &problem.Problem{Code: problem.CodeNotFound, Where: where, What: "no such record was set aside", Remedy: "see fountainctl store quarantine"}
	}
	slices.SortFunc(todo, func(x, y Rejected) int { return cmp.Compare(y.Seq, x.Seq) }) // the mark goes down step by step
	done := map[uint64]bool{}
	for _, r := range todo {
		if err = s.putBack(r); err != nil {
			err = fmt.Errorf("release record %s/%d: %w", r.Log, r.Seq, err)
			break
		}
		done[r.Seq] = true
	}
	if len(done) > 0 {
		err = errors.Join(err, s.quarantine.remove(func(r Rejected) bool { return r.Log == log && done[r.Seq] }))
	}
	return len(done), err
}

// putBack makes one record pending again. Whatever a crash leaves of it is sound, and the release can be repeated: the
// record's place is noted first, then it is put there, then the mark goes down.
func (s *Store) putBack(r Rejected) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return errClosed
	}
	l := s.find(r.Log)
	if l == nil || !l.holds(r.Seq) {
		if r.Body == nil {
			return &problem.Problem{Code: problem.CodeNotFound, Where: fmt.Sprintf("record %s/%d", r.Log, r.Seq), What: "its body is gone"}
		}
		var err error
		if l, err = s.insert(l, r); err != nil {
			return err
		}
	}
	last := max(l.last, r.Seq) // a forgotten log has only what was released so far
	err := s.updateLog(l, func(saved *savedLog) {
		saved.Gaps = cutGap(saved.Gaps, r.Seq)
		saved.Acked = min(saved.Acked, r.Seq-1)
		saved.Retired = min(saved.Retired, r.Seq-1) // insert has flushed the directory
		if saved.Closed {
			saved.Last = last
		}
	}, noMore)
	if err == nil {
		s.mu.Lock()
		l.last = last
		s.mu.Unlock()
	}
	return err
}

// holds tells whether a record is in one of the log's segments.
func (l *logInfo) holds(seq uint64) bool {
	for i, g := range l.segs {
		if g.first <= seq && seq <= l.end(i) {
			return true
		}
	}
	return false
}

// insert makes a segment for a record whose own is gone, in its log or in a closed one of that name. What lies between it
// and the segments that are left was acknowledged and retired. The caller holds wmu.
func (s *Store) insert(l *logInfo, r Rejected) (*logInfo, error) {
	if l == nil {
		l = &logInfo{name: r.Log, last: r.Seq, saved: savedLog{Closed: true, Last: r.Seq, Seen: r.Seq, Active: r.Seq, Acked: r.Seq, Applied: r.Seq}}
		err := s.updateState(func(tx *bbolt.Tx) error { return putJSON(tx, bucketLogs, l.name, l.saved) })
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.logs = append([]*logInfo{l}, s.logs...)
		s.mu.Unlock()
	}
	at, _ := slices.BinarySearchFunc(l.segs, r.Seq, func(g *segment, seq uint64) int { return cmp.Compare(g.first, seq) })
	next := l.last + 1
	if at < len(l.segs) {
		next = l.segs[at].first
	}
	gone := Gap{r.Seq + 1, next - 1}
	if r.Seq > l.last {
		gone = Gap{l.last + 1, r.Seq - 1}
	}
	if gone.From <= gone.To {
		err := s.updateLog(l, func(saved *savedLog) { saved.Gaps = addGap(saved.Gaps, gone) }, noMore)
		if err != nil {
			return nil, err
		}
	}
	g := &segment{log: r.Log, first: r.Seq, path: segmentPath(s.dir, r.Log, r.Seq)}
	err := s.withRoom(func() error {
		return g.write([]frame{{seq: r.Seq, stored: r.Stored.UnixMilli(), id: r.Intent, body: r.Body}})
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	l.segs = slices.Insert(slices.Clone(l.segs), at, g)
	s.mu.Unlock()
	return l, nil
}

// cutGap takes one seq out of the gaps.
func cutGap(gaps []Gap, seq uint64) (out []Gap) {
	for _, g := range gaps {
		if seq < g.From || seq > g.To {
			out = append(out, g)
			continue
		}
		if g.From < seq {
			out = append(out, Gap{g.From, seq - 1})
		}
		if seq < g.To {
			out = append(out, Gap{seq + 1, g.To})
		}
	}
	return out
}

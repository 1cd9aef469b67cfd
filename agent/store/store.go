// Package store is the pour buffer: it makes intents and records durable and hands them to the uplink in order.
// Bodies are opaque bytes. It is the only package that imports bbolt; besides that it imports internal packages and x/sys.
//
//	PutIntent ──commit──► state.db          settings, open intents, acknowledgements, applied marks
//	Append ─────commit──► seg-<log>-<first>.db   the record and the id of the intent it closes: this commit IS the pour
//	Read / SetAcked ◄──── uplink, ledger
//	Reject / Release ───► quarantine        records the receiver refuses, until a person releases them
//	Fold / MarkApplied ◄─ inventory
//	Retire ─────────────► unlinks whole acknowledged segments, acknowledgement durable first
//	MakeRoom ───────────► caches, logs, acknowledged segments, ballast; then PutIntent refuses
//	Backup / Restore ───► one file with checksums; a restored store begins a new log
//
// A log is a run of records numbered 1, 2, 3 … without a gap. Its name is random and starts with a letter. The store
// begins a new log when it is created, when a file with records that may still matter is damaged or missing, when
// state.db was restored or copied from elsewhere, the board changed, or somebody asks for it (Renew); so (log, seq) never
// names two different bodies. Older logs stay readable until their records are acknowledged and 30 days old.
//
// Damage never stops the store: before bbolt maps a file, every page reachable in it is walked and every value's checksum
// verified (bbolt has none for pages, and can panic or loop on them), and a process of its own has opened it (Checker).
// Only state.db and the newest segment are ever mapped; closed segments are read. What fails is kept in bad/, never
// deleted, and reported; every record in it that is legible goes on in its place (salvage.go).
//
// A Store is safe for concurrent use. One process at a time may have a directory open.
package store

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits and defaults.
const (
	Schema              = 1                   // meta.schema of every file this build writes
	MaxBody             = 64 << 10            // largest body of a record or intent, bytes
	MaxSetting          = 1 << 20             // largest setting, bytes
	DefaultSegmentBytes = 4 << 20             // a segment is closed before its file would pass this
	DefaultSegmentCount = 65536               // or when it holds this many records
	DefaultRetain       = 30 * 24 * time.Hour // acknowledged records are kept this long
)

// Options of Open. The zero value is good for production except Board.
type Options struct {
	// Board names the hardware the directory belongs to; when it differs from the last time a new log begins.
	// Empty: not checked.
	Board string
	// OnDamage is called for damage found after Open; it must not call the store. Damage found by Open is in Damages.
	OnDamage func(Damage)
	// Yield is called between two pieces of bulk work, such as Verify's, and returns when it may go on; nil: never held.
	Yield func(context.Context) error
	// Belongs tells whether a body is the record of that place, for what is rescued from a damaged file; nil: all are.
	Belongs func(log string, seq uint64, body []byte) bool
	// Check verifies a file in another process before it is mapped, see Checker; nil: only this process looks.
	Check func(path string) error
	// Now is the wall clock that stamps records; default time.Now.
	Now func() time.Time
	// SegmentBytes, SegmentCount and Retain replace the defaults; for tests.
	SegmentBytes int64
	SegmentCount int
	Retain       time.Duration
	// LowSpace, CriticalSpace and Ballast replace the constants of the same names; for tests, and a negative Ballast is none.
	LowSpace, CriticalSpace uint64
	Ballast                 int64
	// Statfs measures the file system of a directory; default: ask the kernel.
	Statfs func(dir string) (free, size uint64, err error)
	// LockTimeout is how long to wait for another process to let go of the directory; default 2 s.
	LockTimeout time.Duration
}

// Entry is one record as stored. Body is the caller's to keep.
type Entry struct {
	Log    string
	Seq    uint64
	Intent string // id of the intent it closed; empty when there was none
	Stored time.Time
	Body   []byte
}

// Intent is something that was begun and has no record yet.
type Intent struct {
	ID   string
	Body []byte
}

// Gap is a range of seqs of one log whose records this store no longer has.
type Gap struct{ From, To uint64 }

// LogState describes one log.
type LogState struct {
	Log      string
	Oldest   uint64 // lowest seq that is still here; Last+1 when none is
	Last     uint64 // newest seq; 0 = none yet
	Acked    uint64 // the receiver has everything up to here
	Pending  uint64 // records above Acked that are here
	Current  bool   // new records go here
	Gaps     []Gap  // above Acked
	Restored uint64 // what Rewind noted last
}

// Damage is a file that failed verification or is missing. LastSeq 0 means unknown.
type Damage struct {
	File     string // path where it lies now
	Log      string // empty for state.db
	FirstSeq uint64
	LastSeq  uint64
	NewLog   bool   // a new log began because of it
	Rescued  uint64 // records of it that were legible: they stay where they are in their log
	Lost     []Gap  // what was not
	Err      error
}

// Stats is the state of the current log and the number of files.
type Stats struct {
	Log      string
	Last     uint64
	Acked    uint64
	Pending  uint64 // records not acknowledged, over all logs
	Logs     int
	Segments int
	Damaged  int // files in bad/
	Rejected int // records set aside
}

// Store is the pour buffer of one state directory.
type Store struct {
	dir  string
	o    Options
	lock *os.File

	// wmu serialises everything that changes a file; it is held across I/O. Taken before rmu, that before mu.
	wmu   sync.Mutex
	state stateDB
	cur   *logInfo // the current log; the pointer changes under wmu and mu
	// writer is the newest segment of the current log while it is open for appending.
	writer *segment
	// recorded maps the ids of intents recorded since state.db last forgot them to their seq in the current log. They
	// are all in its newest segment.
	recorded map[string]uint64

	quarantine quarantine
	ballast    atomic.Bool // in place

	// rmu guards open segment handles against being closed under a reader.
	rmu    sync.Mutex
	reader *segment // the closed segment that is open for reading; at most one
	closed bool

	// mu guards what the getters return; never held across I/O.
	mu      sync.Mutex
	logs    []*logInfo // oldest first; the last is cur
	damages []Damage
	inBad   int
}

// logInfo is one log in memory. Changed under wmu and mu.
type logInfo struct {
	name  string
	last  uint64
	saved savedLog
	segs  []*segment // by first seq
}

// Log is the name of the current log.
func (s *Store) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.name
}

// Last is the newest seq of the current log; 0 = none yet.
func (s *Store) Last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.last
}

// Acked is the acknowledged mark of the current log.
func (s *Store) Acked() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.saved.Acked
}

// Logs lists the logs, oldest first; the last one is current.
func (s *Store) Logs() []LogState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]LogState, len(s.logs))
	for i, l := range s.logs {
		out[i] = LogState{
			Log: l.name, Oldest: l.oldest(), Last: l.last, Acked: l.saved.Acked, Pending: l.pending(), Current: l == s.cur, Restored: l.saved.Restored,
		}
		for _, g := range l.saved.Gaps {
			if g.To > l.saved.Acked {
				out[i].Gaps = append(out[i].Gaps, g)
			}
		}
	}
	return out
}

// Damages lists the damage found since Open began.
func (s *Store) Damages() []Damage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damages)
}

// Stats describes the store.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Log: s.cur.name, Last: s.cur.last, Acked: s.cur.saved.Acked, Logs: len(s.logs), Damaged: s.inBad, Rejected: int(s.quarantine.count.Load())}
	for _, l := range s.logs {
		st.Segments += len(l.segs)
		st.Pending += l.pending()
	}
	return st
}

// pending counts the records above the acknowledged mark that are still here.
func (l *logInfo) pending() uint64 {
	if l.last <= l.saved.Acked {
		return 0
	}
	n := l.last - l.saved.Acked
	for _, g := range l.saved.Gaps {
		if from, to := max(g.From, l.saved.Acked+1), min(g.To, l.last); from <= to {
			n -= to - from + 1
		}
	}
	return n
}

// Close releases the directory. Calls after it fail.
func (s *Store) Close() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	s.mu.Lock()
	logs := s.logs
	s.mu.Unlock()
	for _, l := range logs {
		for _, g := range l.segs {
			errs = append(errs, g.close())
		}
	}
	errs = append(errs, s.state.close())
	errs = append(errs, s.lock.Close())
	return errors.Join(errs...)
}

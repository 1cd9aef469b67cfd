// Package store is the pour buffer: it makes intents and records durable and hands them to the uplink in order.
// Bodies are opaque bytes. It is the only package that imports bbolt; besides that it imports only internal packages.
//
//	PutIntent ──commit──► state.db          settings, open intents, acknowledgements, quarantine, applied marks
//	Append ─────commit──► seg-<log>-<first>.db   the record and the id of the intent it closes: this commit IS the pour
//	Read / SetAcked ◄──── uplink, ledger
//	Fold / MarkApplied ◄─ inventory
//	Retire ─────────────► unlinks whole acknowledged segments, acknowledgement durable first
//
// A log is a run of records numbered 1, 2, 3 … without a gap. Its name is random and starts with a letter. The store
// begins a new log when it is created, when a file with records that may still matter is damaged or missing, when
// state.db was copied from elsewhere or the board changed; so (log, seq) never names two different bodies. Older logs
// stay readable until their records are acknowledged and 30 days old.
//
// Damage never stops the store: before bbolt sees a file, every page reachable in it is walked and every value's
// checksum verified (bbolt has none for pages, and can panic or loop on them). What fails is moved to bad/, never
// deleted, and reported.
//
// A Store is safe for concurrent use. One process at a time may have a directory open.
package store

import (
	"context"
	"time"
)

// Limits and defaults.
const (
	Schema              = 1                   // meta.schema of every file this build writes
	MaxBody             = 64 << 10            // largest body of a record, intent or setting, bytes
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
	// Now is the wall clock that stamps records; default time.Now.
	Now func() time.Time
	// SegmentBytes, SegmentCount and Retain replace the defaults; for tests.
	SegmentBytes int64
	SegmentCount int
	Retain       time.Duration
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
	Log     string
	Last    uint64 // newest seq; 0 = none yet
	Acked   uint64 // the receiver has everything up to here
	Current bool   // new records go here
	Gaps    []Gap  // above Acked
}

// Damage is a file that failed verification or is missing. LastSeq 0 means unknown.
type Damage struct {
	File     string // path where it lies now
	Log      string // empty for state.db
	FirstSeq uint64
	LastSeq  uint64
	NewLog   bool // a new log began because of it
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
}

// Rejected is a record the receiver refuses; it is kept and skipped.
type Rejected struct {
	Log    string
	Seq    uint64
	Reason string
}

var _ interface {
	Log() string
	Last() uint64
	Acked() uint64
	Append(ctx context.Context, intentID string, build func(log string, seq uint64) ([]byte, error)) (seq uint64, err error)
	PutIntent(id string, body []byte) error
	OpenIntents() ([]Intent, error)
	DropIntent(id string) error
	Read(from uint64, limit, maxBytes int) ([]Entry, error)
	ReadLog(log string, from uint64, limit, maxBytes int) ([]Entry, error)
	SetAcked(upto uint64) error
	SetAckedLog(log string, upto uint64) error
	Logs() []LogState
	Setting(key string) (value []byte, ok bool, err error)
	PutSetting(key string, value []byte) error
	DeleteSetting(key string) error
	Reject(r Rejected) error
	Rejects() ([]Rejected, error)
	Fold(fn func(Entry) error) error
	MarkApplied(log string, upto uint64, key string, value []byte) error
	Retire(now time.Time) (removed int, err error)
	Verify(ctx context.Context) error
	Damages() []Damage
	Stats() Stats
	Close() error
} = (*Store)(nil)

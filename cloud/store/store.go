// Package store keeps what the cloud must not forget: things and certificates, shadows, pours and the marks that tell
// each unit how far its log has arrived. It imports sync/wire and internal packages only.
//
//	awsiot  ──Registry, Shadows──►┐
//	ingest  ──Pours──────────────►├─ one SQLite file (WAL, synchronous=FULL) or a PostgreSQL database
//	console ──Reader─────────────►┘
//
// A method that returned is durable. Every method is safe for concurrent use; readers see the last commit. Both
// implementations pass the contract test of this package; they share all statements and differ in their dialect.
package store

import (
	"context"
	"errors"

	"fountain/sync/wire"
)

// Errors of the store, wrapped with what they are about.
var (
	ErrNotFound = errors.New("not in the store")
	ErrExists   = errors.New("exists already")
	ErrInUse    = errors.New("is in use")
	ErrLimit    = errors.New("too many")
	ErrVersion  = errors.New("another version is current")
	ErrRevoked  = errors.New("a revoked certificate stays revoked")
	ErrGroups   = errors.New("the thing cannot be in that group, too")
	ErrSole     = errors.New("a certificate that is attached exclusively has one thing")
)

// Store is everything the cloud keeps.
type Store interface {
	Registry
	Shadows
	Jobs
	RetainedMessages
	Pours
	Conflicts
	Reader
	Close() error
}

// Shadow is the stored form of one shadow. A deleted shadow keeps its version.
type Shadow struct {
	Doc     []byte // opaque to the store; nil when deleted
	Version int64
	Deleted int64 // when, in milliseconds since 1970; 0 when not
}

// Shadows keeps device shadows. name is empty for the classic shadow.
type Shadows interface {
	Shadow(ctx context.Context, thing, name string) (Shadow, error)
	PutShadow(ctx context.Context, thing, name string, s Shadow) error
	// ShadowNames lists a thing's named shadows that are not deleted, in order.
	ShadowNames(ctx context.Context, thing string) ([]string, error)
}

// Verdict says what became of a record.
type Verdict int

// Verdicts of Put.
const (
	New      Verdict = iota // stored now
	Same                    // the same bytes were stored before
	Conflict                // another body was stored under this key before; this one is kept aside
)

// Put is a validated record on its way in. Body are the wire bytes.
type Put struct {
	Record   *wire.Record
	Body     []byte
	Received int64 // milliseconds since 1970
}

// Result is what Put did with one record. N is the position in the order of commits, for New and Same.
type Result struct {
	Verdict Verdict
	N       int64
	Gap     bool // the log has gaps now
}

// Bad is something that could not be taken as a pour.
type Bad struct {
	Thing    string // of the topic, so it can be trusted
	Body     []byte
	Why      string
	Received int64
}

// Mark tells how far a log has arrived.
type Mark struct {
	Thing   string
	Log     string
	Upto    uint64   // every seq from 1 to Upto is stored
	Last    uint64   // the highest seq stored
	Missing []uint64 // the lowest seqs not stored between Upto and Last, at most wire.MaxLedgerMissing, ascending
	// Have are the lowest ranges stored above Upto, first and last seq, at most wire.MaxLedgerHave, ascending.
	Have    [][2]uint64
	Changed int64  // received time of the last record, milliseconds since 1970
	Restore uint64 // what AskAgain said last; 0: never
	AskedAt uint64 // Upto when it did
}

// Pours keeps consumption records.
type Pours interface {
	// Put stores records in one transaction, each on the condition that its key is new. Totals and marks move in the
	// same transaction and only for New records.
	Put(ctx context.Context, puts []Put) ([]Result, error)
	// Quarantine keeps what is no pour. The same bytes of the same thing are kept once and counted.
	Quarantine(ctx context.Context, bad []Bad) error
	// Marks lists the thing's marks, most recently changed first, at most limit.
	Marks(ctx context.Context, thing string, limit int) ([]Mark, error)
	// AskAgain notes that the unit is asked for what it has of a log past its mark (wire.Ack.Restore). The log may be one
	// the store has never heard of.
	AskAgain(ctx context.Context, thing, log string, restore uint64) error
}

// Conflicts keeps who has looked at them.
type Conflicts interface {
	// SeeConflicts notes who has seen conflicts (Aside.ID), and when. Who saw one first stays. It returns how many nobody
	// had seen.
	SeeConflicts(ctx context.Context, by string, at int64, ids ...string) (int, error)
}

// Pour is a stored record. N orders all pours by commit.
type Pour struct {
	N        int64
	Received int64
	Body     []byte
	Record   wire.Record
}

// Total sums pours of one rig kind. Simulated and real consumption are never added up.
type Total struct {
	Rig   string `json:"rig"` // sim | hw
	Pours int64  `json:"pours"`
	UL    int64  `json:"ul"` // counted + estimated, µL
}

// Counts are the store's health figures.
type Counts struct {
	Pours       int64 `json:"pours"`
	Conflicts   int64 `json:"conflicts"`
	Unseen      int64 `json:"unseen"` // conflicts, however often they came, that nobody has seen
	Quarantined int64 `json:"quarantined"`
}

// Reader is what the console and the command line read.
type Reader interface {
	// After lists pours with N > n in order of N, at most limit.
	After(ctx context.Context, n int64, limit int) ([]Pour, error)
	// Latest lists the newest pours, newest first.
	Latest(ctx context.Context, limit int) ([]Pour, error)
	// LastPour returns the newest pour of a thing.
	LastPour(ctx context.Context, thing string) (Pour, error)
	// Export calls f for every pour, ordered by thing, log and seq.
	Export(ctx context.Context, f func(Pour) error) error
	// Totals sums what was received since the time given, rounded down to a quarter of an hour.
	Totals(ctx context.Context, sinceMS int64) ([]Total, error)
	Counts(ctx context.Context) (Counts, error)
	// KeptAside calls f for everything kept aside, oldest first.
	KeptAside(ctx context.Context, f func(Aside) error) error
}

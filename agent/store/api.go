package store

import (
	"context"
	"errors"
	"time"
)

var errTODO = errors.New("not built yet")

// Store is the pour buffer of one state directory.
type Store struct{}

// Open opens or creates the store in dir and recovers it. Errors are problems: not_writable, newer_schema, conflict
// (another process has it).
func Open(dir string, o Options) (*Store, error) { return nil, errTODO }

// Log is the name of the current log.
func (s *Store) Log() string { return "" }

// Last is the newest seq of the current log; 0 = none yet.
func (s *Store) Last() uint64 { return 0 }

// Acked is the acknowledged mark of the current log.
func (s *Store) Acked() uint64 { return 0 }

// Append makes one record durable and closes its intent in the same commit. build makes the body for the place it gets.
// Calling it again with an intent id that already has its record returns that record's seq and does not build.
func (s *Store) Append(ctx context.Context, intentID string, build func(log string, seq uint64) ([]byte, error)) (seq uint64, err error) {
	return 0, errTODO
}

// PutIntent makes an intent durable.
func (s *Store) PutIntent(id string, body []byte) error { return errTODO }

// OpenIntents lists the intents without a record, oldest first.
func (s *Store) OpenIntents() ([]Intent, error) { return nil, errTODO }

// DropIntent forgets an intent that never became anything.
func (s *Store) DropIntent(id string) error { return errTODO }

// Read returns records of the current log from seq `from` on.
func (s *Store) Read(from uint64, limit, maxBytes int) ([]Entry, error) { return nil, errTODO }

// ReadLog is Read for any log that Logs lists.
func (s *Store) ReadLog(log string, from uint64, limit, maxBytes int) ([]Entry, error) {
	return nil, errTODO
}

// SetAcked moves the acknowledged mark of the current log forward.
func (s *Store) SetAcked(upto uint64) error { return errTODO }

// SetAckedLog is SetAcked for any log that Logs lists.
func (s *Store) SetAckedLog(log string, upto uint64) error { return errTODO }

// Logs lists the logs, oldest first; the last one is current.
func (s *Store) Logs() []LogState { return nil }

// Setting reads a small value.
func (s *Store) Setting(key string) (value []byte, ok bool, err error) { return nil, false, errTODO }

// PutSetting makes a small value durable.
func (s *Store) PutSetting(key string, value []byte) error { return errTODO }

// DeleteSetting removes a small value.
func (s *Store) DeleteSetting(key string) error { return errTODO }

// Reject notes a record the receiver refuses for its content.
func (s *Store) Reject(r Rejected) error { return errTODO }

// Rejects lists what was rejected.
func (s *Store) Rejects() ([]Rejected, error) { return nil, errTODO }

// Fold calls fn for every record not yet marked applied, oldest log first, in order.
func (s *Store) Fold(fn func(Entry) error) error { return errTODO }

// MarkApplied stores the result of folding everything up to upto as setting key, in the same commit as the mark.
func (s *Store) MarkApplied(log string, upto uint64, key string, value []byte) error { return errTODO }

// Retire unlinks segments whose records are all acknowledged and older than Options.Retain.
func (s *Store) Retire(now time.Time) (removed int, err error) { return 0, errTODO }

// Verify walks every closed segment; damage goes to OnDamage.
func (s *Store) Verify(ctx context.Context) error { return errTODO }

// Damages lists the damage found since Open began.
func (s *Store) Damages() []Damage { return nil }

// Stats describes the store.
func (s *Store) Stats() Stats { return Stats{} }

// Close releases the directory.
func (s *Store) Close() error { return errTODO }

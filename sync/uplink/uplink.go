// Package uplink brings the pour records of one log to the cloud, in order, until the cloud's ledger says it has them.
//
//	Source ──Read──► batch ≤ 5 KB ──► Publisher (QoS 1, window) ──PUBACK──► in-memory 'sent' mark, never more
//	   ▲                                                                          │ 3 × ledger interval, asked once more
//	   ├── SetAcked ◄── ledger shadow: upto, missing ──► resend, same bytes ◄─────┘
//	   └── Rewind ◄──── ledger shadow: another restore generation (the cloud went back to a backup)
//
// It may import wire, shadow's errors and its own small interfaces; the agent joins it with mqttlink, shadow and the
// store. A unit has one Uplink for each of its logs, and one Pace for all. All state of an Uplink is owned by Serve,
// which runs once per connection and never twice at a time; Status may be read from anywhere.
//
// Without a ledger (a broker that has no shadows) records go up once in the life of the process and stay on the unit:
// nobody has said that they are stored.
package uplink

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"fountain/sync/wire"
)

// Entry is one stored record: the bytes as they were made when the pour was committed.
type Entry struct {
	Seq  uint64
	Body []byte
}

// Source is the log to bring up. Its methods are called from Serve's goroutine only.
type Source interface {
	Log() string
	Last() uint64  // newest seq, 0 when empty
	Acked() uint64 // every seq up to it is settled
	// Read returns records from seq on, ascending, at most limit and at most maxBytes of bodies (but at least one).
	// A seq that is left out is gone for good: damaged or quarantined.
	Read(from uint64, limit, maxBytes int) ([]Entry, error)
	SetAcked(upto uint64) error
	Oldest() uint64 // lowest seq still kept, Last+1 when none is
	// Rewind moves the mark back to upto, lower than Acked, and notes the restore generation that asked for it, durably
	// in one step. upto may be Acked: then only the generation is noted.
	Rewind(upto, restore uint64) error
	Restored() uint64 // the generation Rewind noted last; 0 at first
	// Quarantine keeps a record aside; it is not sent again.
	Quarantine(seq uint64, reason string, body []byte) error
	Notify() <-chan struct{} // receives after an append; capacity 1 is enough
}

// Publisher is the connection (mqttlink.Bulk, so that nothing urgent waits behind a drain).
type Publisher interface {
	// Send queues a message behind those sent before and returns a channel that yields one result: nil when this
	// very connection has the PUBACK. An error with method HungUp() bool tells a peer that closed from a dead line.
	Send(ctx context.Context, topic string, qos byte, payload []byte) <-chan error
	Lost() <-chan struct{}
}

// Shadow is the ledger shadow (shadow.Client).
type Shadow interface {
	Get(ctx context.Context) (*wire.ShadowDocument, error) // a *wire.ShadowError with code 404 when there is none
	Report(ctx context.Context, reported any) error
	// Next waits for the next desired state, or the part of it that differs from reported.
	Next(ctx context.Context) (desired json.RawMessage, err error)
}

// Gate holds bulk work back while a pour is active.
type Gate interface {
	// Idle returns nil when no pour is active, or the context's error.
	Idle(ctx context.Context) error
}

// Config of an Uplink. Zero values mean the defaults named.
type Config struct {
	Thing          string
	Rule           string        // name of the topic rule
	Pace           *Pace         // rate of messages, shared with the uplinks of other logs; nil: NewPace(0), its own
	Linger         time.Duration // a record waits this long for company; default 1 s
	Window         int           // messages without PUBACK; default 20, and more when rate times round trip needs it
	LedgerInterval time.Duration // how often the cloud writes the ledger; default 15 min. Resend after 3 of them
	ReportEvery    time.Duration // default 24 h
	Gate           Gate          // nil: never held back
	// Keeps says whether the unit still has a log: the reports of others make room. Nil: it has this one only.
	Keeps func(log string) bool
	Log   *slog.Logger
}

// Alarms of an Uplink.
const (
	AlarmLedgerAhead  = "ledger_ahead"  // the cloud acknowledges records that were never sent: nothing is deleted
	AlarmLedgerSilent = "ledger_silent" // the shadow service does not answer: nothing is deleted
	AlarmQuarantine   = "quarantine"    // at least one record was set aside since start
	AlarmRecordHangup = "record_hangup" // the cloud hangs up on records, whichever is sent
)

// Status is what an Uplink knows.
type Status struct {
	Log         string
	Last        uint64
	Acked       uint64 // settled by the ledger
	Sent        uint64 // PUBACKed up to here in this connection, or Acked
	Backlog     uint64 // Last - Acked
	Quarantined uint64 // since start
	Resent      uint64 // records sent again since start
	Alarms      []string
}

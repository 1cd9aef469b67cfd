// Package ingest takes consumption records from the topic rule's queue, stores each exactly once and tells every unit
// in its ledger shadow how far its log has arrived.
//
//	rule ──QueueMessage──► Handle: decode, each record on its own ──► queue ──► Run: group commit ──► store
//	                                                                                  └──► OnCommit (console)
//	committed mark ──on connect, at backlog or a new gap, else every LedgerInterval──► shadow "ledger"
//
// It may import cloud/store, sync/wire and internal packages. It keeps nothing that matters: marks are read from the
// store, so it may be killed at any moment. What was not committed is not in the ledger and comes again.
package ingest

import (
	"context"
	"log/slog"
	"time"

	"fountain/cloud/store"
)

// Ledger reads and writes shadows. *awsiot.Core is one.
type Ledger interface {
	UpdateShadow(ctx context.Context, thing, name string, state []byte) (int64, error)
	// ReportedShadow returns the reported section, "{}" when there is none.
	ReportedShadow(ctx context.Context, thing, name string) ([]byte, error)
}

// Config of an Ingest. Zero values mean the defaults named.
type Config struct {
	Store  store.Pours
	Ledger Ledger

	LedgerInterval time.Duration // between ledger writes of one unit that is not behind; default 15 min
	LedgerAtLeast  time.Duration // between ledger writes of one unit that is behind; default 1 s or LedgerInterval
	Backlog        int           // records committed since the last ledger write that make it urgent; default 50
	Linger         time.Duration // how long a commit waits for company; default 2 ms
	MaxBatch       int           // records in one commit; default 1000
	Queue          int           // messages waiting for a commit before publishers wait; default 1024

	// OnCommit is told what is new, in the order of commits, on the committing goroutine; nothing when something was only
	// kept aside. May be nil.
	OnCommit func([]store.Pour)

	Log *slog.Logger
}

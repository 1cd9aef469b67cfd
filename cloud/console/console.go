// Package console is the live page of the cloud: units, pours as they arrive, totals of today.
//
//	ingest ──Pours()──────► hub ──server-sent events──► browser (static/console.js draws)
//	awsiot ──Presence()───►  │
//	store  ◄── first page, GET /api/units, /api/pours
//
// It may import cloud/store, agent/beverage (names and colours of the catalogue), sync/wire and internal packages. It
// owns only the list of open streams. Everything is read-only; nothing external is loaded by the page.
package console

import (
	"context"
	"log/slog"
	"time"

	"fountain/agent/beverage"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// Store is what the console reads.
type Store interface {
	store.Reader
	Things(ctx context.Context) ([]store.Thing, error)
	Marks(ctx context.Context, thing string, limit int) ([]store.Mark, error)
}

// Config of a Console.
type Config struct {
	Store     Store
	Catalogue *beverage.Catalogue // for names and colours; a beverage it lacks is shown by its id
	// Reported returns what a unit said about its logs, nil when it never did. May be nil.
	Reported func(ctx context.Context, thing string) (wire.LedgerReport, error)
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger
}

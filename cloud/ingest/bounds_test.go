package ingest

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// A record no machine can have poured would spoil the sums of every unit for ever.
func TestImpossibleVolume(t *testing.T) {
	db, s := open(t), &shadows{}
	i := New(Config{Store: db, Ledger: s})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	i.mustHandle(t, body("u1",
		record("u1", "a", 1, func(r *wire.Record) { r.CountedUL = math.MaxInt64 }),
		record("u1", "a", 2, func(r *wire.Record) { r.EstimatedUL = math.MaxInt64 }),
		record("u1", "a", 3)))
	i.mustHandle(t, body("u2", record("u2", "a", 1)))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	totals, err := db.Totals(t.Context(), 0)
	if err != nil || len(totals) != 1 || totals[0].Pours != 2 || totals[0].UL != 500_000 {
		t.Errorf("totals %+v, %v", totals, err)
	}
	if c, err := db.Counts(t.Context()); err != nil || c != (store.Counts{Pours: 2, Quarantined: 2}) {
		t.Errorf("counts %+v, %v", c, err)
	}
}

// What no database takes as a key is set aside: tried again for ever it would keep everybody's records waiting.
func TestImpossibleLog(t *testing.T) {
	db := open(t)
	i := New(Config{Store: db, Ledger: &shadows{}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	i.mustHandle(t, body("u1", record("u1", "a\x00b", 1), record("u1", "a"+strings.Repeat("x", 64), 1), record("u1", "a/b", 1),
		record("u1", "a"+strings.Repeat("x", 63), 1)))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c, err := db.Counts(t.Context()); err != nil || c != (store.Counts{Pours: 1, Quarantined: 3}) {
		t.Errorf("counts %+v, %v", c, err)
	}
}

// The ledger tells the newest record it has, so that a unit knows that everything behind a missing one has arrived.
func TestLedgerTellsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		i.mustHandle(t, body("u1", record("u1", "a", 1), record("u1", "a", 2), record("u1", "a", 4), record("u1", "a", 7)))
		time.Sleep(20 * time.Minute)
		w := s.all()
		if len(w) == 0 {
			t.Fatal("no ledger was written")
		}
		if a := w[len(w)-1].ack["a"]; a.Upto != 2 || a.Seen != 7 {
			t.Errorf("ledger %+v, want up to 2 and seen 7", a)
		}
	})
}

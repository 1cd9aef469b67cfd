package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/record"
	"fountain/agent/store"
	"fountain/sync/wire"
)

// openIntent stores an intent as a process that was killed leaves it.
func openIntent(t *testing.T, s *store.Store, boot string, session uint64) record.Intent {
	t.Helper()
	in := record.Intent{
		Pour: record.NewID(time.Now()), Boot: boot, Session: session, Started: time.Now(), Clock: record.ClockTrusted,
		Beverage: "kolvane.classic", Catalogue: "sha256:x", TargetUL: 240_000, MaxUL: 257_000, Source: wire.SourceTouch,
		Parts: []record.IntentPart{{Ingredient: "water.still", Share: 800_000}, {Ingredient: "syrup.x", Cartridge: "c1", Share: 200_000}},
		LagUL: 3_000, NominalUL: 75_000,
	}
	b, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutIntent(in.Pour, b); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestRecovery(t *testing.T) {
	boot, err := record.BootID()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "pours")
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	older := openIntent(t, s, "another-boot", 5)
	in := openIntent(t, s, boot, 7)
	if err := s.PutIntent("01BROKEN", []byte("{")); err != nil {
		t.Fatal(err)
	}
	pour, _ := record.IDBytes(in.Pour)
	open := true
	looked := 0
	r := &recovery{
		store: s, unit: record.Unit{Thing: "fountain-T", Boot: boot, SW: "test", Rig: RigSim}, board: alarm.New(nil),
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		last: func() (beat.Last, error) {
			looked++
			l := beat.Last{
				Packet: beat.Packet{Session: 7, Tick: 9, WantMaster: true, Pour: pour, CountedUL: 100_000, RateULs: 75_000},
				BeatAt: 10 * time.Second, MasterOpen: open, BootID: boot, Reason: beat.ReasonNoBeat,
			}
			if looked > 2 { // the guard shuts MASTER only after its limit: recovery has to wait for that
				l.MasterOpen, l.MasterShutAt = false, 10*time.Second+160*time.Millisecond
			}
			return l, nil
		},
	}
	// Killed again after the first record: the panic stands for it.
	r.step = func() { panic("killed") }
	func() {
		defer func() { _ = recover() }()
		_, _ = r.run(t.Context())
	}()
	_ = s.Close()
	if s, err = store.Open(dir, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r.store, r.step = s, nil
	if _, err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := r.run(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("a third start made %d records, %v", len(again), err)
	}
	got := map[string]*wire.Record{}
	entries, err := s.Read(1, 100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var rec wire.Record
		if err := json.Unmarshal(e.Body, &rec); err != nil {
			t.Fatal(err)
		}
		if got[rec.ID] != nil {
			t.Errorf("two records of pour %s", rec.ID)
		}
		got[rec.ID] = &rec
	}
	if len(got) != 2 {
		t.Fatalf("%d records, want 2", len(got))
	}
	// 100 ml counted, 75 ml/s for 160 ms to MASTER's close, 3 ml of lag.
	if rec := got[in.Pour]; rec.Outcome != wire.Interrupted || rec.CountedUL != 100_000 || rec.EstimatedUL != 15_000 || rec.Reason != record.ReasonAgentGone {
		t.Errorf("same boot: %+v", rec)
	}
	if rec := got[older.Pour]; rec.Outcome != wire.Interrupted || rec.Reason != record.ReasonPowerCut || rec.AtMostUL != 257_000 {
		t.Errorf("older boot: %+v", rec)
	}
	if !r.board.Has(alarm.IntentDamaged, "01BROKEN") {
		t.Error("a damaged intent raised no alarm")
	}
}

// failingStore refuses until it is mended.
type failingStore struct {
	recordStore
	fails int
}

func (f *failingStore) Append(context.Context, string, func(string, uint64) ([]byte, error)) (uint64, error) {
	if f.fails--; f.fails >= 0 {
		return 0, errors.New("no space left on device")
	}
	return 42, nil
}

// A store that refused an intent blocks the unit with an alarm, and lets it go when it works again.
func TestStoreMends(t *testing.T) {
	b := newBench(t)
	c, a, _ := b.agent()
	id := someBeverage(t, c)
	real := a.journal.store
	a.journal.store = refusing{real}
	p, err := c.StartPour(t.Context(), api.StartPour{Beverage: id, TargetUL: 120_000, Mode: api.ModePortion, Source: "touch"})
	if err == nil { // the machine may answer before the journal does; then the pour ends without a record
		if p, err = c.Settled(t.Context(), p.ID); err != nil || p.Outcome != string(wire.Faulted) || p.Record != nil || p.PouredUL != 0 {
			t.Errorf("pour = %+v, %v", p, err)
		}
	}
	b.await("the unit is blocked", func() bool {
		s, err := c.Snapshot(t.Context())
		return err == nil && s.Unit == api.UnitOutOfOrder
	})
	b.await("the unit is mended", func() bool { // the probe goes to the real store
		s, err := c.Snapshot(t.Context())
		return err == nil && s.Unit == api.UnitReady
	})
}

type refusing struct{ recordStore }

func (refusing) PutIntent(string, []byte) error { return errors.New("no space left on device") }

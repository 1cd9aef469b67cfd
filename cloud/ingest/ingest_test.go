package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

func record(thing, log string, seq uint64, more ...func(*wire.Record)) []byte {
	r := wire.Record{
		V: 1, ID: fmt.Sprint("id-", seq), Thing: thing, Log: log, Seq: seq, Beverage: "kolvane.zero", TargetUL: 250_000, CountedUL: 250_000,
		Outcome: wire.Completed, Source: wire.SourceTouch, Rig: "sim",
	}
	for _, f := range more {
		f(&r)
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// body is what the consumption rule makes of a batch.
func body(thing string, records ...[]byte) []byte {
	return raw(thing, wire.AppendBatch(nil, records...))
}

func raw(thing string, payload []byte) []byte {
	b, err := json.Marshal(message{Batch: payload, Thing: thing, Received: time.Now().UnixMilli()})
	if err != nil {
		panic(err)
	}
	return b
}

// shadows remembers what was written.
type shadows struct {
	mu     sync.Mutex
	report wire.LedgerReport
	writes []write
	fail   error
}

type write struct {
	at    time.Time
	thing string
	ack   map[string]*wire.Ack
	nulls []string
}

func (s *shadows) UpdateShadow(_ context.Context, thing, name string, state []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	var st struct {
		Desired struct {
			Ack map[string]*wire.Ack `json:"ack"`
		} `json:"desired"`
	}
	if err := json.Unmarshal(state, &st); err != nil || name != "ledger" {
		return 0, fmt.Errorf("%s %s: %w", name, state, err)
	}
	w := write{at: time.Now(), thing: thing, ack: st.Desired.Ack}
	for log, a := range w.ack {
		if a == nil {
			w.nulls = append(w.nulls, log)
		}
	}
	s.writes = append(s.writes, w)
	return int64(len(s.writes)), nil
}

func (s *shadows) ReportedShadow(context.Context, string, string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(s.report)
}

func (s *shadows) says(r wire.LedgerReport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = r
}

func (s *shadows) all() []write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// memory is a Pours without files, so that a test can run in virtual time.
type memory struct {
	mu     sync.Mutex
	have   map[wire.Key][]byte
	order  []store.Put
	bad    []store.Bad
	broken error
	puts   int
	asked  map[string][2]uint64 // log -> restore, upto then
}

func (m *memory) Put(_ context.Context, puts []store.Put) ([]store.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	m.puts++
	out := make([]store.Result, len(puts))
	for i, p := range puts {
		old, ok := m.have[p.Record.Key()]
		switch {
		case !ok:
			m.have[p.Record.Key()] = p.Body
			m.order = append(m.order, p)
			out[i] = store.Result{N: int64(len(m.order))}
		case string(old) == string(p.Body):
			out[i].Verdict = store.Same
		default:
			out[i].Verdict = store.Conflict
		}
	}
	for i, p := range puts {
		for _, mk := range m.marks(p.Record.Thing) {
			out[i].Gap = out[i].Gap || mk.Log == p.Record.Log && mk.Last > mk.Upto
		}
	}
	return out, nil
}

func (m *memory) Quarantine(_ context.Context, bad []store.Bad) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bad = append(m.bad, bad...)
	return nil
}

func (m *memory) Marks(_ context.Context, thing string, limit int) ([]store.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	marks := m.marks(thing)
	return marks[:min(limit, len(marks))], nil
}

func (m *memory) AskAgain(_ context.Context, thing, log string, restore uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	upto := uint64(0)
	for _, mk := range m.marks(thing) {
		if mk.Log == log {
			upto = mk.Upto
		}
	}
	m.asked[log] = [2]uint64{restore, upto}
	return nil
}

func (m *memory) marks(thing string) []store.Mark {
	last := map[string]uint64{}
	var logs []string
	for _, p := range slices.Backward(m.order) {
		if p.Record.Thing != thing {
			continue
		}
		if !slices.Contains(logs, p.Record.Log) {
			logs = append(logs, p.Record.Log)
		}
		last[p.Record.Log] = max(last[p.Record.Log], p.Record.Seq)
	}
	var out []store.Mark
	for _, l := range logs {
		mk := store.Mark{Thing: thing, Log: l, Last: last[l]}
		for q := uint64(1); q <= last[l]; q++ {
			if _, ok := m.have[wire.Key{Thing: thing, Log: l, Seq: q}]; !ok {
				mk.Missing = append(mk.Missing, q)
			} else if len(mk.Missing) == 0 {
				mk.Upto = q
			}
		}
		mk.Restore, mk.AskedAt = m.asked[l][0], m.asked[l][1]
		out = append(out, mk)
	}
	return out
}

// start runs an ingest on m until the test ends.
func start(t *testing.T, m store.Pours, s *shadows, change ...func(*Config)) *Ingest {
	cfg := Config{Store: m, Ledger: s, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, f := range change {
		f(&cfg)
	}
	i := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return i
}

func (i *Ingest) mustHandle(t *testing.T, b []byte) {
	t.Helper()
	if err := i.Handle(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func newMemory() *memory { return &memory{have: map[wire.Key][]byte{}, asked: map[string][2]uint64{}} }

// TestLedgerPace: at once on connect, at once when behind, else once an interval.
func TestLedgerPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		began := time.Now()
		i.Connected("u1") // nothing stored yet: nothing to say
		synctest.Wait()
		if len(s.all()) != 0 {
			t.Fatalf("wrote an empty ledger: %+v", s.all())
		}
		for q := range uint64(10) { // ten pours in ten minutes
			i.mustHandle(t, body("u1", record("u1", "a", q+1)))
			time.Sleep(time.Minute)
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		w := s.all()
		if len(w) != 1 || w[0].ack["a"].Upto != 10 || w[0].at.Sub(began) != 15*time.Minute {
			t.Fatalf("a unit that is not behind gets one write an interval: %+v", w)
		}
		// Backlog: fifty records are urgent, but never more than one write a second.
		var burst [][]byte
		for q := uint64(11); q <= 210; q++ {
			burst = append(burst, record("u1", "a", q))
		}
		at := time.Now()
		for c := range slices.Chunk(burst, 10) {
			i.mustHandle(t, body("u1", c...))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		w = s.all()[1:]
		if len(w) < 2 || len(w) > 4 {
			t.Fatalf("%d writes for a backlog of 2 s", len(w))
		}
		if w[0].at.Sub(at) > time.Second || w[len(w)-1].ack["a"].Upto < 150 {
			t.Fatalf("the backlog is acknowledged late: %+v", w)
		}
		for k := 1; k < len(w); k++ {
			if d := w[k].at.Sub(w[k-1].at); d < time.Second {
				t.Fatalf("two writes within %v", d)
			}
		}
	})
}

// TestLedgerTellsGapsAndRepeats: what the cloud lacks, or the unit does not know, is told within a second.
func TestLedgerTellsGapsAndRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		i.mustHandle(t, body("u1", record("u1", "a", 1)))
		time.Sleep(20 * time.Minute)
		n := len(s.all())
		i.mustHandle(t, body("u1", record("u1", "a", 4)))
		time.Sleep(time.Second)
		w := s.all()
		if len(w) != n+1 || !slices.Equal(w[n].ack["a"].Missing, []uint64{2, 3}) || w[n].ack["a"].Upto != 1 {
			t.Fatalf("gap: %+v", w[n:])
		}
		// The same gap again is no news.
		i.mustHandle(t, body("u1", record("u1", "a", 5)))
		time.Sleep(2 * time.Second)
		if w := s.all(); len(w) != n+1 {
			t.Fatalf("an old gap costs a write a pour: %+v", w[n:])
		}
		i.mustHandle(t, body("u1", record("u1", "a", 2), record("u1", "a", 3)))
		time.Sleep(2 * time.Second)
		if w := s.all(); len(w) != n+2 || w[n+1].ack["a"].Upto != 5 || len(w[n+1].ack["a"].Missing) != 0 {
			t.Fatalf("a filled gap: %+v", w[n:])
		}
		// A repeat means the unit does not know: told again, although nothing changed.
		i.mustHandle(t, body("u1", record("u1", "a", 3)))
		time.Sleep(2 * time.Second)
		if w := s.all(); len(w) != n+3 {
			t.Fatalf("a repeat: %+v", w[n:])
		}
	})
}

// TestLedgerKeepsFourLogs: older ones are taken out of the shadow.
func TestLedgerKeepsFourLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		for _, l := range []string{"a", "b", "c", "d", "e", "f"} {
			i.mustHandle(t, body("u1", record("u1", l, 1)))
		}
		synctest.Wait()
		time.Sleep(time.Hour)
		w := s.all()
		last := w[len(w)-1]
		slices.Sort(last.nulls)
		if len(last.ack) != 6 || !slices.Equal(last.nulls, []string{"a", "b"}) {
			t.Fatalf("%+v", last)
		}
	})
}

// TestLedgerRetries: a shadow that cannot be written is written later.
func TestLedgerRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{fail: errors.New("throttled")}
		i := start(t, m, s)
		i.mustHandle(t, body("u1", record("u1", "a", 1)))
		time.Sleep(time.Minute)
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		time.Sleep(10 * time.Second)
		if w := s.all(); len(w) != 1 {
			t.Fatalf("%+v", w)
		}
	})
}

// TestStoreFails: publishers wait, nothing is lost, nothing is acknowledged early.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		m.broken = errors.New("disk full")
		i := start(t, m, s, func(c *Config) { c.Queue, c.MaxBatch = 2, 1 })
		for q := range uint64(3) { // one being committed, two waiting
			i.mustHandle(t, body("u1", record("u1", "a", q+1)))
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := i.Handle(ctx, body("u1", record("u1", "a", 4))); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a full queue took a message: %v", err)
		}
		if len(s.all()) != 0 {
			t.Fatal("acknowledged what is not stored")
		}
		m.mu.Lock()
		m.broken = nil
		m.mu.Unlock()
		time.Sleep(time.Minute)
		m.mu.Lock()
		defer m.mu.Unlock()
		said := s.all() // the first may go out while the others are being stored
		if len(m.order) != 3 || len(said) == 0 || said[len(said)-1].ack["a"].Upto != 3 {
			t.Fatalf("%d stored, ledger %+v", len(m.order), said)
		}
	})
}

// TestGroupCommit: messages that come together are committed together.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		i := start(t, m, s)
		for q := range uint64(100) {
			i.mustHandle(t, body("u1", record("u1", "a", q+1)))
		}
		time.Sleep(time.Second)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.puts > 2 || len(m.order) != 100 {
			t.Fatalf("%d commits for %d records", m.puts, len(m.order))
		}
	})
}

func open(t *testing.T) *store.SQLite {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestEachRecordOnItsOwn: a bad one costs only itself; foreign ones are kept aside; stopping commits what was taken.
func TestEachRecordOnItsOwn(t *testing.T) {
	db, s := open(t), &shadows{}
	var told []int64
	i := New(Config{Store: db, Ledger: s, OnCommit: func(ps []store.Pour) {
		for _, p := range ps {
			told = append(told, p.N)
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()

	good := record("u1", "a", 1)
	spaced := []byte(strings.Replace(string(record("u1", "a", 2)), `"v":1`, `"v":  1`, 1)) // bytes are kept as they came
	i.mustHandle(t, raw("u1", []byte("["+string(good)+`,{"v":1,"bad":}, `+string(spaced)+","+string(record("u2", "a", 9))+","+
		string(record("u1", "a", 1<<63))+","+string(record("u1", "a", 3, func(r *wire.Record) { r.Rig = "lab" }))+"]")))
	i.mustHandle(t, body("u1", good))                                                           // again
	i.mustHandle(t, body("u1", record("u1", "a", 1, func(r *wire.Record) { r.CountedUL = 5 }))) // another body, same key
	i.mustHandle(t, raw("u1", []byte("no array")))
	i.mustHandle(t, []byte("no message"))
	if err := i.HandleDead(t.Context(), []byte("dead")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := i.Handle(t.Context(), body("u1", good)); !errors.Is(err, ErrStopped) {
		t.Fatalf("after the end: %v", err)
	}
	pours, err := db.After(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(pours) != 2 || string(pours[0].Body) != string(good) || string(pours[1].Body) != string(spaced) || !slices.Equal(told, []int64{1, 2}) {
		t.Fatalf("%d pours, told %v: %+v", len(pours), told, pours)
	}
	c, err := db.Counts(t.Context())
	if err != nil || c != (store.Counts{Pours: 2, Conflicts: 1, Unseen: 1, Quarantined: 7}) {
		t.Fatalf("%+v %v", c, err)
	}
}

func BenchmarkIngest(b *testing.B) {
	db, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "cloud.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	i := New(Config{Store: db, Ledger: &shadows{}, LedgerInterval: time.Second})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	n := uint64(0)
	for b.Loop() {
		var rs [][]byte
		for range 11 {
			n++
			rs = append(rs, record("u1", "a", n))
		}
		if err := i.Handle(ctx, body("u1", rs...)); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "pours/s")
}

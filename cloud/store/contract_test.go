package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fountain/internal/problem"
	"fountain/sync/wire"
)

func TestSQLite(t *testing.T) {
	testContract(t, func(t *testing.T) Store {
		s, err := OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

// testContract is what every Store does.
func testContract(t *testing.T, open func(t *testing.T) Store) {
	for name, f := range map[string]func(*testing.T, Store){
		"pours once":        contractPours,
		"marks":             contractMarks,
		"random order":      contractRandom,
		"rigs stay apart":   contractRigs,
		"quarantine":        contractQuarantine,
		"registry":          contractRegistry,
		"entries":           contractEntries,
		"seed":              contractSeed,
		"links":             contractLinks,
		"thing groups":      contractGroups,
		"revoked":           contractRevoked,
		"expired":           contractExpired,
		"shadows":           contractShadows,
		"retained messages": contractRetained,
		"jobs":              contractJobs,
		"job executions":    contractExecutions,
		"readers and order": contractReaders,
		"side by side":      contractSideBySide,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func put(thing, log string, seq uint64, more ...func(*wire.Record)) Put {
	r := &wire.Record{
		V: 1, ID: fmt.Sprintf("id-%d", seq), Thing: thing, Log: log, Seq: seq, Beverage: "kolvane.zero", TargetUL: 250_000, CountedUL: 249_000,
		EstimatedUL: 1000, Outcome: wire.Completed, Source: wire.SourceTouch, Rig: "sim",
	}
	for _, f := range more {
		f(r)
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return Put{Record: r, Body: b, Received: 1_700_000_000_000 + int64(seq)}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func contractPours(t *testing.T, s Store) {
	ctx := t.Context()
	got := must[[]Result](t)(s.Put(ctx, []Put{put("u1", "a", 1), put("u1", "a", 2), put("u1", "a", 1), put("u2", "a", 1)}))
	if got[3].N <= got[1].N {
		t.Fatalf("n does not grow: %+v", got)
	}
	want := []Result{{New, 1, false}, {New, 2, false}, {Same, 1, false}, {New, got[3].N, false}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	other := put("u1", "a", 2, func(r *wire.Record) { r.CountedUL = 7 })
	if got := must[[]Result](t)(s.Put(ctx, []Put{put("u1", "a", 1), other, other})); got[0].Verdict != Same || got[1].Verdict != Conflict || got[2].Verdict != Conflict {
		t.Fatalf("%+v", got)
	}
	totals := must[[]Total](t)(s.Totals(ctx, 0))
	if d := cmp.Diff([]Total{{"sim", 3, 750_000}}, totals); d != "" {
		t.Fatalf("only new records count: %s", d)
	}
	if c := must[Counts](t)(s.Counts(ctx)); c != (Counts{Pours: 3, Conflicts: 2, Unseen: 1}) {
		t.Fatalf("%+v", c)
	}
	p := must[[]Pour](t)(s.After(ctx, 1, 1))
	if len(p) != 1 || p[0].N != 2 || string(p[0].Body) != string(put("u1", "a", 2).Body) || p[0].Record.CountedUL != 249_000 {
		t.Fatalf("the first body must stand: %+v", p)
	}
}

func contractMarks(t *testing.T, s Store) {
	ctx := t.Context()
	for _, step := range []struct {
		seqs    []uint64
		upto    uint64
		last    uint64
		missing []uint64
	}{
		{[]uint64{1, 2, 3}, 3, 3, nil},
		{[]uint64{6}, 3, 6, []uint64{4, 5}},
		{[]uint64{8, 7}, 3, 8, []uint64{4, 5}},
		{[]uint64{5}, 3, 8, []uint64{4}},
		{[]uint64{4}, 8, 8, nil},
		{[]uint64{10, 12, 14}, 8, 14, []uint64{9, 11, 13}},
		{[]uint64{11}, 8, 14, []uint64{9, 13}},
		{[]uint64{9}, 12, 14, []uint64{13}},
		{[]uint64{1000}, 12, 1000, append([]uint64{13}, seqs(15, 45)...)},
	} {
		var puts []Put
		for _, q := range step.seqs {
			puts = append(puts, put("u1", "a", q))
		}
		res := must[[]Result](t)(s.Put(ctx, puts))
		m := must[[]Mark](t)(s.Marks(ctx, "u1", 4))
		if len(m) != 1 || m[0].Upto != step.upto || m[0].Last != step.last || !slices.Equal(m[0].Missing, step.missing) {
			t.Fatalf("after %v: %+v, want upto %d last %d missing %v", step.seqs, m, step.upto, step.last, step.missing)
		}
		if res[0].Gap != (step.missing != nil) {
			t.Fatalf("after %v: gap %v", step.seqs, res[0].Gap)
		}
	}
	late := put("u1", "b", 1)
	late.Received += 10_000
	must[[]Result](t)(s.Put(ctx, []Put{late}))
	if m := must[[]Mark](t)(s.Marks(ctx, "u1", 4)); len(m) != 2 || m[0].Log != "b" {
		t.Fatalf("the log that moved last comes first: %+v", m)
	}
	if m := must[[]Mark](t)(s.Marks(ctx, "u1", 1)); len(m) != 1 {
		t.Fatalf("limit: %+v", m)
	}
	if m := must[[]Mark](t)(s.Marks(ctx, "nobody", 1)); len(m) != 0 {
		t.Fatalf("%+v", m)
	}
	if err := errors.Join(s.AskAgain(ctx, "u1", "b", 7), s.AskAgain(ctx, "u1", "b", 8), s.AskAgain(ctx, "u2", "new", 9)); err != nil {
		t.Fatal(err)
	}
	if m := must[[]Mark](t)(s.Marks(ctx, "u1", 1)); m[0].Log != "b" || m[0].Upto != 1 || m[0].Restore != 8 || m[0].AskedAt != 1 {
		t.Fatalf("%+v", m)
	}
	if m := must[[]Mark](t)(s.Marks(ctx, "u2", 1)); len(m) != 1 || m[0].Log != "new" || m[0].Upto != 0 || m[0].Restore != 9 {
		t.Fatalf("a log nobody heard of: %+v", m)
	}
	if res := must[[]Result](t)(s.Put(ctx, []Put{put("u2", "new", 1)})); res[0].Verdict != New {
		t.Fatalf("%+v", res)
	}
	if m := must[[]Mark](t)(s.Marks(ctx, "u2", 1)); m[0].Upto != 1 || m[0].Restore != 9 {
		t.Fatalf("%+v", m)
	}
}

func seqs(a, b uint64) (out []uint64) {
	for ; a <= b; a++ {
		out = append(out, a)
	}
	return out
}

// contractRandom: whatever order and repetition, the mark is what a set would say.
func contractRandom(t *testing.T, s Store) {
	rnd := rand.New(rand.NewPCG(20261123, 1))
	have := map[uint64]bool{}
	for range 60 {
		var puts []Put
		for range 1 + rnd.IntN(8) {
			q := uint64(1 + rnd.IntN(120))
			have[q] = true
			puts = append(puts, put("u1", "a", q))
		}
		must[[]Result](t)(s.Put(t.Context(), puts))
		var upto, last uint64
		for have[upto+1] {
			upto++
		}
		for q := range have {
			last = max(last, q)
		}
		var missing []uint64
		for q := upto + 1; q < last && len(missing) < wire.MaxLedgerMissing; q++ {
			if !have[q] {
				missing = append(missing, q)
			}
		}
		var ranges [][2]uint64
		for q := upto + 1; q <= last && len(ranges) < wire.MaxLedgerHave; q++ {
			if from := q; have[q] {
				for have[q+1] {
					q++
				}
				ranges = append(ranges, [2]uint64{from, q})
			}
		}
		m := must[[]Mark](t)(s.Marks(t.Context(), "u1", 1))[0]
		if m.Upto != upto || m.Last != last || !slices.Equal(m.Missing, missing) || !slices.Equal(m.Have, ranges) {
			t.Fatalf("%+v, want upto %d last %d missing %v have %v", m, upto, last, missing, ranges)
		}
	}
	if c := must[Counts](t)(s.Counts(t.Context())); c.Pours != int64(len(have)) {
		t.Fatalf("%d pours, want %d", c.Pours, len(have))
	}
}

func contractRigs(t *testing.T, s Store) {
	hw := func(r *wire.Record) { r.Rig = "hw" }
	must[[]Result](t)(s.Put(t.Context(), []Put{put("u1", "a", 1), put("u1", "a", 2, hw), put("u1", "a", 3, hw)}))
	if d := cmp.Diff([]Total{{"hw", 2, 500_000}, {"sim", 1, 250_000}}, must[[]Total](t)(s.Totals(t.Context(), 0))); d != "" {
		t.Fatal(d)
	}
	if got := must[[]Total](t)(s.Totals(t.Context(), 1_800_000_000_000)); len(got) != 0 {
		t.Fatalf("totals of a later time: %+v", got)
	}
}

func contractQuarantine(t *testing.T, s Store) {
	bad := Bad{Thing: "u1", Body: []byte("{"), Why: "no JSON", Received: 1}
	for range 3 {
		if err := s.Quarantine(t.Context(), []Bad{bad}); err != nil {
			t.Fatal(err)
		}
	}
	if c := must[Counts](t)(s.Counts(t.Context())); c.Quarantined != 3 || c.Pours != 0 {
		t.Fatalf("%+v", c)
	}
	other := put("u1", "a", 1, func(r *wire.Record) { r.CountedUL = 7 })
	must[[]Result](t)(s.Put(t.Context(), []Put{put("u1", "a", 1), other, other}))
	var aside []Aside
	if err := s.KeptAside(t.Context(), func(a Aside) error { aside = append(aside, a); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []Aside{
		{Kind: AsideQuarantine, Thing: "u1", Why: "no JSON", Received: 1, Times: 3, Body: []byte("{")},
		{Kind: AsideConflict, Thing: "u1", Log: "a", Seq: 1, Why: "another body is stored under this key", Received: other.Received, Times: 2, Body: other.Body},
	}
	want[1].ID = fmt.Sprintf("%x", sha256.Sum256(other.Body))
	if d := cmp.Diff(want, aside); d != "" {
		t.Fatal(d)
	}
	contractSeen(t, s, want[1].ID)
	odd := []Bad{{Thing: "u\x001", Body: []byte("\x00"), Why: "not \x00 or \xff", Received: 2}}
	if err := s.Quarantine(t.Context(), odd); err != nil { // what cannot be set aside would be tried for ever
		t.Fatal(err)
	}
}

// Who sees a conflict first settles it; the same record again does not bring it back, another one is another conflict.
func contractSeen(t *testing.T, s Store, id string) {
	ctx := t.Context()
	if _, err := s.SeeConflicts(ctx, "ada", 5, id, "none"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	for n, by := range []string{"ada", "ruiz"} {
		if is := must[int](t)(s.SeeConflicts(ctx, by, int64(5+n), id, "00")); is != 1-n {
			t.Fatalf("%s saw %d anew", by, is)
		}
	}
	change := func(ul int64) Put { return put("u1", "a", 1, func(r *wire.Record) { r.CountedUL = ul }) }
	must[[]Result](t)(s.Put(ctx, []Put{change(7)}))
	if c := must[Counts](t)(s.Counts(ctx)); c.Conflicts != 3 || c.Unseen != 0 {
		t.Fatalf("%+v", c)
	}
	must[[]Result](t)(s.Put(ctx, []Put{change(8)}))
	if c := must[Counts](t)(s.Counts(ctx)); c.Conflicts != 4 || c.Unseen != 1 {
		t.Fatalf("%+v", c)
	}
	seen := map[string]int64{}
	if err := s.KeptAside(ctx, func(a Aside) error { seen[a.SeenBy] += a.Seen; return nil }); err != nil || len(seen) != 2 || seen["ada"] != 5 {
		t.Fatalf("%v %v", seen, err)
	}
}

func contractRegistry(t *testing.T, s Store) {
	ctx := t.Context()
	cert := func(id string) Certificate {
		return Certificate{ID: id, PEM: "pem", KeyHash: "k" + id, Status: CertPending, Token: "t" + id, TokenExpires: 9, Created: 1}
	}
	if err := errors.Join(s.PutCertificate(ctx, cert("1")), s.PutCertificate(ctx, cert("2"))); err != nil {
		t.Fatal(err)
	}
	reg := func(id string) error {
		return s.Register(ctx, Registration{CertificateID: id, Thing: "u1", Serial: "F1", Type: "unit", Policies: []string{"p"}, At: 5})
	}
	if err := reg("1"); err != nil {
		t.Fatal(err)
	}
	c := must[Certificate](t)(s.Certificate(ctx, "1"))
	if c.Status != CertActive || !slices.Equal(c.Things, []string{"u1"}) || c.Token != "" || !slices.Equal(c.Policies, []string{"p"}) {
		t.Fatalf("%+v", c)
	}
	if _, err := s.CertificateByToken(ctx, "t1"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a token lives on: %v", err)
	}
	if _, err := s.CertificateByToken(ctx, ""); !errors.Is(err, ErrNotFound) {
		t.Fatalf("the empty token found something: %v", err)
	}
	if err := errors.Join(s.SetPresences(ctx, []Presence{{"u1", true, 10}}), s.SetPresences(ctx, []Presence{{"u1", false, 11}, {"never", true, 11}, {"u1", true, 12}})); err != nil {
		t.Fatal(err)
	}
	if th := must[Thing](t)(s.Thing(ctx, "u1")); th.FirstConnected != 10 || !th.Online || th.Changed != 12 {
		t.Fatalf("%+v", th)
	}
	if err := reg("2"); err != nil {
		t.Fatal(err)
	}
	if th := must[Thing](t)(s.Thing(ctx, "u1")); th.FirstConnected != 0 {
		t.Fatalf("a new identity has connected before: %+v", th)
	}
	all := must[[]Certificate](t)(s.CertificatesOf(ctx, "u1"))
	if len(all) != 2 || all[0].Status == all[1].Status {
		t.Fatalf("only the newest may be active: %+v", all)
	}
	if err := s.AllOffline(ctx, 20); err != nil {
		t.Fatal(err)
	}
	if th := must[[]Thing](t)(s.Things(ctx)); len(th) != 1 || th[0].Online || th[0].Changed != 20 {
		t.Fatalf("%+v", th)
	}
	if err := s.Release(ctx, "F1"); err != nil {
		t.Fatal(err)
	}
	if c := must[Certificate](t)(s.Certificate(ctx, "2")); c.Status != CertInactive {
		t.Fatalf("%+v", c)
	}
	if err := s.Release(ctx, "F9"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := reg("9"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("registered a certificate that is not there: %v", err)
	}
	if th := must[Thing](t)(s.Thing(ctx, "u1")); !th.Released {
		t.Fatal("a failed registration left traces")
	}
}

func contractShadows(t *testing.T, s Store) {
	ctx := t.Context()
	if sh := must[Shadow](t)(s.Shadow(ctx, "u1", "ledger")); sh.Doc != nil || sh.Version != 0 {
		t.Fatalf("%+v", sh)
	}
	if err := errors.Join(s.PutShadow(ctx, "u1", "ledger", Shadow{Doc: []byte("{}"), Version: 1}), s.PutShadow(ctx, "u1", "", Shadow{Doc: []byte("c"), Version: 5}),
		s.PutShadow(ctx, "u1", "ledger", Shadow{Version: 2, Deleted: 7})); err != nil {
		t.Fatal(err)
	}
	if sh := must[Shadow](t)(s.Shadow(ctx, "u1", "ledger")); sh.Doc != nil || sh.Version != 2 || sh.Deleted != 7 {
		t.Fatalf("a deleted shadow keeps its version: %+v", sh)
	}
	if sh := must[Shadow](t)(s.Shadow(ctx, "u1", "")); string(sh.Doc) != "c" {
		t.Fatalf("%+v", sh)
	}
}

func contractReaders(t *testing.T, s Store) {
	ctx := t.Context()
	must[[]Result](t)(s.Put(ctx, []Put{put("u2", "a", 1), put("u1", "b", 2), put("u1", "b", 1), put("u1", "a", 1)}))
	var order []string
	if err := s.Export(ctx, func(p Pour) error { order = append(order, fmt.Sprint(p.Record.Key())); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"{u1 a 1}", "{u1 b 1}", "{u1 b 2}", "{u2 a 1}"}, order); d != "" {
		t.Fatal(d)
	}
	if p := must[[]Pour](t)(s.Latest(ctx, 2)); len(p) != 2 || p[0].N != 4 || p[1].N != 3 {
		t.Fatalf("%+v", p)
	}
	if p := must[Pour](t)(s.LastPour(ctx, "u1")); p.N != 4 {
		t.Fatalf("%+v", p)
	}
	if _, err := s.LastPour(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestOpenProblems(t *testing.T) {
	ctx := context.Background()
	made := filepath.Join(t.TempDir(), "cloud.db")
	s := must[*SQLite](t)(OpenSQLite(ctx, made))
	if _, err := s.w.Exec(`UPDATE meta SET value = '99' WHERE key = 'schema'`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "cloud.db")
	if err := os.WriteFile(garbage, []byte("this is no database, however long one looks at it"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ path, code string }{
		"newer":          {made, problem.CodeNewerSchema},
		"garbage":        {garbage, problem.CodeDamaged},
		"no such folder": {filepath.Join(t.TempDir(), "no", "cloud.db"), problem.CodeNotWritable},
	} {
		_, err := OpenSQLite(ctx, tc.path)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != tc.code || p.Where != tc.path || p.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(garbage); err != nil || string(b[:4]) != "this" {
		t.Error("a damaged file was touched")
	}
	if _, err := OpenSQLiteReader(ctx, filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("read a database that is not there")
	}
}

// TestDamagedPage: a page overwritten in the middle is noticed at start.
func TestDamagedPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloud.db")
	s := must[*SQLite](t)(OpenSQLite(t.Context(), path))
	var puts []Put
	for q := range uint64(500) {
		puts = append(puts, put("u1", "a", q+1))
	}
	must[[]Result](t)(s.Put(t.Context(), puts))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 2 / 4096 * 4096; i < len(b)/2/4096*4096+4096; i++ {
		b[i] = 0xa5
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = OpenSQLite(t.Context(), path)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeDamaged {
		t.Fatalf("got %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	s, err := OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "cloud.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	seq := uint64(0)
	for b.Loop() {
		puts := make([]Put, 500)
		for i := range puts {
			seq++
			puts[i] = put("u1", "a", seq)
		}
		if _, err := s.Put(b.Context(), puts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "pours/s")
}

package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/internal/problem"
)

// small makes segments roll every few records.
func small() Options { return Options{SegmentCount: 4, LockTimeout: 10 * time.Millisecond} }

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func closeNow(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func body(log string, seq uint64) []byte { return fmt.Appendf(nil, `{"log":%q,"seq":%d}`, log, seq) }

func add(t testing.TB, s *Store, intent string) uint64 {
	t.Helper()
	seq, err := s.Append(context.Background(), intent, func(log string, seq uint64) ([]byte, error) { return body(log, seq), nil })
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// seqs reads a whole log and checks that every body belongs to its place.
func seqs(t testing.TB, s *Store, log string) (out []uint64) {
	t.Helper()
	for from := uint64(1); ; {
		list, err := s.ReadLog(log, from, 3, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return out
		}
		for _, e := range list {
			if e.Seq < from || e.Log != log || string(e.Body) != string(body(log, e.Seq)) {
				t.Fatalf("log %s from %d: got %d with %q", log, from, e.Seq, e.Body)
			}
			out = append(out, e.Seq)
			from = e.Seq + 1
		}
	}
}

func wantRange(t testing.TB, got []uint64, from, to uint64) {
	t.Helper()
	if uint64(len(got)) != to-from+1 {
		t.Fatalf("got %d records %v, want %d to %d", len(got), got, from, to)
	}
	for i, seq := range got {
		if seq != from+uint64(i) {
			t.Fatalf("got %v, want %d to %d", got, from, to)
		}
	}
}

func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func code(err error) string {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

func TestAppendReadAcrossSegmentsAndReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	for i := uint64(1); i <= 11; i++ {
		if got := add(t, s, ""); got != i {
			t.Fatalf("seq %d, want %d", got, i)
		}
	}
	wantRange(t, seqs(t, s, log), 1, 11)
	if n := len(files(t, dir, "seg-*")); n != 3 {
		t.Errorf("%d segments, want 3", n)
	}
	if err := s.SetAcked(5); err != nil {
		t.Fatal(err)
	}
	closeNow(t, s)

	s = open(t, dir, small())
	if s.Log() != log || s.Last() != 11 || s.Acked() != 5 {
		t.Fatalf("after reopening: %+v", s.Stats())
	}
	if got := add(t, s, ""); got != 12 {
		t.Fatalf("seq %d, want 12", got)
	}
	wantRange(t, seqs(t, s, log), 1, 12)
	if st := s.Stats(); st.Pending != 7 || st.Logs != 1 || st.Damaged != 0 || len(s.Damages()) != 0 {
		t.Errorf("stats %+v, damages %v", st, s.Damages())
	}
}

func TestReadLimits(t *testing.T) {
	s := open(t, t.TempDir(), small())
	for range 9 {
		add(t, s, "")
	}
	size := len(body(s.Log(), 1))
	for _, c := range []struct {
		from         uint64
		limit, bytes int
		want         int
	}{
		{1, 100, 1 << 20, 9},
		{0, 100, 1 << 20, 9},
		{1, 2, 1 << 20, 2},
		{1, 100, 3 * size, 3},
		{1, 100, 1, 1}, // at least one
		{9, 100, 1 << 20, 1},
		{10, 100, 1 << 20, 0},
		{1, 0, 1 << 20, 0},
	} {
		list, err := s.Read(c.from, c.limit, c.bytes)
		if err != nil || len(list) != c.want {
			t.Errorf("Read(%d, %d, %d): %d records, %v, want %d", c.from, c.limit, c.bytes, len(list), err, c.want)
		}
	}
	if _, err := s.ReadLog("lnone", 1, 1, 1); code(err) != problem.CodeNotFound {
		t.Errorf("unknown log: %v", err)
	}
}

func TestBuildFailureUsesNothingUp(t *testing.T) {
	s := open(t, t.TempDir(), small())
	boom := errors.New("boom")
	if _, err := s.Append(context.Background(), "", func(string, uint64) ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Append(context.Background(), "", func(string, uint64) ([]byte, error) { return make([]byte, MaxBody+1), nil }); err == nil {
		t.Fatal("too large a body was stored")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Append(ctx, "", func(string, uint64) ([]byte, error) { return nil, nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if got := add(t, s, ""); got != 1 {
		t.Errorf("seq %d, want 1", got)
	}
}

func TestIntents(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	put := func(id string) {
		t.Helper()
		if err := s.PutIntent(id, []byte("body of "+id)); err != nil {
			t.Fatal(err)
		}
	}
	wantOpen := func(ids ...string) {
		t.Helper()
		list, err := s.OpenIntents()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, in := range list {
			if string(in.Body) != "body of "+in.ID {
				t.Errorf("intent %s has %q", in.ID, in.Body)
			}
			got = append(got, in.ID)
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("open intents %v, want %v", got, ids)
		}
	}
	reopen := func() {
		t.Helper()
		closeNow(t, s)
		s = open(t, dir, small())
	}
	put("a")
	put("b")
	wantOpen("a", "b")
	if got := add(t, s, "a"); got != 1 {
		t.Fatalf("seq %d", got)
	}
	wantOpen("b")
	reopen() // closing is folded from the record, not written to state.db
	wantOpen("b")
	if got := add(t, s, "a"); got != 1 || s.Last() != 1 {
		t.Errorf("appending for a closed intent again: seq %d, last %d", got, s.Last())
	}
	if err := s.PutIntent("a", nil); err == nil {
		t.Error("an intent with a record was put again")
	}
	for i := range 9 { // rolls: what closed in an older segment stays closed
		id := fmt.Sprintf("c%d", i)
		put(id)
		add(t, s, id)
		wantOpen("b")
		reopen()
		wantOpen("b")
	}
	if err := s.DropIntent("b"); err != nil {
		t.Fatal(err)
	}
	reopen()
	wantOpen()
}

func TestAckOnlyForwardNeverAhead(t *testing.T) {
	s := open(t, t.TempDir(), small())
	for range 3 {
		add(t, s, "")
	}
	if err := s.SetAcked(4); !errors.Is(err, ErrAckAhead) {
		t.Errorf("ahead of the log: %v", err)
	}
	for _, c := range []struct{ set, want uint64 }{{2, 2}, {1, 2}, {2, 2}, {3, 3}, {0, 3}} {
		if err := s.SetAcked(c.set); err != nil || s.Acked() != c.want {
			t.Errorf("SetAcked(%d): %v, acked %d, want %d", c.set, err, s.Acked(), c.want)
		}
	}
	if err := s.SetAckedLog("lnone", 1); code(err) != problem.CodeNotFound {
		t.Errorf("unknown log: %v", err)
	}
}

func TestSettingsRejectsApplied(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	if _, ok, err := s.Setting("lag/w1"); ok || err != nil {
		t.Fatalf("setting of an empty store: %v %v", ok, err)
	}
	if err := s.PutSetting("lag/w1", []byte("1250")); err != nil {
		t.Fatal(err)
	}
	if err := s.Reject(Rejected{Log: log, Seq: 7, Reason: "too large"}); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		add(t, s, "")
	}
	if err := s.MarkApplied(log, 4, "inventory", []byte("levels")); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkApplied(log, 7, "inventory", nil); err == nil {
		t.Error("applied ahead of the log")
	}
	closeNow(t, s)

	s = open(t, dir, small())
	if v, ok, err := s.Setting("lag/w1"); string(v) != "1250" || !ok || err != nil {
		t.Errorf("setting: %q %v %v", v, ok, err)
	}
	if v, _, _ := s.Setting("inventory"); string(v) != "levels" {
		t.Errorf("inventory: %q", v)
	}
	if list := s.Rejects(); len(list) != 1 || list[0].Log != log || list[0].Seq != 7 || list[0].Reason != "too large" {
		t.Errorf("rejects: %v", list)
	}
	var folded []uint64
	if err := s.Fold(func(e Entry) error { folded = append(folded, e.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	wantRange(t, folded, 5, 6)
}

func TestRetire(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := small()
	o.Now = func() time.Time { return now }
	s := open(t, dir, o)
	log := s.Log()
	for range 10 { // segments 1-4, 5-8, 9-10
		add(t, s, "")
		now = now.Add(24 * time.Hour)
	}
	retire := func(want int) {
		t.Helper()
		if n, err := s.Retire(t.Context(), now); n != want || err != nil {
			t.Fatalf("retired %d, %v, want %d", n, err, want)
		}
	}
	now = now.Add(DefaultRetain)
	retire(0) // nothing acknowledged
	if err := s.SetAcked(7); err != nil {
		t.Fatal(err)
	}
	retire(1)
	wantRange(t, seqs(t, s, log), 5, 10)
	closeNow(t, s)

	s = open(t, dir, o) // a missing segment below the mark is fine
	if len(s.Damages()) != 0 || s.Log() != log {
		t.Fatalf("damages %v, log %s, want %s", s.Damages(), s.Log(), log)
	}
	if err := s.SetAcked(10); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-DefaultRetain)
	retire(0) // too young
	now = now.Add(DefaultRetain)
	retire(1)
	retire(0) // the newest segment stays
	if got := add(t, s, ""); got != 11 {
		t.Errorf("seq %d, want 11", got)
	}
	wantRange(t, seqs(t, s, log), 9, 11)
}

func TestConcurrentUse(t *testing.T) {
	s := open(t, t.TempDir(), small())
	const writers, each = 4, 25
	errs := make(chan error, writers+1)
	for w := range writers {
		go func() {
			var err error
			for i := range each {
				id := fmt.Sprintf("w%d-%d", w, i)
				if err = s.PutIntent(id, nil); err != nil {
					break
				}
				if _, err = s.Append(context.Background(), id, func(l string, q uint64) ([]byte, error) { return body(l, q), nil }); err != nil {
					break
				}
			}
			errs <- err
		}()
	}
	go func() { // the uplink
		for s.Acked() < writers*each {
			list, err := s.Read(s.Acked()+1, 7, 1<<20)
			if err == nil && len(list) > 0 {
				err = s.SetAcked(list[len(list)-1].Seq)
			}
			if err == nil {
				_, err = s.Retire(t.Context(), time.Now().Add(2*DefaultRetain))
			}
			if err != nil {
				errs <- err
				return
			}
		}
		errs <- nil
	}()
	for range writers + 1 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.OpenIntents(); err != nil || len(list) != 0 {
		t.Errorf("open intents %v, %v", list, err)
	}
}

func TestClosedStore(t *testing.T) {
	s := open(t, t.TempDir(), small())
	closeNow(t, s)
	if _, err := s.Append(context.Background(), "", nil); !errors.Is(err, errClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, err := s.Read(1, 1, 1); !errors.Is(err, errClosed) {
		t.Errorf("Read: %v", err)
	}
	if _, _, err := s.Setting("x"); err == nil {
		t.Error("Setting worked")
	}
}

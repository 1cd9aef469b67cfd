package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func rejected(t testing.TB, s *Store) (out []Rejected) {
	t.Helper()
	if err := s.Rejected(func(r Rejected) error { out = append(out, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if list := s.Rejects(); len(list) != len(out) || s.Stats().Rejected != len(out) {
		t.Fatalf("%d records, listed %v, counted %d", len(out), list, s.Stats().Rejected)
	}
	return out
}

// What the receiver refuses is kept with its body for good, whatever becomes of its segment and its log, and can be given
// back to be sent again: with its place and its bytes.
func TestQuarantine(t *testing.T) {
	for _, c := range []struct {
		name  string
		renew bool   // the log ends before
		acked uint64 // and is retired up to here
		seqs  []uint64
		left  []uint64 // pending in the log after the release
	}{
		{"still there", false, 0, []uint64{2}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"acknowledged", false, 3, []uint64{2}, []uint64{2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"segment retired", false, 9, []uint64{2}, []uint64{2, 9, 10}},
		{"two of it", false, 9, []uint64{2, 3}, []uint64{2, 3, 9, 10}},
		{"log retired", true, 10, []uint64{2, 3}, []uint64{2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, small())
			log := s.Log()
			for range 10 {
				add(t, s, "")
			}
			for _, seq := range []uint64{2, 3, 2} {
				if err := s.Reject(Rejected{Log: log, Seq: seq, Reason: "poison"}); err != nil {
					t.Fatal(err)
				}
			}
			if c.renew {
				if err := s.Renew(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.SetAckedLog(log, c.acked); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Retire(t.Context(), s.o.Now().Add(2*DefaultRetain)); err != nil {
				t.Fatal(err)
			}
			if c.renew && len(s.Logs()) != 1 {
				t.Fatalf("logs %+v", s.Logs())
			}
			closeNow(t, s)
			s = open(t, dir, small())
			list := rejected(t, s)
			if len(list) != 2 || list[0].Reason != "poison" || string(list[0].Body) != string(body(log, 2)) || list[0].At.IsZero() || list[0].Stored.IsZero() {
				t.Fatalf("%+v", list)
			}
			if n, err := s.Release(log, c.seqs...); n != len(c.seqs) || err != nil {
				t.Fatalf("released %d, %v", n, err)
			}
			for range 2 { // now, and after a restart
				if got := pendingOf(t, s, log); !slices.Equal(got, c.left) {
					t.Errorf("pending %v, want %v", got, c.left)
				}
				if n := len(rejected(t, s)); n != 2-len(c.seqs) {
					t.Errorf("%d are set aside still", n)
				}
				applied := 0
				if err := s.Fold(func(e Entry) error {
					if applied++; e.Log == log && c.renew {
						t.Errorf("record %d is taken from the stock again", e.Seq)
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				closeNow(t, s)
				s = open(t, dir, small())
				if len(s.Damages()) > 0 {
					t.Errorf("damages %v", s.Damages())
				}
			}
			if _, err := s.Release(log, c.seqs...); code(err) != problem.CodeNotFound {
				t.Errorf("released twice: %v", err)
			}
			if err := s.SetAckedLog(log, 10); c.renew {
				err = s.SetAckedLog(log, 3)
				if err != nil || s.Stats().Pending != 0 {
					t.Errorf("%v %+v", err, s.Stats())
				}
			} else if err != nil || s.Stats().Pending != 0 {
				t.Errorf("%v %+v", err, s.Stats())
			}
			add(t, s, "")
			if _, err := s.Retire(t.Context(), s.o.Now().Add(2*DefaultRetain)); err != nil {
				t.Fatal(err)
			}
			if got := s.Stats(); got.Segments > 2 || got.Logs != 1 {
				t.Errorf("not retired: %+v", got)
			}
		})
	}
}

// A release that a crash cuts at any of its steps leaves no damage, and can be done again.
func TestReleaseIsCutAnywhere(t *testing.T) {
	for _, renew := range []bool{false, true} {
		for _, at := range []string{"place noted", "record put there", "mark down"} {
			t.Run(fmt.Sprint(at, " ", renew), func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir, small())
				log := s.Log()
				for range 10 {
					add(t, s, "")
				}
				if err := s.Reject(Rejected{Log: log, Seq: 2, Reason: "poison"}); err != nil {
					t.Fatal(err)
				}
				if renew {
					if err := s.Renew(); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.SetAckedLog(log, 10); err != nil {
					t.Fatal(err)
				}
				late := s.o.Now().Add(2 * DefaultRetain)
				if _, err := s.Retire(t.Context(), late); err != nil {
					t.Fatal(err)
				}
				r := rejected(t, s)[0]
				s.wmu.Lock()
				var err error
				if at == "mark down" {
					s.wmu.Unlock()
					err = s.putBack(r)
					s.wmu.Lock()
				} else {
					_, err = s.insert(s.find(log), r)
				}
				s.wmu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
				closeNow(t, s)
				if at == "place noted" {
					if err := os.Remove(segmentPath(dir, log, 2)); err != nil {
						t.Fatal(err)
					}
				}
				s = open(t, dir, small())
				_ = seqs(t, s, log)
				if err := s.Verify(t.Context()); err != nil || len(s.Damages()) > 0 {
					t.Fatalf("%v, damages %+v", err, s.Damages())
				}
				if n, err := s.Release(log, 2); n != 1 || err != nil {
					t.Fatalf("released again: %d, %v", n, err)
				}
				if got := pendingOf(t, s, log); len(got) == 0 || got[0] != 2 {
					t.Errorf("pending %v", got)
				}
				if len(s.Damages()) > 0 {
					t.Errorf("damages %+v", s.Damages())
				}
			})
		}
	}
}

// pendingOf reads what a log has above its mark.
func pendingOf(t testing.TB, s *Store, log string) (out []uint64) {
	t.Helper()
	for _, st := range s.Logs() {
		if st.Log != log {
			continue
		}
		for _, seq := range seqs(t, s, log) {
			if seq > st.Acked {
				out = append(out, seq)
			}
		}
		if st.Pending != uint64(len(out)) {
			t.Errorf("%d are pending, said %d", len(out), st.Pending)
		}
	}
	return out
}

// A line that a power cut has torn is no damage; one that rots costs nobody else.
func TestQuarantineTornOrDamaged(t *testing.T) {
	dir, log := filled(t, 8, 0)
	s := open(t, dir, small())
	for seq := uint64(1); seq <= 3; seq++ {
		if err := s.Reject(Rejected{Log: log, Seq: seq, Reason: strings.Repeat("x", int(seq))}); err != nil {
			t.Fatal(err)
		}
	}
	closeNow(t, s)
	path := filepath.Join(dir, quarantineFile)
	whole := mustRead(t, path)
	for _, c := range []struct {
		name   string
		b      []byte
		left   int
		damage bool
	}{
		{"torn", whole[:len(whole)-5], 2, false},
		{"rotten", bytes.Replace(whole, []byte(`"xx"`), []byte(`"xy"`), 1), 2, true},
		{"empty", nil, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := errors.Join(os.WriteFile(path, c.b, 0o600), os.RemoveAll(filepath.Join(dir, badDir))); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, small())
			if got := rejected(t, s); len(got) != c.left || (len(s.Damages()) > 0) != c.damage || s.Log() != log {
				t.Errorf("left %v, damages %v", got, s.Damages())
			}
			if err := s.Reject(Rejected{Log: log, Seq: 7, Reason: "late"}); err != nil {
				t.Fatal(err)
			}
			closeNow(t, s)
			s = open(t, dir, small())
			if got := rejected(t, s); len(got) != c.left+1 || len(s.Damages()) > 0 {
				t.Errorf("reopened: %v, damages %v", got, s.Damages())
			}
			closeNow(t, s)
		})
	}
}

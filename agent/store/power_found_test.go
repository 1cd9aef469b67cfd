package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What cutting the power has found, each case by itself.

// A rescue that is cut before the log has ended leaves a sound file that knows less than the damaged one.
func TestCutAfterRescueEndsTheLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	if err := s.PutIntent("poured", nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "", "", "poured"} {
		add(t, s, id)
	}
	g := s.cur.segs[0]
	for _, seq := range []uint64{3, 4} {
		spoil(t, g.path, log, seq)
	}
	s.wmu.Lock()
	s.rmu.Lock()
	_ = s.closeSegment(g)
	s.rmu.Unlock()
	r, err := s.rescue(g, math.MaxUint64)
	s.wmu.Unlock()
	if err != nil || r.count != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	closeNow(t, s) // as a power cut would leave it

	s = open(t, dir, small())
	if s.Log() == log {
		t.Errorf("the log goes on: %d would name a second body", s.Last()+1)
	}
	wantRange(t, seqs(t, s, log), 1, 2)
	if list, err := s.OpenIntents(); err != nil || len(list) != 0 {
		t.Errorf("open intents %v, %v: the pour would be recorded twice", list, err)
	}
}

// Sectors of a rejected record's line that never reached the disk are zero: that is a record that was not rejected.
func TestTornLineIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	for range 2 {
		add(t, s, "")
	}
	log := s.Log()
	for seq := range uint64(2) {
		if err := s.Reject(Rejected{Log: log, Seq: seq + 1, Reason: fmt.Sprint("no ", seq)}); err != nil {
			t.Fatal(err)
		}
	}
	closeNow(t, s)
	path := filepath.Join(dir, quarantineFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[len(b)-20 : len(b)-5])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small())
	list := s.Rejects()
	if len(list) != 1 || list[0].Seq != 1 || len(s.Damages()) != 0 {
		t.Errorf("rejected %v, damages %v", list, s.Damages())
	}
}

// Records of a log that was forgotten come back one by one, in any order, and are all sent again. (Found by killing: the
// second one, above the first, was in the log's list twice and never read.)
func TestReleaseIntoForgottenLog(t *testing.T) {
	for _, order := range [][]uint64{{2, 9}, {9, 2}, {2, 3, 9}, {9, 3, 2}} {
		dir := t.TempDir()
		s := open(t, dir, small())
		log := s.Log()
		for range 10 {
			add(t, s, "")
		}
		for _, seq := range order {
			if err := s.Reject(Rejected{Log: log, Seq: seq, Reason: "no"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(s.SetAcked(10), s.Renew()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Retire(t.Context(), time.Now().Add(2*DefaultRetain)); err != nil || len(s.Logs()) != 1 {
			t.Fatalf("not forgotten: %+v %v", s.Logs(), err)
		}
		for _, seq := range order {
			if n, err := s.Release(log, seq); n != 1 || err != nil {
				t.Fatalf("release %d: %d %v", seq, n, err)
			}
		}
		for range 2 {
			got := seqs(t, s, log)
			slices.Sort(order)
			if !slices.Equal(got, order) || s.Stats().Pending != uint64(len(order)) || len(s.Damages()) > 0 {
				t.Errorf("released %v: read %v, %+v, damages %v", order, got, s.Stats(), s.Damages())
			}
			closeNow(t, s)
			s = open(t, dir, small())
		}
		last := order[len(order)-1]
		if err := s.SetAckedLog(log, last); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Pending != 0 {
			t.Errorf("after acknowledging %d: %+v", last, st)
		}
	}
}

package store

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// Retiring asks before every file, so a pour that begins waits for one at most; what is held back stays.
func TestRetireYields(t *testing.T) {
	asked, most := 0, 2
	o := small()
	o.Yield = func(context.Context) error {
		if asked++; asked > most {
			return errors.New("a pour is active")
		}
		return nil
	}
	s := open(t, t.TempDir(), o)
	for range 20 {
		add(t, s, "")
	}
	if err := s.SetAcked(20); err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(2 * DefaultRetain)
	if n, err := s.Retire(t.Context(), late); n != 2 || err == nil {
		t.Errorf("retired %d, %v", n, err)
	}
	most = 100
	if n, err := s.Retire(t.Context(), late); n != 2 || err != nil || s.Stats().Segments != 1 {
		t.Errorf("retired %d, %v", n, err)
	}
	wantRange(t, seqs(t, s, s.Log()), 17, 20)
}

// Nothing goes before its 30 days are over, or before it is acknowledged.
func TestRetireKeepsWhatIsYoungOrUnsent(t *testing.T) {
	now := time.Now()
	o := small()
	o.Now = func() time.Time { return now }
	s := open(t, t.TempDir(), o)
	for range 12 {
		add(t, s, "")
		now = now.Add(24 * time.Hour)
	}
	begin := now.Add(-12 * 24 * time.Hour)
	if err := s.SetAcked(7); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		day, gone int
	}{{29, 0}, {32, 0}, {34, 1}, {400, 0}} { // record 4 is of day 3; 5 to 8 are not all acknowledged
		if n, err := s.Retire(t.Context(), begin.Add(time.Duration(c.day)*24*time.Hour)); n != c.gone || err != nil {
			t.Errorf("day %d: retired %d, %v, want %d", c.day, n, err, c.gone)
		}
	}
	wantRange(t, seqs(t, s, s.Log()), 5, 12)
}

// A power cut may bring any of the retired files back: they go again, and what is left has no hole and no damage.
func TestRetiredFilesComeBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	for range 20 {
		add(t, s, "")
	}
	log, old := s.Log(), files(t, dir, "seg-*")
	kept := make([][]byte, len(old))
	for i, path := range old {
		var err error
		if kept[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetAcked(18); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Retire(t.Context(), time.Now().Add(2*DefaultRetain)); n != 4 || err != nil {
		t.Fatalf("retired %d, %v", n, err)
	}
	closeNow(t, s)
	for _, i := range []int{0, 2} {
		if err := os.WriteFile(old[i], kept[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, small())
	if left := files(t, dir, "seg-*"); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	if err := s.Rewind(log, 0, 1); err != nil { // a restored cloud asks for all there is
		t.Fatal(err)
	}
	wantRange(t, seqs(t, s, log), 17, 20)
	if st := s.Logs()[0]; st.Oldest != 17 || st.Pending != 4 || s.Log() != log || len(s.Damages()) > 0 {
		t.Errorf("%+v %+v", st, s.Damages())
	}
}

// What was released has a file below the retired ones, which must not go with them.
func TestReleasedIsNotRetired(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	for range 20 {
		add(t, s, "")
	}
	if err := errors.Join(s.Reject(Rejected{Log: s.Log(), Seq: 6, Reason: "test"}), s.SetAcked(18)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Retire(t.Context(), time.Now().Add(2*DefaultRetain)); n != 4 || err != nil {
		t.Fatalf("retired %d, %v", n, err)
	}
	if n, err := s.Release(s.Log(), 6); n != 1 || err != nil {
		t.Fatalf("released %d, %v", n, err)
	}
	closeNow(t, s)
	s = open(t, dir, small())
	if list, err := s.Read(1, 1, MaxBody); err != nil || len(list) != 1 || list[0].Seq != 6 || s.Acked() != 5 || len(s.Damages()) > 0 {
		t.Errorf("%v %v, acknowledged up to %d, %v", list, err, s.Acked(), s.Damages())
	}
}

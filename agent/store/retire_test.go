package store

import (
	"context"
	"errors"
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
	if n, err := s.RetireIdle(t.Context(), late); n != 2 || err == nil {
		t.Errorf("retired %d, %v", n, err)
	}
	most = 100
	if n, err := s.RetireIdle(t.Context(), late); n != 2 || err != nil || s.Stats().Segments != 1 {
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
		if n, err := s.Retire(begin.Add(time.Duration(c.day) * 24 * time.Hour)); n != c.gone || err != nil {
			t.Errorf("day %d: retired %d, %v, want %d", c.day, n, err, c.gone)
		}
	}
	wantRange(t, seqs(t, s, s.Log()), 5, 12)
}

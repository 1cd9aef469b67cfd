package store

import "testing"

// The receiver lost what it had: records are pending again as far as they are here, over a restart, and the generation
// that asked is known.
func TestRewind(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	for range 10 {
		add(t, s, "")
	}
	if err := s.SetAcked(9); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Retire(t.Context(), s.o.Now().Add(2*DefaultRetain)); n != 2 || err != nil {
		t.Fatalf("retired %d, %v", n, err)
	}
	for _, c := range []struct{ upto, restore, acked uint64 }{{20, 1, 9}, {8, 2, 8}, {3, 7, 8}} {
		if err := s.Rewind(log, c.upto, c.restore); err != nil {
			t.Fatal(err)
		}
		if st := s.Logs()[0]; st.Acked != c.acked || st.Restored != c.restore || st.Oldest != 9 {
			t.Errorf("rewound to %d: %+v", c.upto, st)
		}
	}
	closeNow(t, s)
	s = open(t, dir, small())
	if st := s.Logs()[0]; st.Acked != 8 || st.Restored != 7 || st.Pending != 2 || len(s.Damages()) > 0 {
		t.Errorf("reopened: %+v, %v", st, s.Damages())
	}
	wantRange(t, seqs(t, s, log)[0:2], 9, 10)
	if err := s.Rewind("lnone", 1, 1); err == nil {
		t.Error("a log that is not there was rewound")
	}
}

func TestRenew(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	add(t, s, "")
	if err := s.Renew(); err != nil {
		t.Fatal(err)
	}
	if s.Log() == log || s.Last() != 0 || len(s.Logs()) != 2 {
		t.Errorf("%+v", s.Logs())
	}
	add(t, s, "")
	second := s.Log()
	closeNow(t, s)
	s = open(t, dir, small())
	if s.Log() != second || s.Last() != 1 || s.Stats().Pending != 2 {
		t.Errorf("%+v", s.Logs())
	}
}

package store

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// One damaged page of a segment costs at most the records in it, whatever page it is: structure is not needed to find a
// record again. What was rescued has its place and its bytes, new records go to a new log, and the loss is told exactly.
func TestSalvageLosesOnlyTheDamagedPage(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentCount: 400}
	s := open(t, dir, o)
	log := s.Log()
	const records = 300 // one segment with branch pages
	for range records {
		add(t, s, "")
	}
	closeNow(t, s)
	path := segmentPath(dir, log, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := int(max(binary.LittleEndian.Uint64(whole[pageHead+40:]), binary.LittleEndian.Uint64(whole[pageSize+pageHead+40:])))
	rescuedSome := 0
	for page := range used {
		dir := filepath.Join(t.TempDir(), "s")
		if err := os.CopyFS(dir, os.DirFS(filepath.Dir(path))); err != nil {
			t.Fatal(err)
		}
		keepInode(t, dir)
		b := slices.Clone(whole)
		clear(b[page*pageSize:][:pageSize])
		if err := os.WriteFile(segmentPath(dir, log, 1), b, 0o600); err != nil {
			t.Fatal(err)
		}
		in := glean(whole[page*pageSize:][:pageSize]).records // what only this page may have held
		s := open(t, dir, o)
		got := seqs(t, s, log)
		for seq := uint64(1); seq <= records; seq++ {
			if _, was := in[seq]; !was && !slices.Contains(got, seq) {
				t.Fatalf("page %d: record %d is lost, it was elsewhere; damages %+v", page, seq, s.Damages())
			}
		}
		if d := s.Damages(); len(d) > 0 {
			rescuedSome++
			lost := uint64(0)
			for _, g := range d[0].Lost {
				lost += g.To - g.From + 1
			}
			if d[0].Rescued != uint64(len(got)) || lost != records-uint64(len(got)) || s.Log() == log {
				t.Fatalf("page %d: %d are left, told %+v, log %s", page, len(got), d[0], s.Log())
			}
			if n := s.Stats().Pending; n != uint64(len(got)) {
				t.Fatalf("page %d: %d are pending, %d are left", page, n, len(got))
			}
			if seq := add(t, s, ""); seq != 1 {
				t.Fatalf("page %d: seq %d", page, seq)
			}
			if err := s.SetAckedLog(log, records); err != nil || s.Stats().Pending != 1 {
				t.Fatalf("page %d: the old log cannot be acknowledged: %v %+v", page, err, s.Stats())
			}
		}
		closeNow(t, s)
	}
	if rescuedSome < 10 {
		t.Errorf("only %d of %d pages matter: the test proves little", rescuedSome, used)
	}
}

// A rescue that a crash cuts is done again, and leaves one copy of the damaged file.
func TestRescueIsCutAnywhere(t *testing.T) {
	for _, at := range []string{"kept", "later run written", "done but not noted"} {
		t.Run(at, func(t *testing.T) {
			dir, log := filled(t, 4, 0)
			path := segmentOf(t, dir, log, 1)
			spoil(t, path, log, 2)
			switch at {
			case "kept":
				if _, err := keepAside(dir, path); err != nil {
					t.Fatal(err)
				}
			case "later run written":
				kept, err := keepAside(dir, path)
				if err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(kept)
				if err != nil {
					t.Fatal(err)
				}
				run := glean(b).runs(log, 3, 4, nil)
				if err := (&segment{log: log, first: 3, path: segmentPath(dir, log, 3)}).write(run[0]); err != nil {
					t.Fatal(err)
				}
			case "done but not noted":
				s := &Store{dir: dir, o: Options{}.withDefaults()}
				if _, err := s.rescue(&segment{log: log, first: 1, path: path}, 4); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, dir, small())
			if got := seqs(t, s, log); !slices.Equal(got, []uint64{1, 3, 4}) {
				t.Errorf("left: %v", got)
			}
			add(t, s, "")
			if err := s.SetAckedLog(log, 1); err != nil {
				t.Fatal(err)
			}
			if st := s.Logs()[0]; st.Acked != 2 || st.Last != 4 || s.Log() == log {
				t.Errorf("%+v", st)
			}
			if n := len(files(t, dir, "bad/*")); n != 1 {
				t.Errorf("%d files in bad", n)
			}
		})
	}
}

// A commit that a crash cut leaves a sound frame that nobody refers to. Its seq is used again for another body, so the
// segment must not be: else salvage could bring back the wrong one.
func TestCutCommitEndsTheSegment(t *testing.T) {
	for _, records := range []int{0, 2} {
		t.Run(fmt.Sprint(records), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, small())
			log := s.Log()
			for range records {
				add(t, s, "")
			}
			if records == 0 { // a segment whose very first commit is cut
				s.wmu.Lock()
				_, err := s.active()
				s.wmu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
			}
			closeNow(t, s)
			path := segmentPath(dir, log, 1)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cut := frame{seq: uint64(records) + 1, body: []byte("never acknowledged")}.encode()
			copy(b[len(b)-pageSize:], cut) // beyond the high-water mark
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, small())
			if s.Log() != log || len(s.Damages()) > 0 {
				t.Fatalf("damages %v", s.Damages())
			}
			for range 2 {
				add(t, s, "")
			}
			wantRange(t, seqs(t, s, log), 1, uint64(records)+2)
			closeNow(t, s)
			s = open(t, dir, small())
			if s.Log() != log || len(s.Damages()) > 0 {
				t.Fatalf("reopened: damages %v", s.Damages())
			}
			closeNow(t, s)
			// Now everything is damaged, and all that is legible comes back.
			for _, f := range files(t, dir, "seg-*") {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				clear(b[:2*pageSize])
				if err := os.WriteFile(f, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, dir, small())
			if err := s.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantRange(t, seqs(t, s, log), 1, uint64(records)+2) // checks the bodies
		})
	}
}

// Frames of other records that a confused disk puts into a file are not taken.
func TestSalvageTakesOnlyWhatBelongs(t *testing.T) {
	dir, log := filled(t, 4, 0)
	other, foreign := filled(t, 8, 0)
	b, err := os.ReadFile(segmentOf(t, other, foreign, 5))
	if err != nil {
		t.Fatal(err)
	}
	path := segmentOf(t, dir, log, 1)
	if err := os.WriteFile(path, append(mustRead(t, path)[:2*pageSize], b[2*pageSize:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	o := small()
	o.Belongs = func(log string, seq uint64, b []byte) bool { return string(b) == string(body(log, seq)) }
	s := open(t, dir, o)
	if got := seqs(t, s, log); len(got) != 0 {
		t.Errorf("took %v", got)
	}
	if d := s.Damages(); len(d) != 1 || d[0].Rescued != 0 {
		t.Errorf("%+v", d)
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file that is cut short under the reader, or under the writer that maps it, is an error: no signal ends the process,
// and nobody hangs.
func TestFileCutShortWhileOpen(t *testing.T) {
	for _, which := range []string{"closed segment", "active segment", "state.db"} {
		t.Run(which, func(t *testing.T) {
			dir, log := filled(t, 10, 3)
			s := open(t, dir, small())
			_ = seqs(t, s, log)
			path := map[string]string{"closed segment": segmentPath(dir, log, 5), "active segment": segmentPath(dir, log, 9), "state.db": filepath.Join(dir, stateFile)}[which]
			if which == "closed segment" {
				if _, err := s.ReadLog(log, 5, 1, 1<<20); err != nil { // it is the open one
					t.Fatal(err)
				}
			}
			if err := os.Truncate(path, 2*pageSize); err != nil {
				t.Fatal(err)
			}
			if which == "state.db" {
				if err := s.PutIntent("x", nil); err == nil {
					t.Error("an intent was stored in a file that is gone")
				}
				if err := s.PutIntent("x", nil); err != nil {
					t.Errorf("the store does not heal: %v", err)
				}
				if st := s.Logs()[0]; st.Log != log || st.Acked != 3 || st.Current || len(s.Damages()) != 1 {
					t.Errorf("%+v %+v", s.Logs(), s.Damages())
				}
				closeNow(t, s)
			} else {
				got := seqs(t, s, log)
				if slices.Contains(got, 5) != (which == "active segment") || slices.Contains(got, 9) != (which == "closed segment") {
					t.Errorf("left: %v", got)
				}
				add(t, s, "")
				closeNow(t, s)
			}
			s = open(t, dir, small())
			add(t, s, "")
		})
	}
}

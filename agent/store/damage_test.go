package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// filled makes a closed store with n records in segments of 4, acknowledged up to acked, and one open intent.
func filled(t testing.TB, n int, acked uint64) (dir, log string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, small())
	for i := range n {
		add(t, s, fmt.Sprintf("i%d", i))
	}
	if err := s.SetAcked(acked); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIntent("open", []byte("left over")); err != nil {
		t.Fatal(err)
	}
	if err := s.PutSetting("lag", []byte("42")); err != nil {
		t.Fatal(err)
	}
	closeNow(t, s)
	return dir, s.Log()
}

func segmentOf(t testing.TB, dir, log string, first uint64) string {
	t.Helper()
	path := segmentPath(dir, log, first)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// spoil overwrites a record's body so that its checksum fails.
func spoil(t testing.TB, path, log string, seq uint64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := string(body(log, seq))
	if !strings.Contains(string(b), old) {
		t.Fatalf("record %d is not in %s", seq, path)
	}
	b = []byte(strings.ReplaceAll(string(b), old, strings.ToUpper(old)))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedNewestSegment(t *testing.T) {
	dir, log := filled(t, 10, 3)
	spoil(t, segmentOf(t, dir, log, 9), log, 9)
	s := open(t, dir, small())
	d := s.Damages()
	if len(d) != 1 || d[0].Log != log || d[0].FirstSeq != 9 || d[0].LastSeq != 10 || !d[0].NewLog || d[0].Err == nil {
		t.Fatalf("damages %+v", d)
	}
	if filepath.Dir(d[0].File) != filepath.Join(dir, badDir) {
		t.Errorf("set aside at %s", d[0].File)
	}
	if _, err := os.Stat(d[0].File); err != nil {
		t.Errorf("the damaged file is gone: %v", err)
	}
	if s.Log() == log || s.Last() != 0 {
		t.Errorf("log %s goes on, last %d", s.Log(), s.Last())
	}
	if d[0].Rescued != 1 || !slices.Equal(d[0].Lost, []Gap{{9, 9}}) {
		t.Errorf("rescued %d, lost %v", d[0].Rescued, d[0].Lost)
	}
	if got := seqs(t, s, log); !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 10}) {
		t.Errorf("left: %v", got)
	}
	if st := s.Logs()[0]; st.Last != 10 || st.Acked != 3 || !slices.Equal(st.Gaps, []Gap{{9, 9}}) || s.Stats().Pending != 6 {
		t.Errorf("old log %+v, pending %d", st, s.Stats().Pending)
	}
	if list, err := s.OpenIntents(); err != nil || len(list) != 1 || list[0].ID != "open" {
		t.Errorf("open intents %v, %v", list, err)
	}
	if got := add(t, s, "open"); got != 1 {
		t.Errorf("seq %d", got)
	}
	if err := s.SetAckedLog(log, 8); err != nil { // the mark skips what is lost
		t.Fatal(err)
	}
	if st := s.Logs()[0]; st.Acked != 9 {
		t.Errorf("the mark stands before the gap: %+v", st)
	}
	if err := s.SetAckedLog(log, 10); err != nil {
		t.Fatal(err)
	}
	if st := s.Logs()[0]; st.Acked != 10 || s.Stats().Pending != 1 {
		t.Errorf("after acknowledging what is left: %+v", st)
	}
	newLog := s.Log()
	closeNow(t, s)

	s = open(t, dir, small()) // damage is told once; the file stays, and is counted
	if len(s.Damages()) != 0 || s.Stats().Damaged != 1 || s.Log() != newLog || s.Last() != 1 {
		t.Errorf("reopened: damages %v, stats %+v", s.Damages(), s.Stats())
	}
	if n, err := s.Retire(t.Context(), time.Now().Add(2*DefaultRetain)); n != 3 || err != nil || len(s.Logs()) != 1 {
		t.Errorf("retired %d, %v, logs %+v", n, err, s.Logs())
	}
	wantRange(t, seqs(t, s, newLog), 1, 1)
}

// A pour whose record is damaged was recorded all the same: its intent must not become a second record of it.
func TestDamagedRecordKeepsItsIntentClosed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	for _, id := range []string{"poured", "open"} {
		if err := s.PutIntent(id, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	seq, log := add(t, s, "poured"), s.Log()
	closeNow(t, s)
	spoil(t, segmentOf(t, dir, log, seq), log, seq)
	s = open(t, dir, small())
	if len(s.Damages()) != 1 {
		t.Fatalf("damages %v", s.Damages())
	}
	if list, err := s.OpenIntents(); err != nil || len(list) != 1 || list[0].ID != "open" {
		t.Errorf("open intents %v, %v; want the one without a record", list, err)
	}
}

func TestDamagedOlderSegmentFoundByReading(t *testing.T) {
	for _, how := range []string{"Read", "Verify"} {
		t.Run(how, func(t *testing.T) {
			dir, log := filled(t, 10, 3)
			spoil(t, segmentOf(t, dir, log, 5), log, 6)
			var told []Damage
			o := small()
			o.OnDamage = func(d Damage) { told = append(told, d) }
			s := open(t, dir, o)
			if len(s.Damages()) != 0 || s.Log() != log {
				t.Fatalf("opening looked into old segments: %v", s.Damages())
			}
			if how == "Verify" {
				if err := s.Verify(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			got := seqs(t, s, log)
			if !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 7, 8, 9, 10}) {
				t.Errorf("left: %v", got)
			}
			if len(told) != 1 || told[0].FirstSeq != 5 || told[0].LastSeq != 8 || !told[0].NewLog || !slices.Equal(told[0].Lost, []Gap{{6, 6}}) {
				t.Errorf("told %+v", told)
			}
			if s.Log() == log {
				t.Error("the log with a gap goes on: its receiver would wait for ever")
			}
			add(t, s, "")
			if err := s.SetAckedLog(log, 5); err != nil {
				t.Fatal(err)
			}
			if st := s.Logs()[0]; st.Acked != 6 || s.Stats().Pending != 5 {
				t.Errorf("the mark stands before the gap: %+v", st)
			}
		})
	}
}

func TestDamagedSegmentBelowTheMarkKeepsTheLog(t *testing.T) {
	dir, log := filled(t, 10, 8)
	spoil(t, segmentOf(t, dir, log, 5), log, 6)
	s := open(t, dir, small())
	if err := s.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := s.Damages(); len(d) != 1 || d[0].NewLog || s.Log() != log {
		t.Errorf("damages %+v", d)
	}
	if got := add(t, s, ""); got != 11 {
		t.Errorf("seq %d", got)
	}
	if got := seqs(t, s, log); !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 7, 8, 9, 10, 11}) {
		t.Errorf("left: %v", got)
	}
}

func TestMissingSegments(t *testing.T) {
	for _, c := range []struct {
		name   string
		acked  uint64
		first  uint64
		newLog bool
		left   []uint64
	}{
		{"front, below the mark", 4, 1, false, []uint64{5, 6, 7, 8, 9, 10}},
		{"front, above the mark", 3, 1, true, []uint64{5, 6, 7, 8, 9, 10}},
		{"middle", 3, 5, true, []uint64{1, 2, 3, 4, 9, 10}},
		{"newest", 3, 9, true, []uint64{1, 2, 3, 4, 5, 6, 7, 8}},
		{"newest, acknowledged", 10, 9, true, []uint64{1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, log := filled(t, 10, c.acked)
			if err := os.Remove(segmentOf(t, dir, log, c.first)); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, small())
			if got := seqs(t, s, log); !slices.Equal(got, c.left) {
				t.Errorf("left: %v, want %v", got, c.left)
			}
			if (s.Log() != log) != c.newLog || (len(s.Damages()) > 0) != c.newLog {
				t.Errorf("log %s was %s, damages %+v", s.Log(), log, s.Damages())
			}
		})
	}
}

// A segment that vanishes before state.db heard of its last records: the mark of the segment itself gives it away.
func TestMissingNewestSegmentRightAfterRoll(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	for range 5 {
		add(t, s, "")
	}
	closeNow(t, s)
	if err := os.Remove(segmentOf(t, dir, log, 5)); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small())
	if s.Log() == log {
		t.Error("seq 5 would be used again")
	}
}

func TestStateLostOrDamaged(t *testing.T) {
	for _, how := range []string{"removed", "damaged", "empty"} {
		t.Run(how, func(t *testing.T) {
			dir, log := filled(t, 10, 3)
			path := filepath.Join(dir, stateFile)
			var err error
			switch how {
			case "removed":
				err = os.Remove(path)
			case "damaged":
				var b []byte
				if b, err = os.ReadFile(path); err == nil {
					for i := range 64 {
						b[pageHead+i] ^= 0xff
					}
					err = os.WriteFile(path, b, 0o600)
				}
			case "empty":
				err = os.Truncate(path, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, small())
			if d := s.Damages(); len(d) != 1 || !d[0].NewLog || d[0].Log != "" {
				t.Fatalf("damages %+v", d)
			}
			if s.Log() == log {
				t.Error("the log goes on")
			}
			wantRange(t, seqs(t, s, log), 1, 10) // nothing is lost; it is sent again
			pending := uint64(10)
			intents, err := s.OpenIntents()
			lag, _, serr := s.Setting("lag")
			if err := errors.Join(err, serr); err != nil {
				t.Fatal(err)
			}
			if how == "damaged" { // its values were legible
				if pending = 7; len(intents) != 1 || intents[0].ID != "open" || string(intents[0].Body) != "left over" || string(lag) != "42" {
					t.Errorf("rescued intents %v, setting %q", intents, lag)
				}
			}
			if s.Stats().Pending != pending {
				t.Errorf("stats %+v", s.Stats())
			}
			add(t, s, "")
			closeNow(t, s)
			s = open(t, dir, small())
			if len(s.Damages()) != 0 || len(s.Logs()) != 2 {
				t.Errorf("reopened: %v %+v", s.Damages(), s.Logs())
			}
		})
	}
}

// A rescue of state.db takes what is open, not what once was: older versions of pages are legible too.
func TestRescueOfStateTakesNoOldIntents(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	for i := range 20 {
		id := fmt.Sprint("i", i)
		if err := errors.Join(s.PutIntent(id, []byte(id)), s.PutSetting("n", []byte(id))); err != nil {
			t.Fatal(err)
		}
		switch {
		case i%2 == 0:
			add(t, s, id)
		case i < 19:
			if err := s.DropIntent(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(s.PutIntent("dropped", []byte("x")), s.DropIntent("dropped")); err != nil { // the page before the last has it
		t.Fatal(err)
	}
	closeNow(t, s)
	path := filepath.Join(dir, stateFile)
	b := mustRead(t, path)
	clear(b[:2*pageSize])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small())
	n, _, err := s.Setting("n")
	list, lerr := s.OpenIntents()
	if err != nil || lerr != nil || len(list) != 1 || list[0].ID != "i19" || string(n) != "i19" {
		t.Errorf("open intents %v, setting %q, %v, %v", list, n, err, lerr)
	}
}

// Any one file damaged anywhere: the store opens, reads and goes on, loses at most what was in that file, and never
// gives a place to a second body.
func TestDamageAnywhere(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 25
	}
	const seed = 42
	rnd := rand.New(rand.NewPCG(seed, 2))
	master, log := filled(t, 14, 2)
	detected := 0
	for round := range rounds {
		dir := filepath.Join(t.TempDir(), "s")
		if err := os.CopyFS(dir, os.DirFS(master)); err != nil {
			t.Fatal(err)
		}
		keepInode(t, dir)
		all := append(files(t, dir, "seg-*"), filepath.Join(dir, stateFile))
		path := all[rnd.IntN(len(all))]
		what := damage(t, rnd, path)
		lostFrom, lostTo := uint64(0), uint64(0)
		for i, f := range all[:len(all)-1] {
			if f == path {
				lostFrom, lostTo = uint64(i*4+1), uint64(i*4+4)
			}
		}
		name := fmt.Sprintf("seed %d round %d: %s of %s", seed, round, what, filepath.Base(path))

		s, err := Open(dir, small())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		newLog := s.Log()
		_ = add(t, s, "after")
		if err := s.Verify(context.Background()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := seqs(t, s, log)
		for seq := uint64(1); seq <= 14; seq++ {
			if !slices.Contains(got, seq) && (seq < lostFrom || seq > lostTo) {
				t.Errorf("%s: record %d is lost, left %v", name, seq, got)
			}
		}
		if newLog == log && s.Last() != 15 && s.Log() == log {
			t.Errorf("%s: seq %d was used again", name, s.Last())
		}
		if len(s.Damages()) > 0 {
			detected++
		} else {
			wantRange(t, got, 1, s.lastOf(log))
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s = open(t, dir, small())
		add(t, s, "again")
		closeNow(t, s)
	}
	t.Logf("seed %d: %d of %d damages were in bytes that matter", seed, detected, rounds)
	if detected < rounds/4 {
		t.Errorf("only %d damages hit anything: the test proves little", detected)
	}
}

func (s *Store) lastOf(log string) uint64 {
	for _, l := range s.Logs() {
		if l.Log == log {
			return l.Last
		}
	}
	return 0
}

// keepInode makes a copied directory look like the original: its state.db is told its new inode.
func keepInode(t testing.TB, dir string) {
	t.Helper()
	db, err := openBolt(filepath.Join(dir, stateFile), stateMap)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{}
	s.state.db.Store(db)
	unit, err := s.loadLogs(nil)
	if err == nil {
		unit.Inode = inode(filepath.Join(dir, stateFile))
		err = commitState(db, func(tx *bbolt.Tx) error { return putJSON(tx, bucketMeta, unitKey, unit) })
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// damage changes one file, mostly in the pages that hold something.
func damage(t testing.TB, rnd *rand.Rand, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(b)
	if n := int(binary.LittleEndian.Uint64(b[pageHead+40:])) * pageSize; n > 0 && n < used {
		used = n
	}
	at := rnd.IntN(used)
	var what string
	switch rnd.IntN(6) {
	case 0:
		what = fmt.Sprintf("truncation at %d", at)
		b = b[:at]
	case 1:
		what = fmt.Sprintf("zero page at %d", at)
		clear(b[at/pageSize*pageSize:][:pageSize])
	case 2:
		what = fmt.Sprintf("noise of 64 bytes at %d", at)
		for i := at; i < min(at+64, used); i++ {
			b[i] = byte(rnd.Uint32())
		}
	case 3: // swap two pages: each is sound in itself
		other := rnd.IntN(used)
		what = fmt.Sprintf("pages at %d and %d swapped", at, other)
		x, y := b[at/pageSize*pageSize:][:pageSize], b[other/pageSize*pageSize:][:pageSize]
		tmp := slices.Clone(x)
		copy(x, y)
		copy(y, tmp)
	case 4: // page headers and element tables are where loops come from
		at = at/pageSize*pageSize + rnd.IntN(64)
		fallthrough
	default:
		what = fmt.Sprintf("bit flip at %d", at)
		b[at] ^= 1 << rnd.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return what
}

// rotInPlace changes a record's bytes in the file without replacing it, so that a process that maps it sees it.
func rotInPlace(t testing.TB, path, log string, seq uint64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := body(log, seq)
	for i := 0; i+len(want) <= len(b); i++ {
		if string(b[i:i+len(want)]) == string(want) {
			if _, err := f.WriteAt([]byte{'X'}, int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"fountain/internal/problem"
)

// TestOneProcessAtATime: a store in use is opened by nobody else. Peers: reef-pi copies its live file.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	_, err := Open(dir, small())
	if code(err) != problem.CodeConflict {
		t.Fatalf("second open: %v", err)
	}
	closeNow(t, s)
	open(t, dir, small())
}

func TestNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "state"), Options{})
	if code(err) != problem.CodeNotWritable || !strings.Contains(err.Error(), file) {
		t.Errorf("directory below a file: %v", err)
	}
	if os.Geteuid() == 0 {
		return // root may write anywhere
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(filepath.Join(dir, "state"), Options{}); code(err) != problem.CodeNotWritable {
		t.Errorf("read-only directory: %v", err)
	}
}

func TestNewerSchemaIsRefusedUntouched(t *testing.T) {
	for _, name := range []string{stateFile, "seg-*"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, small())
			add(t, s, "")
			closeNow(t, s)
			path := files(t, dir, name)[0]
			rewriteMeta(t, path, fileMeta{Schema: Schema + 1, Kind: "future"})
			_, err := Open(dir, small())
			if code(err) != problem.CodeNewerSchema || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
			if n := len(files(t, dir, "bad/*")); n != 0 {
				t.Errorf("%d files set aside", n)
			}
		})
	}
}

func rewriteMeta(t testing.TB, path string, meta fileMeta) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, boltOptions(0))
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return putJSON(tx, bucketMeta, metaKey, meta) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNewLogOnAnotherBoardOrCopy(t *testing.T) {
	dir := t.TempDir()
	o := small()
	o.Board = "board-1"
	s := open(t, dir, o)
	first := s.Log()
	add(t, s, "")
	if !(first[0] >= 'a' && first[0] <= 'z') {
		t.Errorf("log %q does not start with a letter", first)
	}
	closeNow(t, s)

	o.Board = "board-2"
	s = open(t, dir, o)
	second := s.Log()
	if second == first || s.Last() != 0 || s.Stats().Pending != 1 {
		t.Fatalf("moved to another board: log %s, stats %+v", second, s.Stats())
	}
	wantRange(t, seqs(t, s, first), 1, 1)
	if got := add(t, s, ""); got != 1 {
		t.Errorf("seq %d, want 1", got)
	}
	closeNow(t, s)

	copied := t.TempDir() // a backup put back
	if err := os.CopyFS(filepath.Join(copied, "s"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s = open(t, filepath.Join(copied, "s"), o)
	if s.Log() == second || s.Last() != 0 || len(s.Logs()) != 3 {
		t.Errorf("restored copy: log %s, logs %+v", s.Log(), s.Logs())
	}
	wantRange(t, seqs(t, s, second), 1, 1)
	if len(s.Damages()) != 0 {
		t.Errorf("damages %v", s.Damages())
	}
}

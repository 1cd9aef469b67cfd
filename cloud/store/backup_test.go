package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func fill(t *testing.T, s Store, from, to uint64) {
	t.Helper()
	var puts []Put
	for q := from; q <= to; q++ {
		puts = append(puts, put("u1", "a", q))
	}
	if _, err := s.Put(t.Context(), puts); err != nil {
		t.Fatal(err)
	}
}

// A backup is one view while records come in; restoring it keeps what it replaces, and asks before it does.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "cloud.db"), filepath.Join(dir, "backup.db")
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, 10)
	writing := make(chan error, 1)
	go func() { // beside the backup
		for q := uint64(11); q <= 60; q++ {
			if _, err := s.Put(t.Context(), []Put{put("u1", "a", q)}); err != nil {
				writing <- err
				return
			}
		}
		writing <- nil
	}()
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	have := func(path string) (pours int64, upto uint64) {
		t.Helper()
		s, err := OpenSQLiteReader(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, err := s.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Marks(t.Context(), "u1", 1)
		if err != nil || len(m) != 1 {
			t.Fatalf("%v %v", m, err)
		}
		return c.Pours, m[0].Upto
	}
	inside, mark := have(backup)
	if inside < 10 || inside > 60 || mark != uint64(inside) {
		t.Fatalf("the backup has %d records and the mark %d", inside, mark)
	}
	refused := func(code string, err error) {
		t.Helper()
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != code || p.Remedy == "" {
			t.Errorf("%v, want %s", err, code)
		}
	}
	if inside < 60 {
		_, err = RestoreSQLite(t.Context(), backup, path, false)
		refused(problem.CodeConflict, err)
		if n, _ := have(path); n != 60 {
			t.Fatalf("a refused restore left %d records", n)
		}
	}
	kept, err := RestoreSQLite(t.Context(), backup, path, true)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := have(path); n != inside {
		t.Errorf("%d records restored of %d", n, inside)
	}
	if n, _ := have(kept); n != 60 {
		t.Errorf("%d records kept aside", n)
	}
	if _, err := RestoreSQLite(t.Context(), backup, path, false); err != nil { // nothing newer is there
		t.Error(err)
	}

	if _, err := RestoreSQLite(t.Context(), backup, filepath.Join(t.TempDir(), "cloud.db"), false); err != nil {
		t.Errorf("into an empty directory: %v", err)
	}
	_, err = RestoreSQLite(t.Context(), filepath.Join(dir, "none"), path, true)
	refused(problem.CodeNotFound, err)
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"garbage": strings.Repeat("no database ", 1000), "empty": "", "half": string(whole[:len(whole)/2])} {
		bad := filepath.Join(dir, name)
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = RestoreSQLite(t.Context(), bad, path, true)
		refused(problem.CodeDamaged, err)
		if n, _ := have(path); n != inside {
			t.Errorf("%s was restored: %d records", name, n)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = RestoreSQLite(t.Context(), backup, path, false)
	refused(problem.CodeConflict, err)
	if _, err := RestoreSQLite(t.Context(), backup, path, true); err != nil {
		t.Error(err)
	}
	if n, _ := have(path); n != inside {
		t.Errorf("%d records in place of a damaged database", n)
	}
	if left, _ := filepath.Glob(path + ".restoring*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

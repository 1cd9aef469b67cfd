package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Backup writes one view of the database, as of now, into a file of its own. A running cloud goes on meanwhile. The file
// is there whole or not at all.
func (s *SQLite) Backup(ctx context.Context, path string) error {
	err := atomicfile.WriteFunc(path, 0o600, func(f *os.File) error {
		_, err := s.r.ExecContext(ctx, `VACUUM INTO ?`, f.Name()) // into an empty file
		return err
	})
	if err != nil {
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) { // it names a temporary file
			err = pe.Err
		}
		return &problem.Problem{
			Code: problem.CodeNotWritable, Where: path, What: fmt.Sprintf("cannot write the backup: %v", err),
			Remedy: "name a file in a directory that is writable and has room for the whole database",
		}
	}
	return nil
}

// RestoreSQLite puts a backup in the place of the database at path; no cloud may use it. It first looks whether the
// backup is whole and of a known schema. A database that is there and newer is replaced only with force; it is kept
// beside the new one under the name returned ("" when there was none).
func RestoreSQLite(ctx context.Context, backup, path string, force bool) (kept string, err error) {
	fresh := path + ".restoring"
	defer removeAll(fresh) // gone already when all went well
	removeAll(fresh)
	if err := copyFile(backup, fresh); err != nil {
		return "", &problem.Problem{
			Code: problem.CodeNotFound, Where: backup, What: fmt.Sprintf("cannot copy the backup: %v", err),
			Remedy: "name a file that fountain-cloud backup wrote, and make room for it",
		}
	}
	last, err := newest(ctx, fresh)
	if err != nil {
		what := err.Error()
		if p := (*problem.Problem)(nil); errors.As(err, &p) {
			what = p.What // its place is the copy, its remedy that of a cloud's database
		}
		return "", &problem.Problem{Code: problem.CodeDamaged, Where: backup, What: "the backup cannot be used: " + what, Remedy: "take another backup"}
	}
	if _, err := os.Stat(path); err == nil {
		have, err := newest(ctx, path)
		if !force && (err != nil || have > last) {
			what := fmt.Sprintf("there are %d records the backup does not have", have-last)
			if err != nil {
				what = fmt.Sprintf("there is a database that cannot be read: %v", err)
			}
			return "", &problem.Problem{
				Code: problem.CodeConflict, Where: path, What: what,
				Remedy: "give --force to put the backup in its place; the old one is kept beside it, and units send again what they keep",
			}
		}
		kept = path + ".before-restore-" + time.Now().UTC().Format("20060102T150405.000Z")
		if err := setAside(path, kept); err != nil {
			return "", notWritable(path, err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return "", notWritable(path, err)
	}
	return kept, atomicfile.SyncDir(filepath.Dir(path))
}

// newest opens a database, which checks it and brings it up to date, and tells the position of its newest record.
func newest(ctx context.Context, path string) (n int64, err error) {
	if st, err := os.Stat(path); err != nil || st.Size() == 0 { // SQLite takes an empty file for a new database
		return 0, errors.Join(err, errors.New("the file is empty"))
	}
	s, err := OpenSQLite(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }() // leaves one file
	ps, err := s.Latest(ctx, 1)
	if err != nil || len(ps) == 0 {
		return 0, err
	}
	return ps[0].N, nil
}

// setAside gives a database a second name and takes away what would be taken for a part of the new one. Path itself stays,
// so that a start finds the old database or the new one, never none.
func setAside(path, kept string) error {
	for _, part := range []string{"-wal", "-shm"} { // there only when it was not closed or cannot be read
		if err := os.Rename(path+part, kept+part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Link(path, kept)
}

func removeAll(path string) {
	for _, part := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(path + part) // most are not there
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return atomicfile.WriteFunc(to, 0o600, func(f *os.File) error {
		_, err := io.Copy(f, in)
		return err
	})
}

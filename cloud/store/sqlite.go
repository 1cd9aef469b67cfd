package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite" // named "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"fountain/internal/problem"
)

// SQLite is the Store in one file.
type SQLite struct {
	db   // w has one connection: writes are serialised
	path string
}

var sqlite = dialect{
	bind:   func(query string) string { return query },
	schema: func(script string) string { return script },
}

var _ Store = (*SQLite)(nil)

// OpenSQLite opens or creates the database file. Errors are problems with the path and a remedy: the directory cannot
// be written, the file is damaged, or a newer version wrote it.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	_, err := os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, notWritable(path, err)
		}
		if err := f.Close(); err != nil {
			return nil, notWritable(path, err)
		}
	}
	s := &SQLite{path: path, db: db{d: sqlite}}
	if s.w, err = open(path, "rwc", 1); err != nil {
		return nil, err
	}
	if s.r, err = open(path, "rw", 4); err != nil {
		_ = s.w.Close() // the first error is the one to tell
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		_ = s.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

// OpenSQLiteReader opens an existing database for reading beside a running cloud.
func OpenSQLiteReader(ctx context.Context, path string) (*SQLite, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, &problem.Problem{
			Code: problem.CodeNotFound, Where: path, What: "there is no cloud data here",
			Remedy: "give --dir the directory of fountain-cloud serve",
		}
	}
	return OpenSQLite(ctx, path)
}

func open(path, mode string, conns int) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
	}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: filepath.ToSlash(path), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func (s *SQLite) prepare(ctx context.Context) error {
	var tables int
	if err := s.w.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return s.damaged(err)
	}
	have := 0
	if tables > 0 {
		var err error
		if have, err = schemaOf(ctx, conn{s.w, s.d}); err != nil {
			return s.damaged(fmt.Errorf("it is no Fountain database: %w", err))
		}
		if err := newer(s.path, have); err != nil {
			return err
		}
		var ok string
		if err := s.w.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&ok); err != nil {
			return s.damaged(err)
		}
		if ok != "ok" {
			return s.damaged(errors.New(ok))
		}
	}
	if err := s.migrate(ctx, have); err != nil {
		return notWritable(s.path, err)
	}
	return nil
}

// damaged tells what is wrong with a database that cannot be read. One that this user may not open, or that the disk
// does not give, is none to be moved away.
func (s *SQLite) damaged(err error) error {
	var e *driver.Error
	if errors.As(err, &e) && e.Code()&0xff != sqlite3.SQLITE_CORRUPT && e.Code()&0xff != sqlite3.SQLITE_NOTADB {
		return &problem.Problem{
			Code: problem.CodeNotWritable, Where: s.path, What: fmt.Sprintf("the database cannot be opened: %v", err),
			Remedy: "give this user read and write access to the file and its directory, and look whether the disk is full",
		}
	}
	return &problem.Problem{
		Code: problem.CodeDamaged, Where: s.path, What: fmt.Sprintf("the database cannot be read: %v", err),
		Remedy: "move the file (and its -wal and -shm) away and restore a backup; units send again what they keep",
	}
}

func notWritable(path string, err error) error {
	return &problem.Problem{
		Code: problem.CodeNotWritable, Where: path, What: fmt.Sprintf("cannot write the cloud's data: %v", err),
		Remedy: "make the directory writable for this user or choose another --dir",
	}
}

// Close closes the file. Everything that returned before is durable.
func (s *SQLite) Close() error { return errors.Join(s.r.Close(), s.w.Close()) }

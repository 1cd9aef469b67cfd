package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
)

// dialect is where databases differ. Statements are written with ? placeholders and schema files for SQLite.
type dialect struct {
	bind   func(query string) string  // placeholders as the driver wants them
	schema func(script string) string // a schema file in the database's words

	commits, jobs int64 // advisory locks that order commits of pours and changes of jobs; 0: there is one writer anyway
	revision      bool  // several processes share the database: changes are counted in it
}

// db is the Store on one database: what all dialects share.
type db struct {
	d   dialect
	w   *sql.DB // all writes
	r   *sql.DB // readers
	rev atomic.Int64
}

// conn is database/sql with the dialect's placeholders.
type conn struct {
	c interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	d dialect
}

func (c conn) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.c.ExecContext(ctx, c.d.bind(query), args...)
}

func (c conn) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.c.QueryContext(ctx, c.d.bind(query), args...)
}

func (c conn) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return c.c.QueryRowContext(ctx, c.d.bind(query), args...)
}

func (c conn) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	return c.c.PrepareContext(ctx, c.d.bind(query))
}

// reader reads the last commit, each statement for itself.
func (s *db) reader() conn { return conn{s.r, s.d} }

// read runs f in one transaction of a reader: one view of several tables.
func (s *db) read(ctx context.Context, what string, f func(c conn) error) error {
	tx, err := s.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer tx.Rollback() // nothing was written
	if err := f(conn{tx, s.d}); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// write runs f in one transaction of the writing connection.
func (s *db) write(ctx context.Context, what string, f func(c conn) error) error {
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer tx.Rollback() // after Commit there is nothing to roll back
	if err := f(conn{tx, s.d}); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: commit: %w", what, err)
	}
	return nil
}

// lock makes a transaction wait for others that took the same lock, until its end.
func (c conn) lock(ctx context.Context, key int64) error {
	if key == 0 {
		return nil
	}
	_, err := c.exec(ctx, `SELECT pg_advisory_xact_lock(?)`, key)
	return err
}

// change is write for what Revision counts. Counting comes first: the row keeps others out until the end, so that what f
// reads is still so when it writes.
func (s *db) change(ctx context.Context, what string, f func(c conn) error) error {
	err := s.write(ctx, what, func(c conn) error {
		if s.d.revision {
			if _, err := c.exec(ctx, `UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'revision'`); err != nil {
				return err
			}
		}
		return f(c)
	})
	if err == nil {
		s.rev.Add(1)
	}
	return err
}

// Revision implements Registry.
func (s *db) Revision() int64 { return s.rev.Load() }

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// touched tells ErrNotFound when a statement changed no row.
func touched(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// collect reads rows with scan until they end.
func collect[T any](rows *sql.Rows, err error, scan func(row scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

type scanner interface{ Scan(dest ...any) error }

func scanText(row scanner) (s string, err error) { return s, row.Scan(&s) }

// flag is a boolean as both databases keep it.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

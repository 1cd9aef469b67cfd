package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"fountain/sync/wire"
)

const quarterMS = 15 * 60 * 1000

// batch is the state of one Put transaction.
type batch struct {
	ctx    context.Context
	insert *sql.Stmt
	tx     conn
	logs   map[[2]string]*logState
	totals map[totalKey]*Total
}

type logState struct {
	id      int64
	upto    uint64
	last    uint64
	lastN   int64
	changed int64
	islands bool // there may be islands
	dirty   bool
}

type totalKey struct {
	quarter int64
	rig     string
}

// Put implements Pours.
func (s *db) Put(ctx context.Context, puts []Put) ([]Result, error) {
	results := make([]Result, len(puts))
	err := s.write(ctx, "store pours", func(tx conn) error {
		if err := tx.lock(ctx, s.d.commits); err != nil { // without it a reader that follows n could pass one that is committed later
			return err
		}
		b := &batch{ctx: ctx, tx: tx, logs: map[[2]string]*logState{}, totals: map[totalKey]*Total{}}
		var err error
		if b.insert, err = tx.prepare(ctx, `INSERT INTO pours(log, seq, received, body) VALUES (?,?,?,?) ON CONFLICT(log, seq) DO NOTHING RETURNING n`); err != nil {
			return err
		}
		defer b.insert.Close()
		for i, p := range puts {
			if results[i], err = b.put(p); err != nil {
				return fmt.Errorf("%s %s %d: %w", p.Record.Thing, p.Record.Log, p.Record.Seq, err)
			}
		}
		for i, p := range puts {
			l := b.logs[[2]string{p.Record.Thing, p.Record.Log}]
			results[i].Gap = l.last > l.upto
		}
		return b.finish()
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (b *batch) put(p Put) (Result, error) {
	l, err := b.logOf(p.Record.Thing, p.Record.Log)
	if err != nil {
		return Result{}, err
	}
	var n int64
	err = b.insert.QueryRowContext(b.ctx, l.id, int64(p.Record.Seq), p.Received, p.Body).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return b.again(l, p)
	}
	if err != nil {
		return Result{}, err
	}
	l.dirty, l.lastN, l.changed = true, n, p.Received
	l.last = max(l.last, p.Record.Seq)
	k := totalKey{p.Received / quarterMS, p.Record.Rig}
	t := b.totals[k]
	if t == nil {
		t = &Total{}
		b.totals[k] = t
	}
	t.Pours++
	t.UL += p.Record.CountedUL + p.Record.EstimatedUL
	return Result{Verdict: New, N: n}, b.advance(l, p.Record.Seq)
}

// again judges a record whose key is taken.
func (b *batch) again(l *logState, p Put) (Result, error) {
	var n int64
	var body []byte
	if err := b.tx.queryRow(b.ctx, `SELECT n, body FROM pours WHERE log = ? AND seq = ?`, l.id, int64(p.Record.Seq)).Scan(&n, &body); err != nil {
		return Result{}, err
	}
	if bytes.Equal(body, p.Body) {
		return Result{Verdict: Same, N: n}, nil
	}
	digest := sha256.Sum256(p.Body)
	_, err := b.tx.exec(b.ctx, `INSERT INTO conflicts(log, seq, digest, received, body) VALUES (?,?,?,?,?)
		ON CONFLICT(log, seq, digest) DO UPDATE SET times = conflicts.times + 1`, l.id, int64(p.Record.Seq), digest[:], p.Received, p.Body)
	return Result{Verdict: Conflict}, err
}

func (b *batch) logOf(thing, log string) (*logState, error) {
	key := [2]string{thing, log}
	if l := b.logs[key]; l != nil {
		return l, nil
	}
	l := &logState{}
	err := b.tx.queryRow(b.ctx, `SELECT id, upto, last, last_n, changed, EXISTS (SELECT 1 FROM islands WHERE islands.log = logs.id)
		FROM logs WHERE thing = ? AND log = ?`, thing, log).Scan(&l.id, &l.upto, &l.last, &l.lastN, &l.changed, &l.islands)
	if errors.Is(err, sql.ErrNoRows) {
		err = b.tx.queryRow(b.ctx, `INSERT INTO logs(thing, log) VALUES (?,?) RETURNING id`, thing, log).Scan(&l.id)
	}
	if err != nil {
		return nil, err
	}
	b.logs[key] = l
	return l, nil
}

// advance moves the mark for a seq stored just now.
func (b *batch) advance(l *logState, seq uint64) error {
	if seq == l.upto+1 {
		l.upto = seq
		if !l.islands {
			return nil
		}
		var end int64
		err := b.tx.queryRow(b.ctx, `DELETE FROM islands WHERE log = ? AND a = ? RETURNING b`, l.id, int64(seq+1)).Scan(&end)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			l.upto = uint64(end)
		}
		return err
	}
	if seq <= l.upto { // stored before and removed since: the mark stands
		return nil
	}
	l.islands = true
	a, e := int64(seq), int64(seq)
	if err := b.tx.queryRow(b.ctx, `DELETE FROM islands WHERE log = ? AND b = ? RETURNING a`, l.id, a-1).Scan(&a); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := b.tx.queryRow(b.ctx, `DELETE FROM islands WHERE log = ? AND a = ? RETURNING b`, l.id, e+1).Scan(&e); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	_, err := b.tx.exec(b.ctx, `INSERT INTO islands(log, a, b) VALUES (?,?,?)`, l.id, a, e)
	return err
}

func (b *batch) finish() error {
	for _, l := range b.logs {
		if !l.dirty {
			continue
		}
		if _, err := b.tx.exec(b.ctx, `UPDATE logs SET upto = ?, last = ?, last_n = ?, changed = ? WHERE id = ?`,
			int64(l.upto), int64(l.last), l.lastN, l.changed, l.id); err != nil {
			return err
		}
	}
	for k, t := range b.totals {
		if _, err := b.tx.exec(b.ctx, `INSERT INTO totals(quarter, rig, pours, ul) VALUES (?,?,?,?)
			ON CONFLICT(quarter, rig) DO UPDATE SET pours = totals.pours + excluded.pours, ul = totals.ul + excluded.ul`, k.quarter, k.rig, t.Pours, t.UL); err != nil {
			return err
		}
	}
	return nil
}

// Quarantine implements Pours.
func (s *db) Quarantine(ctx context.Context, bad []Bad) error {
	return s.write(ctx, "quarantine", func(tx conn) error {
		for _, x := range bad {
			digest := sha256.Sum256(x.Body)
			if _, err := tx.exec(ctx, `INSERT INTO quarantine(thing, digest, why, received, body) VALUES (?,?,?,?,?)
				ON CONFLICT(thing, digest) DO UPDATE SET times = quarantine.times + 1`, storable(x.Thing), digest[:], storable(x.Why), x.Received, x.Body); err != nil {
				return err
			}
		}
		return nil
	})
}

// storable makes a text from outside one that PostgreSQL takes.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Marks implements Pours.
func (s *db) Marks(ctx context.Context, thing string, limit int) ([]Mark, error) {
	var marks []Mark
	err := s.read(ctx, "read marks", func(tx conn) error {
		var ids []int64
		rows, err := tx.query(ctx, `SELECT id, log, upto, last, changed, restore, restore_upto FROM logs WHERE thing = ? AND (last > 0 OR restore > 0) ORDER BY changed DESC, last_n DESC LIMIT ?`, thing, limit)
		marks, err = collect(rows, err, func(row scanner) (Mark, error) {
			m, id := Mark{Thing: thing}, int64(0)
			err := row.Scan(&id, &m.Log, &m.Upto, &m.Last, &m.Changed, &m.Restore, &m.AskedAt)
			ids = append(ids, id)
			return m, err
		})
		for i := range marks {
			if err == nil && marks[i].Last > marks[i].Upto {
				err = marks[i].above(ctx, tx, ids[i])
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return marks, nil
}

// AskAgain implements Pours.
func (s *db) AskAgain(ctx context.Context, thing, log string, restore uint64) error {
	return s.write(ctx, "ask again for "+log+" of "+thing, func(tx conn) error {
		_, err := tx.exec(ctx, `INSERT INTO logs(thing, log, restore) VALUES (?,?,?)
			ON CONFLICT(thing, log) DO UPDATE SET restore = excluded.restore, restore_upto = logs.upto`, thing, log, int64(restore))
		return err
	})
}

// above fills in what is stored above Upto and what is missing there.
func (m *Mark) above(ctx context.Context, tx conn, log int64) error {
	rows, err := tx.query(ctx, `SELECT a, b FROM islands WHERE log = ? ORDER BY a LIMIT ?`, log, wire.MaxLedgerMissing)
	if err != nil {
		return err
	}
	defer rows.Close()
	next := m.Upto + 1
	for rows.Next() {
		var a, b uint64
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		if len(m.Have) < wire.MaxLedgerHave {
			m.Have = append(m.Have, [2]uint64{a, b})
		}
		for ; next < a && len(m.Missing) < wire.MaxLedgerMissing; next++ {
			m.Missing = append(m.Missing, next)
		}
		next = b + 1
	}
	return rows.Err()
}

const pourQuery = `SELECT pours.n, pours.received, pours.body FROM pours `

func scanPours(rows *sql.Rows, f func(Pour) error) error {
	defer rows.Close()
	for rows.Next() {
		var p Pour
		if err := rows.Scan(&p.N, &p.Received, &p.Body); err != nil {
			return fmt.Errorf("read pour: %w", err)
		}
		if err := json.Unmarshal(p.Body, &p.Record); err != nil {
			return fmt.Errorf("read pour %d: %w", p.N, err)
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *db) pours(ctx context.Context, query string, args ...any) ([]Pour, error) {
	rows, err := s.reader().query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read pours: %w", err)
	}
	var out []Pour
	err = scanPours(rows, func(p Pour) error { out = append(out, p); return nil })
	return out, err
}

// After implements Reader.
func (s *db) After(ctx context.Context, n int64, limit int) ([]Pour, error) {
	return s.pours(ctx, pourQuery+`WHERE n > ? ORDER BY n LIMIT ?`, n, limit)
}

// Latest implements Reader.
func (s *db) Latest(ctx context.Context, limit int) ([]Pour, error) {
	return s.pours(ctx, pourQuery+`ORDER BY n DESC LIMIT ?`, limit)
}

// LastPour implements Reader.
func (s *db) LastPour(ctx context.Context, thing string) (Pour, error) {
	ps, err := s.pours(ctx, pourQuery+`WHERE n = (SELECT max(last_n) FROM logs WHERE thing = ?)`, thing)
	if err != nil {
		return Pour{}, err
	}
	if len(ps) == 0 {
		return Pour{}, ErrNotFound
	}
	return ps[0], nil
}

// Export implements Reader.
func (s *db) Export(ctx context.Context, f func(Pour) error) error {
	rows, err := s.reader().query(ctx, pourQuery+`JOIN logs ON logs.id = pours.log ORDER BY logs.thing, logs.log, pours.seq`)
	if err != nil {
		return fmt.Errorf("export pours: %w", err)
	}
	return scanPours(rows, f)
}

// Totals implements Reader.
func (s *db) Totals(ctx context.Context, sinceMS int64) ([]Total, error) {
	rows, err := s.reader().query(ctx, `SELECT rig, sum(pours), sum(ul) FROM totals WHERE quarter >= ? GROUP BY rig ORDER BY rig`, sinceMS/quarterMS)
	out, err := collect(rows, err, func(row scanner) (t Total, err error) { return t, row.Scan(&t.Rig, &t.Pours, &t.UL) })
	if err != nil {
		return nil, fmt.Errorf("sum pours: %w", err)
	}
	return out, nil
}

// Counts implements Reader.
func (s *db) Counts(ctx context.Context) (Counts, error) {
	var c Counts
	err := s.reader().queryRow(ctx, `SELECT (SELECT coalesce(sum(pours), 0) FROM totals),
		(SELECT coalesce(sum(times), 0) FROM conflicts), (SELECT count(*) FROM conflicts WHERE seen = 0), (SELECT coalesce(sum(times), 0) FROM quarantine)`).
		Scan(&c.Pours, &c.Conflicts, &c.Unseen, &c.Quarantined)
	return c, err
}

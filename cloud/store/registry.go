package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

const certColumns = `id, pem, key_hash, status, thing, policies, token, token_expires, created`

// PutCertificate implements Registry.
func (s *SQLite) PutCertificate(ctx context.Context, c Certificate) error {
	policies, err := json.Marshal(c.Policies)
	if err != nil {
		return fmt.Errorf("store certificate: %w", err)
	}
	return s.write(ctx, "store certificate", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO certificates(`+certColumns+`) VALUES (?,?,?,?,?,?,?,?,?)`,
			c.ID, c.PEM, c.KeyHash, c.Status, c.Thing, string(policies), c.Token, c.TokenExpires, c.Created)
		return err
	})
}

type scanner interface{ Scan(dest ...any) error }

func scanCertificate(row scanner) (c Certificate, err error) {
	var policies string
	if err := row.Scan(&c.ID, &c.PEM, &c.KeyHash, &c.Status, &c.Thing, &policies, &c.Token, &c.TokenExpires, &c.Created); err != nil {
		return c, notFound(err)
	}
	if err := json.Unmarshal([]byte(policies), &c.Policies); err != nil {
		return c, fmt.Errorf("read certificate %s: %w", c.ID, err)
	}
	return c, nil
}

// Certificate implements Registry.
func (s *SQLite) Certificate(ctx context.Context, id string) (Certificate, error) {
	return scanCertificate(s.r.QueryRowContext(ctx, `SELECT `+certColumns+` FROM certificates WHERE id = ?`, id))
}

// CertificateByToken implements Registry.
func (s *SQLite) CertificateByToken(ctx context.Context, tokenHash string) (Certificate, error) {
	if tokenHash == "" {
		return Certificate{}, ErrNotFound
	}
	return scanCertificate(s.r.QueryRowContext(ctx, `SELECT `+certColumns+` FROM certificates WHERE token = ?`, tokenHash))
}

// CertificatesOf implements Registry.
func (s *SQLite) CertificatesOf(ctx context.Context, thing string) ([]Certificate, error) {
	rows, err := s.r.QueryContext(ctx, `SELECT `+certColumns+` FROM certificates WHERE thing = ? AND thing <> '' ORDER BY created DESC, id`, thing)
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	defer rows.Close()
	var out []Certificate
	for rows.Next() {
		c, err := scanCertificate(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// Register implements Registry.
func (s *SQLite) Register(ctx context.Context, r Registration) error {
	policies, err := json.Marshal(r.Policies)
	if err != nil {
		return fmt.Errorf("register %s: %w", r.Thing, err)
	}
	return s.write(ctx, "register "+r.Thing, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO things(name, serial, type, created) VALUES (?,?,?,?)
			ON CONFLICT(name) DO UPDATE SET serial = excluded.serial, type = excluded.type, first_connected = 0, released = 0`,
			r.Thing, r.Serial, r.Type, r.At); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE certificates SET status = ? WHERE thing = ? AND id <> ?`,
			CertInactive, r.Thing, r.CertificateID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE certificates SET status = ?, thing = ?, policies = ?, token = '', token_expires = 0 WHERE id = ?`,
			CertActive, r.Thing, string(policies), r.CertificateID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("certificate %s: %w", r.CertificateID, ErrNotFound)
		}
		return nil
	})
}

const thingColumns = `name, serial, type, created, first_connected, released, online, changed`

func scanThing(row scanner) (t Thing, err error) {
	err = row.Scan(&t.Name, &t.Serial, &t.Type, &t.Created, &t.FirstConnected, &t.Released, &t.Online, &t.Changed)
	return t, notFound(err)
}

// Thing implements Registry.
func (s *SQLite) Thing(ctx context.Context, name string) (Thing, error) {
	return scanThing(s.r.QueryRowContext(ctx, `SELECT `+thingColumns+` FROM things WHERE name = ?`, name))
}

// Things implements Registry.
func (s *SQLite) Things(ctx context.Context) ([]Thing, error) {
	rows, err := s.r.QueryContext(ctx, `SELECT `+thingColumns+` FROM things ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list things: %w", err)
	}
	defer rows.Close()
	var out []Thing
	for rows.Next() {
		t, err := scanThing(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// SetPresence implements Registry.
func (s *SQLite) SetPresence(ctx context.Context, thing string, online bool, at int64) error {
	return s.write(ctx, "record presence of "+thing, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE things SET online = ?1, changed = ?2,
			first_connected = CASE WHEN ?1 AND first_connected = 0 THEN ?2 ELSE first_connected END WHERE name = ?3`, online, at, thing)
		return err
	})
}

// AllOffline implements Registry.
func (s *SQLite) AllOffline(ctx context.Context, at int64) error {
	return s.write(ctx, "record that nobody is connected", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE things SET online = 0, changed = ? WHERE online`, at)
		return err
	})
}

// Release implements Registry.
func (s *SQLite) Release(ctx context.Context, serial string) error {
	return s.write(ctx, "release "+serial, func(tx *sql.Tx) error {
		var name string
		if err := tx.QueryRowContext(ctx, `UPDATE things SET released = 1 WHERE serial = ? RETURNING name`, serial).Scan(&name); err != nil {
			return notFound(err)
		}
		_, err := tx.ExecContext(ctx, `UPDATE certificates SET status = ? WHERE thing = ?`, CertInactive, name)
		return err
	})
}

// Shadow implements Shadows. A shadow that never was has version 0.
func (s *SQLite) Shadow(ctx context.Context, thing, name string) (Shadow, error) {
	var sh Shadow
	err := s.r.QueryRowContext(ctx, `SELECT doc, version FROM shadows WHERE thing = ? AND name = ?`, thing, name).Scan(&sh.Doc, &sh.Version)
	if notFound(err) == ErrNotFound {
		return Shadow{}, nil
	}
	return sh, err
}

// PutShadow implements Shadows.
func (s *SQLite) PutShadow(ctx context.Context, thing, name string, sh Shadow) error {
	return s.write(ctx, "store shadow", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO shadows(thing, name, version, doc) VALUES (?,?,?,?)`, thing, name, sh.Version, sh.Doc)
		return err
	})
}

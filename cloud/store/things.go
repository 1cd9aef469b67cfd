package store

import (
	"context"
	"encoding/json"
	"fmt"
)

const thingColumns = `name, serial, type, attributes, version, created, first_connected, released, online, changed`

func scanThing(row scanner) (t Thing, err error) {
	var attributes string
	if err := row.Scan(&t.Name, &t.Serial, &t.Type, &attributes, &t.Version, &t.Created, &t.FirstConnected, &t.Released, &t.Online, &t.Changed); err != nil {
		return t, notFound(err)
	}
	if err := json.Unmarshal([]byte(attributes), &t.Attributes); err != nil {
		return t, fmt.Errorf("read attributes of %s: %w", t.Name, err)
	}
	return t, nil
}

func encodeAttributes(a map[string]string) string {
	if a == nil {
		return "{}"
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // impossible: strings
	}
	return string(b)
}

func thing(ctx context.Context, c conn, name string) (Thing, error) {
	return scanThing(c.queryRow(ctx, `SELECT `+thingColumns+` FROM things WHERE name = ?`, name))
}

// Thing implements Things.
func (s *db) Thing(ctx context.Context, name string) (Thing, error) {
	return thing(ctx, s.reader(), name)
}

// Things implements Things.
func (s *db) Things(ctx context.Context) ([]Thing, error) {
	rows, err := s.reader().query(ctx, `SELECT `+thingColumns+` FROM things ORDER BY name`)
	return collect(rows, err, scanThing)
}

// ListThings implements Things.
func (s *db) ListThings(ctx context.Context, after string, limit int) ([]Thing, error) {
	rows, err := s.reader().query(ctx, `SELECT `+thingColumns+` FROM things WHERE name > ? ORDER BY name LIMIT ?`, after, limit)
	return collect(rows, err, scanThing)
}

// CreateThing implements Things.
func (s *db) CreateThing(ctx context.Context, t Thing) error {
	return s.change(ctx, "create thing "+t.Name, func(tx conn) error {
		return made(tx.exec(ctx, `INSERT INTO things(name, serial, type, attributes, created) VALUES (?,?,?,?,?) ON CONFLICT(name) DO NOTHING`,
			t.Name, t.Serial, t.Type, encodeAttributes(t.Attributes), t.Created))
	})
}

// UpdateThing implements Things.
func (s *db) UpdateThing(ctx context.Context, name string, expected int64, f func(*Thing) error) error {
	return s.change(ctx, "update thing "+name, func(tx conn) error {
		t, err := thing(ctx, tx, name)
		if err != nil {
			return err
		}
		if expected != 0 && expected != t.Version {
			return fmt.Errorf("%w: %d", ErrVersion, t.Version)
		}
		if err := f(&t); err != nil {
			return err
		}
		return touched(tx.exec(ctx, `UPDATE things SET type = ?, attributes = ?, version = version + 1 WHERE name = ?`, t.Type, encodeAttributes(t.Attributes), name))
	})
}

// DeleteThing implements Things.
func (s *db) DeleteThing(ctx context.Context, name string, expected int64) error {
	return s.change(ctx, "delete thing "+name, func(tx conn) error {
		t, err := thing(ctx, tx, name)
		if err != nil {
			return err
		}
		if expected != 0 && expected != t.Version {
			return fmt.Errorf("%w: %d", ErrVersion, t.Version)
		}
		certs, err := tos(ctx, tx, linkPrincipal, name)
		if err != nil {
			return err
		}
		if len(certs) > 0 {
			return fmt.Errorf("%w: certificate %s is attached", ErrInUse, certs[0])
		}
		if _, err := tx.exec(ctx, `DELETE FROM links WHERE kind = ? AND b = ?`, linkGroup, name); err != nil {
			return err
		}
		return touched(tx.exec(ctx, `DELETE FROM things WHERE name = ?`, name))
	})
}

// SetPresences implements Things.
func (s *db) SetPresences(ctx context.Context, changes []Presence) error {
	return s.write(ctx, "record presence", func(tx conn) error {
		for _, p := range changes {
			first := int64(0)
			if p.Online {
				first = p.At
			}
			if _, err := tx.exec(ctx, `UPDATE things SET online = ?, changed = ?, first_connected = CASE WHEN first_connected = 0 THEN ? ELSE first_connected END WHERE name = ?`,
				flag(p.Online), p.At, first, p.Thing); err != nil {
				return fmt.Errorf("%s: %w", p.Thing, err)
			}
		}
		return nil
	})
}

// AllOffline implements Things.
func (s *db) AllOffline(ctx context.Context, at int64) error {
	return s.write(ctx, "record that nobody is connected", func(tx conn) error {
		_, err := tx.exec(ctx, `UPDATE things SET online = 0, changed = ? WHERE online = 1`, at)
		return err
	})
}

// Register implements Fleet.
func (s *db) Register(ctx context.Context, r Registration) error {
	status := r.Status
	if status == "" {
		status = CertActive
	}
	return s.change(ctx, "register "+r.Thing, func(tx conn) error {
		if err := setStatus(ctx, tx, r.CertificateID, status, r.At); err != nil {
			return err
		}
		for _, p := range r.Policies {
			if err := link(ctx, tx, linkPolicy, p, CertTarget(r.CertificateID), r.At); err != nil {
				return err
			}
		}
		if r.Thing == "" {
			return nil
		}
		return registerThing(ctx, tx, r)
	})
}

func registerThing(ctx context.Context, tx conn, r Registration) error {
	if _, err := tx.exec(ctx, `INSERT INTO things(name, type, attributes, created) VALUES (?,?,?,?)
		ON CONFLICT(name) DO UPDATE SET type = excluded.type, attributes = excluded.attributes, version = things.version + 1`,
		r.Thing, r.Type, encodeAttributes(r.Attributes), r.At); err != nil {
		return err
	}
	if r.Serial != "" {
		if _, err := tx.exec(ctx, `UPDATE things SET serial = ?, first_connected = 0, released = 0 WHERE name = ?`, r.Serial, r.Thing); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE certificates SET status = ?, changed = ? WHERE id <> ? AND status <> ? AND id IN (SELECT b FROM links WHERE kind = ? AND a = ?)`,
			CertInactive, r.At, r.CertificateID, CertRevoked, linkPrincipal, r.Thing); err != nil {
			return err
		}
	}
	if err := attach(ctx, tx, r.Thing, r.CertificateID, r.Sole, r.At); err != nil || r.Groups == nil {
		return err
	}
	if _, err := tx.exec(ctx, `DELETE FROM links WHERE kind = ? AND b = ?`, linkGroup, r.Thing); err != nil {
		return err
	}
	for _, g := range r.Groups {
		if err := join(ctx, tx, g, r.Thing, r.At); err != nil {
			return err
		}
	}
	return nil
}

// Release implements Fleet.
func (s *db) Release(ctx context.Context, serial string) error {
	return s.change(ctx, "release "+serial, func(tx conn) error {
		var name string
		if err := tx.queryRow(ctx, `UPDATE things SET released = 1 WHERE serial = ? AND serial <> '' RETURNING name`, serial).Scan(&name); err != nil {
			return notFound(err)
		}
		_, err := tx.exec(ctx, `UPDATE certificates SET status = ? WHERE status <> ? AND id IN (SELECT b FROM links WHERE kind = ? AND a = ?)`,
			CertInactive, CertRevoked, linkPrincipal, name)
		return err
	})
}

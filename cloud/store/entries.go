package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

const entryColumns = `kind, name, origin, settings, version, default_version, last_version, created, changed`

func scanEntry(row scanner) (e Entry, err error) {
	var settings string
	err = row.Scan(&e.Kind, &e.Name, &e.Origin, &settings, &e.Version, &e.Default, &e.Last, &e.Created, &e.Changed)
	e.Settings = []byte(settings)
	return e, notFound(err)
}

func entry(ctx context.Context, c conn, kind, name string) (Entry, error) {
	return scanEntry(c.queryRow(ctx, `SELECT `+entryColumns+` FROM entries WHERE kind = ? AND name = ?`, kind, name))
}

func settingsOf(e Entry) string {
	if len(e.Settings) == 0 {
		return "{}"
	}
	return string(e.Settings)
}

// CreateEntry implements Entries.
func (s *db) CreateEntry(ctx context.Context, e Entry, body string) error {
	return s.change(ctx, "create "+e.Kind+" "+e.Name, func(tx conn) error { return createEntry(ctx, tx, e, body, "") })
}

func createEntry(ctx context.Context, tx conn, e Entry, body, seed string) error {
	first := int(flag(body != ""))
	if err := made(tx.exec(ctx, `INSERT INTO entries(kind, name, origin, settings, seed, default_version, last_version, created, changed)
		VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT(kind, name) DO NOTHING`,
		e.Kind, e.Name, e.Origin, settingsOf(e), seed, first, first, e.Created, e.Created)); err != nil || body == "" {
		return err
	}
	return putBody(ctx, tx, e.Kind, e.Name, Body{Version: 1, Text: body, Created: e.Created})
}

func putBody(ctx context.Context, tx conn, kind, name string, b Body) error {
	_, err := tx.exec(ctx, `INSERT INTO bodies(kind, name, version, body, created) VALUES (?,?,?,?,?)`, kind, name, b.Version, b.Text, b.Created)
	return err
}

// Entry implements Entries.
func (s *db) Entry(ctx context.Context, kind, name string) (Entry, error) {
	return entry(ctx, s.reader(), kind, name)
}

// ListEntries implements Entries.
func (s *db) ListEntries(ctx context.Context, kind, after string, limit int) ([]Entry, error) {
	rows, err := s.reader().query(ctx, `SELECT `+entryColumns+` FROM entries WHERE kind = ? AND name > ? ORDER BY name LIMIT ?`, kind, after, limit)
	return collect(rows, err, scanEntry)
}

// UpdateEntry implements Entries.
func (s *db) UpdateEntry(ctx context.Context, kind, name string, expected, at int64, f func(*Entry) error) error {
	return s.change(ctx, "update "+kind+" "+name, func(tx conn) error {
		e, err := entry(ctx, tx, kind, name)
		if err != nil {
			return err
		}
		if expected != 0 && expected != e.Version {
			return fmt.Errorf("%w: %d", ErrVersion, e.Version)
		}
		if err := f(&e); err != nil {
			return err
		}
		return touched(tx.exec(ctx, `UPDATE entries SET settings = ?, version = version + 1, changed = ? WHERE kind = ? AND name = ?`, settingsOf(e), at, kind, name))
	})
}

// DeleteEntry implements Entries.
func (s *db) DeleteEntry(ctx context.Context, kind, name string) error {
	return s.change(ctx, "delete "+kind+" "+name, func(tx conn) error {
		if err := entryThere(ctx, tx, kind, name); err != nil {
			return err
		}
		switch kind {
		case KindPolicy:
			targets, err := tos(ctx, tx, linkPolicy, name)
			if err != nil {
				return err
			}
			if len(targets) > 0 {
				return fmt.Errorf("%w: attached to %s", ErrInUse, targets[0])
			}
			var n int
			if err := tx.queryRow(ctx, `SELECT count(*) FROM bodies WHERE kind = ? AND name = ?`, kind, name).Scan(&n); err != nil {
				return err
			}
			if n > 1 {
				return fmt.Errorf("%w: it has %d versions", ErrInUse, n)
			}
		case KindType:
			var n int
			if err := tx.queryRow(ctx, `SELECT count(*) FROM things WHERE type = ?`, name).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("%w: %d things have it", ErrInUse, n)
			}
		case KindGroup:
			if _, err := tx.exec(ctx, `DELETE FROM links WHERE kind = ? AND a = ? OR kind = ? AND b = ?`, linkGroup, name, linkPolicy, GroupTarget(name)); err != nil {
				return err
			}
		}
		if _, err := tx.exec(ctx, `DELETE FROM bodies WHERE kind = ? AND name = ?`, kind, name); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `DELETE FROM entries WHERE kind = ? AND name = ?`, kind, name)
		return err
	})
}

const bodyQuery = `SELECT version, body, created FROM bodies WHERE kind = ? AND name = ? `

func scanBody(row scanner) (b Body, err error) {
	return b, notFound(row.Scan(&b.Version, &b.Text, &b.Created))
}

func bodies(ctx context.Context, c conn, kind, name string) ([]Body, error) {
	rows, err := c.query(ctx, bodyQuery+`ORDER BY version`, kind, name)
	return collect(rows, err, scanBody)
}

// Body implements Entries.
func (s *db) Body(ctx context.Context, kind, name string, version int) (Body, error) {
	return scanBody(s.reader().queryRow(ctx, bodyQuery+`AND version = ?`, kind, name, version))
}

// Bodies implements Entries.
func (s *db) Bodies(ctx context.Context, kind, name string) ([]Body, error) {
	return bodies(ctx, s.reader(), kind, name)
}

// AddBody implements Entries.
func (s *db) AddBody(ctx context.Context, kind, name, text string, setDefault bool, at int64) (b Body, err error) {
	err = s.change(ctx, "add version to "+kind+" "+name, func(tx conn) error {
		e, err := entry(ctx, tx, kind, name)
		if err != nil {
			return err
		}
		have, err := bodies(ctx, tx, kind, name)
		if err != nil {
			return err
		}
		if len(have) >= MaxBodies {
			return fmt.Errorf("%w: it has %d versions", ErrLimit, len(have))
		}
		b = Body{Version: e.Last + 1, Text: text, Created: at}
		return addBody(ctx, tx, e, b, setDefault, at)
	})
	return b, err
}

func addBody(ctx context.Context, tx conn, e Entry, b Body, setDefault bool, at int64) error {
	if err := putBody(ctx, tx, e.Kind, e.Name, b); err != nil {
		return err
	}
	if setDefault {
		e.Default = b.Version
	}
	return touched(tx.exec(ctx, `UPDATE entries SET last_version = ?, default_version = ?, version = version + 1, changed = ? WHERE kind = ? AND name = ?`,
		b.Version, e.Default, at, e.Kind, e.Name))
}

// SetDefaultBody implements Entries.
func (s *db) SetDefaultBody(ctx context.Context, kind, name string, version int, at int64) error {
	return s.change(ctx, "set default version of "+kind+" "+name, func(tx conn) error {
		if _, err := scanBody(tx.queryRow(ctx, bodyQuery+`AND version = ?`, kind, name, version)); err != nil {
			return err
		}
		return touched(tx.exec(ctx, `UPDATE entries SET default_version = ?, version = version + 1, changed = ? WHERE kind = ? AND name = ?`, version, at, kind, name))
	})
}

// DeleteBody implements Entries.
func (s *db) DeleteBody(ctx context.Context, kind, name string, version int) error {
	return s.change(ctx, "delete version of "+kind+" "+name, func(tx conn) error {
		e, err := entry(ctx, tx, kind, name)
		if err != nil {
			return err
		}
		if e.Default == version {
			return fmt.Errorf("%w: it is the default version", ErrInUse)
		}
		return touched(tx.exec(ctx, `DELETE FROM bodies WHERE kind = ? AND name = ? AND version = ?`, kind, name, version))
	})
}

// Seed implements Entries.
func (s *db) Seed(ctx context.Context, seeds []Seed, at int64) error {
	return s.change(ctx, "seed the stack", func(tx conn) error {
		if _, err := tx.exec(ctx, `UPDATE entries SET origin = '' WHERE origin = ?`, OriginStack); err != nil {
			return err
		}
		for _, sd := range seeds {
			if err := seed(ctx, tx, sd, at); err != nil {
				return fmt.Errorf("%s %s: %w", sd.Kind, sd.Name, err)
			}
		}
		return nil
	})
}

func seed(ctx context.Context, tx conn, sd Seed, at int64) error {
	e := Entry{Kind: sd.Kind, Name: sd.Name, Origin: OriginStack, Settings: sd.Settings, Created: at}
	h := sha256.Sum256([]byte(settingsOf(e) + "\n" + sd.Body))
	mark := hex.EncodeToString(h[:])
	var old string
	err := tx.queryRow(ctx, `SELECT seed FROM entries WHERE kind = ? AND name = ?`, sd.Kind, sd.Name).Scan(&old)
	if notFound(err) == ErrNotFound {
		return createEntry(ctx, tx, e, sd.Body, mark)
	}
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `UPDATE entries SET origin = ?, seed = ? WHERE kind = ? AND name = ?`, OriginStack, mark, sd.Kind, sd.Name); err != nil || old == mark {
		return err
	}
	if _, err := tx.exec(ctx, `UPDATE entries SET settings = ?, changed = ? WHERE kind = ? AND name = ?`, settingsOf(e), at, sd.Kind, sd.Name); err != nil || sd.Body == "" {
		return err
	}
	if e, err = entry(ctx, tx, sd.Kind, sd.Name); err != nil {
		return err
	}
	have, err := bodies(ctx, tx, sd.Kind, sd.Name)
	if err != nil {
		return err
	}
	if len(have) >= MaxBodies { // the oldest makes room, as a stack update on AWS does
		if _, err := tx.exec(ctx, `DELETE FROM bodies WHERE kind = ? AND name = ? AND version = ?`, sd.Kind, sd.Name, have[0].Version); err != nil {
			return err
		}
	}
	return addBody(ctx, tx, e, Body{Version: e.Last + 1, Text: sd.Body, Created: at}, true, at)
}

// Settings reads an entry's settings.
func Settings[T any](e Entry) (v T, err error) {
	if err := json.Unmarshal(e.Settings, &v); err != nil {
		return v, fmt.Errorf("settings of %s %s: %w", e.Kind, e.Name, err)
	}
	return v, nil
}

// Events reads which events are published: none until somebody has asked for some, and then the entry's Created is 0.
func Events(ctx context.Context, reg Entries) (e Entry, wanted EventSettings, err error) {
	if e, err = reg.Entry(ctx, KindEvents, EventsName); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return e, nil, err
	}
	wanted, err = Settings[EventSettings](e)
	return e, wanted, err
}

// Type, Group and Template read the settings of an entry of that kind.
func (e Entry) Type() (TypeSettings, error)         { return Settings[TypeSettings](e) }
func (e Entry) Group() (GroupSettings, error)       { return Settings[GroupSettings](e) }
func (e Entry) Template() (TemplateSettings, error) { return Settings[TemplateSettings](e) }

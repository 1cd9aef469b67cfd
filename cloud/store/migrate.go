package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"fountain/internal/problem"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations lists the schema files in order; meta.schema counts those applied. A file is never changed once released.
func migrations() []string {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		panic(err) // impossible: the pattern is constant
	}
	out := make([]string, len(names))
	for i, name := range names {
		b, err := migrationFiles.ReadFile(name)
		if err != nil {
			panic(err) // impossible: the name was just listed
		}
		out[i] = string(b)
	}
	return out
}

// after is what SQL alone cannot move, by the number of the schema it completes.
var after = map[int]func(ctx context.Context, c conn) error{2: movePolicies}

// SchemaVersion is the schema this build writes.
func SchemaVersion() int { return len(migrations()) }

// schemaOf reads meta.schema; 0 when the database is empty.
func schemaOf(ctx context.Context, c conn) (int, error) {
	var text string
	if err := c.queryRow(ctx, `SELECT value FROM meta WHERE key = 'schema'`).Scan(&text); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return 0, errors.New("it names no schema")
		}
		return 0, err
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("schema version %q", text)
	}
	return v, nil
}

// migrate brings a database from the schema it has (0: empty) to this build's in one transaction.
func (s *db) migrate(ctx context.Context, have int) error {
	all := migrations()
	if have == len(all) {
		return nil
	}
	return s.write(ctx, fmt.Sprintf("upgrade from schema %d to %d", have, len(all)), func(c conn) error {
		for i := have; i < len(all); i++ {
			if _, err := c.exec(ctx, s.d.schema(all[i])); err != nil {
				return fmt.Errorf("schema %d: %w", i+1, err)
			}
			if f := after[i+1]; f != nil {
				if err := f(ctx, c); err != nil {
					return fmt.Errorf("schema %d: %w", i+1, err)
				}
			}
		}
		_, err := c.exec(ctx, `INSERT INTO meta(key, value) VALUES ('schema', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, strconv.Itoa(len(all)))
		return err
	})
}

// newer refuses a database that a newer build wrote.
func newer(where string, have int) error {
	if have <= SchemaVersion() {
		return nil
	}
	return &problem.Problem{
		Code: problem.CodeNewerSchema, Where: where,
		What:   fmt.Sprintf("a newer version wrote this database: schema %d, this build knows %d", have, SchemaVersion()),
		Remedy: "run the newer fountain-cloud, or move the file away and let the units send again what they keep",
	}
}

// movePolicies turns the list in each certificate into links.
func movePolicies(ctx context.Context, c conn) error {
	type holder struct{ id, policies string }
	rows, err := c.query(ctx, `SELECT id, policies FROM certificates`)
	certs, err := collect(rows, err, func(row scanner) (h holder, err error) { return h, row.Scan(&h.id, &h.policies) })
	if err != nil {
		return err
	}
	for _, h := range certs {
		var names []string
		if err := json.Unmarshal([]byte(h.policies), &names); err != nil {
			return fmt.Errorf("policies of certificate %s: %w", h.id, err)
		}
		for _, name := range names {
			if err := link(ctx, c, linkPolicy, name, CertTarget(h.id), 0); err != nil {
				return err
			}
		}
	}
	_, err = c.exec(ctx, `ALTER TABLE certificates DROP COLUMN policies`)
	return err
}

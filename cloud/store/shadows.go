package store

import "context"

// Shadow implements Shadows. A shadow that never was has version 0.
func (s *db) Shadow(ctx context.Context, thing, name string) (Shadow, error) {
	var sh Shadow
	err := s.reader().queryRow(ctx, `SELECT doc, version, deleted FROM shadows WHERE thing = ? AND name = ?`, thing, name).Scan(&sh.Doc, &sh.Version, &sh.Deleted)
	if notFound(err) == ErrNotFound {
		return Shadow{}, nil
	}
	return sh, err
}

// PutShadow implements Shadows.
func (s *db) PutShadow(ctx context.Context, thing, name string, sh Shadow) error {
	return s.write(ctx, "store shadow", func(tx conn) error {
		_, err := tx.exec(ctx, `INSERT INTO shadows(thing, name, version, doc, deleted) VALUES (?,?,?,?,?)
			ON CONFLICT(thing, name) DO UPDATE SET version = excluded.version, doc = excluded.doc, deleted = excluded.deleted`, thing, name, sh.Version, sh.Doc, sh.Deleted)
		return err
	})
}

// ShadowNames implements Shadows.
func (s *db) ShadowNames(ctx context.Context, thing string) ([]string, error) {
	rows, err := s.reader().query(ctx, `SELECT name FROM shadows WHERE thing = ? AND name <> '' AND doc IS NOT NULL ORDER BY name`, thing)
	return collect(rows, err, scanText)
}

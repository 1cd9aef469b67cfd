package store

import (
	"context"
	"errors"
	"fmt"
)

const certColumns = `id, pem, key_hash, status, token, token_expires, claim, created, changed`

// PutCertificate implements Certificates.
func (s *db) PutCertificate(ctx context.Context, c Certificate) error {
	return s.change(ctx, "store certificate", func(tx conn) error {
		if _, err := tx.exec(ctx, `INSERT INTO certificates(`+certColumns+`) VALUES (?,?,?,?,?,?,?,?,?)
			ON CONFLICT(id) DO UPDATE SET pem = excluded.pem, key_hash = excluded.key_hash, status = excluded.status, token = excluded.token,
			token_expires = excluded.token_expires, claim = excluded.claim, created = excluded.created, changed = excluded.changed`,
			c.ID, c.PEM, c.KeyHash, c.Status, c.Token, c.TokenExpires, c.Claim, c.Created, max(c.Changed, c.Created)); err != nil {
			return err
		}
		for _, p := range c.Policies {
			if err := link(ctx, tx, linkPolicy, p, CertTarget(c.ID), c.Created); err != nil {
				return err
			}
		}
		for _, t := range c.Things {
			if err := link(ctx, tx, linkPrincipal, t, c.ID, c.Created); err != nil {
				return err
			}
		}
		return nil
	})
}

func scanCertificate(row scanner) (c Certificate, err error) {
	err = row.Scan(&c.ID, &c.PEM, &c.KeyHash, &c.Status, &c.Token, &c.TokenExpires, &c.Claim, &c.Created, &c.Changed)
	return c, notFound(err)
}

// certificates runs a query for certificates and adds what they are attached to.
func (s *db) certificates(ctx context.Context, what, where string, args ...any) (out []Certificate, err error) {
	err = s.read(ctx, what, func(tx conn) error {
		rows, err := tx.query(ctx, `SELECT `+certColumns+` FROM certificates `+where, args...)
		if out, err = collect(rows, err, scanCertificate); err != nil {
			return err
		}
		for i := range out {
			if out[i].Things, out[i].Sole, err = thingsOf(ctx, tx, out[i].ID); err != nil {
				return err
			}
			if out[i].Policies, err = froms(ctx, tx, linkPolicy, CertTarget(out[i].ID)); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func (s *db) certificate(ctx context.Context, where string, arg any) (Certificate, error) {
	found, err := s.certificates(ctx, "read certificate", where, arg)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Certificate{}, err
	}
	return found[0], nil
}

// Certificate implements Certificates.
func (s *db) Certificate(ctx context.Context, id string) (Certificate, error) {
	return s.certificate(ctx, `WHERE id = ?`, id)
}

// CertificateByToken implements Certificates.
func (s *db) CertificateByToken(ctx context.Context, tokenHash string) (Certificate, error) {
	if tokenHash == "" {
		return Certificate{}, ErrNotFound
	}
	return s.certificate(ctx, `WHERE token = ?`, tokenHash)
}

// ListCertificates implements Certificates.
func (s *db) ListCertificates(ctx context.Context, after string, limit int, newestFirst bool) ([]Certificate, error) {
	than, order := ">", "ORDER BY created, id"
	if newestFirst {
		than, order = "<", "ORDER BY created DESC, id DESC"
	}
	where, args := order, []any{limit}
	if after != "" {
		where, args = `WHERE (created, id) `+than+` (SELECT created, id FROM certificates WHERE id = ?) `+order, []any{after, limit}
	}
	return s.certificates(ctx, "list certificates", where+` LIMIT ?`, args...)
}

// CertificatesOf implements Links.
func (s *db) CertificatesOf(ctx context.Context, thing string) ([]Certificate, error) {
	return s.certificates(ctx, "list certificates", `WHERE id IN (SELECT b FROM links WHERE kind = 'principal' AND a = ?) ORDER BY created DESC, id`, thing)
}

// SetCertificateStatus implements Certificates.
func (s *db) SetCertificateStatus(ctx context.Context, id, status string, at int64) error {
	return s.change(ctx, "set status of certificate", func(tx conn) error {
		return setStatus(ctx, tx, id, status, at)
	})
}

func setStatus(ctx context.Context, tx conn, id, status string, at int64) error {
	var now string
	if err := tx.queryRow(ctx, `SELECT status FROM certificates WHERE id = ?`, id).Scan(&now); err != nil {
		return fmt.Errorf("certificate %s: %w", id, notFound(err))
	}
	if now == CertRevoked && status != CertRevoked {
		return fmt.Errorf("%w: %s", ErrRevoked, id)
	}
	return touched(tx.exec(ctx, `UPDATE certificates SET status = ?, changed = ?, token = '', token_expires = 0 WHERE id = ?`, status, at, id))
}

// DeleteCertificate implements Certificates.
func (s *db) DeleteCertificate(ctx context.Context, id string, force bool) error {
	return s.change(ctx, "delete certificate", func(tx conn) error {
		things, err := froms(ctx, tx, linkPrincipal, id)
		if err != nil {
			return err
		}
		policies, err := froms(ctx, tx, linkPolicy, CertTarget(id))
		if err != nil {
			return err
		}
		switch {
		case len(things) > 0:
			return fmt.Errorf("%w: attached to thing %s", ErrInUse, things[0])
		case len(policies) > 0 && !force:
			return fmt.Errorf("%w: policy %s is attached", ErrInUse, policies[0])
		}
		for _, p := range policies {
			if err := unlink(ctx, tx, linkPolicy, p, CertTarget(id)); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		return touched(tx.exec(ctx, `DELETE FROM certificates WHERE id = ?`, id))
	})
}

const dayMS = 24 * 60 * 60 * 1000

// DeleteExpired implements Certificates.
func (s *db) DeleteExpired(ctx context.Context, now int64) error {
	return s.write(ctx, "delete expired certificates", func(tx conn) error {
		_, err := tx.exec(ctx, `DELETE FROM certificates WHERE (status = ? AND token <> '' AND token_expires <= ? OR claim <> '' AND created <= ?)
			AND NOT EXISTS (SELECT 1 FROM links WHERE kind = 'principal' AND b = certificates.id OR kind = 'policy' AND b = 'cert/' || certificates.id)`,
			CertPending, now, now-dayMS)
		return err
	})
}

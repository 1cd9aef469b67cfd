package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Kinds of links; see migrations/0002_registry.sql.
const (
	linkPrincipal = "principal" // thing -> certificate
	linkPolicy    = "policy"    // policy -> target
	linkGroup     = "group"     // thing group -> thing
)

func link(ctx context.Context, c conn, kind, a, b string, at int64) error {
	_, err := c.exec(ctx, `INSERT INTO links(kind, a, b, created) VALUES (?,?,?,?) ON CONFLICT(kind, a, b) DO NOTHING`, kind, a, b, at)
	return err
}

func unlink(ctx context.Context, c conn, kind, a, b string) error {
	return touched(c.exec(ctx, `DELETE FROM links WHERE kind = ? AND a = ? AND b = ?`, kind, a, b))
}

// froms lists what leads to b, tos what a leads to.
func froms(ctx context.Context, c conn, kind, b string) ([]string, error) {
	rows, err := c.query(ctx, `SELECT a FROM links WHERE kind = ? AND b = ? ORDER BY created, a`, kind, b)
	return collect(rows, err, scanText)
}

func tos(ctx context.Context, c conn, kind, a string) ([]string, error) {
	rows, err := c.query(ctx, `SELECT b FROM links WHERE kind = ? AND a = ? ORDER BY created, b`, kind, a)
	return collect(rows, err, scanText)
}

// made tells ErrExists when an insert found its key taken.
func made(res sql.Result, err error) error {
	if err = touched(res, err); err == ErrNotFound {
		return ErrExists
	}
	return err
}

// there tells ErrNotFound unless the certificate, thing or entry exists.
func there(ctx context.Context, c conn, what, query string, args ...any) error {
	var one int
	if err := c.queryRow(ctx, query, args...).Scan(&one); err != nil {
		return fmt.Errorf("%s: %w", what, notFound(err))
	}
	return nil
}

func thingThere(ctx context.Context, c conn, name string) error {
	return there(ctx, c, "thing "+name, `SELECT 1 FROM things WHERE name = ?`, name)
}

func entryThere(ctx context.Context, c conn, kind, name string) error {
	return there(ctx, c, kind+" "+name, `SELECT 1 FROM entries WHERE kind = ? AND name = ?`, kind, name)
}

// AttachPolicy implements Links.
func (s *db) AttachPolicy(ctx context.Context, policy, target string, at int64) error {
	return s.change(ctx, "attach policy", func(tx conn) error {
		if err := entryThere(ctx, tx, KindPolicy, policy); err != nil {
			return err
		}
		has, err := froms(ctx, tx, linkPolicy, target)
		if err != nil || slices.Contains(has, policy) {
			return err
		}
		if len(has) >= MaxCertificatePolicies {
			return fmt.Errorf("%w: %s has %d policies", ErrLimit, target, len(has))
		}
		return link(ctx, tx, linkPolicy, policy, target, at)
	})
}

// DetachPolicy implements Links.
func (s *db) DetachPolicy(ctx context.Context, policy, target string) error {
	return s.change(ctx, "detach policy", func(tx conn) error { return unlink(ctx, tx, linkPolicy, policy, target) })
}

// PoliciesOf implements Links.
func (s *db) PoliciesOf(ctx context.Context, target string) ([]string, error) {
	return froms(ctx, s.reader(), linkPolicy, target)
}

// TargetsOf implements Links.
func (s *db) TargetsOf(ctx context.Context, policy string) ([]string, error) {
	return tos(ctx, s.reader(), linkPolicy, policy)
}

// AttachThing implements Links.
func (s *db) AttachThing(ctx context.Context, thing, certificateID string, sole bool, at int64) error {
	return s.change(ctx, "attach certificate", func(tx conn) error {
		if err := thingThere(ctx, tx, thing); err != nil {
			return err
		}
		if err := there(ctx, tx, "certificate "+certificateID, `SELECT 1 FROM certificates WHERE id = ?`, certificateID); err != nil {
			return err
		}
		return attach(ctx, tx, thing, certificateID, sole, at)
	})
}

// attach attaches a certificate to a thing; once more, as the last one said.
func attach(ctx context.Context, tx conn, thing, certificateID string, sole bool, at int64) error {
	has, soleNow, err := thingsOf(ctx, tx, certificateID)
	if err != nil {
		return err
	}
	has = slices.DeleteFunc(has, func(t string) bool { return t == thing })
	if len(has) > 0 && (sole || soleNow) {
		return fmt.Errorf("%w: certificate %s is attached to %s", ErrSole, certificateID, has[0])
	}
	_, err = tx.exec(ctx, `INSERT INTO links(kind, a, b, created, sole) VALUES (?,?,?,?,?) ON CONFLICT(kind, a, b) DO UPDATE SET sole = excluded.sole`,
		linkPrincipal, thing, certificateID, at, flag(sole))
	return err
}

// thingsOf lists the things a certificate is attached to, and says whether it is attached as sole.
func thingsOf(ctx context.Context, c conn, certificateID string) (things []string, sole bool, err error) {
	type attached struct {
		thing string
		sole  bool
	}
	rows, err := c.query(ctx, `SELECT a, sole FROM links WHERE kind = ? AND b = ? ORDER BY created, a`, linkPrincipal, certificateID)
	all, err := collect(rows, err, func(row scanner) (x attached, err error) { return x, row.Scan(&x.thing, &x.sole) })
	for _, x := range all {
		things, sole = append(things, x.thing), sole || x.sole
	}
	return things, sole, err
}

// DetachThing implements Links.
func (s *db) DetachThing(ctx context.Context, thing, certificateID string) error {
	return s.change(ctx, "detach certificate", func(tx conn) error { return unlink(ctx, tx, linkPrincipal, thing, certificateID) })
}

// AddToGroup implements Links.
func (s *db) AddToGroup(ctx context.Context, group, thing string, at int64) error {
	return s.change(ctx, "add to group", func(tx conn) error {
		if err := thingThere(ctx, tx, thing); err != nil {
			return err
		}
		return join(ctx, tx, group, thing, at)
	})
}

// RemoveFromGroup implements Links.
func (s *db) RemoveFromGroup(ctx context.Context, group, thing string) error {
	return s.change(ctx, "remove from group", func(tx conn) error { return unlink(ctx, tx, linkGroup, group, thing) })
}

// GroupsOf implements Links.
func (s *db) GroupsOf(ctx context.Context, thing string) ([]string, error) {
	return froms(ctx, s.reader(), linkGroup, thing)
}

// ThingsIn implements Links.
func (s *db) ThingsIn(ctx context.Context, group, after string, limit int) ([]string, error) {
	rows, err := s.reader().query(ctx, `SELECT b FROM links WHERE kind = ? AND a = ? AND b > ? ORDER BY b LIMIT ?`, linkGroup, group, after, limit)
	return collect(rows, err, scanText)
}

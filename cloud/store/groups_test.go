package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// contractGroups: a thing is in one group of each hierarchy and in ten at most, whichever way it gets there.
func contractGroups(t *testing.T, s Store) {
	ctx := t.Context()
	group := func(name, parent string) {
		t.Helper()
		if err := s.CreateEntry(ctx, Entry{Kind: KindGroup, Name: name, Settings: fmt.Appendf(nil, `{"parent":%q}`, parent), Created: 1}, ""); err != nil {
			t.Fatal(err)
		}
	}
	group("top", "")
	group("a", "top")
	group("b", "top")
	group("deep", "a")
	for i := range MaxThingGroups {
		group(fmt.Sprint("g", i), "")
	}
	for _, name := range []string{"t1", "t2"} {
		if err := s.CreateThing(ctx, Thing{Name: name, Created: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if line := must[[]string](t)(Ancestry(ctx, s, "deep")); !slices.Equal(line, []string{"deep", "a", "top"}) {
		t.Fatal(line)
	}
	if _, err := Ancestry(ctx, s, "none"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := errors.Join(s.AddToGroup(ctx, "deep", "t1", 1), s.AddToGroup(ctx, "deep", "t1", 1), s.AddToGroup(ctx, "b", "t2", 1)); err != nil {
		t.Fatal(err)
	}
	for _, g := range []string{"top", "a", "b"} {
		if err := s.AddToGroup(ctx, g, "t1", 1); !errors.Is(err, ErrGroups) {
			t.Errorf("deep and %s: %v", g, err)
		}
	}
	if err := s.AddToGroup(ctx, "none", "t1", 1); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	for i := range MaxThingGroups {
		if err := s.AddToGroup(ctx, fmt.Sprint("g", i), "t1", 1); errors.Is(err, ErrGroups) != (i == MaxThingGroups-1) {
			t.Errorf("group %d: %v", i+2, err)
		}
	}
	for group, want := range map[string][]string{"top": {"t1", "t2"}, "a": {"t1"}, "b": {"t2"}} {
		if got := must[[]string](t)(Members(ctx, s, group, true)); !slices.Equal(got, want) {
			t.Errorf("below %s: %v", group, got)
		}
	}
	if got := must[[]string](t)(Members(ctx, s, "top", false)); len(got) != 0 {
		t.Errorf("in top itself: %v", got)
	}
	if err := s.PutCertificate(ctx, Certificate{ID: "c", Status: CertPending, Created: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(ctx, Registration{CertificateID: "c", Thing: "t2", Groups: []string{"a", "b"}, At: 2}); !errors.Is(err, ErrGroups) {
		t.Errorf("registered into two groups of one hierarchy: %v", err)
	}
	if in := must[[]string](t)(s.GroupsOf(ctx, "t2")); !slices.Equal(in, []string{"b"}) {
		t.Errorf("a registration that failed changed the groups: %v", in)
	}
}

// contractRevoked: nothing makes a revoked certificate anything else.
func contractRevoked(t *testing.T, s Store) {
	ctx := t.Context()
	for _, id := range []string{"old", "new"} {
		if err := s.PutCertificate(ctx, Certificate{ID: id, Status: CertActive, Created: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Register(ctx, Registration{CertificateID: "old", Thing: "t", Serial: "S", At: 1}),
		s.SetCertificateStatus(ctx, "old", CertRevoked, 2), s.SetCertificateStatus(ctx, "old", CertRevoked, 3)); err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{CertActive, CertInactive} {
		if err := s.SetCertificateStatus(ctx, "old", status, 4); !errors.Is(err, ErrRevoked) {
			t.Errorf("%s: %v", status, err)
		}
	}
	if err := s.Register(ctx, Registration{CertificateID: "old", Thing: "t", At: 5}); !errors.Is(err, ErrRevoked) {
		t.Errorf("registered again: %v", err)
	}
	if err := errors.Join(s.Release(ctx, "S"), s.Register(ctx, Registration{CertificateID: "new", Thing: "t", Serial: "S", At: 6})); err != nil {
		t.Fatal(err)
	}
	if c := must[Certificate](t)(s.Certificate(ctx, "old")); c.Status != CertRevoked {
		t.Errorf("released and claimed again, it is %s", c.Status)
	}
	if err := s.SetCertificateStatus(ctx, "none", CertActive, 1); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

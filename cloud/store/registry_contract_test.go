package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func contractEntries(t *testing.T, s Store) {
	ctx := t.Context()
	e := Entry{Kind: KindPolicy, Name: "p", Created: 5, Settings: []byte(`{"a":1}`)}
	if err := s.CreateEntry(ctx, e, "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateEntry(ctx, e, "again"); !errors.Is(err, ErrExists) {
		t.Fatalf("made twice: %v", err)
	}
	if err := s.CreateEntry(ctx, Entry{Kind: KindGroup, Name: "p", Created: 5}, ""); err != nil {
		t.Fatalf("the same name of another kind: %v", err)
	}
	for i := 2; i <= MaxBodies; i++ {
		b := must[Body](t)(s.AddBody(ctx, KindPolicy, "p", fmt.Sprint(i), i == 3, 6))
		if b.Version != i {
			t.Fatalf("version %d, want %d", b.Version, i)
		}
	}
	if _, err := s.AddBody(ctx, KindPolicy, "p", "six", true, 6); !errors.Is(err, ErrLimit) {
		t.Fatalf("a sixth version: %v", err)
	}
	got := must[Entry](t)(s.Entry(ctx, KindPolicy, "p"))
	if got.Default != 3 || got.Last != 5 || got.Version != 5 || string(got.Settings) != `{"a":1}` {
		t.Fatalf("%+v", got)
	}
	if err := s.DeleteBody(ctx, KindPolicy, "p", 3); !errors.Is(err, ErrInUse) {
		t.Fatalf("the default was deleted: %v", err)
	}
	if err := errors.Join(s.DeleteBody(ctx, KindPolicy, "p", 5), s.SetDefaultBody(ctx, KindPolicy, "p", 1, 7)); err != nil {
		t.Fatal(err)
	}
	if b := must[Body](t)(s.AddBody(ctx, KindPolicy, "p", "six", false, 8)); b.Version != 6 {
		t.Fatalf("a number was used twice: %d", b.Version)
	}
	if b := must[Body](t)(s.Body(ctx, KindPolicy, "p", 1)); b.Text != "one" {
		t.Fatalf("%+v", b)
	}
	if err := s.UpdateEntry(ctx, KindPolicy, "p", 1, 9, func(*Entry) error { return nil }); !errors.Is(err, ErrVersion) {
		t.Fatalf("an old version was expected: %v", err)
	}
	if err := s.DeleteEntry(ctx, KindPolicy, "p"); !errors.Is(err, ErrInUse) {
		t.Fatalf("deleted with several versions: %v", err)
	}
	var names []string
	for _, n := range []string{"c", "a", "b"} {
		if err := s.CreateEntry(ctx, Entry{Kind: KindType, Name: n, Created: 1}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for after := ""; ; {
		some := must[[]Entry](t)(s.ListEntries(ctx, KindType, after, 2))
		for _, e := range some {
			names = append(names, e.Name)
		}
		if len(some) < 2 {
			break
		}
		after = some[1].Name
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Fatal(names)
	}
}

// contractSeed: what the stack says appears; what was changed since stands until the stack itself changes.
func contractSeed(t *testing.T, s Store) {
	ctx := t.Context()
	seed := func(body string) {
		t.Helper()
		if err := s.Seed(ctx, []Seed{{Kind: KindPolicy, Name: "p", Body: body}, {Kind: KindType, Name: "t", Settings: []byte(`{"description":"x"}`)}}, 1); err != nil {
			t.Fatal(err)
		}
	}
	current := func() string {
		t.Helper()
		e := must[Entry](t)(s.Entry(ctx, KindPolicy, "p"))
		return must[Body](t)(s.Body(ctx, KindPolicy, "p", e.Default)).Text
	}
	seed("one")
	must[Body](t)(s.AddBody(ctx, KindPolicy, "p", "mine", true, 2))
	if seed("one"); current() != "mine" {
		t.Fatalf("an unchanged stack took back a change: %s", current())
	}
	for i := range 5 {
		text := fmt.Sprint("new", i)
		if seed(text); current() != text {
			t.Fatalf("a changed stack does not count: %s", current())
		}
	}
	if n := len(must[[]Body](t)(s.Bodies(ctx, KindPolicy, "p"))); n != MaxBodies {
		t.Fatalf("%d versions", n)
	}
	if err := s.Seed(ctx, nil, 3); err != nil {
		t.Fatal(err)
	}
	if e := must[Entry](t)(s.Entry(ctx, KindPolicy, "p")); e.Origin != "" {
		t.Fatalf("the stack no longer says it: %+v", e)
	}
}

func contractLinks(t *testing.T, s Store) {
	ctx := t.Context()
	before := s.Revision()
	for _, id := range []string{"c1", "c2"} {
		if err := s.PutCertificate(ctx, Certificate{ID: id, Status: CertActive, Created: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range MaxCertificatePolicies + 1 {
		if err := s.CreateEntry(ctx, Entry{Kind: KindPolicy, Name: fmt.Sprint("p", i), Created: 1}, "{}"); err != nil {
			t.Fatal(err)
		}
		err := s.AttachPolicy(ctx, fmt.Sprint("p", i), CertTarget("c1"), 1)
		if want := i == MaxCertificatePolicies; errors.Is(err, ErrLimit) != want {
			t.Fatalf("policy %d: %v", i+1, err)
		}
	}
	if s.Revision() == before {
		t.Fatal("nobody is told of the change")
	}
	if err := s.AttachPolicy(ctx, "none", CertTarget("c1"), 1); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := s.AttachPolicy(ctx, "p0", CertTarget("c1"), 1); err != nil {
		t.Fatalf("attached twice: %v", err)
	}
	if err := errors.Join(s.CreateThing(ctx, Thing{Name: "t1", Created: 1}), s.CreateThing(ctx, Thing{Name: "t2", Created: 1, Attributes: map[string]string{"a": "b"}}),
		s.AttachThing(ctx, "t1", "c1", false, 1), s.AttachThing(ctx, "t2", "c1", false, 2), s.AttachThing(ctx, "t1", "c2", false, 3)); err != nil {
		t.Fatal(err)
	}
	if c := must[Certificate](t)(s.Certificate(ctx, "c1")); !slices.Equal(c.Things, []string{"t1", "t2"}) || len(c.Policies) != 10 {
		t.Fatalf("%+v", c)
	}
	if n := len(must[[]Certificate](t)(s.CertificatesOf(ctx, "t1"))); n != 2 {
		t.Fatalf("%d certificates", n)
	}
	testSole(t, s)
	for name, err := range map[string]error{
		"no certificate": s.AttachThing(ctx, "t1", "c9", false, 1), "no thing": s.AttachThing(ctx, "t9", "c1", false, 1), "not attached": s.DetachThing(ctx, "t2", "c2"),
		"policy not attached": s.DetachPolicy(ctx, "p0", CertTarget("c2")),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"thing with certificate": s.DeleteThing(ctx, "t1", 0), "certificate of a thing": s.DeleteCertificate(ctx, "c1", true), "attached policy": s.DeleteEntry(ctx, KindPolicy, "p0"),
	} {
		if !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(s.DetachThing(ctx, "t1", "c1"), s.DetachThing(ctx, "t2", "c1")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteCertificate(ctx, "c1", false); !errors.Is(err, ErrInUse) {
		t.Fatalf("deleted with policies: %v", err)
	}
	if err := s.DeleteCertificate(ctx, "c1", true); err != nil {
		t.Fatal(err)
	}
	if left := must[[]string](t)(s.TargetsOf(ctx, "p0")); len(left) != 0 {
		t.Fatalf("attachments of a deleted certificate: %v", left)
	}
	if err := errors.Join(s.CreateEntry(ctx, Entry{Kind: KindGroup, Name: "g", Created: 1}, ""), s.AddToGroup(ctx, "g", "t2", 1), s.AddToGroup(ctx, "g", "t1", 1)); err != nil {
		t.Fatal(err)
	}
	if in := must[[]string](t)(s.ThingsIn(ctx, "g", "t1", 9)); !slices.Equal(in, []string{"t2"}) {
		t.Fatal(in)
	}
	if err := s.DeleteThing(ctx, "t2", 7); !errors.Is(err, ErrVersion) {
		t.Fatal(err)
	}
	if err := s.DeleteThing(ctx, "t2", 1); err != nil {
		t.Fatal(err)
	}
	if in := must[[]string](t)(s.ThingsIn(ctx, "g", "", 9)); !slices.Equal(in, []string{"t1"}) {
		t.Fatalf("a deleted thing is a member still: %v", in)
	}
}

// contractExpired: a certificate nobody registered in time goes, one that got something stays.
func contractExpired(t *testing.T, s Store) {
	ctx := t.Context()
	for id, c := range map[string]Certificate{
		"late": {Status: CertPending, Token: "t1", TokenExpires: 10}, "waiting": {Status: CertPending, Token: "t2", TokenExpires: 99},
		"used": {Status: CertPending, Token: "t3", TokenExpires: 10, Policies: []string{"p"}}, "active": {Status: CertActive},
	} {
		c.ID, c.Created = id, 1
		if err := s.PutCertificate(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteExpired(ctx, 10); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, c := range must[[]Certificate](t)(s.ListCertificates(ctx, "", 9, false)) {
		left = append(left, c.ID)
	}
	if !slices.Equal(left, []string{"active", "used", "waiting"}) {
		t.Fatal(left)
	}
	if next := must[[]Certificate](t)(s.ListCertificates(ctx, "waiting", 1, true)); len(next) != 1 || next[0].ID != "used" {
		t.Fatalf("newest first, after waiting: %+v", next)
	}
}

// TestUpgrade: a database of schema 1 keeps everything it had.
func TestUpgrade(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "cloud.db")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := open(path, "rwc", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		migrations()[0], `INSERT INTO meta(key, value) VALUES ('schema', '1')`,
		`INSERT INTO things(name, serial, type, created, first_connected, released, online, changed) VALUES ('fountain-F1', 'F1', 'fountain-unit', 5, 6, 0, 1, 7)`,
		`INSERT INTO certificates(id, pem, key_hash, status, thing, policies, token, token_expires, created) VALUES ('c1', 'pem', 'k', 'ACTIVE', 'fountain-F1', '["a","b"]', '', 0, 4)`,
		`INSERT INTO certificates(id, pem, key_hash, status, policies, created) VALUES ('claim', 'pem', 'k', 'ACTIVE', '["c"]', 3)`,
		`INSERT INTO shadows(thing, name, version, doc) VALUES ('fountain-F1', 'ledger', 3, x'7b7d')`,
		`INSERT INTO logs(id, thing, log, upto, last, last_n) VALUES (1, 'fountain-F1', 'a', 1, 1, 1)`,
		`INSERT INTO pours(n, log, seq, received, body) VALUES (1, 1, 1, 9, '{"v":1,"id":"x","thing":"fountain-F1","log":"a","seq":1}')`,
	} {
		if _, err := old.ExecContext(ctx, q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		s := must[*SQLite](t)(OpenSQLite(ctx, path))
		want := Thing{Name: "fountain-F1", Serial: "F1", Type: "fountain-unit", Attributes: map[string]string{"serial": "F1"}, Version: 1, Created: 5, FirstConnected: 6, Online: true, Changed: 7}
		if d := cmp.Diff(want, must[Thing](t)(s.Thing(ctx, "fountain-F1"))); d != "" {
			t.Error(d)
		}
		c := must[Certificate](t)(s.Certificate(ctx, "c1"))
		if d := cmp.Diff(Certificate{ID: "c1", PEM: "pem", KeyHash: "k", Status: CertActive, Things: []string{"fountain-F1"}, Policies: []string{"a", "b"}, Created: 4, Changed: 4}, c); d != "" {
			t.Error(d)
		}
		if c := must[Certificate](t)(s.Certificate(ctx, "claim")); len(c.Things) != 0 || !slices.Equal(c.Policies, []string{"c"}) {
			t.Errorf("%+v", c)
		}
		if sh := must[Shadow](t)(s.Shadow(ctx, "fountain-F1", "ledger")); sh.Version != 3 || string(sh.Doc) != "{}" {
			t.Errorf("%+v", sh)
		}
		if m := must[[]Mark](t)(s.Marks(ctx, "fountain-F1", 4)); len(m) != 1 || m[0].Upto != 1 {
			t.Errorf("%+v", m)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// testSole: c1 has the things t1 and t2, c2 has t1.
func testSole(t *testing.T, s Store) {
	t.Helper()
	ctx := t.Context()
	sole := func() (Certificate, bool) {
		c := must[Certificate](t)(s.Certificate(ctx, "c2"))
		return c, c.Sole
	}
	if err := s.AttachThing(ctx, "t1", "c1", true, 4); !errors.Is(err, ErrSole) {
		t.Fatalf("exclusively, beside another thing: %v", err)
	}
	if err := s.AttachThing(ctx, "t1", "c2", true, 4); err != nil {
		t.Fatal(err)
	}
	if c, is := sole(); !is || c.ThingOf("whoever") != "t1" || !slices.Equal(c.Things, []string{"t1"}) {
		t.Fatalf("%+v", c)
	}
	for _, again := range []bool{false, true} {
		if err := s.AttachThing(ctx, "t2", "c2", again, 5); !errors.Is(err, ErrSole) {
			t.Fatalf("another thing: %v", err)
		}
	}
	if err := s.Register(ctx, Registration{CertificateID: "c2", Thing: "t2", At: 5}); !errors.Is(err, ErrSole) {
		t.Fatalf("registered to another thing: %v", err)
	}
	if err := s.AttachThing(ctx, "t1", "c2", false, 6); err != nil {
		t.Fatal(err)
	}
	if c, is := sole(); is || c.ThingOf("whoever") != "" || c.ThingOf("t1") != "t1" {
		t.Fatalf("%+v", c)
	}
}

package identity

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
)

// counted counts how often certificates are read.
type counted struct {
	store.Registry
	reads int
}

func (c *counted) Certificate(ctx context.Context, id string) (store.Certificate, error) {
	c.reads++
	return c.Registry.Certificate(ctx, id)
}

func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		path := filepath.Join(t.TempDir(), "cloud.db")
		db, err := store.OpenSQLite(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		elsewhere, err := store.OpenSQLite(ctx, path) // as another process
		if err != nil {
			t.Fatal(err)
		}
		defer elsewhere.Close()
		must := func(errs ...error) {
			t.Helper()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		doc := func(topic string) string {
			return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:us-east-1:1:topic/` + topic + `"}]}`
		}
		must(db.CreateEntry(ctx, store.Entry{Kind: store.KindPolicy, Name: "p", Created: 1}, doc("one")),
			db.CreateEntry(ctx, store.Entry{Kind: store.KindPolicy, Name: "broken", Created: 1}, "{"),
			db.PutCertificate(ctx, store.Certificate{ID: "c", Status: store.CertActive, Created: 1, Policies: []string{"p", "broken", "gone"}}),
			db.PutCertificate(ctx, store.Certificate{ID: "claim", Status: store.CertActive, Created: 1, Claim: "tpl"}))
		reg := &counted{Registry: db}
		s := New(reg, "arn:aws:iot:us-east-1:1:", slog.New(slog.DiscardHandler))
		may := func(id string, act policy.Action, name string) bool {
			t.Helper()
			all, err := s.Policies(ctx, id)
			must(err)
			return policy.Allowed(all, "arn:aws:iot:us-east-1:1:", policy.Principal{}, act, name)
		}
		for range 3 {
			if !may("c", policy.Publish, "one") || may("c", policy.Publish, "two") {
				t.Fatal("the policy does not decide")
			}
		}
		if reg.reads != 1 {
			t.Fatalf("read %d times", reg.reads)
		}
		_, err = db.AddBody(ctx, store.KindPolicy, "p", doc("two"), true, 2)
		if must(err); !may("c", policy.Publish, "two") || may("c", policy.Publish, "one") {
			t.Fatal("the new default version does not count at once")
		}
		must(elsewhere.SetDefaultBody(ctx, store.KindPolicy, "p", 1, 3))
		if time.Sleep(maxAge + time.Second); !may("c", policy.Publish, "one") {
			t.Fatal("a change by another process is not seen")
		}
		if !may("claim", policy.Publish, "$aws/provisioning-templates/tpl/provision/json") || !may("claim", policy.Subscribe, "$aws/certificates/create/json/accepted") ||
			may("claim", policy.Publish, "$aws/provisioning-templates/other/provision/json") || may("claim", policy.Publish, "x") {
			t.Fatal("a claim may something else than register by its template")
		}
		if _, err := s.Policies(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	})
}

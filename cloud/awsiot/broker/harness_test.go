package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/identity"
	"fountain/cloud/store"
)

const (
	patience = 5 * time.Second
	silence  = 150 * time.Millisecond // how long nothing must come; in virtual time it costs nothing
	arn      = "arn:aws:iot:us-east-1:123456789012:"
)

// allowAll is a policy for tests that are about something else.
const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`

// cloud is a broker with its store.
type cloud struct {
	t    *testing.T
	b    *broker.Broker
	db   *store.SQLite
	auth *authority.Authority
	addr string // of TCP after listen; empty: in memory

	mu        sync.Mutex
	denied    []string
	published []string // what the rules were given: "topic payload"
	presences []broker.Presence
}

func newCloud(t *testing.T, change ...func(*broker.Config)) *cloud {
	t.Helper()
	c := &cloud{t: t}
	dir := t.TempDir()
	var err error
	if c.db, err = store.OpenSQLite(t.Context(), filepath.Join(dir, "cloud.db")); err != nil {
		t.Fatal(err)
	}
	if c.auth, err = authority.Open(dir); err != nil {
		t.Fatal(err)
	}
	c.start(change...)
	t.Cleanup(func() {
		if err := errors.Join(c.b.Close(), c.db.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// start makes the broker, also a second one on the same store.
func (c *cloud) start(change ...func(*broker.Config)) {
	c.t.Helper()
	log := slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := broker.Config{
		ARN: arn, Authority: c.auth, Store: c.db, Policies: identity.New(c.db, arn, log).Policies, Log: log, ConnectBurst: 100,
		OnDenied: func(id, reason string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.denied = append(c.denied, id+" "+reason)
		},
		OnPresence: func(p broker.Presence) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.presences = append(c.presences, p)
		},
		Published: func(_ context.Context, topic, _ string, payload []byte) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.published = append(c.published, topic+" "+string(payload))
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if c.b, err = broker.New(cfg); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) listen() { c.addr = awsiottest.Listen(c.t, c.b.Serve) }

func (c *cloud) denials() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.denied, "\n")
}

var now = func() int64 { return time.Now().UnixMilli() }

// policy makes a policy, or another default version of it.
func (c *cloud) policy(name, document string) {
	c.t.Helper()
	err := c.db.CreateEntry(c.t.Context(), store.Entry{Kind: store.KindPolicy, Name: name, Created: now()}, document)
	if errors.Is(err, store.ErrExists) {
		_, err = c.db.AddBody(c.t.Context(), store.KindPolicy, name, document, true, now())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// certificate registers an active certificate with a policy of its own, attached to things, which it makes.
func (c *cloud) certificate(document string, things ...string) (tls.Certificate, string) {
	c.t.Helper()
	cert, shown := awsiottest.Certificate(c.t, c.auth)
	if document != "" {
		c.policy("of-"+cert.ID[:8], document)
		cert.Policies = []string{"of-" + cert.ID[:8]}
	}
	for _, name := range things {
		if err := c.db.CreateThing(c.t.Context(), store.Thing{Name: name, Created: now()}); err != nil && !errors.Is(err, store.ErrExists) {
			c.t.Fatal(err)
		}
	}
	cert.Things = things
	if err := c.db.PutCertificate(c.t.Context(), cert); err != nil {
		c.t.Fatal(err)
	}
	return shown, cert.ID
}

func (c *cloud) tls(cert tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: c.auth.Pool(), Certificates: []tls.Certificate{cert}, ServerName: "localhost"}
}

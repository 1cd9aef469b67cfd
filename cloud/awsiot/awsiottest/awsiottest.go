// Package awsiottest makes the local cloud that tests on both sides of the wire run against: cloud/awsiot with the
// template it is deployed with, a store, an authority and a claim certificate, in the test's own process and bubble.
//
//	Open(dir) ─► Cloud ─ the test changes Config ─► Start ─► awsiot.Core ◄── Listen, or ServeConn
//
// It imports deploy and the cloud's packages, and only tests import it. The test's end ends what a Cloud has started.
package awsiottest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
	"fountain/deploy"
)

// Names in deploy/cfn/device.yaml.
const (
	Rule     = "fountain_consumption"
	Template = "fountain-unit"
)

// Location is where Stack is deployed.
func Location() stack.Location {
	return stack.Location{Parameters: map[string]string{"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim"}}
}

// Stack is what units are deployed with.
func Stack(t testing.TB) *stack.Stack {
	t.Helper()
	s, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, Location())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Cloud is what a local cloud is made of.
type Cloud struct {
	Config              awsiot.Config // takes every message and forgets it; the test's to change before Start
	Authority           *authority.Authority
	Store               *store.SQLite
	File                string // the store's
	ClaimCert, ClaimKey string // files

	t testing.TB
}

// Open makes a Cloud in dir, or finds the one that was there. Its server's certificate names hosts, too.
func Open(t testing.TB, dir string, hosts ...string) *Cloud {
	t.Helper()
	c := &Cloud{
		t: t, File: filepath.Join(dir, "cloud.db"),
		ClaimCert: filepath.Join(dir, authority.FileClaimCert), ClaimKey: filepath.Join(dir, authority.FileClaimKey),
	}
	var err error
	if c.Store, err = store.OpenSQLite(t.Context(), c.File); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	if c.Authority, err = authority.Open(dir, hosts...); err != nil {
		t.Fatal(err)
	}
	c.Config = awsiot.Config{
		Stack: Stack(t), Authority: c.Authority, Store: c.Store,
		Deliver: func(context.Context, awsiot.QueueMessage) error { return nil },
	}
	if err := c.Authority.EnsureClaim(t.Context(), dir, c.Config.Stack.ClaimPolicy, c.Store); err != nil {
		t.Fatal(err)
	}
	return c
}

// Start makes a Core of Config; called again, another one on the same registry.
func (c *Cloud) Start() *awsiot.Core {
	c.t.Helper()
	core, err := awsiot.New(c.Config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := core.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return core
}

// Listen lets a broker serve on a port of this machine until the test ends, and returns the address.
func Listen(t testing.TB, serve func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		_ = l.Close() // its broker may have closed it
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// Key makes a unit's key.
func Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Request asks for a key's certificate, PEM.
func Request(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// Certificate signs an active certificate, which the caller has to register, and returns what a unit shows of it.
func Certificate(t testing.TB, a *authority.Authority) (store.Certificate, tls.Certificate) {
	t.Helper()
	key := Key(t)
	made, err := a.Issue(&key.PublicKey, authority.Subject())
	if err != nil {
		t.Fatal(err)
	}
	made.Status = store.CertActive
	block, _ := pem.Decode([]byte(made.PEM))
	return made, tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

package mqttlink

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func selfSigned(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// dialTLS connects to a service that shows how it was asked.
func dialTLS(t *testing.T, addr string, server tls.Certificate, roots *x509.CertPool, most uint16, now func() time.Time, edit ...func(*tls.Config)) (tls.ConnectionState, error) {
	t.Helper()
	client, _ := selfSigned(t, "unit-1")
	cfg, err := TLSConfig(addr, client, roots, now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // no pipe: both ends of a refused handshake write at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan tls.ConnectionState, 1)
	go func() {
		far, err := l.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		cfg := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: most, NextProtos: []string{ALPN}}
		for _, f := range edit {
			f(cfg)
		}
		s := tls.Server(far, cfg)
		if s.Handshake() != nil {
			return
		}
		asked <- s.ConnectionState()
		for {
			p, err := packets.ReadPacket(s)
			if err != nil {
				return
			}
			if _, ok := p.(*packets.ConnectPacket); ok {
				_ = packets.NewControlPacket(packets.Connack).Write(s) // the client tells if it does not arrive
			}
		}
	}()
	c, err := Dial(t.Context(), Config{
		Addrs: []string{addr}, ClientID: "unit-1", TLS: cfg,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
		},
	})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	c.Close()
	return <-asked, nil
}

// TestTLS: only the service's own certificate will do. Peers: reef-pi verifies none.
func TestTLS(t *testing.T) {
	server, roots := selfSigned(t, "iot.test")
	got, err := dialTLS(t, "iot.test:443", server, roots, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.ServerName != "iot.test" || got.NegotiatedProtocol != ALPN || len(got.PeerCertificates) != 1 || got.Version < tls.VersionTLS12 {
		t.Errorf("443: name %q, protocol %q, %d certificates, version %x", got.ServerName, got.NegotiatedProtocol, len(got.PeerCertificates), got.Version)
	}
	if got, err = dialTLS(t, "iot.test:8883", server, roots, 0, nil); err != nil || got.NegotiatedProtocol != "" {
		t.Errorf("8883: protocol %q, %v", got.NegotiatedProtocol, err)
	}
	if _, err := dialTLS(t, "iot.test:8883", server, roots, tls.VersionTLS11, nil); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	if _, err := dialTLS(t, "other.test:8883", server, roots, 0, nil); err == nil {
		t.Error("a certificate for another name was taken")
	}
	_, strangers := selfSigned(t, "iot.test")
	if _, err := dialTLS(t, "iot.test:8883", server, strangers, 0, nil); err == nil {
		t.Error("a stranger's certificate was taken")
	}
	if _, err := dialTLS(t, "iot.test:8883", server, roots, 0, func() time.Time { return time.Now().Add(48 * time.Hour) }); err == nil {
		t.Error("the unit's own clock was not asked")
	}
}

// A service that does not take the unit's certificate refuses it within the handshake, or after it with TLS 1.3.
func TestCertificateIsRefused(t *testing.T) {
	server, roots := selfSigned(t, "iot.test")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		_, err := dialTLS(t, "iot.test:8883", server, roots, version, nil, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		})
		if !errors.Is(err, ErrRefused) {
			t.Errorf("version %x: %v", version, err)
		}
	}
	_, strangers := selfSigned(t, "iot.test")
	if _, err := dialTLS(t, "iot.test:8883", server, strangers, 0, nil); errors.Is(err, ErrRefused) {
		t.Errorf("it is the unit that refuses: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	for name, cfg := range map[string]Config{
		"no TLS":       {Addrs: []string{"h:1"}, ClientID: "u"},
		"no client id": {Addrs: []string{"h:1"}, Dial: dial},
		"bad address":  {Addrs: []string{"h"}, ClientID: "u", Dial: dial},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := TLSConfig("h", tls.Certificate{}, nil, nil); err == nil {
		t.Error("an address without port was taken")
	}
}

package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/store"
)

// selfSigned makes a certificate that no authority of ours signed.
func selfSigned(t *testing.T, from, to time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (c *cloud) register(cert tls.Certificate, status string) {
	c.t.Helper()
	id := authority.ID(cert.Certificate[0])
	c.policy("of-"+id[:8], allowAll)
	if err := c.db.PutCertificate(c.t.Context(), store.Certificate{ID: id, Status: status, Policies: []string{"of-" + id[:8]}}); err != nil {
		c.t.Fatal(err)
	}
}

// refuses reports whether a connection does not get as far as CONNACK.
func (c *cloud) refuses(cert tls.Certificate, change ...func(*tls.Config)) bool {
	c.t.Helper()
	cl, err := c.open(cert, 4, change...)
	if err != nil {
		return true
	}
	cl.send(connectPacket("x"))
	_, ok := cl.any()
	return !ok
}

func TestTLS(t *testing.T) {
	c := newCloud(t)
	c.listen() // on a net.Pipe both sides would wait for the other to read: the alert and the first packet
	good, _ := c.certificate(allowAll)
	hour := time.Hour
	foreign := selfSigned(t, time.Now().Add(-hour), time.Now().Add(hour))
	adopted := selfSigned(t, time.Now().Add(-hour), time.Now().Add(hour))
	expired := selfSigned(t, time.Now().Add(-2*hour), time.Now().Add(-hour))
	early := selfSigned(t, time.Now().Add(hour), time.Now().Add(2*hour))
	c.register(adopted, store.CertActive)
	c.register(expired, store.CertActive)
	c.register(early, store.CertActive)
	statuses := map[string]tls.Certificate{}
	for _, status := range []string{store.CertPending, store.CertInactive, store.CertRevoked} {
		statuses[status] = selfSigned(t, time.Now().Add(-hour), time.Now().Add(hour))
		c.register(statuses[status], status)
	}
	protos := func(p ...string) func(*tls.Config) { return func(cfg *tls.Config) { cfg.NextProtos = p } }
	version := func(v uint16) func(*tls.Config) {
		return func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = v, v }
	}
	for name, tc := range map[string]struct {
		cert    tls.Certificate
		change  func(*tls.Config)
		refused bool
	}{
		"registered and active":           {good, nil, false},
		"foreign but registered":          {adopted, nil, false},
		"foreign":                         {foreign, nil, true},
		"expired":                         {expired, nil, true},
		"not yet valid":                   {early, nil, true},
		"pending":                         {statuses[store.CertPending], nil, true},
		"deactivated":                     {statuses[store.CertInactive], nil, true},
		"revoked":                         {statuses[store.CertRevoked], nil, true},
		"no certificate":                  {tls.Certificate{}, nil, true},
		"TLS 1.2":                         {good, version(tls.VersionTLS12), false},
		"TLS 1.3":                         {good, version(tls.VersionTLS13), false},
		"TLS 1.1":                         {good, version(tls.VersionTLS11), true},
		"ALPN x-amzn-mqtt-ca":             {good, protos("x-amzn-mqtt-ca"), false},
		"ALPN of custom authorisers":      {good, protos("mqtt"), true},
		"ALPN of HTTPS":                   {good, protos("x-amzn-http-ca"), true},
		"ALPN of both, ours among them":   {good, protos("mqtt", "x-amzn-mqtt-ca"), false},
		"no server name":                  {good, func(cfg *tls.Config) { cfg.ServerName, cfg.InsecureSkipVerify = "", true }, true},
		"another server's name":           {good, func(cfg *tls.Config) { cfg.ServerName, cfg.InsecureSkipVerify = "other.test", true }, true},
		"the server's name is an address": {good, func(cfg *tls.Config) { cfg.ServerName = "127.0.0.1" }, true}, // Go sends no SNI then
	} {
		t.Run(name, func(t *testing.T) {
			change := tc.change
			if change == nil {
				change = func(*tls.Config) {}
			}
			if got := c.refuses(tc.cert, change); got != tc.refused {
				t.Errorf("refused: %v, want %v", got, tc.refused)
			}
		})
	}
	if cl, err := c.open(good, 4, protos("x-amzn-mqtt-ca")); err != nil || cl.conn.ConnectionState().NegotiatedProtocol != "x-amzn-mqtt-ca" {
		t.Errorf("ALPN was not answered: %v", err)
	}
	if cl, err := c.open(good, 4); err != nil || cl.conn.ConnectionState().DidResume {
		t.Errorf("resumed: %v", err)
	}
}

// TestNoTLS: a client that speaks no TLS is let go.
func TestNoTLS(t *testing.T) {
	c := newCloud(t)
	c.listen()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	for {
		if _, err := conn.Read(b); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the connection is still open")
			}
			return
		}
	}
}

// TestThingsOfACertificate: with several things on one certificate, the variables are those of the thing whose name is the
// client id; with none of them they have no value.
func TestThingsOfACertificate(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
		{"Effect":"Allow","Action":"iot:Publish","Resource":"`+arn+`topic/t/${iot:Connection.Thing.ThingName}"}]}`, "one", "two")
	for _, tc := range []struct{ id, topic, ends string }{
		{"one", "t/one", ""},
		{"two", "t/two", ""},
		{"one", "t/two", "AUTH_ERROR"},
		{"neither", "t/neither", "AUTH_ERROR"},
	} {
		cl, _ := c.dial(tc.id, cert, 4)
		cl.send(publishPacket(tc.topic, "x"))
		if tc.ends == "" {
			cl.ping()
			cl.leave()
			continue
		}
		cl.ends()
	}
}

package awsiot_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

const patience = time.Minute // far beyond what anything here takes: a laden host is no reason to fail

// cloud is a broker with its store, for tests.
type cloud struct {
	t      *testing.T
	dir    string
	db     *store.SQLite
	auth   *authority.Authority
	broker *awsiot.Core
	local  *awsiottest.Cloud
	queue  chan awsiot.QueueMessage
	seen   chan awsiot.Presence

	addr string // of TCP after listen; empty: in memory

	mu     sync.Mutex
	denied []string
}

func newCloud(t *testing.T, change ...func(*awsiot.Config)) *cloud {
	t.Helper()
	dir := t.TempDir()
	local := awsiottest.Open(t, dir)
	c := &cloud{
		t: t, dir: dir, db: local.Store, auth: local.Authority, local: local,
		queue: make(chan awsiot.QueueMessage, 1000), seen: make(chan awsiot.Presence, 100),
	}
	cfg := &local.Config
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg.ConnectBurst = 1000 // tests connect as fast as they can
	cfg.Deliver = func(ctx context.Context, m awsiot.QueueMessage) error {
		select {
		case c.queue <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	cfg.OnPresence = func(p awsiot.Presence) { c.seen <- p }
	cfg.OnDenied = func(id, reason string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.denied = append(c.denied, id+" "+reason)
	}
	for _, f := range change {
		f(cfg)
	}
	c.broker = local.Start()
	return c
}

// newOpenCloud has a stack in which the claim certificate may do everything.
func newOpenCloud(t *testing.T, s *stack.Stack) *cloud {
	t.Helper()
	open, err := policy.ParseJSON("open", []byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Policies[open.Name] = open
	c := newCloud(t, func(cfg *awsiot.Config) { cfg.Stack = s })
	if err := c.auth.EnsureClaim(t.Context(), c.dir, open.Name, c.db); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cloud) listen() { c.addr = awsiottest.Listen(c.t, c.broker.Serve) }

func (c *cloud) denials() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.denied, "\n")
}

func (c *cloud) claim() tls.Certificate {
	c.t.Helper()
	cert, err := tls.LoadX509KeyPair(c.local.ClaimCert, c.local.ClaimKey)
	if err != nil {
		c.t.Fatal(err)
	}
	return cert
}

func (c *cloud) clientTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: c.auth.Pool(), Certificates: []tls.Certificate{cert}, ServerName: "localhost", NextProtos: []string{"x-amzn-mqtt-ca"}}
}

// client is a paho client over an in-memory connection.
type client struct {
	paho.Client
	t    *testing.T
	lost chan error
	in   chan paho.Message
}

func (c *cloud) options(id string, cert tls.Certificate) (*paho.ClientOptions, *client) {
	cl := &client{t: c.t, lost: make(chan error, 1), in: make(chan paho.Message, 500)}
	o := paho.NewClientOptions().AddBroker("tls://memory:8883").SetClientID(id).SetProtocolVersion(4).SetCleanSession(true).
		SetAutoReconnect(false).SetConnectRetry(false).SetKeepAlive(60 * time.Second).SetConnectTimeout(patience).
		SetConnectionLostHandler(func(_ paho.Client, err error) { cl.lost <- err }).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { cl.in <- m }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			if c.addr != "" {
				near, err := net.Dial("tcp", c.addr)
				return tls.Client(near, c.clientTLS(cert)), err
			}
			near, far := net.Pipe()
			go c.broker.ServeConn(far)
			return tls.Client(near, c.clientTLS(cert)), nil
		})
	return o, cl
}

func (c *cloud) tryDial(id string, cert tls.Certificate, change ...func(*paho.ClientOptions)) (*client, error) {
	o, cl := c.options(id, cert)
	for _, f := range change {
		f(o)
	}
	cl.Client = paho.NewClient(o)
	tok := cl.Connect()
	if !tok.WaitTimeout(patience) {
		return nil, errors.New("no answer to CONNECT")
	}
	if err := tok.Error(); err != nil {
		return nil, err
	}
	c.t.Cleanup(func() { cl.Disconnect(0) })
	return cl, nil
}

func (c *cloud) dial(id string, cert tls.Certificate, change ...func(*paho.ClientOptions)) *client {
	c.t.Helper()
	cl, err := c.tryDial(id, cert, change...)
	if err != nil {
		c.t.Fatalf("connect %s: %v", id, err)
	}
	return cl
}

func (cl *client) sub(filters ...string) {
	cl.t.Helper()
	m := map[string]byte{}
	for _, f := range filters {
		m[f] = 1
	}
	tok := cl.SubscribeMultiple(m, nil).(*paho.SubscribeToken)
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		cl.t.Fatalf("subscribe: %v", tok.Error())
	}
	for f, code := range tok.Result() {
		if code > 1 {
			cl.t.Fatalf("subscribe %s: code %d", f, code)
		}
	}
}

func (cl *client) pub(topic string, v any) {
	cl.t.Helper()
	b, ok := v.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(v); err != nil {
			cl.t.Fatal(err)
		}
	}
	tok := cl.Publish(topic, 1, false, b)
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		cl.t.Fatalf("publish %s: no PUBACK: %v", topic, tok.Error())
	}
}

// next returns the next message that arrives.
func (cl *client) next() paho.Message {
	cl.t.Helper()
	select {
	case m := <-cl.in:
		return m
	case err := <-cl.lost:
		cl.t.Fatalf("connection lost: %v", err)
	case <-time.After(patience):
		cl.t.Fatal("nothing arrived")
	}
	return nil
}

// expect returns the payload of the next message, which must be of the topic.
func (cl *client) expect(topic string) []byte {
	cl.t.Helper()
	m := cl.next()
	if m.Topic() != topic {
		cl.t.Fatalf("got %s %s, want %s", m.Topic(), m.Payload(), topic)
	}
	return m.Payload()
}

// hangsUp waits for the broker to close the connection.
func (cl *client) hangsUp() {
	cl.t.Helper()
	select {
	case <-cl.lost:
	case <-time.After(patience):
		cl.t.Fatal("the connection is still open")
	}
}

// certificate asks for a certificate over a claim connection.
func (cl *client) certificate(key *ecdsa.PrivateKey) (tls.Certificate, string) {
	cl.t.Helper()
	cl.pub(wire.TopicCreateFromCSR, wire.CreateFromCSR{CSR: awsiottest.Request(cl.t, key)})
	got, err := wire.DecodeCertificate(cl.expect(wire.Accepted(wire.TopicCreateFromCSR)))
	if err != nil {
		cl.t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(got.PEM))
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, got.Token
}

const template = awsiottest.Template

// claimant is a connection with the claim certificate, subscribed to every answer.
func (c *cloud) claimant(name string) *client {
	c.t.Helper()
	cl := c.dial("claim-"+name, c.claim())
	reg := wire.TopicProvision(template)
	cl.sub(wire.Accepted(wire.TopicCreateFromCSR), wire.Rejected(wire.TopicCreateFromCSR), wire.Accepted(reg), wire.Rejected(reg))
	return cl
}

// provision claims a serial and returns the thing's name and identity.
func (c *cloud) provision(serial string) (string, tls.Certificate) {
	c.t.Helper()
	cl := c.claimant(serial)
	defer cl.Disconnect(0)
	cert, token := cl.certificate(awsiottest.Key(c.t))
	cl.pub(wire.TopicProvision(template), wire.RegisterThing{Token: token, Parameters: map[string]string{"SerialNumber": serial}})
	got, err := wire.DecodeRegisteredThing(cl.expect(wire.Accepted(wire.TopicProvision(template))))
	if err != nil {
		c.t.Fatal(err)
	}
	return got.Thing, cert
}

// refused registers and returns the refusal.
func (cl *client) refused(token, serial string) *wire.ProvisionError {
	cl.t.Helper()
	cl.pub(wire.TopicProvision(template), wire.RegisterThing{Token: token, Parameters: map[string]string{"SerialNumber": serial}})
	got, err := wire.DecodeProvisionError(cl.expect(wire.Rejected(wire.TopicProvision(template))))
	if err != nil {
		cl.t.Fatal(err)
	}
	return got
}

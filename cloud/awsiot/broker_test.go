package awsiot_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
	"fountain/deploy"
	"fountain/sync/wire"
)

func TestProvisionThenConnect(t *testing.T) {
	c := newCloud(t)
	thing, cert := c.provision("F0001")
	if thing != "fountain-F0001" {
		t.Fatalf("thing %q", thing)
	}
	cl := c.dial(thing, cert)
	if p := <-c.seen; p.Thing != thing || !p.Online {
		t.Fatalf("presence %+v", p)
	}
	cl.pub(wire.BasicIngest("fountain_consumption", thing), []byte(`[{"any":"bytes"}]`))
	m := <-c.queue
	var got struct {
		Batch    []byte `json:"batch"`
		Thing    string `json:"thing"`
		Received int64  `json:"received_ms"`
	}
	if err := json.Unmarshal(m.Body, &got); err != nil {
		t.Fatal(err)
	}
	if m.Queue != "ConsumptionQueue" || m.Error || got.Thing != thing || string(got.Batch) != `[{"any":"bytes"}]` || got.Received == 0 {
		t.Fatalf("rule made %+v: %s", m, m.Body)
	}
	cl.Disconnect(10)
	if p := <-c.seen; p.Online || p.Reason != "CLIENT_INITIATED_DISCONNECT" {
		t.Fatalf("presence %+v", p)
	}
}

func TestRealTCP(t *testing.T) {
	c := newCloud(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- c.broker.Serve(l) }()
	thing, cert := c.provision("F0002")
	o, cl := c.options(thing, cert)
	o.SetCustomOpenConnectionFn(nil)
	o.Servers = nil
	o.AddBroker("tls://" + l.Addr().String())
	o.SetTLSConfig(c.clientTLS(cert))
	cl.Client = paho.NewClient(o)
	if tok := cl.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	if got := c.broker.Connected(); len(got) != 1 || got[0] != thing {
		t.Fatalf("connected: %v", got)
	}
	if err := c.broker.Close(); err != nil {
		t.Fatal(err)
	}
	cl.hangsUp()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

// TestHandshakeRefused: whoever is not registered and active, or names no server, does not get as far as MQTT.
func TestHandshakeRefused(t *testing.T) {
	c := newCloud(t)
	c.listen() // on a net.Pipe both sides would wait for the other to read: the alert and the first packet
	other := newCloud(t)
	claim := c.claimant("pending")
	pending, _ := claim.certificate(awsiottest.Key(t))
	thing, released := c.provision("F0003")
	if err := c.db.Release(t.Context(), "F0003"); err != nil {
		t.Fatal(err)
	}
	for name, cert := range map[string]tls.Certificate{"foreign authority": other.claim(), "pending": pending, "deactivated": released, "none": {}} {
		if _, err := c.tryDial(thing, cert); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
	near, far := net.Pipe()
	go c.broker.ServeConn(far)
	cfg := c.clientTLS(c.claim())
	cfg.ServerName, cfg.InsecureSkipVerify = "", true
	if err := tls.Client(near, cfg).HandshakeContext(t.Context()); err == nil {
		t.Error("a connection without SNI was accepted")
	}
}

func TestClosedWithoutAWord(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0010")
	other, _ := c.provision("F0011")
	ledger := wire.Shadow(me, "ledger")
	for _, tc := range []struct {
		name string
		do   func(cl *client)
		why  string
	}{
		{"consumption of another thing", func(cl *client) {
			cl.Publish(wire.BasicIngest("fountain_consumption", other), 1, false, "[]")
		}, "AUTH_ERROR"},
		{"the same with QoS 0", func(cl *client) {
			cl.Publish(wire.BasicIngest("fountain_consumption", other), 0, false, "[]")
		}, "AUTH_ERROR"},
		{"another rule", func(cl *client) { cl.Publish(wire.BasicIngest("other_rule", me), 1, false, "[]") }, "AUTH_ERROR"},
		{"shadow of another thing", func(cl *client) {
			cl.Publish(wire.Shadow(other, "ledger").Request("get"), 1, false, "")
		}, "AUTH_ERROR"},
		{"subscribe to another thing", func(cl *client) { cl.Subscribe(wire.Shadow(other, "ledger").Delta(), 1, nil) }, "AUTH_ERROR"},
		{"subscribe to everything", func(cl *client) { cl.Subscribe("#", 1, nil) }, "AUTH_ERROR"},
		{"subscribe to all things", func(cl *client) { cl.Subscribe("$aws/things/+/shadow/name/ledger/get/accepted", 1, nil) }, "AUTH_ERROR"},
		{"delete of a shadow", func(cl *client) { cl.Publish(ledger.Request("delete"), 1, false, "") }, "AUTH_ERROR"},
		{"plain topic", func(cl *client) { cl.Publish("c/"+me, 1, false, "[]") }, "AUTH_ERROR"},
		{"retained", func(cl *client) { cl.Publish(wire.BasicIngest("fountain_consumption", me), 1, true, "[]") }, "FORBIDDEN_ACCESS"},
		{"QoS 2", func(cl *client) { cl.Publish(wire.BasicIngest("fountain_consumption", me), 2, false, "[]") }, "CLIENT_ERROR"},
		{"payload too large", func(cl *client) {
			cl.Publish(wire.BasicIngest("fountain_consumption", me), 1, false, make([]byte, wire.MaxPayload+1))
		}, "CLIENT_ERROR"},
		{"too many slashes", func(cl *client) { cl.Publish("a/b/c/d/e/f/g/h/i", 1, false, "") }, "CLIENT_ERROR"},
		{"nine filters", func(cl *client) {
			m := map[string]byte{}
			for i := range 9 {
				m[ledger.Request(fmt.Sprint("x", i))] = 1
			}
			cl.SubscribeMultiple(m, nil)
		}, "CLIENT_ERROR"},
		{"subscribe to Basic Ingest", func(cl *client) { cl.Subscribe(wire.BasicIngest("fountain_consumption", me), 1, nil) }, "FORBIDDEN_ACCESS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cl := c.dial(me, cert)
			tc.do(cl)
			cl.hangsUp()
			if d := c.denials(); !strings.Contains(d[strings.LastIndex(d, "\n")+1:], me+" "+tc.why) {
				t.Fatalf("denials end with %q, want %s", d[strings.LastIndex(d, "\n")+1:], tc.why)
			}
		})
	}
	if len(c.queue) != 0 {
		t.Fatalf("%d messages came through", len(c.queue))
	}
}

func TestConnectRefused(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0012")
	other, _ := c.provision("F0013")
	for name, try := range map[string]struct {
		id   string
		cert tls.Certificate
		opt  func(*paho.ClientOptions)
	}{
		"as another thing":            {other, cert, nil},
		"under a free name":           {"anything", cert, nil},
		"claim as a thing":            {me, c.claim(), nil},
		"with a will that may not be": {me, cert, func(o *paho.ClientOptions) { o.SetWill("alarm", "x", 1, false) }},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := c.tryDial(try.id, try.cert, func(o *paho.ClientOptions) {
				if try.opt != nil {
					try.opt(o)
				}
			})
			if err == nil {
				cl.hangsUp()
				t.Fatal("connected")
			}
		})
	}
}

// TestTakeover: the newer connection wins, and the unit is shown as it is.
func TestTakeover(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0014")
	first := c.dial(me, cert)
	second := c.dial(me, cert)
	first.hangsUp()
	for i, want := range []awsiot.Presence{{Thing: me, Online: true}, {Thing: me, Reason: "DUPLICATE_CLIENTID"}, {Thing: me, Online: true}} {
		got := <-c.seen
		got.At = time.Time{}
		if got != want {
			t.Fatalf("presence %d: %+v, want %+v", i, got, want)
		}
	}
	ledger := wire.Shadow(me, "ledger")
	second.sub(ledger.Delta())
	if _, err := c.broker.UpdateShadow(t.Context(), me, "ledger", []byte(`{"desired":{"a":1}}`)); err != nil {
		t.Fatal(err)
	}
	second.expect(ledger.Delta())
}

func TestSubscriptionQuota(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0015")
	cl := c.dial(me, cert)
	for i := range wire.MaxSubscriptions {
		cl.sub(wire.Shadow(me, "ledger").Request(fmt.Sprint("x", i)))
	}
	tok := cl.Subscribe(wire.Shadow(me, "ledger").Request("more"), 1, nil).(*paho.SubscribeToken)
	if !tok.WaitTimeout(patience) || tok.Result()[wire.Shadow(me, "ledger").Request("more")] != 0x80 {
		t.Fatalf("subscription %d: %v", wire.MaxSubscriptions+1, tok.Result())
	}
}

// TestRate: what is above 100 messages a second is dropped and not acknowledged.
func TestRate(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0016")
	cl := c.dial(me, cert)
	var toks []paho.Token
	began := time.Now()
	for range 400 {
		toks = append(toks, cl.Publish(wire.BasicIngest("fountain_consumption", me), 1, false, "[]"))
	}
	acked := 0
	for end := time.Now().Add(patience); time.Now().Before(end) && acked < 100; time.Sleep(10 * time.Millisecond) {
		acked = 0
		for _, tok := range toks {
			select {
			case <-tok.Done():
				acked++
			default:
			}
		}
	}
	took := time.Since(began) // a slow host earns more of them; the exact rate is asserted in virtual time
	if most := 101 + int(100*took.Seconds()); acked < 100 || acked > most || len(c.queue) > most {
		t.Fatalf("%d acknowledged, %d delivered of 400 in %v", acked, len(c.queue), took)
	}
}

// TestDropAccepted: PUBACK never means stored.
func TestDropAccepted(t *testing.T) {
	c := newCloud(t, func(cfg *awsiot.Config) { cfg.DropAccepted = func(string, string) bool { return true } })
	me, cert := c.provision("F0017")
	c.dial(me, cert).pub(wire.BasicIngest("fountain_consumption", me), []byte("[]"))
	if len(c.queue) != 0 {
		t.Fatal("the message was delivered")
	}
}

func TestNoAckWithoutDelivery(t *testing.T) {
	c := newCloud(t, func(cfg *awsiot.Config) {
		cfg.Deliver = func(context.Context, awsiot.QueueMessage) error { return context.Canceled }
	})
	me, cert := c.provision("F0018")
	cl := c.dial(me, cert)
	tok := cl.Publish(wire.BasicIngest("fountain_consumption", me), 1, false, "[]")
	cl.hangsUp()
	if tok.WaitTimeout(patience) && tok.Error() == nil {
		t.Fatal("acknowledged although nobody took it")
	}
}

func TestClaimRules(t *testing.T) {
	c := newCloud(t)
	serial := "F0020"
	register := func(cl *client, token string) error {
		cl.pub(wire.TopicProvision(template), wire.RegisterThing{Token: token, Parameters: map[string]string{"SerialNumber": serial}})
		m := cl.next()
		if m.Topic() == wire.Accepted(wire.TopicProvision(template)) {
			return nil
		}
		e, err := wire.DecodeProvisionError(m.Payload())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	claim := c.claimant("a")
	key := awsiottest.Key(t)
	first, token := claim.certificate(key)
	if _, err := c.tryDial("fountain-"+serial, first); err == nil {
		t.Fatal("connected with a pending certificate")
	}
	if err := register(claim, token); err != nil {
		t.Fatal(err)
	}
	if e := claim.refused(token, serial); e.Code != wire.ProvisionInvalidToken {
		t.Fatalf("a token served twice: %v", e)
	}

	// The unit stopped before its first connection and lost what it had: it may claim again, the old identity dies.
	second, token := claim.certificate(awsiottest.Key(t))
	if err := register(claim, token); err != nil {
		t.Fatalf("claim again before the first connection: %v", err)
	}
	if _, err := c.tryDial("fountain-"+serial, first); err == nil {
		t.Fatal("connected with the identity that was replaced")
	}
	c.dial("fountain-"+serial, second).Disconnect(0)
	if p := <-c.seen; !p.Online { // recorded right after CONNACK
		t.Fatalf("presence %+v", p)
	}

	// Now it is taken.
	_, token = claim.certificate(awsiottest.Key(t))
	if e := claim.refused(token, serial); e.Code != wire.ProvisionAccessDenied || e.Status != 403 {
		t.Fatalf("claimed twice: %v", e)
	}
	// The same key is the same unit.
	third, token := claim.certificate(second.PrivateKey.(*ecdsa.PrivateKey))
	if err := register(claim, token); err != nil {
		t.Fatalf("claim again with the same key: %v", err)
	}
	c.dial("fountain-"+serial, third).Disconnect(0)
	// Released: anybody may.
	if err := c.db.Release(t.Context(), serial); err != nil {
		t.Fatal(err)
	}
	_, token = claim.certificate(awsiottest.Key(t))
	if err := register(claim, token); err != nil {
		t.Fatalf("claim after release: %v", err)
	}
}

func TestProvisioningRefusals(t *testing.T) {
	c := newCloud(t)
	cl := c.claimant("b")
	cl.pub(wire.TopicCreateFromCSR, map[string]string{"certificateSigningRequest": "no pem"})
	if e, err := wire.DecodeProvisionError(cl.expect(wire.Rejected(wire.TopicCreateFromCSR))); err != nil || e.Code != wire.ProvisionInvalidCSR {
		t.Fatalf("%v %v", e, err)
	}
	if e := cl.refused("", "F1"); e.Code != wire.ProvisionInvalidToken || e.Status != 400 {
		t.Fatal(e)
	}
	if e := cl.refused("made up", "F1"); e.Code != wire.ProvisionInvalidToken {
		t.Fatal(e)
	}
	_, token := cl.certificate(awsiottest.Key(t))
	if e := cl.refused(token, "bad serial!"); e.Code != wire.ProvisionBadRequest {
		t.Fatal(e)
	}
	cl.pub(wire.TopicProvision(template), wire.RegisterThing{Token: token, Parameters: map[string]string{"Other": "x"}})
	if e, err := wire.DecodeProvisionError(cl.expect(wire.Rejected(wire.TopicProvision(template)))); err != nil || e.Code != wire.ProvisionBadRequest {
		t.Fatalf("%v %v", e, err)
	}
	// An hour later the certificate is dead.
	cert, token := cl.certificate(awsiottest.Key(t))
	expire(t, c.db, cert)
	if e := cl.refused(token, "F2"); e.Code != wire.ProvisionInvalidToken {
		t.Fatal(e)
	}
}

// TestAnswersArePrivate: two claimants are subscribed to the same topics; each sees its own certificate only.
func TestAnswersArePrivate(t *testing.T) {
	c := newCloud(t)
	a, b := c.claimant("one"), c.claimant("two")
	a.certificate(awsiottest.Key(t))
	b.certificate(awsiottest.Key(t))
	if len(a.in)+len(b.in) != 0 {
		t.Fatal("an answer went to the other claimant")
	}
}

// TestAuthorityFiles: the key is private, and a second start uses the same authority.
func TestAuthorityFiles(t *testing.T) {
	dir := t.TempDir()
	a, err := authority.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := authority.Open(dir)
	if err != nil || string(a.PEM()) != string(again.PEM()) {
		t.Fatalf("second start: %v", err)
	}
	key := filepath.Join(dir, authority.FileCAKey)
	if st, err := os.Stat(key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key: %v %v", st.Mode(), err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Open(dir); err == nil || !strings.Contains(err.Error(), authority.FileCAKey) {
		t.Fatalf("without its key: %v", err)
	}
}

func expire(t *testing.T, db *store.SQLite, cert tls.Certificate) {
	t.Helper()
	c, err := db.Certificate(t.Context(), fmt.Sprintf("%x", sha256.Sum256(cert.Certificate[0])))
	if err != nil {
		t.Fatal(err)
	}
	c.TokenExpires = time.Now().Add(-time.Second).UnixMilli()
	if err := db.PutCertificate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// TestTypoInTopic: a policy that loads but names the wrong topic is found by the first message.
func TestTypoInTopic(t *testing.T) {
	text := bytes.Replace(deploy.DeviceTemplate, []byte("fountain_consumption/c/$"), []byte("fountain_consumtion/c/$"), 1)
	stack, err := stack.Load(text, "device.yaml", awsiottest.Location())
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, func(cfg *awsiot.Config) { cfg.Stack = stack })
	me, cert := c.provision("F0040")
	cl := c.dial(me, cert)
	cl.Publish(wire.BasicIngest("fountain_consumption", me), 1, false, "[]")
	cl.hangsUp()
	if len(c.queue) != 0 || !strings.Contains(c.denials(), "AUTH_ERROR") {
		t.Fatalf("%d delivered, %s", len(c.queue), c.denials())
	}
}

// TestPacketIDs: a delivery the unit has not acknowledged yet does not get in the way of its own packet ids.
func TestPacketIDs(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0041")
	cl := c.dial(me, cert, func(o *paho.ClientOptions) { o.SetAutoAckDisabled(true) })
	p := wire.Shadow(me, "ledger")
	cl.sub(p.Accepted("update"))
	var held []paho.Message
	for range 20 { // ids 1 to 20 of the broker stay in flight
		if _, err := c.broker.UpdateShadow(t.Context(), me, "ledger", []byte(`{"desired":{"a":1}}`)); err != nil {
			t.Fatal(err)
		}
		held = append(held, cl.next())
	}
	for i := range 15 { // the client's own ids run through the same numbers
		cl.sub(p.Request(fmt.Sprint("x", i)))
		cl.pub(wire.BasicIngest("fountain_consumption", me), []byte("[]"))
	}
	for _, m := range held {
		m.Ack()
	}
	cl.sub(p.Delta())
}

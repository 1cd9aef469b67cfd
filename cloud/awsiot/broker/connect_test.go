package broker_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
)

// TestConnackProperties: what an MQTT 5 client learns about the account's limits.
func TestConnackProperties(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	_, ack := c.dial("x", cert, 5, func(pk *packets.Packet) {
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 100_000, true
		pk.Connect.Keepalive = 5
	})
	p := ack.Properties
	if p.MaximumQos != 1 || !p.MaximumQosFlag || p.ReceiveMaximum != 100 || p.TopicAliasMaximum != 8 || p.MaximumPacketSize < 131_072 ||
		p.RetainAvailable != 1 || p.WildcardSubAvailable != 1 || p.SharedSubAvailable != 1 || p.SubIDAvailable != 0 || !p.SubIDAvailableFlag ||
		p.ServerKeepAlive != 30 || p.SessionExpiryInterval != 3600 || ack.SessionPresent || p.AssignedClientID != "" {
		t.Fatalf("%+v", p)
	}
}

func TestConnectRefused(t *testing.T) {
	c := newCloud(t)
	open, _ := c.certificate(allowAll)
	narrow, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"` + arn + `client/me"},
		{"Effect":"Allow","Action":"iot:Publish","Resource":"` + arn + `topic/t"},
		{"Effect":"Deny","Action":"iot:Connect","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":["PersistentConnect"]}}}]}`)
	none, _ := c.certificate("")
	for _, tc := range []struct {
		name   string
		id     string
		cert   tls.Certificate
		change func(*packets.Packet)
		code   byte // MQTT 5
		reason string
	}{
		{"another client id", "you", narrow, nil, 0x87, "AUTH_ERROR"},
		{"no policy", "me", none, nil, 0x87, "AUTH_ERROR"},
		{"a persistent session the policy denies", "me", narrow, persistent, 0x87, "AUTH_ERROR"},
		{"a will that may not be", "me", narrow, will("other", 0, false), 0x87, "AUTH_ERROR"},
		{"a retained will without RetainPublish", "me", narrow, will("t", 0, true), 0x87, "AUTH_ERROR"},
		{"a will of QoS 2", "me", open, will("t", 2, false), 0x9b, "CLIENT_ERROR"},
		{"a will with eight slashes", "me", open, will("a/b/c/d/e/f/g/h/i", 0, false), 0x90, "CLIENT_ERROR"},
		{"a will on a reserved topic", "me", open, will("$aws/things/me/jobs/get", 0, false), 0x90, "FORBIDDEN_ACCESS"},
		{"a client id of 129 bytes", strings.Repeat("x", 129), open, nil, 0x85, "CLIENT_ERROR"},
		{"a reserved client id", "$me", open, nil, 0x85, "CLIENT_ERROR"},
	} {
		for _, v := range []byte{4, 5} {
			change := tc.change
			if change == nil {
				change = func(*packets.Packet) {}
			}
			cl, ack := c.try(tc.id, tc.cert, v, change)
			switch {
			case v == 4 && ack != nil:
				t.Errorf("%s: MQTT 3.1.1 got %+v, want a hang-up", tc.name, ack)
			case v == 5 && (ack == nil || ack.ReasonCode != tc.code || ack.Properties.ReasonString == ""):
				t.Errorf("%s: MQTT 5 got %+v, want 0x%02x with a reason", tc.name, ack, tc.code)
			case v == 5:
				cl.ends()
			}
			d := c.denials()
			if last := d[strings.LastIndex(d, "\n")+1:]; !strings.Contains(last, tc.reason) {
				t.Errorf("%s: told %q, want %s", tc.name, last, tc.reason)
			}
		}
	}
}

func TestConnectAccepted(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	for name, change := range map[string]func(*packets.Packet){
		"any user name": func(pk *packets.Packet) {
			pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte("?SDK=NodeJSv2&Version=1.28.0")
		},
		"a will":            will("t", 1, true),
		"a will of nothing": func(pk *packets.Packet) { will("t", 1, false)(pk); pk.Connect.WillPayload = nil },
		"the longest id":    func(pk *packets.Packet) { pk.Connect.ClientIdentifier = strings.Repeat("x", 128) },
	} {
		for _, v := range []byte{4, 5} {
			if cl, ack := c.try("x", cert, v, change); ack == nil || ack.ReasonCode != 0 {
				t.Errorf("%s: %+v", name, ack)
			} else {
				cl.leave()
			}
		}
	}
}

// TestEmptyClientID: AWS makes one up, except for an MQTT 3.1.1 client that wants a session; the policy must allow it.
func TestEmptyClientID(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	_, ack := c.dial("", cert, 5)
	if !strings.HasPrefix(ack.Properties.AssignedClientID, "$GEN/") {
		t.Fatalf("assigned %q", ack.Properties.AssignedClientID)
	}
	if _, ack := c.dial("", cert, 5, persistent); !strings.HasPrefix(ack.Properties.AssignedClientID, "$GEN/") {
		t.Fatalf("assigned %q for a session", ack.Properties.AssignedClientID)
	}
	if _, ack := c.try("", cert, 4, persistent); ack != nil {
		t.Fatalf("got %+v, want a hang-up", ack)
	}
	a, _ := c.dial("", cert, 4)
	b, _ := c.dial("", cert, 4)
	a.ping()
	b.ping()
}

// TestProtocolVersions: MQTT 3.1 and what is newer than 5 are told that they are not spoken here.
func TestProtocolVersions(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	for _, first := range []string{"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01x", "\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01x"} {
		cl, err := c.open(cert, 4)
		if err != nil {
			t.Fatal(err)
		}
		cl.raw([]byte(first))
		if ack := cl.next(packets.Connack); ack.ReasonCode != 1 {
			t.Errorf("code %d", ack.ReasonCode)
		}
		cl.ends()
	}
}

// TestProtocolMisuse ends a connection with CLIENT_ERROR.
func TestProtocolMisuse(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	for name, tc := range map[string]struct {
		bytes string
		code  byte
	}{
		"a second CONNECT":             {"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x", 0x82},
		"PUBREC":                       {"\x50\x02\x00\x01", 0x82},
		"PUBREL":                       {"\x62\x02\x00\x01", 0x82},
		"PUBCOMP":                      {"\x70\x02\x00\x01", 0x82},
		"AUTH":                         {"\xf0\x00", 0x82},
		"a packet type that is none":   {"\x00\x00", 0x82},
		"reserved bits":                {"\xc1\x00", 0x81},
		"PINGREQ with a body":          {"\xc0\x01x", 0x81},
		"SUBSCRIBE without filters":    {"\x82\x02\x00\x01", 0x81},
		"SUBSCRIBE cut off":            {"\x82\x06\x00\x01\x00\x00\x01x", 0x81},
		"a length without end":         {"\x30\xff\xff\xff\xff\x01", 0x81},
		"a packet beyond the maximum":  {"\x30\x90\x90\x0a", 0x95},
		"a text that is no UTF-8":      {"\x30\x03\x00\x01\xff", 0x81},
		"UNSUBSCRIBE without a filter": {"\xa2\x02\x00\x01", 0x81},
	} {
		for _, v := range []byte{4, 5} {
			cl, _ := c.dial("x", cert, v)
			cl.raw([]byte(tc.bytes))
			if code := cl.ends(); v == 5 && code != tc.code && code != 0x82 {
				t.Errorf("%s: 0x%02x, want 0x%02x", name, code, tc.code)
			}
			d := c.denials()
			if last := d[strings.LastIndex(d, "\n")+1:]; !strings.Contains(last, "CLIENT_ERROR") {
				t.Errorf("%s: told %q", name, last)
			}
		}
	}
}

// TestFirstPacket must be CONNECT.
func TestFirstPacket(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	cl, err := c.open(cert, 4)
	if err != nil {
		t.Fatal(err)
	}
	cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	cl.ends()
}

// TestPacketBeforeConnack: AWS wants a client to wait for CONNACK.
func TestPacketBeforeConnack(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	cl, err := c.open(cert, 4)
	if err != nil {
		t.Fatal(err)
	}
	cl.raw(append(cl.bytes(connectPacket("x")), cl.bytes(publishPacket("t", "x"))...))
	cl.next(packets.Connack)
	cl.ends()
	if !strings.Contains(c.denials(), "CLIENT_ERROR") {
		t.Error(c.denials())
	}
}

// TestConnectRate: one CONNECT a second for one client id, after a burst.
func TestConnectRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t, func(cfg *broker.Config) { cfg.ConnectBurst = 0 })
		cert, _ := c.certificate(allowAll)
		for range broker.DefaultConnectBurst {
			cl, _ := c.dial("x", cert, 4)
			cl.leave()
		}
		if _, ack := c.try("x", cert, 4); ack != nil {
			t.Fatalf("got %+v, want a hang-up", ack)
		}
		if _, ack := c.try("x", cert, 5); ack == nil || ack.ReasonCode != 0x97 {
			t.Fatalf("got %+v, want 0x97", ack)
		}
		if !strings.Contains(c.denials(), "THROTTLED") {
			t.Error(c.denials())
		}
		c.dial("y", cert, 4) // another client does not suffer
		time.Sleep(1100 * time.Millisecond)
		c.dial("x", cert, 4)
	})
}

// TestKeepAlive: 30 to 1200 s, silence of one and a half times that ends the connection; whatever the client sends counts.
func TestKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		asked uint16
		want  time.Duration
	}{{0, 1200 * time.Second}, {1, 30 * time.Second}, {30, 30 * time.Second}, {60, 60 * time.Second}, {5000, 1200 * time.Second}} {
		for _, v := range []byte{4, 5} {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				cert, _ := c.certificate(allowAll)
				cl, ack := c.dial("x", cert, v, func(pk *packets.Packet) { pk.Connect.Keepalive = tc.asked })
				if v == 5 && time.Duration(ack.Properties.ServerKeepAlive)*time.Second != tc.want {
					t.Errorf("server keep-alive %d for %d", ack.Properties.ServerKeepAlive, tc.asked)
				}
				time.Sleep(tc.want*3/2 - time.Second)
				cl.ping()
				start := time.Now()
				var code byte
				for pk := range cl.in {
					code = pk.ReasonCode
				}
				if got := time.Since(start); got < tc.want*3/2 || got > tc.want*3/2+2*time.Second {
					t.Errorf("asked %d: closed after %v", tc.asked, got)
				}
				if v == 5 && code != 0x8d || v == 4 && code != 0 {
					t.Errorf("code 0x%02x", code)
				}
				if !strings.Contains(c.denials(), "MQTT_KEEP_ALIVE_TIMEOUT") {
					t.Error(c.denials())
				}
			})
		}
	}
}

// TestSilentConnections: whoever does not finish the handshake or sends no CONNECT is let go.
func TestSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cert, _ := c.certificate(allowAll)
		cl, err := c.open(cert, 4)
		if err != nil {
			t.Fatal(err)
		}
		for range cl.in {
			t.Error("a packet came")
		}
	})
}

package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/policy"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T, c *cloud)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newCloud(t)) })
}

// TestCleanSession ends with its connection.
func TestCleanSession(t *testing.T) {
	for _, v := range []byte{4, 5} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, v)
			cl.sub("t")
			cl.leave()
			c.b.Publish("t", []byte("missed"))
			cl, ack := c.dial("x", cert, v, persistent)
			if ack.SessionPresent {
				t.Error("session present")
			}
			c.b.Publish("t", []byte("not subscribed"))
			cl.hearsNothing()
		})
	}
}

// TestPersistentSession keeps subscriptions and QoS 1 messages for an hour, and no longer.
func TestPersistentSession(t *testing.T) {
	for _, v := range []byte{4, 5} {
		for _, away := range []time.Duration{time.Second, 59 * time.Minute, 61 * time.Minute} {
			bubble(t, func(t *testing.T, c *cloud) {
				cert, _ := c.certificate(allowAll)
				other, _ := c.dial("other", cert, 4, func(pk *packets.Packet) { pk.Connect.Keepalive = 1200 })
				cl, ack := c.dial("x", cert, v, persistent)
				if ack.SessionPresent {
					t.Fatal("present before there was one")
				}
				cl.sub("t")
				if codes := cl.subscribeAll(packets.Subscription{Filter: "zero"}); codes[0] != 0 {
					t.Fatalf("codes %v", codes)
				}
				cl.leave()
				other.publish("t", "QoS 0")
				other.publish("t", "one", qos(1))
				other.publish("zero", "subscribed with QoS 0", qos(1))
				other.publish("t", "two", qos(1))
				for left := away; left > 0; left -= 20 * time.Minute {
					time.Sleep(min(left, 20*time.Minute))
					other.ping()
				}
				cl, ack = c.dial("x", cert, v, persistent)
				kept := away < time.Hour
				if ack.SessionPresent != kept {
					t.Errorf("away %v: session present %v", away, ack.SessionPresent)
				}
				if kept {
					cl.wants("t one")
					cl.wants("t two")
					other.publish("t", "three", qos(1))
					cl.wants("t three")
				} else {
					other.publish("t", "three", qos(1))
				}
				cl.hearsNothing()
			})
		}
	}
}

// TestSessionExpiry of MQTT 5: at most an hour, told in CONNACK, may be changed by DISCONNECT.
func TestSessionExpiry(t *testing.T) {
	expiry := func(s uint32) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			pk.Connect.Clean = false
			pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = s, true
		}
	}
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		for asked, want := range map[uint32]uint32{0: 0, 60: 60, 3600: 3600, 7200: 3600, 0xffffffff: 3600} {
			id := fmt.Sprint("x", asked)
			cl, ack := c.dial(id, cert, 5, expiry(asked))
			if got := ack.Properties.SessionExpiryInterval; got != want {
				t.Errorf("asked %d, told %d, want %d", asked, got, want)
			}
			cl.leave()
			if want > 0 {
				time.Sleep(time.Duration(want)*time.Second - 2*time.Second)
				cl, ack = c.dial(id, cert, 5, expiry(asked))
				if !ack.SessionPresent {
					t.Errorf("asked %d: ended too early", asked)
				}
				cl.leave()
			}
			time.Sleep(time.Duration(want)*time.Second + time.Second)
			if _, ack = c.dial(id, cert, 5, expiry(asked)); ack.SessionPresent {
				t.Errorf("asked %d: ended too late", asked)
			}
		}
		bye := func(s uint32) packets.Packet {
			pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}}
			pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = s, true
			return pk
		}
		cl, _ := c.dial("y", cert, 5, expiry(60))
		cl.send(bye(0))
		cl.ends()
		cl, ack := c.dial("y", cert, 5, expiry(0))
		if ack.SessionPresent {
			t.Error("DISCONNECT ended the session, yet it is there")
		}
		cl.send(bye(60))
		if code := cl.ends(); code != 0x82 {
			t.Errorf("a session that was to end was prolonged: 0x%02x", code)
		}
	})
}

// TestSessionOfAnotherVersion is not resumed.
func TestSessionOfAnotherVersion(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		for _, v := range [][2]byte{{4, 5}, {5, 4}} {
			id := fmt.Sprint("x", v)
			cl, _ := c.dial(id, cert, v[0], persistent)
			cl.sub("t")
			cl.leave()
			cl, ack := c.dial(id, cert, v[1], persistent)
			if ack.SessionPresent {
				t.Errorf("%v: session present", v)
			}
			c.b.Publish("t", []byte("x"))
			cl.hearsNothing()
		}
	})
}

// TestReplayPace: stored messages come back at no more than ten a second, beside what is new.
func TestReplayPace(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.sub("t")
		cl.leave()
		for i := range 50 {
			c.b.Publish("t", fmt.Append(nil, i))
		}
		start := time.Now()
		cl, _ = c.dial("x", cert, 4, persistent)
		for i := range 50 {
			cl.wants(fmt.Sprint("t ", i))
			if got, least := time.Since(start), time.Duration(i)*100*time.Millisecond; got < least || got > least+time.Second {
				t.Fatalf("message %d after %v", i, got)
			}
			if i == 5 {
				c.b.Publish("t", []byte("new"))
				cl.wants("t new")
			}
		}
		cl.hearsNothing()
	})
}

// TestStoredBound: what is stored for a client that is away has an end.
func TestStoredBound(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.sub("t")
		cl.leave()
		for i := range 1100 {
			c.b.Publish("t", fmt.Append(nil, i))
		}
		cl, _ = c.dial("x", cert, 4, persistent)
		for i := range 1000 {
			cl.wants(fmt.Sprint("t ", i))
		}
		cl.hearsNothing()
	})
}

// TestUnacknowledged deliveries come again: on the same connection after a while, on the next one at once; DUP is not set.
func TestUnacknowledged(t *testing.T) {
	for _, v := range []byte{4, 5} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, v, persistent)
			cl.mute = true
			cl.sub("t")
			c.b.Publish("t", []byte("one"))
			first := cl.next(packets.Publish)
			time.Sleep(25 * time.Second)
			again := cl.next(packets.Publish)
			if again.PacketID != first.PacketID || again.FixedHeader.Dup || string(again.Payload) != "one" {
				t.Errorf("again: %+v", again)
			}
			_ = cl.conn.Close()
			time.Sleep(time.Second)
			cl, ack := c.dial("x", cert, v, persistent)
			if !ack.SessionPresent {
				t.Fatal("no session")
			}
			cl.wants("t one") // acknowledged this time
			time.Sleep(30 * time.Second)
			cl.hearsNothing()
		})
	}
}

// TestWindow: at most 100 deliveries are unacknowledged, or fewer when an MQTT 5 client says so; the others wait.
func TestWindow(t *testing.T) {
	for _, tc := range []struct {
		version byte
		asked   uint16
		want    int
	}{{4, 0, 100}, {5, 0, 100}, {5, 7, 7}, {5, 500, 100}} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, tc.version, func(pk *packets.Packet) { pk.Properties.ReceiveMaximum = tc.asked })
			cl.mute = true
			cl.sub("t")
			for i := range 120 {
				c.b.Publish("t", fmt.Append(nil, i))
			}
			var ids []uint16
			for range tc.want {
				ids = append(ids, cl.next(packets.Publish).PacketID)
			}
			time.Sleep(3 * time.Second) // the rate would allow more
			cl.hearsNothing()
			cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: ids[0]})
			if got := cl.next(packets.Publish); string(got.Payload) != fmt.Sprint(tc.want) {
				t.Errorf("next is %s, want %d", got.Payload, tc.want)
			}
			cl.hearsNothing()
		})
	}
}

// TestTakeover: the newcomer wins, the old connection ends first, its session goes on.
func TestTakeover(t *testing.T) {
	for _, v := range []byte{4, 5} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll, "x")
			old, _ := c.dial("x", cert, v, persistent, will("wills", 0, false))
			old.sub("t")
			watch, _ := c.dial("watch", cert, 4)
			watch.sub("wills")
			cl, ack := c.dial("x", cert, v, persistent)
			if !ack.SessionPresent {
				t.Error("the session is lost")
			}
			if code := old.ends(); v == 5 && code != 0x8e {
				t.Errorf("0x%02x, want 0x8e", code)
			}
			watch.wants("wills gone")
			c.b.Publish("t", []byte("one"))
			cl.wants("t one")
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			var got []string
			for _, p := range c.presences {
				got = append(got, fmt.Sprint(p.Online, p.Reason))
			}
			if strings.Join(got, " ") != "true falseDUPLICATE_CLIENTID true" {
				t.Errorf("presence %v", got)
			}
		})
	}
}

// TestTakeoverStorm: many at once; exactly one remains, and nothing hangs.
func TestTakeoverStorm(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	const n = 20
	ends := make(chan bool, n)
	for range n {
		go func() {
			cl, err := c.open(cert, 4)
			if err != nil {
				t.Error(err)
				return
			}
			cl.send(connectPacket("x"))
			for range cl.in {
			}
			ends <- true
		}()
	}
	for range n - 1 {
		select {
		case <-ends:
		case <-time.After(patience):
			t.Fatal("too many remain")
		}
	}
	select {
	case <-ends:
		t.Fatal("nobody remains")
	case <-time.After(silence):
	}
	if _, ok := c.b.Connection("x"); !ok {
		t.Error("not connected")
	}
}

// TestDisconnectAPI ends a connection, and with cleanSession the session.
func TestDisconnectAPI(t *testing.T) {
	for _, v := range []byte{4, 5} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, id := c.certificate(allowAll)
			watch, _ := c.dial("watch", cert, 4)
			watch.sub("wills", "$aws/events/presence/disconnected/x")
			if c.b.Disconnect("x", true, false) {
				t.Error("there was something to disconnect")
			}
			cl, _ := c.dial("x", cert, v, persistent, will("wills", 0, false))
			if got, ok := c.b.Connection("x"); !ok || got.CertificateID != id || got.Clean || got.KeepAlive != time.Minute {
				t.Errorf("%+v %v", got, ok)
			}
			if !c.b.Disconnect("x", false, false) {
				t.Error("there was nothing to disconnect")
			}
			if code := cl.ends(); v == 5 && code != 0x98 {
				t.Errorf("0x%02x, want 0x98", code)
			}
			watch.wants("wills gone")
			if got := watch.message(); !strings.Contains(got, `"disconnectReason":"API_INITIATED_DISCONNECT"`) || !strings.Contains(got, `"clientInitiatedDisconnect":false`) {
				t.Error(got)
			}
			cl, ack := c.dial("x", cert, v, persistent, will("wills", 0, false))
			if !ack.SessionPresent {
				t.Error("the session is lost")
			}
			c.b.Disconnect("x", true, true)
			cl.ends()
			if got := watch.message(); !strings.HasPrefix(got, "$aws/events/presence/disconnected/x") {
				t.Errorf("%q came although the will was prevented", got)
			}
			if _, ack = c.dial("x", cert, v, persistent); ack.SessionPresent {
				t.Error("the session is still there")
			}
		})
	}
}

// TestConnackFirst: a message for a session that is taken up again does not overtake CONNACK.
func TestConnackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *cloud
		asked := 0
		c = newCloud(t, func(cfg *broker.Config) {
			policies := cfg.Policies
			cfg.Policies = func(ctx context.Context, id string) ([]*policy.Policy, error) {
				switch asked++; asked {
				case 3: // of the second CONNECT; 4 is of the session that is still away
					if err := c.b.Refresh(ctx); err != nil {
						t.Error(err)
					}
				case 5: // identities are read again: the session has its connection by now
					c.b.Publish("t", []byte("early"))
				}
				return policies(ctx, id)
			}
		})
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.sub("t")
		cl.leave()
		asked = 2
		cl, _ = c.dial("x", cert, 4, persistent)
		cl.wants("t early")
		if asked != 5 {
			t.Errorf("policies were read %d times", asked)
		}
	})
}

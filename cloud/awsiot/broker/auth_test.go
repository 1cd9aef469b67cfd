package broker_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/store"
)

// TestReceive is asked for each delivery, also of what was stored and what is retained: a subscription does not grant it.
func TestReceive(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe","iot:Publish","iot:RetainPublish"],"Resource":"*"},
			{"Effect":"Allow","Action":"iot:Receive","Resource":"` + arn + `topic/t/*"},
			{"Effect":"Deny","Action":"iot:Receive","Resource":"` + arn + `topic/t/secret"}]}`)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.sub("#", "t/secret", "$share/g/other")
		say := func() {
			for _, topic := range []string{"other", "t/secret", "t/open"} {
				c.b.Publish(topic, []byte("x"))
			}
		}
		say()
		cl.wants("t/open x")
		cl.publish("t/secret", "x", qos(1), retain)
		cl.sub("t/secret")
		cl.hearsNothing()
		cl.leave()
		say()
		cl, _ = c.dial("x", cert, 4, persistent)
		cl.wants("t/open x")
		cl.hearsNothing()
	})
}

// TestReceiveOfStored is asked when a stored message goes out: policies may have changed meanwhile, and who comes back may
// be another certificate.
func TestReceiveOfStored(t *testing.T) {
	const denied = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"},
		{"Effect":"Deny","Action":"iot:Receive","Resource":"` + arn + `topic/t/secret"}]}`
	for _, how := range []string{"another policy", "another certificate"} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, id := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, 4, persistent)
			cl.mute = true // what is in flight counts, too
			cl.sub("#")
			c.b.Publish("t/secret", []byte("1"))
			cl.wants("t/secret 1")
			cl.leave()
			c.b.Publish("t/secret", []byte("2"))
			c.b.Publish("t/open", []byte("3"))
			if how == "another policy" {
				c.policy("of-"+id[:8], denied)
			} else {
				cert, _ = c.certificate(denied)
			}
			cl, ack := c.dial("x", cert, 4, persistent)
			if !ack.SessionPresent {
				t.Error("session not present")
			}
			cl.wants("t/open 3")
			cl.hearsNothing()
		})
	}
}

// TestAllowedWhileAway: policies that change while a client is away decide about what comes for it from then on.
func TestAllowedWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, id := c.certificate(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe"],"Resource":"*"}]}`)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.sub("t")
		cl.leave()
		c.b.Publish("t", []byte("may not be received"))
		c.policy("of-"+id[:8], allowAll)
		time.Sleep(2 * time.Second)
		c.b.Publish("t", []byte("2"))
		cl, _ = c.dial("x", cert, 4, persistent)
		cl.wants("t 2")
		cl.hearsNothing()
	})
}

// TestReceiveOfUnacknowledged: what may not be received any more is not sent again either.
func TestReceiveOfUnacknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, id := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		cl.mute = true
		cl.sub("t")
		c.b.Publish("t", []byte("1"))
		cl.wants("t 1")
		c.policy("of-"+id[:8], `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}`)
		time.Sleep(30 * time.Second) // longer than it takes until it would be sent again
		cl.hearsNothing()
	})
}

// TestPolicyChange counts on a live connection within seconds.
func TestPolicyChange(t *testing.T) {
	for _, how := range []string{"another default version", "detached"} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, id := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, 4)
			cl.sub("t")
			cl.publish("t", "1", qos(0))
			cl.wants("t 1")
			if how == "detached" {
				if err := c.db.DetachPolicy(t.Context(), "of-"+id[:8], store.CertTarget(id)); err != nil {
					t.Fatal(err)
				}
			} else {
				c.policy("of-"+id[:8], `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],"Resource":"*"}]}`)
			}
			time.Sleep(2 * time.Second)
			c.b.Publish("t", []byte("may not be received"))
			cl.hearsNothing()
			cl.send(publishPacket("t", "2"))
			if how == "detached" {
				cl.ends()
				if !strings.Contains(c.denials(), "AUTH_ERROR") {
					t.Error(c.denials())
				}
			} else {
				cl.ping()
			}
		})
	}
}

// TestCertificateChange: a certificate that is no longer active ends its connections with AUTH_ERROR within seconds.
func TestCertificateChange(t *testing.T) {
	for _, status := range []string{store.CertInactive, store.CertRevoked, "deleted"} {
		for _, v := range []byte{4, 5} {
			bubble(t, func(t *testing.T, c *cloud) {
				cert, id := c.certificate(allowAll)
				safe, _ := c.certificate(allowAll)
				watch, _ := c.dial("watch", safe, 4)
				watch.sub("wills", "$aws/events/presence/disconnected/x")
				cl, _ := c.dial("x", cert, v, will("wills", 0, false))
				var err error
				if status == "deleted" {
					err = c.db.DeleteCertificate(t.Context(), id, true)
				} else {
					err = c.db.SetCertificateStatus(t.Context(), id, status, now())
				}
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if code := cl.ends(); v == 5 && code != 0x87 {
					t.Errorf("0x%02x, want 0x87", code)
				}
				if d := time.Since(start); d > 3*time.Second {
					t.Errorf("ended after %v", d)
				}
				watch.wants("wills gone")
				if got := watch.message(); !strings.Contains(got, `"disconnectReason":"AUTH_ERROR"`) {
					t.Error(got)
				}
				watch.ping()
			})
		}
	}
}

// TestRefresh does not wait for the clock.
func TestRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, id := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		if err := errors.Join(c.db.SetCertificateStatus(t.Context(), id, store.CertInactive, now()), c.b.Refresh(t.Context(), id)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		cl.ends()
		if d := time.Since(start); d != 0 {
			t.Errorf("ended after %v", d)
		}
	})
}

// TestAttachedLater: a thing that is attached while the client is connected gives the thing's variables a value.
func TestAttachedLater(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, id := c.certificate(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
			{"Effect":"Allow","Action":"iot:Publish","Resource":"` + arn + `topic/${iot:Connection.Thing.ThingName}/${iot:Connection.Thing.Attributes[site]}"}]}`)
		cl, _ := c.dial("x", cert, 5)
		if code := cl.publish("x/bar", "", qos(1)); code != 0x87 {
			t.Errorf("0x%02x", code)
		}
		if err := errors.Join(
			c.db.CreateThing(t.Context(), store.Thing{Name: "x", Attributes: map[string]string{"site": "bar"}}),
			c.db.AttachThing(t.Context(), "x", id, false, now()), c.b.Refresh(t.Context()),
		); err != nil {
			t.Fatal(err)
		}
		if code := cl.publish("x/bar", "", qos(1)); code != 0 {
			t.Errorf("0x%02x", code)
		}
	})
}

// TestNoReasonStrings for an MQTT 5 client that wants none, or no packet as large as they would make.
func TestNoReasonStrings(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}`)
	for name, change := range map[string]func(*packets.Packet){
		"wants none": func(pk *packets.Packet) { pk.Properties.RequestProblemInfoFlag = true },
		"small":      func(pk *packets.Packet) { pk.Properties.MaximumPacketSize = 8 },
	} {
		cl, _ := c.dial(strings.Fields(name)[0], cert, 5, change)
		pk := publishPacket("t", "", qos(1))
		pk.PacketID = 1
		cl.send(pk)
		if ack := cl.next(packets.Puback); ack.ReasonCode != 0x87 || ack.Properties.ReasonString != "" {
			t.Errorf("%s: %+v", name, ack)
		}
	}
}

// TestDeactivatedInHandshake: what changes between the handshake and CONNECT counts.
func TestDeactivatedInHandshake(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, id := c.certificate(allowAll)
		cl, err := c.open(cert, 5)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // with TLS 1.3 the server is done after the client
		if err := c.db.SetCertificateStatus(t.Context(), id, store.CertInactive, now()); err != nil {
			t.Fatal(err)
		}
		cl.send(connectPacket("x"))
		if ack := cl.next(packets.Connack); ack.ReasonCode != 0x87 {
			t.Errorf("0x%02x", ack.ReasonCode)
		}
		cl.ends()
	})
}

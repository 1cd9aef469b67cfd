package broker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/store"
)

// TestRetained: kept in the store, given to an exact filter only.
func TestRetained(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	pub, _ := c.dial("pub", cert, 5)
	live, _ := c.dial("live", cert, 4)
	live.sub("a/b")
	pub.publish("a/b", "old", qos(1), retain)
	if pk := live.next(packets.Publish); pk.FixedHeader.Retain {
		t.Error("a subscriber that was there sees the retain flag")
	}
	pub.publish("a/b", "kept", qos(1), retain, func(pk *packets.Packet) {
		pk.Properties.User = []packets.UserProperty{{Key: "k", Val: "v"}}
	})
	live.wants("a/b kept")
	pub.publish("a/b", "passing", qos(1))
	live.wants("a/b passing")

	for _, again := range []bool{false, true} { // the second time after a restart of the cloud
		for _, v := range []byte{4, 5} {
			cl, _ := c.dial("new", cert, v)
			cl.sub("a/#", "a/+", "#", "$share/g/a/b")
			cl.hearsNothing()
			cl.sub("a/b")
			pk := cl.next(packets.Publish)
			if string(pk.Payload) != "kept" || !pk.FixedHeader.Retain || v == 5 && len(pk.Properties.User) != 1 {
				t.Errorf("restarted %v: %+v", again, pk)
			}
			cl.hearsNothing()
			cl.sub("a/b") // subscribed again: given again
			cl.wants("a/b kept")
		}
		if again {
			break
		}
		if err := c.b.Close(); err != nil {
			t.Fatal(err)
		}
		c.start()
	}

	five, _ := c.dial("five", cert, 5)
	for _, tc := range []struct {
		handling byte
		want     bool
	}{{1, true}, {1, false}, {2, false}, {0, true}} {
		five.subscribeAll(packets.Subscription{Filter: "a/b", RetainHandling: tc.handling})
		if tc.want {
			five.wants("a/b kept")
		} else {
			five.hearsNothing()
		}
	}
	if err := c.b.Inject(t.Context(), "", broker.Message{Topic: "c", Payload: []byte("https"), QoS: 1, Retain: true}); err != nil {
		t.Fatal(err)
	}
	list, err := c.b.RetainedAfter(t.Context(), "", 10)
	if err != nil || len(list) != 2 || list[0].Topic != "a/b" || list[1].Topic != "c" || list[1].QoS != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	pub, _ = c.dial("pub", cert, 4)
	pub.publish("a/b", "", qos(1), retain)
	if pk := five.next(packets.Publish); len(pk.Payload) != 0 || pk.FixedHeader.Retain {
		t.Errorf("the empty message was not delivered: %+v", pk)
	}
	if _, err := c.b.Retained(t.Context(), "a/b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	five.sub("a/b")
	five.hearsNothing()
}

// TestRetainedExpiry: a retained message with an expiry interval dies in time.
func TestRetainedExpiry(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 5)
		cl.publish("t", "x", qos(1), retain, func(pk *packets.Packet) { pk.Properties.MessageExpiryInterval = 50 })
		time.Sleep(40 * time.Second)
		cl.sub("t")
		if pk := cl.next(packets.Publish); pk.Properties.MessageExpiryInterval != 10 {
			t.Errorf("%d s left", pk.Properties.MessageExpiryInterval)
		}
		time.Sleep(11 * time.Second)
		cl.sub("t")
		cl.hearsNothing()
		time.Sleep(time.Minute)
		cl.ping()
		if list, err := c.db.RetainedAfter(t.Context(), "", 0, 10); err != nil || len(list) != 0 {
			t.Errorf("still stored: %+v %v", list, err)
		}
	})
}

package broker_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// TestSubscribeRefused: MQTT 3.1.1 clients are hung up on, MQTT 5 clients hear why.
func TestSubscribeRefused(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
		{"Effect":"Allow","Action":"iot:Subscribe","Resource":["` + arn + `topicfilter/ok/*","` + arn + `topicfilter/a/*","` + arn + `topicfilter/$aws/*","` + arn + `topicfilter/$other/*"]}]}`)
	nine := filters(1, "ok/1", "ok/2", "ok/3", "ok/4", "ok/5", "ok/6", "ok/7", "ok/8", "ok/9")
	for _, tc := range []struct {
		name       string
		subs       []packets.Subscription
		suback     byte // MQTT 5 stays connected
		disconnect byte
		reason     string
	}{
		{"not allowed", filters(1, "ok/1", "other"), 0x87, 0, "AUTH_ERROR"},
		{"everything", filters(1, "#"), 0x87, 0, "AUTH_ERROR"},
		{"a wildcard that the policy does not name", filters(1, "o/+"), 0x87, 0, "AUTH_ERROR"},
		{"a shared one not allowed", filters(1, "$share/g/other"), 0x87, 0, "AUTH_ERROR"},
		{"nine filters", nine, 0x97, 0, "CLIENT_ERROR"},
		{"eight slashes", filters(1, "a/b/c/d/e/f/g/h/i"), 0x8f, 0, "CLIENT_ERROR"},
		{"257 bytes", filters(1, "ok/"+strings.Repeat("x", 254)), 0x8f, 0, "CLIENT_ERROR"},
		{"a misplaced #", filters(1, "ok/#/x"), 0x8f, 0, "CLIENT_ERROR"},
		{"a misplaced +", filters(1, "ok/x+"), 0x8f, 0, "CLIENT_ERROR"},
		{"an empty filter", filters(1, ""), 0x8f, 0, "CLIENT_ERROR"},
		{"a share without a filter", filters(1, "$share/g"), 0x8f, 0, "CLIENT_ERROR"},
		{"a share without a name", filters(1, "$share//ok/x"), 0x8f, 0, "CLIENT_ERROR"},
		{"a share's name of 129 characters", filters(1, "$share/"+strings.Repeat("é", 129)+"/ok/x"), 0x8f, 0, "CLIENT_ERROR"},
		{"Basic Ingest", filters(1, "$aws/rules/r/x"), 0x8f, 0, "FORBIDDEN_ACCESS"},
		{"other reserved topics", filters(1, "$other/x"), 0x8f, 0, "FORBIDDEN_ACCESS"},
		{"QoS 2", filters(2, "ok/x"), 0, 0x9b, "CLIENT_ERROR"},
		{"no-local on a share", []packets.Subscription{{Filter: "$share/g/ok/x", NoLocal: true}}, 0, 0x82, "CLIENT_ERROR"},
	} {
		for _, v := range []byte{4, 5} {
			if v == 4 && tc.disconnect == 0x82 {
				continue // MQTT 3.1.1 knows no such option
			}
			t.Run(fmt.Sprintf("%s/MQTT %d", tc.name, v), func(t *testing.T) {
				cl, _ := c.dial("x", cert, v)
				cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 9, Filters: tc.subs})
				if v == 5 && tc.disconnect == 0 {
					ack := cl.next(packets.Suback)
					if last := ack.ReasonCodes[len(ack.ReasonCodes)-1]; last != tc.suback || ack.Properties.ReasonString == "" {
						t.Errorf("SUBACK % x, want 0x%02x", ack.ReasonCodes, tc.suback)
					}
					cl.ping()
				} else if code := cl.ends(); v == 5 && code != tc.disconnect {
					t.Errorf("0x%02x, want 0x%02x", code, tc.disconnect)
				}
				d := c.denials()
				if last := d[strings.LastIndex(d, "\n")+1:]; !strings.Contains(last, tc.reason) {
					t.Errorf("told %q, want %s", last, tc.reason)
				}
			})
		}
	}
	cl, _ := c.dial("x", cert, 5)
	cl.raw([]byte("\x82\x0b\x00\x01\x02\x0b\x05\x00\x03ok/\x01"))
	if code := cl.ends(); code != 0xa1 {
		t.Errorf("subscription identifier: 0x%02x, want 0xa1", code)
	}
}

// TestFiftySubscriptions: one more gets a failing SUBACK; what is subscribed already may be changed.
func TestFiftySubscriptions(t *testing.T) {
	for v, code := range map[byte]byte{4: 0x80, 5: 0x97} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, v)
			for i := range 48 {
				cl.sub(fmt.Sprint("t/", i))
			}
			if got := cl.subscribeAll(filters(1, "t/48", "t/49", "t/50", "t/0")...); !bytes.Equal(got, []byte{1, 1, code, 1}) {
				t.Errorf("MQTT %d: % x", v, got)
			}
			c.b.Publish("t/50", []byte("x"))
			cl.hearsNothing()
			cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 500, Filters: filters(0, "t/1", "t/2", "t/3", "t/4", "t/5", "t/6", "t/7", "t/8", "never")}) // only SUBSCRIBE has a limit
			if ack := cl.next(packets.Unsuback); v == 5 && !bytes.Equal(ack.ReasonCodes, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0x11}) {
				t.Errorf("UNSUBACK % x", ack.ReasonCodes)
			}
			cl.sub("t/50")
			c.b.Publish("t/1", []byte("x"))
			cl.hearsNothing()
			c.b.Publish("t/50", []byte("x"))
			cl.wants("t/50 x")
		})
	}
}

// TestMatching as AWS does: "x/#" is not for "x", wildcards do not reach reserved topics.
func TestMatching(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		for i, tc := range []struct {
			filter, topic string
			want          bool
		}{
			{"x/#", "x", false},
			{"x/#", "x/", true},
			{"x/#", "x/y/z", true},
			{"x/+", "x/y", true},
			{"x/+", "x/y/z", false},
			{"x/+", "x", false},
			{"+", "x", true},
			{"+/y", "x/y", true},
			{"#", "x/y", true},
			{"#", "$aws/x", false},
			{"+/x", "$aws/x", false},
			{"$aws/+", "$aws/x", true},
			{"$aws/x/#", "$aws/x/y", true},
			{"x", "x", true},
			{"x", "X", false},
			{"/x", "x", false},
			{"+/x", "/x", true},
			{"$share/g/x/#", "x", false},
			{"$share/g/x/#", "x/y", true},
			{"$share/g/#", "$aws/x", false},
		} {
			cl, _ := c.dial(fmt.Sprint("x", i), cert, 4)
			cl.sub(tc.filter)
			c.b.Publish(tc.topic, []byte("p"))
			if tc.want {
				cl.wants(tc.topic + " p")
			} else {
				cl.hearsNothing()
			}
			cl.leave()
		}
	})
}

// TestQoS of a delivery is the lower of publisher and subscription; of overlapping filters the highest counts, once.
func TestQoS(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		pub, _ := c.dial("pub", cert, 4)
		for _, tc := range []struct {
			subs      []packets.Subscription
			published byte
			want      byte
		}{
			{filters(0, "a"), 1, 0},
			{filters(1, "b"), 0, 0},
			{filters(1, "c"), 1, 1},
			{append(filters(0, "d"), filters(1, "+")...), 1, 1},
		} {
			if got := cl.subscribeAll(tc.subs...); got[0] != tc.subs[0].Qos {
				t.Errorf("granted % x", got)
			}
			pub.publish(tc.subs[0].Filter, "x", qos(tc.published))
			if pk := cl.next(packets.Publish); pk.FixedHeader.Qos != tc.want {
				t.Errorf("%s: QoS %d, want %d", pk.TopicName, pk.FixedHeader.Qos, tc.want)
			}
			cl.hearsNothing()
		}
	})
}

// TestShared: each message goes to one member of a group, in turn, also with MQTT 3.1.1; to one that is here first.
func TestShared(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		members := map[string]*client{}
		for i, id := range []string{"a", "b", "c"} {
			members[id], _ = c.dial(id, cert, byte(4+i%2), persistent)
			members[id].sub("$share/g/t/+")
		}
		alone, _ := c.dial("alone", cert, 4)
		alone.sub("$share/other/t/x", "t/x")
		count := func(cl *client) (n int) {
			synctest.Wait()
			for len(cl.in) > 0 {
				cl.next(packets.Publish)
				n++
			}
			return n
		}
		send := func(n int) {
			for i := range n {
				c.b.Publish("t/x", fmt.Append(nil, i))
			}
			alone.hearsSomething(2 * n) // by its group and by itself
		}
		send(30)
		for id, cl := range members {
			if n := count(cl); n != 10 {
				t.Errorf("%s got %d of 30", id, n)
			}
		}
		members["a"].leave()
		send(10)
		if b, c := count(members["b"]), count(members["c"]); b+c != 10 || b == 0 || c == 0 {
			t.Errorf("%d and %d of 10", b, c)
		}
		members["b"].leave()
		members["c"].leave()
		c.b.Publish("t/x", []byte("stored"))
		got := 0
		for _, id := range []string{"a", "b", "c"} {
			cl, _ := c.dial(id, cert, map[string]byte{"a": 4, "b": 5, "c": 4}[id], persistent)
			alone.quiet()
			got += count(cl)
		}
		if got != 1 {
			t.Errorf("the message for those away came %d times", got)
		}
	})
}

// hearsSomething takes n messages.
func (cl *client) hearsSomething(n int) {
	cl.t.Helper()
	for range n {
		cl.next(packets.Publish)
	}
}

// quiet waits a moment and forgets what came.
func (cl *client) quiet() {
	cl.t.Helper()
	for {
		select {
		case <-cl.in:
		case <-time.After(silence):
			return
		}
	}
}

// TestSubscriptionOptions of MQTT 5: no-local, retain as published.
func TestSubscriptionOptions(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 5)
		cl.subscribeAll(packets.Subscription{Filter: "t", NoLocal: true, RetainAsPublished: true})
		cl.publish("t", "mine", qos(1))
		cl.hearsNothing()
		pub, _ := c.dial("pub", cert, 5)
		pub.publish("t", "x", qos(1), retain)
		if pk := cl.next(packets.Publish); !pk.FixedHeader.Retain {
			t.Error("the retain flag is lost")
		}
	})
}

// TestLargePackets: an MQTT 5 client gets no packet beyond what it takes.
func TestLargePackets(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 5, func(pk *packets.Packet) { pk.Properties.MaximumPacketSize = 100 })
		cl.sub("t")
		c.b.Publish("t", make([]byte, 100))
		c.b.Publish("t", []byte("x"))
		cl.wants("t x")
	})
}

// TestLargestPackets: the limit of the client's packets is exact, for either QoS, and counts for what was stored under a
// wider one, too.
func TestLargestPackets(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		most := func(n uint32) func(*packets.Packet) {
			return func(pk *packets.Packet) { pk.Properties.MaximumPacketSize = n }
		}
		cl, _ := c.dial("x", cert, 5, persistent)
		cl.sub("t")
		cl.leave()
		for _, n := range []int{93, 92} { // 8 bytes are no payload: header 2, topic 3, packet id 2, properties 1
			c.b.Publish("t", make([]byte, n))
		}
		cl, _ = c.dial("x", cert, 5, persistent, most(100))
		if got := cl.next(packets.Publish); len(got.Payload) != 92 {
			t.Errorf("%d bytes of payload in a packet of at most 100", len(got.Payload))
		}
		cl.leave()
		cl, _ = c.dial("x", cert, 5, most(100))
		cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 9, Filters: packets.Subscriptions{{Filter: "t"}}})
		cl.next(packets.Suback)
		c.b.Publish("t", make([]byte, 95))
		c.b.Publish("t", make([]byte, 94))
		if got := cl.next(packets.Publish); got.FixedHeader.Qos != 0 || len(got.Payload) != 94 {
			t.Errorf("QoS %d, %d bytes of payload in a packet of at most 100", got.FixedHeader.Qos, len(got.Payload))
		}
	})
}

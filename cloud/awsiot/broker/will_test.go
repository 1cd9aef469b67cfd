package broker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
)

// TestWill is sent on every end but a DISCONNECT of the client that gives no other reason, to subscribers and to the rules.
func TestWill(t *testing.T) {
	for _, v := range []byte{4, 5} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll)
			watch, _ := c.dial("watch", cert, 5, func(pk *packets.Packet) { pk.Connect.Keepalive = 1200 })
			watch.sub("wills")
			for name, tc := range map[string]struct {
				end  func(cl *client)
				sent bool
			}{
				"DISCONNECT":      {func(cl *client) { cl.leave() }, false},
				"connection lost": {func(cl *client) { _ = cl.conn.NetConn().Close() }, true},
				"closed politely": {func(cl *client) { _ = cl.conn.Close() }, true},
				"a wrong packet":  {func(cl *client) { cl.raw([]byte{0xf0, 0}) }, true},
				"kicked":          {func(cl *client) { c.b.Kick("x", broker.ReasonAuth) }, true},
				"silence":         {func(*client) { time.Sleep(46 * time.Second) }, true},
				"0x04 with a will": {func(cl *client) {
					cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: 4})
				}, v == 5},
				"0x80, an error of the client's": {func(cl *client) {
					cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: 0x80})
				}, v == 5},
			} {
				cl, _ := c.dial("x", cert, v, will("wills", 1, false), func(pk *packets.Packet) {
					pk.Connect.Keepalive = 30
					pk.Connect.WillProperties.ContentType = "text/plain"
				})
				tc.end(cl)
				if !tc.sent {
					watch.hearsNothing()
					continue
				}
				if pk := watch.next(packets.Publish); string(pk.Payload) != "gone" || v == 5 && pk.Properties.ContentType != "text/plain" {
					t.Errorf("%s: %+v", name, pk)
				}
			}
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			if n := strings.Count(strings.Join(c.published, "\n"), "wills gone"); n < 5 {
				t.Errorf("the rules saw %d wills", n)
			}
		})
	}
}

// TestWillOfShadow reaches subscribers and rules; no service has it, or the topic would be refused here, where there is none.
func TestWillOfShadow(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		const topic = "$aws/things/x/shadow/update"
		watch, _ := c.dial("watch", cert, 4)
		watch.sub(topic)
		cl, _ := c.dial("x", cert, 4, will(topic, 1, false))
		_ = cl.conn.NetConn().Close()
		watch.wants(topic + " gone")
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if !strings.Contains(strings.Join(c.published, "\n"), topic+" gone") {
			t.Error("the rules did not see it")
		}
	})
}

// TestWillDelay of MQTT 5: the will waits, and is forgotten when the client comes back in time.
func TestWillDelay(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("wills")
		delayed := func(pk *packets.Packet) { pk.Connect.WillProperties.WillDelayInterval = 10 }
		lose := func(change ...func(*packets.Packet)) {
			cl, _ := c.dial("x", cert, 5, append(change, will("wills", 0, false), delayed)...)
			_ = cl.conn.Close()
		}
		lose(persistent)
		time.Sleep(9 * time.Second)
		watch.hearsNothing()
		lose(persistent) // came back in time
		time.Sleep(9 * time.Second)
		watch.hearsNothing()
		time.Sleep(2 * time.Second)
		watch.wants("wills gone")
		lose(persistent)
		cl, _ := c.dial("x", cert, 5) // a clean start ends the session, and that sends the will
		watch.wants("wills gone")
		cl.leave()
		lose() // no session to wait in
		watch.wants("wills gone")
	})
}

package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// TestSharedWaits: what comes while no member is here waits for whoever is here first, also a new one, at 20 a second.
func TestSharedWaits(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		old, _ := c.dial("old", cert, 4, persistent)
		old.sub("$share/g/t")
		old.leave()
		from, _ := c.dial("from", cert, 5)
		from.publish("t", "dies", qos(1), func(pk *packets.Packet) { pk.Properties.MessageExpiryInterval = 1 })
		from.publish("t", "of QoS 0")
		for i := range 41 {
			from.publish("t", fmt.Sprint(i), qos(1))
		}
		time.Sleep(2 * time.Second)
		fresh, _ := c.dial("fresh", cert, 5)
		start := time.Now()
		fresh.sub("$share/g/t")
		for i := range 41 {
			fresh.wants(fmt.Sprint("t ", i))
		}
		if d := time.Since(start); d < 1900*time.Millisecond || d > 2500*time.Millisecond {
			t.Errorf("took %v", d)
		}
		old, _ = c.dial("old", cert, 4, persistent)
		old.hearsNothing()
		fresh.hearsNothing()
	})
}

// TestSharedNotForAll: a waiting message that the member who comes may not receive, or that is too large for it, holds the
// others up no longer.
func TestSharedNotForAll(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		all, _ := c.certificate(allowAll)
		some, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe"],"Resource":"*"},
			{"Effect":"Allow","Action":"iot:Receive","Resource":"` + arn + `topic/t/open"}]}`)
		old, _ := c.dial("old", all, 4, persistent)
		old.sub("$share/g/t/+")
		old.leave()
		c.b.Publish("t/secret", []byte("1"))
		c.b.Publish("t/open", []byte("large and larger"))
		c.b.Publish("t/open", []byte("3"))
		other, _ := c.dial("other", some, 5, func(pk *packets.Packet) { pk.Properties.MaximumPacketSize = 20 })
		other.sub("$share/g/t/+")
		other.wants("t/open 3")
		other.hearsNothing()
		old, _ = c.dial("old", all, 4, persistent)
		old.wants("t/secret 1")
		old.wants("t/open large and larger")
		old.hearsNothing()
	})
}

// TestSharedAgain: what a member did not acknowledge goes to another one when it leaves, or waits.
func TestSharedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		stays, _ := c.dial("stays", cert, 4, persistent)
		mute, _ := c.dial("mute", cert, 4)
		mute.mute = true
		mute.sub("$share/g/t")
		c.b.Publish("t", []byte("1"))
		mute.wants("t 1")
		stays.sub("$share/g/t")
		mute.leave()
		stays.wants("t 1")
		stays.leave()
		mute, _ = c.dial("mute", cert, 4)
		mute.mute = true
		mute.sub("$share/g/t")
		c.b.Publish("t", []byte("2"))
		mute.wants("t 2")
		mute.leave()
		stays, _ = c.dial("stays", cert, 4, persistent)
		stays.wants("t 2")
		stays.hearsNothing()
	})
}

// TestSharedByNobody: with clean sessions only, nothing waits.
func TestSharedByNobody(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		cl.mute = true
		cl.sub("$share/g/t")
		c.b.Publish("t", []byte("1"))
		cl.wants("t 1")
		cl.leave()
		c.b.Publish("t", []byte("2"))
		cl, _ = c.dial("x", cert, 4)
		cl.sub("$share/g/t")
		cl.hearsNothing()
	})
}

package broker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// event takes the next message, which must be of the topic, apart.
func (cl *client) event(topic string) map[string]any {
	cl.t.Helper()
	pk := cl.next(packets.Publish)
	if pk.TopicName != "$aws/events/"+topic {
		cl.t.Fatalf("got %s %s, want %s", pk.TopicName, pk.Payload, topic)
	}
	var e map[string]any
	if err := json.Unmarshal(pk.Payload, &e); err != nil {
		cl.t.Fatal(err)
	}
	return e
}

// has checks a lifecycle event's fields; those that are not told beforehand need only be there.
func has(t *testing.T, e map[string]any, want map[string]any) {
	t.Helper()
	for k, v := range want {
		got, ok := e[k]
		if !ok || v != nil && got != v {
			t.Errorf("%s is %v, want %v, in %v", k, got, v, e)
		}
	}
	for k := range e {
		if _, ok := want[k]; !ok {
			t.Errorf("%s is not one of the fields: %v", k, e)
		}
	}
}

// TestLifecycleEvents have AWS's topics and fields, for subscribers and rules.
func TestLifecycleEvents(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		watcher, _ := c.certificate(allowAll)
		cert, id := c.certificate(allowAll)
		watch, _ := c.dial("watch", watcher, 4)
		watch.sub("$aws/events/+/+/x")
		var sessions []string
		for i := range 2 {
			cl, _ := c.dial("x", cert, 4)
			e := watch.event("presence/connected/x")
			has(t, e, map[string]any{
				"clientId": "x", "timestamp": nil, "eventType": "connected", "sessionIdentifier": nil, "principalIdentifier": id,
				"ipAddress": "pipe", "versionNumber": float64(i),
			})
			session := e["sessionIdentifier"].(string)
			sessions = append(sessions, session)
			if at := int64(e["timestamp"].(float64)); at != time.Now().UnixMilli() {
				t.Errorf("timestamp %d", at)
			}
			cl.sub("a", "b/+")
			e = watch.event("subscriptions/subscribed/x")
			topics := e["topics"].([]any)
			if len(topics) != 2 || topics[0] != "a" || topics[1] != "b/+" {
				t.Errorf("topics %v", topics)
			}
			delete(e, "topics")
			has(t, e, map[string]any{"clientId": "x", "timestamp": nil, "eventType": "subscribed", "sessionIdentifier": session, "principalIdentifier": id})
			cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 9, Filters: filters(0, "a", "never")})
			e = watch.event("subscriptions/unsubscribed/x")
			if topics := e["topics"].([]any); len(topics) != 1 || topics[0] != "a" {
				t.Errorf("topics %v", topics)
			}
			cl.leave()
			has(t, watch.event("presence/disconnected/x"), map[string]any{
				"clientId": "x", "timestamp": nil, "eventType": "disconnected", "sessionIdentifier": session, "principalIdentifier": id,
				"versionNumber": float64(i), "clientInitiatedDisconnect": true, "disconnectReason": "CLIENT_INITIATED_DISCONNECT",
			})
		}
		if sessions[0] == sessions[1] {
			t.Error("two sessions have one identifier")
		}
		cl, _ := c.dial("x", cert, 4)
		watch.event("presence/connected/x")
		_ = cl.conn.Close()
		has(t, watch.event("presence/disconnected/x"), map[string]any{
			"clientId": "x", "timestamp": nil, "eventType": "disconnected", "sessionIdentifier": nil, "principalIdentifier": id,
			"versionNumber": 2.0, "clientInitiatedDisconnect": false, "disconnectReason": "CONNECTION_LOST",
		})
		synctest.Wait()
		c.mu.Lock()
		all := strings.Join(c.published, "\n")
		c.mu.Unlock()
		for _, topic := range []string{"presence/connected/x {", "presence/disconnected/x {", "subscriptions/subscribed/x {", "subscriptions/unsubscribed/x {"} {
			if !strings.Contains(all, "$aws/events/"+topic) {
				t.Errorf("the rules saw no %s", topic)
			}
		}
		for range 7 { // away for more than an hour: numbers begin again
			time.Sleep(10 * time.Minute)
			watch, _ = c.dial("watch", watcher, 4)
		}
		watch.sub("$aws/events/presence/connected/x")
		c.dial("x", cert, 4)
		if e := watch.event("presence/connected/x"); e["versionNumber"] != 0.0 {
			t.Errorf("versionNumber %v", e["versionNumber"])
		}
	})
}

// TestSessionIdentifier of a persistent session stays the same.
func TestSessionIdentifier(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("$aws/events/presence/connected/x")
		var ids []any
		for range 2 {
			cl, _ := c.dial("x", cert, 4, persistent)
			ids = append(ids, watch.event("presence/connected/x")["sessionIdentifier"])
			cl.leave()
		}
		if ids[0] != ids[1] {
			t.Errorf("identifiers %v", ids)
		}
	})
}

// TestConnectFailed is told of a client whose certificate is good and who may not connect nevertheless.
func TestConnectFailed(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		none, id := c.certificate("")
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("$aws/events/presence/#")
		if _, ack := c.try("x", none, 4); ack != nil {
			t.Fatal("connected")
		}
		has(t, watch.event("presence/connect_failed/x"), map[string]any{
			"clientId": "x", "timestamp": nil, "eventType": "connect_failed", "sessionIdentifier": nil, "principalIdentifier": id, "ipAddress": "pipe",
			"connectFailureReason": "AUTHORIZATION_FAILED",
		})
		if _, ack := c.try("x", cert, 5, will("t", 2, false)); ack == nil || ack.ReasonCode != 0x9b { // no matter of leave
			t.Fatalf("%+v", ack)
		}
		watch.hearsNothing()
	})
}

// TestNoEventsForWildcardIDs: a client id with a wildcard would be no topic.
func TestNoEventsForWildcardIDs(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("$aws/events/#")
		watch.event("subscriptions/subscribed/watch")
		cl, _ := c.dial("a+b", cert, 4)
		cl.leave()
		watch.hearsNothing()
	})
}

// TestEventsNeedLeave: lifecycle events are delivered by policy, like everything else.
func TestEventsNeedLeave(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe"],"Resource":"*"},
			{"Effect":"Allow","Action":"iot:Receive","Resource":"` + arn + `topic/$aws/events/presence/*"}]}`)
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("$aws/events/#")
		cl, _ := c.dial("x", cert, 4)
		watch.event("presence/connected/x")
		cl.sub("t")
		watch.hearsNothing()
	})
}

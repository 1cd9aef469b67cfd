package broker_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"fountain/cloud/store"
)

// TestExclusiveThing: a certificate that belongs to one thing only is that thing under any client id, and events name it.
func TestExclusiveThing(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		watcher, _ := c.certificate(allowAll)
		watch, _ := c.dial("watch", watcher, 4)
		watch.sub("$aws/events/+/+/other")
		cert, id := c.certificate(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"iot:Connect","Resource":"*","Condition":{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}},
			{"Effect":"Allow","Action":["iot:Publish","iot:Subscribe"],"Resource":["`+arn+`topic/${iot:Connection.Thing.ThingName}","`+arn+`topicfilter/x"]}]}`, "x")
		if _, ack := c.try("other", cert, 5); ack == nil || ack.ReasonCode != 0x87 {
			t.Fatalf("%+v: the thing of another name is not attached", ack)
		}
		failed := map[string]any{
			"clientId": "other", "timestamp": nil, "eventType": "connect_failed", "sessionIdentifier": nil, "principalIdentifier": id, "ipAddress": "pipe",
			"connectFailureReason": "AUTHORIZATION_FAILED",
		}
		has(t, watch.event("presence/connect_failed/other"), failed)

		if err := errors.Join(c.db.AttachThing(t.Context(), "x", id, true, now()), c.b.Refresh(t.Context(), id)); err != nil {
			t.Fatal(err)
		}
		cl, _ := c.dial("other", cert, 5)
		if code := cl.publish("x", "", qos(1)); code != 0 {
			t.Errorf("0x%02x", code)
		}
		if code := cl.publish("other", "", qos(1)); code != 0x87 {
			t.Errorf("0x%02x", code)
		}
		cl.sub("x")
		second, _ := c.dial("x", cert, 5)
		online := func() bool {
			synctest.Wait()
			x, err := c.db.Thing(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			return x.Online
		}
		cl.leave()
		for _, topic := range []string{"presence/connected/other", "subscriptions/subscribed/other", "presence/disconnected/other"} {
			if e := watch.event(topic); e["thingName"] != "x" || e["clientId"] != "other" {
				t.Errorf("%v", e)
			}
		}
		if !online() {
			t.Error("it is gone, and still connected under another client id")
		}
		second.leave()
		if online() {
			t.Error("it is not gone")
		}

		if err := errors.Join(c.db.DetachThing(t.Context(), "x", id), c.db.CreateThing(t.Context(), store.Thing{Name: "y"}),
			c.db.AttachThing(t.Context(), "y", id, false, now()), c.b.Refresh(t.Context(), id)); err != nil {
			t.Fatal(err)
		}
		if _, ack := c.try("other", cert, 5); ack == nil || ack.ReasonCode != 0x87 {
			t.Errorf("%+v: it is attached to another thing, and not exclusively", ack)
		}
	})
}

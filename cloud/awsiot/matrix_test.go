package awsiot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/awsiot"
	"fountain/sync/wire"
)

// TestRefusedActs proves a sample of deploy's least-privilege matrix over real connections: whoever does what the template
// does not grant loses the connection, and nothing of it reaches anybody.
func TestRefusedActs(t *testing.T) {
	c := newCloud(t, func(cfg *awsiot.Config) { cfg.OnPresence = nil })
	other, otherCert := c.provision("F0200")
	witness := c.dial(other, otherCert)
	p := wire.Shadow(other, "ledger")
	witness.sub(wire.ShadowFilters(other)...)

	publish := func(topic string, retained bool) func(*client) {
		return func(cl *client) { cl.Publish(topic, 1, retained, `{"state":{"desired":{"x":1}}}`) }
	}
	subscribe := func(filter string) func(*client) { return func(cl *client) { cl.Subscribe(filter, 1, nil) } }
	n := 0
	for _, tc := range []struct {
		name string
		act  func(me string) func(*client)
	}{
		{"consumption of another thing", func(string) func(*client) { return publish(wire.BasicIngest("fountain_consumption", other), false) }},
		{"a rule that is not its own", func(me string) func(*client) { return publish(wire.BasicIngest("other_rule", me), false) }},
		{"its rule below its own name", func(me string) func(*client) {
			return publish(wire.BasicIngest("fountain_consumption", me)+"/x", false)
		}},
		{"its consumption retained", func(me string) func(*client) { return publish(wire.BasicIngest("fountain_consumption", me), true) }},
		{"another thing's shadow", func(string) func(*client) { return publish(p.Request("update"), false) }},
		{"its classic shadow", func(me string) func(*client) { return publish(wire.Shadow(me, "").Request("update"), false) }},
		{"deletion of its shadow", func(me string) func(*client) { return publish(wire.Shadow(me, "ledger").Request("delete"), false) }},
		{"a shadow that is none of its business", func(me string) func(*client) { return publish(wire.Shadow(me, "campaign").Request("update"), false) }},
		{"an answer in the cloud's place", func(me string) func(*client) { return publish(wire.Shadow(me, "recall").Delta(), false) }},
		{"the list of its jobs", func(me string) func(*client) { return publish(wire.Jobs(me).GetPending(), false) }},
		{"another thing's job", func(string) func(*client) { return publish(wire.Jobs(other).Update("j1"), false) }},
		{"a job in the cloud's place", func(me string) func(*client) { return publish(wire.Jobs(me).NotifyNext(), false) }},
		{"a key made by the cloud", func(string) func(*client) { return publish(wire.TopicCreateKeys, false) }},
		{"another registration", func(string) func(*client) { return publish(wire.TopicProvision(template), false) }},
		{"an ordinary topic", func(string) func(*client) { return publish("a/b", false) }},
		{"a lifecycle event", func(me string) func(*client) { return publish("$aws/events/presence/disconnected/"+other, false) }},
		{"hearing everything", func(string) func(*client) { return subscribe("#") }},
		{"hearing all reserved topics", func(string) func(*client) { return subscribe("$aws/#") }},
		{"hearing everybody's shadows", func(string) func(*client) { return subscribe("$aws/things/+/shadow/name/ledger/update/delta") }},
		{"hearing another thing", func(string) func(*client) { return subscribe(p.Delta()) }},
		{"hearing all of itself", func(me string) func(*client) { return subscribe("$aws/things/" + me + "/#") }},
		{"hearing another thing's jobs", func(string) func(*client) { return subscribe(wire.Jobs(other).NotifyNext()) }},
		{"hearing claims", func(string) func(*client) { return subscribe(wire.Accepted(wire.TopicProvision(template))) }},
		{"hearing through a shared subscription", func(string) func(*client) { return subscribe("$share/g/$aws/things/+/shadow/name/ledger/update/delta") }},
	} {
		n++
		serial := fmt.Sprintf("F03%02d", n)
		t.Run(tc.name, func(t *testing.T) {
			me, cert := c.provision(serial)
			cl := c.dial(me, cert)
			tc.act(me)(cl)
			cl.hangsUp()
			if !strings.Contains(c.denials(), me+" AUTH_ERROR") && !strings.Contains(c.denials(), me+" FORBIDDEN_ACCESS") {
				t.Errorf("closed for another reason: %s", c.denials())
			}
		})
	}
	for name, act := range map[string]func(*client){
		"consumption":       publish(wire.BasicIngest("fountain_consumption", other), false),
		"a shadow":          publish(p.Request("update"), false),
		"another template":  publish(wire.TopicProvision("other"), false),
		"an ordinary topic": publish("a/b", false),
		"hearing a unit":    subscribe(p.Delta()),
		"hearing all":       subscribe("#"),
	} {
		t.Run("claim certificate, "+name, func(t *testing.T) {
			cl := c.dial("claim-"+strings.ReplaceAll(name, " ", "-"), c.claim())
			act(cl)
			cl.hangsUp()
		})
	}
	if len(c.queue) != 0 || len(witness.in) != 0 {
		t.Fatalf("%d messages in the queue, %d at another unit", len(c.queue), len(witness.in))
	}
}

// TestGrantedActs: what the code uses is granted over the same connections, all of it on one.
func TestGrantedActs(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0400")
	cl := c.dial(me, cert)
	topics := wire.UnitTopics("fountain_consumption", me)
	for i := 0; i < len(topics.Subscribe); i += wire.MaxFilters {
		cl.sub(topics.Subscribe[i:min(i+wire.MaxFilters, len(topics.Subscribe))]...)
	}
	for _, topic := range topics.Publish {
		cl.pub(strings.ReplaceAll(topic, "+", "j1"), []byte(`{"state":{"reported":{"a":1}},"status":"IN_PROGRESS"}`))
	}
	select {
	case err := <-cl.lost:
		t.Fatalf("the connection ended: %v; %s", err, c.denials())
	default:
	}
	if len(c.queue) != 1 {
		t.Fatalf("%d messages in the queue", len(c.queue))
	}
}

// TestNotReceived: a filter may cover a shadow that is none of the unit's business; what it says does not arrive.
func TestNotReceived(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0401")
	cl := c.dial(me, cert, func(o *paho.ClientOptions) { o.SetWriteTimeout(time.Second) })
	cl.sub(wire.ShadowFilters(me)...)
	for _, name := range []string{"campaign", "ledger"} {
		if _, err := c.broker.UpdateShadow(t.Context(), me, name, []byte(`{"desired":{"a":1}}`)); err != nil {
			t.Fatal(err)
		}
	}
	ledger := wire.Shadow(me, "ledger")
	for range 2 { // accepted and delta of ledger, in either order, and nothing of campaign before them
		if m := cl.next(); m.Topic() != ledger.Delta() && m.Topic() != ledger.Accepted(wire.ShadowUpdate) {
			t.Fatalf("got %s", m.Topic())
		}
	}
}

package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
	"fountain/sync/wire"
)

// TestPublishRefused: limits end the connection; MQTT 5 clients get a PUBACK or a DISCONNECT with the reason.
func TestPublishRefused(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
		{"Effect":"Allow","Action":["iot:Publish","iot:RetainPublish"],"Resource":["` + arn + `topic/$aws/*","` + arn + `topic/ok/*","` + arn + `topic/a/*"]},
		{"Effect":"Allow","Action":"iot:Publish","Resource":"` + arn + `topic/unretained"},
		{"Effect":"Deny","Action":"iot:Publish","Resource":"` + arn + `topic/ok/not/*"}]}`)
	long := "ok/" + strings.Repeat("x", 254)
	for _, tc := range []struct {
		name, topic string
		payload     string
		change      func(*packets.Packet)
		puback      byte // MQTT 5 with QoS 1 stays connected
		disconnect  byte // MQTT 5 is disconnected
		reason      string
	}{
		{"not allowed", "other", "", nil, 0x87, 0x87, "AUTH_ERROR"},
		{"denied", "ok/not/this", "", nil, 0x87, 0x87, "AUTH_ERROR"},
		{"retained without leave", "unretained", "x", retain, 0x87, 0x87, "AUTH_ERROR"},
		{"eight slashes", "a/b/c/d/e/f/g/h/i", "", nil, 0x90, 0x90, "CLIENT_ERROR"},
		{"257 bytes of topic", long, "", nil, 0x90, 0x90, "CLIENT_ERROR"},
		{"wildcards", "ok/+", "", nil, 0x90, 0x90, "CLIENT_ERROR"},
		{"a payload of 131,073 bytes", "ok/x", strings.Repeat("x", 131_073), nil, 0, 0x95, "CLIENT_ERROR"},
		{"a packet of 200,000 bytes", "ok/x", strings.Repeat("x", 200_000), nil, 0, 0x95, "CLIENT_ERROR"},
		{"an unknown reserved topic", "$aws/nothing/here", "", nil, 0, 0x90, "FORBIDDEN_ACCESS"},
		{"a lifecycle event", "$aws/events/presence/connected/x", "{}", nil, 0, 0x90, "FORBIDDEN_ACCESS"},
		{"a retained reserved topic", "$aws/rules/r/x", "x", retain, 0, 0x90, "FORBIDDEN_ACCESS"},
	} {
		for _, v := range []byte{4, 5} {
			for q := range byte(2) {
				t.Run(fmt.Sprintf("%s/MQTT %d/QoS %d", tc.name, v, q), func(t *testing.T) {
					cl, _ := c.dial("x", cert, v)
					pk := publishPacket(tc.topic, tc.payload, qos(q))
					if tc.change != nil {
						tc.change(&pk)
					}
					if q > 0 {
						pk.PacketID = 7
					}
					go cl.send(pk) // the broker may not read it to its end
					if v == 5 && q == 1 && tc.puback != 0 {
						if ack := cl.next(packets.Puback); ack.ReasonCode != tc.puback || ack.PacketID != 7 || ack.Properties.ReasonString == "" {
							t.Errorf("PUBACK %+v, want 0x%02x", ack, tc.puback)
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
	}
	for _, v := range []byte{4, 5} {
		cl, _ := c.dial("x", cert, v)
		pk := publishPacket("ok/x", "", qos(2))
		pk.PacketID = 1
		cl.send(pk)
		if code := cl.ends(); v == 5 && code != 0x9b {
			t.Errorf("QoS 2: 0x%02x", code)
		}
	}
}

// TestPublishAtTheLimits is accepted.
func TestPublishAtTheLimits(t *testing.T) {
	ingested := make(chan string, 10)
	c := newCloud(t, func(cfg *broker.Config) {
		cfg.Ingest = func(_ context.Context, topic, client string, _ []byte) (bool, error) {
			_, rest, ok := wire.ParseBasicIngest(topic)
			if ok {
				ingested <- client + " " + rest
			}
			return ok, nil
		}
	})
	cert, _ := c.certificate(allowAll)
	for _, v := range []byte{4, 5} {
		cl, _ := c.dial("x", cert, v)
		cl.sub("#")
		for _, topic := range []string{"a/b/c/d/e/f/g/h", strings.Repeat("x", 256), "/"} {
			cl.send(publishPacket(topic, "p"))
			cl.wants(topic + " p")
		}
		big := strings.Repeat("x", 131_072)
		cl.send(publishPacket("t", big))
		cl.wants("t " + big)
		deep := "a/b/c/d/e/f/g/" + strings.Repeat("x", 242) // Basic Ingest: the rule's part does not count
		cl.publish("$aws/rules/a_rule/"+deep, "x", qos(1))
		if got := <-ingested; got != "x "+deep {
			t.Errorf("ingested %q", got)
		}
		cl.hearsNothing() // nobody can subscribe to it
		cl.leave()
	}
}

// TestRateIn: what is above 100 messages a second is discarded; an MQTT 5 client hears that.
func TestRateIn(t *testing.T) {
	for _, v := range []byte{4, 5} {
		bubble(t, func(t *testing.T, c *cloud) {
			cert, _ := c.certificate(allowAll)
			cl, _ := c.dial("x", cert, v)
			var all bytes.Buffer
			for i := range 150 {
				pk := publishPacket("t", "x", qos(1))
				pk.PacketID = uint16(i + 1)
				all.Write(cl.bytes(pk))
			}
			cl.raw(all.Bytes())
			acks := map[byte]int{}
			for range 100 {
				acks[cl.next(packets.Puback).ReasonCode]++
			}
			if v == 5 {
				for range 50 {
					acks[cl.next(packets.Puback).ReasonCode]++
				}
			}
			cl.hearsNothing()
			if acks[0] != 100 || v == 5 && acks[0x97] != 50 {
				t.Errorf("acks %v", acks)
			}
			time.Sleep(time.Second)
			cl.publish("t", "x", qos(1))
		})
	}
}

// TestRateOut: deliveries count, too. QoS 0 above the rate is discarded, QoS 1 waits.
func TestRateOut(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		zero, _ := c.dial("zero", cert, 4)
		zero.subscribeAll(packets.Subscription{Filter: "t"})
		one, _ := c.dial("one", cert, 4)
		one.sub("t")
		for i := range 150 {
			c.b.Publish("t", fmt.Append(nil, i))
		}
		start := time.Now()
		for i := range 150 {
			one.wants(fmt.Sprint("t ", i))
		}
		if d := time.Since(start); d < 400*time.Millisecond || d > time.Second {
			t.Errorf("150 with QoS 1 took %v", d)
		}
		got := len(zero.in)
		if got != 100 {
			t.Errorf("%d with QoS 0, want 100", got)
		}
	})
}

// TestThroughput: more than 512 KiB/s is delayed, not lost.
func TestThroughput(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		start := time.Now()
		for range 20 {
			cl.publish("t", strings.Repeat("x", 131_072), qos(1))
		}
		// 20 of 128 KiB, of which 512 KiB go at once, take 4 s.
		if d := time.Since(start); d < 3900*time.Millisecond || d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		cl.sub("big/#")
		time.Sleep(time.Second) // the quota of messages and bytes is whole again
		start = time.Now()
		for range 20 {
			c.b.Publish("big/1", []byte(strings.Repeat("x", 131_072)))
		}
		for range 20 {
			cl.next(packets.Publish)
		}
		if d := time.Since(start); d < 3900*time.Millisecond || d > 5*time.Second {
			t.Errorf("deliveries took %v", d)
		}
	})
}

// TestLate: what waits for the throughput is bounded by letting QoS 0 go, not by letting the client go.
func TestLate(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		cl.subscribeAll(filters(0, "big")...)
		cl.sub("small")
		for range 5 {
			for range 80 {
				c.b.Publish("big", []byte(strings.Repeat("x", 131_072)))
			}
			time.Sleep(time.Second)
		}
		c.b.Publish("small", []byte("x"))
		got := 0
		for cl.message() != "small x" {
			got++
		}
		if got < 20 || got > 80 {
			t.Errorf("%d of 400 came", got)
		}
	})
}

// TestPassThrough: MQTT 5 properties reach MQTT 5 subscribers; MQTT 3.1.1 subscribers get the rest.
func TestPassThrough(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		pub, _ := c.dial("pub", cert, 5)
		five, _ := c.dial("five", cert, 5)
		four, _ := c.dial("four", cert, 4)
		five.sub("t")
		four.sub("t")
		pub.publish("t", "x", qos(1), func(pk *packets.Packet) {
			pk.Properties = packets.Properties{
				ContentType: "text/plain", ResponseTopic: "answers", CorrelationData: []byte{0, 1}, PayloadFormat: 1, PayloadFormatFlag: true,
				User: []packets.UserProperty{{Key: "a", Val: "1"}, {Key: "a", Val: "2"}}, MessageExpiryInterval: 100,
			}
		})
		p := five.next(packets.Publish).Properties
		if p.ContentType != "text/plain" || p.ResponseTopic != "answers" || !bytes.Equal(p.CorrelationData, []byte{0, 1}) || p.PayloadFormat != 1 ||
			len(p.User) != 2 || p.User[1].Val != "2" || p.MessageExpiryInterval != 100 {
			t.Errorf("%+v", p)
		}
		four.wants("t x")
	})
}

// TestTopicAlias: 1 to 8; the topic behind it is what limits and policy see.
func TestTopicAlias(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		alias := func(n uint16) func(*packets.Packet) {
			return func(pk *packets.Packet) { pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = n, true }
		}
		cl, _ := c.dial("x", cert, 5)
		cl.sub("#")
		cl.send(publishPacket("one", "1", alias(8)))
		cl.wants("one 1")
		cl.send(publishPacket("", "2", alias(8)))
		cl.wants("one 2")
		cl.send(publishPacket("two", "3", alias(8)))
		cl.wants("two 3")
		cl.send(publishPacket("", "4", alias(8)))
		cl.wants("two 4")
		for n, code := range map[uint16]byte{9: 0x94, 7: 0x82} {
			cl, _ = c.dial("x", cert, 5)
			cl.send(publishPacket("", "x", alias(n)))
			if got := cl.ends(); got != code {
				t.Errorf("alias %d: 0x%02x, want 0x%02x", n, got, code)
			}
		}
		cl, _ = c.dial("x", cert, 5)
		cl.send(publishPacket("", "x"))
		if got := cl.ends(); got != 0x82 {
			t.Errorf("no topic: 0x%02x", got)
		}
	})
}

// TestMessageExpiry: a stored message dies in time; what is left of its life is told.
func TestMessageExpiry(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		pub, _ := c.dial("pub", cert, 5)
		cl, _ := c.dial("x", cert, 5, persistent)
		cl.sub("t")
		cl.leave()
		for payload, s := range map[string]uint32{"short": 10, "long": 100} {
			pub.publish("t", payload, qos(1), func(pk *packets.Packet) { pk.Properties.MessageExpiryInterval = s })
		}
		time.Sleep(30 * time.Second)
		cl, _ = c.dial("x", cert, 5, persistent)
		pk := cl.next(packets.Publish)
		if string(pk.Payload) != "long" || pk.Properties.MessageExpiryInterval != 70 {
			t.Errorf("%s with %d s left", pk.Payload, pk.Properties.MessageExpiryInterval)
		}
		cl.hearsNothing()
	})
}

// TestInject publishes as HTTPS does.
func TestInject(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		_, narrow := c.certificate(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":"` + arn + `topic/ok"}]}`)
		c.b.Handle(serves(func(r broker.Request) bool {
			r.Reply(r.Topic+"/accepted", nil)
			r.Answer(r.Topic+"/accepted", nil)
			return r.Topic == "$aws/things/x/shadow/get"
		}))
		cl, _ := c.dial("x", cert, 5)
		cl.sub("#")
		for _, tc := range []struct {
			by   string
			m    broker.Message
			want error
		}{
			{"", broker.Message{Topic: "t", Payload: []byte("x")}, nil},
			{narrow, broker.Message{Topic: "ok", Payload: []byte("x")}, nil},
			{narrow, broker.Message{Topic: "t"}, broker.ErrForbidden},
			{narrow, broker.Message{Topic: "ok", Payload: []byte("x"), Retain: true}, broker.ErrForbidden},
			{"unknown", broker.Message{Topic: "t"}, broker.ErrForbidden},
			{"", broker.Message{Topic: "t/+"}, broker.ErrInvalid},
			{"", broker.Message{Topic: ""}, broker.ErrInvalid},
			{"", broker.Message{Topic: "t", QoS: 2}, broker.ErrInvalid},
			{"", broker.Message{Topic: "a/b/c/d/e/f/g/h/i"}, broker.ErrInvalid},
			{"", broker.Message{Topic: "$aws/unknown"}, broker.ErrInvalid},
			{"", broker.Message{Topic: "t", Payload: make([]byte, 131_073)}, broker.ErrTooLarge},
			{"", broker.Message{Topic: "$aws/things/x/shadow/get"}, nil},
		} {
			err := c.b.Inject(t.Context(), tc.by, tc.m)
			if tc.want == nil && err != nil || !errors.Is(err, tc.want) {
				t.Errorf("%s by %q: %v, want %v", tc.m.Topic, tc.by, err, tc.want)
			}
			if err == nil && tc.m.Topic[0] != '$' {
				cl.wants(tc.m.Topic + " x")
			}
		}
		cl.hearsNothing()
	})
}

type serves func(r broker.Request) bool

func (f serves) Serve(_ context.Context, r broker.Request) bool { return f(r) }

// TestServices: Reply wants a subscription and leave to receive, Answer wants neither; both go to one connection.
func TestServices(t *testing.T) {
	c := newCloud(t)
	c.b.Handle(serves(func(r broker.Request) bool {
		if r.Thing != "x" || r.ClientID != "x" || r.CertificateID == "" {
			t.Errorf("request %+v", r)
		}
		r.Reply(r.Topic+"/reply", []byte("r"))
		r.Answer(r.Topic+"/answer", []byte("a"))
		return true
	}))
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iot:Connect","iot:Publish","iot:Subscribe"],"Resource":"*"},
		{"Effect":"Allow","Action":"iot:Receive","Resource":"`+arn+`topic/$aws/mine/reply"}]}`, "x")
	other, _ := c.dial("other", cert, 4)
	other.sub("$aws/mine/reply", "$aws/mine/answer")
	cl, _ := c.dial("x", cert, 4)
	ask := func(topic string) {
		cl.send(publishPacket(topic, "?"))
	}
	ask("$aws/mine")
	cl.wants("$aws/mine/answer a")
	cl.sub("$aws/mine/reply", "$aws/theirs/reply")
	ask("$aws/mine")
	cl.wants("$aws/mine/reply r")
	cl.wants("$aws/mine/answer a")
	ask("$aws/theirs")
	cl.wants("$aws/theirs/answer a")
	other.hearsNothing()
}

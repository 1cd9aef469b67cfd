package broker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
)

// The tests in this file are named for what a stand-in built on mochi's server gets wrong (spec/awsiot.md 12). Only its
// packet codec is used now; they keep it so.

func TestMochiAcknowledgesRefusedPublish(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe","iot:Receive"],"Resource":"*"}]}`)
	watch, _ := c.dial("watch", cert, 4)
	watch.sub("t")
	cl, _ := c.dial("x", cert, 4)
	pk := publishPacket("t", "x", qos(1))
	pk.PacketID = 1
	cl.send(pk)
	if pk, ok := cl.any(); ok {
		t.Errorf("got %+v, want a hang-up", pk)
	}
	watch.hearsNothing()
}

func TestMochiDropsRefusedQoS0AndStays(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}`)
	cl, _ := c.dial("x", cert, 4)
	cl.send(publishPacket("t", "x"))
	cl.ends()
}

func TestMochiTakesSubscribeForReceive(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],"Resource":"*"},
			{"Effect":"Allow","Action":"iot:Subscribe","Resource":"` + arn + `topicfilter/only/subscribe"},
			{"Effect":"Allow","Action":"iot:Receive","Resource":"` + arn + `topic/only/receive"}]}`)
		cl, _ := c.dial("x", cert, 5, persistent)
		if got := cl.subscribeAll(filters(1, "only/subscribe", "only/receive")...); got[0] != 1 || got[1] != 0x87 {
			t.Errorf("SUBACK % x", got)
		}
		for range 2 { // here, then away
			c.b.Publish("only/subscribe", []byte("x"))
			c.b.Publish("only/receive", []byte("x"))
			cl.hearsNothing()
			cl.leave()
			cl, _ = c.dial("x", cert, 5, persistent)
		}
	})
}

func TestMochiSaysGoodbyeToMQTT311(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		for _, end := range []func(){
			func() { c.dial("x", cert, 4) },
			func() { c.b.Kick("x", broker.ReasonAuth) },
		} {
			cl, _ := c.dial("x", cert, 4)
			end()
			cl.ends() // fails on a DISCONNECT
		}
		cl, _ := c.dial("x", cert, 4)
		five, _ := c.dial("y", cert, 5)
		if err := c.b.Close(); err != nil {
			t.Fatal(err)
		}
		cl.ends()
		if code := five.ends(); code != 0x8b {
			t.Errorf("MQTT 5: 0x%02x, want 0x8b", code)
		}
	})
}

func TestMochiGivesRetainedToWildcards(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		cl.publish("a/b", "kept", qos(1), retain)
		cl.sub("a/+", "a/#", "#", "+/b", "$share/g/a/b")
		cl.hearsNothing()
	})
}

func TestMochiMatchesParentOfHash(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		cl.sub("a/#")
		c.b.Publish("a", []byte("parent"))
		cl.hearsNothing()
	})
}

func TestMochiLeavesConnackIncomplete(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	_, ack := c.dial("x", cert, 5)
	if p := ack.Properties; !p.SubIDAvailableFlag || p.SubIDAvailable != 0 || p.MaximumPacketSize == 0 || p.TopicAliasMaximum != 8 || !p.ServerKeepAliveFlag {
		t.Errorf("%+v", p)
	}
}

// TestMochiLocksItselfOut: a service that publishes while it serves, to its own requester too.
func TestMochiLocksItselfOut(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		c.b.Handle(serves(func(r broker.Request) bool {
			for i := range 3 {
				c.b.Publish("t", fmt.Append(nil, i))
			}
			if _, ok := c.b.Connection(r.ClientID); !ok || c.b.Refresh(t.Context()) != nil {
				t.Error("cannot look at the requester")
			}
			return true
		}))
		cl, _ := c.dial("x", cert, 4)
		cl.sub("t")
		cl.send(publishPacket("$aws/ask", ""))
		for i := range 3 {
			cl.wants(fmt.Sprint("t ", i))
		}
	})
}

func TestMochiAnswersBadCredentialsWithCode4(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate("")
	if _, ack := c.try("x", cert, 4); ack != nil {
		t.Errorf("got %+v, want a hang-up", ack)
	}
}

func TestMochiPublishesAnswersOfJobsToAll(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		c.b.Handle(serves(func(r broker.Request) bool { r.Answer("answers", []byte("mine")); return true }))
		other, _ := c.dial("other", cert, 4)
		other.sub("answers")
		cl, _ := c.dial("x", cert, 4)
		cl.send(publishPacket("$aws/ask", ""))
		cl.wants("answers mine")
		other.hearsNothing()
	})
}

// TestMochiMixesPacketIDs: both sides count for themselves; one list for both would answer a SUBSCRIBE with "in use" and
// forget a delivery when the client publishes with its number.
func TestMochiMixesPacketIDs(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.mute = true
		cl.sub("t")
		for i := range 20 { // the broker's 1 to 20 stay in flight
			c.b.Publish("t", fmt.Append(nil, i))
			cl.next(packets.Publish)
		}
		for i := range 15 {
			cl.sub(fmt.Sprint("other", i))
			cl.publish("elsewhere", "x", qos(1))
		}
		_ = cl.conn.Close()
		synctest.Wait()
		cl, _ = c.dial("x", cert, 4, persistent)
		for i := range 20 { // all are still there
			cl.wants(fmt.Sprint("t ", i))
		}
	})
}

// TestMochiForgetsFiltersOfExpiredSessions: they must not be found when somebody publishes.
func TestMochiForgetsFiltersOfExpiredSessions(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4, persistent)
		cl.sub("a/+/b", "$share/g/t")
		cl.leave()
		time.Sleep(61 * time.Minute)
		if n := broker.Filters(c.b); n != 0 {
			t.Errorf("%d levels of filters are left", n)
		}
	})
}

// TestMochiEndsRetainedAfterAWeek: AWS keeps them for three years.
func TestMochiEndsRetainedAfterAWeek(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		if err := c.b.Inject(t.Context(), "", broker.Message{Topic: "t", Payload: []byte("x"), Retain: true}); err != nil {
			t.Fatal(err)
		}
		r, err := c.db.Retained(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		if life := time.Duration(r.Expires-r.Modified) * time.Millisecond; life != 3*365*24*time.Hour {
			t.Errorf("kept for %v", life)
		}
	})
}

// TestMochiPanicsOnShortPackets: its codec reads past the end of an MQTT 5 SUBSCRIBE without options.
func TestMochiPanicsOnShortPackets(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	cl, _ := c.dial("x", cert, 5)
	cl.raw([]byte("\x82\x06\x00\x01\x00\x00\x01t"))
	if code := cl.ends(); code != 0x81 {
		t.Errorf("0x%02x, want 0x81", code)
	}
}

// TestPaho is a client no one here wrote, through connect, publish, subscribe and takeover on MQTT 3.1.1.
func TestPaho(t *testing.T) {
	c := newCloud(t)
	c.listen()
	cert, _ := c.certificate(allowAll)
	dial := func() (paho.Client, chan string, chan error) {
		in, lost := make(chan string, 10), make(chan error, 1)
		cl := paho.NewClient(paho.NewClientOptions().AddBroker("tls://" + c.addr).SetClientID("x").SetProtocolVersion(4).SetAutoReconnect(false).
			SetTLSConfig(c.tls(cert)).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }).
			SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { in <- m.Topic() + " " + string(m.Payload()) }))
		for _, do := range []func() paho.Token{
			cl.Connect, func() paho.Token { return cl.Subscribe("t/+", 1, nil) }, func() paho.Token { return cl.Publish("t/x", 1, false, "hello") },
		} {
			if tok := do(); !tok.WaitTimeout(patience) || tok.Error() != nil {
				t.Fatal(tok.Error())
			}
		}
		return cl, in, lost
	}
	_, in, lost := dial()
	if got := <-in; got != "t/x hello" {
		t.Error(got)
	}
	second, _, _ := dial()
	select {
	case <-lost:
	case <-time.After(patience):
		t.Error("the first connection is still there")
	}
	second.Disconnect(100)
	if strings.Contains(c.denials(), "CLIENT_ERROR") {
		t.Error(c.denials())
	}
}

// TestDup: AWS ignores the flag, with any QoS.
func TestDup(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("t")
		for q := range byte(2) {
			pk := publishPacket("t", "x", qos(q))
			pk.FixedHeader.Dup, pk.PacketID = true, uint16(q)
			cl.send(pk)
			if q > 0 {
				cl.next(packets.Puback)
			}
			if pk := watch.next(packets.Publish); pk.FixedHeader.Dup {
				t.Error("DUP was passed on")
			}
		}
	})
}

// TestRuleThatAsksAgain: a rule may publish to the service whose answer it was given.
func TestRuleThatAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *cloud
		var lock sync.Mutex
		c = newCloud(t, func(cfg *broker.Config) {
			cfg.Published = func(ctx context.Context, topic, _ string, _ []byte) {
				if topic == "answer/1" {
					if err := c.b.Inject(ctx, "", broker.Message{Topic: "$aws/ask/2"}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		c.b.Handle(serves(func(r broker.Request) bool {
			lock.Lock()
			defer lock.Unlock()
			c.b.Publish("answer/"+r.Topic[len(r.Topic)-1:], nil)
			return true
		}))
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 4)
		cl.sub("answer/+")
		cl.send(publishPacket("$aws/ask/1", ""))
		cl.wants("answer/1 ")
		cl.wants("answer/2 ")
	})
}

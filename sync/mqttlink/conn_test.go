package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"fountain/sync/wire"
)

func mustDial(t *testing.T, p *peer) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), p.config())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConnectSaysWhatTheServiceWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		c := mustDial(t, p)
		c.Close()
		p.wg.Wait()
		m, ok := p.got[0].(*packets.ConnectPacket)
		if !ok {
			t.Fatalf("first packet is %v", p.got[0])
		}
		if m.ProtocolVersion != 4 || !m.CleanSession || m.Keepalive != 60 || m.ClientIdentifier != "unit-1" || m.WillFlag {
			t.Errorf("CONNECT is %v", m)
		}
		if count[*packets.DisconnectPacket](p) != 1 {
			t.Error("no DISCONNECT on Close")
		}
	})
}

// The service drops TCP at every packet boundary, before or after its answer: what Publish reports as acknowledged,
// the service did acknowledge on that connection. paho's own reconnect fails this.
func TestPublishAtEveryPacketBoundary(t *testing.T) {
	const messages = 6
	for boundary := 1; boundary <= messages+2; boundary++ {
		for _, answer := range []bool{false, true} {
			t.Run(fmt.Sprintf("packet %d answered %v", boundary, answer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPeer(t)
					acked := make(map[string]bool)
					seen := 0
					p.react = func(s *side, cp packets.ControlPacket) bool {
						seen++
						last := seen == boundary
						if last && !answer {
							return false
						}
						if m, ok := cp.(*packets.PublishPacket); ok {
							acked[string(m.Payload)] = true
						}
						s.polite(cp)
						return !last
					}
					c, err := Dial(t.Context(), p.config())
					if err != nil {
						if boundary != 1 || answer {
							t.Fatal(err)
						}
						p.wg.Wait()
						return
					}
					_ = c.Subscribe(t.Context(), func(string, []byte) {}, "a/b") // may be the boundary
					var results []<-chan error
					for i := range messages {
						results = append(results, c.Send(t.Context(), "t", 1, fmt.Appendf(nil, "m%d", i)))
					}
					errs := make([]error, messages)
					for i, r := range results {
						errs[i] = <-r
					}
					c.Close()
					p.wg.Wait() // the service is at rest: what it acknowledged may be looked at
					good := 0
					for i, err := range errs {
						if err == nil {
							good++
							if !acked[fmt.Sprintf("m%d", i)] {
								t.Errorf("message %d reported as acknowledged, but it was not", i)
							}
							continue
						}
						if !errors.Is(err, ErrLost) {
							t.Errorf("message %d: %v is not ErrLost", i, err)
						}
						var ce *ConnError
						if !errors.As(err, &ce) || !ce.HungUp() {
							t.Errorf("message %d: %v does not say that the peer closed", i, err)
						}
					}
					if want := max(boundary-3, 0); boundary > 2 && !answer && good != want {
						t.Errorf("%d messages acknowledged, want %d", good, want)
					}
				})
			})
		}
	}
}

func TestSilenceAfterPublishEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.react = func(s *side, cp packets.ControlPacket) bool {
			if _, ok := cp.(*packets.PublishPacket); !ok {
				s.polite(cp)
			}
			return true
		}
		c := mustDial(t, p)
		start := time.Now()
		err := c.Publish(t.Context(), "t", 1, []byte("x"))
		if !errors.Is(err, ErrNoAck) || time.Since(start) != AckTimeout {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		var ce *ConnError
		if errors.As(err, &ce) && ce.HungUp() {
			t.Error("silence is no hang-up")
		}
		<-c.Lost()
		c.Close()
		p.wg.Wait()
	})
}

func TestUnansweredPingEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.react = func(s *side, cp packets.ControlPacket) bool {
			if _, ok := cp.(*packets.PingreqPacket); !ok {
				s.polite(cp)
			}
			return true
		}
		c := mustDial(t, p)
		start := time.Now()
		<-c.Lost()
		if d := time.Since(start); d < KeepAlive || d > KeepAlive+PingTimeout+10*time.Second {
			t.Errorf("lost after %v", d)
		}
		c.Close()
		p.wg.Wait()
	})
}

func TestSubscribeInChunksAndChecksEveryResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		var sizes []int
		p.react = func(s *side, cp packets.ControlPacket) bool {
			m, ok := cp.(*packets.SubscribePacket)
			if !ok {
				s.polite(cp)
				return true
			}
			sizes = append(sizes, len(m.Topics))
			a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			a.MessageID = m.MessageID
			for _, f := range m.Topics {
				code := byte(1)
				if f == "secret" {
					code = 0x80
				}
				a.ReturnCodes = append(a.ReturnCodes, code)
			}
			s.write(a)
			return true
		}
		c := mustDial(t, p)
		var filters []string
		for i := range 19 {
			filters = append(filters, fmt.Sprintf("f/%d", i))
		}
		if err := c.Subscribe(t.Context(), func(string, []byte) {}, filters...); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(sizes) != "[8 8 3]" {
			t.Errorf("SUBSCRIBE sizes %v", sizes)
		}
		if err := c.Subscribe(t.Context(), func(string, []byte) {}, "f/a", "secret"); !errors.Is(err, ErrForbidden) {
			t.Errorf("refused filter gave %v", err)
		}
		c.Close()
		p.wg.Wait()
	})
}

func TestMessagesReachTheirHandlerAndStraysAreAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.react = func(s *side, cp packets.ControlPacket) bool {
			s.polite(cp)
			if _, ok := cp.(*packets.SubscribePacket); ok {
				p.wg.Go(func() { // a pipe has no buffer: reading must go on meanwhile
					for i := range 60 {
						s.publish("mine", uint16(2*i+1), fmt.Sprint(i))
						s.publish("nobody", uint16(2*i+2), "x")
					}
				})
			}
			return true
		}
		c := mustDial(t, p)
		in := make(chan string, 100)
		if err := c.Subscribe(t.Context(), func(_ string, b []byte) { in <- string(b) }, "mine"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 60 {
			if got := <-in; got != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, got)
			}
		}
		if c.Stray() != 60 || count[*packets.PubackPacket](p) != 120 {
			t.Errorf("%d strays, %d acknowledged", c.Stray(), count[*packets.PubackPacket](p))
		}
		c.Close()
		p.wg.Wait()
	})
}

func TestLimitsAreCheckedBeforeSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		c := mustDial(t, p)
		for name, err := range map[string]error{
			"payload":  c.Publish(t.Context(), "t", 1, make([]byte, wire.MaxPayload+1)),
			"slashes":  c.Publish(t.Context(), strings.Repeat("a/", 8)+"a", 1, nil),
			"wildcard": c.Publish(t.Context(), "a/+", 1, nil),
			"qos":      c.Publish(t.Context(), "t", 2, nil),
			"filter":   c.Subscribe(t.Context(), func(string, []byte) {}, strings.Repeat("a/", 8)+"a"),
		} {
			if !errors.Is(err, wire.ErrLimit) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := count[*packets.PublishPacket](p) + count[*packets.SubscribePacket](p); n != 0 {
			t.Errorf("%d packets were sent all the same", n)
		}
		c.Close()
		p.wg.Wait()
	})
}

func TestRateIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		cfg := p.config()
		cfg.MessageRate = 50
		c, err := Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 510 { // 10 are the burst
			if err := c.Publish(t.Context(), "t", 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d < 9900*time.Millisecond || d > 10100*time.Millisecond {
			t.Errorf("510 messages took %v at 50/s", d)
		}
		c.Close()
		p.wg.Wait()
	})
}

// refuses answers CONNECT with a code.
func refuses(code byte) func(*side, packets.ControlPacket) bool {
	return func(s *side, _ packets.ControlPacket) bool {
		a := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
		a.ReturnCode = code
		s.write(a)
		return false
	}
}

func TestDialGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		react   func(*side, packets.ControlPacket) bool
		after   time.Duration
		refused bool
	}{
		"refused":             {refuses(5), 0, true},
		"refused as AWS does": {refuses(7), 0, true}, // paho knows no such code
		"hangs up":            {func(*side, packets.ControlPacket) bool { return false }, 0, true},
		"silent":              {func(*side, packets.ControlPacket) bool { return true }, ConnectTimeout, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t)
				p.react = tc.react
				start := time.Now()
				c, err := Dial(t.Context(), p.config())
				if err == nil {
					c.Close()
					t.Fatal("connected")
				}
				if d := time.Since(start); d != tc.after || errors.Is(err, ErrRefused) != tc.refused {
					t.Errorf("gave up after %v: %v", d, err)
				}
				p.wg.Wait() // the transport is closed
				if n := len(p.times()); n != 1 {
					t.Errorf("%d CONNECTs for one attempt", n)
				}
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t)
			p.react = func(*side, packets.ControlPacket) bool { return true }
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := Dial(ctx, p.config()); err == nil {
				t.Fatal("connected")
			}
			p.wg.Wait()
		})
	})
}

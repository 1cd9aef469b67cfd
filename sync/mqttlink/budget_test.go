package mqttlink

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"fountain/sync/wire"
)

func dialWith(t *testing.T, p *peer, change func(*Config)) *Conn {
	t.Helper()
	cfg := p.config()
	change(&cfg)
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Bulk takes all there is when nobody else wants it, and an urgent message goes at once all the same.
func TestUrgentPassesBulk(t *testing.T) {
	for name, cfg := range map[string]struct {
		messages, bytes float64
		size            int
	}{"by messages": {50, 1e9, 10}, "by bytes": {1e6, 100 * 1024, 5000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t)
				c := dialWith(t, p, func(c *Config) { c.MessageRate, c.ByteRate = cfg.messages, cfg.bytes })
				stop := make(chan struct{})
				var sent atomic.Int64
				start := time.Now()
				p.wg.Go(func() {
					bulk := c.Bulk()
					for {
						select {
						case <-stop:
							return
						default:
							if <-bulk.Send(t.Context(), "b", 1, make([]byte, cfg.size)) != nil {
								return // closed
							}
							sent.Add(1)
						}
					}
				})
				var worst time.Duration
				for range 60 {
					time.Sleep(time.Second)
					at := time.Now()
					if err := c.Publish(t.Context(), "u", 1, []byte("x")); err != nil {
						t.Fatal(err)
					}
					worst = max(worst, time.Since(at))
				}
				took := time.Since(start).Seconds()
				rate := float64(sent.Load()+60) / took
				close(stop)
				c.Close()
				p.wg.Wait()
				if worst != 0 {
					t.Errorf("an urgent message waited %v behind bulk", worst)
				}
				want := min(cfg.messages, cfg.bytes/float64(cfg.size+1))
				if rate < 0.95*want || rate > 1.1*want { // the urgent ones have few bytes
					t.Errorf("%.1f messages/s of %.1f", rate, want)
				}
			})
		})
	}
}

// What the service sends counts, too.
func TestBudgetCountsBothDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		c := dialWith(t, p, func(c *Config) { c.MessageRate = 50 })
		if err := c.Subscribe(t.Context(), func(string, []byte) {}, "in"); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		to := p.sides[0]
		p.mu.Unlock()
		const each = 20 // messages a second from the service
		start := time.Now()
		sent := 0
		for time.Since(start) < 30*time.Second {
			for i := range each {
				topic := []string{"in", "nobody"}[i%2]
				to.publish(topic, uint16(i+1), "x")
			}
			for end := time.Now().Add(time.Second); time.Now().Before(end); {
				if err := <-c.Bulk().Send(t.Context(), "out", 1, nil); err != nil {
					t.Fatal(err)
				}
				sent++
			}
		}
		if rate := float64(sent) / time.Since(start).Seconds(); rate < 28 || rate > 31 {
			t.Errorf("%.1f messages/s beside %d that arrive, 50 in all", rate, each)
		}
		c.Close()
		p.wg.Wait()
	})
}

// In no second more goes out than AWS takes.
func TestNoSecondIsAboveTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		var at []time.Time
		p.react = func(s *side, cp packets.ControlPacket) bool {
			if _, ok := cp.(*packets.PublishPacket); ok {
				at = append(at, time.Now())
			}
			s.polite(cp)
			return true
		}
		c := dialWith(t, p, func(c *Config) { c.MessageRate, c.ByteRate = 0, 0 }) // the defaults
		time.Sleep(10 * time.Second)
		for range 500 {
			if err := c.Publish(t.Context(), "t", 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		p.wg.Wait()
		for i, j := 0, 0; j < len(at); j++ {
			for at[j].Sub(at[i]) >= time.Second {
				i++
			}
			if n := j - i + 1; n > wire.MaxMessageRate {
				t.Fatalf("%d messages within a second", n)
			}
		}
	})
}

func TestSubscriptionsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		c := mustDial(t, p)
		var filters []string
		for i := range MaxSubscriptions {
			filters = append(filters, fmt.Sprintf("f/%d", i))
		}
		if err := c.Subscribe(t.Context(), func(string, []byte) {}, filters...); err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(t.Context(), func(string, []byte) {}, filters[0]); err != nil {
			t.Errorf("one it has already: %v", err)
		}
		before := count[*packets.SubscribePacket](p)
		if err := c.Subscribe(t.Context(), func(string, []byte) {}, "one/more"); !errors.Is(err, wire.ErrLimit) {
			t.Errorf("one more: %v", err)
		}
		if n := count[*packets.SubscribePacket](p); n != before {
			t.Error("it was sent all the same")
		}
		c.Close()
		p.wg.Wait()
	})
}

// What a unit uses fits, and every filter and topic is within the limits for the longest names.
func TestAUnitFitsTheLimits(t *testing.T) {
	thing := fmt.Sprintf("fountain-%0119d", 1)
	topics := wire.UnitTopics("fountain_consumption", thing)
	if n := len(topics.Subscribe); n > MaxSubscriptions {
		t.Errorf("%d subscriptions", n)
	}
	for _, f := range topics.Subscribe {
		if err := wire.CheckFilter(f); err != nil {
			t.Error(err)
		}
	}
}

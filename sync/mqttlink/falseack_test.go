package mqttlink

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A service that drops TCP when the packet at the boundary arrives, without an answer, and acknowledges nothing from
// then on: what does the sender believe was acknowledged?
type dropping struct {
	*peer
	boundary int // packet of the first connection at which it hangs up: 1 is CONNECT, then the messages
	mended   bool

	mu    sync.Mutex
	acked map[string]bool
	heard map[string]int
}

const messagesSent = 6

func newDropping(t *testing.T, boundary int) *dropping {
	d := &dropping{peer: newPeer(t), boundary: boundary, acked: map[string]bool{}, heard: map[string]int{}}
	seen := 0
	d.react = func(s *side, cp packets.ControlPacket) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		m, isMessage := cp.(*packets.PublishPacket)
		if isMessage {
			d.heard[string(m.Payload)]++
		}
		if s.n == 1 {
			if seen++; seen == d.boundary {
				return false
			}
		} else if isMessage && !d.mended {
			return true
		}
		if isMessage {
			d.acked[string(m.Payload)] = true
		}
		s.polite(cp)
		return true
	}
	return d
}

// falsely counts what is believed acknowledged and was not.
func (d *dropping) falsely(believed map[string]bool) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for m := range believed {
		if !d.acked[m] {
			n++
		}
	}
	return n
}

// TestFalseAcknowledgement shows at every packet boundary what paho's defaults do, which is why none of them is used,
// and that a Link under the same fault takes no message for acknowledged that was not (spec/awsiot.md 11).
func TestFalseAcknowledgement(t *testing.T) {
	for boundary := 2; boundary <= 1+messagesSent; boundary++ {
		t.Run(fmt.Sprintf("packet %d", boundary), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDropping(t, boundary)
				believed := byPahosDefaults(t, d)
				if n := d.falsely(believed); n != 1 || len(believed) != boundary-1 {
					t.Errorf("paho's defaults: %d messages reported as delivered, %d of them falsely, want the one at the boundary: has it been mended?", len(believed), n)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				d := newDropping(t, boundary)
				believed, all := byLink(t, d)
				if n := d.falsely(believed); n != 0 {
					t.Errorf("a link: %d messages believed, %d of them falsely", len(believed), n)
				}
				if n := d.falsely(all); n != 0 || len(all) != messagesSent {
					t.Errorf("in the end %d of %d arrived, %d of them falsely", len(all), messagesSent, n)
				}
			})
		})
	}
}

// byPahosDefaults sends messages one after the other as paho's documentation says, until the line drops, and returns
// those whose token says success. (It races with itself on what is sent while it reconnects, too.)
func byPahosDefaults(t *testing.T, d *dropping) map[string]bool {
	o := mqtt.NewClientOptions().AddBroker("tcp://cloud.test:8883").SetClientID("unit-1")
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return d.dial(t.Context(), "", "") })
	c := mqtt.NewClient(o)
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	tokens := map[string]mqtt.Token{}
	for i := range d.boundary - 1 {
		m := fmt.Sprint(i)
		tokens[m] = c.Publish("t", 1, false, m)
		synctest.Wait() // answered, or the line is dead
	}
	time.Sleep(10 * time.Second)
	believed := map[string]bool{}
	for m, token := range tokens {
		select {
		case <-token.Done():
			if token.Error() == nil {
				believed[m] = true
			}
		default:
		}
	}
	c.Disconnect(0)
	d.wg.Wait()
	return believed
}

// byLink does the same with a Link and an outbox, and returns what was believed before the service was mended and in
// the end.
func byLink(t *testing.T, d *dropping) (before, end map[string]bool) {
	l, err := New(d.config())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	end = map[string]bool{}
	l.Handle("outbox", func(ctx context.Context, c *Conn) error {
		results := make([]<-chan error, messagesSent)
		for i := range messagesSent {
			m := fmt.Sprint(i)
			mu.Lock()
			done := end[m]
			mu.Unlock()
			if !done {
				results[i] = c.Send(ctx, "t", 1, []byte(m))
			}
		}
		var failed error
		for i, r := range results {
			if r == nil {
				continue
			}
			if err := <-r; err != nil {
				failed = err
				continue
			}
			mu.Lock()
			end[fmt.Sprint(i)] = true
			mu.Unlock()
		}
		if failed != nil {
			return failed
		}
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	time.Sleep(10 * time.Minute) // of connections on which nothing is acknowledged
	mu.Lock()
	before = map[string]bool{}
	for m := range end {
		before[m] = true
	}
	mu.Unlock()
	d.mu.Lock()
	d.mended = true
	d.mu.Unlock()
	time.Sleep(10 * time.Minute)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	d.wg.Wait()
	return before, end
}

package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func startLink(t *testing.T, p *peer, sessions ...Session) (*Link, func()) {
	t.Helper()
	l, err := New(p.config())
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sessions {
		l.Handle(fmt.Sprintf("s%d", i), s)
	}
	return l, run(t, p, l)
}

// run lets a link run until the function it returns is called.
func run(t *testing.T, p *peer, l *Link) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		p.wg.Wait()
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.refuse = errors.New("no route")
		start := time.Now()
		l, stop := startLink(t, p)
		time.Sleep(2 * time.Hour)
		if s := l.State(); s.Phase != Offline || s.LastErr == "" {
			t.Errorf("state %+v", s)
		}
		stop()
		at := p.times()
		if d := at[0].Sub(start); d != 0 {
			t.Errorf("first attempt after %v", d)
		}
		var sum time.Duration
		ceiling := BackoffMin
		for i := 1; i < len(at); i++ {
			gap := at[i].Sub(at[i-1])
			if gap < ConnectGap || gap > max(ceiling, ConnectGap) {
				t.Errorf("gap %d is %v, ceiling %v", i, gap, ceiling)
			}
			ceiling = min(2*ceiling, BackoffMax)
			sum += gap
		}
		mean := sum / time.Duration(len(at)-1)
		if mean < 35*time.Second || mean > 85*time.Second { // half of 128 s
			t.Errorf("mean gap %v over %d attempts", mean, len(at))
		}
	})
}

// TestBackoffStartsAnewOnlyAfterAMinuteUp: a connection that fails is tried again for ever. Peers: for reef-pi the first failure was final.
func TestBackoffStartsAnewOnlyAfterAMinuteUp(t *testing.T) {
	for name, tc := range map[string]struct {
		up    time.Duration
		reset bool
	}{"59 s": {59 * time.Second, false}, "61 s": {61 * time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t)
				var ceilings []time.Duration
				l, err := New(p.config())
				if err != nil {
					t.Fatal(err)
				}
				l.jitter = func(most time.Duration) time.Duration { ceilings = append(ceilings, most); return 0 }
				l.Handle("s", func(ctx context.Context, _ *Conn) error {
					select {
					case <-time.After(tc.up):
						return errors.New("enough")
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				if err := l.Run(ctx); err != nil {
					t.Fatal(err)
				}
				p.wg.Wait()
				for i, c := range ceilings[1:] {
					if grew := c > BackoffMin; grew == tc.reset {
						t.Errorf("ceiling %d is %v", i+1, c)
					}
				}
				if p.most != 1 {
					t.Errorf("%d clients alive at once", p.most)
				}
			})
		})
	}
}

// TestRefusals: attempts that the service itself refuses are counted as long as nothing else happens.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		var takes atomic.Bool
		p.react = func(s *side, cp packets.ControlPacket) bool {
			if takes.Load() {
				s.polite(cp)
				return true
			}
			return refuses(5)(s, cp)
		}
		l, stop := startLink(t, p)
		time.Sleep(time.Minute)
		if s := l.State(); s.Refused < 3 || uint64(s.Refused) != s.Connects {
			t.Errorf("%d refusals of %d", s.Refused, s.Connects)
		}
		p.set("cloud.test:8883", true)
		time.Sleep(10 * time.Minute)
		if n := l.State().Refused; n != 0 {
			t.Errorf("%d refusals by a service that does not answer", n)
		}
		p.set("cloud.test:8883", false)
		time.Sleep(10 * time.Minute)
		if n := l.State().Refused; n < 3 {
			t.Errorf("%d refusals", n)
		}
		takes.Store(true)
		time.Sleep(10 * time.Minute)
		if s := l.State(); s.Phase != Online || s.Refused != 0 {
			t.Errorf("%+v", s)
		}
		stop()
	})
}

func TestSessionsRunOnEveryConnectionAndAFailureEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		var done, failing, cancelled atomic.Int32
		l, stop := startLink(t, p,
			func(context.Context, *Conn) error { done.Add(1); return nil }, // finished work leaves the others alone
			func(ctx context.Context, _ *Conn) error {
				if failing.Add(1) <= 3 {
					time.Sleep(time.Second)
					return errors.New("no good")
				}
				<-ctx.Done()
				return ctx.Err()
			},
			func(ctx context.Context, _ *Conn) error { <-ctx.Done(); cancelled.Add(1); return ctx.Err() },
		)
		time.Sleep(5 * time.Minute)
		if s := l.State(); s.Phase != Online || s.Connects != 4 || s.LastErr != "s1: no good" {
			t.Errorf("state %+v", s)
		}
		if done.Load() != 4 || cancelled.Load() != 3 {
			t.Errorf("%d done, %d cancelled", done.Load(), cancelled.Load())
		}
		stop()
		if p.most != 1 {
			t.Errorf("%d clients alive at once", p.most)
		}
	})
}

// A small outbox over a service that drops TCP after a random number of packets: everything arrives, and nothing is
// taken off the outbox that was not acknowledged.
// Peers: reef-pi publishes at QoS 0 and waits for nothing.
func TestOutboxOverADroppingService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(20261123, 1))
		p := newPeer(t)
		left := rng.IntN(12)
		acked := make(map[string]int)
		p.react = func(s *side, cp packets.ControlPacket) bool {
			if left--; left < 0 {
				left = rng.IntN(12)
				return false
			}
			if m, ok := cp.(*packets.PublishPacket); ok {
				acked[string(m.Payload)]++
			}
			s.polite(cp)
			return true
		}
		const total = 100
		next := 0
		finished := make(chan struct{})
		_, stop := startLink(t, p, func(ctx context.Context, c *Conn) error {
			for next < total {
				if err := c.Publish(ctx, "t", 1, fmt.Appendf(nil, "%d", next)); err != nil {
					return err
				}
				if acked[fmt.Sprint(next)] == 0 {
					t.Errorf("message %d was never acknowledged", next)
				}
				next++
			}
			close(finished)
			<-ctx.Done()
			return ctx.Err()
		})
		<-finished
		stop()
		if p.most != 1 {
			t.Errorf("%d clients alive at once", p.most)
		}
		at := p.times()
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < ConnectGap {
				t.Errorf("CONNECTs %v apart", gap)
			}
		}
	})
}

package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Three endpoints, best first.
const first, second, third = "a.test:8883", "b.test:8883", "c.test:8883"

func ranked(t *testing.T, p *peer, change func(*Config)) (*Link, func()) {
	t.Helper()
	cfg := p.config()
	cfg.Addrs = []string{first, second, third}
	if change != nil {
		change(&cfg)
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.jitter = func(most time.Duration) time.Duration { return most - 1 }
	l.Handle("idle", func(ctx context.Context, c *Conn) error {
		select {
		case <-c.Lost():
			return errors.New("nobody answers") // a session has words of its own for it
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	stop := run(t, p, l)
	return l, func() {
		stop()
		if p.most > 1 {
			t.Errorf("%d connections at once", p.most)
		}
		at := p.times()
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < ConnectGap {
				t.Errorf("CONNECTs %v apart", gap)
			}
		}
	}
}

func on(t *testing.T, l *Link, addr string) {
	t.Helper()
	if s := l.State(); s.Phase != Online || s.Addr != addr {
		t.Errorf("%s on %s, want online on %s (%s)", s.Phase, s.Addr, addr, s.LastErr)
	}
}

func TestFailoverAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.set(first, true)
		l, stop := ranked(t, p, nil)
		time.Sleep(time.Minute)
		on(t, l, second)
		if got := p.asked(); fmt.Sprint(got) != fmt.Sprint([]string{first, first, first, second}) {
			t.Errorf("dialled %v", got)
		}
		// The better one stays away: it is looked for, and the connection lives on.
		time.Sleep(3 * ReturnAfter)
		on(t, l, second)
		if n := l.State().Connects; n != 4 {
			t.Errorf("%d CONNECTs", n)
		}
		if got := p.asked(); len(got) < 2 || slices.Contains(got, second) || slices.Contains(got, third) {
			t.Errorf("looked for %v", got)
		}
		p.set(first, false)
		time.Sleep(2 * ReturnAfter)
		on(t, l, first)
		// Both better ones fail, then come back: the best is taken.
		p.set(first, true)
		p.set(second, true)
		cut(p)
		time.Sleep(5 * time.Minute)
		on(t, l, third)
		p.set(first, false)
		p.set(second, false)
		time.Sleep(2 * ReturnAfter)
		on(t, l, first)
		p.mu.Lock()
		p.most = 1 // a look is a second transport for a moment, never a second client
		p.mu.Unlock()
		stop()
	})
}

// cut ends every connection from the service's side.
func cut(p *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sides {
		_ = s.conn.Close()
	}
}

// A better endpoint that answers but takes no client: the link goes back to the one that works after one attempt, and
// asks less and less often.
func TestReturnDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.react = func(s *side, cp packets.ControlPacket) bool {
			if _, ok := cp.(*packets.ConnectPacket); ok && s.addr == first {
				return false
			}
			s.polite(cp)
			return true
		}
		l, stop := ranked(t, p, nil)
		time.Sleep(24 * time.Hour)
		on(t, l, second)
		tries := 0
		for _, a := range p.asked() {
			if a == first {
				tries++
			}
		}
		if tries > 3+2*8 { // three at the start, then a look and an attempt each, 30 min, 1 h, 2 h … 8 h apart
			t.Errorf("%d attempts in a day", tries)
		}
		p.mu.Lock()
		p.most = 1
		p.connects = nil // looks are no CONNECTs
		p.mu.Unlock()
		stop()
	})
}

// An endpoint that takes every client and drops it soon is left after a while.
func TestShortConnectionsFailOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		var l *Link
		l, stop := ranked(t, p, func(c *Config) {
			c.Log = nil
		})
		for range FailoverShort {
			for l.State().Phase != Online {
				<-l.Changed()
			}
			if a := l.State().Addr; a != first {
				t.Fatalf("on %s", a)
			}
			time.Sleep(time.Second)
			cut(p)
			synctest.Wait()
		}
		time.Sleep(BackoffMax)
		on(t, l, second)
		stop()
	})
}

func TestTry(t *testing.T) {
	const region = "new.test:443"
	for name, tc := range map[string]struct {
		list   []string
		react  func(s *side, cp packets.ControlPacket) bool
		want   string
		within time.Duration
	}{
		"works":            {[]string{region}, nil, region, TrialProof + 2*time.Second},
		"second works":     {[]string{"gone.test:8883", region}, nil, region, time.Minute},
		"none answers":     {[]string{"gone.test:8883"}, nil, first, time.Minute},
		"refuses sessions": {[]string{region}, func(s *side, cp packets.ControlPacket) bool { s.polite(cp); return s.addr != region }, first, time.Minute},
		"dies soon": {[]string{region}, func(s *side, cp packets.ControlPacket) bool {
			s.polite(cp)
			if s.addr == region {
				time.AfterFunc(TrialProof-time.Second, func() { _ = s.conn.Close() })
			}
			return true
		}, first, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t)
				p.set("gone.test:8883", true)
				if tc.react != nil {
					p.react = tc.react
				}
				l, stop := ranked(t, p, nil)
				time.Sleep(time.Minute)
				on(t, l, first)
				start := time.Now()
				err := l.Try(t.Context(), tc.list)
				if took := time.Since(start); took > tc.within {
					t.Errorf("decided after %v", took)
				}
				if works := tc.want == region; works != (err == nil) || !works && !errors.Is(err, ErrTrial) {
					t.Errorf("Try: %v", err)
				}
				time.Sleep(time.Minute)
				on(t, l, tc.want)
				if s := l.State(); (tc.want == region) != slices.Equal(s.Addrs, tc.list) {
					t.Errorf("endpoints %v", s.Addrs)
				}
				cut(p) // what was decided holds for the next connection
				time.Sleep(time.Minute)
				on(t, l, tc.want)
				stop()
			})
		})
	}
}

// A trial while offline starts at once, one at a time, and ends with the link.
func TestTryOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.refuse = errors.New("no route")
		l, stop := ranked(t, p, nil)
		time.Sleep(time.Hour) // the backoff is long now
		p.asked()
		done := make(chan error, 1)
		go func() { done <- l.Try(t.Context(), []string{"x.test:1"}) }()
		time.Sleep(ConnectGap + time.Second)
		if got := p.asked(); !slices.Contains(got, "x.test:1") {
			t.Errorf("dialled %v", got)
		}
		if err := l.Try(t.Context(), []string{"y.test:1"}); !errors.Is(err, errBusy) {
			t.Errorf("a second trial: %v", err)
		}
		if err := <-done; !errors.Is(err, ErrTrial) {
			t.Errorf("Try: %v", err)
		}
		go func() { done <- l.Try(t.Context(), []string{"x.test:1", "y.test:1", "z.test:1"}) }()
		time.Sleep(ConnectGap)
		stop()
		if err := <-done; err == nil {
			t.Error("a link that ended has adopted")
		}
		if err := l.Try(t.Context(), []string{"no port"}); err == nil {
			t.Error("a bad list was taken")
		}
	})
}

// Units that were dropped together come back spread out; so does nobody who was dropped soon, for whom the backoff is.
func TestMassDropIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		var most []time.Duration
		l, stop := ranked(t, p, nil)
		time.Sleep(30 * time.Second)
		l.jitter = func(m time.Duration) time.Duration { most = append(most, m); return m / 2 }
		cut(p)
		time.Sleep(2 * time.Minute)
		before := time.Now()
		cut(p)
		for l.State().Connects < 3 {
			<-l.Changed()
		}
		if fmt.Sprint(most) != fmt.Sprint([]time.Duration{BackoffMin, 15 * time.Second}) {
			t.Errorf("spread over %v", most)
		}
		if d := time.Since(before); d != ConnectGap+15*time.Second/2 {
			t.Errorf("back after %v", d)
		}
		stop()
	})
}

func TestParseAddrs(t *testing.T) {
	got, err := ParseAddrs(" a:1, b:443 ,c:8883,")
	if err != nil || fmt.Sprint(got) != "[a:1 b:443 c:8883]" {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"", ",", "a", "a:", ":1", "a:1,b"} {
		if got, err := ParseAddrs(bad); err == nil {
			t.Errorf("%q gave %v", bad, got)
		}
	}
}

// A list that is asked for while the connection dies is tried all the same: who asked must not wait for ever.
func TestTryWhileTheConnectionDies(t *testing.T) {
	const region = "new.test:443"
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		l, err := New(p.config())
		if err != nil {
			t.Fatal(err)
		}
		l.Handle("slow to end", func(ctx context.Context, c *Conn) error {
			<-ctx.Done()
			if l.State().Addr != region {
				cut(p)
				<-c.Lost()
			}
			return ctx.Err()
		})
		stop := run(t, p, l)
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Try(ctx, []string{region}); err != nil {
			t.Error(err)
		}
		on(t, l, region)
		stop()
	})
}

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/store"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// spoken is a ledger whose writer is the test.
type spoken struct{ desired chan json.RawMessage }

func (spoken) Get(context.Context) (*wire.ShadowDocument, error) {
	return nil, &wire.ShadowError{Code: wire.ShadowNotFound}
}
func (spoken) Report(context.Context, any) error { return nil }
func (s spoken) Next(ctx context.Context) (json.RawMessage, error) {
	select {
	case d := <-s.desired:
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *peer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got)
}

// A backlog waits while a pour is active and goes on after it; what the cloud says meanwhile is heard at once.
func TestDrainYieldsToAPour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := draining(t, store.Options{})
		c.a.cfg.Config.Sync.DrainRate = 10
		var pouring atomic.Pointer[chan struct{}]
		c.a.yield = yield{func(ctx context.Context) error {
			if over := pouring.Load(); over != nil {
				select {
				case <-*over:
				case <-ctx.Done():
				}
			}
			return ctx.Err()
		}}
		led := spoken{desired: make(chan json.RawMessage)}
		p := &peer{lost: make(chan struct{})}
		connect := func() (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.serve(ctx, p, func() (uplink.Shadow, error) { return led, nil }) }()
			return func() { cancel(); <-done }
		}
		c.keep(t, 3, "first")
		stop := connect()
		time.Sleep(2 * time.Second)
		if !p.has("first") {
			t.Fatal("nothing goes up at rest")
		}
		stop() // offline, and much to say afterwards
		c.keep(t, 200, "backlog "+strings.Repeat("x", 400))

		over := make(chan struct{}) // a pour begins
		pouring.Store(&over)
		before := p.count()
		stop = connect()
		time.Sleep(30 * time.Second)
		if n := p.count() - before; n > 0 {
			t.Errorf("%d messages during a pour", n)
		}
		log := c.a.store.Log()
		led.desired <- json.RawMessage(`{"ack":{"` + log + `":{"upto":2}}}`)
		time.Sleep(time.Second)
		if got := c.source(log).Acked(); got != 2 {
			t.Errorf("acknowledged up to %d during the pour, want 2", got)
		}

		close(over) // it ends
		time.Sleep(time.Minute)
		if n := p.count() - before; n < 10 {
			t.Errorf("%d messages after the pour", n)
		}
		stop()
	})
}

// The daily verification stands still while a pour is active, and finishes after it.
func TestVerifyYieldsToAPour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pouring := make(chan struct{})
		asked := 0
		c := draining(t, store.Options{SegmentCount: 50, Yield: func(ctx context.Context) error {
			asked++
			select {
			case <-pouring:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		c.keep(t, 300, "x")
		done := make(chan error, 1)
		go func() { done <- c.a.store.Verify(t.Context()) }()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		c.keep(t, 1, "a pour's own record") // is never held
		close(pouring)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if asked < 5 {
			t.Errorf("it asked %d times", asked)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.a.store.Verify(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// Quiet is shut from the start of a pour to its record.
func TestQuietFollowsTheMachine(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		if err := v.a.Quiet(context.Background()); err != nil {
			t.Fatal(err)
		}
		p, err := v.start(v.some(still, "", ""), 300_000)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		busy := make(chan bool, 1)
		v.leases.Go(func() {
			err := v.a.Quiet(context.Background())
			now, perr := v.a.view.Pour(p.ID)
			busy <- err != nil || perr != nil || now.Seq == 0 || v.a.machine.Busy()
		})
		v.over(p)
		time.Sleep(time.Second)
		select {
		case early := <-busy:
			if early {
				t.Error("it goes on before the pour is recorded")
			}
		default:
			t.Error("it waits for longer than the pour takes")
		}
	})
}

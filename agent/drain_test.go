package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/config"
	"fountain/agent/store"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// draining is an agent with nothing but a store and what brings it up.
func draining(t *testing.T, o store.Options) *cloud {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "pours"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	a := &Agent{
		cfg: Config{State: dir, Config: &config.Config{Sync: config.Sync{Rule: "pours", Linger: 10 * time.Millisecond, LedgerInterval: time.Minute}}},
		log: slog.New(slog.NewTextHandler(t.Output(), nil)), board: alarm.New(nil), store: s, yield: yield{func(ctx context.Context) error { return ctx.Err() }},
		serial: "T",
	}
	thing := ThingPrefix + a.serial
	a.thing.Store(&thing)
	a.present.Store(a.cfg.Config)
	return newCloud(a)
}

// keep stores n records.
func (c *cloud) keep(t *testing.T, n int, mark string) {
	t.Helper()
	for range n {
		_, err := c.a.store.Append(t.Context(), "", func(log string, seq uint64) ([]byte, error) {
			return fmt.Appendf(nil, `{"log":%q,"seq":%d,"mark":%q}`, log, seq, mark), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.appended(c.a.store.Log())
	}
}

// peer is one connection to a cloud that hangs up on every message with "poison" in it.
type peer struct {
	mu   sync.Mutex
	got  [][]byte
	lost chan struct{}
}

type hungUp struct{}

func (hungUp) Error() string { return "the peer closed" }
func (hungUp) HungUp() bool  { return true }

func (p *peer) Lost() <-chan struct{} { return p.lost }

func (p *peer) Send(_ context.Context, _ string, _ byte, payload []byte) <-chan error {
	out := make(chan error, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Contains(payload, []byte("poison")) {
		close(p.lost)
		out <- hungUp{}
		return out
	}
	p.got = append(p.got, payload)
	out <- nil
	return out
}

func (p *peer) has(mark string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.got {
		if bytes.Contains(b, []byte(mark)) {
			return true
		}
	}
	return false
}

// silent is a ledger nobody writes.
type silent struct{}

func (silent) Get(context.Context) (*wire.ShadowDocument, error) {
	return nil, &wire.ShadowError{Code: wire.ShadowNotFound}
}
func (silent) Report(context.Context, any) error { return nil }
func (silent) Next(ctx context.Context) (json.RawMessage, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func reader() (uplink.Shadow, error) { return silent{}, nil }

// A record the cloud hangs up on is found over several connections and set aside; so what is known of it has to
// outlive them. After a restart it is not offered again.
func TestPoisonIsFoundOverConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := draining(t, store.Options{})
		c.keep(t, 3, "good")
		c.keep(t, 1, "poison")
		c.keep(t, 3, "late")
		late := false
		for range 40 {
			p := &peer{lost: make(chan struct{})}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := c.serve(ctx, p, reader)
			cancel()
			if late = p.has("late"); errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
		rejects := c.a.store.Rejects()
		if len(rejects) != 1 || rejects[0].Seq != 4 || !late {
			t.Fatalf("set aside %+v; what follows arrived: %v", rejects, late)
		}
		again := newCloud(c.a) // the next process
		got, err := again.source(c.a.store.Log()).Read(3, 3, 1<<20)
		if err != nil || len(got) != 2 || got[0].Seq != 3 || got[1].Seq != 5 {
			t.Errorf("read %+v, %v", got, err)
		}
		p := &peer{lost: make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := again.serve(ctx, p, reader); !errors.Is(err, context.DeadlineExceeded) || !p.has("late") {
			t.Errorf("after a restart: %v", err)
		}
	})
}

// Rejected records at the end leave nothing to read; more rejected ones than one read takes are passed over.
func TestRejectedAreNotOffered(t *testing.T) {
	c := draining(t, store.Options{})
	c.keep(t, 20, "x")
	log := c.a.store.Log()
	for seq := uint64(3); seq <= 18; seq++ {
		if err := c.source(log).Quarantine(seq, "test", nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.source(log).Read(3, 4, 1<<20)
	if err != nil || len(got) != 2 || got[0].Seq != 19 || got[1].Seq != 20 {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, seq := range []uint64{19, 20} {
		if err := c.source(log).Quarantine(seq, "test", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := newCloud(c.a).source(log).Read(3, 4, 1<<20); err != nil || len(got) != 0 {
		t.Errorf("read %+v, %v, want nothing", got, err)
	}
}

// Damage makes the store begin a new log while the unit is connected: its pours go up over the same connection.
func TestNewLogGoesUpOverTheSameConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := draining(t, store.Options{SegmentCount: 2})
		c.keep(t, 3, "old")
		first := c.a.store.Log()
		segs, err := filepath.Glob(filepath.Join(c.a.cfg.State, "pours", "seg-*.db"))
		if err != nil || len(segs) != 2 {
			t.Fatalf("segments %v, %v", segs, err)
		}
		if err := os.WriteFile(segs[0], []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &peer{lost: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.serve(ctx, p, reader) }()
		time.Sleep(time.Second)
		if c.a.store.Log() == first {
			t.Error("the damage was not found")
		}
		c.keep(t, 1, "new")
		time.Sleep(2 * judgeEvery)
		if !p.has("new") {
			t.Error("the pour of the new log waits for the next connection")
		}
		cancel()
		<-done
	})
}

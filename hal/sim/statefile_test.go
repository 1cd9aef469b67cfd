package sim

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fountain/hal"
	"fountain/internal/problem"
)

// pourLive lets water flow for a while on a live plant and waits until all is still.
func pourLive(t *testing.T, p *Plant) {
	t.Helper()
	b := &bench{p: p}
	var err error
	b.guard, err = p.Open(hal.OwnerGuard)
	must(t, err)
	b.agent, err = p.Open(hal.OwnerAgent)
	must(t, err)
	b.master, b.still = mustBit(t, b.guard, hal.Master), mustBit(t, b.agent, "still")
	b.open(t, b.still, 200*time.Millisecond)
	must(t, b.guard.Close())
	must(t, b.agent.Close())
}

func TestStateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plant.state")
	p := smallPlant(t, "small.yaml", true)
	w, err := NewStateWriter(p, path)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	pourLive(t, p)
	cancel()
	must(t, <-done)
	s, err := ReadState(path)
	must(t, err)
	if s.Cup.TotalUL < 5_000 || s.Cup.TotalUL != p.State().Cup.TotalUL || s.Master.ShutNS == 0 {
		t.Errorf("read %+v, plant has %+v", s.Cup, p.State().Cup)
	}

	t.Run("restore", func(t *testing.T) {
		next := smallPlant(t, "small.yaml", true)
		must(t, next.Restore(s))
		got := next.State()
		got.NowNS, s.NowNS = 0, 0
		got.Seed = s.Seed
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(s)
		if string(a) != string(b) {
			t.Errorf("restored\n%s\nwant\n%s", a, b)
		}
		pourLive(t, next)
		if now := next.State().Cup.TotalUL; now < s.Cup.TotalUL+5_000 {
			t.Errorf("cup %d µL after another pour into %d", now, s.Cup.TotalUL)
		}
		_, err := next.Open(hal.OwnerAgent)
		must(t, err)
		if next.Restore(s) == nil {
			t.Error("restored under the hands of an owner")
		}
	})
	t.Run("cut short", func(t *testing.T) {
		b, err := os.ReadFile(path)
		must(t, err)
		newest := int(w.seq%2) * statePlace
		b[newest+stateHead+20] ^= 1
		must(t, os.WriteFile(path, b, 0o644))
		old, err := ReadState(path)
		must(t, err)
		if old.NowNS == 0 || old.Cup.TotalUL < 5_000 {
			t.Errorf("the older place holds %+v", old.Cup)
		}
		b[statePlace-newest+stateHead+20] ^= 1
		must(t, os.WriteFile(path, b, 0o644))
		if _, err := ReadState(path); problem.From(err).Code != problem.CodeDamaged {
			t.Errorf("two damaged places: %v", err)
		}
	})
	if _, err := ReadState(path + "x"); problem.From(err).Code != problem.CodeNotFound {
		t.Errorf("no file: %v", err)
	}
	if _, err := NewStateWriter(p, filepath.Join(path, "x")); problem.From(err).Code != problem.CodeNotWritable {
		t.Errorf("unwritable: %v", err)
	}
}

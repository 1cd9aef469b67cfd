package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/guard"
	"fountain/agent/pour"
	"fountain/agent/store"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/sync/wire"
)

// bench is a whole unit in one process: plant, guard and agent, in real time, over real sockets.
type bench struct {
	t     *testing.T
	state string
	plant *sim.Plant
	cfg   *config.Config
	board string // file with the board's serial number; empty: this host's
	stood int    // pours that the host ended by standing still
}

func newBench(t *testing.T) *bench {
	t.Helper()
	state, err := os.MkdirTemp("", "fag") // short: a unix socket path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	plano, err := beverage.LoadPlanogram("", cat)
	if err != nil {
		t.Fatal(err)
	}
	var full []sim.Cartridge
	for _, s := range plano.Slots {
		full = append(full, sim.Cartridge{Slot: s.Slot, Ingredient: string(s.Ingredient), VolumeUL: int64(s.VolumeML * 1000)})
	}
	plant, err := sim.NewPlant(sim.Config{Quiet: true, Live: true, Cartridges: full})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, state: state, plant: plant, cfg: &config.Config{
		Unit: config.Unit{Serial: "T-1"}, API: config.API{Metrics: true}, Pour: config.Pour{MaxML: 900},
	}}
	b.guard()
	return b
}

func (b *bench) log(who string) *slog.Logger {
	return slog.New(slog.NewTextHandler(b.t.Output(), nil)).With("who", who)
}

func (b *bench) run() string { return filepath.Join(b.state, "run") }

// guard starts the guard; it ends with the test.
func (b *bench) guard() {
	b.t.Helper()
	rig, err := b.plant.Open(hal.OwnerGuard)
	if err != nil {
		b.t.Fatal(err)
	}
	beats, err := beat.Listen(filepath.Join(b.run(), beat.SocketName))
	if err != nil {
		b.t.Fatal(err)
	}
	last, err := beat.OpenLast(filepath.Join(b.run(), beat.LastName))
	if err != nil {
		b.t.Fatal(err)
	}
	g, err := guard.New(guard.Deps{Rig: rig, Pacer: b.plant.Pacer(), Beats: beats, Memory: last, Log: b.log("guard")}, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("guard: %v", err)
		}
		_ = beats.Close()
		_ = last.Close()
		_ = rig.Close()
	})
}

// agent starts an agent and waits until the unit is ready; stop ends it and is safe to call twice.
func (b *bench) agent() (c *api.Client, a *Agent, stop func()) {
	b.t.Helper()
	rig, err := b.plant.Open(hal.OwnerAgent)
	if err != nil {
		b.t.Fatal(err)
	}
	link, err := beat.Dial(filepath.Join(b.run(), beat.SocketName))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err = New(ctx, Config{State: b.state, Rig: RigSim, Config: b.cfg},
		Deps{Rig: rig, Pacer: b.plant.Pacer(), Guard: link, Board: b.board, Log: b.log("agent")})
	if err != nil {
		cancel()
		b.t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		b.t.Fatalf("run: %v", err)
	}
	c = api.NewClient(filepath.Join(b.run(), api.ServiceSocket))
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		c.Close()
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("run: %v", err)
		}
		_ = link.Close()
		_ = rig.Close()
	}
	b.t.Cleanup(stop)
	b.await("the unit is ready", func() bool {
		s, err := c.Snapshot(b.t.Context())
		return err == nil && s.Unit == api.UnitReady && len(s.Blocked) < len(a.menu.items)
	})
	return c, a, stop
}

// await waits for something another goroutine does; a minute is far beyond what it takes.
func (b *bench) await(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not in a minute: %s", what)
		}
	}
}

// shut asserts that no valve is left open: the agent's are shut now, MASTER as soon as the guard has heard of it.
func (b *bench) shut() {
	b.t.Helper()
	open := func(id string) bool {
		return slices.ContainsFunc(b.plant.State().Valves, func(v sim.ValveState) bool { return v.ID == id && v.Commanded })
	}
	for _, v := range b.plant.State().Valves {
		if v.ID != hal.Master && open(v.ID) {
			b.t.Errorf("valve %s is open", v.ID)
		}
	}
	b.await("MASTER shut", func() bool { return !open(hal.Master) })
}

// records reads everything the store holds.
func (b *bench) records() []*wire.Record {
	b.t.Helper()
	s, err := store.Open(filepath.Join(b.state, "pours"), store.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.Close()
	var out []*wire.Record
	entries, err := s.Read(1, 1000, 1<<20)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		r, err := wire.DecodeRecord(e.Body)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.Log != e.Log || r.Seq != e.Seq {
			b.t.Errorf("record says %s/%d, stored at %s/%d", r.Log, r.Seq, e.Log, e.Seq)
		}
		out = append(out, r)
	}
	return out
}

// someBeverage is the first still one that can be poured.
func someBeverage(t *testing.T, c *api.Client) beverage.ID {
	t.Helper()
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Favourites) == 0 {
		t.Fatal("nothing can be poured")
	}
	return s.Favourites[0]
}

// hostStalled tells whether a pour ended because the host did not run somebody for more than 100 ms: then everything
// shuts, as it must.
func hostStalled(reason string) bool {
	return slices.Contains([]string{pour.ReasonLoopGap, pour.ReasonGuardGone, pour.ReasonLeaseLost}, reason)
}

// flowing beats until water flows; false: the host stood still, and the pour has ended.
func (b *bench) flowing(c *api.Client, id string, beat func() error) bool {
	b.t.Helper()
	var now api.Pour
	b.await("water flows", func() bool {
		sent := beat()
		var err error
		if now, err = c.Pour(b.t.Context(), id); err != nil {
			return false
		}
		if now.Phase == api.PhaseDone && !hostStalled(now.Reason) {
			b.t.Fatalf("the pour ended by itself: %+v, %v", now, sent)
		}
		return now.Phase == api.PhaseDone || now.PouredUL > 10_000
	})
	return now.Phase != api.PhaseDone
}

// onceMore is for a pour that ended because the host stood still: it waits until the unit is ready again, and puts an
// empty cup there. Five in one test are no bad luck.
func (b *bench) onceMore(c *api.Client, reason string) {
	b.t.Helper()
	if b.stood++; b.stood == 5 {
		b.t.Fatalf("the fifth pour ended by itself, now by %s", reason)
	}
	b.t.Logf("a pour ended by %s: the host stood still; once more", reason)
	b.await("the unit is ready again", func() bool {
		s, err := c.Snapshot(b.t.Context())
		return err == nil && s.Unit == api.UnitReady
	})
	b.plant.NewCup()
}

func near(got, want int64) bool { return max(got-want, want-got) <= max(want/50, 5000) }

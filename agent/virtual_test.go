package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/guard"
	"fountain/agent/machine"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

// cable carries beats between the agent and a real guard in the same bubble: a socket would stop its clock.
type cable struct {
	mu   sync.Mutex
	up   []beat.Packet
	down []beat.Reply
	met  bool // the guard was told of the agent
	dead bool

	unfed bool // the guard says so
}

var errCut = errors.New("the cable is cut")

func (w *cable) Send(p beat.Packet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errCut
	}
	w.up = append(w.up, p)
	return nil
}

func (w *cable) Poll() (beat.Reply, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dead:
		return beat.Reply{}, false, errCut
	case len(w.down) == 0:
		return beat.Reply{}, false, nil
	}
	r := w.down[0]
	w.down = slices.Delete(w.down, 0, 1)
	return r, true, nil
}

func (w *cable) Next() (beat.Event, beat.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.up) == 0:
		return beat.Nothing, beat.Packet{}
	case !w.met:
		w.met = true
		return beat.Connected, beat.Packet{}
	}
	p := w.up[0]
	w.up = slices.Delete(w.up, 0, 1)
	return beat.Beaten, p
}

func (w *cable) Reply(r beat.Reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Unfed = r.Unfed || w.unfed
	w.down = append(w.down, r)
}

func (w *cable) Drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.met, w.up = false, nil
}

func (w *cable) cut(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
	if !dead {
		w.met, w.up, w.down = false, nil, nil
	}
}

type noMemory struct{}

func (noMemory) Put(*beat.Last) {}

// virtual is a unit in virtual time: the whole agent but its sockets and its cloud, on the reference board's twin.
type virtual struct {
	t      *testing.T
	plant  *sim.Plant
	wire   *cable
	a      *Agent
	leases sync.WaitGroup
	stop   func() // ends the unit; the test's end does too

	readers map[string]*tagReader
	knows   atomic.Bool // the wall clock can be believed
}

// tagReader is a slot's tag reader, which may be missing.
type tagReader struct {
	hal.CartridgeSlot
	gone atomic.Bool
}

// Tag implements hal.CartridgeSlot.
func (r *tagReader) Tag(ctx context.Context) (hal.Tag, error) {
	if r.gone.Load() {
		return hal.Tag{}, hal.ErrNoReader
	}
	return r.CartridgeSlot.Tag(ctx)
}

// catalogues are read once: checking one takes longer than a pour's simulation.
var catalogues = sync.OnceValues(func() (*beverage.Catalogue, error) { return beverage.Default() })

// outside is what a unit needs from outside of its bubble: a directory that lasts, and files that are read there.
func outside(t *testing.T) (dir string, rig *rigfile.Rig) {
	t.Helper()
	rig, err := rigfile.Load(filepath.Join("..", "testdata", "rig", "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := catalogues(); err != nil {
		t.Fatal(err)
	}
	return t.TempDir(), rig
}

// inBubble runs f with a unit. edit, if not nil, changes the configuration first.
func inBubble(t *testing.T, edit func(*config.Config), f func(v *virtual)) {
	t.Helper()
	dir, rig := outside(t)
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t, dir, rig, edit, nil)
		f(v)
	})
}

// newVirtual starts a unit. With dial it reaches for the cloud too.
func newVirtual(t *testing.T, dir string, rig *rigfile.Rig, edit func(*config.Config), dial Dialer) *virtual {
	t.Helper()
	cat, _ := catalogues()
	plano, err := beverage.LoadPlanogram("", cat)
	if err != nil {
		t.Fatal(err)
	}
	var full []sim.Cartridge
	for _, s := range plano.Slots {
		full = append(full, sim.Cartridge{Slot: s.Slot, Ingredient: string(s.Ingredient), VolumeUL: int64(s.VolumeML * 1000)})
	}
	plant, err := sim.NewPlant(sim.Config{Rig: rig, Quiet: true, Seed: 1, Cartridges: full})
	if err != nil {
		t.Fatal(err)
	}
	v := &virtual{t: t, plant: plant, wire: &cable{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("AGENT_LOG") != "" {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	grig, err := plant.Open(hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	arig, err := plant.Open(hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	pacer := hal.Pacer(plant.Pacer())
	if dial != nil {
		pacer = unhurried{pacer}
	}
	g, err := guard.New(guard.Deps{Rig: grig, Pacer: pacer, Beats: v.wire, Memory: noMemory{}, Log: log}, 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Unit: config.Unit{Serial: "V-1"}, Pour: config.Pour{MaxML: 900}, API: config.API{Metrics: true}}
	if edit != nil {
		edit(cfg)
	}
	v.a, err = New(t.Context(), Config{State: dir, Rig: RigSim, Config: cfg}, Deps{
		Rig: arig, Pacer: pacer, Guard: v.wire, Log: log, Board: filepath.Join(dir, "no-board"),
		LastBeat: func() (beat.Last, error) { return beat.Last{}, beat.ErrNoLast }, Dial: dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := v.a
	a.slots.sure, a.slots.atMost = func() bool { return true }, func() time.Time { return time.Time{} }
	a.known = v.knows.Load
	v.readers = map[string]*tagReader{}
	for id, s := range a.slots.slots {
		v.readers[id] = &tagReader{CartridgeSlot: s}
		a.slots.slots[id] = v.readers[id]
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	parts := []func(context.Context) error{
		g.Run, a.view.run, a.slots.run, a.sense, a.watchAll, a.tend, a.housekeep,
		func(ctx context.Context) error { defer a.journal.close(); return a.machine.Run(ctx) },
		func(ctx context.Context) error { a.journal.run(context.WithoutCancel(ctx)); return nil },
	}
	if dial != nil {
		parts = append(parts, a.cloud.run, a.jobs.Run)
	}
	for _, part := range parts {
		wg.Go(func() { errs <- part(ctx) })
	}
	v.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		v.leases.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Errorf("run: %v", err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for _, s := range plant.State().Valves {
			if s.Commanded {
				t.Errorf("valve %s is left open", s.ID)
			}
		}
	})
	t.Cleanup(v.stop)
	v.await("the unit is ready", 10*time.Second, func() bool {
		s := a.view.Snapshot()
		return (s.Unit == api.UnitReady || a.board.Has(alarm.Decommissioned, "")) && len(s.Blocked) < len(a.menu.items)/2
	})
	return v
}

// await waits in virtual time and returns how long it took, to a fiftieth.
func (v *virtual) await(what string, limit time.Duration, ok func() bool) time.Duration {
	v.t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > limit {
			s := v.a.view.Snapshot()
			v.t.Fatalf("not within %s: %s; unit %s %s, faults %+v, alarms %v", limit, what, s.Unit, s.Reason, v.a.machine.State().Faults, v.standing())
		}
		time.Sleep(min(max(time.Since(begin)/50, 20*time.Millisecond), 250*time.Millisecond))
	}
	return time.Since(begin)
}

// standing lists the alarms but those of a unit that nobody ever calibrated or checked.
func (v *virtual) standing() []string {
	var out []string
	for _, a := range v.a.board.List() {
		switch a.Name {
		case alarm.RigCheckMissing, alarm.CalibrationMissing, alarm.ClockUntrusted, alarm.StoreFull:
			continue // of the new unit, and of the host the test runs on
		}
		out = append(out, a.Name.String()+"/"+a.Scope)
	}
	return out
}

func (v *virtual) inject(f sim.Fault) {
	v.t.Helper()
	if err := v.plant.Inject(f); err != nil {
		v.t.Fatal(err)
	}
}

func (v *virtual) clear(f sim.Fault) {
	v.t.Helper()
	if err := v.plant.Clear(f); err != nil {
		v.t.Fatal(err)
	}
}

// blocked is why a beverage cannot be poured.
func (v *virtual) blocked(id beverage.ID) string { return v.a.view.Snapshot().Blocked[id] }

// some finds a beverage that can be poured on a carrier and needs (or does not need) an ingredient; "" is any.
func (v *virtual) some(carrier, with, without beverage.IngredientID) beverage.ID {
	v.t.Helper()
	blocked := v.a.view.Snapshot().Blocked
	for _, it := range v.a.menu.items {
		_, has := it.needs[with]
		_, hasNot := it.needs[without]
		if it.carrier == carrier && blocked[it.id] == "" && (with == "" || has) && (without == "" || !hasNot) {
			return it.id
		}
	}
	v.t.Fatalf("nothing on %s with %q without %q", carrier, with, without)
	return ""
}

// start begins a pour and keeps its lease until the pour is over or stop is called.
func (v *virtual) start(id beverage.ID, ul int64) (p api.Pour, err error) {
	v.plant.NewCup()
	time.Sleep(50 * time.Millisecond)
	p, err = commands{v.a}.Start(context.Background(), api.StartPour{Beverage: id, TargetUL: ul, Mode: api.ModePortion, Source: "touch"})
	if err != nil {
		return p, err
	}
	v.leases.Go(func() {
		for v.a.machine.Beat(p.ID) == nil {
			time.Sleep(api.BeatEvery)
		}
	})
	return p, nil
}

// pour pours to the end and returns it.
func (v *virtual) pour(id beverage.ID, ul int64) api.Pour {
	v.t.Helper()
	p, err := v.start(id, ul)
	if err != nil {
		v.t.Fatalf("pour %s: %v; alarms %v", id, err, v.standing())
	}
	v.await("the pour is recorded", time.Minute, func() bool {
		p, err = v.a.view.Pour(p.ID)
		return err == nil && p.Phase == api.PhaseDone
	})
	v.await("the machine is free", 5*time.Second, func() bool { return !v.a.machine.State().Busy })
	return p
}

var _ machine.GuardLink = (*cable)(nil)

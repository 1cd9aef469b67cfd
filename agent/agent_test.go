package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/guard"
	"fountain/agent/pour"
	"fountain/agent/store"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/internal/problem"
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

func TestPourReachesTheStore(t *testing.T) {
	b := newBench(t)
	c, a, stop := b.agent()
	id := someBeverage(t, c)
	before, _ := a.book.Remaining(beverage.IngredientID(firstDose(t, a, id)))
	const target = 120_000
	var p api.Pour
	var err error
	pours := uint64(1)
	for ; ; pours++ {
		p, err = c.Hold(t.Context(), api.StartPour{Beverage: id, TargetUL: target, Mode: api.ModePortion, Source: "service"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !hostStalled(p.Reason) {
			break
		}
		b.onceMore(c, p.Reason)
	}
	if p.Phase != api.PhaseDone || p.Outcome != string(wire.Completed) || p.Seq != pours || p.Record == nil {
		t.Errorf("pour = %+v", p)
	}
	cup := int64(0)
	for _, ul := range b.plant.CupUL() {
		cup += ul
	}
	var st api.Status
	b.await("the unit lets go of the pour", func() bool {
		st, err = c.Status(t.Context())
		return err != nil || st.Unit != api.UnitPouring
	})
	if err != nil {
		t.Fatal(err)
	}
	if st.Store.Last != pours || st.Unit != api.UnitReady || st.Master != "shut" || st.Thing != "" || st.Serial != "T-1" {
		t.Errorf("status = %+v", st)
	}
	left, _ := a.book.Remaining(beverage.IngredientID(firstDose(t, a, id)))
	stop()
	b.shut()

	recs := b.records()
	if len(recs) != int(pours) {
		t.Fatalf("%d records, want %d", len(recs), pours)
	}
	r := recs[pours-1]
	if r.Thing != "fountain-T-1" || r.ID != p.ID || r.Beverage != string(id) || r.Outcome != wire.Completed || r.Rig != "sim" ||
		r.Source != "service" || r.TargetUL != target || r.Boot == "" || r.Catalogue != a.catalogue.Digest {
		t.Errorf("record = %+v", r)
	}
	if !near(r.CountedUL, target) || !near(r.CountedUL, cup) {
		t.Errorf("counted %d µL, target %d, cup %d", r.CountedUL, target, cup)
	}
	sum := int64(0)
	_, bev, _ := a.catalogue.Beverage(id)
	for _, part := range r.Parts {
		sum += part.UL
		if (part.Cartridge == "") != (part.How == "metered") {
			t.Errorf("part %+v: carriers are metered, cartridges are strokes", part)
		}
	}
	if len(r.Parts) != len(bev.Recipe.Parts) || sum != r.CountedUL {
		t.Errorf("%d parts of %d µL, want %d of %d", len(r.Parts), sum, len(bev.Recipe.Parts), r.CountedUL)
	}

	// The inventory is folded from records, also by the next process.
	_, again, stop2 := b.agent()
	defer stop2()
	if left >= before {
		t.Errorf("%d µL left of %d: nothing was taken off", left, before)
	}
	if now, _ := again.book.Remaining(beverage.IngredientID(firstDose(t, again, id))); now != left {
		t.Errorf("remaining %d µL after a restart, %d before", now, left)
	}
	if len(again.Interrupted()) != 0 {
		t.Errorf("a clean stop left %d interrupted pours", len(again.Interrupted()))
	}
}

func firstDose(t *testing.T, a *Agent, id beverage.ID) string {
	t.Helper()
	needs := slices.Sorted(maps.Keys(a.menu.items[a.menu.index[id]].needs))
	if len(needs) == 0 {
		t.Fatalf("%s has no ingredient of a cartridge", id)
	}
	return string(needs[0])
}

func TestLostLeaseStops(t *testing.T) {
	for _, how := range []string{"no beats", "connection gone", "released", "screen lost"} {
		t.Run(how, func(t *testing.T) {
			b := newBench(t)
			c, _, stop := b.agent()
			id := someBeverage(t, c)
			req := api.StartPour{Beverage: id, TargetUL: 800_000, Mode: api.ModeHold, Source: "touch"}
			want, reason := wire.Interrupted, pour.ReasonLeaseLost
			pours := uint64(1)
			for ; ; pours++ {
				holder := api.NewClient(filepath.Join(b.run(), api.AgentSocket))
				defer holder.Close()
				p, err := holder.StartPour(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				flows := b.flowing(c, p.ID, func() error { return holder.Beat(t.Context(), p.ID) })
				switch how {
				case "connection gone":
					holder.Close()
				case "released":
					want, reason = wire.Stopped, pour.ReasonReleased
					err = holder.Stop(t.Context(), p.ID)
				case "screen lost":
					reason = pour.ReasonScreenLost
					err = holder.StopFor(t.Context(), p.ID, api.StopScreenLost)
				}
				end, settled := c.Settled(t.Context(), p.ID)
				if settled != nil {
					t.Fatal(settled)
				}
				if !flows || end.Reason != reason && hostStalled(end.Reason) {
					b.onceMore(c, end.Reason)
					continue
				}
				if err != nil {
					t.Error(err)
				}
				if end.Outcome != string(want) || end.Seq != pours || end.Mode != api.ModeHold || end.Reason != reason {
					t.Errorf("pour = %+v, want %s by %s", end, want, reason)
				}
				break
			}
			b.shut()
			stop()
			if recs := b.records(); len(recs) != int(pours) || recs[pours-1].Outcome != want {
				t.Errorf("records = %+v", recs)
			}
		})
	}
}

// A unit that stops in the middle of a pour records it before it goes.
func TestShutdownRecordsTheActivePour(t *testing.T) {
	b := newBench(t)
	c, _, stop := b.agent()
	pours := 1
	for ; ; pours++ {
		l, p, err := c.Lease(t.Context(), api.StartPour{Beverage: someBeverage(t, c), TargetUL: 800_000, Mode: api.ModeHold, Source: "touch"})
		if err != nil {
			t.Fatal(err)
		}
		if b.flowing(c, p.ID, func() error { l.Beat(); return nil }) {
			break
		}
		p, err = c.Pour(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		b.onceMore(c, p.Reason)
	}
	stop()
	b.shut()
	recs := b.records()
	if len(recs) != pours || recs[pours-1].Outcome != wire.Interrupted || recs[pours-1].CountedUL < 10_000 {
		t.Errorf("records = %+v", recs)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	c, a, _ := b.agent()
	id := someBeverage(t, c)
	code := func(req api.StartPour) string {
		t.Helper()
		_, err := c.StartPour(t.Context(), req)
		var p *problem.Problem
		if !errors.As(err, &p) {
			t.Fatalf("start %+v: %v", req, err)
		}
		return p.Code
	}
	good := api.StartPour{Beverage: id, TargetUL: 120_000, Mode: api.ModePortion, Source: "touch"}
	unknown, huge := good, good
	unknown.Beverage = "no.such"
	huge.TargetUL = 950_000
	if got := code(unknown); got != problem.CodeNotFound {
		t.Errorf("unknown beverage: %s", got)
	}
	if got := code(huge); got != problem.CodeBadRequest {
		t.Errorf("above pour.max_ml: %s", got)
	}
	a.board.Set(alarm.Alarm{Name: alarm.LinesKeepLevel})
	if got := code(good); got != problem.CodeUnavailable {
		t.Errorf("blocking alarm: %s", got)
	}
	if s, err := c.Snapshot(t.Context()); err != nil || s.Unit != api.UnitOutOfOrder || s.Reason != "lines_keep_level" {
		t.Errorf("snapshot = %+v, %v", s, err)
	}
	brands, err := c.Brands(t.Context())
	if err != nil || len(brands) == 0 || brands[0].Available || brands[0].Why != "lines_keep_level" {
		t.Errorf("brands while blocked: %+v, %v", brands[0], err)
	}
	a.board.Clear(alarm.LinesKeepLevel, "")
	if err := b.plant.Inject(sim.Fault{Kind: sim.DoorOpen}); err != nil {
		t.Fatal(err)
	}
	b.await("the open door is seen", func() bool {
		s, err := c.Snapshot(t.Context())
		return err == nil && s.Unit == api.UnitOutOfOrder && s.Reason == "door"
	})
	if got := code(good); got != problem.CodeUnsafe {
		t.Errorf("door open: %s", got)
	}
}

// TestSoldOutAndCatalogue: what ran out is not offered. Peers: bartendro shows drinks without liquid (#52).
func TestSoldOutAndCatalogue(t *testing.T) {
	b := newBench(t)
	c, a, _ := b.agent()
	id := someBeverage(t, c)
	ing := firstDose(t, a, id)
	for _, s := range a.planogram.Slots {
		if string(s.Ingredient) == ing {
			if err := b.plant.SetCartridge(sim.Cartridge{Slot: s.Slot, ID: "nearly-empty-" + s.Slot, Ingredient: ing, VolumeUL: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.await("the empty cartridge is seen", func() bool {
		s, err := c.Snapshot(t.Context())
		return err == nil && s.Blocked[id] == "sold_out"
	})
	touch := api.StartPour{Beverage: id, TargetUL: 120_000, Mode: api.ModePortion, Source: "touch"}
	var p *problem.Problem
	if _, err := c.StartPour(t.Context(), touch); !errors.As(err, &p) || p.Code != problem.CodeUnavailable {
		t.Errorf("sold out: %v", err)
	}
	cat, err := c.Catalogue(t.Context())
	if err != nil || cat.Digest != a.catalogue.Digest || len(cat.Brands) != len(a.catalogue.Brands) {
		t.Errorf("catalogue: %v", err)
	}
	hc := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(b.run(), api.AgentSocket))
	}}}
	defer hc.CloseIdleConnections()
	resp, err := hc.Get("http://fountain/v1/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	if !bytes.Contains(page, []byte("\nfountain_ready 1\n")) || !bytes.Contains(page, []byte("fountain_loop_worst_tick_seconds")) {
		t.Errorf("metrics: %s", page)
	}
}

func TestStateDirectory(t *testing.T) {
	b := newBench(t)
	rig, err := b.plant.Open(hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	defer rig.Close()
	start := func(state string) error {
		a, err := New(t.Context(), Config{State: state, Rig: RigSim, Config: b.cfg}, Deps{Rig: rig, Pacer: b.plant.Pacer(), Log: b.log("agent")})
		if err == nil {
			_ = a.Close()
		}
		return err
	}
	var p *problem.Problem
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(filepath.Join(file, "state")); !errors.As(err, &p) || p.Code != problem.CodeNotWritable {
		t.Errorf("not writable: %v", err)
	}
	b.cfg.Catalogue.File = filepath.Join(t.TempDir(), "catalogue.json")
	if err := os.WriteFile(b.cfg.Catalogue.File, []byte(`{"version":1`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(t.TempDir()); !errors.As(err, &p) || p.Code != problem.CodeBadConfig || !strings.Contains(p.Where, "catalogue.json") {
		t.Errorf("corrupt catalogue: %v", err)
	}
}

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

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

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/internal/build"
	"fountain/internal/logkey"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// How often the unit shadow is written.
const (
	healthEvery = 15 * time.Minute // when something differs
	healthAlarm = time.Minute      // when alarms have changed
)

// health reports how the unit is into the shadow unit, on one connection. Nothing there is the cloud's to write.
//
//	connect, a minute later, alarms changed (1 min), else 15 min ──► report ──what differs──► shadow unit
func (a *Agent) health(ctx context.Context, shadows *shadow.Mux) error {
	client, err := shadows.Client(wire.UnitShadow)
	if err != nil {
		return err
	}
	var last wire.UnitReport // of this connection
	var held json.RawMessage // what the shadow holds; nil: not known
	wait := healthAlarm      // a unit that has just started tells once more what has become of it
	for {
		changed := a.board.Changed()
		now := a.report()
		err := tellUnit(ctx, client, &held, now)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, shadow.ErrLost):
			return err
		case err != nil:
			a.log.Warn("shadow", slog.String(logkey.Key, wire.UnitShadow), slog.Any(logkey.Err, err))
		default:
			last = now
		}
		if err := a.untilDue(ctx, wait, changed, last.Health.Alarms); err != nil {
			return err
		}
		wait = healthEvery
	}
}

// tellUnit writes what differs from what the shadow holds.
func tellUnit(ctx context.Context, client *shadow.Client, held *json.RawMessage, now wire.UnitReport) error {
	if *held == nil {
		doc, err := document(ctx, client)
		if err != nil {
			return err
		}
		if *held = doc.State.Reported; *held == nil {
			*held = json.RawMessage("{}")
		}
	}
	patch, err := changes(*held, now)
	if err != nil || patch == nil {
		return err
	}
	if err := client.Report(ctx, patch); err != nil {
		*held = nil
		return err
	}
	*held, err = json.Marshal(now)
	return err
}

// untilDue returns when the next report is: after a time, or healthAlarm once other alarms stand than were told.
func (a *Agent) untilDue(ctx context.Context, most time.Duration, changed <-chan struct{}, told []string) error {
	soon, late := time.NewTimer(healthAlarm), time.NewTimer(most)
	defer soon.Stop()
	defer late.Stop()
	gate := soon.C // open once the minute is over
	for {
		if names, _ := a.alarmNames(); gate == nil && !slices.Equal(names, told) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return nil
		case <-gate:
			gate = nil
		case <-changed:
			changed = a.board.Changed()
		}
	}
}

// alarmNames lists what stands, each name once and sorted, so that an order of their ages is no change; of too many the
// blocking ones. more counts those that are not listed.
func (a *Agent) alarmNames() (names []string, more int) {
	names = []string{}
	for _, l := range a.board.List() {
		if n := l.Name.String(); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > wire.MaxUnitAlarms {
		more = len(names) - wire.MaxUnitAlarms
		names = names[:wire.MaxUnitAlarms]
	}
	slices.Sort(names)
	return names, more
}

// report is how the unit is now.
func (a *Agent) report() wire.UnitReport {
	st := a.view.Status()
	h := wire.UnitHealth{
		State: st.Unit, Reason: st.Reason, SW: build.Version, Rig: a.cfg.Rig, UptimeDays: int(time.Since(a.started) / (24 * time.Hour)),
		Restart: a.restarted, Backlog: coarse(st.Cloud.Backlog), Disk: "ok", Clock: clockQuality(), Screen: st.UIAlive,
	}
	if h.State == api.UnitPouring {
		h.State = api.UnitReady
	}
	switch {
	case a.board.Has(alarm.StoreFailing, ""):
		h.Disk = "failing"
	case a.board.Has(alarm.StoreFull, ""):
		h.Disk = "low"
	}
	h.Alarms, h.MoreAlarms = a.alarmNames()
	l, leaves := a.cloud.leavingNow()
	r := wire.UnitReport{V: wire.UnitReportV, Decommissioned: leaves && !l.Asked.IsZero(), Health: h, Inventory: a.inventory()} // takeLeave tells it first
	if b, err := json.Marshal(r); err == nil && len(b) > wire.MaxUnitReport {
		r.Inventory.Slots = nil // those of the ingredients say what to bring
	}
	return r
}

// inventory is what is left, in steps.
func (a *Agent) inventory() wire.UnitInventory {
	inv := wire.UnitInventory{Ingredients: map[string]int{}, Slots: map[string]int{}}
	left, full := map[string]int64{}, map[string]int64{}
	for _, l := range a.book.Levels() {
		has := max(l.LeftUL, 0)
		if l.Cartridge == "" || l.Empty || l.Foreign != "" {
			has = 0
		}
		id := string(l.Ingredient)
		left[id], full[id] = left[id]+has, full[id]+l.FullUL
		inv.Slots[l.Slot] = inSteps(has, l.FullUL)
	}
	for id := range full {
		inv.Ingredients[id] = inSteps(left[id], full[id])
	}
	return inv
}

// inSteps is a share in steps, rounded down.
func inSteps(left, full int64) int {
	if full <= 0 {
		return 0
	}
	out := 0
	for _, step := range []int{5, 10, 25, 50, 75, 100} {
		if left*100 >= int64(step)*full {
			out = step
		}
	}
	return out
}

// coarse rounds up to 1, 2 or 5 times a power of ten.
func coarse(n uint64) uint64 {
	for p := uint64(1); p < 1e18; p *= 10 {
		for _, m := range []uint64{1, 2, 5} {
			if n <= m*p {
				return min(n, 1) * m * p // 0 stays 0
			}
		}
	}
	return n
}

// settingRun holds how the agent before this one ran.
const settingRun = "agent.run"

// lastRun is one run of the agent. End is empty while it runs.
type lastRun struct {
	Boot string `json:"boot"`
	SW   string `json:"sw"`
	End  string `json:"end"`
}

// begin notes that the agent runs and finds out why the one before ended.
func (a *Agent) begin() error {
	b, ok, err := a.store.Setting(settingRun)
	if err != nil {
		return fmt.Errorf("read how the agent ended: %w", err)
	}
	var was lastRun
	if ok && json.Unmarshal(b, &was) != nil {
		ok = false // of another version
	}
	a.restarted = why(ok, was, lastRun{Boot: a.boot, SW: build.Version})
	return a.noteRun("")
}

func why(ran bool, was, now lastRun) string {
	switch {
	case !ran:
		return wire.RestartFirst
	case was.End == "" && was.Boot != now.Boot:
		return wire.RestartPower
	case was.End == "":
		return wire.RestartCrash
	case was.SW != now.SW:
		return wire.RestartUpdate
	case was.Boot != now.Boot:
		return wire.RestartReboot
	}
	return was.End
}

func (a *Agent) noteRun(end string) error {
	b, err := json.Marshal(lastRun{Boot: a.boot, SW: build.Version, End: end})
	if err == nil {
		err = a.store.PutSetting(settingRun, b)
	}
	if err != nil {
		return fmt.Errorf("note how the agent runs: %w", err)
	}
	return nil
}

// ends notes how this run ends: err is what the parts said.
func (a *Agent) ends(err error) {
	end := wire.RestartStopped
	switch {
	case a.leaving.Load():
		end = wire.RestartJob
	case err != nil:
		end = wire.RestartFault
	}
	if nerr := a.noteRun(end); nerr != nil {
		a.log.Warn("the next start will take this end for a crash", slog.Any(logkey.Err, nerr))
	}
}

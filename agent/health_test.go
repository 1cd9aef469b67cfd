package agent

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/sync/wire"
)

// TestHealthIsReportedSparingly: at a connection, when alarms change at most once a minute, else every 15 minutes if
// something differs; always small.
func TestHealthIsReportedSparingly(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		thing := v.thing()
		var rep wire.UnitReport
		read := func() wire.UnitReport {
			rep = wire.UnitReport{}
			c.reported(thing, wire.UnitShadow, &rep)
			return rep
		}
		v.await("it is reported", 5*time.Second, func() bool { return read().V == wire.UnitReportV })
		raw, err := json.Marshal(rep)
		if err != nil || len(raw) > wire.MaxUnitReport {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
		if h := rep.Health; h.State != api.UnitReady || h.Restart != wire.RestartFirst || h.Rig != RigSim || h.SW == "" || h.Clock == "" || h.Disk == "" {
			t.Errorf("%s", raw)
		}
		c.valid(thing, wire.UnitShadow)
		if len(rep.Inventory.Slots) != len(v.a.planogram.Slots) || rep.Inventory.Slots["s01"] != 100 {
			t.Errorf("inventory %v", rep.Inventory)
		}
		start := c.version(thing, wire.UnitShadow)
		time.Sleep(61 * time.Second)
		if n := c.version(thing, wire.UnitShadow) - start; n > 1 { // alarms of a new unit settle
			t.Errorf("%d reports in the first minute", n)
		}
		start = c.version(thing, wire.UnitShadow)
		for range 20 { // alarms that flap
			v.a.board.Set(alarm.Alarm{Name: alarm.LedgerAhead})
			time.Sleep(time.Second)
			v.a.board.Clear(alarm.LedgerAhead, "")
			time.Sleep(time.Second)
		}
		v.a.board.Set(alarm.Alarm{Name: alarm.ThingDiffers})
		v.await("the alarm is told", 62*time.Second, func() bool { return slices.Contains(read().Health.Alarms, "thing_differs") })
		if n := c.version(thing, wire.UnitShadow) - start; n > 2 {
			t.Errorf("%d reports while alarms flapped for 40 s", n)
		}
	})
}

func TestSteps(t *testing.T) {
	for left, want := range map[int64]int{0: 0, 4: 0, 5: 5, 24: 10, 25: 25, 99: 75, 100: 100, 130: 100, -1: 0} {
		if got := inSteps(left, 100); got != want {
			t.Errorf("%d %% is told as %d", left, got)
		}
	}
	if inSteps(5, 0) != 0 {
		t.Error("a slot without a size")
	}
	for n, want := range map[uint64]uint64{0: 0, 1: 1, 3: 5, 6: 10, 11: 20, 50: 50, 51: 100, 199_999: 200_000} {
		if got := coarse(n); got != want {
			t.Errorf("%d is told as %d", n, got)
		}
	}
}

func TestWhyItStarted(t *testing.T) {
	now := lastRun{Boot: "b", SW: "2"}
	for want, was := range map[string]lastRun{
		wire.RestartCrash: {Boot: "b", SW: "2"}, wire.RestartPower: {Boot: "a", SW: "2"}, wire.RestartReboot: {Boot: "a", SW: "2", End: wire.RestartStopped},
		wire.RestartUpdate: {Boot: "b", SW: "1", End: wire.RestartStopped}, wire.RestartJob: {Boot: "b", SW: "2", End: wire.RestartJob}, wire.RestartFault: {Boot: "b", SW: "2", End: wire.RestartFault},
	} {
		if got := why(true, was, now); got != want {
			t.Errorf("%+v is %s, want %s", was, got, want)
		}
	}
	if why(false, lastRun{}, now) != wire.RestartFirst {
		t.Error("the first start")
	}
}

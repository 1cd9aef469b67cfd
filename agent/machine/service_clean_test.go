package machine

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

// warmWater is the demo machine with a sensor in its water.
func warmWater(t *testing.T, seed uint64) sim.Config {
	raw, err := os.ReadFile("../../hal/sim/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	raw = append(raw, "\nsensors:\n  - { id: t_water, role: water-temp, kind: file, path: /sys/t, scale: 1, min: -10, max: 80, every: 500ms }\n"...)
	rig, err := rigfile.Parse("demo with a sensor", raw)
	if err != nil {
		t.Fatal(err)
	}
	return sim.Config{Seed: seed, Rig: rig}
}

// TestServiceCleanTemperature: with a sensor nobody is asked for a temperature, and no word replaces the warm cleaner.
func TestServiceCleanTemperature(t *testing.T) {
	for _, tc := range []struct {
		celsius float64 // of what is connected as cleaner
		fault   sim.FaultKind
		outcome string
		reason  string
	}{
		{38, "", api.OpDone, ""},
		{25, "", api.OpFailed, maintenance.ReasonTooCold},
		{50, "", api.OpFailed, maintenance.ReasonTooHot},
		{38, sim.SensorOpen, api.OpFailed, maintenance.ReasonNoTemp},
	} {
		t.Run(fmt.Sprint(tc.celsius, tc.fault), func(t *testing.T) {
			bubble(t, warmWater(t, 31), func(t *testing.T, u *unit) {
				s := u.begin(u.plan(api.StartOp{Kind: api.OpClean, Line: "still"}))
				u.wait("the flush before the cleaner", time.Minute, func() bool { return s.Op().FlowedUL > 0 }) // its warmth is not judged
				u.inject(sim.Fault{Kind: sim.WaterWarm, Amount: tc.celsius})
				if tc.fault != "" {
					u.inject(sim.Fault{Kind: tc.fault, Part: "t_water"})
				}
				defer u.attend(s, tech{number: func(_ api.Op, step string) float64 { t.Errorf("asked at %s", step); return 38 }})()
				u.want(u.ended(s), tc.outcome, tc.reason)
			})
		})
	}
}

func TestServiceClean(t *testing.T) {
	bubble(t, sim.Config{Seed: 23}, func(t *testing.T, u *unit) {
		r := u.work(api.StartOp{Kind: api.OpClean, Line: "still"}, tech{number: func(api.Op, string) float64 { return 38 }})
		u.want(r, api.OpDone, "")
		still, _ := u.plant.Valve("still")
		within(t, "wasted ml", float64(r.WastedUL)/1000, float64(still.SuppliedUL)/1000, 40)
		if took := r.Ended.Sub(r.Started); took < 13*time.Minute {
			t.Errorf("took %v: cleaner and sanitiser have to stand 13 min", took)
		}
	})
	bubble(t, sim.Config{Seed: 23}, func(t *testing.T, u *unit) { // supply cut during the rinse: the step fails
		s := u.begin(u.plan(api.StartOp{Kind: api.OpClean, Line: "still"}))
		defer u.attend(s, tech{number: func(api.Op, string) float64 { return 38 }})()
		u.wait("the rinse", time.Hour, func() bool {
			op := s.Op()
			return strings.HasSuffix(op.Steps[op.Step].Name, "rinse") && op.Steps[op.Step].State == "running"
		})
		time.Sleep(3 * time.Second)
		u.inject(sim.Fault{Kind: sim.SupplyCut})
		r := u.ended(s)
		u.want(r, api.OpFailed, pour.ReasonNoFlow)
	})
	bubble(t, sim.Config{Seed: 23}, func(t *testing.T, u *unit) { // nobody can enter a cold cleaner
		s := u.begin(u.plan(api.StartOp{Kind: api.OpClean, Line: "still"}))
		defer u.attend(s, tech{number: func(api.Op, string) float64 { return 21 }})()
		r := u.ended(s)
		u.want(r, api.OpFailed, maintenance.ReasonTooCold)
	})
	bubble(t, sim.Config{Seed: 24}, func(t *testing.T, u *unit) { // a valve that weeps while the cleaner has to stand
		s := u.begin(u.plan(api.StartOp{Kind: api.OpClean, Line: "still"}))
		defer u.attend(s, tech{number: func(api.Op, string) float64 { return 38 }})()
		u.wait("the dwell", time.Hour, func() bool { op := s.Op(); return strings.HasSuffix(op.Steps[op.Step].Name, "dwell") })
		if err := u.plant.SendPulses("flow_still", 10, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		r := u.ended(s)
		u.want(r, api.OpFailed, maintenance.ReasonFlow)
	})
}

func TestServiceCleanCartridgeAndNozzle(t *testing.T) {
	bubble(t, sim.Config{Seed: 25}, func(t *testing.T, u *unit) {
		warm := func(c float64) tech { return tech{number: func(api.Op, string) float64 { return c }} }
		u.want(u.work(api.StartOp{Kind: api.OpClean, Line: "s20"}, warm(38)), api.OpDone, "")
		u.want(u.work(api.StartOp{Kind: api.OpClean, Line: "s20"}, warm(20)), api.OpFailed, maintenance.ReasonTooCold)
		u.want(u.work(api.StartOp{Kind: api.OpClean, Line: maintenance.Nozzle}, tech{}), api.OpDone, "")
	})
}

package machine

import (
	"context"
	"crypto/rand"
	mrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// TestServiceFaultsEndSafe: whatever goes wrong while a rinse flows, everything shuts, in time, and what flowed is counted.
func TestServiceFaultsEndSafe(t *testing.T) {
	ms := time.Millisecond
	for _, tc := range []struct {
		name    string
		do      func(u *unit, s *Session, leave func())
		outcome string
		reason  string
		shut    time.Duration
		mend    func(u *unit)
	}{
		{"e-stop", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.EStopPressed}) }, api.OpFailed, pour.ReasonEStop, 100 * ms, nil},
		{"leak", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.LeakSeen}) }, api.OpFailed, pour.ReasonLeak, 100 * ms, nil},
		{"door", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.DoorOpen}) }, api.OpFailed, pour.ReasonDoor, 20 * ms, nil},
		{"supply cut", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.SupplyCut}) }, api.OpFailed, pour.ReasonNoFlow, 900 * ms, nil},
		{"valve stuck shut", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.StuckShut, Part: "still"}) }, api.OpFailed, pour.ReasonNoFlow, 900 * ms, nil},
		{"meter dead", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.MeterDead, Part: "flow_still"}) }, api.OpFailed, pour.ReasonNoFlow, 900 * ms, nil},
		{"wrong way", func(u *unit, _ *Session, _ func()) {
			u.inject(sim.Fault{Kind: sim.StuckOpen, Part: "sparkling"})
		}, api.OpFailed, maintenance.ReasonWrongWay, 300 * ms, func(u *unit) {
			u.clearFault(sim.Fault{Kind: sim.StuckOpen, Part: "sparkling"})
		}},
		{"lease lost", func(_ *unit, _ *Session, leave func()) { leave() }, api.OpStopped, pour.ReasonLeaseLost, 410 * ms, nil},
		{"stopped", func(_ *unit, s *Session, _ func()) { s.Stop(pour.ReasonStopped) }, api.OpStopped, pour.ReasonStopped, 20 * ms, nil},
		{"guard silent", func(u *unit, _ *Session, _ func()) { u.wire.set(func(w *cable) { w.silent = true }) }, api.OpFailed, pour.ReasonGuardGone, 260 * ms, func(u *unit) {
			u.wire.set(func(w *cable) { w.silent = false })
		}},
		{"guard gone", func(u *unit, _ *Session, _ func()) { u.wire.set(func(w *cable) { w.dead = true }) }, api.OpFailed, pour.ReasonGuardGone, 50 * ms, func(u *unit) {
			u.wire.set(func(w *cable) { w.dead, w.state, w.up, w.down = false, 0, nil, nil })
		}},
		{"loop gap", func(u *unit, _ *Session, _ func()) { u.pacer.extra.Store(int64(150 * ms)) }, api.OpFailed, pour.ReasonLoopGap, 170 * ms, nil},
		{"stuck open", func(u *unit, _ *Session, _ func()) { u.inject(sim.Fault{Kind: sim.StuckOpen, Part: "still"}) }, api.OpFailed, pour.ReasonStuckOpen, 0, func(u *unit) {
			u.clearFault(sim.Fault{Kind: sim.StuckOpen, Part: "still"})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, sim.Config{Seed: 11}, func(t *testing.T, u *unit) {
				u.plant.NewCup()
				s := u.begin(u.plan(api.StartOp{Kind: api.OpRinse, Line: "still", Params: map[string]string{"ml": "400"}}))
				leave := u.attend(s, tech{})
				defer leave()
				u.wait("flow", 3*time.Second, func() bool { return s.Op().FlowedUL > 60_000 })
				tc.do(u, s, leave)
				if tc.shut > 0 {
					u.wait("valves commanded shut", tc.shut, u.allShut)
				}
				r := u.ended(s)
				u.want(r, tc.outcome, tc.reason)
				if tc.mend != nil {
					tc.mend(u)
				}
				time.Sleep(2 * time.Second)
				if !u.allShut() || !u.masterShut() {
					t.Error("something opened again by itself")
				}
				if tc.name != "meter dead" && tc.name != "stuck open" {
					u.wasted(r, 6)
				}
				if got := u.m.State().Service; got != "" {
					t.Errorf("operation %s still stands", got)
				}
			})
		})
	}
}

// TestServiceEStopAtAnyPhase presses it at random moments of a calibration: nothing is ever left open.
func TestServiceEStopAtAnyPhase(t *testing.T) {
	seed := uint64(20261122)
	rng := mrand.New(mrand.NewPCG(seed, 1))
	for range 25 {
		after := time.Duration(rng.Int64N(int64(22 * time.Second)))
		bubble(t, sim.Config{Seed: 12}, func(t *testing.T, u *unit) {
			s := u.begin(u.plan(api.StartOp{Kind: api.OpCalibrate, Line: "flow_still"}))
			defer u.attend(s, tech{number: func(api.Op, string) float64 { return 200 }})()
			select {
			case <-s.Done():
				return
			case <-time.After(after):
			}
			u.inject(sim.Fault{Kind: sim.EStopPressed})
			u.wait("valves commanded shut", 100*time.Millisecond, u.allShut)
			r := u.ended(s)
			if r.Outcome == api.OpDone {
				t.Errorf("seed %d, after %v: done", seed, after)
			}
			if len(r.Calibrations()) != 0 {
				t.Errorf("seed %d, after %v: a calibration came of it", seed, after)
			}
		})
	}
}

// TestDoseIsCancelledByStop: a stop ends strokes at once and drops what is queued (peers: reef-pi's dose is a sleep that
// Stop cannot cancel), and a lost lease does the same.
func TestDoseIsCancelledByStop(t *testing.T) {
	for _, how := range []string{"stop", "lease"} {
		bubble(t, sim.Config{Seed: 34, Quiet: true}, func(t *testing.T, u *unit) {
			s := u.begin(u.plan(api.StartOp{Kind: api.OpCalibrate, Line: "s20"}))
			leave := u.attend(s, tech{})
			defer leave()
			u.wait("strokes", 5*time.Second, func() bool { return s.Op().FlowedUL > 3000 })
			limit := 20 * time.Millisecond
			if how == "stop" {
				s.Stop(pour.ReasonStopped)
			} else {
				leave()
				limit += 310 * time.Millisecond
			}
			time.Sleep(limit)
			sum, _ := u.cupUL()
			r := u.ended(s)
			time.Sleep(time.Second)
			if now, _ := u.cupUL(); now-sum > 20 { // the stroke under way, of 10 µL
				t.Errorf("%s: %d µL were dosed afterwards", how, now-sum)
			}
			if r.Outcome != api.OpStopped || len(r.Calibrations()) != 0 {
				t.Errorf("%s: %s %s %v", how, r.Outcome, r.Reason, r.Calibrations())
			}
			u.wasted(r, 0.05)
		})
	}
}

// TestServiceWithoutWater: a shut supply keeps nobody from beginning: some work is about it.
func TestServiceWithoutWater(t *testing.T) {
	rig, err := rigfile.Load("../../testdata/rig/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, sim.Config{Seed: 35, Rig: rig}, func(t *testing.T, u *unit) {
		u.inject(sim.Fault{Kind: sim.SupplyCut})
		u.wait("no water", 5*time.Second, func() bool { return u.m.State().Interlocks&hal.NoWater != 0 })
		u.want(u.work(api.StartOp{Kind: api.OpPurge, Line: "still"}, tech{}), api.OpDone, "")
		u.want(u.work(api.StartOp{Kind: api.OpRinse}, tech{}), api.OpFailed, pour.ReasonNoFlow)
	})
}

// TestServiceAlone: one operation at a time, and none beside a pour.
func TestServiceAlone(t *testing.T) {
	bubble(t, sim.Config{Seed: 13}, func(t *testing.T, u *unit) {
		bev := rich(u)
		p := u.plan(api.StartOp{Kind: api.OpRinse})
		start := func() error {
			_, err := u.m.StartService(context.Background(), ulid.MustNew(ulid.Now(), rand.Reader), p)
			return err
		}
		id := u.start(bev, 240, false)
		letGo := u.hold(id)
		if err := start(); !isProblem(err, problem.CodeBusy) {
			t.Errorf("beside a pour: %v", err)
		}
		u.recorded(id)
		letGo()
		u.wait("idle", time.Second, func() bool { return !u.m.State().Busy })
		s := u.begin(p)
		defer u.attend(s, tech{})()
		if err := start(); !isProblem(err, problem.CodeBusy) {
			t.Errorf("a second operation: %v", err)
		}
		_, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 240_000, Source: wire.SourceTouch})
		if !isProblem(err, problem.CodeBusy) {
			t.Errorf("a pour beside an operation: %v", err)
		}
		u.want(u.ended(s), api.OpDone, "")
		u.plant.NewCup()
		if r := u.pour(bev, 120); r.Outcome != wire.Completed {
			t.Errorf("afterwards: %s %s", r.Outcome, r.Reason)
		}
	})
}

// TestServiceSleepsThroughADwell: a loop that stalls while cleaner stands in a line ends nothing, for nothing is open; but
// the lease is asked for as ever.
func TestServiceSleepsThroughADwell(t *testing.T) {
	bubble(t, sim.Config{Seed: 23}, func(t *testing.T, u *unit) {
		s := u.begin(u.plan(api.StartOp{Kind: api.OpClean, Line: maintenance.Nozzle}))
		leave := u.attend(s, tech{})
		defer leave()
		u.wait("the dwell", time.Minute, func() bool { op := s.Op(); return strings.HasSuffix(op.Steps[op.Step].Name, "dwell") })
		u.pacer.extra.Store(int64(250 * time.Millisecond))
		time.Sleep(2 * time.Second)
		if op := s.Op(); op.Outcome != "" {
			t.Fatalf("a stall of 250 ms while nothing was open: %s %s", op.Outcome, op.Reason)
		}
		leave()
		u.want(u.ended(s), api.OpStopped, pour.ReasonLeaseLost)
	})
}

// TestServiceShutdown: the end of the process ends an operation, shut and counted.
func TestServiceShutdown(t *testing.T) {
	bubble(t, sim.Config{Seed: 14}, func(t *testing.T, u *unit) {
		s := u.begin(u.plan(api.StartOp{Kind: api.OpRinse, Params: map[string]string{"ml": "400"}}))
		defer u.attend(s, tech{})()
		u.wait("flow", 3*time.Second, func() bool { return s.Op().FlowedUL > 60_000 })
		u.stop()
		<-s.Done()
		u.want(s.Report(), api.OpStopped, pour.ReasonShutdown)
	})
}

// TestStuckValveNeedsProof: after a valve did not shut only a self-test that sees it open and shut twice lets the unit
// pour again.
func TestStuckValveNeedsProof(t *testing.T) {
	bubble(t, sim.Config{Seed: 22}, func(t *testing.T, u *unit) {
		bev := rich(u)
		p, err := u.m.Plan(bev, 240_000)
		if err != nil {
			t.Fatal(err)
		}
		stuck := sim.Fault{Kind: sim.StuckOpen, Part: p.Carrier.Valve}
		id := u.start(bev, 240, false)
		letGo := u.hold(id)
		u.wait("flow", 3*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
		u.inject(stuck)
		u.recorded(id)
		letGo()
		u.wait("locked out", time.Second, func() bool { return u.m.State().Fault == pour.ReasonStuckOpen && !u.m.State().Busy })
		if _, err := u.m.StartService(context.Background(), ulid.MustNew(ulid.Now(), rand.Reader), u.plan(api.StartOp{Kind: api.OpRinse})); !isProblem(err, problem.CodeUnsafe) {
			t.Errorf("a rinse with a stuck valve: %v", err)
		}
		r := u.work(api.StartOp{Kind: api.OpSelfTest}, tech{}) // still stuck
		u.want(r, api.OpFailed, maintenance.ReasonFound)
		if f := u.m.State().Fault; f != pour.ReasonStuckOpen {
			t.Fatalf("a failed self-test let go of the lock-out: %q", f)
		}
		u.clearFault(stuck)
		time.Sleep(3 * time.Second)
		u.want(u.work(api.StartOp{Kind: api.OpSelfTest}, tech{}), api.OpDone, "")
		if f := u.m.State().Fault; f != "" {
			t.Fatalf("proven, and still locked out: %q", f)
		}
		if r := u.pour(bev, 120); r.Outcome != wire.Completed {
			t.Errorf("afterwards: %s %s", r.Outcome, r.Reason)
		}
	})
}

// TestLockedOutLines: a line under cleaning pours for nobody; the others do.
func TestLockedOutLines(t *testing.T) {
	bubble(t, sim.Config{Seed: 27}, func(t *testing.T, u *unit) {
		req := u.stillDrink()
		u.m.SetLockedOut(map[string]string{"still": maintenance.LockCleaning})
		for _, src := range []string{wire.SourceTouch, wire.SourceService} {
			req.Source = src
			_, err := u.m.Start(context.Background(), req)
			if p := problem.From(err); err == nil || p.Code != problem.CodeUnsafe || p.Where != "still" {
				t.Errorf("%s: %v", src, err)
			}
		}
		u.m.SetLockedOut(nil)
		if r := u.pour(req.Beverage, 120); r.Outcome != wire.Completed {
			t.Errorf("afterwards: %s %s", r.Outcome, r.Reason)
		}
	})
}

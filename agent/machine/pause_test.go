package machine

import (
	"context"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// TestPauseByCup: a cup that is taken away pauses; nothing goes on before a person says so; both parts together are the
// drink, in one record, under one count.
func TestPauseByCup(t *testing.T) {
	for _, hold := range []bool{false, true} {
		bubble(t, sim.Config{Seed: 21}, func(t *testing.T, u *unit) {
			bev := rich(u)
			for range 3 {
				u.pour(bev, 200)
			}
			lags := u.m.Lags()["still"].N + u.m.Lags()["sparkling"].N
			u.plant.NewCup()
			id := u.start(bev, 240, hold)
			letGo := u.hold(id)
			defer letGo()
			u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 90_000 })
			session := u.wire.beat().Session
			u.inject(sim.Fault{Kind: sim.CupRemoved})
			u.wait("valves commanded shut", 20*time.Millisecond, u.allShut)
			u.wait("MASTER shut", 100*time.Millisecond, u.masterShut)
			if s := u.m.State(); s.Phase != pour.Paused || s.Pause != pour.ReasonCupRemoved {
				t.Fatalf("phase %s, %q", s.Phase, s.Pause)
			}
			if err := u.m.Resume(id); !isProblem(err, problem.CodeUnsafe) {
				t.Errorf("resume without a cup: %v", err)
			}
			time.Sleep(2 * time.Second)
			u.clearFault(sim.Fault{Kind: sim.CupRemoved})
			time.Sleep(3 * time.Second)
			sum, _ := u.cupUL()
			if !u.allShut() || !u.masterShut() || u.m.State().Phase != pour.Paused {
				t.Fatal("the pour went on by itself")
			}
			if err := u.m.Resume(id); err != nil {
				t.Fatalf("resume: %v", err)
			}
			if hold {
				u.wait("volume", 20*time.Second, func() bool { return u.m.State().PouredUL > 200_000 })
				u.m.Stop(id, pour.ReasonReleased)
			}
			r := u.recorded(id)
			want, reason := wire.Completed, ""
			if hold {
				want, reason = wire.Stopped, pour.ReasonReleased
			}
			if r.Outcome != want || r.Reason != reason {
				t.Fatalf("%s %s", r.Outcome, r.Reason)
			}
			if u.wire.beat().Session == session {
				t.Error("resumed in the old session: a latched guard would not open")
			}
			all, _ := u.cupUL()
			spilled := float64(u.plant.SpilledUL()) / 1000
			t.Logf("hold %v: %.1f ml at the pause, %.1f in the end, %.1f spilled, worst ratio error %.2f %%", hold, float64(sum)/1000, float64(all)/1000, spilled, 100*worstRatio(u, r))
			within(t, "recorded ml", float64(r.CountedUL)/1000, float64(all)/1000+spilled, 3)
			if !hold {
				within(t, "cup and spill ml", float64(all)/1000+spilled, 240, 4)
			}
			if w := worstRatio(u, r); w > 0.04 { // what coasted past the cup is missing in it
				t.Errorf("ratio error %.1f %%", 100*w)
			}
			if n := u.m.Lags()["still"].N + u.m.Lags()["sparkling"].N; n != lags {
				t.Error("a paused pour taught a lag")
			}
			if in, out := u.book.count(); in != 4 || out != 4 {
				t.Errorf("%d intents, %d results", in, out)
			}
		})
	}
}

// TestPauseEnds: how a paused pour ends without a person who resumes it.
func TestPauseEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		end     func(u *unit, id string, letGo func())
		after   time.Duration
		outcome wire.Outcome
		reason  string
	}{
		{"nobody resumes", func(*unit, string, func()) {}, pour.PauseMax + time.Second, wire.Stopped, pour.ReasonPausedOut},
		{"lease lost", func(_ *unit, _ string, letGo func()) { letGo() }, time.Second, wire.Interrupted, pour.ReasonLeaseLost},
		{"released", func(u *unit, id string, _ func()) { u.m.Stop(id, pour.ReasonReleased) }, time.Second, wire.Stopped, pour.ReasonReleased},
		{"door", func(u *unit, _ string, _ func()) { u.inject(sim.Fault{Kind: sim.DoorOpen}) }, time.Second, wire.Faulted, pour.ReasonDoor},
		{"e-stop", func(u *unit, _ string, _ func()) { u.inject(sim.Fault{Kind: sim.EStopPressed}) }, time.Second, wire.Faulted, pour.ReasonEStop},
		{"leak", func(u *unit, _ string, _ func()) { u.inject(sim.Fault{Kind: sim.LeakSeen}) }, time.Second, wire.Faulted, pour.ReasonLeak},
		{"guard gone", func(u *unit, _ string, _ func()) { u.wire.set(func(w *cable) { w.dead = true; w.state = 3 }) }, time.Second, wire.Interrupted, pour.ReasonGuardGone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, sim.Config{Seed: 22}, func(t *testing.T, u *unit) {
				id := u.start(rich(u), 240, false)
				letGo := u.hold(id)
				defer letGo()
				u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
				if err := u.m.Pause(id); err != nil {
					t.Fatal(err)
				}
				u.wait("valves commanded shut", 20*time.Millisecond, u.allShut)
				if err := u.m.Pause(id); err != nil {
					t.Errorf("paused twice: %v", err)
				}
				time.Sleep(time.Second)
				tc.end(u, id, letGo)
				u.wait("the record", tc.after, func() bool { return u.m.State().Seq > 0 })
				r := u.recorded(id)
				if r.Outcome != tc.outcome || r.Reason != tc.reason {
					t.Errorf("%s %q", r.Outcome, r.Reason)
				}
				sum, _ := u.cupUL()
				within(t, "recorded ml", float64(r.CountedUL+r.EstimatedUL)/1000, float64(sum)/1000, 3)
				if err := u.m.Resume(id); !isProblem(err, problem.CodeNotFound) {
					t.Errorf("resume of an ended pour: %v", err)
				}
				u.wire.set(func(w *cable) { w.dead = false })
				time.Sleep(2 * time.Second)
				if after, _ := u.cupUL(); after != sum || !u.allShut() || !u.masterShut() {
					t.Error("something went on by itself")
				}
			})
		})
	}
}

// TestPauseRefused: what is not flowing is neither paused nor resumed.
func TestPauseRefused(t *testing.T) {
	bubble(t, sim.Config{Seed: 23}, func(t *testing.T, u *unit) {
		if err := u.m.Pause("nobody"); !isProblem(err, problem.CodeNotFound) {
			t.Errorf("pause of no pour: %v", err)
		}
		id := u.start(rich(u), 150, false)
		defer u.hold(id)()
		if err := u.m.Resume(id); !isProblem(err, problem.CodeConflict) {
			t.Errorf("resume of a pour that is not paused: %v", err)
		}
		u.wait("settling", 8*time.Second, u.phase(pour.Settle))
		if err := u.m.Pause(id); !isProblem(err, problem.CodeConflict) && !isProblem(err, problem.CodeNotFound) {
			t.Errorf("pause while settling: %v", err)
		}
		u.recorded(id)
	})
}

// TestPauseKeepsBounds: pausing again and again buys neither volume nor time.
func TestPauseKeepsBounds(t *testing.T) {
	bubble(t, sim.Config{Seed: 24}, func(t *testing.T, u *unit) {
		id := u.start(rich(u), 240, true)
		defer u.hold(id)()
		for range 12 {
			u.wait("flowing", 5*time.Second, func() bool { s := u.m.State(); return s.Phase >= pour.Flow && s.Phase != pour.Paused })
			time.Sleep(350 * time.Millisecond)
			if err := u.m.Pause(id); err != nil {
				break
			}
			time.Sleep(500 * time.Millisecond)
			if err := u.m.Resume(id); err != nil {
				t.Fatal(err)
			}
		}
		r := u.recorded(id)
		sum, _ := u.cupUL()
		if r.Outcome != wire.Completed || sum > r.Intent.MaxUL {
			t.Errorf("%s %s, %d µL in the cup, bound %d", r.Outcome, r.Reason, sum, r.Intent.MaxUL)
		}
		within(t, "cup ml", float64(sum)/1000, 240, 6)
		if w := worstRatio(u, r); w > 0.03 {
			t.Errorf("ratio error %.1f %% after many pauses", 100*w)
		}
	})
}

// TestTopOff: a little more of the same into the same cup, with a record of its own; everything else is refused.
func TestTopOff(t *testing.T) {
	bubble(t, sim.Config{Seed: 25}, func(t *testing.T, u *unit) {
		bev := rich(u)
		other := u.drink(func(b *beverage.Beverage) bool { return b.ID != bev })
		first := u.pour(bev, 240)
		try := func(what string, b beverage.ID, ul int64, of string) {
			t.Helper()
			_, err := u.m.Start(context.Background(), StartRequest{Beverage: b, TargetUL: ul, Source: wire.SourceTouch, TopOff: of})
			if p := problem.From(err); err == nil || p.Code != problem.CodeConflict || p.Where != "top_off" {
				t.Errorf("%s: %v", what, err)
			}
		}
		try("too much", bev, 36_001, first.Intent.Pour)
		try("another beverage", other, 20_000, first.Intent.Pour)
		try("another pour", bev, 20_000, "01NOBODY")
		time.Sleep(20 * time.Second)
		before, _ := u.cupUL()
		id, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 15_000, Source: wire.SourceTouch, TopOff: first.Intent.Pour})
		if err != nil {
			t.Fatalf("top off: %v", err)
		}
		letGo := u.hold(id)
		r := u.recorded(id)
		letGo()
		after, _ := u.cupUL()
		if r.Outcome != wire.Completed || r.Intent.TopOff != first.Intent.Pour || r.Intent.Pour == first.Intent.Pour {
			t.Errorf("%s %s of %s", r.Outcome, r.Reason, r.Intent.TopOff)
		}
		within(t, "topped off ml", float64(after-before)/1000, 15, 2)
		within(t, "recorded ml", float64(r.CountedUL)/1000, float64(after-before)/1000, 1.5)
		if w := worstRatio(u, r); w > 0.02 {
			t.Errorf("ratio error of both together %.1f %%", 100*w)
		}
		try("more than 15 % in all", bev, 22_000, first.Intent.Pour)
		u.inject(sim.Fault{Kind: sim.CupRemoved})
		time.Sleep(200 * time.Millisecond)
		u.clearFault(sim.Fault{Kind: sim.CupRemoved})
		time.Sleep(50 * time.Millisecond)
		try("after the cup was away", bev, 10_000, first.Intent.Pour)

		second := u.pour(bev, 240)
		time.Sleep(31 * time.Second)
		try("too late", bev, 20_000, second.Intent.Pour)
	})
}

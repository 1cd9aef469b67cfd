package machine

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// Defects of other projects, from spec/peers.md 1.3: each test here would catch its like. Those that are tested elsewhere:
// CocktailBerry's swallowed pump errors and bartendro #164 (TestOneChannelsFault), phantom pints (TestGhostFlow).

// TestPeerPiTender1PumpsNeverStop: pumps go on after Cancel and after the application has ended.
func TestPeerPiTender1PumpsNeverStop(t *testing.T) {
	for _, end := range []string{"stop", "lease lost", "agent ends"} {
		t.Run(end, func(t *testing.T) {
			bubble(t, sim.Config{Seed: 81}, func(t *testing.T, u *unit) {
				id := u.start(rich(u), 350, true)
				letGo := u.hold(id)
				defer letGo()
				u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
				switch end {
				case "stop":
					u.m.Stop(id, pour.ReasonReleased)
				case "lease lost":
					letGo()
				default:
					u.stop()
				}
				time.Sleep(2 * time.Second)
				before, _ := u.cupUL()
				time.Sleep(20 * time.Second)
				if after, _ := u.cupUL(); after != before || !u.allShut() || !u.masterShut() {
					t.Errorf("%d µL came after the end", after-before)
				}
			})
		})
	}
}

// TestPeerPiTender1PouredTwice: a drink is poured twice. One start is one pour, and a start beside it is refused.
func TestPeerPiTender1PouredTwice(t *testing.T) {
	bubble(t, sim.Config{Seed: 82}, func(t *testing.T, u *unit) {
		bev := rich(u)
		errs := make(chan error, 8)
		ids := make(chan string, 8)
		for range 8 {
			go func() {
				id, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 150_000, Source: wire.SourceTouch})
				ids <- id
				errs <- err
			}()
		}
		var id string
		began := 0
		for range 8 {
			if i := <-ids; i != "" {
				id = i
				began++
			}
			if err := <-errs; err != nil && !isProblem(err, problem.CodeBusy) {
				t.Errorf("start: %v", err)
			}
		}
		if began != 1 {
			t.Fatalf("%d of 8 starts began", began)
		}
		letGo := u.hold(id)
		u.recorded(id)
		letGo()
		sum, _ := u.cupUL()
		within(t, "cup ml", float64(sum)/1000, 150, 5)
	})
}

// TestPeerCocktailPiValveWaitsForEver: a task waits for weight that never comes, with the valve open.
func TestPeerCocktailPiValveWaitsForEver(t *testing.T) {
	bubble(t, sim.Config{Seed: 83}, func(t *testing.T, u *unit) {
		u.inject(sim.Fault{Kind: sim.SupplyCut})
		id := u.start(rich(u), 240, false)
		defer u.hold(id)()
		u.wait("it is over, tried twice", 2500*time.Millisecond, func() bool { return u.m.State().Seq > 0 })
		if r := u.book.last(t); r.Reason != pour.ReasonNoFlow || !u.allShut() || !u.masterShut() {
			t.Errorf("%s %s", r.Outcome, r.Reason)
		}
	})
}

// TestPeerReefPiDoseCannotBeCancelled: a dose sleeps out its time whatever Stop says.
func TestPeerReefPiDoseCannotBeCancelled(t *testing.T) {
	bubble(t, sim.Config{Seed: 84}, func(t *testing.T, u *unit) {
		id := u.start(rich(u), 350, true)
		defer u.hold(id)()
		u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
		u.inject(sim.Fault{Kind: sim.DoorOpen})
		u.wait("shut", 20*time.Millisecond, u.allShut)
		time.Sleep(20 * time.Millisecond) // the stroke under way
		_, before := u.cupUL()
		time.Sleep(5 * time.Second)
		_, after := u.cupUL()
		if before["syrup.sugar"] != after["syrup.sugar"] {
			t.Errorf("%d µL of syrup came after the stop", after["syrup.sugar"]-before["syrup.sugar"])
		}
	})
}

// TestPeerReefPi719RestoredAfterPowerCut: what was on before a power cut is on after it. Every start begins shut, and
// nothing that was under way goes on.
func TestPeerReefPi719RestoredAfterPowerCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, err := sim.NewPlant(sim.Config{Seed: 85})
		if err != nil {
			t.Fatal(err)
		}
		for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
			r, err := plant.Open(owner)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Outputs().Apply(^uint64(0)>>(64-1), 1); err != nil {
				t.Fatal(err)
			}
			plant.Kill(owner) // its lines hold
		}
		time.Sleep(200 * time.Millisecond)
		if m := plant.State().Master; !m.Commanded {
			t.Fatal("the plant's lines do not hold: the test proves nothing")
		}
		for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
			r, err := plant.Open(owner)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
		}
		for _, v := range plant.State().Valves {
			if v.Commanded {
				t.Errorf("%s is open after a start", v.ID)
			}
		}
	})
}

// TestPeerCocktailBerry705CalibrationNeedsRestart: a new calibration is ignored until a restart.
func TestPeerCocktailBerry705CalibrationNeedsRestart(t *testing.T) {
	bubble(t, sim.Config{Seed: 86, Quiet: true}, func(t *testing.T, u *unit) {
		bev := u.ofCarrier("still")
		before := u.pour(bev, 240)
		sum, _ := u.cupUL()
		if err := u.m.SetCalibration(map[string]float64{"flow_still": 0.9}); err != nil {
			t.Fatal(err)
		}
		u.pour(bev, 240)
		after, _ := u.cupUL()
		if before.Outcome != wire.Completed || after <= sum+10_000 && after >= sum-10_000 {
			t.Errorf("%d µL before, %d after a calibration of 10 %%", sum, after)
		}
	})
}

// TestPeerBartendro67SilentlyDidNothing: a dispenser does nothing every other time and nobody notices: the menu shows
// what was poured (#52: drinks with no liquid). Motion has to be confirmed, and what is empty is not offered again.
func TestPeerBartendro67SilentlyDidNothing(t *testing.T) {
	bubble(t, sim.Config{Seed: 87}, func(t *testing.T, u *unit) {
		bev := rich(u)
		_, _, slot := u.carrierOf(t)
		u.inject(sim.Fault{Kind: sim.StrokeLoss, Part: "p" + slot[1:], Amount: 1})
		if r := u.pour(bev, 240); r.Outcome != wire.Faulted || r.Reason != pour.ReasonSoldOut {
			t.Errorf("%s %s", r.Outcome, r.Reason)
		}
		if err := u.try(bev); !isProblem(err, problem.CodeUnavailable) {
			t.Errorf("offered again: %v", err)
		}
	})
}

// budgetRig is the demo machine whose parts draw current, on a supply that does not feed them all at once.
func budgetRig(t *testing.T, supply int) *rigfile.Rig {
	t.Helper()
	text := strings.Replace(demoText(t), "  model: demo-v1\n", fmt.Sprintf("  model: demo-v1\n  supply_ma: %d\n", supply), 1)
	text = regexp.MustCompile(`(\{ id: (master|still|sparkling), owner.*) \}`).ReplaceAllString(text, "$1, current_ma: 500 }")
	text = regexp.MustCompile(`(\{ id: p\d\d, owner.*) \}`).ReplaceAllString(text, "$1, current_ma: 350 }")
	r, err := rigfile.Parse("demo.yaml with currents", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPeerReefPi2288Inrush: everything at once is more than the supply gives. Pumps take turns, and the ratio is kept; a
// drink that cannot be made within the supply is refused before anything opens.
func TestPeerReefPi2288Inrush(t *testing.T) {
	for _, tc := range []struct {
		supply int
		ok     bool
	}{{3000, true}, {1400, true}, {1200, false}} {
		if !tc.ok { // the rig file refuses what cannot even open: a supply changed without the file
			u := budgetRig(t, 1400)
			bubble(t, sim.Config{Seed: 88, Rig: u}, func(t *testing.T, u *unit) {
				_, err := u.m.Start(context.Background(), StartRequest{Beverage: rich(u), TargetUL: 240_000, Source: wire.SourceTouch})
				if p := problem.From(err); err == nil || p.Code != problem.CodeBadConfig {
					t.Errorf("start: %v", err)
				}
			}, func(_ *unit, c *Config, _ *Deps) { c.SupplyMA = int64(tc.supply) })
			continue
		}
		bubble(t, sim.Config{Seed: 88, Rig: budgetRig(t, tc.supply)}, func(t *testing.T, u *unit) {
			var bev beverage.ID
			most := 0
			for _, b := range stocked(u) { // the one with most pumps
				if n := len(b.Recipe.Parts); n > most {
					most, bev = n, b.ID
				}
			}
			u.plant.NewCup()
			id := u.start(bev, 240, false)
			letGo := u.hold(id)
			r := u.recorded(id)
			letGo()
			if r.Outcome != wire.Completed {
				t.Fatalf("%s %s", r.Outcome, r.Reason)
			}
			w := worstRatio(u, r)
			t.Logf("%d mA for %d pumps: %s took %v, worst ratio error %.2f %%", tc.supply, most-1, bev, r.Duration, 100*w)
			if w > 0.02 {
				t.Errorf("ratio error %.1f %%", 100*w)
			}
		})
	}
}

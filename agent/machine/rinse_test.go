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

// sweet is a drink with sugar, and diet one without: held, the sweet one leaves its syrup in the nozzle.
func (u *unit) sweet() beverage.ID { return rich(u) }

func (u *unit) diet() beverage.ID {
	return u.drink(func(b *beverage.Beverage) bool { return b.Sugar < pour.SugarFreeG && len(b.Recipe.Parts) > 1 })
}

// allergic is a drink with an allergen.
func (u *unit) allergic() beverage.ID {
	return u.drink(func(b *beverage.Beverage) bool { return len(b.Allergens) > 0 })
}

// held pours ml by hold and lets go.
func (u *unit) held(bev beverage.ID, ml float64) Result {
	u.t.Helper()
	id := u.start(bev, 350, true)
	letGo := u.hold(id)
	defer letGo()
	u.wait("volume", 20*time.Second, func() bool { return float64(u.m.State().PouredUL) >= ml*1000 })
	u.m.Stop(id, pour.ReasonReleased)
	return u.recorded(id)
}

// away takes the cup away for so long and puts a new one there.
func (u *unit) away(long time.Duration) {
	u.inject(sim.Fault{Kind: sim.CupRemoved})
	time.Sleep(long)
	u.plant.NewCup()
	time.Sleep(20 * time.Millisecond)
}

// TestRinse: sugar that a held drink left in the nozzle is rinsed away while the cup is changed, and none of it reaches
// the sugar-free drink that follows. The water is waste, not a sale.
func TestRinse(t *testing.T) {
	for _, rinsed := range []bool{true, false} {
		bubble(t, sim.Config{Seed: 51, Rig: bigNozzle(t)}, func(t *testing.T, u *unit) {
			u.held(u.sweet(), 150)
			if !rinsed {
				u.inject(sim.Fault{Kind: sim.TrayFull}) // no rinse into a full tray
				time.Sleep(20 * time.Millisecond)
			}
			spilled := u.plant.SpilledUL()
			u.inject(sim.Fault{Kind: sim.CupRemoved})
			time.Sleep(2500 * time.Millisecond)
			s, waste := u.m.State(), u.plant.SpilledUL()-spilled
			u.plant.NewCup()
			u.clearFault(sim.Fault{Kind: sim.TrayFull})
			time.Sleep(20 * time.Millisecond)
			if !rinsed {
				if s.Rinses != 0 || waste > 1000 {
					t.Errorf("rinsed %d times into a full tray, %d µL", s.Rinses, waste)
				}
				_, err := u.m.Start(context.Background(), StartRequest{Beverage: u.diet(), TargetUL: 150_000, Source: wire.SourceTouch})
				if p := problem.From(err); err == nil || p.Code != CodeRinseFirst || p.Where != "sugar" || p.Remedy == "" {
					t.Errorf("start: %v", err)
				}
				return
			}
			if s.Rinses != 1 || s.RinsedUL < pour.RinseMinUL || s.RinsedUL > pour.RinseMaxUL+10_000 {
				t.Errorf("%d rinses, %d µL", s.Rinses, s.RinsedUL)
			}
			within(t, "counted ml of the rinse", float64(s.RinsedUL)/1000, float64(waste)/1000, 2)
			if in, out := u.book.count(); in != 1 || out != 1 {
				t.Error("the rinse was sold")
			}
			id := u.start(u.diet(), 150, false)
			letGo := u.hold(id)
			u.recorded(id)
			letGo()
			carried := u.plant.State().Cup.CarryOver["syrup.sugar"]
			t.Logf("rinsed with %.1f ml; %d µL of syrup in the sugar-free drink", float64(s.RinsedUL)/1000, carried)
			if g := float64(carried) / 100_000 * 63; g > pour.CarrySugarG {
				t.Errorf("%.3f g of sugar in a sugar-free drink", g)
			}
		})
	}
}

// TestNoRinseNeeded: a person who pours the same again, or drinks that do not mind each other, or into the same cup, is
// never held up; neither is one who changes cups at an ordinary pace.
func TestNoRinseNeeded(t *testing.T) {
	bubble(t, sim.Config{Seed: 52}, func(t *testing.T, u *unit) {
		sweet, diet := u.sweet(), u.diet()
		u.held(sweet, 120)
		u.away(100 * time.Millisecond) // too short for a rinse
		u.held(sweet, 120)
		if u.m.State().Rinses != 0 {
			t.Error("rinsed although the cup was back at once")
		}
		u.held(diet, 60) // into the same cup: it holds the sweet one
		u.away(100 * time.Millisecond)
		u.held(sweet, 120)
		for range 5 {
			for _, b := range []beverage.ID{diet, sweet, u.allergic(), u.ofCarrier("sparkling")} {
				u.away(2 * time.Second)
				u.held(b, 80)
				u.away(2 * time.Second)
				u.pour(b, 120)
			}
		}
		t.Logf("%d rinses, %.0f ml", u.m.State().Rinses, float64(u.m.State().RinsedUL)/1000)
	})
}

// TestRinseAborts: a cup, a door, the guard, a lost loop: nothing flows on.
func TestRinseAborts(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(u *unit)
		in   time.Duration
	}{
		{"cup", func(u *unit) { u.plant.NewCup() }, 20 * time.Millisecond},
		{"door", func(u *unit) { u.inject(sim.Fault{Kind: sim.DoorOpen}) }, 20 * time.Millisecond},
		{"e-stop", func(u *unit) { u.inject(sim.Fault{Kind: sim.EStopPressed}) }, 20 * time.Millisecond},
		{"tray full", func(u *unit) { u.inject(sim.Fault{Kind: sim.TrayFull}) }, 20 * time.Millisecond},
		{"guard gone", func(u *unit) { u.wire.set(func(w *cable) { w.dead = true; w.state = 3 }) }, 50 * time.Millisecond},
		{"loop stands still", func(u *unit) { u.pacer.extra.Store(int64(300 * time.Millisecond)) }, 305 * time.Millisecond},
		{"no water", func(u *unit) { u.inject(sim.Fault{Kind: sim.SupplyCut}) }, 1100 * time.Millisecond},
		{"agent stops", func(u *unit) { u.stop() }, 20 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, sim.Config{Seed: 53}, func(t *testing.T, u *unit) {
				u.held(u.sweet(), 150)
				u.inject(sim.Fault{Kind: sim.CupRemoved})
				u.wait("the rinse flows", time.Second, func() bool { return !u.allShut() })
				time.Sleep(40 * time.Millisecond)
				tc.do(u)
				u.wait("valves commanded shut", tc.in, u.allShut)
				u.wait("MASTER shut", 400*time.Millisecond, u.masterShut)
				time.Sleep(time.Second)
				if !u.allShut() {
					t.Error("something opened again")
				}
				if tc.name == "cup" {
					if sum, _ := u.cupUL(); sum > 12_000 {
						t.Errorf("%d µL of rinse water in the cup", sum)
					}
				}
				u.wire.set(func(w *cable) { w.dead = false })
			})
		})
	}
}

// TestRinseByHand: a unit without cup sensor is rinsed by a person whose lease it is.
func TestRinseByHand(t *testing.T) {
	bubble(t, sim.Config{Seed: 54, Rig: withoutCupSensor(t)}, func(t *testing.T, u *unit) {
		sweet, diet := u.sweet(), u.diet()
		u.held(sweet, 150)
		if u.m.State().Cup {
			t.Error("a cup is seen without a sensor: a screen would wait for it for ever")
		}
		if _, err := u.m.Start(context.Background(), StartRequest{Beverage: diet, TargetUL: 150_000, Source: wire.SourceTouch}); problem.From(err).Code != CodeRinseFirst {
			t.Errorf("start: %v", err)
		}
		if err := u.try(sweet); err != nil { // a portion washes the nozzle itself
			t.Errorf("the same again: %v", err)
		}
		u.held(sweet, 150)
		id, err := u.m.Rinse(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.m.Rinse(context.Background()); !isProblem(err, problem.CodeBusy) {
			t.Errorf("two rinses: %v", err)
		}
		letGo := u.hold(id)
		u.wait("rinsed", 3*time.Second, func() bool { return u.m.State().Rinses == 1 })
		letGo()
		if err := u.m.Beat(id); !isProblem(err, problem.CodeNotFound) {
			t.Errorf("beat of an ended rinse: %v", err)
		}
		if err := u.try(diet); err != nil {
			t.Errorf("after the rinse: %v", err)
		}
		u.held(sweet, 150)
		if _, err = u.m.Rinse(context.Background()); err != nil { // nobody beats
			t.Fatal(err)
		}
		u.wait("the rinse flows", time.Second, func() bool { return !u.allShut() })
		u.wait("valves commanded shut", 302*time.Millisecond, u.allShut)
	})
}

// TestAgitation: on schedule, while nothing else moves; a pour stops it within a tick.
func TestAgitation(t *testing.T) {
	bubble(t, sim.Config{Seed: 55, Rig: editedRig(t, beforeSim, agitator)}, func(t *testing.T, u *unit) {
		runs := func() bool { v, _ := u.plant.Valve("stir"); return v.Commanded }
		time.Sleep(58 * time.Second)
		u.wait("the agitator runs", 3*time.Second, runs)
		began := u.plant.Now()
		time.Sleep(9 * time.Second)
		u.wait("it stops", 2*time.Second, func() bool { return !runs() })
		within(t, "seconds of a run", (u.plant.Now() - began).Seconds(), 10, 0.02)
		time.Sleep(58 * time.Second)
		u.wait("it runs again", 3*time.Second, runs)
		time.Sleep(2 * time.Second)
		at := u.plant.Now()
		id := u.start(rich(u), 150, false)
		letGo := u.hold(id)
		if runs() || u.plant.Now()-at > 10*time.Millisecond {
			t.Errorf("it still runs %v after the start of a pour", u.plant.Now()-at)
		}
		u.wait("flowing", 2*time.Second, func() bool { return u.m.State().Phase == pour.Flow })
		if runs() {
			t.Error("it runs during a pour")
		}
		u.recorded(id)
		letGo()
		u.wait("what was cut short is done when it is quiet", time.Second, runs)
		u.inject(sim.Fault{Kind: sim.DoorOpen})
		u.wait("a door stops it", 20*time.Millisecond, func() bool { return !runs() })
		if s := u.m.State(); s.MasterOpen {
			t.Error("MASTER is open for an agitator")
		}
	})
}

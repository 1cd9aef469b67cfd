package machine

import (
	"context"
	"slices"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/hal/sim"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

func (u *unit) try(bev beverage.ID) error {
	id, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: 150_000, Source: wire.SourceTouch})
	if err == nil {
		letGo := u.hold(id)
		u.recorded(id)
		letGo()
	}
	return err
}

func (u *unit) fault(scope, code string) (Fault, bool) {
	f := u.m.State().Faults
	i := slices.IndexFunc(f, func(f Fault) bool { return f.Scope == scope && f.Code == code })
	if i < 0 {
		return Fault{}, false
	}
	return f[i], true
}

func (u *unit) ofCarrier(c string) beverage.ID {
	return u.drink(func(b *beverage.Beverage) bool { return b.Recipe.Carrier == c && len(b.Recipe.Parts) > 1 })
}

// TestSoldOutRescue: the valve is shut within 300 ms of the first stroke that fails; the other ingredients get what
// belongs to the water that came; the record says what the missing one lacks.
func TestSoldOutRescue(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.CartridgeEmpty, sim.CartridgeGone} {
		for _, hold := range []bool{false, true} {
			bubble(t, sim.Config{Seed: 31}, func(t *testing.T, u *unit) {
				bev := rich(u)
				_, _, slot := u.carrierOf(t)
				u.plant.NewCup()
				id := u.start(bev, 240, hold)
				defer u.hold(id)()
				u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 120_000 })
				u.inject(sim.Fault{Kind: kind, Part: slot})
				at := u.plant.Now()
				u.wait("valves commanded shut", 300*time.Millisecond, u.allShut)
				took := u.plant.Now() - at
				r := u.recorded(id)
				if r.Outcome != wire.Faulted || r.Reason != pour.ReasonSoldOut {
					t.Fatalf("%s %s", r.Outcome, r.Reason)
				}
				_, parts := u.cupUL()
				dry := r.Intent.Parts[1].Ingredient
				water := float64(parts[string(r.Intent.Parts[0].Ingredient)])
				worst := 0.0
				for _, p := range r.Intent.Parts[2:] {
					want := water * float64(p.Share) / float64(r.Intent.Parts[0].Share)
					worst = max(worst, float64(parts[string(p.Ingredient)])/want-1, 1-float64(parts[string(p.Ingredient)])/want)
				}
				lacks := water*float64(r.Intent.Parts[1].Share)/float64(r.Intent.Parts[0].Share) - float64(parts[string(dry)])
				t.Logf("%s hold %v: shut after %v, %.1f ml of water, the others off by %.1f %% at most, %s lacks %.2f ml, the record says %.2f", kind, hold, took, water/1000, 100*worst, r.Short, lacks/1000, float64(r.ShortUL)/1000)
				if limit := map[bool]float64{true: 0.03, false: 0.10}[hold]; worst > limit { // a portion doses ahead of its rinse
					t.Errorf("the other ingredients are off by %.1f %%", 100*worst)
				}
				if r.Short != string(dry) {
					t.Errorf("the record says %q ran out, want %s", r.Short, dry)
				}
				within(t, "shortfall ml", float64(r.ShortUL)/1000, lacks/1000, 0.5)
				if err := u.try(u.drink(func(b *beverage.Beverage) bool {
					return b.Recipe.Carrier == "still" && !slices.ContainsFunc(b.Recipe.Parts, func(p beverage.RecipePart) bool { return p.Ingredient == dry })
				})); err != nil {
					t.Errorf("a drink without it: %v", err)
				}
			})
		}
	}
}

// TestSecondCartridge: a drink goes on from the second slot that holds the ingredient, and is whole.
func TestSecondCartridge(t *testing.T) {
	bubble(t, sim.Config{Seed: 32}, func(t *testing.T, u *unit) {
		bev := rich(u)
		_, _, slot := u.carrierOf(t)
		u.plant.NewCup()
		id := u.start(bev, 240, false)
		letGo := u.hold(id)
		u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 80_000 })
		u.inject(sim.Fault{Kind: sim.CartridgeEmpty, Part: slot})
		r := u.recorded(id)
		letGo()
		if r.Outcome != wire.Completed {
			t.Fatalf("%s %s", r.Outcome, r.Reason)
		}
		carts := map[string]int64{}
		var sum int64
		for _, p := range r.Parts {
			if p.Ingredient == string(r.Intent.Parts[1].Ingredient) {
				carts[p.Cartridge] += p.UL
				sum += p.UL
			}
		}
		_, parts := u.cupUL()
		if len(carts) != 2 || carts["cart-"+slot] == 0 {
			t.Errorf("parts by cartridge %v", carts)
		}
		within(t, "recorded ml of it", float64(sum)/1000, float64(parts[string(r.Intent.Parts[1].Ingredient)])/1000, 0.5)
		if w := worstRatio(u, r); w > 0.02 {
			t.Errorf("ratio error %.1f %%", 100*w)
		}
		if s := u.m.State(); !slices.Equal(s.Empty, []string{slot}) {
			t.Errorf("empty %v", s.Empty)
		}
		if r := u.pour(bev, 150); r.Outcome != wire.Completed {
			t.Errorf("the next one: %s %s", r.Outcome, r.Reason)
		}
	}, second("syrup.sugar", "s16"))
}

// TestPulledCartridge: the notice of a slot ends the pour within 300 ms, or makes it go on from a second slot.
func TestPulledCartridge(t *testing.T) {
	for _, two := range []bool{false, true} {
		var options []option
		if two {
			options = append(options, second("syrup.sugar", "s16"))
		}
		bubble(t, sim.Config{Seed: 33}, func(t *testing.T, u *unit) {
			bev := rich(u)
			_, _, slot := u.carrierOf(t)
			u.plant.NewCup()
			id := u.start(bev, 240, false)
			letGo := u.hold(id)
			u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 80_000 })
			u.inject(sim.Fault{Kind: sim.CartridgeGone, Part: slot})
			u.m.SlotChanged(slot, SlotPulled)
			if !two {
				u.wait("valves commanded shut", 20*time.Millisecond, u.allShut)
			}
			r := u.recorded(id)
			letGo()
			switch {
			case two && r.Outcome != wire.Completed, !two && (r.Outcome != wire.Faulted || r.Reason != pour.ReasonCartridge):
				t.Errorf("two %v: %s %s", two, r.Outcome, r.Reason)
			case !two && r.Short != "syrup.sugar":
				t.Errorf("short of %q", r.Short)
			}
			if err := u.try(bev); two != (err == nil) {
				t.Errorf("two %v: the next start: %v", two, err)
			}
			u.clearFault(sim.Fault{Kind: sim.CartridgeGone, Part: slot})
			u.m.SlotChanged(slot, SlotOK)
			if err := u.try(bev); err != nil {
				t.Errorf("with the cartridge back: %v", err)
			}
		}, options...)
	}
}

// TestOneChannelsFault (bartendro #164: one empty sensor blocked every drink; CocktailBerry: a pump's error was swallowed
// and the drink called finished): a pump that does not obey ends the pour as faulted and locks its slot out; other drinks
// go on; the lock-out ends only when the pump obeys again.
func TestOneChannelsFault(t *testing.T) {
	bubble(t, sim.Config{Seed: 34}, func(t *testing.T, u *unit) {
		bev := rich(u)
		_, _, slot := u.carrierOf(t)
		id := u.start(bev, 240, false)
		letGo := u.hold(id)
		u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
		u.inject(sim.Fault{Kind: sim.ChipGone, Part: "d1"})
		u.wait("valves commanded shut", 20*time.Millisecond, u.allShut)
		r := u.recorded(id)
		letGo()
		if r.Outcome != wire.Faulted || r.Reason != pour.ReasonHardware {
			t.Errorf("%s %s", r.Outcome, r.Reason)
		}
		if f, ok := u.fault(slot, pour.ReasonHardware); !ok || !f.Locked || f.Evidence == "" {
			t.Errorf("faults %+v", u.m.State().Faults)
		}
		if err := u.try(bev); !isProblem(err, problem.CodeUnavailable) {
			t.Errorf("the same drink: %v", err)
		}
		if err := u.try(u.drink(func(b *beverage.Beverage) bool { // micro-ingredients only: they are on other boards
			return !slices.ContainsFunc(b.Recipe.Parts[1:], func(p beverage.RecipePart) bool { return u.shelf.slots[p.Ingredient][0] <= "s16" })
		})); err != nil {
			t.Errorf("a drink of other channels: %v", err)
		}
		if err := u.m.ClearLockout(slot, pour.ReasonHardware); !isProblem(err, problem.CodeConflict) {
			t.Errorf("cleared while it does not obey: %v", err)
		}
		u.clearFault(sim.Fault{Kind: sim.ChipGone, Part: "d1"})
		for _, f := range u.m.Lockouts() {
			if err := u.m.ClearLockout(f.Scope, f.Code); err != nil {
				t.Errorf("clear %s %s: %v", f.Scope, f.Code, err)
			}
		}
		if err := u.m.ClearLockout(slot, pour.ReasonHardware); !isProblem(err, problem.CodeNotFound) {
			t.Errorf("cleared twice: %v", err)
		}
		if err := u.try(bev); err != nil {
			t.Errorf("after the check: %v", err)
		}
	})
}

// TestCarrierLockout: a meter that was lost locks its line out, not the other one; the lock-out outlives the process.
func TestCarrierLockout(t *testing.T) {
	kept := &lockBook{}
	bubble(t, sim.Config{Seed: 35}, func(t *testing.T, u *unit) {
		still, sparkling := u.ofCarrier("still"), u.ofCarrier("sparkling")
		id := u.start(still, 240, false)
		letGo := u.hold(id)
		u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
		u.inject(sim.Fault{Kind: sim.MeterDead, Part: "flow_still"})
		r := u.recorded(id)
		letGo()
		sum, _ := u.cupUL()
		if r.Reason != pour.ReasonMeterLost || r.EstimatedUL == 0 {
			t.Errorf("%s, %d µL estimated", r.Reason, r.EstimatedUL)
		}
		within(t, "counted and estimated ml", float64(r.CountedUL+r.EstimatedUL)/1000, float64(sum)/1000, 4)
		u.plant.NewCup()
		if err := u.try(still); !isProblem(err, problem.CodeUnavailable) {
			t.Errorf("the line's drinks: %v", err)
		}
		if err := u.try(sparkling); err != nil {
			t.Errorf("the other line's: %v", err)
		}
	}, func(_ *unit, _ *Config, d *Deps) { d.Locks = kept })
	bubble(t, sim.Config{Seed: 35}, func(t *testing.T, u *unit) {
		if err := u.try(u.ofCarrier("still")); !isProblem(err, problem.CodeUnavailable) {
			t.Errorf("after a restart: %v", err)
		}
		if err := u.m.ClearLockout("still", pour.ReasonMeterLost); err != nil {
			t.Error(err)
		}
		if err := u.try(u.ofCarrier("still")); err != nil {
			t.Errorf("after clearing: %v", err)
		}
	}, func(_ *unit, _ *Config, d *Deps) { d.Locks = kept })
}

type lockBook struct{ list []Fault }

func (b *lockBook) LoadLocks() ([]Fault, error) { return b.list, nil }
func (b *lockBook) SaveLocks(l []Fault) error   { b.list = l; return nil }

// TestLateAnswers: a rig that does not answer for a while looks like a meter that dies. The pour ends, for nobody knows
// what flows; but when the pulses come after all they are counted, and nothing is locked out.
func TestLateAnswers(t *testing.T) {
	for _, stall := range []time.Duration{170, 250, 450, 1500} {
		bubble(t, sim.Config{Seed: 41}, func(t *testing.T, u *unit) {
			u.pour(rich(u), 150)
			u.plant.NewCup()
			id := u.start(rich(u), 240, false)
			letGo := u.hold(id)
			u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
			u.inject(sim.Fault{Kind: sim.RigStall, Part: "agent", For: stall * time.Millisecond})
			r := u.recorded(id)
			letGo()
			sum, _ := u.cupUL()
			t.Logf("%d ms: %s %s, %d + %d µL of %d", stall, r.Outcome, r.Reason, r.CountedUL, r.EstimatedUL, sum)
			if r.Outcome != wire.Interrupted || r.Reason != pour.ReasonRigLost {
				t.Errorf("%s %s", r.Outcome, r.Reason)
			}
			within(t, "recorded ml", float64(r.CountedUL+r.EstimatedUL)/1000, float64(sum)/1000, 5)
			time.Sleep(3 * time.Second)
			if l := u.m.Lockouts(); len(l) > 0 {
				t.Errorf("locked out: %+v", l)
			}
			u.plant.NewCup()
			if err := u.try(rich(u)); err != nil {
				t.Errorf("the next pour: %v", err)
			}
		})
	}
}

// TestReadinessInputs: they refuse new pours of their scope and end none.
func TestReadinessInputs(t *testing.T) {
	for _, tc := range []struct {
		kind             sim.FaultKind
		part, where      string
		still, sparkling bool // may be poured
	}{
		{sim.TrayFull, "", pour.ReasonTrayFull, false, false},
		{sim.CO2Out, "", CodeNoCO2, true, false},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			rig := editedRig(t, atLocks, gasLocks)
			bubble(t, sim.Config{Seed: 36, Rig: rig}, func(t *testing.T, u *unit) {
				still, sparkling := u.ofCarrier("still"), u.ofCarrier("sparkling")
				u.plant.NewCup()
				id := u.start(sparkling, 240, false)
				letGo := u.hold(id)
				u.wait("flowing", 5*time.Second, func() bool { return u.m.State().PouredUL > 60_000 })
				u.inject(sim.Fault{Kind: tc.kind, Part: tc.part})
				r := u.recorded(id)
				letGo()
				if r.Outcome != wire.Completed {
					t.Errorf("the pour under way: %s %s", r.Outcome, r.Reason)
				}
				time.Sleep(30 * time.Second) // the gas falls slowly
				for bev, may := range map[beverage.ID]bool{still: tc.still, sparkling: tc.sparkling} {
					if err := u.try(bev); may != (err == nil) || err != nil && problem.From(err).Where != tc.where {
						t.Errorf("%s: %v", bev, err)
					}
				}
				u.clearFault(sim.Fault{Kind: tc.kind, Part: tc.part})
				time.Sleep(60 * time.Second)
				if err := u.try(sparkling); err != nil {
					t.Errorf("afterwards: %v; interlocks %s", err, u.m.State().Interlocks)
				}
			})
		})
	}
}

// TestRetry: a valve that gives nothing is opened once more, half a second later; if water comes then, the drink is whole.
func TestRetry(t *testing.T) {
	for _, mends := range []bool{true, false} {
		bubble(t, sim.Config{Seed: 37}, func(t *testing.T, u *unit) {
			valve, _, _ := u.carrierOf(t)
			u.inject(sim.Fault{Kind: sim.StuckShut, Part: valve})
			u.plant.NewCup()
			id := u.start(rich(u), 240, false)
			defer u.hold(id)()
			u.wait("the first opening ends", time.Second, func() bool {
				v, _ := u.plant.Valve(valve)
				return v.CommandedShutNS > v.CommandedOpenNS && v.CommandedOpenNS > 0
			})
			if !u.wire.beat().WantMaster || mends == (u.m.State().Outcome != "") && mends {
				t.Error("MASTER was given up")
			}
			if mends {
				u.clearFault(sim.Fault{Kind: sim.StuckShut, Part: valve})
			}
			r := u.recorded(id)
			if want := map[bool]string{true: "", false: pour.ReasonNoFlow}[mends]; r.Reason != want {
				t.Errorf("mends %v: %s %s", mends, r.Outcome, r.Reason)
			}
			opened := 0
			for _, e := range u.plant.State().Events {
				if e.Part == valve && e.What == sim.CommandedOpen {
					opened++
				}
			}
			if opened != 2 {
				t.Errorf("mends %v: opened %d times", mends, opened)
			}
			if mends {
				sum, _ := u.cupUL()
				within(t, "cup ml", float64(sum)/1000, 240, 4)
			}
		})
	}
}

// TestGhostFlow (kegbot-android #97, RaspberryPints #293, pycore #4: 33 pints overnight): pulses while everything is shut
// are told apart, and none is ever a sale.
func TestGhostFlow(t *testing.T) {
	for _, tc := range []struct {
		name   string
		pulses []time.Duration // gaps before each
		code   string
		scope  string
		blocks bool
	}{
		{"one pulse", gaps(1, time.Second), "", "", false},
		{"a burst of interference", gaps(40, 2*time.Millisecond), CodeEMI, "still", false},
		{"air", []time.Duration{0, 14e6, 45e6, 11e6, 90e6, 20e6, 130e6, 16e6}, CodeAir, "still", false},
		{"a leak", gaps(40, 100*time.Millisecond), CodeFlow, ScopeUnit, true},
		{"a slow leak", gaps(12, 600*time.Millisecond), CodeFlow, ScopeUnit, true},
		{"a weeping valve", gaps(30, 70*time.Second), CodeWeep, "still", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, sim.Config{Seed: 38}, func(t *testing.T, u *unit) {
				for _, g := range tc.pulses {
					time.Sleep(g)
					if err := u.plant.SendPulses("flow_still", 1, time.Microsecond); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(3 * time.Second)
				s := u.m.State()
				if _, ok := u.fault(tc.scope, tc.code); ok != (tc.code != "") || len(s.Faults) > 1 {
					t.Errorf("faults %+v, want %s %s", s.Faults, tc.scope, tc.code)
				}
				if (s.Fault != "") != tc.blocks {
					t.Errorf("the unit shows %q", s.Fault)
				}
				if in, out := u.book.count(); in != 0 || out != 0 {
					t.Error("ghost flow was sold")
				}
				if tc.blocks {
					if err := u.m.ClearLockout(ScopeUnit, CodeFlow); err != nil {
						t.Errorf("clear: %v", err)
					}
				}
				if err := u.try(u.ofCarrier("still")); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

func gaps(n int, g time.Duration) (out []time.Duration) {
	for range n {
		out = append(out, g)
	}
	return out
}

// TestClearWhileItFlows: a lock-out whose cause can be seen stays.
func TestClearWhileItFlows(t *testing.T) {
	bubble(t, sim.Config{Seed: 39}, func(t *testing.T, u *unit) {
		stuck := []sim.Fault{{Kind: sim.StuckOpen, Part: "still"}, {Kind: sim.StuckOpen, Part: "master"}}
		for _, f := range stuck {
			u.inject(f)
		}
		u.wait("the flow is noticed", 500*time.Millisecond, func() bool { return u.m.State().Fault == CodeFlow })
		if err := u.m.ClearLockout(ScopeUnit, CodeFlow); !isProblem(err, problem.CodeConflict) {
			t.Errorf("cleared while water flows: %v", err)
		}
		for _, f := range stuck {
			u.clearFault(f)
		}
		time.Sleep(2 * time.Second)
		if err := u.m.ClearLockout(ScopeUnit, CodeFlow); err != nil {
			t.Errorf("clear: %v", err)
		}
	})
}

// TestQuiet: bulk work waits while a pour is active and goes on after it.
func TestQuiet(t *testing.T) {
	bubble(t, sim.Config{Seed: 40}, func(t *testing.T, u *unit) {
		if err := u.m.Quiet(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := u.start(rich(u), 150, false)
		letGo := u.hold(id)
		var quietAt time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := u.m.Quiet(t.Context()); err != nil {
				t.Error(err)
			}
			quietAt = u.plant.Now()
		}()
		r := u.recorded(id)
		letGo()
		<-done
		if r.Outcome != wire.Completed || !u.allShut() || quietAt == 0 || u.m.Busy() {
			t.Errorf("%s, quiet at %v", r.Outcome, quietAt)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		u.m.gate.shut()
		if err := u.m.Quiet(ctx); err == nil {
			t.Error("a cancelled wait returned as if it were quiet")
		}
		u.m.gate.lift()
	})
}

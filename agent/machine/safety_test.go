package machine

import (
	"context"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/hal/sim"
	"fountain/internal/problem"
)

// carriers are the agent's valves of the demo machine.
func (u *unit) carriers() (out []string) {
	for _, l := range u.m.lines {
		if l.mask != 0 {
			out = append(out, l.valve)
		}
	}
	return out
}

// opened tells whether a valve or agitator is commanded.
func (u *unit) opened(id string) bool { v, _ := u.plant.Valve(id); return v.Commanded }

// TestRinseSparesCleaning: a line that cleaner stands in is not what the nozzle is rinsed with, and when there is no
// other, it is not rinsed.
func TestRinseSparesCleaning(t *testing.T) {
	bubble(t, sim.Config{Seed: 61, Rig: bigNozzle(t)}, func(t *testing.T, u *unit) {
		var still string
		for _, l := range u.m.lines {
			if l.carrier == carrierStill {
				still = l.valve
			}
		}
		rinse := func(barred map[string]string) (rinses uint64, stillOpened bool) {
			u.held(u.sweet(), 150)
			u.m.SetLockedOut(barred)
			before := u.m.State().Rinses
			u.inject(sim.Fault{Kind: sim.CupRemoved})
			for range 2500 {
				time.Sleep(time.Millisecond)
				stillOpened = stillOpened || u.opened(still)
			}
			u.m.SetLockedOut(nil)
			u.plant.NewCup()
			time.Sleep(20 * time.Millisecond)
			return u.m.State().Rinses - before, stillOpened
		}
		if n, open := rinse(map[string]string{still: maintenance.LockCleaning}); n != 1 || open {
			t.Errorf("%d rinses, through the line under cleaning: %v", n, open)
		}
		all := map[string]string{}
		for _, v := range u.carriers() {
			all[v] = maintenance.LockCleaning
		}
		if n, open := rinse(all); n != 0 || open {
			t.Errorf("%d rinses although every line is under cleaning", n)
		}
	})
}

// TestNothingStartsByAReset: releasing the emergency stop, or shutting the door, starts no rinse by itself: whoever
// stood at the machine may still have a hand there. The next change of cups rinses.
func TestNothingStartsByAReset(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.EStopPressed, sim.DoorOpen, sim.LeakSeen} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, sim.Config{Seed: 62, Rig: bigNozzle(t)}, func(t *testing.T, u *unit) {
				u.held(u.sweet(), 150)
				u.inject(sim.Fault{Kind: kind})
				time.Sleep(50 * time.Millisecond)
				u.inject(sim.Fault{Kind: sim.CupRemoved})
				time.Sleep(2 * time.Second)
				u.clearFault(sim.Fault{Kind: kind})
				for range 3000 {
					time.Sleep(time.Millisecond)
					if !u.allShut() || !u.masterShut() {
						t.Fatal("water flows because a safety input was reset")
					}
				}
				u.away(50 * time.Millisecond)
				u.inject(sim.Fault{Kind: sim.CupRemoved})
				time.Sleep(2500 * time.Millisecond)
				if n := u.m.State().Rinses; n != 1 {
					t.Errorf("%d rinses after the cup was changed", n)
				}
			})
		})
	}
}

// TestAgitatorWaits: an agitator stops when the guard is gone, who alone knows of the emergency stop, and one that a
// safety input stopped waits for its next turn when the input is reset.
func TestAgitatorWaits(t *testing.T) {
	stirs := func(u *unit) bool { return u.opened("stir") }
	bubble(t, sim.Config{Seed: 63, Rig: editedRig(t, beforeSim, agitator)}, func(t *testing.T, u *unit) {
		for _, kind := range []sim.FaultKind{sim.EStopPressed, sim.DoorOpen} {
			u.wait("the agitator runs", 75*time.Second, func() bool { return stirs(u) })
			u.inject(sim.Fault{Kind: kind})
			u.wait("it stops", 60*time.Millisecond, func() bool { return !stirs(u) })
			time.Sleep(time.Second)
			u.clearFault(sim.Fault{Kind: kind})
			for range 3000 {
				time.Sleep(10 * time.Millisecond)
				if stirs(u) {
					t.Fatalf("%s was reset, and the agitator runs", kind)
				}
			}
		}
		u.wait("the agitator runs", 75*time.Second, func() bool { return stirs(u) })
		u.pacer.extra.Store(int64(300 * time.Millisecond))
		u.wait("a loop that stood still stops it", 320*time.Millisecond, func() bool { return !stirs(u) })
		u.wait("the agitator runs", 75*time.Second, func() bool { return stirs(u) })
		u.wire.set(func(w *cable) { w.dead = true; w.state = 3 })
		u.wait("it stops without the guard", 50*time.Millisecond, func() bool { return !stirs(u) })
		time.Sleep(5 * time.Second)
		if stirs(u) {
			t.Error("it runs without the guard")
		}
		u.wire.set(func(w *cable) { w.dead = false })
	})
}

// TestRinseIsNow: a rinse that somebody asked for while a pour was on its way is refused; it does not begin when the
// pour ends, into a cup that still stands there.
func TestRinseIsNow(t *testing.T) {
	bubble(t, sim.Config{Seed: 64, Rig: withoutCupSensor(t)}, func(t *testing.T, u *unit) {
		l := &rinseLease{id: "asked", answer: make(chan error, 1)}
		id := u.start(rich(u), 150, false)
		letGo := u.hold(id)
		u.wait("flowing", 2*time.Second, func() bool { return u.m.State().Phase == pour.Flow })
		u.m.rinse.Store(l) // what Rinse does when the pour began after it had looked
		u.recorded(id)
		letGo()
		time.Sleep(2 * time.Second)
		if n := u.m.State().Rinses; n != 0 {
			t.Errorf("%d rinses after the pour", n)
		}
		if len(l.answer) != 1 || !isProblem(<-l.answer, problem.CodeBusy) {
			t.Error("it was not answered as busy")
		}
		gone := &rinseLease{id: "gone", answer: make(chan error, 1)}
		gone.stop.Store(true) // its caller has left
		u.m.rinse.Store(gone)
		time.Sleep(time.Second)
		if n := u.m.State().Rinses; n != 0 {
			t.Errorf("%d rinses for nobody", n)
		}
		if _, err := u.m.Rinse(context.Background()); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

// behindBus is a rig whose outputs are behind a wire: Safe only asks, Close waits until they are shut.
type behindBus struct {
	*still
	closed bool
	hang   bool
}

func (r *behindBus) Safe(error) error { return nil }
func (r *behindBus) Close() error {
	if r.hang {
		select {}
	}
	r.closed = true
	return nil
}

// TestPanicBehindABus: a process that crashes waits for the wire to its outputs, but not for ever.
func TestPanicBehindABus(t *testing.T) {
	for _, hang := range []bool{false, true} {
		r := &behindBus{still: &still{now: time.Second, boom: true}, hang: hang}
		m := stillMachine(t, r.still)
		m.deps.Rig = r
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
				if !hang && !r.closed {
					t.Error("it crashed before its outputs were shut")
				}
			}()
			_ = m.Run(t.Context())
		}()
	}
}

// TestNoClearingDuringService: a lock-out is not ended by a word while an operation moves water: nobody looks at idle meters
// then.
func TestNoClearingDuringService(t *testing.T) {
	kept := &lockBook{list: []Fault{{Scope: "sparkling", Code: pour.ReasonHardware, Part: "sparkling", Evidence: "test", Locked: true}}}
	bubble(t, sim.Config{Seed: 65}, func(t *testing.T, u *unit) {
		s := u.begin(u.plan(api.StartOp{Kind: api.OpRinse, Line: "still", Params: map[string]string{"ml": "500"}}))
		leave := u.attend(s, tech{})
		u.wait("water flows", 5*time.Second, func() bool { return !u.allShut() })
		if err := u.m.ClearLockout("sparkling", pour.ReasonHardware); !isProblem(err, problem.CodeBusy) {
			t.Errorf("cleared during an operation: %v", err)
		}
		u.ended(s)
		leave()
		if err := u.m.ClearLockout("sparkling", pour.ReasonHardware); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}, func(_ *unit, _ *Config, d *Deps) { d.Locks = kept })
}

package screens

import (
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// TestHoldMachine walks every sequence of eight events and checks what must hold after each.
func TestHoldMachine(t *testing.T) {
	var walk func(h hold, leased bool, history []holdEvent)
	walk = func(h hold, leased bool, history []holdEvent) {
		if len(history) == 8 {
			return
		}
		for e := evPress; e <= evSettled; e++ {
			switch {
			case (e == evGranted || e == evRefused) && h.state != asking && h.state != resuming, e == evSettled && h.state != ending,
				(e == evOver || e == evPaused || e == evFlows) && !leased:
				continue // the agent cannot say that now
			}
			next, effect := h.step(e)
			now := append(history[:len(history):len(history)], e)
			has := leased
			switch effect {
			case doAsk:
				if h.state != resting {
					t.Fatalf("%v asks for a second pour", now)
				}
			case doBeat:
				if h.released || !next.leased() {
					t.Fatalf("%v beats a pour that was let go", now)
				}
				has = true
			case doResume:
				if h.state != paused || e != evPress {
					t.Fatalf("%v goes on with a pour that nobody pressed on", now)
				}
			case doStop:
				has = false
			case doNothing:
			}
			if e == evRelease && h.leased() && effect != doStop {
				t.Fatalf("%v does not stop when let go", now)
			}
			if e == evGranted && h.released && effect != doStop {
				t.Fatalf("%v does not stop a pour that was let go while asking", now)
			}
			if has != next.leased() {
				t.Fatalf("%v leaves a lease without anyone who holds it", now)
			}
			walk(next, has, now)
		}
	}
	walk(hold{}, false, nil)
}

// atBeverage brings a rig to a beverage page.
func atBeverage(t *testing.T) *rig {
	r := newRig(t, 800, 480)
	r.waitPage("home")
	if err := r.app.Call(t.Context(), func() { r.ui.open("kolvane.cherry-zero") }); err != nil {
		t.Fatal(err)
	}
	r.waitPage("beverage")
	return r
}

// rest asserts that nothing flows any more, soon and for good.
func (r *rig) rest() {
	r.t.Helper()
	r.until("every pour to stop", func() bool { return r.agent.active() == 0 })
	p := r.agent.last()
	time.Sleep(50 * time.Millisecond) // in which a stray beat or a late grant would show
	if r.agent.active() != 0 || r.agent.last().PouredUL != p.PouredUL {
		r.t.Fatal("a pour goes on after it was let go")
	}
}

func TestLettingGoAtAnyMoment(t *testing.T) {
	r := atBeverage(t)
	for _, wait := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 130 * time.Millisecond} {
		x, y := r.press("beverage.pour")
		time.Sleep(wait)
		r.finger.Up(1, x, y)
		<-r.agent.started // every press asks, however short it was
		r.until("the finger to be gone", func() bool {
			var touching bool
			_ = r.app.Call(t.Context(), func() { touching = r.app.Touching() || r.ui.pour.active() })
			return !touching
		})
		r.rest()
		if p := r.agent.last(); p.ID != "" && p.Reason != "released" && p.Outcome != "completed" {
			t.Errorf("after %v the pour ended %s (%s), not by letting go", wait, p.Outcome, p.Reason)
		}
	}
}

func TestLettingGoBeforeTheAgentAnswers(t *testing.T) {
	r := atBeverage(t)
	grant := make(chan struct{})
	r.agent.mu.Lock()
	r.agent.grant = grant
	r.agent.mu.Unlock()
	x, y := r.press("beverage.pour")
	<-r.agent.started
	r.finger.Up(1, x, y)
	r.until("the release to be seen", func() bool {
		var released bool
		_ = r.app.Call(t.Context(), func() { released = r.ui.pour.released })
		return released
	})
	close(grant)
	r.waitPage("done")
	r.rest()
	if p := r.agent.last(); p.Reason != "released" {
		t.Errorf("the pour ended by %q, not by the release", p.Reason)
	}
}

func TestWhatElseStopsAPour(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(r *rig)
		want string
	}{
		{"slid off", func(r *rig) { r.finger.Move(1, 10, 10) }, "released"},
		{"page changed", func(r *rig) { _ = r.app.Call(r.t.Context(), r.ui.goHome) }, "released"},
		{"out of order", func(r *rig) {
			r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "e_stop" })
		}, "released"},
		{"finger lost", func(r *rig) { r.finger.Cancel(1) }, "screen_lost"},
		{"input is gone", func(r *rig) { _ = r.finger.Close() }, "screen_lost"},
		{"screen ends", func(r *rig) { r.app.Quit() }, "screen_lost"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := atBeverage(t)
			r.press("beverage.pour")
			r.until("the pour", func() bool { return r.agent.active() == 1 && r.volume() > 0 })
			tc.end(r)
			r.rest()
			if p := r.agent.last(); p.Reason != tc.want {
				t.Errorf("the pour ended by %q, want %q", p.Reason, tc.want)
			}
		})
	}
}

// Who lets go first decides what is recorded, also while the agent is still asked.
func TestFingerLostBeforeTheAgentAnswers(t *testing.T) {
	r := atBeverage(t)
	grant := make(chan struct{})
	r.agent.mu.Lock()
	r.agent.grant = grant
	r.agent.mu.Unlock()
	r.press("beverage.pour")
	<-r.agent.started
	r.finger.Cancel(1)
	r.until("the loss to be seen", func() bool {
		var lost bool
		_ = r.app.Call(t.Context(), func() { lost = r.ui.pour.lost })
		return lost
	})
	_ = r.app.Call(t.Context(), r.ui.goHome) // a release that comes too late
	close(grant)
	r.until("the pour", func() bool { return r.agent.last().ID != "" })
	r.rest()
	if p := r.agent.last(); p.Reason != "screen_lost" {
		t.Errorf("the pour ended by %q, not by the loss", p.Reason)
	}
}

// A screen that hangs sends no beats: the lease, not the screen, ends the pour.
func TestStalledScreenLosesTheLease(t *testing.T) {
	r := atBeverage(t)
	x, y := r.press("beverage.pour")
	r.until("the pour", func() bool { return r.agent.active() == 1 && r.volume() > 0 })
	hang, hung := make(chan struct{}), make(chan struct{})
	r.app.Do(func() { close(hung); <-hang })
	<-hung
	r.agent.leases(api.LeaseLimit)
	r.until("the lease to run out", func() bool { return r.agent.active() == 0 })
	if p := r.agent.last(); p.Reason != "lease_lost" {
		t.Errorf("the pour ended by %q", p.Reason)
	}
	close(hang)
	r.waitPage("done")
	if e := r.get("pour.note"); e.Name == "" {
		t.Error("the page does not say why it stopped")
	}
	r.finger.Up(1, x, y)
}

func TestSecondFingerDoesNothing(t *testing.T) {
	r := atBeverage(t)
	x, y := r.press("beverage.pour")
	r.until("the pour", func() bool { return r.agent.active() == 1 && r.volume() > 0 })
	r.finger.Down(2, x+20, y+20)
	r.finger.Up(2, x+20, y+20)
	before := r.volume()
	r.until("the pour to go on", func() bool { return r.volume() > before+10 })
	r.finger.Up(1, x, y)
	r.rest()
}

func TestTapInstead(t *testing.T) {
	r := atBeverage(t)
	r.tap("beverage.tap")
	r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
	r.tap("beverage.pour")
	r.until("the pour to outlive the tap", func() bool { return r.volume() > 20 })
	if p := r.agent.last(); p.Mode != api.ModePortion || p.TargetUL != 473_000 {
		t.Errorf("asked for %s of %d µL", p.Mode, p.TargetUL)
	}
	r.tap("beverage.pour")
	r.waitPage("done")
	r.rest()
}

// A portion needs no finger; it still ends with the screen (newRig's cleanup looks).
func TestPortionEndsWithTheScreen(t *testing.T) {
	var r *rig
	t.Cleanup(func() { // after newRig's
		if p := r.agent.last(); p.Reason != "screen_lost" {
			t.Errorf("the portion ended by %q", p.Reason)
		}
	})
	r = atBeverage(t)
	r.tap("beverage.tap")
	r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
	r.tap("beverage.pour")
	r.until("the pour", func() bool { return r.agent.active() == 1 && r.volume() > 0 })
}

func TestRestOfTheCup(t *testing.T) {
	r := atBeverage(t)
	r.agent.mu.Lock()
	r.agent.rate = 400_000
	r.agent.mu.Unlock()
	x, y := r.press("beverage.pour")
	r.until("100 ml", func() bool { return r.volume() >= 100 })
	r.finger.Up(1, x, y)
	r.waitPage("done")
	first := r.agent.last().PouredUL
	r.press("beverage.pour")
	r.until("a full cup", func() bool { e, ok := r.find("beverage.pour"); return ok && e.Value == "full" })
	p := r.agent.last()
	if p.TargetUL != 473_000-first {
		t.Errorf("second hold asked for %d µL after %d", p.TargetUL, first)
	}
	if v := r.volume(); v != 473 {
		t.Errorf("shows %d ml for a full cup", v)
	}
	r.finger.Up(1, x, y)
	r.tap("pour.done")
	r.waitPage("home")
}

func TestRefusalInPlainWords(t *testing.T) {
	r := atBeverage(t)
	r.agent.mu.Lock()
	r.agent.refuse = &problem.Problem{Code: problem.CodeUnsafe, What: "e-stop pressed"}
	r.agent.mu.Unlock()
	x, y := r.press("beverage.pour")
	e := r.get("beverage.problem")
	if e.Name != "The machine has stopped for safety. The crew can help." {
		t.Errorf("says %q", e.Name)
	}
	r.finger.Up(1, x, y)
	r.rest()
}

// TestHoldingAgainRinses: on a unit that does not see cups nobody is stuck behind a drink that another one must not meet.
// The first refusal only asks for the cup to be taken away: water must not run into it.
func TestHoldingAgainRinses(t *testing.T) {
	r := atBeverage(t)
	set := func(refuse error) (rinses int) {
		r.agent.mu.Lock()
		defer r.agent.mu.Unlock()
		r.agent.refuse = refuse
		return r.agent.rinses
	}
	refusal := &problem.Problem{Code: rinseFirst, What: "the nozzle has to be rinsed"}
	set(refusal)
	for i, want := range []struct {
		rinses int
		says   string
	}{{0, r.ui.T(rinseAsk)}, {1, r.ui.T(rinseDone)}} {
		x, y := r.press("beverage.pour")
		r.until(want.says, func() bool { e, ok := r.find("beverage.problem"); return ok && e.Name == want.says })
		r.finger.Up(1, x, y)
		r.rest()
		if got := set(refusal); got != want.rinses {
			t.Fatalf("after press %d: %d rinses, want %d", i+1, got, want.rinses)
		}
	}
	set(nil)
	x, y := r.press("beverage.pour")
	r.until("the drink flows", func() bool { return r.agent.active() > 0 && r.volume() > 0 })
	r.finger.Up(1, x, y)
	r.rest()
	if got := set(nil); got != 1 {
		t.Errorf("%d rinses, want 1", got)
	}
}

func TestNothingMoreOfWhatRanOut(t *testing.T) {
	r := atBeverage(t)
	x, y := r.press("beverage.pour")
	r.until("it flows", func() bool { return r.volume() >= 20 })
	r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{r.agent.pours["1"].Beverage: whySoldOut} })
	r.finger.Up(1, x, y)
	r.waitPage("done")
	r.until("no more is offered", func() bool { e, ok := r.find("beverage.pour"); return ok && e.Value == "gone" && !e.Enabled })
	r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{} })
	r.until("more is offered again", func() bool { e, ok := r.find("beverage.pour"); return ok && e.Value == "ready" && e.Enabled })
}

package screens

import (
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// seesCups makes the fake a unit with a cup sensor and a cup under its nozzle, whose drinks foam.
func (r *rig) seesCups(foam time.Duration) {
	r.agent.mu.Lock()
	r.agent.cups, r.agent.foam, r.agent.rate = true, foam, 400_000
	r.agent.mu.Unlock()
	r.cup(true)
}

func (r *rig) cup(stands bool) {
	r.t.Helper()
	r.agent.set(func(s *api.Snapshot) { s.Cup = stands })
	r.until("the cup to be seen", func() (ok bool) {
		_ = r.app.Call(r.t.Context(), func() { ok = r.ui.snap.Cup == stands })
		return ok
	})
}

func (r *rig) request(n int) api.StartPour {
	r.t.Helper()
	r.agent.mu.Lock()
	defer r.agent.mu.Unlock()
	if len(r.agent.asked) <= n {
		r.t.Fatalf("%d pours were asked for, want more than %d", len(r.agent.asked), n)
	}
	return r.agent.asked[n]
}

func (r *rig) dome(value string) {
	r.t.Helper()
	r.until("the dome to be "+value, func() bool { e, ok := r.find("beverage.pour"); return ok && e.Value == value })
}

// holdUntil holds the dome until ml millilitres are in the cup.
func (r *rig) holdUntil(ml int) {
	r.t.Helper()
	x, y := r.press("beverage.pour")
	r.until("the level", func() bool { return r.volume() >= ml })
	r.finger.Up(1, x, y)
	r.rest()
}

func TestFoamSettlesThenTheLastBit(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(600 * time.Millisecond)
	r.holdUntil(405)
	r.waitPage("foam")
	if e := r.get("foam.seconds"); e.Name != "1 second" {
		t.Errorf("the countdown says %q", e.Name)
	}
	if e := r.get("beverage.pour"); e.Enabled || !strings.HasPrefix(e.Name, "Wait") {
		t.Errorf("the dome while foam settles: %+v", e)
	}
	r.press("beverage.pour") // does nothing
	r.dome("ready")
	if r.agent.active() != 0 {
		t.Fatal("a finger that lay there since the foam pours")
	}
	x, y := centre(r.get("beverage.pour"))
	r.finger.Up(1, x, y)
	first := r.agent.last()
	if e := r.get("beverage.pour"); !strings.HasPrefix(e.Name, "Hold for the last ") {
		t.Errorf("the dome offers %q", e.Name)
	}
	x, y = r.press("beverage.pour")
	r.until("the top-off", func() bool { return r.agent.last().ID != first.ID && r.agent.last().Phase == api.PhaseDone })
	r.finger.Up(1, x, y)
	if q := r.request(1); q.TopOff != first.ID || q.TargetUL != 473_000-first.PouredUL {
		t.Errorf("asked for %+v after %d µL of pour %s", q, first.PouredUL, first.ID)
	}
	r.dome("full")
	if v := r.volume(); v != 473 {
		t.Errorf("shows %d ml", v)
	}
	r.cup(false)
	r.waitPage("home")
}

func TestEnoughWhileFoamSettles(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(time.Hour)
	r.holdUntil(405)
	r.waitPage("foam")
	if err := r.app.Call(t.Context(), func() { // nobody comes for an hour
		r.ui.now = func() time.Time { return time.Now().Add(time.Hour) }
		r.ui.tick()
	}); err != nil {
		t.Fatal(err)
	}
	if p := r.page(); p == "attract" || p == "home" {
		t.Fatalf("the screen went to %s while a cup stands", p)
	}
	r.tap("pour.done")
	r.waitPage("home")
}

func TestPortionGoesOnWhenTheCupIsBack(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(0)
	r.agent.mu.Lock()
	r.agent.rate = 150_000
	r.agent.mu.Unlock()
	r.tap("beverage.tap")
	r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
	r.tap("beverage.pour")
	r.until("it flows", func() bool { return r.volume() > 20 })
	r.cup(false)
	r.dome("paused")
	at := r.agent.last().PouredUL
	r.tap("beverage.pour") // without a cup nothing goes on
	r.until("the refusal", func() bool { e, ok := r.find("pour.note"); return ok && e.Name == r.ui.T("refused.no_cup") })
	if p := r.agent.last(); p.Phase != api.PhasePaused || p.PouredUL != at {
		t.Fatalf("went on without a cup: %+v", p)
	}
	r.cup(true)
	r.until("the words", func() bool { e, ok := r.find("beverage.pour"); return ok && strings.HasPrefix(e.Name, "Tap to go on") })
	if p := r.agent.last(); p.PouredUL != at {
		t.Fatal("went on by itself")
	}
	r.tap("beverage.pour")
	r.until("it flows again", func() bool { return r.agent.last().PouredUL > at })
	r.dome("pouring")
	r.tap("beverage.pour")
	r.waitPage("done")
	r.rest()
	r.agent.mu.Lock()
	defer r.agent.mu.Unlock()
	if len(r.agent.asked) != 1 {
		t.Errorf("%d pours for one drink", len(r.agent.asked))
	}
}

func TestEnoughOfAPausedPortion(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(0)
	r.tap("beverage.tap")
	r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
	r.tap("beverage.pour")
	r.until("it flows", func() bool { return r.volume() > 20 })
	r.cup(false)
	r.dome("paused")
	r.tap("pour.done")
	r.rest()
	if p := r.agent.last(); p.Reason != "released" {
		t.Errorf("ended by %q", p.Reason)
	}
	r.waitPage("done")
	if err := r.app.Call(t.Context(), func() { r.ui.now = func() time.Time { return time.Now().Add(awayRoom) } }); err != nil {
		t.Fatal(err)
	}
	r.waitPage("home")
}

// A held pour that pauses ends when the finger lifts, cup or no cup; holding again pours the rest.
func TestHeldPourPausesAndEndsWithTheFinger(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(0)
	r.agent.mu.Lock()
	r.agent.rate = 150_000
	r.agent.mu.Unlock()
	x, y := r.press("beverage.pour")
	r.until("it flows", func() bool { return r.volume() > 20 })
	r.cup(false)
	r.dome("paused")
	r.cup(true)
	at := r.agent.last().PouredUL
	time.Sleep(50 * time.Millisecond)
	if p := r.agent.last(); p.Phase != api.PhasePaused || p.PouredUL != at {
		t.Fatalf("a cup that comes back pours: %+v", p)
	}
	r.finger.Up(1, x, y)
	r.rest()
	r.dome("ready")
	x, y = r.press("beverage.pour")
	r.until("the rest flows", func() bool { return r.agent.active() == 1 && r.volume() > int(at/1000) })
	r.finger.Up(1, x, y)
	r.rest()
	if q := r.request(1); q.TargetUL != 473_000-at {
		t.Errorf("asked for %d µL after %d", q.TargetUL, at)
	}
}

// A pour that is refused leaves in the cup what is in it: the next one asks for the rest, not for a whole cup.
func TestRefusedRestKeepsTheLevel(t *testing.T) {
	r := atBeverage(t)
	r.agent.mu.Lock()
	r.agent.rate = 400_000
	r.agent.mu.Unlock()
	r.holdUntil(100)
	r.waitPage("done")
	was := r.agent.last().PouredUL
	set := func(err error) {
		r.agent.mu.Lock()
		r.agent.refuse = err
		r.agent.mu.Unlock()
	}
	set(&problem.Problem{Code: problem.CodeBusy, What: "busy"})
	x, y := r.press("beverage.pour")
	r.until("the refusal", func() bool { e, ok := r.find("pour.note"); return ok && e.Name == r.ui.T("refused.busy") })
	r.finger.Up(1, x, y)
	if r.page() != "done" || r.volume() != int(was/1000) {
		t.Errorf("page %s shows %d ml", r.page(), r.volume())
	}
	set(nil)
	x, y = r.press("beverage.pour")
	r.until("the rest flows", func() bool { return r.agent.active() == 1 })
	r.finger.Up(1, x, y)
	r.rest()
	if q := r.request(1); q.TargetUL != 473_000-was {
		t.Errorf("asked for %d µL after %d", q.TargetUL, was)
	}
}

// A unit that sees cups rinses by itself; the screen follows.
func TestUnitRinsesByItself(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(0)
	r.agent.mu.Lock()
	r.agent.refuse, r.agent.once = &problem.Problem{Code: rinseFirst, What: "residue"}, true
	r.agent.mu.Unlock()
	says := func(key string) {
		t.Helper()
		r.until(key, func() bool { e, ok := r.find("beverage.problem"); return ok && e.Name == r.ui.T(key) })
	}
	x, y := r.press("beverage.pour")
	says(rinseAsk)
	r.finger.Up(1, x, y)
	r.cup(false)
	r.agent.set(func(s *api.Snapshot) { s.Rinsing = true })
	says(rinseNow)
	if e := r.get("beverage.pour"); e.Enabled {
		t.Error("the dome can be pressed while the nozzle is rinsed")
	}
	r.agent.set(func(s *api.Snapshot) { s.Rinsing = false })
	says(rinseDone)
	r.cup(true)
	r.holdUntil(40)
	if r.agent.rinses != 0 {
		t.Error("the screen asked for a rinse of its own")
	}
}

// What is recommended pours right there, by the same dome, and its facts stand on the page before.
func TestSoldOutPoursWhatComesClosest(t *testing.T) {
	r := newRig(t, 800, 480)
	r.waitPage("home")
	r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{"kolvane.cherry-zero": whySoldOut} })
	r.until("the block", func() (ok bool) {
		_ = r.app.Call(t.Context(), func() { ok = r.ui.snap.Blocked["kolvane.cherry-zero"] != "" })
		return ok
	})
	if err := r.app.Call(t.Context(), func() { r.ui.open("kolvane.cherry-zero") }); err != nil {
		t.Fatal(err)
	}
	r.waitPage("sold_out")
	instead := r.get("sold-out.instead.0").Value
	if e := r.get("beverage.facts"); !strings.Contains(e.Name, "kcal") || !strings.Contains(e.Name, "llergens") && !strings.Contains(e.Name, "Contains") {
		t.Errorf("the facts of what pours: %q", e.Name)
	}
	r.holdUntil(20)
	if p := r.agent.last(); string(p.Beverage) != instead {
		t.Errorf("poured %s, recommended %s", p.Beverage, instead)
	}
	r.waitPage("done")
}

// TestOutageKeepsTheCup: a short outage gives back what was chosen, and the level of a cup that stands.
func TestOutageKeepsTheCup(t *testing.T) {
	r := atBeverage(t)
	r.seesCups(0)
	r.tap("beverage.size.large")
	r.holdUntil(200)
	r.waitPage("done")
	was := r.volume()
	r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "guard_gone" })
	r.waitPage("out_of_order")
	if e := r.get("outage.works"); !strings.Contains(e.Name, r.ui.T("outage.kept")) {
		t.Errorf("does not say that the choice is kept: %q", e.Name)
	}
	r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitReady, "" })
	r.waitPage("done")
	if v := r.volume(); v != was {
		t.Errorf("shows %d ml, %d were in", v, was)
	}
	r.holdUntil(was + 20)
	if q := r.request(1); q.TargetUL != 710_000-r.agent.pours["1"].PouredUL {
		t.Errorf("asked for %+v", q)
	}
}

// A paused portion has nobody who holds it: whatever takes its page away ends it, and so does the screen's end.
func TestWhatEndsAPausedPortion(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(r *rig)
		want string
	}{
		{"page changed", func(r *rig) { _ = r.app.Call(r.t.Context(), r.ui.goHome) }, "released"},
		{"out of order", func(r *rig) {
			r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "e_stop" })
		}, "released"},
		{"loop ends", func(r *rig) { r.agent.leases(api.LeaseLimit); r.app.Quit() }, "lease_lost"}, // nobody beats any more
		{"screen hangs", func(r *rig) {
			r.agent.leases(api.LeaseLimit)
			hang := make(chan struct{})
			r.t.Cleanup(func() { close(hang) }) // before newRig's
			r.app.Do(func() { <-hang })
		}, "lease_lost"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := atBeverage(t)
			r.seesCups(0)
			r.tap("beverage.tap")
			r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
			r.tap("beverage.pour")
			r.until("it flows", func() bool { return r.volume() > 20 })
			r.cup(false)
			r.dome("paused")
			tc.end(r)
			r.rest()
			if p := r.agent.last(); p.Reason != tc.want {
				t.Errorf("ended by %q, want %q", p.Reason, tc.want)
			}
		})
	}
}

package service

import (
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// begin opens the page of an operation on a rig with a session.
func (r *rig) begin(kind, line string, params map[string]string) {
	r.t.Helper()
	r.do(func() {
		s := r.svc
		s.show(newOperation(s, api.StartOp{Kind: kind, Line: line, Params: params}, s.showHome))
	})
	r.waitPage("operation")
}

// Calibrate: from the job's key to the outcome, the level dragged on the measuring cup.
func TestCalibrateWizard(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.tap("service.job.calibrate")
	r.waitPage("choose")
	r.tap("service.choose.s07")
	r.said("service.op.say", "The line has to be primed. Put an empty, dry measuring cup for about 20 ml under the nozzle.")
	r.tap("service.op.yes")
	r.get("service.op.stop")
	r.get("service.op.cup")
	if e, ok := r.find("service.op.save"); !ok || e.Enabled {
		t.Error("a level nobody read can be saved")
	}
	cup := r.get("service.op.cup")
	x := cup.Bounds.X + cup.Bounds.W/2
	r.finger.Down(1, x, cup.Bounds.Y+cup.Bounds.H*7/10)
	for y := 70; y >= 35; y -= 5 {
		r.finger.Move(1, x, cup.Bounds.Y+cup.Bounds.H*y/100)
	}
	r.finger.Up(1, x, cup.Bounds.Y+cup.Bounds.H*35/100)
	r.tap("service.op.more")
	var v float64
	r.until("the level", func() bool {
		r.do(func() {
			if p, ok := r.svc.page.(*operationPage); ok {
				v = p.number.value
			}
		})
		return v > 15
	})
	r.tap("service.op.save")
	r.said("service.op.outcome", "Done")
	answers := get(r.agent, func() []api.Answer { return r.agent.answers })
	if len(answers) != 2 || !answers[0].Yes || answers[1].Number < 15 || answers[1].Number > 30 {
		t.Errorf("answers: %+v", answers)
	}
	beats := get(r.agent, func() int { return r.agent.ops[r.agent.last].beats })
	if beats < 5 {
		t.Errorf("%d beats", beats)
	}
	r.tap("service.op.finish")
	r.waitPage("choose")
	started := get(r.agent, func() []api.StartOp { return r.agent.started })
	if len(started) != 1 || started[0].Kind != api.OpCalibrate || started[0].Line != "s07" {
		t.Errorf("started: %+v", started)
	}
}

// What the last run gave is the top of the measuring cup, however far apart the looks are while it flows.
func TestLooksFarApartAreOneRun(t *testing.T) {
	var f flow
	at := time.Now()
	for _, look := range []struct {
		after time.Duration
		ul    int64
		last  int64
	}{
		{0, 0, 0},
		{100 * time.Millisecond, 2_000, 2_000},
		{stillFor + time.Second, 9_000, 9_000}, // a slow host looked on late
		{100 * time.Millisecond, 20_000, 20_000},
		{100 * time.Millisecond, 20_000, 20_000},
		{stillFor, 20_000, 20_000},
		{time.Minute, 21_000, 1_000}, // another
	} {
		at = at.Add(look.after)
		if f.add(at, api.Op{FlowedUL: look.ul}); f.last != look.last {
			t.Errorf("after %d µL the run has %d, want %d", look.ul, f.last, look.last)
		}
	}
}

// A figure by digits: outside of what is asked it cannot be sent.
func TestNumberByDigits(t *testing.T) {
	r := newRig(t, 800, 480, "de")
	r.enter()
	r.begin(api.OpCalibrate, "s07", nil)
	r.tap("service.op.yes")
	r.tap("service.op.type")
	r.type_("service.op.key", "9999")
	if e, ok := r.find("service.op.save"); !ok || e.Enabled {
		t.Error("9999 ml can be sent; at most 500 are asked for")
	}
	for range 4 {
		r.tap("service.op.key.erase")
	}
	r.type_("service.op.key", "19")
	r.tap("service.op.key..")
	r.type_("service.op.key", "5")
	r.tap("service.op.save")
	r.said("service.op.outcome", "Fertig")
	if a := get(r.agent, func() []api.Answer { return r.agent.answers }); a[1].Number != 19.5 {
		t.Errorf("answers: %+v", a)
	}
}

// Every operation's own way: what is asked before it starts, and with which parameters it does.
func TestEachOperationRuns(t *testing.T) {
	for _, c := range []struct {
		kind, line string
		params     map[string]string
		taps       []string
	}{
		{api.OpPrime, "s07", nil, []string{"service.op.yes"}},
		{api.OpPurge, "s07", nil, []string{"service.op.yes"}},
		{api.OpRinse, "", nil, []string{"service.op.begin", "service.op.yes"}},
		{api.OpAgitate, "stirrer", nil, []string{"service.op.begin", "service.op.yes"}},
		{api.OpClean, "nozzle", map[string]string{"recipe": "nozzle"}, []string{"service.op.yes"}},
		{api.OpSelfTest, "", map[string]string{"dry": "true"}, nil},
	} {
		t.Run(c.kind, func(t *testing.T) {
			r := newRig(t, 800, 480, "en")
			r.enter()
			r.begin(c.kind, c.line, c.params)
			for _, id := range c.taps {
				r.tap(id)
			}
			r.said("service.op.outcome", "Done")
			got := get(r.agent, func() api.StartOp { return r.agent.started[0] })
			if got.Kind != c.kind || got.Line != c.line || len(got.Params) != len(c.params) {
				t.Errorf("started %+v", got)
			}
		})
	}
}

func TestFailedOperationTellsTheRemedy(t *testing.T) {
	agent := newFakeAgent(t)
	agent.script = func(req api.StartOp) []fakeStep {
		s := usualScript(req)
		s[1].fail = "no_flow"
		return s
	}
	r := newRigOn(t, 1080, 1920, "en", agent, nil)
	r.enter()
	r.begin(api.OpPrime, "s07", nil)
	r.tap("service.op.yes")
	r.said("service.op.outcome", "It failed")
	agent.set(func() { agent.script = usualScript })
	r.tap("service.op.again")
	r.tap("service.op.yes")
	r.said("service.op.outcome", "Done")
}

func TestAnsweredNo(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	r.begin(api.OpPrime, "s07", nil)
	r.tap("service.op.no")
	r.said("service.op.outcome", "Stopped")
}

func TestRefusedStartSaysWhy(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	r.agent.set(func() {
		r.agent.refuse = &problem.Problem{Code: problem.CodeUnsafe, What: "the emergency stop is pressed", Remedy: "release it when it is safe"}
	})
	r.begin(api.OpPrime, "s07", nil)
	r.said("service.op.outcome", "Not done")
	if n := r.agent.live(); n != 0 {
		t.Errorf("%d operations run", n)
	}
}

// flowing brings an operation to where something flows, for ever.
func flowing(t *testing.T) *rig {
	t.Helper()
	agent := newFakeAgent(t)
	agent.script = func(req api.StartOp) []fakeStep {
		s := usualScript(req)
		s[1].lasts = time.Hour
		return s
	}
	r := newRigOn(t, 1080, 1920, "en", agent, nil)
	r.enter()
	r.begin(api.OpPrime, "s07", nil)
	r.tap("service.op.yes")
	r.get("service.op.stop")
	r.until("flow", func() bool { return agent.live() == 1 })
	return r
}

func (r *rig) stopped(how string) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for r.agent.live() != 0 {
		if time.Now().After(deadline) {
			r.t.Fatalf("the operation runs on after %s", how)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if n := get(r.agent, func() int { return r.agent.stopped }); n != 1 {
		r.t.Errorf("after %s it ended by the lease, not by being stopped (%d)", how, n)
	}
}

func TestStopPad(t *testing.T) {
	r := flowing(t)
	e := r.get("service.op.stop")
	r.finger.Down(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2)
	r.stopped("touching the stop pad") // the finger has not lifted
	r.finger.Up(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2)
	r.said("service.op.outcome", "Stopped")
}

func TestLeavingThePageStops(t *testing.T) {
	r := flowing(t)
	r.tap("service.back")
	r.stopped("leaving the page")
	r.waitPage("home")
}

func TestLockStops(t *testing.T) {
	r := flowing(t)
	r.tap("service.lock")
	r.stopped("the lock")
	r.gone()
}

// The touch device goes away with a finger on the screen: nobody could stop it any more.
func TestLostFingerStops(t *testing.T) {
	r := flowing(t)
	e := r.get("service.lock")
	r.finger.Down(7, e.Bounds.X+5, e.Bounds.Y+5)
	r.until("the finger", func() (on bool) { r.do(func() { on = r.app.Touching() }); return on })
	r.finger.Cancel(7)
	r.stopped("the lost finger")
}

// The agent goes away: the screen says so; nothing is claimed about the outcome.
func TestLostAgent(t *testing.T) {
	r := flowing(t)
	r.agent.set(func() { r.agent.lease = api.LeaseLimit })
	_ = r.agent.srv.Close()
	r.until("the outcome", func() bool { _, ok := r.find("service.op.outcome"); return ok })
	r.said("service.op.outcome", "Not done")
	r.until("the end of the lease", func() bool { return r.agent.live() == 0 })
}

// The screen hangs: its loop does not beat, and the lease runs out.
func TestHangingScreenStops(t *testing.T) {
	r := flowing(t)
	r.agent.set(func() { r.agent.lease = api.LeaseLimit })
	r.do(func() {
		deadline := time.Now().Add(patience)
		for r.agent.live() != 0 && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
	})
	if n := r.agent.live(); n != 0 {
		t.Errorf("the lease outlives a screen that hangs")
	}
	r.said("service.op.outcome", "Stopped")
}

// An operation that moves something needs no touches; a question does.
func TestBusyOperationKeepsTheSession(t *testing.T) {
	r := flowing(t)
	r.until("the answer has arrived", func() (done bool) {
		r.do(func() { done = !r.svc.page.(*operationPage).sending })
		return done
	})
	r.do(func() {
		now := time.Now().Add(api.SessionIdle + time.Second)
		r.svc.now = func() time.Time { return now }
		if left := r.svc.left(); left < 20*time.Minute {
			t.Errorf("an operation under way leaves %v", left)
		}
		r.svc.page.(*operationPage).op.Ask = &api.Ask{Kind: api.AskConfirm}
		if left := r.svc.left(); left > 0 {
			t.Errorf("a question nobody answers leaves %v", left)
		}
		r.svc.now = time.Now
	})
}

// Hold to pour: it flows while the finger holds and ends with it, with source service.
func TestTestPour(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.tap("service.job.pour")
	r.tap("service.pour.kolvane.zero")
	e := r.get("service.pour.pad")
	x, y := e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2
	r.finger.Down(1, x, y)
	r.until("a pour", func() bool { return r.agent.live() == 1 })
	time.Sleep(400 * time.Millisecond) // longer than a lease lasts without beats
	if r.agent.live() != 1 {
		t.Fatal("the pour ended under the finger")
	}
	r.finger.Up(1, x, y)
	r.until("the end", func() bool { return r.agent.live() == 0 })
	r.finger.Down(1, x, y)
	r.until("another", func() bool { return r.agent.live() == 1 })
	r.finger.Cancel(1)
	r.until("its end", func() bool { return r.agent.live() == 0 })
	reasons := get(r.agent, func() (out []string) {
		for _, q := range r.agent.pours {
			out = append(out, q.Reason)
		}
		return out
	})
	if len(reasons) != 2 || reasons[0] == reasons[1] {
		t.Errorf("reasons %v, want one released and one screen_lost", reasons)
	}
}

// A finger that lets go before the agent has granted leaves nothing behind.
func TestShortTouchPoursNothing(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.tap("service.job.pour")
	r.tap("service.pour.kolvane.zero")
	e := r.get("service.pour.pad")
	for range 8 {
		r.finger.Tap(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2, time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	r.until("nothing pours", func() bool { return r.agent.live() == 0 })
}

//go:build linux

package device

import (
	"context"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/hal/sim"
	"fountain/sync/wire"
)

// Limits of DESIGN 3, judged by the kernel's own trace on the emulator's clock.
const (
	masterLimit = 200 * time.Millisecond // last beat → MASTER shut
	outputLimit = 50 * time.Millisecond  // guard gone → the agent's outputs shut
	// A guard that is stopped is gone when its reply has not come for as long as it would wait for a beat.
	silence = 150 * time.Millisecond
	grain   = 5 * time.Millisecond // of this test's own scheduling
)

// Lines of the emulator's rig files.
const (
	lineMaster    = 0
	lineStill     = 1
	lineSparkling = 2
)

// TestKillAgent ends or stops the agent at random moments of pours: MASTER shuts within its limit after the last beat,
// nothing resumes, and each pour is recorded once.
func TestKillAgent(t *testing.T) {
	killPours(t, "from the last beat to MASTER shut", func(u *unit) *process { return u.agent }, func(t *testing.T, u *unit, _ syscall.Signal, at time.Duration) time.Duration {
		d := u.awaitShut(lineMaster, at) - u.lastBeat().BeatAt
		if d > masterLimit || d < 0 {
			t.Errorf("MASTER was shut %v after the last beat, want at most %v", d, masterLimit)
		}
		return d
	})
}

// TestKillGuard ends or stops the guard at random moments of pours: the agent's valves shut within their limit, whatever
// MASTER does, nothing resumes, and each pour is recorded once.
func TestKillGuard(t *testing.T) {
	killPours(t, "from the guard's end to the agent's valve shut", func(u *unit) *process { return u.guard }, func(t *testing.T, u *unit, s syscall.Signal, at time.Duration) time.Duration {
		limit := outputLimit
		if s == syscall.SIGSTOP {
			limit += silence
		}
		d := u.awaitShut(lineStill, at) - at
		if d > limit+grain {
			t.Errorf("the agent's valve was shut %v after %v of the guard, want at most %v", d, s, limit)
		}
		return d
	})
}

// killPours lets pours meet the end of a process. judge says how long the lines took to shut.
func killPours(t *testing.T, what string, victim func(*unit) *process, judge func(*testing.T, *unit, syscall.Signal, time.Duration) time.Duration) {
	pours := 25
	if *quick {
		pours = 4
	}
	rng := rand.New(rand.NewPCG(*seed, 7))
	t.Logf("seed %d", *seed)
	u := newUnit(t, "emulator.yaml")
	u.guard.start()
	u.agent.start()
	var ids []string
	worst := map[syscall.Signal]time.Duration{}
	for i := range pours {
		u.ready()
		how := []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP}[rng.IntN(2)]
		after := time.Duration(rng.Int64N(int64(900 * time.Millisecond)))
		if _, err := u.control.NewCup(t.Context()); err != nil {
			t.Fatal(err)
		}
		u.trace.clear()
		id, release := u.pour()
		ids = append(ids, id)
		time.Sleep(after)
		p := victim(u)
		before := u.state()
		at := monotonic()
		p.signal(how)
		took := judge(t, u, how, at)
		t.Logf("pour %d: %v after %v, %d ml in the cup: %v", i, how, after.Round(time.Millisecond), before.Cup.TotalUL/1000, took)
		worst[how] = max(worst[how], took)
		if how == syscall.SIGSTOP && rng.IntN(2) == 0 { // it goes on as if nothing had been
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
			p.signal(syscall.SIGCONT)
		} else {
			p.stop(syscall.SIGKILL)
			p.start()
		}
		release()
		still := u.still()
		u.ready()
		time.Sleep(200 * time.Millisecond)
		if s := u.state(); s.Cup.TotalUL != still.Cup.TotalUL || s.Master.Open {
			t.Errorf("pour %d: it went on: %d µL in the cup, then %d; MASTER open %v", i, still.Cup.TotalUL, s.Cup.TotalUL, s.Master.Open)
		}
		if t.Failed() {
			t.FailNow() // the first failure tells the most
		}
	}
	for how, d := range worst {
		t.Logf("figure: %v: at most %v %s, %d pours", how, d.Round(100*time.Microsecond), what, pours)
	}
	u.agent.stop(syscall.SIGTERM)
	u.guard.stop(syscall.SIGTERM)
	var recorded []string
	for _, r := range u.records() {
		recorded = append(recorded, r.ID)
		if r.Outcome == wire.Completed {
			t.Errorf("record %s says completed", r.ID)
		}
	}
	slices.Sort(recorded)
	slices.Sort(ids)
	if !slices.Equal(recorded, ids) {
		t.Errorf("%d records of %d pours:\n%v\n%v", len(recorded), len(ids), recorded, ids)
	}
}

// pour starts a long pour of water and holds it until release, as a person at the screen does. It returns when water
// flows.
func (u *unit) pour() (id string, release func()) {
	u.t.Helper()
	ctx, cancel := context.WithCancel(u.t.Context())
	l, p, err := u.client.Lease(ctx, api.StartPour{Beverage: "house-water.still", TargetUL: 400_000, Mode: api.ModePortion, Source: wire.SourceService})
	if err != nil {
		u.t.Fatalf("start a pour: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(api.BeatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.Beat()
			}
		}
	}()
	eventually(u.t, 5*time.Second, "water flows", func() bool { return u.state().Cup.TotalUL > 0 })
	return p.ID, func() {
		cancel()
		<-done
		_ = l.Stop() // the agent may be gone, and the pour with it
	}
}

// awaitShut is when a line was last put to its shut level, at or after a time; released lines count from when the plant
// saw them fall.
func (u *unit) awaitShut(line int, after time.Duration) (at time.Duration) {
	u.t.Helper()
	id := map[int]string{lineMaster: "master", lineStill: "still", lineSparkling: "sparkling"}[line]
	eventually(u.t, 2*time.Second, id+" is shut", func() bool {
		v, _ := u.state().Valve(id)
		at = time.Duration(v.CommandedShutNS)
		return !v.Commanded && at > after-time.Second
	})
	for _, e := range u.trace.edges() {
		if e.line == line && !e.high && e.at >= after && e.at < at {
			at = e.at // the plant looks once a millisecond, the trace knows better
		}
	}
	return at
}

// still waits until nothing moves any more.
func (u *unit) still() (s sim.State) {
	u.t.Helper()
	last := int64(-1)
	eventually(u.t, 5*time.Second, "nothing flows", func() bool {
		time.Sleep(100 * time.Millisecond)
		s = u.state()
		same := s.Cup.TotalUL == last && !s.Master.Open
		last = s.Cup.TotalUL
		return same
	})
	return s
}

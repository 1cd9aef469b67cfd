package guard

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/beat"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

var errIO = errors.New("input/output error")

// inYard runs f with a started guard on a fake rig.
func inYard(t *testing.T, f func(t *testing.T, y *yard)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, nil)
		y.start(t)
		f(t, y)
	})
}

// A shut that was written and did not take (a glitch on the bus, another hand on the line) is not the last word.
func TestShutIsSentAgain(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.beats(1, true, 300*time.Millisecond)
		y.send(beat.Packet{Session: 1})
		y.sleep(2 * tick)
		if open, _, _ := y.rig.get(); open {
			t.Fatal("MASTER is open though nobody wants it")
		}
		y.rig.set(func() { y.rig.open = true })
		y.sleep(resend + 2*tick)
		open, before, _ := y.rig.get()
		if open {
			t.Errorf("a MASTER that opened by itself stays open for %v", resend)
		}
		y.sleep(10 * time.Second)
		if _, n, _ := y.rig.get(); n-before > 101 {
			t.Errorf("%d writes in 10 s: more than one every %v", n-before, resend)
		}
		y.stop(t)
	})
}

// A shut that fails is tried again at every turn; meanwhile neither the one-shot nor the watchdog is held, so the supply
// falls even if the line never answers.
// Peers: CocktailBerry swallows a pump's error.
func TestShutThatFailsIsTriedAgain(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.beats(1, true, time.Second)
		y.rig.set(func() {
			y.rig.fail = func(open bool) error {
				if !open {
					return errIO
				}
				return nil
			}
		})
		y.send(beat.Packet{Session: 1})
		y.sleep(2 * tick)
		_, _, beats := y.rig.get()
		y.sleep(100 * time.Millisecond)
		if open, _, n := y.rig.get(); n != beats || !open {
			t.Errorf("open %v; heartbeat went on while MASTER could not be shut: %d edges", open, n-beats)
		}
		y.beats(2, true, 0) // a new session opens nothing that cannot be shut
		y.sleep(2 * tick)
		if r := y.newest(); r.MasterOpen || !r.Latched || r.Reason != beat.ReasonHardware {
			t.Errorf("reply %+v", r)
		}
		y.rig.set(func() { y.rig.fail = nil })
		y.sleep(2 * tick)
		if open, _, n := y.rig.get(); open || n == beats {
			t.Errorf("open %v after the line answers again, %d edges", open, n-beats)
		}
		if y.log.count("cannot be shut") != 1 || y.log.count("answers again") != 1 {
			t.Errorf("log: %q", y.log.all())
		}
		y.stop(t)
	})
}

// A MASTER that cannot be shut for long ends the guard, with the watchdog hungry.
func TestUnshutMasterEndsTheGuard(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.beats(1, true, time.Second)
		for y.now()-y.dog.last() < feedEvery-unshutLimit/2 { // the next food is due while the guard tries
			y.beats(1, true, beat.Period)
		}
		y.rig.set(func() { y.rig.fail = func(bool) error { return errIO } })
		began := y.now()
		y.send(beat.Packet{Session: 1})
		err := <-y.done
		took := y.now() - began
		if !errors.Is(err, errIO) || took < unshutLimit || took > unshutLimit+4*tick {
			t.Errorf("ended after %v with %v", took, err)
		}
		if y.dog.last() > began+tick {
			t.Error("the watchdog was fed while MASTER could not be shut")
		}
		y.cancel()
	})
}

// A MASTER that cannot be opened, or a rig that was closed, ends the guard at once; it shuts on its way out.
func TestUndrivenMasterEndsTheGuard(t *testing.T) {
	for name, cause := range map[string]error{"open": errIO, "closed": hal.ErrClosed} {
		t.Run(name, func(t *testing.T) {
			inYard(t, func(t *testing.T, y *yard) {
				y.beats(1, true, time.Second)
				y.rig.set(func() {
					y.rig.fail = func(open bool) error {
						if open || errors.Is(cause, hal.ErrClosed) {
							return cause
						}
						return nil
					}
				})
				if err := <-y.done; !errors.Is(err, cause) {
					t.Errorf("ended with %v", err)
				}
				if open, _, _ := y.rig.get(); open && !errors.Is(cause, hal.ErrClosed) {
					t.Error("MASTER is open at the end")
				}
				if l := y.memory(); l.MasterOpen || l.MasterShutAt == 0 {
					t.Errorf("last-beat file: %+v", l)
				}
				y.cancel()
			})
		})
	}
}

// The one-shot's edges come from the loop itself: one that stalls gives none, and what was open shuts when it wakes.
func TestHeartbeatStopsWhenTheLoopStalls(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.beats(1, true, time.Second)
		y.clock.mu.Lock()
		y.clock.stall = time.Second
		y.clock.mu.Unlock()
		y.sleep(2 * tick)
		_, _, before := y.rig.get()
		fed := y.dog.last()
		for range 9 {
			y.send(beat.Packet{Session: 1, WantMaster: true}) // they queue up and prove nothing
			y.sleep(100 * time.Millisecond)
		}
		if _, _, n := y.rig.get(); n != before || y.dog.last() != fed {
			t.Errorf("%d edges and food at %v during a stall", n-before, y.dog.last())
		}
		y.sleep(200 * time.Millisecond)
		open, _, n := y.rig.get()
		if open || n == before {
			t.Errorf("after the stall: open %v, %d edges", open, n-before)
		}
		y.stop(t)
	})
}

// The heart is told at every turn; a guard that cannot see its inputs is not well.
func TestHeartbeatStopsWhenTheGuardIsBlind(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.sleep(time.Second)
		if _, _, n := y.rig.get(); n < 190 {
			t.Errorf("%d beats in a second", n)
		}
		y.rig.set(func() { y.rig.inErr = hal.ErrGone })
		y.sleep(2 * tick)
		_, _, before := y.rig.get()
		y.beats(1, true, 500*time.Millisecond)
		if open, _, n := y.rig.get(); open || n != before {
			t.Errorf("blind: open %v, %d edges", open, n-before)
		}
		y.rig.set(func() { y.rig.inErr = nil })
		y.sleep(2 * tick)
		if _, _, n := y.rig.get(); n == before {
			t.Error("the heartbeat did not come back")
		}
		y.stop(t)
		if n := y.dog.last(); n < y.now()-time.Second {
			t.Errorf("the watchdog was last fed at %v: a blind guard still holds MASTER shut", n)
		}
	})
}

func TestHeartThatFailsIsToldOnce(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.rig.set(func() { y.rig.beatErr = errIO })
		y.sleep(time.Second)
		y.rig.set(func() { y.rig.beatErr = nil })
		y.sleep(time.Second)
		y.stop(t)
		if y.log.count("heartbeat line cannot") != 1 || y.log.count("driven again") != 1 {
			t.Errorf("log: %q", y.log.all())
		}
	})
}

// A watchdog that cannot be fed reaches the agent with the next answer, so that it can warn before the machine resets.
func TestAgentIsToldOfAHungryWatchdog(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.beats(1, false, time.Second)
		if y.newest().Unfed {
			t.Error("told though it is fed")
		}
		y.dog.mu.Lock()
		y.dog.err = errIO
		y.dog.mu.Unlock()
		y.beats(1, false, time.Second)
		if !y.newest().Unfed {
			t.Error("not told")
		}
		y.stop(t)
	})
}

// An E-stop whose contact chatters shuts MASTER at the first closed reading and keeps it shut, however the contact goes on
// and whatever the agent wants in that session; the log tells once.
func TestEStopChatter(t *testing.T) {
	inYard(t, func(t *testing.T, y *yard) {
		y.beats(1, true, time.Second)
		at := y.now()
		y.rig.set(func() { y.rig.inputs = hal.EStop })
		y.sleep(tick)
		if open, _, _ := y.rig.get(); open || y.memory().MasterShutAt-at > 2*tick {
			t.Fatalf("open %v, shut after %v", open, y.memory().MasterShutAt-at)
		}
		for i := range 200 { // 1 s of chatter in the loop's own rhythm, with beats in between
			y.rig.set(func() { y.rig.inputs ^= hal.EStop })
			if i%10 == 0 {
				y.send(beat.Packet{Session: 1, WantMaster: true})
			}
			y.sleep(tick)
			if open, _, _ := y.rig.get(); open {
				t.Fatalf("MASTER opened at turn %d of the chatter", i)
			}
		}
		if n := y.log.count("master shut by the guard"); n != 1 {
			t.Errorf("told %d times", n)
		}
		y.rig.set(func() { y.rig.inputs = 0 })
		y.beats(1, true, time.Second)
		if open, _, _ := y.rig.get(); open {
			t.Fatal("MASTER opened by itself when the chatter was over")
		}
		// A new session during chatter is latched too, as soon as the contact closes once.
		y.beats(2, true, 100*time.Millisecond)
		if open, _, _ := y.rig.get(); !open {
			t.Fatal("a new session does not open MASTER")
		}
		y.rig.set(func() { y.rig.inputs = hal.EStop })
		y.sleep(tick)
		y.rig.set(func() { y.rig.inputs = 0 })
		y.beats(2, true, 200*time.Millisecond)
		if open, _, _ := y.rig.get(); open {
			t.Fatal("a blink of the E-stop did not end the session")
		}
		y.stop(t)
	})
}

// The loop allocates nothing, open or shut, on the real simulated rig and with every part it may have.
func TestLoopDoesNotAllocate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, err := sim.NewPlant(sim.Config{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		rig, err := plant.Open(hal.OwnerGuard)
		if err != nil {
			t.Fatal(err)
		}
		defer rig.Close()
		b := &bench{}
		quiet := slog.New(slog.DiscardHandler)
		for name, tc := range map[string]struct {
			rig   hal.Rig
			pacer hal.Pacer
		}{"sim": {rig, plant.Pacer()}, "fake": {&fakeRig{now: plant.Pacer().Now}, plant.Pacer()}} {
			g, err := New(Deps{Rig: tc.rig, Pacer: tc.pacer, Beats: silent{}, Memory: b, Log: quiet, Dog: &hungry{}, Resets: &books{}}, 0)
			if err != nil {
				t.Fatal(err)
			}
			now := tc.pacer.Now()
			for _, want := range []bool{false, true} {
				g.core.Connect()
				turn := func() {
					now += tick
					g.core.Beat(now, beat.Packet{Session: 1, WantMaster: want})
					if err := g.step(now, false); err != nil {
						t.Fatal(err)
					}
				}
				turn()
				if got := g.core.Last().MasterOpen; got != want {
					t.Fatalf("%s: open %v, want %v", name, got, want)
				}
				if n := testing.AllocsPerRun(500, turn); n != 0 {
					t.Errorf("%s: %g allocations in a turn with MASTER open %v", name, n, want)
				}
			}
		}
	})
}

// silent is an agent without a socket; the test beats the core itself.
type silent struct{}

func (silent) Next() (beat.Event, beat.Packet) { return beat.Nothing, beat.Packet{} }
func (silent) Reply(beat.Reply)                {}
func (silent) Drop()                           {}

// hungry is a dog that remembers nothing.
type hungry struct{ n int }

func (h *hungry) Feed() error { h.n++; return nil }

// The whole chain on a board with a one-shot: MASTER's coil has a supply while the guard's loop runs; a loop that hangs
// with MASTER open loses it within the one-shot's time, although the line still says open.
func TestOneShotDropsAHungGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, err := rigfile.Load("../../testdata/rig/emulator.yaml")
		if err != nil {
			t.Fatal(err)
		}
		plant, err := sim.NewPlant(sim.Config{Rig: file, Seed: 1, Quiet: true})
		if err != nil {
			t.Fatal(err)
		}
		rig, err := plant.Open(hal.OwnerGuard)
		if err != nil {
			t.Fatal(err)
		}
		clock := &fakePacer{start: time.Now()}
		y := &yard{clock: clock, log: &lines{}}
		y.pacer, y.plant, y.state = clock, plant, beat.Connected
		if y.g, err = New(Deps{Rig: rig, Pacer: clock, Beats: &y.bench, Memory: &y.bench, Log: slog.New(y.log)}, 0); err != nil {
			t.Fatal(err)
		}
		y.start(t)
		y.beats(1, true, 2*time.Second)
		if m := plant.State().Master; !m.Commanded || !m.Open {
			t.Fatalf("with a guard that runs: %+v", m)
		}
		clock.mu.Lock()
		clock.stall = 2 * time.Second
		clock.mu.Unlock()
		y.sleep(2*tick + file.Sim.HeartbeatHold + 100*time.Millisecond) // and the valve's own time
		if m := plant.State().Master; !m.Commanded || m.Open {
			t.Errorf("%v after the guard hung: %+v, want commanded open and without supply", file.Sim.HeartbeatHold+100*time.Millisecond, m)
		}
		y.sleep(2 * time.Second)
		if m := plant.State().Master; m.Commanded || m.Open {
			t.Errorf("after it woke: %+v", m)
		}
		y.stop(t)
		if err := rig.Close(); err != nil {
			t.Error(err)
		}
	})
}

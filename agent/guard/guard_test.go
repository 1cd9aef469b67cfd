package guard

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/beat"
	"fountain/hal"
	"fountain/hal/sim"
)

// bench is a guard on the simulated plant, with an agent made of a slice of packets.
type bench struct {
	plant  *sim.Plant
	pacer  hal.Pacer
	cancel context.CancelFunc
	done   chan error

	mu      sync.Mutex // the test and the guard's goroutine meet here
	queue   []beat.Packet
	state   beat.Event // Connected or Lost to report next
	replies []beat.Reply
	last    beat.Last
}

func (b *bench) Next() (beat.Event, beat.Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.state; s != beat.Nothing {
		b.state = beat.Nothing
		return s, beat.Packet{}
	}
	if len(b.queue) == 0 {
		return beat.Nothing, beat.Packet{}
	}
	p := b.queue[0]
	b.queue = b.queue[1:]
	return beat.Beaten, p
}

func (b *bench) Reply(r beat.Reply) { b.locked(func() { b.replies = append(b.replies, r) }) }
func (b *bench) Drop()              { b.locked(func() { b.queue, b.state = nil, beat.Nothing }) }
func (b *bench) Put(l *beat.Last)   { b.locked(func() { b.last = *l }) }

func (b *bench) send(p beat.Packet)  { b.locked(func() { b.queue = append(b.queue, p) }) }
func (b *bench) report(e beat.Event) { b.locked(func() { b.state = e }) }
func (b *bench) newest() (r beat.Reply) {
	b.locked(func() { r = b.replies[len(b.replies)-1] })
	return r
}
func (b *bench) memory() (l beat.Last) { b.locked(func() { l = b.last }); return l }
func (b *bench) masterOpen() bool      { return b.plant.State().Master.Commanded }
func (b *bench) now() time.Duration    { return b.pacer.Now() }
func (b *bench) shut() time.Duration   { return time.Duration(b.plant.State().Master.CommandedShutNS) }
func (b *bench) locked(f func())       { b.mu.Lock(); defer b.mu.Unlock(); f() }

// sleep lets virtual time pass and the guard finish what is due at its end, so that the two never run at once.
func (b *bench) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// beats sends a beat every beat.Period for d, the last one at the end.
func (b *bench) beats(session uint64, want bool, d time.Duration) {
	for end := b.now() + d; ; {
		b.send(beat.Packet{Session: session, WantMaster: want, CountedUL: 1000})
		b.sleep(tick)
		if b.now() >= end {
			return
		}
		b.sleep(beat.Period - tick)
	}
}

func run(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		plant, err := sim.NewPlant(sim.Config{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		rig, err := plant.Open(hal.OwnerGuard)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{plant: plant, pacer: plant.Pacer(), state: beat.Connected, done: make(chan error, 1)}
		g, err := New(Deps{Rig: rig, Pacer: b.pacer, Beats: b, Memory: b, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.cancel = cancel
		go func() { b.done <- g.Run(ctx) }()
		f(t, b)
		cancel()
		if err := <-b.done; err != nil && !errors.Is(err, hal.ErrClosed) {
			t.Errorf("guard ended with %v", err)
		}
		if b.masterOpen() {
			t.Error("MASTER is open at the end")
		}
		if err := rig.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOpensAndShutsOnDemand(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.sleep(time.Second)
		if b.masterOpen() {
			t.Fatal("MASTER opened without a beat")
		}
		b.beats(1, false, 200*time.Millisecond)
		if b.masterOpen() {
			t.Fatal("MASTER opened though nobody wants it")
		}
		b.beats(2, true, 500*time.Millisecond)
		if !b.masterOpen() || !b.newest().MasterOpen {
			t.Fatal("MASTER is shut though the agent beats and wants it")
		}
		b.beats(2, false, 0)
		b.sleep(2 * tick)
		if b.masterOpen() || b.newest().Latched || b.memory().Reason != beat.ReasonNone {
			t.Fatalf("after release: open %v, %+v", b.masterOpen(), b.newest())
		}
		b.beats(2, true, 0) // the same session may open again after an ordinary release
		b.sleep(2 * tick)
		if !b.masterOpen() {
			t.Fatal("MASTER did not open again")
		}
	})
}

// TestShutsAfterTheLastBeat is DESIGN 3: no beat for 150 ms shuts MASTER, at most 200 ms after the last beat, and only
// a new session opens it.
func TestShutsAfterTheLastBeat(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.beats(1, true, time.Second)
		lastBeat := b.memory().BeatAt
		b.sleep(time.Second)
		if b.masterOpen() {
			t.Fatal("MASTER is open a second after the last beat")
		}
		after := b.shut() - lastBeat
		t.Logf("MASTER shut %v after the last beat", after)
		if after <= beat.Limit || after > 200*time.Millisecond {
			t.Errorf("MASTER shut %v after the last beat, want 150 to 200 ms", after)
		}
		if b.memory().MasterShutAt == 0 || b.memory().Reason != beat.ReasonNoBeat {
			t.Errorf("last-beat file: %+v", b.memory())
		}
		b.beats(1, true, 500*time.Millisecond)
		if b.masterOpen() {
			t.Fatal("the old session opened MASTER again")
		}
		if !b.newest().Latched || b.newest().Reason != beat.ReasonNoBeat {
			t.Errorf("reply %+v does not tell why", b.newest())
		}
		b.beats(2, true, 100*time.Millisecond)
		if !b.masterOpen() {
			t.Fatal("a new session could not open MASTER")
		}
	})
}

func TestDisconnectShutsAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.beats(1, true, time.Second)
		at := b.now()
		b.report(beat.Lost)
		b.sleep(100 * time.Millisecond)
		if b.masterOpen() || b.shut()-at > 2*tick {
			t.Fatalf("open %v, shut after %v", b.masterOpen(), b.shut()-at)
		}
		b.report(beat.Connected)
		b.sleep(500 * time.Millisecond)
		if b.masterOpen() {
			t.Fatal("MASTER opened on connect, before any beat")
		}
	})
}

func TestInputsShutAndLatch(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  sim.FaultKind
		reason beat.Reason
	}{"e-stop": {sim.EStopPressed, beat.ReasonEStop}, "leak": {sim.LeakSeen, beat.ReasonLeak}} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, b *bench) {
				b.beats(1, true, time.Second)
				if err := b.plant.Inject(sim.Fault{Kind: tc.fault}); err != nil {
					t.Fatal(err)
				}
				at := b.now()
				b.beats(1, true, 100*time.Millisecond)
				if b.masterOpen() || b.shut()-at > 20*time.Millisecond || b.memory().Reason != tc.reason {
					t.Fatalf("open %v, shut after %v, %v", b.masterOpen(), b.shut()-at, b.memory().Reason)
				}
				if err := b.plant.Clear(sim.Fault{Kind: tc.fault}); err != nil {
					t.Fatal(err)
				}
				b.beats(1, true, time.Second)
				if b.masterOpen() {
					t.Fatal("MASTER opened by itself when the input was safe again")
				}
				b.beats(2, true, 100*time.Millisecond)
				if !b.masterOpen() {
					t.Fatal("a new session could not open MASTER")
				}
			})
		})
	}
}

func TestBounds(t *testing.T) {
	t.Run("time", func(t *testing.T) {
		run(t, func(t *testing.T, b *bench) {
			at := b.now()
			b.beats(1, true, 90*time.Second)
			if b.masterOpen() || b.memory().Reason != beat.ReasonTime {
				t.Fatalf("open %v, %v", b.masterOpen(), b.memory().Reason)
			}
			if open := b.shut() - at; open > 61*time.Second {
				t.Errorf("MASTER was open for %v", open)
			}
		})
	})
	t.Run("volume", func(t *testing.T) {
		run(t, func(t *testing.T, b *bench) {
			b.send(beat.Packet{Session: 1, WantMaster: true, CountedUL: DefaultMaxVolumeUL})
			b.sleep(2 * tick)
			if !b.masterOpen() {
				t.Fatal("shut at the bound")
			}
			b.send(beat.Packet{Session: 1, WantMaster: true, CountedUL: DefaultMaxVolumeUL + 1})
			b.sleep(2 * tick)
			if b.masterOpen() || b.memory().Reason != beat.ReasonVolume {
				t.Fatalf("open %v, %v", b.masterOpen(), b.memory().Reason)
			}
		})
	})
}

// TestBeatsQueuedDuringAStallProveNothing stops the guard itself for a second (SIGSTOP) while beats pile up.
func TestBeatsQueuedDuringAStallProveNothing(t *testing.T) {
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
		b := &bench{plant: plant, pacer: plant.Pacer(), state: beat.Connected}
		g, err := New(Deps{Rig: rig, Pacer: b.pacer, Beats: b, Memory: b, Log: slog.New(slog.DiscardHandler)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.send(beat.Packet{Session: 1, WantMaster: true})
		if err := g.step(b.now(), false); err != nil || !b.masterOpen() {
			t.Fatalf("open %v, %v", b.masterOpen(), err)
		}
		time.Sleep(time.Second)
		b.send(beat.Packet{Session: 1, WantMaster: true})
		if err := g.step(b.now(), true); err != nil || b.masterOpen() {
			t.Fatalf("after a stall: open %v, %v", b.masterOpen(), err)
		}
	})
}

// TestCoreNeverOpensWithoutReason drives the rule with random events and checks the invariant of Core's doc.
func TestCoreNeverOpensWithoutReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCore(Limits{MaxOpen: 10 * time.Second, MaxVolumeUL: 1000})
		var now, lastBeat time.Duration
		var p beat.Packet
		connected, beaten, open := false, false, false
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(1, 200).Draw(t, "ms")) * time.Millisecond
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				c.Connect()
				connected, beaten = true, false
			case 1:
				c.Disconnect()
				connected = false
			case 2, 3, 4:
				p = beat.Packet{
					Session: rapid.Uint64Range(1, 3).Draw(t, "session"), WantMaster: rapid.Bool().Draw(t, "want"),
					CountedUL: rapid.Int64Range(0, 1200).Draw(t, "ul"),
				}
				c.Beat(now, p)
				lastBeat, beaten = now, true
			}
			inputs := hal.Interlocks(rapid.SampledFrom([]int{0, 0, 0, 0, int(hal.EStop), int(hal.Leak)}).Draw(t, "inputs"))
			var inputsErr error
			if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
				inputsErr = hal.ErrGone
			}
			was := open
			open = c.Decide(now, inputs, inputsErr, false)
			if open && (!connected || !beaten || !p.WantMaster || inputs != 0 || inputsErr != nil || now-lastBeat > beat.Limit || p.CountedUL > 1000) {
				t.Fatalf("open though connected %v beaten %v want %v inputs %v err %v age %v counted %d", connected, beaten, p.WantMaster, inputs, inputsErr, now-lastBeat, p.CountedUL)
			}
			if open && !was && c.Reply().Latched {
				t.Fatal("a latched session opened MASTER")
			}
			if r := c.Reply(); r.MasterOpen != open {
				t.Fatalf("the reply says %v, the rule %v", r.MasterOpen, open)
			}
		}
	})
}

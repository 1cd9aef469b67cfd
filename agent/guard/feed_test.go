package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/beat"
	"fountain/hal"
)

// books is a ledger that answers as told.
type books struct {
	asked   int
	granted bool
	done    bool
}

func (b *books) Ask()                 { b.asked++ }
func (b *books) Answer() (bool, bool) { return b.granted, b.done }

// TestFeeding is DESIGN 3: the watchdog is fed while MASTER reads shut or is leased; an agent that is down for more than
// ten minutes resets the machine, unless the day's resets are used up.
// Peers: reef-pi has no watchdog and restarts after 90 s.
func TestFeeding(t *testing.T) {
	const start = time.Second
	type at struct {
		now          time.Duration
		beaten, safe bool
		granted      string // answer of the ledger from now on: "", "yes", "no"
		fed          bool   // food in this turn
		asked        int
		state        feedState
	}
	for name, steps := range map[string][]at{
		"agent beats": {
			{now: start, safe: true, fed: true},
			{now: start + 100*time.Millisecond, safe: true, beaten: true},
			{now: start + 600*time.Millisecond, safe: true, beaten: true, fed: true},
			{now: start + 24*time.Hour, safe: true, beaten: true, fed: true},
		},
		"MASTER is neither shut nor leased": {
			{now: start, safe: true, fed: true},
			{now: start + time.Second},
			{now: start + 9*time.Second},
			{now: start + 10*time.Second, safe: true, fed: true},
		},
		"agent never came": {
			{now: start, safe: true, fed: true},
			{now: start + downLimit, safe: true, fed: true},
			{now: start + downLimit + time.Second, safe: true, fed: true, asked: 1, state: asked},
			{now: start + downLimit + 2*time.Second, safe: true, fed: true, asked: 1, state: asked}, // the disk is slow
			{now: start + downLimit + 3*time.Second, safe: true, granted: "yes", asked: 1, state: starving},
			{now: start + downLimit + time.Hour, safe: true, asked: 1, state: starving},
		},
		"no reset is left": {
			{now: start + downLimit + time.Second, safe: true, fed: true, asked: 1, state: asked},
			{now: start + downLimit + 2*time.Second, safe: true, fed: true, granted: "no", asked: 1, state: spent},
			{now: start + downLimit + askEvery, safe: true, fed: true, asked: 1, state: spent},
			{now: start + downLimit + askEvery + 2*time.Second, safe: true, fed: true, asked: 2, state: asked},
			{now: start + downLimit + askEvery + 3*time.Second, safe: true, fed: true, asked: 2, state: spent},
			{now: start + 48*time.Hour, safe: true, fed: true, asked: 3, state: asked},
			{now: start + 48*time.Hour + time.Second, safe: true, granted: "yes", asked: 3, state: starving},
		},
		"agent comes back while starving": {
			{now: start + downLimit + time.Second, safe: true, fed: true, asked: 1, state: asked},
			{now: start + downLimit + 2*time.Second, safe: true, granted: "yes", asked: 1, state: starving},
			{now: start + downLimit + 5*time.Second, safe: true, beaten: true, fed: true, asked: 1},
			{now: start + 2*downLimit + 5*time.Second, safe: true, fed: true, asked: 1},
			{now: start + 2*downLimit + 6*time.Second, safe: true, fed: true, asked: 2, state: asked},
		},
		"agent comes back before the answer": {
			{now: start + downLimit + time.Second, safe: true, fed: true, asked: 1, state: asked},
			{now: start + downLimit + 2*time.Second, safe: true, fed: true, beaten: true, granted: "yes", asked: 1},
			{now: start + downLimit + 3*time.Second, safe: true, fed: true, asked: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := start
			dog, b := &fakeDog{now: func() time.Duration { return now }}, &books{}
			f := newFeeder(dog, b, slog.New(&lines{}), start)
			for i, s := range steps {
				now = s.now
				if s.granted != "" {
					b.done, b.granted = true, s.granted == "yes"
				}
				before := len(dog.fed)
				f.turn(now, s.beaten, s.safe)
				if fed := len(dog.fed) > before; fed != s.fed || b.asked != s.asked || f.state != s.state {
					t.Errorf("step %d: fed %v, asked %d, state %d; want %v, %d, %d", i, fed, b.asked, f.state, s.fed, s.asked, s.state)
				}
			}
		})
	}
}

func TestFeederWithoutParts(t *testing.T) {
	newFeeder(nil, &books{}, slog.New(slog.DiscardHandler), 0).turn(time.Hour, false, true)
	dog := &fakeDog{now: func() time.Duration { return 0 }}
	f := newFeeder(dog, nil, slog.New(slog.DiscardHandler), 0)
	f.turn(time.Hour, false, true)
	if len(dog.fed) != 1 {
		t.Error("without a ledger an agent that is down starves the watchdog")
	}
}

func TestDogThatCannotBeFedIsToldOnce(t *testing.T) {
	log := &lines{}
	dog := &fakeDog{now: func() time.Duration { return 0 }, err: errors.New("no device")}
	f := newFeeder(dog, nil, slog.New(log), 0)
	for i := range 10 {
		f.turn(time.Duration(i)*time.Second, true, true)
	}
	dog.err = nil
	f.turn(time.Minute, true, true)
	if log.count("cannot be fed") != 1 || log.count("fed again") != 1 {
		t.Errorf("log: %q", log.all())
	}
}

// machine is a unit whose agent never starts: it reboots when its watchdog starves. Its guard is the feeder and the ledger
// alone, in steps of five seconds, so that days take no time.
type machine struct {
	path    string
	boots   int
	resets  []time.Duration // running time of each reset
	running time.Duration
}

const dogTimeout = 10 * time.Second

// atOnce is a ledger without its goroutine.
type atOnce struct {
	*Ledger
	granted bool
}

func (a *atOnce) Ask()                 { a.granted = a.grant() }
func (a *atOnce) Answer() (bool, bool) { return a.granted, true }

// boot runs for at most d, until the watchdog resets the machine. It returns how long the boot lasted.
func (m *machine) boot(d time.Duration) time.Duration {
	m.boots++
	now := time.Second
	clock := func() time.Duration { return now }
	log := slog.New(slog.DiscardHandler)
	ledger := OpenLedger(m.path, fmt.Sprintf("boot-%d", m.boots), clock, log)
	ledger.save = os.WriteFile
	dog := &fakeDog{now: clock}
	f := newFeeder(dog, &atOnce{Ledger: ledger}, log, now)
	for ; now < d; now += 5 * time.Second {
		f.turn(now, false, true)
		if now%ledgerEvery < 5*time.Second {
			ledger.age() // as Run does
		}
		if now-dog.last() > dogTimeout {
			m.resets = append(m.resets, m.running+now)
			break
		}
	}
	m.running += now
	return now
}

// TestResetLimit: an agent that never starts (a bad configuration) resets the machine three times a day and not more,
// however often it boots.
func TestResetLimit(t *testing.T) {
	m := &machine{path: filepath.Join(t.TempDir(), LedgerName)}
	for i := range 3 {
		took := m.boot(time.Hour)
		if len(m.resets) != i+1 {
			t.Fatalf("boot %d: no reset within an hour", i)
		}
		if took < downLimit || took > downLimit+dogTimeout+15*time.Second {
			t.Errorf("boot %d: reset after %v, want ten minutes and the watchdog's time", i, took)
		}
	}
	m.boot(20 * time.Hour)
	if len(m.resets) != 3 {
		t.Fatalf("%d resets within a day", len(m.resets))
	}
	// A power cut does not begin a new day, though the wall clock may say so.
	m.boot(3 * time.Hour)
	if len(m.resets) != 3 {
		t.Fatalf("a boot forgot the count: %d resets", len(m.resets))
	}
	m.boot(3 * time.Hour)
	if len(m.resets) != 4 {
		t.Fatalf("%d resets: the count is never forgotten", len(m.resets))
	}
	if d := m.resets[3] - m.resets[0]; d < 24*time.Hour {
		t.Errorf("four resets within %v", d)
	}
}

// TestLoopAsksTheLedger is the whole of it once: the guard's loop, the ledger's goroutine and the disk.
func TestLoopAsksTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), LedgerName)
		clock := &fakePacer{start: time.Now()}
		ledger := OpenLedger(path, "boot", clock.Now, slog.New(slog.DiscardHandler))
		y := newYard(t, ledger)
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan struct{})
		go func() { defer close(answered); ledger.Run(ctx) }()
		y.start(t)
		y.send(beat.Packet{Session: 1})
		time.Sleep(downLimit - time.Second)
		if _, err := os.Stat(path); err == nil || y.clock.Now()-y.dog.last() > time.Second {
			t.Error("a reset was asked for before its time")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if hungry := y.clock.Now() - y.dog.last(); hungry < 50*time.Second || hungry > time.Minute {
			t.Errorf("the watchdog was last fed %v ago", hungry)
		}
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), `"resets":[6`) {
			t.Errorf("the count on the disk: %s, %v", b, err)
		}
		if _, _, beats := y.rig.get(); y.rig.lastBeat < y.clock.Now()-20*time.Millisecond || beats == 0 {
			t.Error("the heartbeat stopped: the guard is well")
		}
		y.send(beat.Packet{Session: 2})
		time.Sleep(time.Second)
		if y.clock.Now()-y.dog.last() > time.Second {
			t.Error("the agent is back and the watchdog is still not fed")
		}
		y.stop(t)
		cancel()
		<-answered
	})
}

func TestLimitIsToldOnce(t *testing.T) {
	now := time.Duration(0)
	dog, b, log := &fakeDog{now: func() time.Duration { return now }}, &books{done: true}, &lines{}
	f := newFeeder(dog, b, slog.New(log), 0)
	for ; now < 150*time.Minute; now += time.Second {
		f.turn(now, false, true)
	}
	if n := log.count("it stays up"); n != 1 || b.asked != 3 {
		t.Errorf("told %d times, asked %d times: %q", n, b.asked, log.all())
	}
	if dog.last() < 149*time.Minute {
		t.Error("the watchdog was not fed on")
	}
	f.turn(now, true, true)
	for ; now < 300*time.Minute; now += time.Second {
		f.turn(now, false, true)
	}
	if n := log.count("it stays up"); n != 2 {
		t.Errorf("told %d times of two outages", n)
	}
}

// TestDamagedLedger: whatever stands in the file, the machine is reset at most three times in the day that follows; what
// cannot be told counts as a full day's resets.
func TestDamagedLedger(t *testing.T) {
	for name, tc := range map[string]struct {
		content string
		want    int // resets within the next hours
	}{
		"empty":        {"", 0},
		"no JSON":      {"\x00\x00\x00", 0},
		"half":         {`{"schema":1,"boot":"a","at_ms":1`, 0},
		"newer":        {`{"schema":2,"boot":"a","at_ms":1,"up_ms":1,"resets":[]}`, 0},
		"unknown key":  {`{"schema":1,"boot":"a","at_ms":1,"up_ms":1,"resets":[],"x":1}`, 0},
		"from future":  {`{"schema":1,"boot":"a","at_ms":1,"up_ms":1,"resets":[5000]}`, 0},
		"out of order": {`{"schema":1,"boot":"a","at_ms":1,"up_ms":9000,"resets":[5000,4000]}`, 0},
		"too many":     {`{"schema":1,"boot":"a","at_ms":1,"up_ms":9000,"resets":[1,2,3,4]}`, 0},
		"negative":     {`{"schema":1,"boot":"a","at_ms":-1,"up_ms":9000,"resets":[]}`, 0},
		"same boot":    {`{"schema":1,"boot":"boot-1","at_ms":86400000,"up_ms":90000000,"resets":[]}`, 0}, // written after the present
		"two used":     {`{"schema":1,"boot":"a","at_ms":1,"up_ms":9000,"resets":[5000,6000]}`, 1},
		"good":         {`{"schema":1,"boot":"a","at_ms":1,"up_ms":9000,"resets":[]}`, 3},
		"old ones":     {`{"schema":1,"boot":"a","at_ms":1,"up_ms":90000000,"resets":[1,2,3]}`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{path: filepath.Join(t.TempDir(), LedgerName)}
			if err := os.WriteFile(m.path, []byte(tc.content), 0o644); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				m.boot(time.Hour)
			}
			if len(m.resets) != tc.want {
				t.Errorf("%d resets, want %d", len(m.resets), tc.want)
			}
			// It heals: a day of running time later there is one again.
			for range 3 {
				m.boot(12 * time.Hour)
			}
			if len(m.resets) <= tc.want {
				t.Errorf("no reset a day later")
			}
		})
	}
}

// Without the count on the disk there is no reset.
func TestNoResetWithoutTheDisk(t *testing.T) {
	m := &machine{path: filepath.Join(t.TempDir(), "gone", LedgerName)}
	m.boot(3 * time.Hour)
	if len(m.resets) != 0 {
		t.Error("reset without a count")
	}
}

// A guard that starts again within one boot goes on with the count.
func TestLedgerGoesOnWithinABoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), LedgerName)
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		log := slog.New(slog.DiscardHandler)
		time.Sleep(time.Hour)
		l := OpenLedger(path, "a", now, log)
		if !l.grant() {
			t.Fatal("no leave")
		}
		time.Sleep(time.Hour)
		l = OpenLedger(path, "a", now, log)
		if d := l.running() - l.resets[0]; d != time.Hour {
			t.Errorf("the reset of an hour ago counts as %v ago", d)
		}
	})
}

// Property: whatever boots, power cuts and restarts of the guard come, any four resets span a day of running time, which is
// never more than a day of real time.
func TestFourResetsSpanADay(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		path := filepath.Join(dir, fmt.Sprint(run))
		real, boots := time.Duration(0), 0
		var resets []time.Duration
		for range rapid.IntRange(1, 8).Draw(t, "boots") {
			boots++
			mono := time.Duration(0)
			for range rapid.IntRange(1, 2).Draw(t, "starts of the guard") {
				l := OpenLedger(path, fmt.Sprint(boots), func() time.Duration { return mono }, slog.New(slog.DiscardHandler))
				l.save = os.WriteFile
				run := time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "run"))
				for until := mono + run; mono < until; {
					step := min(2*time.Hour, until-mono)
					mono, real = mono+step, real+step
					l.age()
				}
				if l.grant() {
					resets = append(resets, real)
				}
			}
			real += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "off"))
		}
		for i := 3; i < len(resets); i++ {
			if d := resets[i] - resets[i-3]; d < day-time.Millisecond {
				t.Fatalf("four resets within %v", d)
			}
		}
	})
}

var _ hal.Heart = (*fakeRig)(nil)

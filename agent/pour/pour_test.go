package pour

import (
	"testing"
	"time"

	"fountain/agent/beat"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/sync/wire"
)

const ms = time.Millisecond

func plan(hold bool) *recipe.Plan {
	return &recipe.Plan{
		Hold: hold, TargetUL: 120_000, CarrierUL: 100_000, CarrierShare: 833_333,
		Carrier: recipe.Carrier{Valve: "v", Meter: "m", PulsesPerLitre: 1000},
		Doses:   []recipe.Dose{{Doser: recipe.Doser{Pump: "p", StrokeNL: 100_000, MaxRate: 300}, Share: 166_667, Strokes: 200}},
		MaxUL:   131_000, MaxTime: 10 * time.Second,
	}
}

// bench plays an ideal line: 80 ml/s at 1000 pulses/L while the carrier is open and lag after, strokes at once.
type bench struct {
	s     State
	fx    Effects
	in    Inputs
	now   time.Duration
	lag   time.Duration
	flow  time.Duration // water that has flowed, as time
	shut  time.Duration // when the carrier was told to shut
	wakes []time.Duration
	empty []int
	learn []Lag
	water bool
}

func newBench(p *recipe.Plan) *bench {
	b := &bench{now: time.Second, lag: 40 * ms, water: true}
	b.step(Event{Kind: Begin, Plan: p, Lag: Lag{Mean: 40*ms + 300*time.Microsecond, N: 9}})
	b.step(Event{Kind: Durable})
	b.in.Guard.Open = true
	return b
}

func (b *bench) step(e Event) {
	e.Now, e.Inputs = b.now, b.in
	b.s, b.fx = Step(b.s, e)
	for i := range b.fx.Len() {
		switch e := b.fx.At(i); e.Action {
		case Dose:
			b.in.Delivered[e.Index] += uint64(e.N)
		case Shut:
			b.shut = b.now
		case Wake:
			b.wakes = append(b.wakes, e.At)
		case Empty:
			b.empty = append(b.empty, e.Index)
		case Learn:
			b.learn = append(b.learn, e.Lag)
		}
	}
}

// tick runs n ticks of 1 ms.
func (b *bench) tick(n int) {
	for range n {
		b.now += ms
		if b.water && (b.s.Carrier || (b.shut > 0 && b.now-b.shut <= b.lag)) {
			b.flow += ms
			const period = 12500 * time.Microsecond
			if got := uint64(b.flow / period); got > b.in.Water.Pulses {
				b.in.Water = hal.Count{Pulses: got, Last: b.now - b.flow%period, Period: period}
			}
		}
		b.step(Event{Kind: Tick})
	}
}

func TestPhases(t *testing.T) {
	b := newBench(plan(false))
	seen := []Phase{b.s.Phase}
	rinse := int64(0)
	for range 3000 {
		b.tick(1)
		if p := b.s.Phase; p != seen[len(seen)-1] {
			seen = append(seen, p)
			if p == Tail {
				rinse = b.s.CarrierUL()
			}
		}
		if b.s.Phase == Lead && b.in.Delivered[0] > 0 {
			t.Fatal("a dose during the lead")
		}
	}
	want := []Phase{Arm, Lead, Flow, Tail, Settle, Done}
	for i := range want {
		if i >= len(seen) || seen[i] != want[i] {
			t.Fatalf("phases %v, want %v", seen, want)
		}
	}
	if b.s.Outcome != wire.Completed || b.s.CountedUL() < 119_000 || b.s.CountedUL() > 121_000 {
		t.Errorf("%s, %d µL", b.s.Outcome, b.s.CountedUL())
	}
	if rinse < 90_000 || rinse > 94_000 {
		t.Errorf("the rinse began at %d µL of 100000", rinse)
	}
	if len(b.wakes) == 0 {
		t.Error("no exact wake-up before closing")
	}
	for _, at := range b.wakes {
		if d := at - b.shut; d < -2*ms || d > ms {
			t.Errorf("asked to wake %v from the close", d)
		}
	}
	if len(b.learn) != 1 || b.learn[0].N != 10 {
		t.Errorf("learned %v", b.learn)
	}
}

func TestNoFlowNoDose(t *testing.T) {
	for _, hold := range []bool{false, true} {
		b := newBench(plan(hold))
		b.tick(600)
		doses := b.in.Delivered[0]
		b.water = false
		b.tick(500) // time passes, water does not
		if got := b.in.Delivered[0]; got > doses+3 {
			t.Errorf("hold %v: %d strokes without water", hold, got-doses)
		}
		if b.s.Carrier || b.s.Reason != ReasonMeterLost {
			t.Errorf("hold %v: %s %s", hold, b.s.Phase, b.s.Reason)
		}
		// The pulses ended in full flow: what 151 ms and the lag let through at 80 ml/s is estimated.
		if e := b.s.EstimatedUL(); e < 14_000 || e > 17_000 {
			t.Errorf("hold %v: %d µL estimated", hold, e)
		}
		b.tick(1000)
		if len(b.learn) != 0 {
			t.Error("learned from a faulted pour")
		}
	}
}

func TestHoldOwesDoses(t *testing.T) {
	b := newBench(plan(true))
	b.tick(700)
	b.step(Event{Kind: Stop, Reason: ReasonReleased})
	if b.s.Carrier || !b.fx.Has(Shut) {
		t.Fatal("the carrier is still open")
	}
	b.tick(600)
	water, dosed := b.s.CarrierUL(), b.s.DoseUL(0)
	if want := water / 5; dosed < want-200 || dosed > want+300 {
		t.Errorf("%d µL dosed for %d µL of water, want %d", dosed, water, want)
	}
	if b.s.Phase != Done || b.s.Outcome != wire.Stopped {
		t.Errorf("%s %s", b.s.Phase, b.s.Outcome)
	}
}

func TestSoldOut(t *testing.T) {
	b := newBench(plan(false))
	b.tick(500)
	held := b.in.Delivered
	for range 320 {
		b.tick(1)
		b.in.Delivered = held // asked for, never confirmed
	}
	if len(b.empty) != 1 || b.s.Reason != ReasonSoldOut || b.s.Carrier {
		t.Fatalf("empty %v, %q, carrier %v", b.empty, b.s.Reason, b.s.Carrier)
	}
}

func TestMasterRefused(t *testing.T) {
	b := newBench(plan(false))
	b.in.Guard.Open = false
	b.tick(350)
	if b.s.Reason != ReasonMaster || b.s.Carrier || b.s.Master {
		t.Errorf("%q carrier %v master %v", b.s.Reason, b.s.Carrier, b.s.Master)
	}
}

func TestStopBeforeJournal(t *testing.T) {
	var s State
	s, fx := Step(s, Event{Kind: Begin, Now: time.Second, Plan: plan(false)})
	s, fx = Step(s, Event{Kind: Stop, Now: time.Second + ms, Reason: ReasonReleased})
	if s.Phase != Arm || fx.Has(Commit) {
		t.Fatal("recorded before the intent is durable")
	}
	s, fx = Step(s, Event{Kind: Durable, Now: 2 * time.Second})
	if s.Phase != Done || !fx.Has(Commit) || fx.Has(Master) || s.Duration() <= 0 {
		t.Fatalf("%s, commit %v", s.Phase, fx.Has(Commit))
	}
}

func TestLag(t *testing.T) {
	var l Lag
	if l.Value() != DefaultLag {
		t.Errorf("before the first pour %v", l.Value())
	}
	for i, want := range []time.Duration{50, 60, 70, 80, 90} { // the mean of 50, 70, 90 …
		l = l.Learn(time.Duration(50+20*i) * ms)
		if d := l.Mean - want*ms; d < -time.Microsecond || d > time.Microsecond {
			t.Errorf("after %d pours %v, want %v", i+1, l.Mean, want*ms)
		}
	}
	l = l.Learn(140 * ms)
	if d := l.Mean - 100*ms; d < -time.Microsecond || d > time.Microsecond {
		t.Errorf("EWMA: %v, want 100 ms", l.Mean)
	}
	if l.Learn(time.Hour).Mean > 110*ms+time.Microsecond || (Lag{}).Learn(-time.Second).Value() != minLag {
		t.Error("samples are not clamped to 5-150 ms")
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	b := newBench(plan(false))
	b.tick(400)
	if n := testing.AllocsPerRun(200, func() { b.tick(1) }); n != 0 {
		t.Errorf("%v allocations per tick", n)
	}
	if b.s.Phase != Flow {
		t.Fatalf("measured in %s", b.s.Phase)
	}
}

func BenchmarkStep(b *testing.B) {
	x := newBench(plan(false))
	x.tick(400)
	s := x.s
	e := Event{Kind: Tick, Now: x.now, Inputs: x.in}
	b.ReportAllocs()
	for b.Loop() {
		s, _ = Step(s, e)
	}
}

func TestBounds(t *testing.T) {
	b := newBench(plan(false))
	b.tick(500)
	b.in.Delivered[0] += 1200 // a pump that runs away: 120 ml
	b.tick(1)
	if b.s.Carrier || b.s.Master || b.s.Reason != ReasonVolumeBound || !b.fx.Has(StopPumps) {
		t.Errorf("volume: %q, carrier %v, MASTER %v", b.s.Reason, b.s.Carrier, b.s.Master)
	}
	p := plan(false)
	p.MaxTime = 700 * ms
	b = newBench(p)
	b.tick(690)
	if !b.s.Carrier {
		t.Fatal("shut too early")
	}
	b.tick(15)
	if b.s.Carrier || b.s.Master || b.s.Reason != ReasonTimeBound {
		t.Errorf("time: %q, carrier %v, MASTER %v", b.s.Reason, b.s.Carrier, b.s.Master)
	}
}

func TestGuardShutsMaster(t *testing.T) {
	for r, want := range map[beat.Reason]string{
		beat.ReasonEStop: ReasonEStop, beat.ReasonLeak: ReasonLeak, beat.ReasonTime: ReasonTimeBound, beat.ReasonVolume: ReasonVolumeBound,
		beat.ReasonNoBeat: ReasonLoopGap, beat.ReasonShutdown: ReasonGuardGone, beat.ReasonHardware: ReasonMaster,
	} {
		b := newBench(plan(false))
		b.tick(500)
		b.in.Guard = Guard{Latched: true, Reason: r}
		b.tick(1)
		if b.s.Carrier || b.s.Master || b.s.Reason != want || b.s.Outcome != OutcomeOf(want) {
			t.Errorf("%s: %s %q, want %q", r, b.s.Outcome, b.s.Reason, want)
		}
	}
}

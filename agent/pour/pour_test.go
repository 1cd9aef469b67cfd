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
	extra uint64 // pulses beside the water's
	slow  bool   // strokes take their time
	lossy int    // every so many strokes are lost; 0 = none
	made  int
	queue [recipe.MaxDoses]int64
	ready [recipe.MaxDoses]time.Duration
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
			if b.slow {
				if b.queue[e.Index] == 0 {
					b.ready[e.Index] = b.now + 10*ms/3
				}
				b.queue[e.Index] += e.N
				break
			}
			b.in.Delivered[e.Index] += uint64(e.N)
		case StopPumps:
			b.queue = [recipe.MaxDoses]int64{}
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
			if got := uint64(b.flow/period) + b.extra; got > b.in.Water.Pulses {
				b.in.Water = hal.Count{Pulses: got, Lost: b.in.Water.Lost, Last: b.now - b.flow%period, Period: period}
			}
		}
		for i := range b.queue {
			for b.queue[i] > 0 && b.ready[i] <= b.now {
				b.queue[i]--
				b.ready[i] += 10 * ms / 3
				if b.made++; b.lossy == 0 || b.made%b.lossy != 0 {
					b.in.Delivered[i]++
				}
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

// TestTurns: pumps whose currents together exceed the budget take turns, and the drink is whole all the same.
func TestTurns(t *testing.T) {
	p := plan(false)
	p.CarrierUL = 200_000
	p.MaxUL = 300_000
	p.Doses = nil
	for _, ma := range []int64{400, 300, 300, 200} {
		p.Doses = append(p.Doses, recipe.Dose{Doser: recipe.Doser{StrokeNL: 100_000, MaxRate: 300, CurrentMA: ma}, Strokes: 120})
	}
	for _, budget := range []int64{0, 700, 400} {
		p.PumpMA = budget
		b := &bench{now: time.Second, lag: 40 * ms, water: true}
		b.slow = true
		b.step(Event{Kind: Begin, Plan: p, Lag: Lag{Mean: 40 * ms, N: 9}})
		b.step(Event{Kind: Durable})
		b.in.Guard.Open = true
		most := int64(0)
		for range 8000 {
			b.tick(1)
			sum := int64(0)
			for i := range p.Doses {
				if b.queue[i] > 0 {
					sum += p.Doses[i].CurrentMA
				}
			}
			most = max(most, sum)
		}
		t.Logf("budget %d mA: at most %d mA, %s", budget, most, b.s.Phase)
		if budget > 0 && most > budget {
			t.Errorf("%d mA of %d", most, budget)
		}
		if b.s.Outcome != wire.Completed {
			t.Errorf("%s %s", b.s.Outcome, b.s.Reason)
		}
		for i := range p.Doses {
			if b.in.Delivered[i] != 120 {
				t.Errorf("budget %d: dose %d got %d strokes", budget, i, b.in.Delivered[i])
			}
		}
	}
}

// TestLostStrokes: strokes that are not confirmed are asked for again, and a worn pump's drink is whole.
func TestLostStrokes(t *testing.T) {
	b := newBench(plan(false))
	b.slow, b.lossy = true, 3
	b.tick(4000)
	if b.s.Outcome != wire.Completed || b.s.Missed(0) == 0 || b.s.DoseUL(0) != 20_000 {
		t.Errorf("%s %s, %d missed, %d µL", b.s.Outcome, b.s.Reason, b.s.Missed(0), b.s.DoseUL(0))
	}
}

// TestLostPulses: pulses that are known to have been missed are in the volume, but as an estimate.
func TestLostPulses(t *testing.T) {
	b := newBench(plan(false))
	b.tick(700)
	b.in.Water.Lost = 7
	b.tick(3000)
	if b.s.Outcome != wire.Completed || b.s.LostUL() != 7000 || b.s.EstimatedUL() != 7000 || b.s.CountedUL()+7000 != b.s.FlowedUL() {
		t.Errorf("%s, lost %d, estimated %d", b.s.Outcome, b.s.LostUL(), b.s.EstimatedUL())
	}
	if len(b.learn) != 0 {
		t.Error("learned a lag from a count that is not certain")
	}
}

// TestPauseWhileArming: a cup that leaves before anything opened pauses as soon as the intent is durable.
func TestPauseWhileArming(t *testing.T) {
	b := &bench{now: time.Second, lag: 40 * ms, water: true}
	b.step(Event{Kind: Begin, Plan: plan(false)})
	b.in.Locks = hal.NoCup
	b.tick(50)
	if b.s.Phase != Arm || b.s.Master {
		t.Fatalf("%s", b.s.Phase)
	}
	b.step(Event{Kind: Durable})
	if b.s.Phase != Paused || b.s.Master || b.s.Cause != ReasonCupRemoved {
		t.Fatalf("%s, MASTER %v", b.s.Phase, b.s.Master)
	}
	b.step(Event{Kind: Resume})
	b.tick(500)
	if b.s.Phase != Paused {
		t.Fatalf("resumed without a cup: %s", b.s.Phase)
	}
	b.in.Locks = 0
	b.tick(500)
	if b.s.Phase != Paused {
		t.Fatal("resumed by itself when the cup came back")
	}
	b.step(Event{Kind: Resume})
	b.in.Guard.Open = true
	b.tick(3000)
	if b.s.Outcome != wire.Completed || b.s.FlowedUL() < 118_000 {
		t.Errorf("%s %s, %d µL", b.s.Outcome, b.s.Reason, b.s.FlowedUL())
	}
}

// TestShapes: what pulses that come too fast mean.
func TestShapes(t *testing.T) {
	p := plan(true)
	p.CarrierUL, p.TargetUL, p.MaxUL = 900_000, 900_000, 1_000_000
	p.Carrier.QMaxULs = 100_000 // shortest period 6.7 ms
	for _, tc := range []struct {
		name   string
		gaps   []time.Duration // of the pulses that come instead of the line's, again and again
		reason string
	}{
		{"a line broken open", []time.Duration{4 * ms}, ReasonOverFlow},
		{"just too much", []time.Duration{7 * ms}, ReasonOverFlow},
		{"air", []time.Duration{4 * ms, 9 * ms, 3 * ms, 4 * ms, 11 * ms, 3 * ms, 5 * ms}, ReasonAir},
		{"interference without end", []time.Duration{2 * ms, 1 * ms}, ReasonMeterLost},
		{"a healthy line", []time.Duration{12 * ms, 13 * ms}, ""},
	} {
		b := newBench(p)
		b.tick(800)
		b.water = false
		next, k := b.now, 0
		for range 1000 {
			b.now += ms
			if b.s.Carrier && b.now >= next {
				b.in.Water = hal.Count{Pulses: b.in.Water.Pulses + 1, Last: b.now, Period: b.now - b.in.Water.Last}
				next += tc.gaps[k%len(tc.gaps)]
				k++
			}
			b.step(Event{Kind: Tick})
		}
		if b.s.Reason != tc.reason {
			t.Errorf("%s: %q, want %q after %d pulses", tc.name, b.s.Reason, tc.reason, k)
		}
	}
	b := newBench(p)
	b.tick(800)
	before := b.s.CarrierUL()
	for range 20 { // a burst, 2 ms apart, beside the line's own pulses
		b.tick(2)
		b.in.Water = hal.Count{Pulses: b.in.Water.Pulses + 1, Last: b.now, Period: 2 * ms}
		b.step(Event{Kind: Tick})
		b.extra++
	}
	b.tick(200)
	if b.s.Phase != Flow || b.s.Phantom() < 15 {
		t.Errorf("a burst: %s %s, %d pulses left out", b.s.Phase, b.s.Reason, b.s.Phantom())
	}
	if got, want := b.s.CarrierUL()-before, int64(240*80); got < want-4000 || got > want+4000 {
		t.Errorf("a burst: %d µL counted, %d flowed", got, want)
	}
}

// TestTimeBoundOverPauses: the bound of open time counts over all openings of a pour.
func TestTimeBoundOverPauses(t *testing.T) {
	p := plan(true)
	p.CarrierUL, p.TargetUL, p.MaxUL, p.MaxTime = 900_000, 900_000, 1_000_000, 2*time.Second
	b := newBench(p)
	open := time.Duration(0)
	for range 12 {
		for range 400 {
			if b.tick(1); b.s.Carrier {
				open += ms
			}
		}
		b.step(Event{Kind: Pause, Reason: ReasonAsked})
		b.tick(400)
		b.step(Event{Kind: Resume})
		b.tick(2)
	}
	if b.s.Reason != ReasonTimeBound || open > p.MaxTime+10*ms || open < p.MaxTime-50*ms {
		t.Errorf("%s %q after %v open, bound %v", b.s.Phase, b.s.Reason, open, p.MaxTime)
	}
}

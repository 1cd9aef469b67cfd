package pour

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/beat"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/sync/wire"
)

// legal is the transition table of the package comment.
var legal = map[Phase][]Phase{
	Idle:    {Arm},
	Arm:     {Lead, Paused, Settle, Done, Faulted},
	Lead:    {Arm, Flow, Tail, Paused, Settle},
	Flow:    {Tail, Paused, Settle},
	Tail:    {Paused, Settle},
	Paused:  {Arm, Settle},
	Settle:  {Done, Faulted},
	Done:    {Arm},
	Faulted: {Arm},
}

// rig is what the effects do to the world, as far as the properties need it.
type rig struct {
	carrier, master bool
	wanted          bool                   // MASTER was asked for at some time: water may come
	asked           [recipe.MaxDoses]int64 // of the first cartridges
	alt             [recipe.MaxDoses]int64 // of the alternates
	dropped         [recipe.MaxDoses]int64 // of either, never made
	in              *Inputs
	base            *Inputs
	commits         int
	journals        int
	stopped         bool
}

func (r *rig) apply(t *rapid.T, fx *Effects) {
	for i := range fx.Len() {
		switch e := fx.At(i); e.Action {
		case Open:
			r.carrier = true
		case Shut:
			r.carrier = false
		case Master:
			r.master = e.On
			r.wanted = r.wanted || e.On
		case Dose:
			if e.N <= 0 {
				t.Fatalf("dose of %d strokes", e.N)
			}
			if r.stopped {
				t.Fatal("a dose after the pumps were stopped for good")
			}
			if e.Alt {
				r.alt[e.Index] += e.N
			} else {
				r.asked[e.Index] += e.N
			}
		case Switch:
			r.drop(e.Index)
		case StopDose:
			r.drop(e.Index)
		case StopPumps:
			for i := range r.asked {
				r.drop(i)
			}
		case Commit:
			r.commits++
		case Journal:
			r.journals++
		}
	}
}

// drop forgets the strokes of a pump that it has not made yet.
func (r *rig) drop(i int) {
	for _, x := range []struct {
		asked *int64
		made  uint64
	}{{&r.asked[i], r.in.Delivered[i] - r.base.Delivered[i]}, {&r.alt[i], r.in.Alternate[i] - r.base.Alternate[i]}} {
		r.dropped[i] += *x.asked - int64(x.made)
		*x.asked = int64(x.made)
	}
}

func drawPlan(t *rapid.T) *recipe.Plan {
	target := rapid.Int64Range(20_000, 600_000).Draw(t, "target")
	p := &recipe.Plan{
		Hold: rapid.Bool().Draw(t, "hold"), TargetUL: target, CarrierUL: target, CarrierShare: 800_000,
		Carrier: recipe.Carrier{Valve: "v", Meter: "m", PulsesPerLitre: rapid.SampledFrom([]float64{400, 1000, 1987.5}).Draw(t, "ppl")},
		MaxUL:   target + target/20 + 5_000, MaxTime: time.Duration(rapid.Int64Range(500, 20_000).Draw(t, "max ms")) * time.Millisecond,
	}
	if rapid.Bool().Draw(t, "budget") {
		p.PumpMA = rapid.Int64Range(300, 1000).Draw(t, "mA")
	}
	for i := range rapid.IntRange(0, recipe.MaxDoses).Draw(t, "doses") {
		stroke := rapid.SampledFrom([]int64{10, 20, 100}).Draw(t, "stroke")
		strokes := rapid.Int64Range(0, target/20/stroke).Draw(t, "strokes")
		p.Doses = append(p.Doses, recipe.Dose{Doser: recipe.Doser{Pump: string(rune('a' + i)), StrokeNL: 1000 * stroke, MaxRate: 200, CurrentMA: 300}, Strokes: strokes})
		if rapid.IntRange(0, 3).Draw(t, "alternate") == 0 {
			p.Doses[i].Alt = &recipe.Alt{Doser: recipe.Doser{Pump: "alt", StrokeNL: 1000 * rapid.SampledFrom([]int64{10, 100}).Draw(t, "alt stroke"), MaxRate: 100, CurrentMA: 300}}
		}
		p.CarrierUL -= strokes * stroke
	}
	return p
}

// TestAnySequence throws any sequence of events at a pour and expects: only legal transitions; nothing open before the
// intent is durable; nothing open past a bound; what is counted is what the counters said; in the end everything shut
// and exactly one record for a durable intent.
func TestAnySequence(t *testing.T) {
	reasons := map[string]int{} // how far the sequences get
	defer func() {
		t.Logf("ended by %v", reasons)
		if !t.Failed() && len(reasons) < 8 {
			t.Error("the sequences are too tame")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		var s State
		var r rig
		var fx Effects
		plan := drawPlan(t)
		now := time.Second
		in := Inputs{Water: hal.Count{Pulses: uint64(rapid.IntRange(0, 5000).Draw(t, "base"))}}
		for i := range in.Delivered {
			in.Delivered[i], in.Alternate[i] = uint64(i*7), uint64(i*3)
		}
		base := in
		r.in, r.base = &in, &base
		durable := false
		var openedAt, openFor time.Duration

		resumed := false
		step := func(e Event) {
			before, beforeOpen := s.Phase, r.carrier
			e.Now, e.Inputs = now, in
			s, fx = Step(s, e)
			r.apply(t, &fx)
			r.stopped = s.halted
			if s.Phase != before {
				ok := false
				for _, p := range legal[before] {
					// Lead to Tail or on in one step is Lead, Flow, Tail within one tick; a pour may also end at once.
					ok = ok || p == s.Phase || (p == Settle && legalAfter(s.Phase)) || (p == Flow && s.Phase == Tail)
				}
				if !ok {
					t.Fatalf("%s to %s is no legal transition", before, s.Phase)
				}
			}
			if r.carrier != s.Carrier || r.master != s.Master {
				t.Fatalf("state says carrier %v master %v, effects say %v %v", s.Carrier, s.Master, r.carrier, r.master)
			}
			if r.carrier && !beforeOpen {
				openedAt = now
			}
			if beforeOpen && !r.carrier {
				openFor += now - openedAt
			}
			switch {
			case (r.carrier || r.master) && !durable:
				t.Fatal("open before the intent is durable")
			case r.carrier && !r.master:
				t.Fatal("the carrier is open without MASTER")
			case r.carrier && (s.Phase < Lead || s.Phase > Tail):
				t.Fatalf("the carrier is open in %s", s.Phase)
			case r.carrier && e.Kind == Tick && openFor+now-openedAt >= plan.MaxTime:
				t.Fatal("open past the time bound")
			case s.Phase == Paused && e.Kind == Tick && (r.carrier || r.master):
				t.Fatal("open while paused")
			case before == Paused && s.Phase == Arm && e.Kind == Tick && !resumed:
				t.Fatal("resumed by itself")
			case r.carrier && e.Kind == Tick && s.FlowedUL() >= plan.MaxUL:
				t.Fatal("open past the volume bound")
			}
			for i, d := range plan.Doses { // what was never confirmed is asked for again
				if most := d.Strokes + s.Missed(i); r.asked[i] > most {
					t.Fatalf("dose %d: %d strokes asked of %d", i, r.asked[i], most)
				}
			}
			if s.Phase != Paused {
				resumed = false
			}
		}
		move := func(running bool) {
			if !running { // the pumps deliver what they still can
				now += 2 * time.Millisecond
				for i := range plan.Doses {
					in.Delivered[i] = base.Delivered[i] + uint64(r.asked[i])
					in.Alternate[i] = base.Alternate[i] + uint64(r.alt[i])
				}
				return
			}
			now += time.Duration(rapid.Int64Range(50, 5_000).Draw(t, "dt µs")) * time.Microsecond
			if n := rapid.IntRange(0, 6).Draw(t, "pulses"); n > 3 && r.wanted && s.Phase.Active() {
				in.Water.Pulses += uint64(n - 3)
				last := now - time.Duration(rapid.Int64Range(0, 50).Draw(t, "age µs"))*time.Microsecond
				if in.Water.Last > 0 {
					in.Water.Period = last - in.Water.Last
				}
				in.Water.Last = last
			}
			for i := range plan.Doses {
				if owed := r.alt[i] - int64(in.Alternate[i]-base.Alternate[i]); owed > 0 && s.Phase.Active() && rapid.IntRange(0, 9).Draw(t, "alternate comes") > 0 {
					in.Alternate[i] += uint64(owed)
				}
				owed := r.asked[i] - int64(in.Delivered[i]-base.Delivered[i])
				if owed > 0 && s.Phase.Active() && rapid.IntRange(0, 9).Draw(t, "stroke comes") > 0 {
					in.Delivered[i] += uint64(rapid.Int64Range(1, owed).Draw(t, "strokes come"))
				}
			}
		}

		step(Event{Kind: Begin, Plan: plan, Lag: Lag{Mean: 40 * time.Millisecond, N: 3}})
		if rapid.IntRange(0, 9).Draw(t, "journal answers at once") > 1 {
			durable = true
			step(Event{Kind: Durable})
		}
		for range rapid.SampledFrom([]int{5, 60, 300, 1500}).Draw(t, "events") {
			move(true)
			switch rapid.IntRange(0, 40).Draw(t, "event") {
			case 0:
				if rapid.IntRange(0, 3).Draw(t, "refused") > 0 {
					durable = durable || s.Phase == Arm
					step(Event{Kind: Durable})
				} else {
					step(Event{Kind: Refused})
				}
			case 1:
				if s.Phase == Arm && !durable {
					durable = true
					step(Event{Kind: Durable})
				}
			case 2:
				if rapid.IntRange(0, 9).Draw(t, "stop") == 0 {
					step(Event{Kind: Stop, Reason: rapid.SampledFrom([]string{
						ReasonReleased, ReasonLeaseLost, ReasonScreenLost, ReasonGuardGone, ReasonLoopGap, ReasonRigLost, ReasonShutdown, "recalled",
					}).Draw(t, "reason")})
				}
			case 5:
				switch rapid.IntRange(0, 8).Draw(t, "command") {
				case 0:
					step(Event{Kind: Pause, Reason: ReasonAsked})
				case 1, 2, 3:
					resumed = true
					step(Event{Kind: Resume})
				case 4:
					in.Locks ^= hal.NoCup
					step(Event{Kind: Tick})
				case 5:
					step(Event{Kind: Pulled, Index: rapid.IntRange(0, recipe.MaxDoses).Draw(t, "slot"), Alt: rapid.Bool().Draw(t, "alt")})
				case 6:
					in.Stray += uint64(rapid.IntRange(0, 1).Draw(t, "stray"))
					step(Event{Kind: Tick})
				case 7:
					in.Water.Lost += uint64(rapid.IntRange(0, 1).Draw(t, "lost"))
					step(Event{Kind: Tick})
				}
			case 3:
				if rapid.IntRange(0, 9).Draw(t, "lock") == 0 {
					in.Locks = hal.Interlocks(rapid.IntRange(0, 31).Draw(t, "locks"))
				}
				in.LocksErr = rapid.IntRange(0, 60).Draw(t, "blind") == 0
				step(Event{Kind: Tick})
			case 4:
				in.Guard = Guard{Open: rapid.IntRange(0, 40).Draw(t, "open") > 0, Reason: beat.ReasonTime}
				in.Guard.Latched = !in.Guard.Open && rapid.Bool().Draw(t, "latched")
				step(Event{Kind: Tick})
			default:
				if r.master && rapid.IntRange(0, 30).Draw(t, "guard obeys") > 0 {
					in.Guard = Guard{Open: true}
				}
				step(Event{Kind: Tick})
			}
		}

		// The end: the journal answers, a person lets go, water stands still, pumps deliver what they can.
		if s.Phase == Arm && !durable {
			durable = true
			step(Event{Kind: Durable})
		}
		step(Event{Kind: Stop, Reason: ReasonReleased})
		for range 2000 {
			if !s.Phase.Active() {
				break
			}
			move(false)
			step(Event{Kind: Tick})
		}
		refused := s.Reason == ReasonJournal
		reasons[s.Reason]++
		switch {
		case s.Phase != Done && s.Phase != Faulted:
			t.Fatalf("ends in %s", s.Phase)
		case r.carrier || r.master:
			t.Fatal("something is left open")
		case r.journals != 1:
			t.Fatalf("%d intents", r.journals)
		case !refused && r.commits != 1, refused && r.commits != 0:
			t.Fatalf("%d records, refused %v", r.commits, refused)
		case s.Outcome != OutcomeOf(s.Reason):
			t.Fatalf("outcome %s with reason %q", s.Outcome, s.Reason)
		case (s.Phase == Faulted) != (s.Outcome == wire.Faulted):
			t.Fatalf("phase %s with outcome %s", s.Phase, s.Outcome)
		}
		if refused {
			return
		}
		want := int64(float64(in.Water.Pulses-base.Water.Pulses)*1e6/plan.Carrier.PulsesPerLitre + 0.5)
		if got := s.CarrierUL(); got < want-1 || got > want+1 {
			t.Fatalf("recorded %d µL of water, counted %d", got, want)
		}
		for i, d := range plan.Doses {
			if got, want := s.DoseUL(i), d.Given(int64(in.Delivered[i]-base.Delivered[i])); got != want {
				t.Fatalf("dose %d: recorded %d µL, delivered %d", i, got, want)
			}
			if d.Alt == nil {
				continue
			}
			if got, want := s.AltUL(i), d.Alt.Given(int64(in.Alternate[i]-base.Alternate[i])); got != want {
				t.Fatalf("alternate of dose %d: recorded %d µL, delivered %d", i, got, want)
			}
		}
	})
}

// legalAfter tells whether a phase follows Settle within one step: nothing had to settle.
func legalAfter(p Phase) bool { return p == Settle }

package maintenance

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/pour"
	"fountain/hal"
)

// world is the least machine a Run can work on: it obeys the effects and has faults.
type world struct {
	t   *testing.T
	run *Run
	fx  Effects
	in  Inputs
	now time.Duration

	open   []bool // by channel
	queue  []int
	every  []time.Duration
	dueAt  []time.Duration
	master bool
	shutIn time.Duration // guard answers then
	gone   bool          // supply
	stuck  bool          // valves stay open
	silent bool          // no strokes are confirmed
	float  []float64     // pulses by meter
	trueNL int64         // that left the nozzle

	begun bool
}

func testParts() []hal.Part {
	return []hal.Part{
		{ID: "still", Kind: hal.KindValve, Owner: hal.OwnerAgent, Carrier: "water.still", MaxOpen: 30 * time.Second},
		{ID: "soda", Kind: hal.KindValve, Owner: hal.OwnerAgent, Carrier: "water.sparkling", MaxOpen: 30 * time.Second},
		{ID: "m1", Kind: hal.KindMeter, Owner: hal.OwnerAgent, PulsesPerLitre: 1000, Serves: []string{"still"}},
		{ID: "m2", Kind: hal.KindMeter, Owner: hal.OwnerAgent, PulsesPerLitre: 1000, Serves: []string{"soda"}},
		{ID: "p1", Kind: hal.KindPump, Owner: hal.OwnerAgent, StrokeUL: 100, MaxRate: 200},
		{ID: "s1", Kind: hal.KindSlot, Pump: "p1"},
		{ID: "stir", Kind: hal.KindAgitator, Owner: hal.OwnerAgent, MaxOpen: 10 * time.Second},
	}
}

const shortClean = `
id: short
title: T
applies: valve
source: a test
steps:
  - { do: dose, ml: 60, say: a }
  - { do: dwell, for: 2s, say: b }
  - { do: confirm, say: c }
  - { do: rinse, ml: 150, say: d }
`

func testUnit(t *testing.T) Unit {
	t.Helper()
	r, err := ParseRecipe("short", []byte(shortClean))
	if err != nil {
		t.Fatal(err)
	}
	return Unit{Parts: testParts(), Lines: lines(), Recipes: []*Recipe{r}}
}

func newWorld(t *testing.T, req api.StartOp) *world {
	t.Helper()
	req.Person = "ann"
	p, err := Plan(req, testUnit(t))
	if err != nil {
		t.Fatal(err)
	}
	n := len(p.Chans)
	w := &world{t: t, run: NewRun(p), now: time.Second, open: make([]bool, n), queue: make([]int, n), every: make([]time.Duration, n), dueAt: make([]time.Duration, n), float: make([]float64, len(p.Meters))}
	w.in = Inputs{Meters: make([]hal.Count, len(p.Meters)), Delivered: make([]uint64, n), Alive: true}
	return w
}

func (w *world) event(ev Event) {
	ev.Now, ev.In = w.now, &w.in
	w.run.Handle(&ev, &w.fx)
	for _, e := range w.fx.List {
		switch e.Action {
		case Master:
			w.master, w.shutIn = e.On, w.now+8*time.Millisecond
		case Open:
			if w.run.prog.Chans[e.Chan].Kind == hal.KindValve && !w.in.Guard.Open {
				w.t.Fatalf("%s opens while the guard holds MASTER shut", w.run.prog.Chans[e.Chan].ID)
			}
			w.open[e.Chan] = true
		case Shut:
			clear(w.open)
		case Strokes:
			if w.queue[e.Chan] == 0 {
				w.dueAt[e.Chan] = w.now + e.Every
			}
			w.queue[e.Chan] += e.N
			w.every[e.Chan] = e.Every
		case StopPumps:
			clear(w.queue)
		}
	}
}

// tick lets a millisecond pass.
func (w *world) tick() {
	w.now += time.Millisecond
	if w.now >= w.shutIn {
		w.in.Guard.Open = w.master && !w.in.Guard.Latched && w.in.Alive
	}
	for i, c := range w.run.prog.Chans {
		switch c.Kind {
		case hal.KindValve:
			if (w.open[i] || w.stuck && w.begun) && w.in.Guard.Open && !w.gone {
				w.begun = true
				w.float[c.Meter] += 0.075
				w.trueNL += 75_000
				if n := uint64(w.float[c.Meter]); n > w.in.Meters[c.Meter].Pulses {
					m := &w.in.Meters[c.Meter]
					if m.Last > 0 {
						m.Period = w.now - m.Last
					}
					m.Pulses, m.Last = n, w.now
				}
			}
		case hal.KindPump:
			for w.queue[i] > 0 && w.dueAt[i] <= w.now {
				w.queue[i]--
				w.dueAt[i] += w.every[i]
				if !w.silent {
					w.in.Delivered[i]++
					w.trueNL += c.StrokeNL
				}
			}
		}
	}
	w.event(Event{Kind: Tick})
}

func (w *world) shut() bool {
	for i := range w.open {
		if w.open[i] || w.queue[i] > 0 {
			return false
		}
	}
	return !w.master
}

// asks counts that nothing is open while a question waits.
func (w *world) asks() bool {
	if w.run.ask == nil {
		return false
	}
	if !w.shut() {
		w.t.Fatalf("step %s asks while something is open", w.run.step().Name)
	}
	return true
}

var requests = []api.StartOp{
	{Kind: api.OpRinse, Params: map[string]string{"ml": "120"}},
	{Kind: api.OpPrime, Line: "still"},
	{Kind: api.OpPrime, Line: "s1", Params: map[string]string{"line_ml": "8"}},
	{Kind: api.OpPurge, Line: "p1", Params: map[string]string{"line_ml": "4"}},
	{Kind: api.OpPurge, Line: "soda"},
	{Kind: api.OpClean, Line: "still", Params: map[string]string{"recipe": "short"}},
	{Kind: api.OpCalibrate, Line: "m1"},
	{Kind: api.OpCalibrate, Line: "s1"},
	{Kind: api.OpSelfTest},
	{Kind: api.OpAgitate, Line: "stir", Params: map[string]string{"s": "3"}},
}

// TestAnyMishapEndsShut runs every operation against mishaps at random moments: each run ends, with everything shut, what
// flowed counted, within its bound, and none is done that proved less than it had to.
func TestAnyMishapEndsShut(t *testing.T) {
	const seed, runs = 20261123, 1200
	rng := rand.New(rand.NewPCG(seed, 7))
	outcomes := map[string]int{}
	for n := range runs {
		req := requests[n%len(requests)]
		w := newWorld(t, req)
		mishaps := []func(){
			func() { w.in.Locks |= hal.EStop }, func() { w.in.Locks |= hal.Leak }, func() { w.in.Locks |= hal.Door },
			func() { w.in.Locks |= hal.TrayFull }, func() { w.in.LocksErr = true }, func() { w.in.Alive = false },
			func() { w.in.Guard.Latched, w.in.Guard.Reason = true, beat.ReasonTime },
			func() { w.gone = true }, func() { w.stuck = true }, func() { w.silent = true },
			func() { w.event(Event{Kind: Stop, Reason: pour.ReasonLeaseLost}) },
			func() { w.event(Event{Kind: Stop, Reason: pour.ReasonLoopGap}) },
			func() { w.in.Locks = 0 }, func() {},
		}
		at := w.now + time.Duration(rng.Int64N(int64(14*time.Second)))
		mishap := mishaps[rng.IntN(len(mishaps))]
		w.event(Event{Kind: Begin})
		for !w.run.Over() {
			if w.now >= at && mishap != nil {
				mishap()
				mishap = nil
			}
			w.tick()
			if w.asks() && rng.IntN(300) == 0 {
				a := api.Answer{Yes: rng.IntN(60) > 0, Number: 20 + 400*rng.Float64(), Expert: rng.IntN(2) == 0}
				if w.run.ask.Kind == api.AskNumber { // near what ran, more or less
					for i := w.run.i; i >= 0; i-- {
						if ul := w.run.results[i].ul; ul > 0 {
							a.Number = float64(ul) / 1000 * (0.4 + 1.2*rng.Float64())
							break
						}
					}
				}
				w.event(Event{Kind: Answered, Answer: a})
			}
			if w.now > 3*time.Hour {
				t.Fatalf("seed %d run %d: %s hangs in %s", seed, n, req.Kind, w.run.step().Name)
			}
		}
		for range 50 {
			w.tick()
		}
		r := w.run.Report("id", day0, day0)
		outcomes[r.Outcome]++
		if !w.shut() {
			t.Fatalf("seed %d run %d: %s left something open: %+v", seed, n, req.Kind, r)
		}
		if lost := w.trueNL - 1000*r.WastedUL; !w.stuck && (lost > 1_100_000 || lost < -1_100_000) {
			t.Errorf("seed %d run %d: %s counts %d µL, %d flowed", seed, n, req.Kind, r.WastedUL, w.trueNL/1000)
		}
		if r.WastedUL > w.run.prog.MaxUL+2000 {
			t.Errorf("seed %d run %d: %s let %d µL flow, bound %d", seed, n, req.Kind, r.WastedUL, w.run.prog.MaxUL)
		}
		if r.Outcome == api.OpDone {
			for _, s := range r.Steps {
				if s.State != "done" {
					t.Errorf("seed %d run %d: done with step %+v", seed, n, s)
				}
			}
		} else if len(r.calibrations) > 0 || r.proven {
			t.Errorf("seed %d run %d: %s %s proves something", seed, n, r.Outcome, r.Reason)
		}
		if r.proven && r.rinseUL < 150_000 {
			t.Errorf("seed %d run %d: proven with %d µL", seed, n, r.rinseUL)
		}
		if r.Outcome != api.OpDone && r.Remedy == "" {
			t.Errorf("no remedy for %q", r.Reason)
		}
	}
	t.Logf("seed %d: %v", seed, outcomes)
	for _, o := range []string{api.OpDone, api.OpFailed, api.OpStopped} {
		if outcomes[o] < runs/50 {
			t.Errorf("only %d runs ended %s: the test proves little", outcomes[o], o)
		}
	}
}

// TestTrayFullPauses: a tray that fills while a line is rinsed shuts the valve and asks; the rinse goes on when a person says
// so, and all of it counts.
func TestTrayFullPauses(t *testing.T) {
	w := newWorld(t, api.StartOp{Kind: api.OpClean, Line: "still", Params: map[string]string{"recipe": "short"}})
	w.event(Event{Kind: Begin})
	filled := false
	for !w.run.Over() {
		w.tick()
		if !filled && w.run.i == 3 && w.run.BurstUL() > 60_000 {
			filled = true
			w.in.Locks |= hal.TrayFull
			for range 600 {
				w.tick()
			}
			if w.run.ask == nil || !strings.Contains(w.run.ask.What, "tray") || !w.shut() {
				t.Fatalf("with a full tray: %+v", w.run.Op("id"))
			}
			w.event(Event{Kind: Answered, Answer: api.Answer{Yes: true}}) // and it is still full
			w.tick()
			if w.run.ask == nil || !w.shut() {
				t.Fatal("a word emptied the tray")
			}
			w.in.Locks = 0
		}
		if w.run.ask != nil {
			w.event(Event{Kind: Answered, Answer: api.Answer{Yes: true}})
		}
	}
	r := w.run.Report("id", day0, day0)
	if !filled || r.Outcome != api.OpDone || !r.proven || r.rinseUL < 150_000 || r.rinseUL > 160_000 {
		t.Errorf("%s %s, rinsed %d µL, proven %v", r.Outcome, r.Reason, r.rinseUL, r.proven)
	}
}

// TestDwellNeedsItsTime: one tick short is not enough, and answers do not shorten it.
func TestDwellNeedsItsTime(t *testing.T) {
	w := newWorld(t, api.StartOp{Kind: api.OpClean, Line: "still", Params: map[string]string{"recipe": "short"}})
	w.event(Event{Kind: Begin})
	for w.run.i == 0 {
		w.tick()
	}
	from := w.now
	for w.run.i == 1 {
		w.event(Event{Kind: Answered, Answer: api.Answer{Yes: true, Expert: true}})
		w.tick()
	}
	if held := w.now - from; held < 2*time.Second {
		t.Errorf("stood %v", held)
	}
}

func TestAgitate(t *testing.T) {
	w := newWorld(t, api.StartOp{Kind: api.OpAgitate, Line: "stir", Params: map[string]string{"s": "3"}})
	from := w.now
	w.event(Event{Kind: Begin})
	if !w.open[0] || w.master {
		t.Error("the agitator does not run, or MASTER is open for it")
	}
	for !w.run.Over() {
		w.tick()
	}
	if d := w.now - from; d < 3*time.Second || d > 4*time.Second || w.run.Report("", day0, day0).Outcome != api.OpDone {
		t.Errorf("ran %v", d)
	}
}

// TestPlanRefuses: what cannot be planned is refused with its place.
func TestPlanRefuses(t *testing.T) {
	u := testUnit(t)
	for name, req := range map[string]api.StartOp{
		"no person":         {Kind: api.OpRinse},
		"unknown kind":      {Kind: "polish", Person: "a"},
		"unknown line":      {Kind: api.OpPrime, Line: "beer", Person: "a"},
		"meter primed":      {Kind: api.OpPrime, Line: "m1", Person: "a"},
		"MASTER":            {Kind: api.OpRinse, Line: "master", Person: "a"},
		"unknown parameter": {Kind: api.OpRinse, Person: "a", Params: map[string]string{"litres": "3"}},
		"flood":             {Kind: api.OpRinse, Person: "a", Params: map[string]string{"ml": "900000"}},
		"not a number":      {Kind: api.OpRinse, Person: "a", Params: map[string]string{"ml": "NaN"}},
		"unknown recipe":    {Kind: api.OpClean, Line: "still", Person: "a", Params: map[string]string{"recipe": "bleach"}},
		"grams of syrup":    {Kind: api.OpCalibrate, Line: "s1", Person: "a", Params: map[string]string{"unit": "g"}},
		"pints":             {Kind: api.OpCalibrate, Line: "m1", Person: "a", Params: map[string]string{"unit": "pt"}},
		"half dry":          {Kind: api.OpSelfTest, Person: "a", Params: map[string]string{"dry": "half"}},
		"ratio of water":    {Kind: api.OpBrix, Line: "water", Person: "a"},
		"agitate a valve":   {Kind: api.OpAgitate, Line: "still", Person: "a"},
		"agitate for ever":  {Kind: api.OpAgitate, Line: "stir", Person: "a", Params: map[string]string{"s": "600"}},
	} {
		if p, err := Plan(req, u); err == nil {
			t.Errorf("%s: planned %d steps", name, len(p.Steps))
		}
	}
}

// TestProgramsAreBounded: every step that lets something flow has bounds, and every opening stays below the dead-man and
// the guard.
func TestProgramsAreBounded(t *testing.T) {
	u := testUnit(t)
	all, err := Recipes()
	if err != nil {
		t.Fatal(err)
	}
	u.Recipes = append(u.Recipes, all...)
	reqs := append([]api.StartOp{{Kind: api.OpClean, Line: "still"}, {Kind: api.OpClean, Line: "s1"}, {Kind: api.OpClean, Line: Nozzle}}, requests...)
	for _, req := range reqs {
		req.Person = "a"
		p, err := Plan(req, u)
		if err != nil {
			t.Fatalf("%s %s: %v", req.Kind, req.Line, err)
		}
		if p.MaxUL <= 0 || p.MaxUL > 20_000_000 {
			t.Errorf("%s %s: bound %d µL", req.Kind, req.Line, p.MaxUL)
		}
		for _, s := range p.Steps {
			if (s.Do == Flow || s.Do == Dose) && (s.MaxUL <= 0 || s.MaxTime <= 0 || s.MaxTime > 10*time.Minute) {
				t.Errorf("%s %s, step %s: at most %d µL in %v", req.Kind, req.Line, s.Name, s.MaxUL, s.MaxTime)
			}
			if s.Do == Drive && s.For >= p.Chans[s.Chan].MaxOpen {
				t.Errorf("%s runs into its dead-man", s.Name)
			}
		}
		if req.Kind == api.OpClean && (p.RinseUL <= 0 || p.Scope == "") {
			t.Errorf("%s %s: rinse %d µL, scope %q", req.Kind, req.Line, p.RinseUL, p.Scope)
		}
	}
}

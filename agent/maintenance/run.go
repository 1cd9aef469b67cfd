package maintenance

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fountain/agent/api"
	"fountain/agent/beat"
	"fountain/agent/pour"
	"fountain/hal"
)

// Reasons of operations besides those of package pour.
const (
	ReasonNo          = "answered_no"
	ReasonNoAnswer    = "no_answer"
	ReasonAir         = "air_in_line"  // no steady flow within the bound
	ReasonNotEmpty    = "not_empty"    // still flowing at the bound
	ReasonTooCold     = "too_cold"     //
	ReasonTooHot      = "too_hot"      //
	ReasonNoTemp      = "temperature"  // the sensor does not tell
	ReasonRate        = "rate"         // flow outside its plausible range
	ReasonWrongWay    = "wrong_way"    // another meter counts
	ReasonFlow        = "unexpected"   // flow where nothing may flow
	ReasonSlow        = "slow_valve"   // opens or shuts too late
	ReasonDisagree    = "points_apart" // calibration points do not agree
	ReasonAbsurd      = "factor"       // calibration factor outside its range
	ReasonRatio       = "ratio"        // Brix out of range, and not corrected
	ReasonFound       = "found"        // the self-test found something
	ReasonUnconfirmed = "unconfirmed"  // strokes are not confirmed
)

// Timing.
const (
	askLimit   = 30 * time.Minute // without an answer
	burstTime  = 25 * time.Second // one opening of a valve, at most
	burstUL    = 900_000          // and its volume: below the guard's bound
	settleMin  = 250 * time.Millisecond
	quietTime  = 150 * time.Millisecond
	settleMax  = 2 * time.Second
	dryTime    = time.Second // without a pulse: the line is empty
	strayMax   = 3           // pulses that are no flow
	scaldC     = 60          // never hotter (spec/peers.md 2.1)
	strokeSlop = 0.02        // strokes that may stay unconfirmed
)

// course is where a step stands.
type course uint8

const (
	cWait  course = iota // nothing is open: dwell, questions, watch
	cArm                 // MASTER was asked for
	cOpen                // the valve was opened, no pulse yet
	cFlow                // it flows
	cShut                // shut; MASTER still open: a valve that does not shut is seen
	cDose                // strokes
	cDrive               // an agitator
	cTray                // waits until the tray was emptied
	cEnd                 // everything was shut, the last of it is counted
	cOver
)

// Run is one operation under way. It belongs to the control loop.
type Run struct {
	prog   *Program
	fx     *Effects
	in     *Inputs
	now    time.Duration
	i      int // step
	course course
	since  time.Duration // of the course
	begun  time.Duration // of the step
	steps  []api.OpStep
	found  []api.Evidence
	first  int // evidence of the present step begins there
	ask    *api.Ask
	master bool // asked for
	open   bool // something is commanded open, or strokes are queued

	outcome, reason string
	failed          string // reason of the first failed proof that did not end it
	next            bool   // after cEnd: go on with the next step

	last     []hal.Count // of the tick before
	lastDel  []uint64
	wasteNL  int64
	drawnNL  []int64  // by channel
	results  []result // by step
	shown    mark
	stuck    string
	expert   bool // the judge's question is asked
	proposed map[string]api.Calibration
	sound    map[string]int // valve -> test cycles that were well
	rinseUL  int64

	flow flow
	dose dose
}

// result is what a step measured.
type result struct {
	counted int64   // pulses or strokes
	ul      int64   // by the calibration in use
	plateUL int64   // by the plate
	rate    float64 // µL/s, or strokes/s
	number  float64
}

// NewRun prepares a run; Begin starts it.
func NewRun(p *Program) *Run {
	r := &Run{prog: p, results: make([]result, len(p.Steps)), drawnNL: make([]int64, len(p.Chans)), sound: map[string]int{}, proposed: map[string]api.Calibration{}}
	r.found = append(r.found, p.given...)
	for _, s := range p.Steps {
		r.steps = append(r.steps, api.OpStep{Name: s.Name, State: "waiting"})
	}
	return r
}

// Over tells whether the run has ended and everything is shut and counted.
func (r *Run) Over() bool { return r.course == cOver }

// Live tells whether something is open or may still flow: the loop ticks fast then.
func (r *Run) Live() bool { return r.course != cWait && r.course != cTray && r.course != cOver }

// Changed tells whether step or question changed since Op was last called.
func (r *Run) Changed() bool { return r.shown != r.mark() }

type mark struct {
	i      int
	ask    bool
	ending bool
	over   bool
}

func (r *Run) mark() mark { return mark{r.i, r.ask != nil, r.outcome != "", r.course == cOver} }

// StuckValve is a valve that did not shut in this run; empty: none.
func (r *Run) StuckValve() string { return r.stuck }

// Ending tells whether the outcome is decided.
func (r *Run) Ending() bool { return r.outcome != "" }

// BurstUL and RateULs are for the beat: what has flowed since MASTER was asked for, and the flow now.
func (r *Run) BurstUL() int64 {
	if !r.master {
		return 0
	}
	return r.flow.burstUL(r)
}

// RateULs is the flow now, µL/s.
func (r *Run) RateULs() int64 {
	if r.course != cFlow {
		return 0
	}
	m := r.meter()
	if p := r.in.Meters[m].Period; p > 0 {
		return int64(1e6 / r.prog.Meters[m].PulsesPerLitre / p.Seconds())
	}
	return 0
}

// Handle runs one event and collects what to do in fx, which it empties first.
func (r *Run) Handle(ev *Event, fx *Effects) {
	fx.List = fx.List[:0]
	r.fx, r.in, r.now = fx, ev.In, ev.Now
	if r.course == cOver {
		return
	}
	r.account()
	switch ev.Kind {
	case Begin:
		r.enter(0)
		return
	case Stop:
		r.end(outcomeOf(ev.Reason), ev.Reason)
		return
	case Answered:
		if r.ask != nil && r.outcome == "" {
			r.answered(ev.Answer)
		}
		return
	}
	if r.outcome == "" && !r.prog.Idle {
		if reason := r.danger(); reason != "" {
			r.end(api.OpFailed, reason)
			return
		}
	}
	r.tick()
}

// danger is why everything has to shut now.
func (r *Run) danger() string {
	in := r.in
	switch {
	case !in.Alive:
		return pour.ReasonGuardGone
	case in.LocksErr:
		return pour.ReasonInterlock
	case in.Locks&hal.EStop != 0:
		return pour.ReasonEStop
	case in.Locks&hal.Leak != 0:
		return pour.ReasonLeak
	case in.Locks&hal.Door != 0 && r.Live(): // while nothing can flow, somebody may work behind it
		return pour.ReasonDoor
	case r.master && in.Guard.Latched:
		return latched(in.Guard.Reason)
	case r.wasteNL > 1000*r.prog.MaxUL && r.prog.MaxUL > 0:
		if r.course == cFlow && 2*r.flow.ghosts > uint64(r.flow.gained(r)) { // the meter spins, no water fills the step
			return ReasonAir
		}
		return pour.ReasonVolumeBound
	}
	return ""
}

// latched is the reason that goes with the guard's.
func latched(b beat.Reason) string {
	switch b {
	case beat.ReasonEStop:
		return pour.ReasonEStop
	case beat.ReasonLeak:
		return pour.ReasonLeak
	case beat.ReasonTime:
		return pour.ReasonTimeBound
	case beat.ReasonVolume:
		return pour.ReasonVolumeBound
	}
	return pour.ReasonMaster
}

// outcomeOf is the outcome of a stop: a person's is no failure.
func outcomeOf(reason string) string {
	switch reason {
	case pour.ReasonStopped, pour.ReasonReleased, pour.ReasonLeaseLost, pour.ReasonScreenLost, pour.ReasonShutdown, pour.ReasonRecalled, ReasonNo, ReasonNoAnswer:
		return api.OpStopped
	}
	return api.OpFailed
}

// account adds up what has flowed since the last event, wherever.
func (r *Run) account() {
	if r.last == nil {
		r.last, r.lastDel = slices.Clone(r.in.Meters), slices.Clone(r.in.Delivered)
		return
	}
	for i, c := range r.in.Meters {
		if d := c.Pulses - r.last[i].Pulses; d > 0 {
			r.wasteNL += int64(float64(d) * 1e9 / r.prog.Meters[i].PulsesPerLitre)
		}
		r.last[i] = c
	}
	for i, n := range r.in.Delivered {
		ul := int64(n-r.lastDel[i]) * r.prog.Chans[i].StrokeNL
		r.wasteNL += ul
		if r.prog.Kind != api.OpClean || r.i < len(r.prog.Steps) && r.step().Rinse {
			r.drawnNL[i] += ul
		}
		r.lastDel[i] = n
	}
}

func (r *Run) step() *Step { return &r.prog.Steps[r.i] }

func (r *Run) to(c course) { r.course, r.since = c, r.now }

// enter begins step i, or ends the run behind the last.
func (r *Run) enter(i int) {
	if i == len(r.prog.Steps) {
		if r.failed != "" {
			r.finish(api.OpFailed, r.failed)
		} else {
			r.finish(api.OpDone, "")
		}
		return
	}
	r.i, r.begun, r.first = i, r.now, len(r.found)
	r.steps[i].State = "running"
	s := r.step()
	r.to(cWait)
	switch s.Do {
	case Flow:
		r.flow = flow{}
		r.arm()
	case Dose:
		r.startDose()
	case Drive:
		r.fx.add(Effect{Action: Open, Chan: s.Chan})
		r.open = true
		r.to(cDrive)
	case Confirm, Number:
		r.ask = s.Ask
	case Judge:
		r.judge()
	case Dwell, Watch:
		r.flow = flow{others: slices.Clone(r.in.Meters), temp: math.Inf(1), hot: math.Inf(-1)}
	}
}

// tick lets time pass.
func (r *Run) tick() {
	switch r.course {
	case cWait:
		r.wait()
	case cArm, cOpen, cFlow, cShut:
		r.flowing()
	case cDose:
		r.dosing()
	case cDrive:
		if r.now-r.since >= r.step().For {
			r.shut()
			r.proof("ran", r.step().For.Seconds(), r.step().For.Seconds(), math.MaxFloat64, "s")
			r.pass()
		}
	case cTray:
		if r.now-r.since > askLimit {
			r.end(api.OpStopped, ReasonNoAnswer)
		}
	case cEnd:
		r.ending()
	}
}

// wait is a tick of a step that opens nothing.
func (r *Run) wait() {
	s := r.step()
	switch s.Do {
	case Confirm, Number, Judge:
		if r.now-r.since > askLimit {
			r.end(api.OpStopped, ReasonNoAnswer)
		}
	case Dwell:
		r.dwell()
	case Watch:
		r.watch()
	}
}

// answered takes a person's answer.
func (r *Run) answered(a api.Answer) {
	s := r.step()
	if a.Yes && s.Do != Number && !r.prog.Idle && r.in.Locks&hal.Door != 0 {
		r.ask = &api.Ask{Kind: api.AskConfirm, What: "Close the service door, then go on."} // asked until it is
		return
	}
	r.ask = nil
	switch {
	case r.course == cTray:
		if !a.Yes {
			r.end(api.OpStopped, ReasonNo)
			return
		}
		r.arm()
	case s.Do == Judge:
		r.judged(a)
	case s.Do == Number:
		if a.Number < s.Ask.Min || a.Number > s.Ask.Max || math.IsNaN(a.Number) { // the server refuses it before
			r.ask = s.Ask
			return
		}
		r.results[r.i].number = a.Number
		if s.MaxC > 0 && !r.proof("temperature, entered", a.Number, s.MinC, s.MaxC, "°C") {
			r.fail(coldOrHot(a.Number, s.MinC))
			return
		}
		r.steps[r.i].Proof = fmt.Sprintf("%g %s entered", a.Number, s.Ask.Unit)
		r.pass()
	case !a.Yes:
		r.end(api.OpStopped, ReasonNo)
	default:
		r.steps[r.i].Proof = "confirmed by " + r.prog.Person
		r.pass()
	}
}

func coldOrHot(is, low float64) string {
	if is < low {
		return ReasonTooCold
	}
	return ReasonTooHot
}

// proof adds a measured figure and tells whether it is as it has to be.
func (r *Run) proof(what string, is, low, high float64, unit string) bool {
	ok := is >= low && is <= high
	if high == math.MaxFloat64 { // JSON readers should see what is meant: no upper bound
		high = max(is, low)
	}
	r.found = append(r.found, api.Evidence{What: r.steps[r.i].Name + ": " + what, Is: round3(is), Min: round3(low), Max: round3(high), Unit: unit, OK: ok})
	return ok
}

func round3(v float64) float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return -1 // JSON has no word for it
	}
	return math.Round(v*1000) / 1000
}

// pass ends a step whose proofs hold.
func (r *Run) pass() {
	r.steps[r.i].State = "done"
	r.enter(r.i + 1)
}

// fail ends a step whose proof does not hold: everything shuts, and the operation ends unless the step lets it go on.
func (r *Run) fail(reason string) {
	r.steps[r.i].State = "failed"
	r.steps[r.i].Proof = reason
	if !r.step().GoOn {
		r.end(api.OpFailed, reason)
		return
	}
	if r.failed == "" {
		r.failed = ReasonFound
	}
	r.shut()
	r.next = true
	r.to(cEnd)
}

// shut closes and stops everything.
func (r *Run) shut() {
	r.fx.add(Effect{Action: Shut})
	r.fx.add(Effect{Action: StopPumps})
	r.fx.add(Effect{Action: Master})
	r.master, r.open = false, false
}

// end decides the outcome and shuts everything; the first end decides.
func (r *Run) end(outcome, reason string) {
	if r.outcome != "" {
		return
	}
	r.outcome, r.reason, r.ask, r.next = outcome, reason, nil, false
	if r.i < len(r.steps) && r.steps[r.i].State == "running" {
		r.steps[r.i].State, r.steps[r.i].Proof = "failed", reason
	}
	r.shut()
	r.to(cEnd)
}

// ending waits until the water stands still and the last strokes are confirmed.
func (r *Run) ending() {
	quiet := true
	for _, c := range r.in.Meters {
		quiet = quiet && r.now-c.Last >= quietTime
	}
	if held := r.now - r.since; held < settleMin || !quiet && held < settleMax {
		return
	}
	if r.next {
		r.next = false
		r.enter(r.i + 1)
		return
	}
	r.finish(r.outcome, r.reason)
}

func (r *Run) finish(outcome, reason string) {
	r.outcome, r.reason, r.ask = outcome, reason, nil
	r.shut() // whatever was open is shut already; once more costs nothing
	r.to(cOver)
}

package maintenance

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fountain/agent/api"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/units"
)

// Steadiness of a flow without bubbles. Turbine vanes differ by some 2 %, ripple adds 1 %; air makes a wheel race and
// stumble by factors (spec/peers.md 3, "meters see gas").
const (
	steadyPulses = 24     // periods looked at
	steadyCV     = 0.08   // standard deviation over mean of them, at most
	steadyUL     = 30_000 // and for so long a volume
)

// What no water makes counts for nothing: pulses faster than any line flows are interference or air. Where the wheel now
// and then runs ahead of its own median, air comes with the water, and the volume is no proof.
const (
	hasty      = 0.65 // of the median period: this pulse was air
	hastyShare = 0.1  // of all pulses, at most
	ghostShare = 0.1
)

// flow is a flow step under way: one or more openings of one valve.
type flow struct {
	doneUL  float64 // of openings before this one
	plateUL float64
	pulses  int64
	base    uint64        // meter when MASTER was asked for
	ghosts  uint64        // of this opening: pulses that no water makes
	ghost   uint64        // of all openings
	short   time.Duration // the shortest period that water makes
	periods []float64     // of all openings, s
	others  []hal.Count
	openAt  time.Duration
	firstAt time.Duration // first pulse after opening
	shutAt  time.Duration
	flowed  time.Duration // with flow, of openings before
	enough  bool          // no further opening
	bad     string        // why the step fails once everything is counted
	temp    float64       // newest, coldest while dwelling
	hot     float64
	noTemp  bool

	ring   [steadyPulses]float64 // periods, s
	n      int
	seen   uint64 // pulses at the last look
	steady uint64 // pulses since when it has been steady; 0: it is not
}

func (r *Run) meter() int { return r.prog.Chans[r.step().Chan].Meter }

// gained is the pulses of this opening.
func (f *flow) gained(r *Run) int64 { return int64(r.in.Meters[r.meter()].Pulses - f.base) }

func (f *flow) burstUL(r *Run) int64 {
	if r.step().Do != Flow {
		return 0
	}
	return int64(float64(f.gained(r)) * 1e6 / r.prog.Meters[r.meter()].PulsesPerLitre)
}

func (f *flow) totalUL(r *Run) float64 {
	return f.doneUL + float64(f.water(r))*1e6/r.prog.Meters[r.meter()].PulsesPerLitre
}

// rawUL is what the meter says, air and all.
func (f *flow) rawUL(r *Run) float64 {
	return f.totalUL(r) + float64(f.ghost+f.ghosts)*1e6/r.prog.Meters[r.meter()].PulsesPerLitre
}

// water is the pulses of this opening that water made.
func (f *flow) water(r *Run) int64 { return f.gained(r) - int64(f.ghosts) }

// arm begins one opening.
func (r *Run) arm() {
	f := &r.flow
	if r.in.Locks&hal.TrayFull != 0 {
		r.ask = &api.Ask{Kind: api.AskConfirm, What: "The drip tray is full. Empty it, then go on."}
		r.to(cTray)
		return
	}
	f.base, f.others = r.in.Meters[r.meter()].Pulses, slices.Clone(r.in.Meters)
	f.n, f.steady, f.seen, f.firstAt, f.ghosts = 0, 0, f.base, 0, 0
	f.short = time.Duration(1e6 / r.prog.Meters[r.meter()].PulsesPerLitre / float64(max(r.step().MaxU, 1)) * float64(time.Second))
	r.fx.add(Effect{Action: Session})
	r.fx.add(Effect{Action: Master, On: true})
	r.master, r.open = true, true
	r.to(cArm)
}

// flowing is a tick of a flow step.
func (r *Run) flowing() {
	f, s, in := &r.flow, r.step(), r.in
	m := in.Meters[r.meter()]
	if r.course == cOpen || r.course == cFlow {
		switch {
		case !in.Guard.Open:
			r.end(api.OpFailed, pour.ReasonMaster)
			return
		case s.MaxTime > 0 && f.flowed+r.now-f.openAt > s.MaxTime:
			r.bound(pour.ReasonTimeBound)
			return
		}
	}
	switch r.course {
	case cArm:
		switch {
		case in.Guard.Open:
			r.fx.add(Effect{Action: Open, Chan: s.Chan})
			f.openAt = r.now
			r.to(cOpen)
		case r.now-r.since > pour.MasterWait:
			r.end(api.OpFailed, pour.ReasonMaster)
		}
	case cOpen:
		switch {
		case m.Pulses != f.base:
			f.firstAt = r.now
			if m.Last > f.openAt && m.Pulses == f.base+1 {
				f.firstAt = m.Last
			}
			r.to(cFlow)
		case r.now-f.openAt <= pour.FirstPulse:
		case s.Until == Dry:
			f.enough = true
			r.shutValve("")
		default:
			r.proof("first pulse", (r.now-f.openAt).Seconds()*1000, 0, float64(pour.FirstPulse.Milliseconds()), "ms")
			r.shutValve(pour.ReasonNoFlow)
		}
	case cFlow:
		r.flows(m)
	case cShut:
		r.settles(m)
	}
}

// flows is a tick while water comes.
func (r *Run) flows(m hal.Count) {
	f, s := &r.flow, r.step()
	f.look(m)
	if t, ok := r.temp(); ok && t > scaldC && s.MaxC > 0 {
		f.temp = t
		r.shutValve(ReasonTooHot)
		return
	}
	total := f.totalUL(r)
	gap := r.now - m.Last
	switch {
	case s.Until == Dry && gap > dryTime:
		f.enough = true
		r.shutValve("")
	case s.Until != Dry && gap > max(pour.PulseGap, 8*m.Period):
		r.proof("pause between pulses", gap.Seconds()*1000, 0, float64(pour.PulseGap.Milliseconds()), "ms")
		r.shutValve(pour.ReasonNoFlow)
	case s.Until == Steady && f.isSteady(r):
		f.enough = true
		r.shutValve("")
	case s.MaxUL > 0 && (total >= float64(s.MaxUL) || s.Until != Volume && f.rawUL(r) >= float64(s.MaxUL)):
		r.bound(pour.ReasonVolumeBound)
	case s.Until == Volume && s.For > 0 && f.flowed+r.now-f.openAt >= s.For,
		s.Until == Volume && s.For == 0 && total >= float64(s.UL):
		f.enough = true
		r.shutValve("")
	case r.wrongWay():
		r.shutValve(ReasonWrongWay)
	case f.burstUL(r) >= burstUL, r.now-f.openAt >= r.longest():
		r.shutValve("") // and once more
	case r.in.Locks&hal.TrayFull != 0:
		r.shutValve("")
	}
}

// longest is how long one opening lasts at most.
func (r *Run) longest() time.Duration {
	d := burstTime
	if dead := r.prog.Chans[r.step().Chan].MaxOpen; dead > 0 {
		d = min(d, dead-dead/10) // before the dead-man
	}
	return d
}

// bound ends a flow that did not reach its end within its bounds.
func (r *Run) bound(reason string) {
	switch r.step().Until {
	case Steady:
		r.proof("steadiness of the flow", r.flow.cv(), 0, steadyCV, "σ/mean")
		reason = ReasonAir
	case Dry:
		reason = ReasonNotEmpty
	}
	r.shutValve(reason)
}

// look keeps the periods of the newest pulses.
func (f *flow) look(m hal.Count) {
	if m.Pulses == f.seen {
		return
	}
	first := f.n == 0
	n := m.Pulses - f.seen
	f.seen = m.Pulses
	switch {
	case m.Period <= 0:
		return
	case m.Period < f.short:
		f.ghosts += n
	case !first:
		f.periods = append(f.periods, m.Period.Seconds())
	}
	f.ring[f.n%steadyPulses] = m.Period.Seconds()
	f.n++
	if first {
		f.n = 1 // the first period reaches back before the opening
		f.ring[0] = m.Period.Seconds()
	}
	if f.n > steadyPulses && f.cv() <= steadyCV {
		if f.steady == 0 {
			f.steady = m.Pulses
		}
		return
	}
	f.steady = 0
}

// cv is the standard deviation of the periods over their mean; large while there are too few.
func (f *flow) cv() float64 {
	if f.n < steadyPulses {
		return 9
	}
	sum, sq := 0.0, 0.0
	for _, p := range f.ring {
		sum += p
		sq += p * p
	}
	mean := sum / steadyPulses
	return math.Sqrt(max(0, sq/steadyPulses-mean*mean)) / mean
}

// isSteady: no bubble for steadyUL, and no faster than water can be.
func (f *flow) isSteady(r *Run) bool {
	if f.steady == 0 || f.totalUL(r) < float64(r.step().UL) {
		return false
	}
	per := 1e6 / r.prog.Meters[r.meter()].PulsesPerLitre
	if float64(f.seen-f.steady)*per < steadyUL {
		return false
	}
	mean := 0.0
	for _, p := range f.ring {
		mean += p / steadyPulses
	}
	return per/mean <= float64(r.step().MaxU)
}

// wrongWay tells whether a meter counts whose valves are all shut.
func (r *Run) wrongWay() bool {
	own := r.meter()
	for i, c := range r.in.Meters {
		if d := int64(c.Pulses - r.flow.others[i].Pulses); i != own && d > strayMax && 50*d > r.flow.gained(r) {
			r.proof("flow through "+r.prog.Meters[i].ID+", whose valves are shut", float64(d), 0, strayMax, "pulses")
			return true
		}
	}
	return false
}

// shutValve shuts the valve and keeps MASTER until it has proven to be shut; bad is why the step will fail.
func (r *Run) shutValve(bad string) {
	f := &r.flow
	f.bad, f.shutAt = bad, r.now
	r.fx.add(Effect{Action: Shut})
	if f.firstAt > 0 {
		f.flowed += r.now - f.firstAt
	}
	if t, ok := r.temp(); ok {
		f.temp = t
	} else {
		f.noTemp = true
	}
	r.to(cShut)
}

// settles waits until the water stands still.
func (r *Run) settles(m hal.Count) {
	f, s := &r.flow, r.step()
	held := r.now - f.shutAt
	if d := m.Pulses - f.seen; held > pour.StuckAfter && r.master && m.Last > f.shutAt+pour.StuckAfter && d > 0 {
		if f.late(m) > strayMax { // it does not shut: MASTER at once
			r.proof("pulses after shutting", float64(f.late(m)), 0, strayMax, "pulses")
			f.bad, r.stuck = pour.ReasonStuckOpen, r.prog.Chans[s.Chan].ID
			r.fx.add(Effect{Action: Master})
			r.master = false
		}
	}
	if held <= pour.StuckAfter {
		f.seen = m.Pulses
	}
	if held < settleMin || r.now-m.Last < quietTime && held < settleMax {
		return
	}
	if r.master {
		r.fx.add(Effect{Action: Master})
		r.master = false
	}
	r.open = false
	gained := f.water(r)
	f.ghost += f.ghosts
	f.ghosts = 0
	mt := r.prog.Meters[r.meter()]
	f.pulses += gained
	f.doneUL += float64(gained) * 1e6 / mt.PulsesPerLitre
	f.plateUL += float64(gained) * 1e6 / mt.Plate
	closeLag := max(0, m.Last-f.shutAt)
	f.base = m.Pulses
	switch {
	case f.bad != "":
		r.flowProofs(closeLag)
		r.fail(f.bad)
	case !f.enough:
		r.arm()
	default:
		if reason := r.flowProofs(closeLag); reason != "" {
			r.fail(reason)
			return
		}
		if s.Rinse {
			r.rinseUL += int64(f.doneUL)
		}
		if s.Test {
			r.sound[r.prog.Chans[s.Chan].ID]++
		}
		r.pass()
	}
}

// hasty is the share of pulses that came far sooner than the median says.
func (f *flow) hasty() float64 {
	if len(f.periods) == 0 {
		return 0
	}
	slices.Sort(f.periods)
	limit := hasty * f.periods[len(f.periods)/2]
	n, _ := slices.BinarySearch(f.periods, limit)
	return float64(n) / float64(len(f.periods))
}

// late is the pulses that came when the valve had to be shut.
func (f *flow) late(m hal.Count) int64 { return int64(m.Pulses - f.seen) }

// flowProofs compares what flowed with what the step demands; "" when all holds.
func (r *Run) flowProofs(closeLag time.Duration) (reason string) {
	f, s := &r.flow, r.step()
	note := func(ok bool, why string) {
		if !ok && reason == "" {
			reason = why
		}
	}
	rate := 0.0
	if f.flowed > 0 {
		rate = f.doneUL / f.flowed.Seconds()
	}
	r.results[r.i] = result{counted: f.pulses, ul: int64(f.doneUL), plateUL: int64(f.plateUL), rate: rate}
	ml := f.doneUL / 1000
	r.steps[r.i].Proof = fmt.Sprintf("%s in %.1f s", units.Volume(int64(f.doneUL)), f.flowed.Seconds())
	switch {
	case s.Until == Volume && s.For == 0:
		note(r.proof("volume", ml, float64(s.UL)/1000, float64(max(s.MaxUL, s.UL))/1000+50, "ml"), pour.ReasonNoFlow)
	case s.Until == Steady:
		note(r.proof("steadiness of the flow", f.cv(), 0, steadyCV, "σ/mean"), ReasonAir)
		r.proof("volume", ml, 0, float64(s.MaxUL)/1000, "ml")
	}
	if all := float64(f.pulses) + float64(f.ghost); s.Until == Volume && all > 0 {
		if share := float64(f.ghost) / all; share > ghostShare {
			note(r.proof("pulses that no water makes", share, 0, ghostShare, "of all"), ReasonAir)
		}
		if share := f.hasty(); share > hastyShare {
			note(r.proof("pulses of air", share, 0, hastyShare, "of all"), ReasonAir)
		}
	}
	if s.Until != Dry && s.MaxU > 0 {
		note(r.proof("flow", rate/1000, float64(s.MinULs)/1000, float64(s.MaxU)/1000, "ml/s"), ReasonRate)
	}
	if s.MaxC > 0 && r.prog.Temp >= 0 {
		switch {
		case f.bad == ReasonTooHot, f.temp > s.MaxC:
			r.proof("temperature", f.temp, s.MinC, s.MaxC, "°C")
			note(false, ReasonTooHot)
		case f.noTemp:
			r.proof("temperature sensor", 0, 1, 1, "good")
			note(false, ReasonNoTemp)
		default:
			note(r.proof("temperature", f.temp, s.MinC, s.MaxC, "°C"), ReasonTooCold)
		}
	}
	if s.Test {
		c := r.prog.Chans[s.Chan]
		lag := c.Lag
		if lag <= 0 {
			lag = 40 * time.Millisecond
		}
		note(r.proof("opens after", f.firstAt.Seconds()*1000-f.openAt.Seconds()*1000, 0, float64(pour.FirstPulse.Milliseconds()), "ms"), ReasonSlow)
		note(r.proof("shuts after", closeLag.Seconds()*1000, 0, float64((lag+pour.StuckAfter).Milliseconds()), "ms"), ReasonSlow)
		for i, m := range r.prog.Meters {
			if i != r.meter() {
				d := r.in.Meters[i].Pulses - f.others[i].Pulses
				note(r.proof("flow through "+m.ID+", whose valves are shut", float64(d), 0, strayMax, "pulses"), ReasonWrongWay)
			}
		}
	}
	return reason
}

// temp is the water's temperature, if a sensor tells it.
func (r *Run) temp() (float64, bool) {
	if r.prog.Temp < 0 {
		return 0, false
	}
	t := r.in.Sensors[r.prog.Temp]
	return t.Value, t.Quality == hal.Good
}

// dwell is a tick of a standing time.
func (r *Run) dwell() {
	f, s := &r.flow, r.step()
	if t, ok := r.temp(); ok {
		f.temp, f.hot = min(f.temp, t), max(f.hot, t)
	} else {
		f.noTemp = true
	}
	for i, c := range r.in.Meters {
		if d := int64(c.Pulses - f.others[i].Pulses); d > strayMax {
			r.proof("flow through "+r.prog.Meters[i].ID+" while it had to stand", float64(d), 0, strayMax, "pulses")
			r.fail(ReasonFlow)
			return
		}
	}
	held := r.now - r.since
	if held < s.For {
		return
	}
	ok := r.proof("stood", held.Seconds(), s.For.Seconds(), math.MaxFloat64, "s")
	r.steps[r.i].Proof = fmt.Sprintf("stood %v", held.Round(time.Second))
	if s.MaxC > 0 && r.prog.Temp >= 0 {
		switch {
		case f.noTemp:
			r.proof("temperature sensor", 0, 1, 1, "good")
			r.fail(ReasonNoTemp)
			return
		case !r.proof("coldest", f.temp, s.MinC, s.MaxC, "°C"):
			r.fail(ReasonTooCold)
			return
		case !r.proof("hottest", f.hot, s.MinC, s.MaxC, "°C"):
			r.fail(ReasonTooHot)
			return
		}
	}
	if ok {
		r.pass()
	}
}

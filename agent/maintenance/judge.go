package maintenance

import (
	"fmt"
	"math"

	"fountain/agent/api"
	"fountain/agent/pour"
)

// Bounds of calibrations. A factor outside usualMin to usualMax needs an expert (spec/peers.md 1.3); one outside possibleMin
// to possibleMax is a wrong entry whoever makes it.
const (
	usualMin, usualMax       = 0.5, 2.0
	possibleMin, possibleMax = 0.05, 20.0
	pointsApart              = 0.05 // largest minus smallest factor of the points, over the whole
	ratioTolerance           = 0.04 // of a Brix check (spec/peers.md 3, accuracy)
	ratioClose               = 0.01 // below it no correction is proposed
)

// Usual tells whether a calibration factor needs no expert.
func Usual(factor float64) bool { return factor >= usualMin && factor <= usualMax }

// judge compares what was measured.
func (r *Run) judge() {
	if r.step().verdict == judgeBrix {
		r.judgeBrix()
		return
	}
	r.judgeCalibration()
}

// measuredUL is the figure of a number step as a volume, µL.
func (r *Run) measuredUL(i int) float64 {
	v := r.results[i].number * 1000
	if r.prog.unit == "g" {
		v /= r.prog.density
	}
	return v
}

// judgeCalibration makes one factor of all points: measured over what the plate says.
func (r *Run) judgeCalibration() {
	p := r.prog
	var cal api.Calibration
	plate, measured, low, high := 0.0, 0.0, math.Inf(1), 0.0
	for _, pt := range r.step().points {
		run, m := r.results[pt.run], r.measuredUL(pt.number)
		plate += float64(run.plateUL)
		measured += m
		f := m / float64(run.plateUL)
		low, high = min(low, f), max(high, f)
		cal.Points = append(cal.Points, api.CalPoint{Rate: round3(run.rate), Counted: run.counted, Measured: int64(math.Round(m))})
	}
	cal.Factor = measured / plate
	if !(plate > 0) || !(cal.Factor >= possibleMin && cal.Factor <= possibleMax) {
		r.proof("factor", cal.Factor, possibleMin, possibleMax, "")
		r.fail(ReasonAbsurd)
		return
	}
	if !r.proof("points apart", (high-low)/cal.Factor, 0, pointsApart, "of the factor") {
		r.fail(ReasonDisagree)
		return
	}
	r.propose(p.calibrates, cal)
}

// propose takes a calibration, after an expert has agreed to one outside the usual range.
func (r *Run) propose(line string, cal api.Calibration) {
	r.proposed[line] = cal
	r.steps[r.i].Proof = fmt.Sprintf("factor %.4f of the plate", cal.Factor)
	if r.proof("factor", cal.Factor, usualMin, usualMax, "") {
		r.pass()
		return
	}
	r.expert = true
	r.ask = &api.Ask{Kind: api.AskConfirm, What: fmt.Sprintf(
		"%s would give %.2f times what its plate says. That is more likely a wrong entry or the wrong part. Only an expert may accept it.", line, cal.Factor)}
}

// judged takes the answer to the judge's question.
func (r *Run) judged(a api.Answer) {
	p, line := r.prog, r.prog.calibrates
	cal := r.proposed[line]
	if r.expert || !Usual(cal.Factor) {
		if a.Yes && a.Expert {
			r.pass()
			return
		}
		delete(r.proposed, line)
		r.fail(ReasonAbsurd)
		return
	}
	if a.Yes { // the correction of a Brix check
		r.steps[r.i].Proof = fmt.Sprintf("%s corrected to %.4f of the plate", line, cal.Factor)
		r.pass()
		return
	}
	delete(r.proposed, line)
	last := r.found[len(r.found)-1]
	if p.ratio > 0 && !last.OK {
		r.fail(ReasonRatio)
		return
	}
	r.pass()
}

// judgeBrix compares the split cup with the recipe. Points: water, then syrup.
func (r *Run) judgeBrix() {
	p, pts := r.prog, r.step().points
	water, syrup := r.measuredUL(pts[0].number), r.measuredUL(pts[1].number)
	run := r.results[pts[1].run]
	metered := float64(r.results[pts[0].run].ul)
	r.proof("water in the cup over water by the meter", water/metered, 1-ratioTolerance, 1+ratioTolerance, "")
	is := water / syrup
	ok := r.proof("ratio of water to syrup, of the recipe's", is/p.ratio, 1-ratioTolerance, 1+ratioTolerance, "")
	r.steps[r.i].Proof = fmt.Sprintf("%.2f to 1, the recipe says %.2f", is, p.ratio)
	fix := syrup / float64(run.ul) // what a stroke gives of what it is thought to
	if ok && math.Abs(fix-1) <= ratioClose {
		r.pass()
		return
	}
	cal := api.Calibration{
		Factor: fix * p.presentFx,
		Points: []api.CalPoint{{Rate: run.rate, Counted: run.counted, Measured: int64(math.Round(syrup))}},
	}
	if cal.Factor < possibleMin || cal.Factor > possibleMax || math.IsNaN(cal.Factor) {
		r.fail(ReasonRatio)
		return
	}
	r.proposed[p.calibrates] = cal
	who := ""
	if !Usual(cal.Factor) {
		who = " Only an expert may accept it."
	}
	r.ask = &api.Ask{Kind: api.AskConfirm, What: fmt.Sprintf(
		"The cup holds %.2f parts of water to one of syrup; the recipe says %.2f. Set the calibration of %s from %.3f to %.3f?%s", is, p.ratio, p.calibrates, p.presentFx, cal.Factor, who)}
}

// remedies says what to do after an operation that did not end well, by its reason.
var remedies = map[string]string{
	pour.ReasonEStop:       "release the emergency stop when it is safe, and begin again",
	pour.ReasonLeak:        "find the leak and dry the base, then begin again",
	pour.ReasonDoor:        "close the service door and begin again",
	pour.ReasonTrayFull:    "empty the drip tray and begin again",
	pour.ReasonInterlock:   "check the wiring of the safety inputs",
	pour.ReasonGuardGone:   "check that fountain-guard runs, and begin again",
	pour.ReasonRigLost:     "check the rig and its connections",
	pour.ReasonLoopGap:     "begin again; if it comes back, call support",
	pour.ReasonMaster:      "check the guard and MASTER, and begin again",
	pour.ReasonNoFlow:      "check the supply, the valve and the meter of this line, and begin again",
	pour.ReasonStuckOpen:   "the valve does not shut: clean or change it, then run its self-test",
	pour.ReasonSoldOut:     "check the cartridge, and begin again",
	pour.ReasonVolumeBound: "more flowed than this operation allows: check the meter",
	pour.ReasonTimeBound:   "it took longer than this operation allows: check the flow of this line",
	pour.ReasonLeaseLost:   "stay with the unit while it works, and begin again",
	pour.ReasonShutdown:    "begin again when the unit has started",
	pour.ReasonRecalled:    "purge and clean the line; only the cloud lifts a recall",
	pour.ReasonStopped:     "begin again when you are ready",
	ReasonNo:               "begin again when you are ready",
	ReasonNoAnswer:         "begin again when you are ready",
	ReasonAir:              "bubbles still come: check the supply and its connections, and prime again",
	ReasonNotEmpty:         "the line still gives: shut its supply, and purge again",
	ReasonTooCold:          "warm the cleaner as its label says, and clean again",
	ReasonTooHot:           "let the cleaner cool down, and clean again",
	ReasonNoTemp:           "check the temperature sensor",
	ReasonRate:             "check filter, pressure and valve of this line",
	ReasonWrongWay:         "two lines are swapped, or a valve lets through: check the wiring and the valves",
	ReasonFlow:             "something flows that must not: check the valves for a leak",
	ReasonSlow:             "clean or change the valve",
	ReasonDisagree:         "the points do not agree: read the cup level at eye height, and calibrate again",
	ReasonAbsurd:           "check that the right line ran and the right figure was entered, and calibrate again",
	ReasonRatio:            "calibrate meter and pump of this beverage, then check again",
	ReasonFound:            "see the findings that are not ok",
	ReasonUnconfirmed:      "check the cartridge and its connector, and begin again",
}

func remedy(reason string) string { return remedies[reason] }

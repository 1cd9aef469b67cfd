package maintenance

import (
	"fmt"
	"slices"
	"time"

	"fountain/agent/api"
	"fountain/internal/units"
)

// Report is an operation that has ended. What it proves stands in fields that only this package fills.
type Report struct {
	ID       string
	Kind     string
	Line     string
	Recipe   string
	Person   string
	Started  time.Time
	Ended    time.Time
	Outcome  string // api.OpDone, OpFailed, OpStopped
	Reason   string // a code
	Remedy   string
	WastedUL int64 // all that flowed, by meters and strokes
	Steps    []api.OpStep
	Evidence []api.Evidence
	Drawn    map[string]int64 // what the cartridge in a slot gave, µL; of a cleaning only the final rinse: the rest was cleaner

	scope        string                     // cleaned
	proven       bool                       // the final rinse was
	rinseUL      int64                      // by the meter
	jobs         []string                   // done
	sound        []string                   // valves that opened, flowed and shut twice
	calibrations map[string]api.Calibration // found
}

// Sound lists the valves a self-test has proven: each opened, flowed as it should and shut, twice.
func (r Report) Sound() []string { return r.sound }

// Calibrations are what the operation found, by meter or pump.
func (r Report) Calibrations() map[string]api.Calibration { return r.calibrations }

// Op is the run as the API shows it.
func (r *Run) Op(id string) api.Op {
	p := r.prog
	r.shown = r.mark()
	o := api.Op{
		ID: id, Kind: p.Kind, Line: p.Line, Steps: slices.Clone(r.steps), Step: min(r.i, len(r.steps)-1), FlowedUL: r.wasteNL / 1000,
		Evidence: slices.Clone(r.found),
	}
	if r.ask != nil {
		a := *r.ask
		o.Ask, o.Say = &a, a.What
	} else if r.i < len(p.Steps) {
		o.Say = p.Steps[r.i].Say
	}
	if r.course == cOver {
		o.Outcome, o.Reason, o.Remedy, o.Say = r.outcome, r.reason, remedy(r.reason), r.closing()
	} else if r.outcome != "" {
		o.Say = "Everything is shut."
	}
	return o
}

func (r *Run) closing() string {
	flowed := fmt.Sprintf("%s flowed, none of it sold.", units.Volume(r.wasteNL/1000))
	switch r.outcome {
	case api.OpDone:
		return "Done. " + flowed
	case api.OpStopped:
		return "Stopped. " + flowed
	}
	return "It failed. " + flowed
}

// Report is the ended run. The caller knows the wall clock.
func (r *Run) Report(id string, started, ended time.Time) Report {
	p := r.prog
	out := Report{
		ID: id, Kind: p.Kind, Line: p.Line, Recipe: p.Recipe, Person: p.Person, Started: started, Ended: ended,
		Outcome: r.outcome, Reason: r.reason, Remedy: remedy(r.reason), WastedUL: r.wasteNL / 1000,
		Steps: slices.Clone(r.steps), Evidence: slices.Clone(r.found), scope: p.Scope, rinseUL: r.rinseUL,
		jobs: slices.Clone(p.jobs), calibrations: map[string]api.Calibration{},
	}
	out.proven = r.outcome == api.OpDone && r.rinseUL >= p.RinseUL && p.RinseUL > 0
	for i, nl := range r.drawnNL {
		if slot := p.Chans[i].Slot; nl > 0 && slot != "" {
			if out.Drawn == nil {
				out.Drawn = map[string]int64{}
			}
			out.Drawn[slot] += nl / 1000
		}
	}
	for v, n := range r.sound {
		if n >= 2 {
			out.sound = append(out.sound, v)
		}
	}
	slices.Sort(out.sound)
	if r.outcome == api.OpDone {
		for line, c := range r.proposed {
			c.At, c.Person, c.Expires = ended, p.Person, ended.AddDate(0, calibMonths, 0)
			out.calibrations[line] = c
		}
	}
	return out
}

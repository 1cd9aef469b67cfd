package maintenance

import (
	"time"

	"fountain/agent/api"
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

package maintenance

import (
	"time"

	"fountain/agent/api"
	"fountain/agent/pour"
	"fountain/hal"
)

// Do is what a step does; see the package comment.
type Do uint8

// Kinds of steps.
const (
	Flow Do = iota + 1
	Dose
	Dwell
	Confirm
	Number
	Drive
	Watch
	Judge
)

// Until is what ends a flow or a dose.
type Until uint8

// Ends of a flow or a dose.
const (
	Volume Until = iota // UL or Strokes; For, if it is given, instead of UL
	Steady              // no bubbles any more: pulses, or confirmed strokes, come regularly
	Dry                 // nothing comes any more
)

// verdict is what a Judge step compares.
type verdict uint8

const (
	judgeCalibration verdict = iota + 1
	judgeBrix
)

// Program is one operation, computed: what it may open, how much and how long at most. It never changes.
type Program struct {
	Kind    string // api.Op…
	Line    string // as asked
	Recipe  string
	Person  string
	Params  map[string]string
	Steps   []Step
	Chans   []Channel
	Meters  []Meter  // every meter of the agent: what flows where it must not is seen too
	Sensors []Sensor // that Watch looks at; Temp is one of them
	Temp    int      // index in Sensors of the water's temperature; −1: none
	MaxUL   int64    // all steps together may flow this much, µL
	Idle    bool     // opens nothing: needs no lease, and interlocks are findings, not ends
	Stuck   bool     // may start while a valve is locked out as stuck: it proves it

	Scope   string // that a cleaning locks out; empty: none
	RinseUL int64  // what its final rinse has to prove, µL

	calibrates string // meter or pump of a calibration, or the pump that a Brix check may correct
	unit       string // of a calibration: ml or g
	density    float64
	presentFx  float64 // factor of calibrates now in use
	ratio      float64 // brix: water to syrup of the recipe
	jobs       []string
	given      []api.Evidence // found before the program began
}

// Channel is one thing a program opens or drives.
type Channel struct {
	ID       string
	Kind     hal.Kind // valve, pump, agitator
	Meter    int      // valve: index in Program.Meters
	MaxOpen  time.Duration
	Lag      time.Duration // valve: learned close lag
	StrokeNL int64         // pump: calibrated
	PlateNL  int64         // pump: nominal
	MaxRate  float64       // pump, strokes/s
	Slot     string        // pump
}

// Meter is a flow meter of the unit.
type Meter struct {
	ID             string
	PulsesPerLitre float64 // calibrated
	Plate          float64 // nominal
}

// Sensor is a sensor of the unit.
type Sensor struct {
	ID   string
	Role hal.Role
}

// Step is one step of a program.
type Step struct {
	Name  string // for lists
	Say   string // one plain sentence while it runs
	Do    Do
	Chan  int // index in Chans; −1: none
	Until Until

	UL      int64         // flow, dose: wanted, µL
	Strokes int64         // dose: wanted instead of UL
	Every   time.Duration // dose: between strokes
	For     time.Duration // dwell, drive, watch; flow: by time instead of by volume
	MaxUL   int64         // flow, dose: bound
	MaxTime time.Duration // flow, dose: bound of the time something is open

	MinC, MaxC   float64 // temperature that has to hold, °C; both 0: none
	MinULs, MaxU int64   // flow: plausible rate, µL/s
	Test         bool    // flow: latency, close lag and stuck check are evidence
	GoOn         bool    // a failed proof does not end the operation
	Rinse        bool    // counts as the final rinse
	Ask          *api.Ask

	verdict verdict
	points  []point // judge
}

// point pairs a run with what a person measured of it.
type point struct{ run, number int }

// EventKind is the kind of an Event.
type EventKind uint8

// Kinds of events.
const (
	Tick EventKind = iota
	Begin
	Stop     // Reason
	Answered // Answer
)

// Event is what happened. Every event carries Now and Inputs.
type Event struct {
	Kind   EventKind
	Now    time.Duration // on the Pacer's clock
	In     *Inputs
	Reason string
	Answer api.Answer
}

// Inputs is what the control loop sees, by the program's indices.
type Inputs struct {
	Meters    []hal.Count
	Delivered []uint64 // confirmed strokes by channel; 0 for others
	Sensors   []hal.Reading
	Locks     hal.Interlocks
	LocksErr  bool
	Guard     pour.Guard
	Alive     bool // the guard answers
}

// Action is the kind of an Effect.
type Action uint8

// Actions.
const (
	Session   Action = iota + 1 // begin a new session with the guard
	Master                      // ask the guard to open (On) or shut MASTER
	Open                        // open or drive Chan
	Shut                        // shut every output in one write
	Strokes                     // N more strokes of Chan, one each Every
	StopPumps                   // drop every queued stroke
)

// Effect is one thing to do.
type Effect struct {
	Action Action
	Chan   int
	On     bool
	N      int
	Every  time.Duration
}

// Effects is the list of one event; the caller reuses it.
type Effects struct{ List []Effect }

func (fx *Effects) add(e Effect) { fx.List = append(fx.List, e) }

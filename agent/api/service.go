package api

import "time"

// The service API: what crews and technicians do. It is served on the service socket, and on the agent socket to
// whoever carries a session (session.go). What the service home shows is in overview.go. Where a Person is asked for and
// none is given, it is the session's.
//
//	POST   /v1/service/ops                  StartOp -> 201 Op; a lease begins, as a pour's
//	GET    /v1/service/ops/{id}             Op
//	POST   /v1/service/ops/{id}/beat        204; every BeatEvery while the person is there
//	POST   /v1/service/ops/{id}/answer      Answer -> 200 Op
//	DELETE /v1/service/ops/{id}             204; stops it, everything shuts
//	GET    /v1/service/lines                []Line
//	POST   /v1/service/lines/{id}/undo      Line; back to the calibration before the present one
//	GET    /v1/service/cartridges           []Cartridge
//	PUT    /v1/service/cartridges/{slot}    CartridgeChange -> 200 Cartridge
//	GET    /v1/service/alarms               []Alarm, with evidence
//	POST   /v1/service/alarms/clear         ClearAlarm -> 204; refused while its cause stands
//	GET    /v1/service/setup                Setup
//	POST   /v1/service/setup/{step}         SetupAnswer -> 200 Setup
//	GET    /v1/service/audit                []AuditEntry, newest first
//
// One operation at a time, and none beside a pour. Nothing here opens an output without a lease. docs/SERVICE.md lists what
// each kind of operation takes and when it counts as done.

// Kinds of operations.
const (
	OpPrime     = "prime"     // fill a line until no bubble comes
	OpPurge     = "purge"     // empty a line
	OpRinse     = "rinse"     // water through the nozzle
	OpClean     = "clean"     // a cleaning or sanitising recipe, Param recipe
	OpCalibrate = "calibrate" // a flow meter or a dosing pump, against a measuring cup or a scale
	OpSelfTest  = "selftest"  // every channel: current, flow, latency; Param dry: nothing flows
	OpBrix      = "brix"      // the ratio of water and syrup of one beverage; Line is the beverage
	OpAgitate   = "agitate"   // run an agitator; Line is the agitator
)

// StartOp asks for an operation.
type StartOp struct {
	Kind   string            `json:"kind"`
	Line   string            `json:"line,omitempty"` // valve, meter, pump or slot id; some kinds take none
	Person string            `json:"person"`         // who does it, for the audit trail
	Params map[string]string `json:"params,omitempty"`
}

// Op is one operation, live or ended.
type Op struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Line     string     `json:"line,omitempty"`
	Steps    []OpStep   `json:"steps"`
	Step     int        `json:"step"` // index of the present step
	Say      string     `json:"say"`  // one plain sentence: what happens or what to do now
	Ask      *Ask       `json:"ask,omitempty"`
	FlowedUL int64      `json:"flowed_ul"`
	Outcome  string     `json:"outcome,omitempty"` // done | failed | stopped; empty while it runs
	Reason   string     `json:"reason,omitempty"`  // a code
	Remedy   string     `json:"remedy,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
}

// Outcomes of operations.
const (
	OpDone    = "done"
	OpFailed  = "failed"
	OpStopped = "stopped"
)

// OpStep is one step with its proof.
type OpStep struct {
	Name  string `json:"name"`
	State string `json:"state"` // waiting | running | done | failed
	Proof string `json:"proof,omitempty"`
}

// Evidence is one measured figure and what it had to be.
type Evidence struct {
	What string  `json:"what"`
	Is   float64 `json:"is"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Unit string  `json:"unit"`
	OK   bool    `json:"ok"`
}

// Ask is a question the operation waits on. Nothing flows meanwhile.
type Ask struct {
	Kind string  `json:"kind"` // confirm | number
	What string  `json:"what"`
	Unit string  `json:"unit,omitempty"`
	Min  float64 `json:"min,omitempty"`
	Max  float64 `json:"max,omitempty"`
}

// Kinds of questions.
const (
	AskConfirm = "confirm"
	AskNumber  = "number"
)

// Answer answers an Ask.
type Answer struct {
	Yes    bool    `json:"yes"`
	Number float64 `json:"number,omitempty"`
	Expert bool    `json:"expert,omitempty"` // accepts a calibration outside the usual range
}

// Line is one valve, meter or pump with its service history.
type Line struct {
	ID          string        `json:"id"`
	Kind        string        `json:"kind"` // as hal.Kind
	Ingredient  string        `json:"ingredient,omitempty"`
	Slot        string        `json:"slot,omitempty"`        // that a pump draws from
	Calibration *Calibration  `json:"calibration,omitempty"` // the present one
	History     []Calibration `json:"history,omitempty"`     // older ones, newest first
	Cleaned     *time.Time    `json:"cleaned,omitempty"`
	CleanDue    *time.Time    `json:"clean_due,omitempty"`
	LockedOut   string        `json:"locked_out,omitempty"` // a code; the line does not pour
}

// Calibration is what one calibration found.
type Calibration struct {
	At      time.Time  `json:"at"`
	Person  string     `json:"person"`
	Factor  float64    `json:"factor"` // of the name plate: 1.02 = gives 2 % more than the plate says
	Points  []CalPoint `json:"points"`
	Expires time.Time  `json:"expires"`
}

// CalPoint is one measurement.
type CalPoint struct {
	Rate     float64 `json:"rate"` // µL/s, or strokes/s
	Counted  int64   `json:"counted"`
	Measured int64   `json:"measured_ul"`
}

// Cartridge is what sits in a slot.
type Cartridge struct {
	Slot       string     `json:"slot"`
	Ingredient string     `json:"ingredient,omitempty"` // of the planogram
	Tag        string     `json:"tag,omitempty"`
	Contents   string     `json:"contents,omitempty"` // of the tag
	LeftUL     int64      `json:"left_ul"`
	Expires    *time.Time `json:"expires,omitempty"`
	State      string     `json:"state"` // ok | empty | absent | wrong | foreign | expired | unreadable | unverified
	Remedy     string     `json:"remedy,omitempty"`
}

// CartridgeChange says what a person did with a slot.
type CartridgeChange struct {
	Action string `json:"action"` // inserted (the tag is read) | removed
	Person string `json:"person"`
}

// ClearAlarm says that a person has mended the cause.
type ClearAlarm struct {
	Name   string `json:"name"`
	Scope  string `json:"scope"`
	Person string `json:"person"`
}

// Steps of the first-run wizard, in order.
const (
	SetupPIN       = "pin"
	SetupLanguage  = "language"
	SetupZone      = "zone"
	SetupNetwork   = "network"
	SetupClaim     = "claim"
	SetupRig       = "rig"
	SetupCalibrate = "calibrate"
)

// Setup is how far the first-run wizard is.
type Setup struct {
	Done  bool        `json:"done"`
	Steps []SetupStep `json:"steps"`
}

// SetupStep is one of them.
type SetupStep struct {
	ID     string `json:"id"`
	State  string `json:"state"` // open | done | failed
	What   string `json:"what"`  // what is so, or what is wrong
	Remedy string `json:"remedy,omitempty"`
}

// SetupAnswer is a person's answer to a step; checks take none.
type SetupAnswer struct {
	Value  string `json:"value,omitempty"`
	Person string `json:"person"`
}

// AuditEntry is one service action.
type AuditEntry struct {
	At     time.Time `json:"at"`
	Person string    `json:"person"`
	Action string    `json:"action"`
	Line   string    `json:"line,omitempty"`
	Result string    `json:"result"`
}

// Package pour is the rule of one pour: a pure Step from state and event to state and effects. It knows neither time
// nor hardware; agent/machine feeds it and does what it says. It may import agent/recipe, agent/beat, hal, sync/wire
// and internal packages. A State is a value of fixed size; Step does not allocate.
//
//	agent/machine ──Begin, Tick(counts, interlocks, guard), Durable | Refused, Stop──► Step
//	Step ──Journal, Master, Open, Shut, Dose, StopPumps, Wake, Empty, Learn, Commit──► agent/machine
//
// Legal transitions; whatever is not listed leaves the state as it is:
//
//	from                what                                              to       effects
//	Idle, Done, Faulted Begin                                             Arm      Journal
//	Arm                 Durable                                           Arm      Master on
//	Arm                 the guard says MASTER is open                     Lead     Open
//	Arm                 Refused                                           Faulted
//	Arm                 end, MASTER never asked for                       Done, Faulted  Commit (once Durable)
//	Arm                 end, MASTER asked for                             Settle   Shut, StopPumps, Master off
//	Lead                no pulse in 400 ms, for the first time            Arm      Shut; Open again after 500 ms
//	Lead                150 ms of water have come                         Flow
//	Flow                every stroke is asked for                         Tail
//	Arm to Tail         the cup is taken away, or Pause                   Paused   Shut, StopPumps, Master off
//	Paused              Resume, a cup is there, water stands still        Arm      Rearm, Master on
//	Paused              30 s, Stop, or any other end                      Settle   StopPumps
//	Lead, Flow, Tail    end                                               Settle   Shut (and, unless completed, stopped
//	                                                                               or sold out: StopPumps, Master off)
//	Flow to Settle      a cartridge is dry or pulled, another holds it    same     Switch
//	Settle              water stands still, owed strokes are confirmed    Done, Faulted  Master off, Learn, Commit
//
// An end is: target reached (completed); Stop by a person or a pause of more than 30 s (stopped); Stop because the lease,
// the screen, the guard, the loop or the rig was lost or the unit shuts down (interrupted); everything else, that is an
// interlock, no flow, too much flow, flow on another meter, an empty or pulled cartridge, a bound, hardware that does not
// obey, a valve that does not shut (faulted). The first end decides; only a valve stuck open or an empty cartridge found
// while settling turns completed or stopped into faulted, and a meter that seemed lost and whose pulses come late makes it
// interrupted: only the rig's answers were. Nothing goes on by itself: a paused pour needs Resume, an ended
// one a new Begin. The one thing tried twice is opening a valve that gave no drop.
//
// Bounds of volume and of open time count over all openings of a pour. A pour that was paused teaches no lag.
//
// Ingredients follow water pulses, not time. In portion mode they start after the lead and end at 92 % of the water, so
// that the rest rinses the nozzle. In hold mode, where the end is not known, they follow in proportion, and what the
// poured water still lacks when the consumer lets go is dosed while settling. So it is when an ingredient runs out: the
// others get what belongs to the water that came, and Short says what the missing one lacks.
//
// Beside the pour the package judges what meters do while everything is shut (Watch), what stays in the nozzle (Residue)
// and how it is rinsed (Rinse).
package pour

import (
	"time"

	"fountain/agent/beat"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/sync/wire"
)

// Timing and volume rules (spec/hal.md 6).
const (
	LeadTime    = 150 * time.Millisecond // of water before the first dose
	RinseFrom   = 0.92                   // of the water, portion mode: ingredients have ended
	FirstPulse  = 400 * time.Millisecond // without a pulse after opening: no flow
	RetryAfter  = 500 * time.Millisecond // the valve stays shut before it is opened a second time
	PulseGap    = 600 * time.Millisecond // or gapPeriods, whichever is longer: no flow
	RateGap     = 150 * time.Millisecond // the same once the rate is known
	gapPeriods  = 8
	SettleMin   = 250 * time.Millisecond
	quietTime   = 150 * time.Millisecond // without a pulse: the water stands still
	StuckAfter  = 150 * time.Millisecond // after closing, the longest lag: pulses from here on are too many
	stuckPulses = 3
	stuckWait   = 2 * time.Second        // how long the flow after a stuck valve is counted at most
	StrokeWait  = 250 * time.Millisecond // without a confirmed stroke: the cartridge is empty (shut ≤ 300 ms, peers.md 6b 6)
	strokeLate  = 100 * time.Millisecond // after its time a stroke counts as lost and is asked for again
	PauseMax    = 30 * time.Second       // then a paused pour ends
	strayPulses = 3                      // on another meter: water goes the wrong way
	implausible = 1.5                    // times the machine's largest flow: no water turns the wheel so fast
	overFlow    = 1.3                    // times the machine's largest flow: a line that is broken open
	turnStrokes = 8                      // a pump's turn when the current is limited
	MasterWait  = 300 * time.Millisecond // for the guard to open MASTER
	tick        = time.Millisecond       // of the control loop while pouring
)

// Phase is where a pour stands.
type Phase uint8

// Phases, see the package comment.
const (
	Idle Phase = iota
	Arm
	Lead
	Flow
	Tail
	Paused
	Settle
	Done
	Faulted
)

var phaseNames = [...]string{"idle", "arm", "lead", "flow", "tail", "paused", "settle", "done", "faulted"}

// String names the phase for logs.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "unknown"
}

// Active tells whether a pour is under way.
func (p Phase) Active() bool { return p >= Arm && p <= Settle }

// Reasons why a pour ended; they stand in records. Empty when the target was reached.
const (
	ReasonReleased    = "released" // the consumer let go
	ReasonStopped     = "stopped"  // stopped by a person
	ReasonLeaseLost   = "lease_lost"
	ReasonScreenLost  = "screen_lost" // the screen lost the finger: its browser or touch device went away, or it ended
	ReasonGuardGone   = "guard_gone"
	ReasonLoopGap     = "loop_gap"
	ReasonShutdown    = "shutdown"
	ReasonRigLost     = "rig_lost"
	ReasonEStop       = "e_stop"
	ReasonLeak        = "leak"
	ReasonDoor        = "door"
	ReasonTrayFull    = "tray_full"   // refuses a start, ends nothing
	ReasonCupRemoved  = "cup_removed" // of a pause
	ReasonInterlock   = "interlock_unreadable"
	ReasonNoFlow      = "no_flow"
	ReasonStuckOpen   = "stuck_open"
	ReasonSoldOut     = "sold_out"
	ReasonVolumeBound = "volume_bound"
	ReasonTimeBound   = "time_bound"
	ReasonMaster      = "master_refused" // the guard did not open MASTER
	ReasonJournal     = "journal"        // the intent could not be made durable

	ReasonAsked     = "asked"             // of a pause: a person wanted it
	ReasonPausedOut = "paused_out"        // paused for more than PauseMax
	ReasonCartridge = "cartridge_removed" // pulled or barred while it was drawn from
	ReasonMeterLost = "meter_lost"        // pulses ended from one to the next: the meter or its wire; the gap is estimated
	ReasonOverFlow  = "over_flow"         // more than the line can give
	ReasonAir       = "air_in_water"      // the meter spins fast and unevenly: air comes with the water
	ReasonWrongWay  = "wrong_way"         // water on the meter of a shut valve, and none on this one's: wiring
	ReasonHardware  = "hardware"          // a valve or pump did not obey
	ReasonRecalled  = "recalled"          // the cloud forbade the beverage, or one of its ingredients, meanwhile
)

// OutcomeOf is the outcome that goes with a reason.
func OutcomeOf(reason string) wire.Outcome {
	switch reason {
	case "":
		return wire.Completed
	case ReasonLeaseLost, ReasonScreenLost, ReasonGuardGone, ReasonLoopGap, ReasonShutdown, ReasonRigLost:
		return wire.Interrupted
	case ReasonEStop, ReasonLeak, ReasonDoor, ReasonTrayFull, ReasonCupRemoved, ReasonInterlock, ReasonNoFlow,
		ReasonStuckOpen, ReasonSoldOut, ReasonVolumeBound, ReasonTimeBound, ReasonMaster, ReasonJournal, ReasonCartridge,
		ReasonMeterLost, ReasonOverFlow, ReasonAir, ReasonWrongWay, ReasonHardware:
		return wire.Faulted
	}
	return wire.Stopped
}

// Kind is the kind of an Event.
type Kind uint8

// Kinds of events.
const (
	Tick    Kind = iota
	Begin        // Plan, Lag and Inputs are set
	Durable      // the journal holds the intent
	Refused      // the journal does not
	Stop         // Reason is set
	Pause        // Reason is set
	Resume
	Pulled // the cartridge of dose Index, or its alternate (Alt), must not be drawn from any more
)

// Event is what happened. Every event carries Now; Tick and Begin carry Inputs.
type Event struct {
	Kind   Kind
	Now    time.Duration // on the Pacer's clock
	Inputs Inputs
	Reason string
	Plan   *recipe.Plan
	Lag    Lag // learned for the carrier's valve
	Index  int
	Alt    bool
}

// Inputs is what the control loop sees.
type Inputs struct {
	Water     hal.Count               // meter of the carrier
	Delivered [recipe.MaxDoses]uint64 // confirmed strokes, by the plan's doses
	Alternate [recipe.MaxDoses]uint64 // confirmed strokes of their alternates
	Stray     uint64                  // plausible pulses of other carriers' meters since Begin
	Locks     hal.Interlocks          // of agent and guard together
	LocksErr  bool                    // they cannot be read
	Guard     Guard
}

// Guard is what the guard said last, in answer to a beat of this session.
type Guard struct {
	Open    bool
	Latched bool
	Reason  beat.Reason
}

// Action is the kind of an Effect.
type Action uint8

// Actions.
const (
	Journal   Action = iota + 1 // make the intent durable; answer with Durable or Refused
	Master                      // ask the guard to open (On) or shut MASTER
	Rearm                       // beat with a new session from now on: the guard latches the old one
	Open                        // open the carrier's valve
	Shut                        // shut every valve in one write
	Dose                        // N more strokes of dose Index, from its alternate if Alt
	Switch                      // dose Index goes on from its alternate: drop the queued strokes of its first pump
	StopDose                    // drop the queued strokes of dose Index, of its alternate if Alt
	StopPumps                   // drop every queued stroke
	Wake                        // run again exactly At
	Empty                       // the cartridge of dose Index, of its alternate if Alt, is empty
	Learn                       // Lag is the new lag of the carrier's valve
	Commit                      // the pour is over: record it
)

// Effect is one thing to do.
type Effect struct {
	Action Action
	Index  int
	N      int64
	On     bool
	Alt    bool
	At     time.Duration
	Lag    Lag
}

// Effects is a short list of fixed capacity.
type Effects struct {
	list [3*recipe.MaxDoses + 10]Effect // a tick asks, switches and stops every dose at most once
	n    int
}

// Len is the number of effects.
func (fx *Effects) Len() int { return fx.n }

// At returns effect i.
func (fx *Effects) At(i int) Effect { return fx.list[i] }

// Has tells whether an action is among the effects.
func (fx *Effects) Has(a Action) bool {
	for i := range fx.n {
		if fx.list[i].Action == a {
			return true
		}
	}
	return false
}

func (fx *Effects) add(e Effect) { fx.list[fx.n] = e; fx.n++ }

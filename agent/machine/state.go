package machine

import (
	"slices"
	"sync/atomic"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/sync/wire"
)

// Faults: codes why the unit does not pour; they stand in State.Fault. Reasons of pour that concern the whole unit
// (e_stop, leak, door, tray_full, guard_gone, rig_lost, stuck_open, journal) are used as they are.
const (
	FaultStarting = "starting"        // the loop has not run yet, or no answer from the guard yet
	FaultFlow     = "unexpected_flow" // a meter counts although everything is shut; until ClearFault
	FaultNoCup    = "no_cup"          // not a fault of the unit; refuses a start
)

// State is what the machine tells about itself; a copy, nobody changes it.
type State struct {
	// The active pour, or the last one until the next.
	Pour     string // ULID; empty before the first
	Phase    pour.Phase
	Beverage beverage.ID
	Mix      []beverage.MixPart // of a mix; nobody changes it
	Hold     bool
	Source   string
	TargetUL int64
	PouredUL int64
	Outcome  wire.Outcome // once decided
	Reason   string
	Seq      uint64 // once recorded

	Last uint64 // seq of the last recorded pour of this run
	Busy bool   // a pour is active or not yet recorded: Start would refuse

	Service string // the service operation under way: Start would refuse

	Pause      string // why the active pour is paused; empty when it is not
	Faults     []Fault
	Rinses     uint64 // of the nozzle, since the start
	RinsedUL   int64  // water they took: waste, never a sale
	Rinsing    bool   // the nozzle is being rinsed now
	Fault      string // why nothing can be poured now; empty when the unit is ready
	Interlocks hal.Interlocks
	Cup        bool // a cup stands under the nozzle; never so on a unit that cannot see one
	Guard      bool // the guard answers
	Unfed      bool // it says that the hardware watchdog cannot be fed
	MasterOpen bool
	Empty      []string // slots whose cartridge ran dry since it was last changed
	NoFlow     int      // pours in a row that found no water

	LateTicks  uint64        // ticks more than 2 ms late
	VeryLate   uint64        // more than 20 ms late
	WorstTick  time.Duration // the latest tick
	LoopGaps   uint64        // gaps of more than 100 ms
	LostPulses uint64        // of all meters, since the start, as far as the hardware knows
	HealthNote []hal.Fault   // what the hardware says is wrong
}

// shared is the published state: base is immutable, the rest are numbers the loop moves without allocating.
type shared struct {
	base State
	live *live // of the pour in base; nil before the first
}

// live are the numbers of one pour.
type live struct {
	phase  atomic.Uint32
	poured atomic.Int64
}

// ticks are the loop's own measurements.
type ticks struct {
	late, veryLate, gaps, lost atomic.Uint64
	worst                      atomic.Int64
}

// State returns the state now.
func (m *Machine) State() State {
	p := m.state.Load()
	s := p.base
	s.Empty = slices.Clone(s.Empty)
	s.Busy = m.current.Load() != nil
	if op := m.service.Load(); op != nil {
		s.Service = op.id
	}
	s.Faults = slices.Clone(s.Faults)
	s.HealthNote = slices.Clone(s.HealthNote)
	if p.live != nil {
		s.Phase = pour.Phase(p.live.phase.Load())
		s.PouredUL = p.live.poured.Load()
	}
	s.LateTicks, s.VeryLate, s.LoopGaps = m.ticks.late.Load(), m.ticks.veryLate.Load(), m.ticks.gaps.Load()
	s.WorstTick, s.LostPulses = time.Duration(m.ticks.worst.Load()), m.ticks.lost.Load()
	return s
}

// signal tells the reader of Changed.
func (m *Machine) signal() {
	select {
	case m.changed <- struct{}{}:
	default: // a signal is waiting already
	}
}

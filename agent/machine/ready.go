package machine

import (
	"context"
	"sync"

	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// Ready says what sensors and cartridges forbid: temperature, carbonation, water, a cartridge that must not be used.
// Refuse is called on the goroutine that calls Start, never by the control loop, and must not block for long. nil means
// that the drink may be poured; a problem is what Start returns, its Where being the code. carrier is the drink's
// carrier, slots the cartridge slots it draws from. Safe for concurrent use.
type Ready interface {
	Refuse(carrier beverage.IngredientID, slots []string) *problem.Problem
}

// ScopeUnit is the scope of what concerns the whole unit. Every other scope is the id of a carrier's valve or of a
// cartridge slot.
const ScopeUnit = "unit"

// Fault is a condition of one part of the unit, for alarms. What concerns the whole unit by its interlocks stands in
// State.Fault instead. A locked one keeps its scope from pouring until ClearLockout; the others warn, or pass by
// themselves.
type Fault struct {
	Scope    string `json:"scope"`          // ScopeUnit, a carrier's valve, or a cartridge slot
	Code     string `json:"code"`           // one of Code…, or a reason of package pour
	Part     string `json:"part,omitempty"` // the part it was seen at, when the scope is wider
	Evidence string `json:"evidence"`       // what was measured, in plain words
	Locked   bool   `json:"locked"`
}

// LockStore keeps lock-outs over restarts. Save is never called from the control loop.
type LockStore interface {
	LoadLocks() ([]Fault, error)
	SaveLocks([]Fault) error
}

// Codes of faults, besides the reasons of package pour (stuck_open, no_flow, wrong_way, over_flow, meter_lost, hardware,
// journal).
const (
	CodeFlow        = "unexpected_flow" // locked, unit: a meter counts although everything is shut
	CodeWeep        = "weep"            // warns, carrier: more than WeepPerHour pulses an hour while all is shut
	CodeEMI         = "emi"             // warns, carrier: pulses that no water makes; never a sale, never blocks
	CodeAir         = "air_in_line"     // warns, carrier: a short irregular burst of pulses while all is shut
	CodeNoCO2       = "no_co2"          // passes, carrier
	CodeCarbonating = "carbonating"     // passes, carrier
	CodeNoWater     = "no_water"        // passes, unit
	CodeRinseFirst  = "rinse_first"     // passes, unit: residue in the nozzle that the next drink must not meet
)

// SlotState is what is known of a cartridge slot.
type SlotState uint32

// States of a slot.
const (
	SlotOK     SlotState = iota // a cartridge sits there, or nothing is known
	SlotPulled                  // its cartridge was taken out
	SlotBarred                  // what sits there must not be used: foreign, wrong, expired
)

// gate is shut while a pour is active.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default: // it is shut
	}
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// Quiet returns when no pour is active, or with the context's error. Bulk work (draining, hashing, decompressing) calls
// it between two pieces, so that a pour never waits for it.
func (m *Machine) Quiet(ctx context.Context) error {
	m.gate.mu.Lock()
	open := m.gate.open
	m.gate.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Busy tells whether a pour is active or not yet recorded.
func (m *Machine) Busy() bool { return m.current.Load() != nil }

// Pouring is what is poured now, from the moment it was taken on; ok is false when nothing is.
func (m *Machine) Pouring() (id string, drink beverage.ID, mix []beverage.MixPart, ok bool) {
	l := m.current.Load()
	if l == nil {
		return "", "", nil, false
	}
	return l.id, l.req.Beverage, l.req.Mix, true
}

// SlotChanged says what sits in a cartridge slot now. A cartridge that is pulled or barred while a pour draws from it
// ends that pour, or makes it go on from a second slot, within a few ticks. Any goroutine; never blocks.
func (m *Machine) SlotChanged(slot string, s SlotState) {
	if st, ok := m.slots[slot]; ok && SlotState(st.Swap(uint32(s))) != s {
		m.emptyRev.Add(1)
	}
}

// Lockouts lists what waits for a person: ClearLockout ends it.
func (m *Machine) Lockouts() []Fault {
	var out []Fault
	for _, f := range m.state.Load().base.Faults {
		if f.Locked {
			out = append(out, f)
		}
	}
	return out
}

// ask is a question to the control loop that is answered within a tick.
type ask struct {
	scope, code string
	answer      chan error // capacity 1
}

// ClearLockout ends a lock-out after a person has mended its cause. Errors are problems: CodeNotFound when there is no
// such lock-out, CodeConflict while the cause can still be seen (water flows, a pump or valve does not obey), CodeBusy
// while a pour is active, CodeUnavailable when the machine is not running.
func (m *Machine) ClearLockout(scope, code string) error {
	select {
	case <-m.ready:
	default:
		return notRunning("the machine is still starting")
	}
	a := &ask{scope: scope, code: code, answer: make(chan error, 1)}
	select {
	case m.asks <- a:
	case <-m.stopped:
		return notRunning("the machine is stopping")
	}
	select {
	case err := <-a.answer:
		return err
	case <-m.stopped:
		return notRunning("the machine is stopping")
	}
}

// Pause shuts the active pour's valves within 20 ms and keeps its count; the lease goes on. Errors are problems:
// CodeNotFound when id is not the active pour, CodeConflict when it cannot be paused any more.
func (m *Machine) Pause(id string) error { return m.command(id, wantPause) }

// Resume lets a paused pour flow again: it arms anew, with a new beat session. Nothing resumes without this call. Errors
// are problems: CodeNotFound when id is not the active pour, CodeConflict when it is not paused, CodeUnsafe while there
// is no cup or anything else forbids it.
func (m *Machine) Resume(id string) error { return m.command(id, wantResume) }

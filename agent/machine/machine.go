// Package machine owns the hardware: one goroutine, the control loop, that talks to hal, runs pours through the pure
// pour.Step, and beats the guard.
//
//	Start/Beat/Stop, Pause/Resume ──command──► control loop ──► hal.Outputs, hal.Pump        (opens and shuts)
//	hal meters, interlocks, guard replies ──► events ──► pour.Step ──► effects
//	SlotChanged, ClearLockout, Rinse ──► control loop ──► pour.Rinse, agitators, faults (while nothing is poured)
//	control loop ──Intent, Result──► Journal (other goroutine) ──answer──► control loop
//	control loop ──State() by an atomic pointer, Changed()──► apiserver
//
// Three kinds of goroutines: the control loop (Run) owns the hal, the pour and the guard link; callers of Start compute
// the plan and everything that may take time; the clerk calls journal, stock and logger. Leases, answers of the journal
// and stop requests are atomics that the loop looks at every tick. Nothing resumes by itself: a pour that was paused needs
// Resume, one that ended a new Start, and both a new beat session. It may import agent/pour, agent/recipe, hal,
// agent/beat, sync/wire.
//
// A fault has a scope: the unit, one carrier's line, or one cartridge slot. Only what a drink needs refuses it. A carrier's
// valve that does not shut blocks the unit all the same: MASTER is common, and opening it for another line would let the
// water through both.
//
// The loop never blocks for more than 1 ms and does not allocate while a pour flows.
package machine

import (
	"time"

	"fountain/agent/beverage"
	"fountain/sync/wire"
)

// StartRequest asks for a pour.
type StartRequest struct {
	Beverage beverage.ID
	Mix      []beverage.MixPart // pours these into one drink instead; Beverage is empty then
	TargetUL int64
	Hold     bool
	Source   string // wire.Source…
	// TopOff names a pour that completed or was stopped at most 30 s ago: the same beverage, at most 15 % of its target in
	// all, its cup still in place. Empty for an ordinary pour.
	TopOff string
}

// Intent is made durable before anything opens. After a crash an intent without its result becomes an
// `interrupted` record.
type Intent struct {
	Pour     string // ULID
	Session  uint64 // beat session, to match the guard's last-beat file
	Started  time.Time
	Beverage beverage.ID        // beverage.MixID for a mix
	Mix      []beverage.MixPart // what of
	TargetUL int64
	Source   string
	Parts    []IntentPart
	LagUL    int64 // what the learned close lag lets through at NominalULs, µL
	Hold     bool
	TopOff   string // the pour it tops off; empty for an ordinary one

	Catalogue  string // digest of the catalogue the recipe came from
	MaxUL      int64  // the pour's own bound, µL
	NominalULs int64  // the rate LagUL is for, µL/s
}

// IntentPart is one ingredient of the plan; Share are its parts per million of the finished drink.
type IntentPart struct {
	Ingredient beverage.IngredientID
	Cartridge  string
	Share      int64
	Metered    bool
}

// Result is a pour that ended and settled.
type Result struct {
	Intent      Intent
	Duration    time.Duration
	Outcome     wire.Outcome
	Reason      string
	CountedUL   int64
	EstimatedUL int64
	Parts       []wire.Part

	// Of a drink that ran out of an ingredient: which, and what it lacks for the water that came, µL.
	Short    string
	ShortUL  int64
	AtMostUL int64  // what may have flowed through a line whose meter stood still; 0: no doubt
	Phantom  uint64 // pulses left out because no water could have made them
}

// Journal makes intents and results durable. The control loop calls it without waiting; done is called from any
// goroutine exactly once and must not block.
type Journal interface {
	Begin(Intent, func(error))
	Commit(Result, func(seq uint64, err error))
}

// Package maintenance holds what service work is made of: operations as programs with proof, the recipes of cleaning,
// and the book of what was done, calibrated and locked out.
//
//	api.StartOp + parts + recipes ──Plan──► Program ──► agent/machine (control loop) ──Event──► Run.Handle ──Effects──► outputs
//	                                                                                    Run.Report ──► Book ──► the store's settings
//	Book.Factors ──► machine.SetCalibration     Book.LockedOut ──► machine.SetLockedOut     Book.Due ──► alarms
//
// A Run is the pure rule of one operation: it knows neither time nor hardware. A step counts only when what was measured
// agrees with what it demands; its evidence says both. Legal transitions of a step:
//
//	step      course
//	flow      arm (new guard session, MASTER) → first pulse → flowing → shut → settled → MASTER off; again until enough
//	dose      strokes follow their time, each confirmed → all confirmed or missing
//	dwell     nothing flows for a time, and the temperature holds
//	confirm   waits for a person's yes; a no stops the operation
//	number    waits for a figure, within bounds
//	drive     an agitator runs
//	watch     nothing moves and nothing may: the dry self-test
//	judge     compares what was measured; may ask an expert
//
// Every end (a lost lease, an interlock, the guard, a failed proof, a bound, a person) shuts valves, stops pumps and lets
// go of MASTER first, then waits until the water stands still, so that what flowed is counted. Nothing resumes.
//
// A line that is being cleaned is locked out from before the first drop until a run of the same scope has proven its final
// rinse by the meter. Only Book.End lifts such a lock, and only by a Report, which nobody but a Run can fill: there is no
// word, number or PIN that does it. Locks are durable before anything flows.
//
// The package may import agent/api, agent/pour, agent/beat, agent/recipe, hal and internal packages. A Book is safe for
// concurrent use; a Run belongs to the control loop.
package maintenance

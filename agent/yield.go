package agent

import "context"

// yield holds bulk work back while a pour is active: control has the processor and the storage to itself. Whoever walks
// through much (a backlog, closed segments, old logs) calls Idle between two pieces. What is live never asks: the ledger's
// acknowledgements, jobs and kill messages, a pour's own record.
//
//	drain (uplink.Gate) ──┐
//	store.Verify, Retire ─┴──Idle──► machine.Quiet
type yield struct {
	quiet func(context.Context) error // returns when no pour is active, or with the context's error
}

// Idle returns when no pour is active, or with the context's error.
func (y yield) Idle(ctx context.Context) error { return y.quiet(ctx) }

// Quiet returns when no pour is active, or with the context's error: for bulk work outside the agent, such as the
// compression of old log files.
func (a *Agent) Quiet(ctx context.Context) error { return a.yield.Idle(ctx) }

package linux

import (
	"context"
	"log/slog"

	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// Option is a rare knob of Open.
type Option func(*options)

type options struct {
	log  *slog.Logger
	root string
	prio int
}

// WithLog gives the rig a logger; without one it is silent.
func WithLog(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithRoot puts another directory in the place of / for /sys and the sensors' files; devices stay in /dev.
func WithRoot(dir string) Option { return func(o *options) { o.root = dir } }

// WithPriority sets the SCHED_FIFO priority of the rig's own threads, which read edges and give strokes; 0 leaves them
// ordinary. The default is 50.
func WithPriority(prio int) Option { return func(o *options) { o.prio = prio } }

// Open takes all lines of owner and leaves its outputs shut. ctx bounds the opening only; the rig lives until Close.
//
// Errors: hal.ErrBusy while another process holds a line, hal.ErrNotOwner for an owner that does not exist, hal.ErrGone
// when an I²C chip does not answer. All but ErrNotOwner carry a *problem.Problem with the part's place in the rig file.
func Open(ctx context.Context, rf *rigfile.Rig, owner hal.Owner, opts ...Option) (hal.Rig, hal.Pacer, error) {
	_, _, _, _ = ctx, rf, owner, opts
	return nil, nil, &problem.Problem{Code: problem.CodeBadConfig, Where: rf.Path, What: "the line layer is being written"}
}

// Abandon ends a rig of Open the way the death of its process would: its descriptors are closed and its threads stop,
// without shutting anything. It is there for the contract suite and for nothing else.
func Abandon(rig hal.Rig) { _ = rig }

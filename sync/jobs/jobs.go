// Package jobs is the unit's side of AWS IoT Jobs: it takes the next job, has it done, and says what became of it.
//
//	notify-next ──wake──► Serve ──start-next──► execution ──Check──► Run (one at a time, outlives connections)
//	                        ▲                       │ never here: REJECTED        │ outcome, durable
//	                        └── describe: withdrawn? ┴── update, expectedVersion ◄─┘
//
// It may import wire; what a job does is a Runner of the agent's. Serve works on one connection and never ends it: what
// goes wrong with a job is reported to the cloud and logged. Run does the work; it ends with the process, not with the
// connection. What is under way is kept by Journal before it begins, so that an execution the end of the process cut in
// two is taken up again where it stood, or given up after MaxAttempts.
//
// State, guarded by one mutex: the execution under way, the last ones done, the connection in use.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Conn is what jobs need of a connection (mqttlink.Conn).
type Conn interface {
	// Publish returns nil once this very connection has the PUBACK.
	Publish(ctx context.Context, topic string, qos byte, payload []byte) error
	// Subscribe returns nil once every filter is granted. The handler must not block.
	Subscribe(ctx context.Context, handler func(topic string, payload []byte), filters ...string) error
	// Lost is closed when the connection has ended.
	Lost() <-chan struct{}
}

// Runner does the work of one operation.
type Runner interface {
	// Check says why the document can never be worked on here; the execution is REJECTED then.
	Check(document json.RawMessage) error
	// Run does the work and returns what the cloud is told. An error makes the execution FAILED, which the cloud may try
	// again, unless it wraps ErrNever. When ctx ends because the process does, what Run returns is not reported: it is
	// called again after the next start, with Task.Step.
	Run(ctx context.Context, t *Task) (details map[string]string, err error)
	// Limit is how long Run may take.
	Limit() time.Duration
}

// Journal keeps a few hundred bytes over the end of the process.
type Journal interface {
	Load() ([]byte, error) // nil when nothing was saved yet
	Save([]byte) error     // durable when it returns
}

// Config of Jobs.
type Config struct {
	Thing      func() string     // the thing's name, asked at each connection
	Operations map[string]Runner // by the document's operation
	Journal    Journal
	Log        *slog.Logger
}

// Timing (spec/awsiot.md 7).
const (
	AnswerTimeout = 10 * time.Second
	RetryMin      = 10 * time.Second // a request that was not taken is made again after this long, then twice as long …
	RetryMax      = 640 * time.Second
	StepMargin    = 30 * time.Minute // the step timer is the operation's limit and this long for a connection to come back
	MaxAttempts   = 3                // a process that ends so often during one execution fails it
)

// Errors.
var (
	ErrNever    = errors.New("this unit can never do it") // wrapped by a Runner's error: REJECTED
	ErrNoAnswer = errors.New("the job service does not answer")
	ErrLost     = errors.New("the connection has ended")
	// ErrWithdrawn is the cause of a Runner's context when the cloud has taken the job back.
	ErrWithdrawn = errors.New("the job was cancelled")
	// ErrTooLong is the cause when the operation's limit is over.
	ErrTooLong = errors.New("it took too long")
)

// Task is one execution as its Runner sees it.
type Task struct {
	ID        string
	Execution int64
	Document  json.RawMessage
	Step      string // what Note kept before the process ended; empty the first time

	jobs *Jobs
}

// Note keeps how far the work has come, durably.
func (t *Task) Note(step string) error { return t.jobs.note(step) }

// Fresh asks for the document again: its presigned addresses are new then. It waits for a connection.
func (t *Task) Fresh(ctx context.Context) (json.RawMessage, error) { return t.jobs.fresh(ctx, t) }

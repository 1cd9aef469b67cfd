package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Jobs works on the jobs of one unit. Run runs once, Serve once per connection and never twice at a time.
type Jobs struct {
	cfg   Config
	begin chan *work

	mu      sync.Mutex
	kept    kept
	work    *work // of kept.Now, once it was begun in this process
	link    *session
	changed chan struct{} // closed when link changes
}

// work is one execution in this process.
type work struct {
	task   *Task
	run    Runner
	ctx    context.Context // ends when nobody wants it any more; the process's end is do's to see
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when Runner.Run has returned
}

// New reads what an earlier process left. What cannot be read is begun anew and told: the cloud knows what is pending.
func New(cfg Config) *Jobs {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	j := &Jobs{cfg: cfg, begin: make(chan *work), changed: make(chan struct{})}
	var err error
	if j.kept, err = load(cfg.Journal); err != nil {
		cfg.Log.Warn("jobs", slog.Any(logkey.Err, err))
	}
	return j
}

// Run does the work until ctx ends; what is under way then is taken up again by the next process.
func (j *Jobs) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-j.begin:
			j.do(ctx, w)
		}
	}
}

// do runs one execution and keeps its outcome.
func (j *Jobs) do(ctx context.Context, w *work) {
	defer close(w.done)
	defer w.cancel(nil)
	stop := context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })
	defer stop()
	limited, cancel := context.WithTimeoutCause(w.ctx, w.run.Limit(), ErrTooLong)
	defer cancel()
	began := time.Now()
	details, err := j.guarded(limited, w)
	cause := context.Cause(limited)
	switch {
	case ctx.Err() != nil && err != nil, errors.Is(cause, ErrWithdrawn):
		return // cut by the end of the process, or nobody asks any more
	case err != nil && errors.Is(cause, ErrTooLong):
		err = fmt.Errorf("%w: %w", ErrTooLong, err)
	}
	j.finish(details, err)
	j.cfg.Log.Info("job done", slog.String(logkey.Job, w.task.ID), slog.Any(logkey.Err, err), slog.Duration(logkey.Duration, time.Since(began)))
}

// guarded runs the work. A Runner that panics fails its job and nothing else: what is asked from far away must not end the
// process that pours.
func (j *Jobs) guarded(ctx context.Context, w *work) (details map[string]string, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.cfg.Log.Error("a job panicked", slog.String(logkey.Job, w.task.ID), slog.Any(logkey.Err, p), slog.String("stack", string(debug.Stack())))
			details, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return w.run.Run(ctx, w.task)
}

// finish keeps what became of the execution under way.
func (j *Jobs) finish(details map[string]string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.kept.Now
	if e == nil {
		return
	}
	e.Status, e.Details = wire.JobSucceeded, clip(details)
	if err != nil {
		e.Status = wire.JobFailed
		if errors.Is(err, ErrNever) {
			e.Status = wire.JobRejected
		}
		e.Details["reason"] = cut(err.Error())
	}
	if err := j.save(); err != nil { // reported all the same; after a crash it is done once more
		j.cfg.Log.Warn("jobs", slog.Any(logkey.Err, err))
	}
}

// Serve works on one connection until it is lost or ctx ends. It returns nil when the connection does not grant jobs:
// the rest of the unit goes on without.
func (j *Jobs) Serve(ctx context.Context, conn Conn) error {
	s, err := open(ctx, conn, j.cfg.Thing())
	if err != nil {
		if ended(ctx, conn) {
			return err
		}
		j.cfg.Log.Warn("no jobs on this connection", slog.Any(logkey.Err, err))
		return nil
	}
	j.attach(s)
	defer j.attach(nil)
	pause := RetryMin
	for {
		err := j.step(ctx, s)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case ended(ctx, conn):
			return ErrLost
		case err == nil:
			pause = RetryMin
			continue
		}
		j.cfg.Log.Warn("jobs", slog.Any(logkey.Err, err), slog.Duration("again_in", pause))
		if err := rest(ctx, conn, pause); err != nil {
			return err
		}
		pause = min(2*pause, RetryMax)
	}
}

func ended(ctx context.Context, conn Conn) bool {
	select {
	case <-conn.Lost():
		return true
	default:
		return ctx.Err() != nil
	}
}

func rest(ctx context.Context, conn Conn, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-conn.Lost():
		return ErrLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step does the next thing there is to do: see an execution through, or take the next one, or wait for one.
func (j *Jobs) step(ctx context.Context, s *session) error {
	if e, w := j.present(); e != nil {
		return j.see(ctx, s, *e, w)
	}
	ex, err := s.startNext(ctx, minutes(StepMargin))
	switch {
	case err != nil:
		return fmt.Errorf("begin the next job: %w", err)
	case ex != nil:
		return j.take(ctx, s, ex)
	}
	select {
	case <-s.next:
	case <-s.conn.Lost():
	case <-ctx.Done():
	}
	return nil
}

// Busy tells whether an execution is under way, or done and not reported yet.
func (j *Jobs) Busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept.Now != nil
}

// present is a copy of what is under way.
func (j *Jobs) present() (*entry, *work) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kept.Now == nil {
		return nil, nil
	}
	e := *j.kept.Now
	return &e, j.work
}

// see follows an execution to its end and reports it.
func (j *Jobs) see(ctx context.Context, s *session, e entry, w *work) error {
	ex, err := s.describe(ctx, e.ID, e.Number)
	switch {
	case err != nil:
		return fmt.Errorf("describe job %s: %w", e.ID, err)
	case ex == nil: // cancelled, deleted, timed out, or our report came through after all
		if w != nil {
			w.cancel(ErrWithdrawn)
			select {
			case <-w.done: // a Runner ends with its context
			case <-s.conn.Lost(): // one that does not must not keep the unit from connecting again
				return ErrLost
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		j.cfg.Log.Info("job is over for the cloud", slog.String(logkey.Job, e.ID))
		j.settle()
		return nil
	case e.Status == "" && w == nil: // an earlier process began it
		return j.take(ctx, s, ex)
	case e.Status == "":
		select {
		case <-w.done:
		case <-s.next: // perhaps it was cancelled
			return nil
		case <-s.conn.Lost():
			return ErrLost
		case <-ctx.Done():
			return ctx.Err()
		}
		done, _ := j.present()
		if done == nil || done.Status == "" { // the process ends
			select {
			case <-s.conn.Lost():
			case <-ctx.Done():
			}
			return nil
		}
		e = *done
	}
	return j.report(ctx, s, e, ex.VersionNumber)
}

// report sets the final status. The error says that it has to be tried again.
func (j *Jobs) report(ctx context.Context, s *session, e entry, version int64) error {
	up := wire.UpdateJob{Status: e.Status, StatusDetails: e.Details, ExpectedVersion: &version, ExecutionNumber: &e.Number}
	err := j.update(ctx, s, e.ID, up)
	if refused(err, wire.JobVersionMismatch) { // somebody else updated it meanwhile
		ex, derr := s.describe(ctx, e.ID, e.Number)
		if derr != nil || ex == nil {
			return derr // the next step sees that it is gone
		}
		up.ExpectedVersion = &ex.VersionNumber
		err = j.update(ctx, s, e.ID, up)
	}
	if err == nil || gone(err) {
		j.settle()
		return nil
	}
	return fmt.Errorf("report job %s: %w", e.ID, err)
}

// update reports, without details if the service does not like them.
func (j *Jobs) update(ctx context.Context, s *session, id string, up wire.UpdateJob) error {
	err := s.update(ctx, id, up)
	if refused(err, wire.JobInvalidRequest, wire.JobInvalidJSON) && len(up.StatusDetails) > 0 {
		j.cfg.Log.Error("the cloud refuses the details of a job", slog.String(logkey.Job, id), slog.Any(logkey.Err, err))
		up.StatusDetails = nil
		err = s.update(ctx, id, up)
	}
	return err
}

// refused says that the service refused with one of these codes.
func refused(err error, codes ...string) bool {
	var e *wire.JobError
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

// gone says that the service has nothing to update any more.
func gone(err error) bool {
	return refused(err, wire.JobNotFound, wire.JobTerminalState, wire.JobInvalidTransition)
}

// take begins an execution, or says at once what has to be said about it.
func (j *Jobs) take(ctx context.Context, s *session, ex *wire.JobExecution) error {
	e := entry{ID: ex.JobID, Number: ex.ExecutionNumber}
	j.mu.Lock()
	for _, d := range j.kept.Done {
		if d.is(e.ID, e.Number) { // again, after a restore: what was done is not done twice
			j.mu.Unlock()
			return j.settled(d)
		}
	}
	if now := j.kept.Now; now != nil && now.is(e.ID, e.Number) {
		e = *now
	}
	e.Attempts++
	j.kept.Now, j.work = &e, nil
	err := j.save()
	j.mu.Unlock()
	if err != nil {
		return err // nothing is begun that a crash would make us forget
	}
	doc, err := wire.DecodeJobDocument(ex.Document)
	run := j.cfg.Operations[doc.Operation]
	switch {
	case err != nil:
	case run == nil:
		err = fmt.Errorf("operation %q is not known", doc.Operation)
	default:
		err = run.Check(ex.Document)
	}
	if err != nil {
		j.cfg.Log.Warn("job rejected", slog.String(logkey.Job, e.ID), slog.Any(logkey.Err, err))
		j.finish(nil, fmt.Errorf("%w: %w", ErrNever, err))
		return nil
	}
	if e.Attempts > MaxAttempts {
		j.finish(map[string]string{"step": e.Step}, fmt.Errorf("the process ended %d times while it was done", e.Attempts-1))
		return nil
	}
	step := minutes(run.Limit() + StepMargin)
	err = j.update(ctx, s, e.ID, wire.UpdateJob{
		Status: wire.JobInProgress, StatusDetails: clip(map[string]string{"operation": doc.Operation, "step": e.Step}),
		ExpectedVersion: &ex.VersionNumber, ExecutionNumber: &e.Number, StepTimeout: &step,
	})
	if err != nil {
		j.undo(e)
		return fmt.Errorf("begin job %s: %w", e.ID, err) // the next try sees how it stands
	}
	return j.start(ctx, e, ex.Document, run)
}

// settled reports once more what was reported before.
func (j *Jobs) settled(d entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept.Now, j.work = &d, nil
	return j.save()
}

// undo takes back an attempt that did not begin.
func (j *Jobs) undo(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now := j.kept.Now; now != nil && now.is(e.ID, e.Number) {
		now.Attempts--
	}
}

func (j *Jobs) start(ctx context.Context, e entry, document json.RawMessage, run Runner) error {
	w := &work{run: run, done: make(chan struct{})}
	w.task = &Task{ID: e.ID, Execution: e.Number, Document: document, Step: e.Step, jobs: j}
	w.ctx, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx)) // it outlives the connection
	j.cfg.Log.Info("job begun", slog.String(logkey.Job, e.ID), slog.String(logkey.State, e.Step), slog.Int(logkey.Count, e.Attempts))
	select {
	case j.begin <- w:
	case <-ctx.Done():
		w.cancel(nil)
		j.undo(e)
		return ctx.Err()
	}
	j.mu.Lock()
	j.work = w
	j.mu.Unlock()
	return nil
}

func minutes(d time.Duration) int64 { return int64(math.Ceil(d.Minutes())) }

func (j *Jobs) attach(s *session) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.link = s
	close(j.changed)
	j.changed = make(chan struct{})
}

// fresh asks for the document of a task on whatever connection there is.
func (j *Jobs) fresh(ctx context.Context, t *Task) (json.RawMessage, error) {
	pause := RetryMin
	for {
		j.mu.Lock()
		s, changed := j.link, j.changed
		j.mu.Unlock()
		again := make(<-chan time.Time)
		if s != nil {
			ex, err := s.describe(ctx, t.ID, t.Execution)
			switch {
			case err == nil && ex == nil:
				return nil, ErrWithdrawn
			case err == nil:
				return ex.Document, nil
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			}
			again = time.After(pause)
			pause = min(2*pause, RetryMax)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

func refuse(code, format string, args ...any) *wire.JobError {
	return &wire.JobError{Code: code, Message: fmt.Sprintf(format, args...)}
}

func stateOf(e *store.JobExecution) *wire.JobExecutionState {
	return &wire.JobExecutionState{Status: e.Status, StatusDetails: e.Details, VersionNumber: e.Version}
}

// pending is GetPendingJobExecutions.
func (s *Service) pending(ctx context.Context, thing string) (*wire.PendingJobs, error) {
	out := &wire.PendingJobs{InProgress: []wire.JobSummary{}, Queued: []wire.JobSummary{}, Timestamp: time.Now().Unix()}
	return out, s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		list, err := tx.Pending(ctx, thing, maxListed)
		for i := range list {
			if list[i].Status == wire.JobInProgress {
				out.InProgress = append(out.InProgress, summary(&list[i]))
			} else {
				out.Queued = append(out.Queued, summary(&list[i]))
			}
		}
		return err
	})
}

// startNext is StartNextPendingJobExecution. An execution that is in progress is returned as it is.
func (s *Service) startNext(ctx context.Context, thing string, r wire.StartNextJob) (out *wire.JobAnswer, t *txn, err error) {
	if err := checkReport(r.StatusDetails, r.StepTimeout); err != nil {
		return nil, nil, err
	}
	t, err = s.change(ctx, func(t *txn) error {
		out = &wire.JobAnswer{Timestamp: t.now.Unix()}
		first, err := t.Pending(ctx, thing, 1)
		if err != nil || len(first) == 0 {
			return err
		}
		e := &first[0]
		if e.Status == wire.JobQueued {
			j, err := t.job(ctx, e.Job)
			if err != nil {
				return err
			}
			if r.StatusDetails != nil {
				e.Details = r.StatusDetails
			}
			setStep(e, t.now, r.StepTimeout)
			if err := t.move(ctx, j, e, wire.JobInProgress); err != nil {
				return err
			}
		}
		out.Execution, err = s.execution(ctx, t.JobsTx, e, true, t.now)
		return err
	})
	return out, t, err
}

// checkReport checks what a unit says of its progress.
func checkReport(details map[string]string, step *int64) error {
	if err := checkDetails(details); err != nil {
		return refuse(wire.JobInvalidRequest, "%s", err)
	}
	if step != nil && *step != noStep && (*step < 1 || *step > maxTimeout) {
		return refuse(wire.JobInvalidRequest, "stepTimeoutInMinutes is %d, 1 to %d or %d are allowed", *step, maxTimeout, noStep)
	}
	return nil
}

// noStep ends the step timer.
const noStep = -1

// setStep starts the step timer anew, or ends it; nil leaves it alone.
func setStep(e *store.JobExecution, now time.Time, minutes *int64) {
	switch {
	case minutes == nil:
	case *minutes == noStep:
		e.Step = 0
	default:
		e.Step = now.Add(time.Duration(*minutes) * time.Minute).UnixMilli()
	}
}

// find returns an execution a unit asks for.
func find(ctx context.Context, tx *store.JobsTx, thing, id string, number *int64) (*store.JobExecution, error) {
	n := int64(0)
	if number != nil {
		n = *number
	}
	if n < 0 {
		return nil, refuse(wire.JobInvalidRequest, "executionNumber is negative")
	}
	e, err := tx.Execution(ctx, id, thing, n)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(wire.JobNotFound, "Job execution not found: thing '%s', job '%s'", thing, id)
	}
	return &e, err
}

// describe is DescribeJobExecution; id may be wire.NextJob.
func (s *Service) describe(ctx context.Context, thing, id string, r wire.DescribeJob) (*wire.JobAnswer, error) {
	now := time.Now()
	out := &wire.JobAnswer{Timestamp: now.Unix()}
	if id != wire.NextJob && wire.CheckJobID(id) != nil {
		return nil, refuse(wire.JobInvalidRequest, "'%s' is no job id", id)
	}
	return out, s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		var e *store.JobExecution
		if id == wire.NextJob {
			first, err := tx.Pending(ctx, thing, 1)
			if err != nil || len(first) == 0 {
				return err
			}
			e = &first[0]
		} else {
			var err error
			if e, err = find(ctx, tx, thing, id, r.ExecutionNumber); err != nil {
				return err
			}
			if wire.JobTerminal(e.Status) {
				return refuse(wire.JobTerminalState, "Job execution is in the terminal state %s", e.Status)
			}
		}
		var err error
		out.Execution, err = s.execution(ctx, tx, e, r.IncludeDocument == nil || *r.IncludeDocument, now)
		return err
	})
}

// deviceMaySet are the states that a unit reports.
var deviceMaySet = map[string]bool{wire.JobInProgress: true, wire.JobSucceeded: true, wire.JobFailed: true, wire.JobRejected: true}

// update is UpdateJobExecution.
func (s *Service) update(ctx context.Context, thing, id string, r wire.UpdateJob) (out *wire.UpdatedJob, t *txn, err error) {
	switch {
	case wire.CheckJobID(id) != nil:
		return nil, nil, refuse(wire.JobInvalidRequest, "'%s' is no job id", id)
	case !deviceMaySet[r.Status]:
		return nil, nil, refuse(wire.JobInvalidRequest, "status '%s' cannot be set: IN_PROGRESS, SUCCEEDED, FAILED and REJECTED can", r.Status)
	}
	if err := checkReport(r.StatusDetails, r.StepTimeout); err != nil {
		return nil, nil, err
	}
	t, err = s.change(ctx, func(t *txn) error {
		out = &wire.UpdatedJob{Timestamp: t.now.Unix()}
		e, err := find(ctx, t.JobsTx, thing, id, r.ExecutionNumber)
		if err != nil {
			return err
		}
		if r.ExpectedVersion != nil && *r.ExpectedVersion != e.Version {
			refusal := refuse(wire.JobVersionMismatch, "Expected version %d but found version %d", *r.ExpectedVersion, e.Version)
			refusal.State = stateOf(e)
			return refusal
		}
		if wire.JobTerminal(e.Status) {
			refusal := refuse(wire.JobInvalidTransition, "A job execution in the terminal state %s cannot become %s", e.Status, r.Status)
			refusal.State = stateOf(e)
			return refusal
		}
		j, err := t.job(ctx, id)
		if err != nil {
			return err
		}
		if j.row.Status == Deletion {
			return refuse(wire.JobNotFound, "Job %s is being deleted", id)
		}
		if r.StatusDetails != nil {
			e.Details = r.StatusDetails
		}
		setStep(e, t.now, r.StepTimeout)
		if err := t.move(ctx, j, e, r.Status); err != nil {
			return err
		}
		if r.IncludeState {
			out.State = stateOf(e)
		}
		if r.IncludeDocument {
			out.Document, err = s.document(j, thing, e.Number)
		}
		return err
	})
	return out, t, err
}

// Data is the device's side over HTTPS (iot-jobs-data): the same engine as over MQTT, with documents as strings. Errors for
// the caller are *Error.
type Data struct{ s *Service }

// Data returns the device's side over HTTPS.
func (s *Service) Data() Data { return Data{s} }

// GetPendingJobExecutions lists what a thing has to do.
func (d Data) GetPendingJobExecutions(ctx context.Context, thing string) (out *wire.PendingJobs, err error) {
	err = d.ask(ctx, thing, opPending, func() error {
		if out, err = d.s.pending(ctx, thing); err == nil {
			out.Timestamp = 0
		}
		return err
	})
	return out, err
}

// StartNextPendingJobExecution begins the next execution.
func (d Data) StartNextPendingJobExecution(ctx context.Context, thing string, r StartNextRequest) (out *wire.JobAnswer, err error) {
	err = d.ask(ctx, thing, opStart, func() error {
		var t *txn
		if out, t, err = d.s.startNext(ctx, thing, r); err != nil {
			return err
		}
		d.s.tell(ctx, t, thing)
		out.Timestamp = 0
		return asString(out.Execution)
	})
	return out, err
}

// DescribeJobExecution tells one execution; id may be "$next".
func (d Data) DescribeJobExecution(ctx context.Context, thing, id string, r DescribeRequest) (out *wire.JobAnswer, err error) {
	err = d.ask(ctx, thing, opDescribe, func() error {
		if out, err = d.s.describe(ctx, thing, id, r); err != nil {
			return err
		}
		out.Timestamp = 0
		return asString(out.Execution)
	})
	return out, err
}

// UpdateJobExecution reports on an execution.
func (d Data) UpdateJobExecution(ctx context.Context, thing, id string, r UpdateRequest) (out *wire.UpdatedJob, err error) {
	var t *txn
	err = d.ask(ctx, thing, opUpdate, func() error {
		if out, t, err = d.s.update(ctx, thing, id, r); err != nil {
			return err
		}
		d.s.tell(ctx, t, thing)
		out.Timestamp = 0
		if len(out.Document) > 0 {
			out.Document, err = encode(string(out.Document))
		}
		return err
	})
	if err == nil {
		err = d.s.follows(ctx, t)
	}
	return out, err
}

// asString turns the document into a JSON string.
func asString(e *wire.JobExecution) (err error) {
	if e != nil && len(e.Document) > 0 {
		var b []byte
		b, err = encode(string(e.Document))
		e.Document = json.RawMessage(b)
	}
	return err
}

// exceptions names the refusals of the data plane as REST does.
var exceptions = map[string]Error{
	wire.JobInvalidRequest:    {Code: "InvalidRequestException", Status: 400},
	wire.JobInvalidJSON:       {Code: "InvalidRequestException", Status: 400},
	wire.JobNotFound:          {Code: "ResourceNotFoundException", Status: 404},
	wire.JobInvalidTransition: {Code: "InvalidStateTransitionException", Status: 409},
	wire.JobVersionMismatch:   {Code: "InvalidStateTransitionException", Status: 409}, // the API knows no other
	wire.JobTerminalState:     {Code: "TerminalStateException", Status: 410},
	wire.JobThrottled:         {Code: "ThrottlingException", Status: 429},
}

// ask runs one request of a thing under its lock.
func (d Data) ask(ctx context.Context, thing, op string, do func() error) error {
	err := func() error {
		if wire.CheckThing(thing) != nil {
			return refuse(wire.JobInvalidRequest, "'%s' is no thing name", thing)
		}
		return d.s.limited(ctx, thing, op, do)
	}()
	var refusal *wire.JobError
	if !errors.As(err, &refusal) {
		return err
	}
	e := exceptions[refusal.Code]
	e.Message = refusal.Message
	return &e
}

// Kinds of requests, each with its own rate.
const (
	opPending  = "GetPendingJobExecutions"
	opStart    = "StartNextPendingJobExecution"
	opDescribe = "DescribeJobExecution"
	opUpdate   = "UpdateJobExecution"
)

// limited runs one request of a thing that is registered, under its lock and within the rate of its kind.
func (s *Service) limited(ctx context.Context, thing, op string, do func() error) error {
	leave, ok := s.gate.Enter(op)
	if !ok {
		return refuse(wire.JobThrottled, "Rate exceeded")
	}
	defer leave()
	switch known, err := s.cfg.Fleet.HasThing(ctx, thing); {
	case err != nil:
		return err
	case !known:
		return refuse(wire.JobNotFound, "Thing %s does not exist", thing)
	}
	mu := s.locks.Of(thing)
	mu.Lock()
	defer mu.Unlock()
	return do()
}

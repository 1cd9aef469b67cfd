package jobs

import (
	"context"
	"errors"
	"strconv"
	"time"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

func processDetails(counts map[string]int64) ProcessDetails {
	return ProcessDetails{
		Canceled: counts[wire.JobCanceled], Succeeded: counts[wire.JobSucceeded], Failed: counts[wire.JobFailed], Rejected: counts[wire.JobRejected],
		Queued: counts[wire.JobQueued], InProgress: counts[wire.JobInProgress], Removed: counts[wire.JobRemoved], TimedOut: counts[wire.JobTimedOut],
	}
}

// executionStates are the states a list may be filtered by.
var executionStates = []string{
	wire.JobQueued, wire.JobInProgress, wire.JobSucceeded, wire.JobFailed, wire.JobTimedOut, wire.JobRejected, wire.JobRemoved, wire.JobCanceled,
}

// checkExecution checks the names of an execution.
func checkExecution(thing, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	return checkThing(thing)
}

func checkThing(thing string) error {
	if wire.CheckThing(thing) != nil {
		c := checker{}
		c.fault(thing, "thingName", "Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+ and have length between 1 and %d", wire.MaxThing)
		return c.err()
	}
	return nil
}

func noExecution(err error, thing, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing("Job execution of job %s on thing %s cannot be found", id, thing)
	}
	return err
}

// DescribeJobExecution is the control plane's; number 0 means the latest.
func (s *Service) DescribeJobExecution(ctx context.Context, thing, id string, number int64) (*ExecutionResponse, error) {
	if err := checkExecution(thing, id); err != nil {
		return nil, err
	}
	out := &ExecutionResponse{}
	err := s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		e, err := tx.Execution(ctx, id, thing, number)
		if err != nil {
			return noExecution(err, thing, id)
		}
		details := e.Details
		if details == nil {
			details = map[string]string{}
		}
		out.Execution = Execution{
			JobID: id, Status: e.Status, ForceCanceled: e.Forced, StatusDetails: Details{details}, ThingARN: s.thingARN(thing),
			QueuedAt: seconds(e.Queued), StartedAt: seconds(e.Started), UpdatedAt: seconds(e.Updated),
			ExecutionNumber: e.Number, VersionNumber: e.Version, SecondsBeforeTimedOut: timeLeft(&e, time.Now()),
		}
		return nil
	})
	return out, unwrap(err)
}

func summaryOf(e *store.JobExecution) ExecutionSummary {
	return ExecutionSummary{
		Status: e.Status, QueuedAt: seconds(e.Queued), StartedAt: seconds(e.Started), UpdatedAt: seconds(e.Updated),
		ExecutionNumber: e.Number, RetryAttempt: e.Attempt,
	}
}

// ListJobExecutionsForJob lists executions by thing.
func (s *Service) ListJobExecutionsForJob(ctx context.Context, id string, r ListExecutionsRequest) (*ExecutionsForJob, error) {
	c := checker{}
	if r.Status != "" {
		c.oneOf(r.Status, "status", executionStates...)
	}
	most, token, err := c.page(r.Max, r.Token, 2)
	if err != nil {
		return nil, err
	}
	thing, number := "", int64(0)
	if token != nil {
		thing = token[0]
		if number, err = strconv.ParseInt(token[1], 10, 64); err != nil {
			return nil, badToken()
		}
	}
	out := &ExecutionsForJob{Summaries: []SummaryForJob{}}
	err = s.read(ctx, id, func(tx *store.JobsTx, _ *job) error {
		list, err := tx.ExecutionsOfJob(ctx, id, r.Status, thing, number, most+1)
		if err != nil {
			return err
		}
		if len(list) > most {
			list = list[:most]
			last := &list[most-1]
			out.NextToken = makeToken(last.Thing, strconv.FormatInt(last.Number, 10))
		}
		for i := range list {
			out.Summaries = append(out.Summaries, SummaryForJob{s.thingARN(list[i].Thing), summaryOf(&list[i])})
		}
		return nil
	})
	return out, unwrap(err)
}

// ListJobExecutionsForThing lists executions, newest first.
func (s *Service) ListJobExecutionsForThing(ctx context.Context, thing string, r ListExecutionsRequest) (*ExecutionsForThing, error) {
	if err := checkThing(thing); err != nil {
		return nil, err
	}
	ok, err := s.cfg.Fleet.HasThing(ctx, thing)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing("Thing %s cannot be found", thing)
	}
	c := checker{}
	if r.Status != "" {
		c.oneOf(r.Status, "status", executionStates...)
	}
	most, token, err := c.page(r.Max, r.Token, 1)
	if err != nil {
		return nil, err
	}
	skip := 0
	if token != nil {
		if skip, err = strconv.Atoi(token[0]); err != nil || skip < 0 {
			return nil, badToken()
		}
	}
	out := &ExecutionsForThing{Summaries: []SummaryForThing{}}
	err = s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		list, err := tx.ExecutionsOfThing(ctx, thing, r.JobID, r.Status, skip, most+1)
		if err != nil {
			return err
		}
		if len(list) > most {
			list = list[:most]
			out.NextToken = makeToken(strconv.Itoa(skip + most))
		}
		for i := range list {
			out.Summaries = append(out.Summaries, SummaryForThing{list[i].Job, summaryOf(&list[i])})
		}
		return nil
	})
	return out, err
}

// alterExecution runs f on an execution that is there, in a transaction, and then does what the job has to do.
func (s *Service) alterExecution(ctx context.Context, thing, id string, number int64, f func(t *txn, j *job, e *store.JobExecution) error) error {
	if err := checkExecution(thing, id); err != nil {
		return err
	}
	t, err := s.change(ctx, func(t *txn) error {
		j, err := t.job(ctx, id)
		if err != nil {
			return noJob(err, id)
		}
		e, err := t.Execution(ctx, id, thing, number)
		if err != nil {
			return noExecution(err, thing, id)
		}
		return f(t, j, &e)
	})
	if err != nil {
		return unwrap(err)
	}
	s.tell(ctx, t, "")
	return s.follows(ctx, t)
}

// CancelJobExecution cancels one thing's execution.
func (s *Service) CancelJobExecution(ctx context.Context, thing, id string, r CancelExecutionRequest) error {
	if err := checkDetails(r.StatusDetails); err != nil {
		return invalid("%s", err)
	}
	return s.alterExecution(ctx, thing, id, 0, func(t *txn, j *job, e *store.JobExecution) error {
		switch {
		case r.ExpectedVersion != nil && *r.ExpectedVersion != e.Version:
			return &Error{Code: "VersionConflictException", Status: 409, Message: "Expected version " + strconv.FormatInt(*r.ExpectedVersion, 10) +
				" but found version " + strconv.FormatInt(e.Version, 10)}
		case wire.JobTerminal(e.Status):
			return noTransition("The job execution is in the terminal state %s", e.Status)
		case e.Status == wire.JobInProgress && !r.Force:
			return noTransition("The job execution is IN_PROGRESS: only force cancels it")
		}
		if r.StatusDetails != nil {
			e.Details = r.StatusDetails
		}
		e.Forced = r.Force
		return t.move(ctx, j, e, wire.JobCanceled)
	})
}

// DeleteJobExecution deletes one execution.
func (s *Service) DeleteJobExecution(ctx context.Context, thing, id string, number int64, force bool) error {
	if number < 1 {
		return invalid("executionNumber %d: it begins with 1", number)
	}
	return s.alterExecution(ctx, thing, id, number, func(t *txn, _ *job, e *store.JobExecution) error {
		if !wire.JobTerminal(e.Status) && !force {
			return noTransition("The job execution is %s: only force deletes it", e.Status)
		}
		return t.remove(ctx, e)
	})
}

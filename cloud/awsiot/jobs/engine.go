package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// record is what is kept of a job besides the columns of store.Job.
type record struct {
	CreateJobRequest
	ReasonCode string   `json:"reasonCode,omitempty"`
	Comment    string   `json:"comment,omitempty"`
	Forced     bool     `json:"forceCanceled,omitempty"`
	Progress   progress `json:"progress"`
}

// progress is how far the rollout is. Times are milliseconds since 1970.
type progress struct {
	Members bool   `json:"members,omitempty"` // who is meant was looked up
	Ended   bool   `json:"ended,omitempty"`   // the schedule's end has come
	Cancel  string `json:"cancel,omitempty"`  // executions are being canceled: cancelQueued or cancelAll

	Minute   int64   `json:"minute,omitempty"`   // start of the minute that is counted
	InMinute int64   `json:"inMinute,omitempty"` // things told since
	Notified int64   `json:"notified,omitempty"` // things told at all
	Rate     float64 `json:"rate,omitempty"`     // exponential: things a minute now
	StageN   int64   `json:"stageNotified,omitempty"`
	StageS   int64   `json:"stageSucceeded,omitempty"`
}

const (
	cancelQueued = "QUEUED"
	cancelAll    = "ALL"
)

// job is a job in a transaction.
type job struct {
	row  store.Job
	rec  record
	kept store.Job // row as it is stored
}

func decodeJob(row store.Job) (*job, error) {
	j := &job{row: row, kept: row}
	if err := json.Unmarshal(row.Body, &j.rec); err != nil {
		return nil, fmt.Errorf("stored job %s: %w", row.ID, err)
	}
	return j, nil
}

// active says whether executions may still be added.
func (j *job) active() bool { return j.row.Status == InProgress || j.row.Status == Scheduled }

// txn is one transaction. It notes whose pending executions change, so that they can be told afterwards.
type txn struct {
	*store.JobsTx
	now     time.Time
	arn     string // of Config
	jobs    map[string]*job
	changes map[string]*pendingChange
	order   []string        // things of changes, as they came
	settle  map[string]bool // jobs of which an execution ended
	advance []string        // jobs that have more to do at once
	events  []*event        // to publish
}

// pendingChange is what happened to a thing's pending executions.
type pendingChange struct {
	before front
	listed bool // one was added or removed
	next   bool // another one is first now
}

// front names the execution that comes next; the zero value is none.
type front struct {
	job    string
	number int64
}

func (t *txn) front(ctx context.Context, thing string) (front, error) {
	first, err := t.Pending(ctx, thing, 1)
	if err != nil || len(first) == 0 {
		return front{}, err
	}
	return front{first[0].Job, first[0].Number}, nil
}

// change runs f in one transaction and returns what changed. It is run again when another process was faster.
func (s *Service) change(ctx context.Context, f func(t *txn) error) (t *txn, err error) {
	const attempts = 5
	for range attempts {
		err = s.cfg.Store.ChangeJobs(ctx, func(tx *store.JobsTx) error {
			t = &txn{JobsTx: tx, now: time.Now(), arn: s.cfg.ARN, jobs: map[string]*job{}, changes: map[string]*pendingChange{}, settle: map[string]bool{}}
			if err := f(t); err != nil {
				return err
			}
			for id := range t.settle {
				if err := t.settleJob(ctx, id); err != nil {
					return err
				}
			}
			for thing, c := range t.changes {
				now, err := t.front(ctx, thing)
				if err != nil {
					return err
				}
				c.next = now != c.before
			}
			return nil
		})
		if !errors.Is(err, store.ErrVersion) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// touch notes a thing before its executions are changed.
func (t *txn) touch(ctx context.Context, thing string) (*pendingChange, error) {
	c := t.changes[thing]
	if c == nil {
		before, err := t.front(ctx, thing)
		if err != nil {
			return nil, err
		}
		c = &pendingChange{before: before}
		t.changes[thing], t.order = c, append(t.order, thing)
	}
	return c, nil
}

// job returns a job, the same one for each call of a transaction.
func (t *txn) job(ctx context.Context, id string) (*job, error) {
	if j := t.jobs[id]; j != nil {
		return j, nil
	}
	row, err := t.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	j, err := decodeJob(row)
	if err != nil {
		return nil, err
	}
	t.jobs[id] = j
	return j, nil
}

// save stores a job if it changed.
func (t *txn) save(ctx context.Context, j *job) error {
	body, err := encode(j.rec)
	if err != nil {
		return err
	}
	told := bytes.Equal(body, j.kept.Body) && j.row.Status == j.kept.Status // nothing new to whoever asks
	if told && j.row.Due == j.kept.Due && j.row.Completed == j.kept.Completed {
		return nil
	}
	if j.row.Body = body; !told {
		j.row.Updated = t.now.UnixMilli()
	}
	if err := t.UpdateJob(ctx, &j.row); err != nil {
		return err
	}
	j.kept = j.row
	return nil
}

// add queues an execution.
func (t *txn) add(ctx context.Context, j *job, thing string, attempt int64) error {
	c, err := t.touch(ctx, thing)
	if err != nil {
		return err
	}
	c.listed = true
	at := t.now.UnixMilli()
	return t.AddExecution(ctx, &store.JobExecution{
		Job: j.row.ID, JobN: j.row.N, Thing: thing, Status: wire.JobQueued, Attempt: attempt, Queued: at, Updated: at,
	})
}

// move brings an execution into a state; the same state means that only its details changed. It may queue a retry.
func (t *txn) move(ctx context.Context, j *job, e *store.JobExecution, status string) error {
	c, err := t.touch(ctx, e.Thing)
	if err != nil {
		return err
	}
	e.Updated = t.now.UnixMilli()
	if status == wire.JobInProgress && e.Status == wire.JobQueued {
		e.Started = e.Updated
		if m := j.inProgressMinutes(); m > 0 {
			e.Deadline = t.now.Add(time.Duration(m) * time.Minute).UnixMilli()
		}
	}
	if e.Status = status; !wire.JobTerminal(status) {
		return t.UpdateExecution(ctx, e)
	}
	e.Deadline, e.Step, c.listed = 0, 0, true
	if err := t.UpdateExecution(ctx, e); err != nil {
		return err
	}
	t.noteExecution(e, "")
	t.settle[j.row.ID] = true
	if e.Latest && j.retries(status) > e.Attempt && j.active() {
		return t.add(ctx, j, e.Thing, e.Attempt+1)
	}
	return nil
}

func (j *job) inProgressMinutes() int64 {
	if c := j.rec.Timeout; c != nil && c.InProgressMinutes != nil {
		return *c.InProgressMinutes
	}
	return 0
}

// retries is how often an execution that ended so is tried again.
func (j *job) retries(status string) int64 {
	if j.rec.Retry == nil || status != wire.JobFailed && status != wire.JobTimedOut {
		return 0
	}
	for _, c := range j.rec.Retry.Criteria {
		if c.FailureType == status || c.FailureType == failureAll {
			return *c.Retries
		}
	}
	return 0
}

// settleJob looks whether a job is over, or must be aborted, now that an execution ended.
func (t *txn) settleJob(ctx context.Context, id string) error {
	j, err := t.job(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted in this transaction
	}
	if err != nil {
		return err
	}
	if !j.active() {
		return nil
	}
	counts, err := t.CountExecutions(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case j.aborts(counts):
		j.rec.ReasonCode, j.rec.Comment = "ABORT_CRITERIA_MET", "The job was canceled because its abort criteria were met"
		j.cancel(t, cancelQueued)
		t.advance = append(t.advance, id)
	case j.over(counts):
		waiting, err := t.Waiting(ctx, id, 1)
		if err != nil || len(waiting) > 0 {
			return err
		}
		j.row.Status, j.row.Completed, j.row.Due = Completed, t.now.UnixMilli(), 0
		d := processDetails(counts)
		e := t.noteJob(j, Completed)
		e.CompletedAt, e.Details = j.row.Completed, &d
	default:
		return nil
	}
	return t.save(ctx, j)
}

// cancel makes a job canceled; its executions follow step by step.
func (j *job) cancel(t *txn, which string) {
	j.row.Status, j.rec.Progress.Cancel = Canceled, which
	if j.row.Completed == 0 {
		j.row.Completed = t.now.UnixMilli()
	}
	j.rec.Forced = j.rec.Forced || which == cancelAll
	j.row.Due = t.now.UnixMilli()
	t.noteJob(j, "CANCELLATION_IN_PROGRESS")
}

// over says whether nobody has to do anything any more and nobody will.
func (j *job) over(counts map[string]int64) bool {
	p := &j.rec.Progress
	return p.Members && (j.row.Selection == Snapshot || p.Ended) && counts[wire.JobQueued]+counts[wire.JobInProgress] == 0
}

// aborts applies the abort criteria to those that ended.
func (j *job) aborts(counts map[string]int64) bool {
	if j.rec.Abort == nil {
		return false
	}
	failed := map[string]int64{wire.JobFailed: counts[wire.JobFailed], wire.JobRejected: counts[wire.JobRejected], wire.JobTimedOut: counts[wire.JobTimedOut]}
	for _, n := range failed {
		failed[failureAll] += n
	}
	executed := counts[wire.JobSucceeded] + failed[wire.JobFailed] + failed[wire.JobRejected] + failed[wire.JobTimedOut]
	for _, c := range j.rec.Abort.Criteria {
		if n := failed[c.FailureType]; n > 0 && executed >= *c.MinExecuted && float64(n)*100 >= *c.Threshold*float64(executed) {
			return true
		}
	}
	return false
}

// encode writes JSON without escaping what only HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

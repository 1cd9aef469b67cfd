package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// chunk is how many executions one transaction makes, cancels or deletes: others want to write too.
const chunk = 200

// advanceAll does what a job has to do now.
func (s *Service) advanceAll(ctx context.Context, id string) error {
	for {
		more, err := s.advance(ctx, id)
		if err != nil || !more {
			return err
		}
	}
}

// advance does one step of what the clock or an operator wants of a job; more says that there is another step at once.
func (s *Service) advance(ctx context.Context, id string) (more bool, err error) {
	t, err := s.change(ctx, func(t *txn) error {
		more = false
		j, err := t.job(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case j.row.Status == Deletion:
			more, err = t.deleteSome(ctx, j)
		case j.rec.Progress.Cancel != "":
			more, err = t.cancelSome(ctx, j)
		case j.active():
			more, err = s.roll(ctx, t, j)
		default:
			j.row.Due = 0
			err = t.save(ctx, j)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	s.tell(ctx, t, "")
	return more || slices.Contains(t.advance, id), nil
}

// cancelSome cancels executions of a canceled job.
func (t *txn) cancelSome(ctx context.Context, j *job) (more bool, err error) {
	all := j.rec.Progress.Cancel == cancelAll
	open, err := t.Unfinished(ctx, j.row.ID, all, chunk)
	if err != nil {
		return false, err
	}
	for i := range open {
		open[i].Forced = open[i].Status == wire.JobInProgress
		if err := t.move(ctx, j, &open[i], wire.JobCanceled); err != nil {
			return false, err
		}
	}
	if more = len(open) == chunk; !more {
		j.rec.Progress.Cancel, j.row.Due = "", 0
		t.noteJob(j, Canceled)
		if err := t.ClearWaiting(ctx, j.row.ID); err != nil {
			return false, err
		}
	}
	return more, t.save(ctx, j)
}

// deleteSome deletes executions of a job that is being deleted, at last the job.
func (t *txn) deleteSome(ctx context.Context, j *job) (more bool, err error) {
	some, err := t.ExecutionsOfJob(ctx, j.row.ID, "", "", 0, chunk)
	if err != nil {
		return false, err
	}
	for i := range some {
		if err := t.remove(ctx, &some[i]); err != nil {
			return false, err
		}
	}
	if len(some) == chunk {
		return true, nil
	}
	t.noteJob(j, "DELETED")
	return false, t.DeleteJob(ctx, j.row.ID)
}

// remove deletes one execution.
func (t *txn) remove(ctx context.Context, e *store.JobExecution) error {
	c, err := t.touch(ctx, e.Thing)
	if err != nil {
		return err
	}
	c.listed = c.listed || !wire.JobTerminal(e.Status)
	t.noteExecution(e, "deleted")
	t.settle[e.Job] = true
	return t.DeleteExecution(ctx, e)
}

// roll follows the schedule of a job and tells the next things of it.
func (s *Service) roll(ctx context.Context, t *txn, j *job) (more bool, err error) {
	plan, err := parseSchedule(j.rec.Scheduling)
	if err != nil {
		return false, err
	}
	p := &j.rec.Progress
	if !plan.end.IsZero() && !t.now.Before(plan.end) && !p.Ended {
		p.Ended = true
		if plan.behavior != endStop {
			which := cancelQueued
			if plan.behavior == endForceCancel {
				which = cancelAll
			}
			j.cancel(t, which)
			return true, t.save(ctx, j)
		}
		if err := t.ClearWaiting(ctx, j.row.ID); err != nil {
			return false, err
		}
	}
	if p.Ended {
		p.Members = true // nobody is to come
		j.row.Status, j.row.Due = InProgress, 0
		t.settle[j.row.ID] = true
		return false, t.save(ctx, j)
	}
	open, turns := plan.open(t.now)
	if !p.Members && !t.now.Before(plan.start) {
		things, err := s.members(ctx, j.rec.Targets)
		if err != nil {
			return false, err
		}
		if err := t.AddWaiting(ctx, j.row.ID, things); err != nil {
			return false, err
		}
		p.Members = true
		t.settle[j.row.ID] = true // it may be nobody
	}
	due := turns
	if open {
		j.row.Status = InProgress
		var next time.Time
		if more, next, err = t.rollSome(ctx, j); err != nil {
			return false, err
		}
		due = earlier(due, next)
	}
	left, err := t.Waiting(ctx, j.row.ID, 1)
	if err != nil {
		return false, err
	}
	if !open && (!p.Members || len(left) > 0 || j.row.Selection == Continuous) {
		j.row.Status = Scheduled
	}
	if p.Members && len(left) == 0 && j.row.Selection == Snapshot {
		due = time.Time{} // windows do not matter any more
	}
	j.row.Due = millis(earlier(due, plan.end))
	return more, t.save(ctx, j)
}

// rollSome queues executions as fast as the rollout may go; next is when it may go on, zero when all are told.
func (t *txn) rollSome(ctx context.Context, j *job) (more bool, next time.Time, err error) {
	p := &j.rec.Progress
	if t.now.Sub(time.UnixMilli(p.Minute)) >= time.Minute {
		if err := t.speedUp(ctx, j); err != nil {
			return false, next, err
		}
		p.Minute, p.InMinute = t.now.UnixMilli(), 0
	}
	left := max(0, j.perMinute()-p.InMinute)
	n := min(left, chunk)
	some, err := t.Waiting(ctx, j.row.ID, int(n)+1) // one more tells whether there are more
	if err != nil {
		return false, next, err
	}
	rest := int64(len(some)) > n
	if rest {
		some = some[:n]
		more = left > n
		next = time.UnixMilli(p.Minute).Add(time.Minute)
	}
	for _, thing := range some {
		if err := t.add(ctx, j, thing, 0); err != nil {
			return false, next, err
		}
	}
	told := int64(len(some))
	p.InMinute, p.Notified = p.InMinute+told, p.Notified+told
	return more, next, t.DropWaiting(ctx, j.row.ID, some)
}

// perMinute is how many things may be told in this minute.
func (j *job) perMinute() int64 {
	most := int64(maxPerMinute)
	c := j.rec.Rollout
	if c == nil {
		return most
	}
	if c.MaximumPerMinute != nil {
		most = *c.MaximumPerMinute
	}
	if c.Exponential != nil {
		return min(most, int64(j.rec.Progress.Rate))
	}
	return most
}

// speedUp raises the rate of an exponential rollout each time that as many more things as its criteria say were told, or
// succeeded: with 1,000 at 1,000, 2,000, 3,000 in all.
func (t *txn) speedUp(ctx context.Context, j *job) error {
	p := &j.rec.Progress
	if j.rec.Rollout == nil || j.rec.Rollout.Exponential == nil {
		return nil
	}
	e := j.rec.Rollout.Exponential
	counts, err := t.CountExecutions(ctx, j.row.ID)
	if err != nil {
		return err
	}
	if p.Rate == 0 { // the rollout begins, or its settings are new
		p.Rate, p.StageN, p.StageS = float64(*e.BaseRatePerMinute), p.Notified, counts[wire.JobSucceeded]
		return nil
	}
	told := passes(&p.StageN, e.Criteria.Notified, p.Notified)
	succeeded := passes(&p.StageS, e.Criteria.Succeeded, counts[wire.JobSucceeded])
	if told || succeeded {
		p.Rate = min(p.Rate**e.IncrementFactor, maxPerMinute)
	}
	return nil
}

// passes tells whether n has come a step further than the mark, which it moves by the step.
func passes(mark, step *int64, n int64) bool {
	if step == nil || n-*mark < *step {
		return false
	}
	*mark += *step
	return true
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

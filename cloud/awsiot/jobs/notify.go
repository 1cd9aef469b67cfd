package jobs

import (
	"context"
	"errors"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// maxListed is how many pending executions a list shows; the rest is hidden.
const maxListed = 10

// tell publishes what a committed transaction changed: its events, notify when an execution was added to or removed from a
// thing's pending ones, notify-next when another one is first. What is published is read anew under the thing's lock, so
// that the last message is true whoever was faster. held is the thing whose lock the caller holds; empty when none.
func (s *Service) tell(ctx context.Context, t *txn, held string) {
	for _, thing := range t.order {
		if c := t.changes[thing]; c.listed || c.next {
			s.tellThing(ctx, thing, c, thing == held)
		}
	}
	if len(t.events) > 0 && s.cfg.Events != nil {
		s.tellEvents(ctx, t.events)
	}
	s.wakeUp()
}

// tellEvents publishes the events that are wanted.
func (s *Service) tellEvents(ctx context.Context, all []*event) {
	jobs, executions, err := s.cfg.Events(ctx)
	if err != nil {
		s.cfg.Log.Error("cannot read which events are wanted", logkey.Err, err)
		return
	}
	for _, e := range all {
		if e.ofExecution() && executions || !e.ofExecution() && jobs {
			s.publish(e.topic(), e)
		}
	}
}

func (s *Service) tellThing(ctx context.Context, thing string, c *pendingChange, held bool) {
	if !held {
		mu := s.locks.Of(thing)
		mu.Lock()
		defer mu.Unlock()
	}
	now := time.Now()
	list := wire.JobsChanged{Timestamp: now.Unix(), Jobs: map[string][]wire.JobSummary{}}
	next := wire.JobAnswer{Timestamp: now.Unix()}
	if err := s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		pending, err := tx.Pending(ctx, thing, maxListed)
		if err != nil {
			return err
		}
		for i := range pending {
			e := &pending[i]
			list.Jobs[e.Status] = append(list.Jobs[e.Status], summary(e))
		}
		if len(pending) == 0 || !c.next {
			return nil
		}
		next.Execution, err = s.execution(ctx, tx, &pending[0], true, now)
		return err
	}); err != nil {
		s.cfg.Log.Error("cannot tell a thing of its jobs", logkey.Thing, thing, logkey.Err, err)
		return
	}
	path := wire.Jobs(thing)
	if c.listed {
		s.publish(path.Notify(), list)
	}
	if c.next {
		s.publish(path.NotifyNext(), next)
	}
}

func (s *Service) publish(topic string, v any) {
	b, err := encode(v)
	if err != nil {
		s.cfg.Log.Error("cannot encode", logkey.Topic, topic, logkey.Err, err)
		return
	}
	s.cfg.Publish(topic, b)
}

func seconds(ms int64) int64 { return ms / 1000 }

func summary(e *store.JobExecution) wire.JobSummary {
	return wire.JobSummary{
		JobID: e.Job, QueuedAt: seconds(e.Queued), StartedAt: seconds(e.Started), LastUpdatedAt: seconds(e.Updated),
		VersionNumber: e.Version, ExecutionNumber: e.Number,
	}
}

// execution is an execution as a unit sees it, with the document if so asked.
func (s *Service) execution(ctx context.Context, tx *store.JobsTx, e *store.JobExecution, withDocument bool, now time.Time) (*wire.JobExecution, error) {
	x := &wire.JobExecution{
		JobSummary: summary(e), ThingName: e.Thing, Status: e.Status, StatusDetails: e.Details, SecondsBeforeTimedOut: timeLeft(e, now),
	}
	if !withDocument {
		return x, nil
	}
	row, err := tx.Job(ctx, e.Job)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(wire.JobNotFound, "Job %s does not exist", e.Job)
	}
	if err != nil {
		return nil, err
	}
	j, err := decodeJob(row)
	if err != nil {
		return nil, err
	}
	x.Document, err = s.document(j, e.Thing, e.Number)
	return x, err
}

// timeLeft is the time until an execution in progress times out; nil when no timer runs.
func timeLeft(e *store.JobExecution, now time.Time) *int64 {
	due := e.Due()
	if due == 0 {
		return nil
	}
	left := max(0, seconds(due-now.UnixMilli()))
	return &left
}

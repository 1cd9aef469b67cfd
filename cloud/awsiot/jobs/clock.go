package jobs

import (
	"context"
	"errors"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

const (
	// glance is how often Run looks whether who is in the fleet changed.
	glance = 5 * time.Second
	// look is how often it looks into the store for what another process put there.
	look = time.Minute
)

// revised is a Fleet that counts its changes; one that does not is asked by FleetChanged only.
type revised interface{ Revision() int64 }

// Run rolls jobs out, times executions out and follows schedules and groups until ctx ends. What is due is in the store: a
// process that starts goes on where the last one ended.
func (s *Service) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // when to look into the store
	seen := int64(-1)  // revision of the fleet
	for {
		woken := false
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			woken = true
		case <-timer.C:
		}
		var err error
		if now := time.Now(); woken || !now.Before(next) {
			var due time.Time
			if due, err = s.tick(ctx); err == nil {
				next = earlier(due, now.Add(look))
			}
		}
		if r, ok := s.cfg.Fleet.(revised); ok && err == nil && r.Revision() != seen {
			seen = r.Revision()
			if err = s.FleetChanged(ctx); err != nil {
				seen = -1
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		wait := min(glance, max(0, time.Until(next)))
		if err != nil {
			wait = glance
			s.cfg.Log.Error("jobs do not go on; trying again", logkey.Err, err)
		}
		timer.Reset(wait)
	}
}

// wakeUp makes Run look for what is due.
func (s *Service) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// tick does what is due and returns when the next thing is; zero when nothing is in sight.
func (s *Service) tick(ctx context.Context) (next time.Time, err error) {
	now := time.Now().UnixMilli()
	var jobs []string
	late := false // an execution is
	if err := s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) (err error) {
		if jobs, err = tx.DueJobs(ctx, now, chunk); err != nil {
			return err
		}
		due, err := tx.DueExecutions(ctx, now, 1)
		late = len(due) > 0
		return err
	}); err != nil {
		return next, err
	}
	var failed error
	for _, id := range jobs {
		failed = errors.Join(failed, s.advanceAll(ctx, id)) // one that cannot go on must not stop the others
	}
	for late {
		var err error
		late, err = s.timeOut(ctx)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return next, failed
	}
	err = s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		at, err := tx.NextDue(ctx)
		if at > 0 {
			next = time.UnixMilli(at)
		}
		return err
	})
	return next, err
}

// timeOut ends executions whose timer has ended; more says that there may be others.
func (s *Service) timeOut(ctx context.Context) (more bool, err error) {
	t, err := s.change(ctx, func(t *txn) error {
		due, err := t.DueExecutions(ctx, t.now.UnixMilli(), chunk)
		if err != nil {
			return err
		}
		more = len(due) == chunk
		for i := range due {
			j, err := t.job(ctx, due[i].Job)
			if err != nil {
				return err
			}
			if err := t.move(ctx, j, &due[i], wire.JobTimedOut); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	s.tell(ctx, t, "")
	return more, s.follows(ctx, t)
}

// follows goes on with the jobs that a transaction left with more to do.
func (s *Service) follows(ctx context.Context, t *txn) error {
	for _, id := range t.advance {
		if err := s.advanceAll(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

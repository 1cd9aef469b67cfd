package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inJobs runs f in one transaction of the jobs.
func inJobs(t *testing.T, s Store, f func(ctx context.Context, tx *JobsTx) error) {
	t.Helper()
	if err := s.ChangeJobs(t.Context(), func(tx *JobsTx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func contractJobs(t *testing.T, s Store) {
	ctx := t.Context()
	job := func(id, status, selection string) *Job {
		return &Job{ID: id, Status: status, Selection: selection, Created: 1, Updated: 1, Body: []byte(`{"a":1}`)}
	}
	inJobs(t, s, func(ctx context.Context, tx *JobsTx) error {
		for i, j := range []*Job{job("a", "IN_PROGRESS", "SNAPSHOT"), job("b", "CANCELED", "SNAPSHOT"), job("c", "IN_PROGRESS", "CONTINUOUS")} {
			if err := tx.CreateJob(ctx, j); err != nil || j.N != int64(i+1) || j.Version != 1 {
				return fmt.Errorf("%+v: %w", j, err)
			}
		}
		if err := tx.CreateJob(ctx, job("a", "IN_PROGRESS", "SNAPSHOT")); !errors.Is(err, ErrExists) {
			return fmt.Errorf("a second job of the same id: %w", err)
		}
		return nil
	})
	list := func(status, selection string, before int64, limit int) (ids []string) {
		t.Helper()
		if err := s.ReadJobs(ctx, func(tx *JobsTx) error {
			jobs, err := tx.ListJobs(ctx, status, selection, before, limit)
			for _, j := range jobs {
				ids = append(ids, j.ID)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	for _, tc := range []struct {
		name string
		got  []string
		want []string
	}{
		{"newest first", list("", "", 0, 9), []string{"c", "b", "a"}},
		{"by status", list("IN_PROGRESS", "", 0, 9), []string{"c", "a"}},
		{"by selection", list("IN_PROGRESS", "SNAPSHOT", 0, 9), []string{"a"}},
		{"the next page", list("", "", 2, 9), []string{"a"}},
		{"the first page", list("", "", 0, 2), []string{"c", "b"}},
	} {
		if x := cmp.Diff(tc.want, tc.got); x != "" {
			t.Errorf("%s: %s", tc.name, x)
		}
	}

	inJobs(t, s, func(ctx context.Context, tx *JobsTx) error {
		j, err := tx.Job(ctx, "a")
		if err != nil {
			return err
		}
		stale := j
		j.Status, j.Due, j.Body = "COMPLETED", 50, []byte("x")
		if err := tx.UpdateJob(ctx, &j); err != nil {
			return err
		}
		if err := tx.UpdateJob(ctx, &stale); !errors.Is(err, ErrVersion) {
			return fmt.Errorf("an update of what changed meanwhile: %w", err)
		}
		got, err := tx.Job(ctx, "a")
		if x := cmp.Diff(j, got); x != "" {
			return fmt.Errorf("%s %w", x, err)
		}
		if at, err := tx.NextDue(ctx); at != 50 || err != nil {
			return fmt.Errorf("next due %d: %w", at, err)
		}
		for now, want := range map[int64]int{49: 0, 50: 1} {
			if ids, err := tx.DueJobs(ctx, now, 9); len(ids) != want || err != nil {
				return fmt.Errorf("due at %d: %v %w", now, ids, err)
			}
		}
		if err := tx.AddWaiting(ctx, "a", []string{"u3", "u1", "u2", "u1"}); err != nil {
			return err
		}
		if err := tx.DropWaiting(ctx, "a", []string{"u1"}); err != nil {
			return err
		}
		if w, err := tx.Waiting(ctx, "a", 9); !cmp.Equal(w, []string{"u2", "u3"}) {
			return fmt.Errorf("waiting %v %w", w, err)
		}
		if err := tx.DeleteJob(ctx, "a"); err != nil {
			return err
		}
		if w, err := tx.Waiting(ctx, "a", 9); len(w) != 0 {
			return fmt.Errorf("waiting for a deleted job: %v %w", w, err)
		}
		if _, err := tx.Job(ctx, "a"); !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("a deleted job: %w", err)
		}
		return nil
	})

	boom := errors.New("boom")
	if err := s.ChangeJobs(ctx, func(tx *JobsTx) error { return errors.Join(tx.DeleteJob(ctx, "b"), boom) }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if got := list("", "", 0, 9); len(got) != 2 {
		t.Fatalf("a refused transaction left %v", got)
	}
}

func contractExecutions(t *testing.T, s Store) {
	add := func(ctx context.Context, tx *JobsTx, e JobExecution) (JobExecution, error) {
		e.Updated = e.Queued
		return e, tx.AddExecution(ctx, &e)
	}
	inJobs(t, s, func(ctx context.Context, tx *JobsTx) error {
		first, err := add(ctx, tx, JobExecution{Job: "a", JobN: 1, Thing: "u1", Status: "IN_PROGRESS", Queued: 30, Deadline: 500, Step: 400})
		if err != nil || first.Number != 1 || first.Version != 1 || !first.Latest {
			return fmt.Errorf("%+v %w", first, err)
		}
		for _, e := range []JobExecution{
			{Job: "c", JobN: 3, Thing: "u1", Status: "QUEUED", Queued: 10},
			{Job: "b", JobN: 2, Thing: "u1", Status: "QUEUED", Queued: 10},
			{Job: "a", JobN: 1, Thing: "u2", Status: "QUEUED", Queued: 30},
			{Job: "d", JobN: 4, Thing: "u1", Status: "FAILED", Queued: 5},
		} {
			if _, err := add(ctx, tx, e); err != nil {
				return err
			}
		}
		pending, err := tx.Pending(ctx, "u1", 9)
		if err != nil {
			return err
		}
		var order []string
		for _, e := range pending {
			order = append(order, e.Job)
		}
		if !cmp.Equal(order, []string{"a", "b", "c"}) {
			return fmt.Errorf("in progress, then as queued, then as made: %v", order)
		}
		if due, err := tx.DueExecutions(ctx, 399, 9); len(due) != 0 || err != nil {
			return fmt.Errorf("due too early: %v %w", due, err)
		}
		if due, err := tx.DueExecutions(ctx, 400, 9); len(due) != 1 || err != nil {
			return fmt.Errorf("the earlier timer counts: %v %w", due, err)
		}
		stale := first
		first.Status, first.Details, first.Forced, first.Step, first.Deadline, first.Started = "FAILED", map[string]string{"why": "ü"}, true, 0, 0, 31
		if err := tx.UpdateExecution(ctx, &first); err != nil || first.Version != 2 {
			return fmt.Errorf("%+v %w", first, err)
		}
		if err := tx.UpdateExecution(ctx, &stale); !errors.Is(err, ErrVersion) {
			return fmt.Errorf("an update of what changed meanwhile: %w", err)
		}
		if at, err := tx.NextDue(ctx); at != 0 || err != nil {
			return fmt.Errorf("a timer without an execution in progress: %d %w", at, err)
		}
		again, err := add(ctx, tx, JobExecution{Job: "a", JobN: 1, Thing: "u1", Status: "QUEUED", Attempt: 1, Queued: 40})
		if err != nil || again.Number != 2 {
			return fmt.Errorf("%+v %w", again, err)
		}
		if got, err := tx.Execution(ctx, "a", "u1", 0); got.Number != 2 || got.Attempt != 1 {
			return fmt.Errorf("latest: %+v %w", got, err)
		}
		first.Latest = false
		got, err := tx.Execution(ctx, "a", "u1", 1)
		if x := cmp.Diff(first, got); x != "" {
			return fmt.Errorf("%s %w", x, err)
		}
		counts, err := tx.CountExecutions(ctx, "a")
		if !cmp.Equal(counts, map[string]int64{"QUEUED": 2}) {
			return fmt.Errorf("only the latest counts: %v %w", counts, err)
		}
		if open, err := tx.Unfinished(ctx, "a", false, 9); len(open) != 2 || err != nil {
			return fmt.Errorf("unfinished: %v %w", open, err)
		}
		if page, err := tx.ExecutionsOfJob(ctx, "a", "", "u1", 1, 9); len(page) != 2 || page[0].Number != 2 || page[1].Thing != "u2" || err != nil {
			return fmt.Errorf("page: %+v %w", page, err)
		}
		if page, err := tx.ExecutionsOfThing(ctx, "u1", "", "", 1, 2); len(page) != 2 || page[0].Job != "a" || page[1].Job != "c" || err != nil {
			return fmt.Errorf("newest first, one left out: %+v %w", page, err)
		}
		if page, err := tx.ExecutionsOfThing(ctx, "u1", "a", "FAILED", 0, 9); len(page) != 1 || err != nil {
			return fmt.Errorf("by job and status: %+v %w", page, err)
		}
		if err := tx.DeleteExecution(ctx, &again); err != nil {
			return err
		}
		if got, err := tx.Execution(ctx, "a", "u1", 0); got.Number != 1 || !got.Latest || err != nil {
			return fmt.Errorf("the one before is the latest again: %+v %w", got, err)
		}
		return nil
	})
}

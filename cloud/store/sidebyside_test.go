package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
)

// contractSideBySide: what reads and then writes loses nothing to others who do the same at the same time.
func contractSideBySide(t *testing.T, s Store) {
	ctx := t.Context()
	if err := errors.Join(s.CreateThing(ctx, Thing{Name: "t", Created: 1}),
		s.CreateEntry(ctx, Entry{Kind: KindPolicy, Name: "p", Created: 1}, "{}")); err != nil {
		t.Fatal(err)
	}
	const workers, each = 6, 5
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				err := s.UpdateThing(ctx, "t", 0, func(t *Thing) error {
					n, _ := strconv.Atoi(t.Attributes["n"]) // none at first
					t.Attributes = map[string]string{"n": strconv.Itoa(n + 1)}
					return nil
				})
				if _, more := s.AddBody(ctx, KindPolicy, "p", "{}", false, 1); more != nil && !errors.Is(more, ErrLimit) {
					err = errors.Join(err, more)
				}
				if err = errors.Join(err, jobThatGoes(ctx, s, fmt.Sprintf("j%d", i), w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if th := must[Thing](t)(s.Thing(ctx, "t")); th.Attributes["n"] != strconv.Itoa(workers*each) || th.Version != workers*each+1 {
		t.Errorf("updates were lost: %+v", th)
	}
	if n := len(must[[]Body](t)(s.Bodies(ctx, KindPolicy, "p"))); n != MaxBodies {
		t.Errorf("%d versions", n)
	}
}

// jobThatGoes makes a job, or finds it made, and deletes it, or finds it gone.
func jobThatGoes(ctx context.Context, s Store, id string, w int) error {
	made := s.ChangeJobs(ctx, func(tx *JobsTx) error {
		return tx.CreateJob(ctx, &Job{ID: id, Status: "IN_PROGRESS", Selection: "SNAPSHOT", Created: int64(w), Body: []byte("{}")})
	})
	if errors.Is(made, ErrExists) {
		made = nil
	}
	return errors.Join(made, s.ChangeJobs(ctx, func(tx *JobsTx) error {
		j, err := tx.Job(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.DeleteJob(ctx, j.ID)
	}))
}

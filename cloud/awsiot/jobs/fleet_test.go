package jobs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

func TestSnapshotAndContinuous(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("snap", []string{"g:g"})
		r.create("cont", []string{"g:g"}, func(q *CreateJobRequest) { q.TargetSelection = Continuous })
		r.create("none", []string{"g:empty"})
		if j := r.job("none"); j.Status != Completed {
			t.Errorf("a snapshot of nobody: %+v", j)
		}
		for _, u := range []string{"u1", "u2", "u3"} {
			r.update(u, "snap", "SUCCEEDED")
			r.update(u, "cont", "SUCCEEDED")
		}
		if s, c := r.job("snap"), r.job("cont"); s.Status != Completed || c.Status != InProgress {
			t.Fatalf("%s %s", s.Status, c.Status)
		}
		r.news()
		r.fleet.change(func() { r.fleet.groups["g"] = []string{"u1", "u2", "u3", "u4", "u5"} })
		time.Sleep(glance)
		if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u4")); x != "" {
			t.Error(x)
		}
		if j := r.job("cont"); j.Details.Queued != 2 || j.Details.Succeeded != 3 {
			t.Errorf("%+v", j)
		}
		if got := r.accepted(wire.Jobs("u4").GetPending(), ""); len(got["queuedJobs"].([]any)) != 1 || path(got, "queuedJobs", 0, "jobId") != "cont" {
			t.Errorf("%v", got)
		}
		// Leaving the group removes what is not finished; who comes again gets it again.
		r.fleet.change(func() { r.fleet.groups["g"] = []string{"u2", "u3", "u5"} })
		if err := r.FleetChanged(t.Context()); err != nil {
			t.Fatal(err)
		}
		if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u4")); x != "" {
			t.Error(x)
		}
		if j := r.job("cont"); j.Details.Removed != 1 || j.Details.Queued != 1 || j.Details.Succeeded != 3 {
			t.Errorf("%+v", j)
		}
		r.fleet.change(func() { r.fleet.groups["g"] = []string{"u1", "u2", "u3", "u4", "u5"} })
		time.Sleep(glance)
		synctest.Wait()
		if e := r.executionOf("u4", "cont"); e.Status != "QUEUED" || e.ExecutionNumber != 2 {
			t.Errorf("%+v", e)
		}
		if e := r.executionOf("u1", "cont"); e.Status != "SUCCEEDED" {
			t.Errorf("who succeeded is done: %+v", e)
		}
	})
}

// TestDeletedThing: its executions are removed, and a job that waited for it only is over.
func TestDeletedThing(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("j", []string{"u1", "u2"}, func(q *CreateJobRequest) { q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)} })
		r.update("u1", "j", "SUCCEEDED")
		r.create("k", []string{"u3"})
		r.fleet.change(func() { delete(r.fleet.things, "u2"); delete(r.fleet.things, "u3") })
		time.Sleep(glance)
		synctest.Wait()
		if j := r.job("j"); j.Status != Completed || j.Details.Succeeded != 1 {
			t.Errorf("%+v", j)
		}
		if j := r.job("k"); j.Status != Completed || j.Details.Removed != 1 {
			t.Errorf("%+v", j)
		}
	})
}

func TestAssociateTargets(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.fleet.change(func() { r.fleet.groups["h"] = []string{"u4", "u1"} })
		h := AssociateTargetsRequest{Targets: []string{arn + "thinggroup/h"}, Comment: "more"}
		r.create("snap", []string{"u1"})
		r.create("cont", []string{"g:g"}, func(q *CreateJobRequest) { q.TargetSelection = Continuous })
		_, err := r.AssociateTargetsWithJob(ctx, "snap", h)
		wantError(t, err, "InvalidRequestException", "CONTINUOUS")
		_, err = r.AssociateTargetsWithJob(ctx, "cont", AssociateTargetsRequest{Targets: []string{arn + "thing/u4"}})
		wantError(t, err, "InvalidRequestException", "thing/u4")
		ref, err := r.AssociateTargetsWithJob(ctx, "cont", h)
		if err != nil || ref.ARN != arn+"job/cont" {
			t.Fatal(ref, err)
		}
		if j := r.job("cont"); j.Details.Queued != 4 || len(j.Targets) != 2 || j.Comment != "more" {
			t.Errorf("%+v", j)
		}
	})
}

package jobs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

func TestSchedule(t *testing.T) {
	when := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04") }
	t.Run("start and completion", func(t *testing.T) {
		virtually(t, func(t *testing.T, r *rig) {
			r.create("j", []string{"g:g"}, func(q *CreateJobRequest) { q.Scheduling = &SchedulingConfig{StartTime: when(time.Hour)} })
			if j := r.job("j"); j.Status != Scheduled || j.Details.Queued != 0 || r.news() != nil {
				t.Fatalf("%+v", j)
			}
			wantError(t, r.DeleteJob(t.Context(), "j", false), "InvalidStateTransitionException", "SCHEDULED")
			r.fleet.change(func() { r.fleet.groups["g"] = []string{"u1", "u4"} }) // the snapshot is taken at the start
			time.Sleep(time.Hour - time.Second)
			if j := r.job("j"); j.Status != Scheduled {
				t.Fatalf("too early: %+v", j)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if j := r.job("j"); j.Status != InProgress || j.Details.Queued != 2 {
				t.Fatalf("%+v", j)
			}
			r.update("u1", "j", "SUCCEEDED")
			r.update("u4", "j", "SUCCEEDED")
			if j := r.job("j"); j.Status != Completed {
				t.Errorf("%+v", j)
			}
		})
	})
	for _, tc := range []struct {
		behavior string
		status   string
		details  ProcessDetails
	}{
		{"", InProgress, ProcessDetails{Queued: 1, InProgress: 1}},
		{endStop, InProgress, ProcessDetails{Queued: 1, InProgress: 1}},
		{endCancel, Canceled, ProcessDetails{Canceled: 1, InProgress: 1}},
		{endForceCancel, Canceled, ProcessDetails{Canceled: 2}},
	} {
		t.Run("end "+tc.behavior, func(t *testing.T) {
			virtually(t, func(t *testing.T, r *rig) {
				r.create("j", []string{"u1", "u2", "u3"}, func(q *CreateJobRequest) {
					q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)}
					q.Scheduling = &SchedulingConfig{EndTime: when(30 * time.Minute), EndBehavior: tc.behavior}
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				r.accepted(wire.Jobs("u1").StartNext(), "")
				// Keep the third from being told before the end.
				if err := r.UpdateJob(t.Context(), "j", Settings{Rollout: &RolloutConfig{MaximumPerMinute: ptr[int64](1)}}); err != nil {
					t.Fatal(err)
				}
				r.fleet.change(func() { delete(r.fleet.things, "u3") })
				time.Sleep(31 * time.Minute)
				synctest.Wait()
				j := r.job("j")
				j.Details.ProcessingTargets = nil
				if x := cmp.Diff(tc.details, j.Details); x != "" || j.Status != tc.status {
					t.Fatalf("%s %s", j.Status, x)
				}
				if tc.status == InProgress { // who was told may go on, then it is over
					r.update("u1", "j", "SUCCEEDED")
					r.update("u2", "j", "FAILED")
					if j := r.job("j"); j.Status != Completed {
						t.Errorf("%+v", j)
					}
				}
			})
		})
	}
	t.Run("end of a continuous job", func(t *testing.T) {
		virtually(t, func(t *testing.T, r *rig) {
			r.create("j", []string{"g:g"}, func(q *CreateJobRequest) {
				q.TargetSelection, q.Scheduling = Continuous, &SchedulingConfig{EndTime: when(30 * time.Minute)}
			})
			for _, u := range []string{"u1", "u2", "u3"} {
				r.update(u, "j", "SUCCEEDED")
			}
			time.Sleep(31 * time.Minute)
			synctest.Wait()
			r.fleet.change(func() { r.fleet.groups["g"] = append(r.fleet.groups["g"], "u4") })
			time.Sleep(glance)
			synctest.Wait()
			if j := r.job("j"); j.Status != Completed || j.Details.Succeeded != 3 || j.Details.Queued != 0 {
				t.Errorf("%+v", j)
			}
		})
	})
}

func TestMaintenanceWindows(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) { // a bubble begins at midnight of 1 January 2000, a Saturday
		r.create("j", []string{"g:g"}, func(q *CreateJobRequest) {
			q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)}
			q.Scheduling = &SchedulingConfig{Windows: []MaintenanceWindow{{"cron(0 3 * * ? *)", ptr[int64](2)}}}
		})
		j := r.job("j")
		if j.Status != Scheduled || len(j.Rollouts) != 7 || j.Rollouts[0].StartTime != "2000-01-01T03:00Z" || j.Rollouts[6].StartTime != "2000-01-07T03:00Z" {
			t.Fatalf("%+v", j)
		}
		for _, step := range []struct {
			sleep  time.Duration
			status string
			told   int64
		}{
			{3*time.Hour - time.Second, Scheduled, 0},
			{2 * time.Second, InProgress, 1},
			{time.Minute, InProgress, 2},
			{time.Minute, Scheduled, 2},
			{20 * time.Hour, Scheduled, 2},
			{4 * time.Hour, InProgress, 3},
		} {
			time.Sleep(step.sleep)
			synctest.Wait()
			if j := r.job("j"); j.Status != step.status || j.Details.Queued != step.told {
				t.Fatalf("%s: %s, %d told, want %+v", time.Now(), j.Status, j.Details.Queued, step)
			}
		}
		for _, u := range []string{"u1", "u2", "u3"} {
			r.update(u, "j", "SUCCEEDED")
		}
		if j := r.job("j"); j.Status != Completed {
			t.Errorf("%+v", j)
		}
	})
}

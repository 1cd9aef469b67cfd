package jobs

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

func TestCreateJobRefusals(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("there", []string{"u1"})
		hundred := make([]string, 101)
		for i := range hundred {
			hundred[i] = "u1"
		}
		for _, tc := range []struct {
			name        string
			q           CreateJobRequest
			code, place string
		}{
			{"id", newJob("a b", []string{"u1"}), "InvalidRequestException", "'jobId'"},
			{"id of 65", newJob(strings.Repeat("j", 65), []string{"u1"}), "InvalidRequestException", "'jobId'"},
			{"no targets", newJob("j", nil), "InvalidRequestException", "'targets'"},
			{"101 targets", newJob("j", hundred), "LimitExceededException", "101"},
			{"unknown thing", newJob("j", []string{"nobody"}), "ResourceNotFoundException", "nobody"},
			{"unknown group", newJob("j", []string{"g:nobody"}), "ResourceNotFoundException", "nobody"},
			{"another account", newJob("j", nil, func(q *CreateJobRequest) { q.Targets = []string{"arn:aws:iot:eu-west-1:000000000000:thing/u1"} }), "InvalidRequestException", "000000000000"},
			{"no ARN", newJob("j", nil, func(q *CreateJobRequest) { q.Targets = []string{"u1"} }), "InvalidRequestException", "u1"},
			{"selection", newJob("j", []string{"u1"}, func(q *CreateJobRequest) { q.TargetSelection = "SOMETIMES" }), "InvalidRequestException", "'targetSelection'"},
			{"no document", newJob("j", []string{"u1"}, func(q *CreateJobRequest) { q.Document = "" }), "InvalidRequestException", "documentSource"},
			{"two documents", newJob("j", []string{"u1"}, func(q *CreateJobRequest) { q.DocumentSource = "https://s3.amazonaws.com/docs/reboot.json" }), "InvalidRequestException", "documentSource"},
			{"no such source", newJob("j", []string{"u1"}, func(q *CreateJobRequest) {
				q.Document, q.DocumentSource = "", "https://s3.amazonaws.com/docs/none.json"
			}), "InvalidRequestException", "documentSource"},
			{"template", newJob("j", []string{"u1"}, func(q *CreateJobRequest) { q.TemplateARN = arn + "jobtemplate/x" }), "ResourceNotFoundException", "jobtemplate/x"},
			{"there already", newJob("there", []string{"u1"}), "ResourceAlreadyExistsException", "there"},
		} {
			_, err := r.CreateJob(t.Context(), tc.q)
			if err == nil {
				t.Errorf("%s: taken", tc.name)
				continue
			}
			wantError(t, err, tc.code, tc.place)
		}
		list, err := r.ListJobs(t.Context(), ListJobsRequest{})
		if err != nil || len(list.Jobs) != 1 {
			t.Errorf("a refusal left a job: %+v %v", list, err)
		}
	})
}

func TestDescribeJob(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		now := time.Now().Unix()
		ref, err := r.CreateJob(t.Context(), newJob("j", []string{"u1", "g:g"}, func(q *CreateJobRequest) {
			q.Document, q.DocumentSource, q.Description = "", "https://docs.s3.eu-west-1.amazonaws.com/reboot.json", "reboot"
			q.Timeout = &TimeoutConfig{ptr[int64](5)}
		}))
		if x := cmp.Diff(&JobRef{ARN: arn + "job/j", JobID: "j", Description: "reboot"}, ref); x != "" || err != nil {
			t.Fatal(x, err)
		}
		got, err := r.DescribeJob(t.Context(), "j")
		if err != nil {
			t.Fatal(err)
		}
		want := &DescribeJobResponse{
			DocumentSource: "https://docs.s3.eu-west-1.amazonaws.com/reboot.json",
			Job: Job{
				ARN: arn + "job/j", JobID: "j", TargetSelection: Snapshot, Status: InProgress, Targets: []string{arn + "thing/u1", arn + "thinggroup/g"},
				Settings:  Settings{Description: "reboot", Presigned: &PresignedURL{}, Rollout: &RolloutConfig{}, Timeout: &TimeoutConfig{ptr[int64](5)}},
				CreatedAt: now, UpdatedAt: now, Details: ProcessDetails{Queued: 3},
			},
		}
		if x := cmp.Diff(want, got); x != "" {
			t.Error(x)
		}
		if doc, err := r.GetJobDocument(t.Context(), "j"); doc != `{"op":"reboot"}` || err != nil {
			t.Error(doc, err)
		}
		for _, err := range []error{
			func() error { _, err := r.DescribeJob(t.Context(), "none"); return err }(),
			func() error { _, err := r.GetJobDocument(t.Context(), "none"); return err }(),
			func() error { _, err := r.CancelJob(t.Context(), "none", CancelJobRequest{}); return err }(),
			r.DeleteJob(t.Context(), "none", true),
			r.UpdateJob(t.Context(), "none", Settings{Description: "x"}),
			func() error {
				_, err := r.ListJobExecutionsForJob(t.Context(), "none", ListExecutionsRequest{})
				return err
			}(),
			func() error {
				_, err := r.ListJobExecutionsForThing(t.Context(), "none", ListExecutionsRequest{})
				return err
			}(),
			func() error { _, err := r.DescribeJobExecution(t.Context(), "u9", "j", 0); return err }(),
			r.CancelJobExecution(t.Context(), "u9", "j", CancelExecutionRequest{}),
			r.DeleteJobExecution(t.Context(), "u1", "j", 2, true),
		} {
			wantError(t, err, "ResourceNotFoundException", "cannot be found")
		}
	})
}

func TestRolloutRates(t *testing.T) {
	many := func(r *rig, n int) {
		r.fleet.change(func() {
			r.fleet.groups["many"] = nil
			for i := range n {
				name := fmt.Sprintf("m%04d", i)
				r.fleet.things[name] = true
				r.fleet.groups["many"] = append(r.fleet.groups["many"], name)
			}
		})
	}
	for _, tc := range []struct {
		name   string
		n      int
		cfg    *RolloutConfig
		during func(r *rig, minute int)
		want   []int64 // things told after each minute
	}{
		{"constant", 25, &RolloutConfig{MaximumPerMinute: ptr[int64](10)}, nil, []int64{10, 20, 25, 25}},
		{"as fast as can be", 450, nil, nil, []int64{450}},
		{"1000 a minute", 1100, nil, nil, []int64{1000, 1100}},
		{
			"by notified things", 60, &RolloutConfig{Exponential: &ExponentialRate{ptr[int64](5), ptr(2.0), &RateCriteria{Notified: ptr[int64](10)}}}, nil,
			[]int64{5, 10, 20, 40, 60}, // 5, 5, then 10 (10 told at 5), 20 (10 told at 10), 40
		},
		{
			"the maximum caps it", 40, &RolloutConfig{MaximumPerMinute: ptr[int64](8), Exponential: &ExponentialRate{ptr[int64](5), ptr(2.0), &RateCriteria{Notified: ptr[int64](5)}}}, nil,
			[]int64{5, 13, 21, 29},
		},
		{
			"fractions are not lost", 30, &RolloutConfig{Exponential: &ExponentialRate{ptr[int64](2), ptr(1.2), &RateCriteria{Notified: ptr[int64](1)}}}, nil,
			[]int64{2, 4, 6, 9, 13}, // 2, 2.4, 2.88, 3.456, 4.147
		},
		{
			"by succeeded things", 60, &RolloutConfig{Exponential: &ExponentialRate{ptr[int64](5), ptr(2.0), &RateCriteria{Succeeded: ptr[int64](3)}}},
			func(r *rig, minute int) {
				if minute == 2 {
					for i := range 3 {
						r.update(fmt.Sprintf("m%04d", i), "j", "SUCCEEDED")
					}
				}
			},
			[]int64{5, 10, 15, 25, 35},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			virtually(t, func(t *testing.T, r *rig) {
				many(r, tc.n)
				r.create("j", []string{"g:many"}, func(q *CreateJobRequest) { q.Rollout = tc.cfg })
				for minute, want := range tc.want {
					synctest.Wait()
					j := r.job("j")
					if got := j.Details.Queued + j.Details.Succeeded; got != want {
						t.Fatalf("minute %d: %d told, want %d", minute, got, want)
					}
					if busy := want < int64(tc.n); j.Concurrent != busy || (j.Details.ProcessingTargets != nil) != busy {
						t.Errorf("minute %d: concurrent %v, targets %v", minute, j.Concurrent, j.Details.ProcessingTargets)
					}
					if tc.during != nil {
						tc.during(r, minute)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// TestRestart: what the clock has to do is in the store.
func TestRestart(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("j", []string{"g:g"}, func(q *CreateJobRequest) {
			q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)}
			q.Timeout = &TimeoutConfig{ptr[int64](3)}
		})
		r.accepted(wire.Jobs("u1").StartNext(), "")
		r.stop()
		time.Sleep(10 * time.Minute)
		if j := r.job("j"); j.Details.InProgress != 1 || j.Details.Queued != 0 {
			t.Fatalf("%+v", j)
		}
		r.news()
		r.start()
		if j := r.job("j"); j.Details.TimedOut != 1 || j.Details.Queued != 1 {
			t.Fatalf("%+v", j)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if j := r.job("j"); j.Details.Queued != 2 {
			t.Fatalf("%+v", j)
		}
		topics := map[string]int{}
		for _, m := range r.news() {
			topics[m.topic]++
		}
		want := map[string]int{}
		for _, u := range []string{"u1", "u2", "u3"} {
			want[wire.Jobs(u).Notify()], want[wire.Jobs(u).NotifyNext()] = 1, 1
		}
		if x := cmp.Diff(want, topics); x != "" {
			t.Error(x)
		}
	})
}

// TestTwoProcesses: two services on one store tell each thing once.
func TestTwoProcesses(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		other := &rig{t: t, db: r.db, fleet: r.fleet}
		other.start()
		defer func() { other.stop() }()
		r.create("j", []string{"g:g"}, func(q *CreateJobRequest) { q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)} })
		time.Sleep(5 * time.Minute)
		if j := other.job("j"); j.Details.Queued != 3 {
			t.Fatalf("%+v", j)
		}
		other.update("u1", "j", "SUCCEEDED")
		r.update("u2", "j", "SUCCEEDED")
		other.update("u3", "j", "SUCCEEDED")
		if j := r.job("j"); j.Status != Completed || j.Details.Succeeded != 3 {
			t.Fatalf("%+v", j)
		}
		n := 0
		for _, m := range append(r.news(), other.news()...) {
			if m.topic == wire.Jobs("u3").Notify() {
				n++
			}
		}
		if n != 2 { // added, removed
			t.Errorf("u3 was told %d times", n)
		}
	})
}

func TestAbort(t *testing.T) {
	criterion := func(kind string, percent float64, least int64) func(*CreateJobRequest) {
		return func(q *CreateJobRequest) {
			q.Abort = &AbortConfig{[]AbortCriterion{{kind, "CANCEL", &percent, &least}}}
		}
	}
	for _, tc := range []struct {
		name    string
		c       func(*CreateJobRequest)
		reports string // S F R of u1, u2 …
		after   int    // report after which it is canceled; 0 never
	}{
		{"too few executed", criterion("FAILED", 10, 4), "FFF", 0},
		{"at the threshold", criterion("FAILED", 50, 4), "SSFF", 4},
		{"below the threshold", criterion("FAILED", 50.01, 4), "SSFF", 0},
		{"another kind", criterion("REJECTED", 10, 1), "FFF", 0},
		{"rejected", criterion("REJECTED", 30, 2), "SSR", 3},
		{"all kinds together", criterion("ALL", 100, 3), "FRF", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			virtually(t, func(t *testing.T, r *rig) {
				r.create("j", []string{"u1", "u2", "u3", "u4", "u5", "u6"}, tc.c)
				r.accepted(wire.Jobs("u6").StartNext(), "")
				r.news()
				for i, c := range tc.reports {
					r.update(fmt.Sprintf("u%d", i+1), "j", map[rune]string{'S': "SUCCEEDED", 'F': "FAILED", 'R': "REJECTED"}[c])
					if got := r.job("j").Status == Canceled; got != (tc.after == i+1) {
						t.Fatalf("after report %d: %+v", i+1, r.job("j"))
					}
				}
				if tc.after == 0 {
					return
				}
				j := r.job("j")
				if want := int64(5 - tc.after); j.Details.Canceled != want || j.Details.InProgress != 1 || j.CompletedAt == 0 || j.Comment == "" {
					t.Errorf("%+v", j)
				}
				if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u5")); x != "" {
					t.Error(x)
				}
				r.update("u6", "j", "SUCCEEDED") // what is in progress may end
			})
		})
	}
}

func TestCancelJob(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		b := wire.Jobs("u1")
		r.create("j", []string{"g:g"})
		r.accepted(b.StartNext(), "")
		_, err := r.CancelJob(t.Context(), "j", CancelJobRequest{ReasonCode: "lower", Comment: strings.Repeat("c", 2029)})
		wantError(t, err, "InvalidRequestException", "reasonCode")
		wantError(t, err, "InvalidRequestException", "comment")
		ref, err := r.CancelJob(t.Context(), "j", CancelJobRequest{ReasonCode: "WRONG_1", Comment: "oops"})
		if err != nil || ref.JobID != "j" {
			t.Fatal(ref, err)
		}
		j := r.job("j")
		if j.Status != Canceled || j.ReasonCode != "WRONG_1" || j.Comment != "oops" || j.ForceCanceled || j.Details.Canceled != 2 || j.Details.InProgress != 1 || j.Concurrent {
			t.Errorf("%+v", j)
		}
		if e := r.executionOf("u2", "j"); e.Status != "CANCELED" || e.ForceCanceled || e.VersionNumber != 2 {
			t.Errorf("%+v", e)
		}
		_, err = r.CancelJob(t.Context(), "j", CancelJobRequest{})
		wantError(t, err, "InvalidRequestException", "CANCELED")
		r.news()
		if _, err := r.CancelJob(t.Context(), "j", CancelJobRequest{Force: true}); err != nil {
			t.Fatal(err)
		}
		if e := r.executionOf("u1", "j"); e.Status != "CANCELED" || !e.ForceCanceled {
			t.Errorf("%+v", e)
		}
		if j := r.job("j"); !j.ForceCanceled || j.Details.Canceled != 3 {
			t.Errorf("%+v", j)
		}
		if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u1")); x != "" {
			t.Error(x)
		}
		got := r.rejected(b.Update("j"), `{"status":"SUCCEEDED"}`, wire.JobInvalidTransition)
		if path(got, "executionState", "status") != "CANCELED" {
			t.Errorf("%v", got)
		}
		r.create("over", []string{"u1"})
		r.update("u1", "over", "SUCCEEDED")
		_, err = r.CancelJob(t.Context(), "over", CancelJobRequest{})
		wantError(t, err, "InvalidRequestException", "COMPLETED")
	})
}

// TestCancelStopsTheRollout: those who were not told yet never are.
func TestCancelStopsTheRollout(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("j", []string{"g:g"}, func(q *CreateJobRequest) { q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)} })
		if _, err := r.CancelJob(t.Context(), "j", CancelJobRequest{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if j := r.job("j"); j.Details.Canceled != 1 || j.Details.Queued != 0 || j.Concurrent {
			t.Errorf("%+v", j)
		}
	})
}

func TestDeleteJob(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("j", []string{"g:g"})
		r.create("k", []string{"u1"})
		r.news()
		wantError(t, r.DeleteJob(t.Context(), "j", false), "InvalidStateTransitionException", "IN_PROGRESS")
		if err := r.DeleteJob(t.Context(), "j", true); err != nil {
			t.Fatal(err)
		}
		_, err := r.DescribeJob(t.Context(), "j")
		wantError(t, err, "ResourceNotFoundException", "j")
		if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u1")); x != "" {
			t.Error(x)
		}
		r.rejected(wire.Jobs("u1").Update("j"), `{"status":"SUCCEEDED"}`, wire.JobNotFound)
		r.update("u1", "k", "SUCCEEDED")
		if err := r.DeleteJob(t.Context(), "k", false); err != nil {
			t.Fatal(err)
		}
		r.create("k", []string{"u1"}) // the id may be used again
		if e := r.executionOf("u1", "k"); e.ExecutionNumber != 1 || e.Status != "QUEUED" {
			t.Errorf("%+v", e)
		}
	})
}

func TestCancelAndDeleteExecutions(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.create("j", []string{"g:g"})
		r.accepted(wire.Jobs("u1").StartNext(), "")
		wantError(t, r.CancelJobExecution(ctx, "u1", "j", CancelExecutionRequest{}), "InvalidStateTransitionException", "IN_PROGRESS")
		wantError(t, r.CancelJobExecution(ctx, "u1", "j", CancelExecutionRequest{Force: true, ExpectedVersion: ptr[int64](7)}), "VersionConflictException", "7")
		if err := r.CancelJobExecution(ctx, "u1", "j", CancelExecutionRequest{Force: true, ExpectedVersion: ptr[int64](2), StatusDetails: map[string]string{"by": "me"}}); err != nil {
			t.Error(err)
		}
		if e := r.executionOf("u1", "j"); e.Status != "CANCELED" || !e.ForceCanceled || e.StatusDetails.Map["by"] != "me" || e.ThingARN != arn+"thing/u1" {
			t.Errorf("%+v", e)
		}
		wantError(t, r.CancelJobExecution(ctx, "u1", "j", CancelExecutionRequest{Force: true}), "InvalidStateTransitionException", "CANCELED")
		if err := r.CancelJobExecution(ctx, "u2", "j", CancelExecutionRequest{}); err != nil {
			t.Error(err)
		}
		wantError(t, r.DeleteJobExecution(ctx, "u3", "j", 1, false), "InvalidStateTransitionException", "QUEUED")
		if err := r.DeleteJobExecution(ctx, "u2", "j", 1, false); err != nil {
			t.Error(err)
		}
		r.news()
		if j := r.job("j"); j.Status != InProgress {
			t.Errorf("%+v", j)
		}
		if err := r.DeleteJobExecution(ctx, "u3", "j", 1, true); err != nil {
			t.Error(err)
		}
		if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u3")); x != "" {
			t.Error(x)
		}
		if j := r.job("j"); j.Status != Completed || j.Details.Canceled != 1 {
			t.Errorf("the last one is gone: %+v", j)
		}
	})
}

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

func TestUpdateJob(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.create("j", []string{"g:g"}, func(q *CreateJobRequest) {
			q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)}
			q.Timeout = &TimeoutConfig{ptr[int64](5)}
		})
		wantError(t, r.UpdateJob(ctx, "j", Settings{Timeout: &TimeoutConfig{ptr[int64](0)}}), "InvalidRequestException", "timeoutConfig")
		if err := r.UpdateJob(ctx, "j", Settings{Description: "new", Rollout: &RolloutConfig{MaximumPerMinute: ptr[int64](100)}}); err != nil {
			t.Fatal(err)
		}
		j := r.job("j")
		if j.Description != "new" || *j.Rollout.MaximumPerMinute != 100 || *j.Timeout.InProgressMinutes != 5 {
			t.Errorf("%+v", j)
		}
		if j.Details.Queued != 3 {
			t.Errorf("a higher rate counts at once: %+v", j)
		}
		for _, u := range []string{"u1", "u2", "u3"} {
			r.update(u, "j", "SUCCEEDED")
		}
		wantError(t, r.UpdateJob(ctx, "j", Settings{Description: "late"}), "InvalidRequestException", "COMPLETED")
	})
}

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

func TestLists(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		for i := range 5 {
			r.create(fmt.Sprintf("j%d", i), []string{"u1"})
			time.Sleep(time.Second)
		}
		r.create("g", []string{"g:g"}, func(q *CreateJobRequest) { q.TargetSelection = Continuous })
		r.update("u1", "j0", "SUCCEEDED")
		page := func(q ListJobsRequest) (ids []string) {
			t.Helper()
			for {
				l, err := r.ListJobs(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				if q.Max > 0 && len(l.Jobs) > q.Max {
					t.Fatalf("%d on a page of %d", len(l.Jobs), q.Max)
				}
				for _, j := range l.Jobs {
					ids = append(ids, j.JobID)
				}
				if q.Token = l.NextToken; q.Token == "" {
					return ids
				}
			}
		}
		all := []string{"g", "j4", "j3", "j2", "j1", "j0"}
		for _, tc := range []struct {
			name      string
			got, want []string
		}{
			{"all", page(ListJobsRequest{}), all},
			{"pages", page(ListJobsRequest{Max: 2}), all},
			{"status", page(ListJobsRequest{Status: Completed}), []string{"j0"}},
			{"selection", page(ListJobsRequest{TargetSelection: Continuous, Max: 1}), []string{"g"}},
			{"group", page(ListJobsRequest{GroupName: "g", Max: 1}), []string{"g"}},
		} {
			if x := cmp.Diff(tc.want, tc.got); x != "" {
				t.Errorf("%s: %s", tc.name, x)
			}
		}
		_, err := r.ListJobs(ctx, ListJobsRequest{Status: "DONE"})
		wantError(t, err, "InvalidRequestException", "'status'")
		_, err = r.ListJobs(ctx, ListJobsRequest{Max: 251})
		wantError(t, err, "InvalidRequestException", "maxResults")
		_, err = r.ListJobs(ctx, ListJobsRequest{Token: "!"})
		wantError(t, err, "InvalidRequestException", "nextToken")

		var ids []string
		for q := (ListExecutionsRequest{Max: 4}); ; {
			l, err := r.ListJobExecutionsForThing(ctx, "u1", q)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range l.Summaries {
				ids = append(ids, s.JobID)
			}
			if q.Token = l.NextToken; q.Token == "" {
				break
			}
		}
		if x := cmp.Diff(all, ids); x != "" {
			t.Error(x)
		}
		l, err := r.ListJobExecutionsForThing(ctx, "u1", ListExecutionsRequest{Status: "SUCCEEDED", JobID: "j0"})
		if err != nil || len(l.Summaries) != 1 || l.Summaries[0].Summary.Status != "SUCCEEDED" {
			t.Errorf("%+v %v", l, err)
		}
		var arns []string
		for q := (ListExecutionsRequest{Max: 2}); ; {
			l, err := r.ListJobExecutionsForJob(ctx, "g", q)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range l.Summaries {
				arns = append(arns, s.ThingARN)
			}
			if q.Token = l.NextToken; q.Token == "" {
				break
			}
		}
		if x := cmp.Diff([]string{arn + "thing/u1", arn + "thing/u2", arn + "thing/u3"}, arns); x != "" {
			t.Error(x)
		}
	})
}

// TestDataPlane: HTTPS goes through the same engine; documents are strings and refusals are exceptions.
func TestDataPlane(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx, d := t.Context(), r.Data()
		r.create("j", []string{"u1"})
		r.news()
		p, err := d.GetPendingJobExecutions(ctx, "u1")
		if err != nil || len(p.Queued) != 1 || p.InProgress == nil {
			t.Fatal(p, err)
		}
		a, err := d.DescribeJobExecution(ctx, "u1", "$next", DescribeRequest{})
		if err != nil || string(a.Execution.Document) != `"{\"op\":\"j\"}"` {
			t.Fatalf("%s %v", a.Execution.Document, err)
		}
		a, err = d.StartNextPendingJobExecution(ctx, "u1", StartNextRequest{StepTimeout: ptr[int64](2)})
		if err != nil || a.Execution.Status != "IN_PROGRESS" || *a.Execution.SecondsBeforeTimedOut != 120 {
			t.Fatal(a, err)
		}
		_, err = d.UpdateJobExecution(ctx, "u1", "j", UpdateRequest{Status: "SUCCEEDED", ExpectedVersion: ptr[int64](9)})
		wantError(t, err, "InvalidStateTransitionException", "Expected version 9 but found version 2")
		u, err := d.UpdateJobExecution(ctx, "u1", "j", UpdateRequest{Status: "SUCCEEDED", IncludeState: true, IncludeDocument: true})
		if err != nil || u.State.VersionNumber != 3 || string(u.Document) != `"{\"op\":\"j\"}"` {
			t.Fatal(u, err)
		}
		if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u1")); x != "" {
			t.Error(x)
		}
		_, err = d.DescribeJobExecution(ctx, "u1", "j", DescribeRequest{})
		wantError(t, err, "TerminalStateException", "SUCCEEDED")
		_, err = d.UpdateJobExecution(ctx, "u1", "j", UpdateRequest{Status: "FAILED"})
		wantError(t, err, "InvalidStateTransitionException", "SUCCEEDED")
		_, err = d.UpdateJobExecution(ctx, "u1", "none", UpdateRequest{Status: "FAILED"})
		wantError(t, err, "ResourceNotFoundException", "none")
		_, err = d.UpdateJobExecution(ctx, "u1", "j", UpdateRequest{Status: "QUEUED"})
		wantError(t, err, "InvalidRequestException", "QUEUED")
		_, err = d.GetPendingJobExecutions(ctx, "a b")
		wantError(t, err, "InvalidRequestException", "a b")
		if a, err := d.StartNextPendingJobExecution(ctx, "u1", StartNextRequest{}); err != nil || a.Execution != nil {
			t.Error(a, err)
		}
	})
}

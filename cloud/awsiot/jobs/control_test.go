package jobs

import (
	"fmt"
	"strings"
	"testing"
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
			{"template", newJob("j", []string{"u1"}, func(q *CreateJobRequest) { q.Document, q.TemplateARN = "", arn+"jobtemplate/x" }), "ResourceNotFoundException", "jobtemplate/x"},
			{"list", newJob("j", []string{"u1"}, func(q *CreateJobRequest) { q.Document = "[]" }), "InvalidRequestException", "JSON object"},
			{"unusable placeholder", newJob("j", []string{"u1"}, func(q *CreateJobRequest) {
				q.Document = `{"a":"${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/broken/k}"}`
				q.Presigned = &PresignedURL{RoleARN: "arn:aws:iam::123456789012:role/jobs"}
			}), "InvalidRequestException", "broken/k"},
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
			q.TemplateARN = arn + "jobtemplate/reboot"
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
				CreatedAt: now, UpdatedAt: now, Details: ProcessDetails{Queued: 3}, TemplateARN: arn + "jobtemplate/reboot",
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

package jobs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

func TestLifeOfAnExecution(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		b := wire.Jobs("u1")
		now := float64(time.Now().Unix())
		r.create("j1", []string{"u1"})
		news := r.news()
		if len(news) != 2 || news[0].topic != b.Notify() || news[1].topic != b.NotifyNext() {
			t.Fatalf("%v", news)
		}
		if x := cmp.Diff(map[string]any{"timestamp": now, "jobs": map[string]any{"QUEUED": []any{map[string]any{
			"jobId": "j1", "queuedAt": now, "lastUpdatedAt": now, "versionNumber": 1.0, "executionNumber": 1.0,
		}}}}, news[0].body); x != "" {
			t.Error(x)
		}
		execution := map[string]any{
			"jobId": "j1", "thingName": "u1", "status": "QUEUED", "queuedAt": now, "lastUpdatedAt": now, "versionNumber": 1.0, "executionNumber": 1.0,
			"jobDocument": map[string]any{"op": "j1"},
		}
		if x := cmp.Diff(map[string]any{"timestamp": now, "execution": execution}, news[1].body); x != "" {
			t.Error(x)
		}

		// $next is a peek.
		got := r.accepted(b.Describe(wire.NextJob), `{"clientToken":"t1"}`)
		if x := cmp.Diff(map[string]any{"timestamp": now, "clientToken": "t1", "execution": execution}, got); x != "" {
			t.Error(x)
		}
		got = r.accepted(b.Describe("j1"), `{"includeJobDocument":false,"executionNumber":1}`)
		if path(got, "execution", "jobDocument") != nil || path(got, "execution", "status") != "QUEUED" {
			t.Errorf("%v", got)
		}
		got = r.accepted(b.GetPending(), "")
		if x := cmp.Diff(map[string]any{"timestamp": now, "inProgressJobs": []any{}, "queuedJobs": path(news[0].body, "jobs", "QUEUED")}, got); x != "" {
			t.Error(x)
		}

		// start-next changes neither the list nor its front: nothing is published.
		time.Sleep(2 * time.Second)
		got = r.accepted(b.StartNext(), `{"statusDetails":{"step":"a"},"clientToken":"t2"}`)
		if path(got, "execution", "status") != "IN_PROGRESS" || path(got, "execution", "versionNumber") != 2.0 || path(got, "execution", "startedAt") != now+2 ||
			path(got, "execution", "statusDetails", "step") != "a" || path(got, "execution", "jobDocument", "op") != "j1" || got["clientToken"] != "t2" {
			t.Errorf("%v", got)
		}
		again := r.accepted(b.StartNext(), `{"statusDetails":{"step":"b"}}`)
		if x := cmp.Diff(got["execution"], again["execution"]); x != "" {
			t.Errorf("start-next on a running job changed it: %s", x)
		}
		if n := r.news(); n != nil {
			t.Errorf("start-next told %v", n)
		}

		// An update of details keeps the list.
		got = r.accepted(b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"step":"c"},"expectedVersion":"2","includeJobExecutionState":true,"includeJobDocument":true}`)
		if x := cmp.Diff(map[string]any{
			"timestamp": now + 2, "jobDocument": map[string]any{"op": "j1"},
			"executionState": map[string]any{"status": "IN_PROGRESS", "statusDetails": map[string]any{"step": "c"}, "versionNumber": 3.0},
		}, got); x != "" {
			t.Error(x)
		}
		if n := r.news(); n != nil {
			t.Errorf("details told %v", n)
		}
		got = r.accepted(b.Update("j1"), `{"status":"SUCCEEDED","clientToken":"t3"}`)
		if x := cmp.Diff(map[string]any{"timestamp": now + 2, "clientToken": "t3"}, got); x != "" {
			t.Error(x)
		}
		news = r.news()
		if len(news) != 2 || string(news[0].raw) != fmt.Sprintf(`{"timestamp":%d,"jobs":{}}`, int64(now)+2) || string(news[1].raw) != fmt.Sprintf(`{"timestamp":%d}`, int64(now)+2) {
			t.Errorf("%s", news)
		}
		e := r.executionOf("u1", "j1")
		if e.Status != "SUCCEEDED" || e.StatusDetails.Map["step"] != "c" || e.VersionNumber != 4 {
			t.Errorf("details that are not given stay: %+v", e)
		}
		if j := r.job("j1"); j.Status != Completed || j.Details.Succeeded != 1 || j.CompletedAt == 0 {
			t.Errorf("%+v", j)
		}
	})
}

func TestRefusals(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		b := wire.Jobs("u1")
		r.create("j1", []string{"u1"})
		r.create("done", []string{"u1"})
		r.update("u1", "done", "SUCCEEDED")
		eleven := make([]string, 11)
		for i := range eleven {
			eleven[i] = fmt.Sprintf(`"k%d":"v"`, i)
		}
		for _, tc := range []struct{ name, topic, payload, code string }{
			{"no JSON", b.GetPending(), `{`, wire.JobInvalidJSON},
			{"no object", b.GetPending(), `[1,2]`, wire.JobInvalidJSON},
			{"two values", b.GetPending(), `{} {}`, wire.JobInvalidJSON},
			{"no UTF-8", b.GetPending(), "{\"clientToken\":\"\xff\"}", wire.JobInvalidJSON},
			{"long token", b.GetPending(), `{"clientToken":"` + strings.Repeat("x", 65) + `"}`, wire.JobInvalidRequest},
			{"unknown operation", string(b) + "/j1/delete", `{}`, wire.JobInvalidTopic},
			{"an answer's topic", b.GetPending() + "/accepted", `{}`, wire.JobInvalidTopic},
			{"a notification's topic", b.Notify(), `{}`, wire.JobInvalidTopic},
			{"unknown job", b.Describe("other"), `{}`, wire.JobNotFound},
			{"another thing's job", wire.Jobs("u2").Describe("j1"), `{}`, wire.JobNotFound},
			{"unknown execution number", b.Describe("j1"), `{"executionNumber":7}`, wire.JobNotFound},
			{"bad job id", b.Describe("j:1"), `{}`, wire.JobInvalidRequest},
			{"describe of a finished one", b.Describe("done"), `{}`, wire.JobTerminalState},
			{"update of an unknown job", b.Update("other"), `{"status":"SUCCEEDED"}`, wire.JobNotFound},
			{"update of $next", b.Update(wire.NextJob), `{"status":"SUCCEEDED"}`, wire.JobInvalidRequest},
			{"no status", b.Update("j1"), `{}`, wire.JobInvalidRequest},
			{"status of the service", b.Update("j1"), `{"status":"TIMED_OUT"}`, wire.JobInvalidRequest},
			{"status canceled", b.Update("j1"), `{"status":"CANCELED"}`, wire.JobInvalidRequest},
			{"back to queued", b.Update("j1"), `{"status":"QUEUED"}`, wire.JobInvalidRequest},
			{"unknown status", b.Update("j1"), `{"status":"DONE"}`, wire.JobInvalidRequest},
			{"update of a finished one", b.Update("done"), `{"status":"FAILED"}`, wire.JobInvalidTransition},
			{"wrong version", b.Update("j1"), `{"status":"IN_PROGRESS","expectedVersion":99}`, wire.JobVersionMismatch},
			{"version is text", b.Update("j1"), `{"status":"IN_PROGRESS","expectedVersion":"x"}`, wire.JobInvalidRequest},
			{"11 details", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{` + strings.Join(eleven, ",") + `}}`, wire.JobInvalidRequest},
			{"long detail key", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"` + strings.Repeat("k", 129) + `":"v"}}`, wire.JobInvalidRequest},
			{"detail key with a space", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"a b":"v"}}`, wire.JobInvalidRequest},
			{"long detail", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"k":"` + strings.Repeat("v", 1025) + `"}}`, wire.JobInvalidRequest},
			{"empty detail", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"k":""}}`, wire.JobInvalidRequest},
			{"detail with control characters", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"k":"a\nb"}}`, wire.JobInvalidRequest},
			{"detail is a number", b.Update("j1"), `{"status":"IN_PROGRESS","statusDetails":{"k":1}}`, wire.JobInvalidRequest},
			{"step timer of 0", b.Update("j1"), `{"status":"IN_PROGRESS","stepTimeoutInMinutes":0}`, wire.JobInvalidRequest},
			{"step timer of more than 7 days", b.StartNext(), `{"stepTimeoutInMinutes":10081}`, wire.JobInvalidRequest},
		} {
			if m := r.ask(tc.topic, tc.payload); m.topic != tc.topic+"/rejected" || m.body["code"] != tc.code || m.body["message"] == "" || m.body["timestamp"] == nil {
				t.Errorf("%s: want %s: %s %s", tc.name, tc.code, m.topic, m.raw)
			}
		}
		got := r.rejected(b.Update("j1"), `{"status":"SUCCEEDED","expectedVersion":99,"clientToken":"t"}`, wire.JobVersionMismatch)
		if x := cmp.Diff(map[string]any{"status": "QUEUED", "versionNumber": 1.0}, got["executionState"]); x != "" || got["clientToken"] != "t" ||
			got["message"] != "Expected version 99 but found version 1" {
			t.Errorf("%s %v", x, got)
		}
		got = r.rejected(b.Update("done"), `{"status":"IN_PROGRESS"}`, wire.JobInvalidTransition)
		if path(got, "executionState", "status") != "SUCCEEDED" {
			t.Errorf("%v", got)
		}
		if e := r.executionOf("u1", "j1"); e.VersionNumber != 1 || e.Status != "QUEUED" {
			t.Errorf("a refusal changed something: %+v", e)
		}
		// A thing without jobs gets an answer without an execution.
		for _, topic := range []string{wire.Jobs("u9").StartNext(), wire.Jobs("u9").Describe(wire.NextJob)} {
			if got := r.accepted(topic, `{}`); got["execution"] != nil {
				t.Errorf("%v", got)
			}
		}
		if r.Serve(t.Context(), requestOn("$aws/things/u1/shadow/get")) || r.Serve(t.Context(), requestOn("a/b")) {
			t.Error("served what is no job topic")
		}
	})
}

// TestJobNamedGet: the ids of jobs and the names of operations do not get into each other's way.
func TestJobNamedGet(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("get", []string{"u1"})
		r.create("start-next", []string{"u1"})
		b := wire.Jobs("u1")
		if got := r.accepted(b.GetPending(), "{}"); len(path(got, "queuedJobs").([]any)) != 2 {
			t.Errorf("%v", got)
		}
		if got := r.accepted(b.Describe("get"), "{}"); path(got, "execution", "jobId") != "get" {
			t.Errorf("%v", got)
		}
		if got := r.accepted(b.StartNext(), "{}"); path(got, "execution", "jobId") != "get" {
			t.Errorf("%v", got)
		}
		r.update("u1", "start-next", "SUCCEEDED")
	})
}

func TestOrderAndNotifications(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		b := wire.Jobs("u1")
		want := func(step string, names ...string) {
			t.Helper()
			if x := cmp.Diff(names, r.newsOf("u1")); x != "" {
				t.Errorf("%s: %s", step, x)
			}
		}
		next := func() string {
			t.Helper()
			id, _ := path(r.accepted(b.Describe(wire.NextJob), ""), "execution", "jobId").(string)
			return id
		}
		r.create("j1", []string{"u1"})
		want("first job", "notify", "notify-next")
		r.create("j2", []string{"u1"}) // at the same time: in order of creation
		want("behind another", "notify")
		time.Sleep(time.Second)
		r.create("j0", []string{"u1"})
		want("later", "notify")
		if next() != "j1" {
			t.Error("queue time orders, not the id")
		}
		r.accepted(b.Update("j2"), `{"status":"IN_PROGRESS"}`)
		want("in progress goes before queued", "notify-next")
		if next() != "j2" {
			t.Errorf("next is %s", next())
		}
		r.update("u1", "j1", "REJECTED")
		want("one behind the front ends", "notify")
		r.update("u1", "j2", "FAILED")
		want("the front ends", "notify", "notify-next")
		if next() != "j0" {
			t.Errorf("next is %s", next())
		}
		if _, err := r.CancelJob(t.Context(), "j0", CancelJobRequest{}); err != nil {
			t.Error(err)
		}
		want("the last is canceled", "notify", "notify-next")
		if n := r.newsOf("u2"); n != nil {
			t.Errorf("another thing was told %v", n)
		}
	})
}

func TestTenPendingAreListed(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		b := wire.Jobs("u1")
		for i := range 12 {
			r.create(fmt.Sprintf("j%02d", i), []string{"u1"})
			time.Sleep(time.Second)
		}
		news := r.news()
		last := news[len(news)-1]
		if l, _ := path(last.body, "jobs", "QUEUED").([]any); last.topic != b.Notify() || len(l) != 10 || path(l, 0, "jobId") != "j00" {
			t.Errorf("%s", last.raw)
		}
		r.accepted(b.Update("j11"), `{"status":"IN_PROGRESS"}`)
		got := r.accepted(b.GetPending(), "{}")
		if len(got["inProgressJobs"].([]any)) != 1 || len(got["queuedJobs"].([]any)) != 9 {
			t.Errorf("%v", got)
		}
		done := 0
		for {
			got := r.accepted(b.StartNext(), "{}")
			id, ok := path(got, "execution", "jobId").(string)
			if !ok {
				break
			}
			r.update("u1", id, "SUCCEEDED")
			done++
		}
		if done != 12 {
			t.Errorf("start-next came to %d jobs", done)
		}
	})
}

func TestTimers(t *testing.T) {
	for _, tc := range []struct {
		name       string
		inProgress int64  // minutes; 0 none
		start      string // stepTimeoutInMinutes of start-next
		update     string // sent 2 minutes later; empty: none
		left       any    // approximateSecondsBeforeTimedOut after that
		after      time.Duration
	}{
		{name: "no timer"},
		{name: "step timer", start: "5", left: 300.0, after: 5 * time.Minute},
		{name: "in-progress timer", inProgress: 7, left: 420.0, after: 7 * time.Minute},
		{name: "the in-progress timer caps the step timer", inProgress: 7, start: "100", left: 420.0, after: 7 * time.Minute},
		{name: "an update replaces the step timer", start: "5", update: `,"stepTimeoutInMinutes":10`, left: 600.0, after: 12 * time.Minute},
		{name: "an update without one leaves it", start: "5", update: `,"statusDetails":{"a":"b"}`, left: 180.0, after: 5 * time.Minute},
		{name: "-1 ends it", start: "5", update: `,"stepTimeoutInMinutes":-1`},
		{name: "-1 leaves the in-progress timer", inProgress: 7, start: "5", update: `,"stepTimeoutInMinutes":-1`, left: 300.0, after: 7 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			virtually(t, func(t *testing.T, r *rig) {
				b := wire.Jobs("u1")
				r.create("j", []string{"u1"}, func(q *CreateJobRequest) {
					if tc.inProgress > 0 {
						q.Timeout = &TimeoutConfig{InProgressMinutes: &tc.inProgress}
					}
				})
				time.Sleep(time.Hour) // nothing runs while it is queued
				step := ""
				if tc.start != "" {
					step = `"stepTimeoutInMinutes":` + tc.start
				}
				begin := time.Now()
				r.accepted(b.StartNext(), "{"+step+"}")
				if tc.update != "" {
					time.Sleep(2 * time.Minute)
					r.accepted(b.Update("j"), `{"status":"IN_PROGRESS"`+tc.update+`}`)
				}
				r.news()
				if got := path(r.accepted(b.Describe("j"), ""), "execution", "approximateSecondsBeforeTimedOut"); got != tc.left {
					t.Errorf("%v left, want %v", got, tc.left)
				}
				if tc.after == 0 {
					time.Sleep(3 * time.Hour)
					if e := r.executionOf("u1", "j"); e.Status != "IN_PROGRESS" || r.newsOf("u1") != nil {
						t.Errorf("%+v", e)
					}
					return
				}
				time.Sleep(tc.after - time.Since(begin) - time.Second)
				if e := r.executionOf("u1", "j"); e.Status != "IN_PROGRESS" {
					t.Fatalf("too early: %+v", e)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if e := r.executionOf("u1", "j"); e.Status != "TIMED_OUT" || e.SecondsBeforeTimedOut != nil {
					t.Fatalf("%+v", e)
				}
				if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u1")); x != "" {
					t.Error(x)
				}
				if j := r.job("j"); j.Status != Completed || j.Details.TimedOut != 1 {
					t.Errorf("%+v", j)
				}
				r.rejected(b.Update("j"), `{"status":"SUCCEEDED"}`, wire.JobInvalidTransition)
			})
		})
	}
}

func TestRetries(t *testing.T) {
	criteria := func(c ...RetryCriterion) func(*CreateJobRequest) {
		return func(q *CreateJobRequest) { q.Retry = &RetryConfig{c} }
	}
	for _, tc := range []struct {
		name   string
		retry  func(*CreateJobRequest)
		status string
		runs   int // executions there will be
	}{
		{"none", func(*CreateJobRequest) {}, "FAILED", 1},
		{"failed", criteria(RetryCriterion{"FAILED", ptr[int64](2)}), "FAILED", 3},
		{"not rejected", criteria(RetryCriterion{"ALL", ptr[int64](2)}), "REJECTED", 1},
		{"all", criteria(RetryCriterion{"ALL", ptr[int64](10)}), "FAILED", 11},
		{"other failure", criteria(RetryCriterion{"TIMED_OUT", ptr[int64](2)}), "FAILED", 1},
		{"zero", criteria(RetryCriterion{"FAILED", ptr[int64](0)}), "FAILED", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			virtually(t, func(t *testing.T, r *rig) {
				b := wire.Jobs("u1")
				r.create("j", []string{"u1"}, tc.retry)
				r.news()
				for n := 1; n <= tc.runs; n++ {
					time.Sleep(time.Second)
					got := r.accepted(b.StartNext(), "")
					if path(got, "execution", "executionNumber") != float64(n) || path(got, "execution", "versionNumber") != 2.0 {
						t.Fatalf("run %d: %v", n, got)
					}
					r.update("u1", "j", tc.status)
					if x := cmp.Diff([]string{"notify", "notify-next"}, r.newsOf("u1")); x != "" {
						t.Errorf("run %d: %s", n, x)
					}
				}
				if got := r.accepted(b.StartNext(), ""); got["execution"] != nil {
					t.Fatalf("tried once more: %v", got)
				}
				if j := r.job("j"); j.Status != Completed || j.Details.Failed+j.Details.Rejected != 1 {
					t.Errorf("%+v", j)
				}
				list, err := r.ListJobExecutionsForJob(t.Context(), "j", ListExecutionsRequest{})
				if err != nil || len(list.Summaries) != tc.runs || list.Summaries[tc.runs-1].Summary.RetryAttempt != int64(tc.runs-1) {
					t.Errorf("%+v %v", list, err)
				}
				if tc.runs > 1 {
					r.rejected(b.Update("j"), `{"status":"SUCCEEDED","executionNumber":1}`, wire.JobInvalidTransition)
				}
			})
		})
	}
}

func TestTimedOutIsTriedAgain(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("j", []string{"u1"}, func(q *CreateJobRequest) {
			q.Timeout = &TimeoutConfig{InProgressMinutes: ptr[int64](3)}
			q.Retry = &RetryConfig{[]RetryCriterion{{"TIMED_OUT", ptr[int64](1)}, {"FAILED", ptr[int64](0)}}}
		})
		for n := 1; n <= 2; n++ {
			got := r.accepted(wire.Jobs("u1").StartNext(), "")
			if path(got, "execution", "executionNumber") != float64(n) || path(got, "execution", "approximateSecondsBeforeTimedOut") != 180.0 {
				t.Fatalf("%v", got)
			}
			time.Sleep(3*time.Minute + time.Second)
			synctest.Wait()
		}
		if j := r.job("j"); j.Status != Completed || j.Details.TimedOut != 1 {
			t.Errorf("%+v", j)
		}
	})
}

func TestThrottle(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		codes := map[any]int{}
		for i := range 300 {
			codes[r.ask(wire.Jobs(fmt.Sprintf("u%d", i%9+1)).GetPending(), `{"clientToken":"t"}`).body["code"]]++
		}
		if codes[nil] != 200 || codes[wire.JobThrottled] != 100 {
			t.Errorf("%v", codes)
		}
		r.accepted(wire.Jobs("u1").StartNext(), "") // another kind of request
		time.Sleep(time.Second)
		r.accepted(wire.Jobs("u1").GetPending(), "")
	})
}

// TestUnknownThing has no jobs to be asked for.
func TestUnknownThing(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		b := wire.Jobs("stranger")
		for _, topic := range []string{b.GetPending(), b.StartNext(), b.Describe(wire.NextJob), b.Describe("j"), b.Update("j")} {
			if got := r.rejected(topic, `{"status":"SUCCEEDED","clientToken":"t"}`, wire.JobNotFound); got["clientToken"] != "t" {
				t.Errorf("%s: %v", topic, got)
			}
		}
		var refusal *Error
		if _, err := r.Data().GetPendingJobExecutions(t.Context(), "stranger"); !errors.As(err, &refusal) || refusal.Code != "ResourceNotFoundException" || refusal.Status != 404 {
			t.Errorf("%v", err)
		}
	})
}

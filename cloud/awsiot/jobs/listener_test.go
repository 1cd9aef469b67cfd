package jobs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

// listener is a unit that only hears notify and notify-next.
type listener struct {
	pending []string // "job/number" as last listed
	next    string
}

func (l *listener) hear(topic string, m message) {
	key := func(v any) string { return fmt.Sprintf("%v/%v", path(v, "jobId"), path(v, "executionNumber")) }
	if strings.HasSuffix(topic, "/notify-next") {
		if l.next = ""; m.body["execution"] != nil {
			l.next = key(m.body["execution"])
		}
		return
	}
	l.pending = nil
	for _, status := range []string{"IN_PROGRESS", "QUEUED"} {
		list, _ := path(m.body, "jobs", status).([]any)
		for _, e := range list {
			l.pending = append(l.pending, key(e))
		}
	}
}

// TestNotificationsAreEnough: whatever happens, who only listens knows which executions are pending and which is next, and
// the counts of a job are those of its executions.
func TestNotificationsAreEnough(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		const seed = 20261123
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		units := []string{"u1", "u2", "u3"}
		ears := map[string]*listener{}
		for _, u := range units {
			ears[u] = &listener{}
		}
		var ids []string
		some := func(list []string) string { return list[rnd.IntN(len(list))] }
		ctx := t.Context()
		for step := range 250 {
			u := some(units)
			var op string
			var err error
			switch n := rnd.IntN(12); {
			case n < 2 || len(ids) == 0:
				id := fmt.Sprintf("j%d", step)
				op = "create " + id
				ids = append(ids, id)
				_, err = r.CreateJob(ctx, newJob(id, []string{[]string{"g:g", "u1", "u2"}[rnd.IntN(3)]}, func(q *CreateJobRequest) {
					if rnd.IntN(2) == 0 {
						q.Retry = &RetryConfig{[]RetryCriterion{{failureAll, ptr[int64](1)}}}
					}
					if rnd.IntN(2) == 0 {
						q.Timeout = &TimeoutConfig{ptr[int64](1)}
					}
					if rnd.IntN(2) == 0 {
						q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)}
					}
					if rnd.IntN(3) == 0 {
						q.Abort = &AbortConfig{[]AbortCriterion{{failureAll, "CANCEL", ptr(50.0), ptr[int64](1)}}}
					}
				}))
			case n < 4:
				op = "start next"
				r.accepted(wire.Jobs(u).StartNext(), "")
			case n < 8:
				status := some([]string{"IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"})
				op = "update " + status
				r.ask(wire.Jobs(u).Update(some(ids)), fmt.Sprintf(`{"status":%q}`, status)) // refused if there is none
			case n == 8:
				op = "cancel execution"
				err = r.CancelJobExecution(ctx, u, some(ids), CancelExecutionRequest{Force: true})
			case n == 9:
				op = "cancel job"
				_, err = r.CancelJob(ctx, some(ids), CancelJobRequest{Force: rnd.IntN(2) == 0})
			case n == 10:
				id := some(ids)
				op = "delete " + id
				if err = r.DeleteJob(ctx, id, true); err == nil {
					ids = slices.DeleteFunc(ids, func(x string) bool { return x == id })
				}
			default:
				op = "time passes"
				time.Sleep(time.Duration(rnd.IntN(90)) * time.Second)
			}
			if refusal := (*Error)(nil); err != nil && !errors.As(err, &refusal) {
				t.Fatalf("step %d, %s: %v", step, op, err)
			}
			time.Sleep(50 * time.Millisecond) // the rate of requests
			for _, m := range r.news() {
				ears[strings.Split(m.topic, "/")[2]].hear(m.topic, m)
			}
			for _, u := range units {
				got := r.accepted(wire.Jobs(u).GetPending(), "")
				want := &listener{}
				want.hear("/notify", message{body: map[string]any{"jobs": map[string]any{"IN_PROGRESS": got["inProgressJobs"], "QUEUED": got["queuedJobs"]}}})
				want.hear("/notify-next", message{body: r.accepted(wire.Jobs(u).Describe(wire.NextJob), "")})
				slices.Sort(want.pending) // a change of order alone is not told
				slices.Sort(ears[u].pending)
				if x := cmp.Diff(want, ears[u], cmp.AllowUnexported(listener{})); x != "" {
					t.Fatalf("step %d, %s: %s knows other than is: %s", step, op, u, x)
				}
			}
		}
		for _, id := range ids {
			j := r.job(id)
			l, err := r.ListJobExecutionsForJob(ctx, id, ListExecutionsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			latest := map[string]string{}
			for _, s := range l.Summaries { // in order of number
				latest[s.ThingARN] = s.Summary.Status
			}
			counts := map[string]int64{}
			for _, status := range latest {
				counts[status]++
			}
			j.Details.ProcessingTargets = nil
			if x := cmp.Diff(processDetails(counts), j.Details); x != "" {
				t.Errorf("%s: %s", id, x)
			}
		}
	})
}

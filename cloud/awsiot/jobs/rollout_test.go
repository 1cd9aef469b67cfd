package jobs

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// many makes a group of so many things.
func many(r *rig, n int) {
	r.fleet.change(func() {
		r.fleet.groups["many"] = nil
		for i := range n {
			name := fmt.Sprintf("m%04d", i)
			r.fleet.things[name] = true
			r.fleet.groups["many"] = append(r.fleet.groups["many"], name)
		}
	})
}

func TestRolloutRates(t *testing.T) {
	for _, tc := range []struct {
		name   string
		n      int
		cfg    *RolloutConfig
		during func(r *rig, minute int)
		want   []int64 // things told after each minute
	}{
		{"constant", 25, &RolloutConfig{MaximumPerMinute: ptr[int64](10)}, nil, []int64{10, 20, 25, 25}},
		{
			"by notified things", 60, &RolloutConfig{Exponential: &ExponentialRate{ptr[int64](5), ptr(2.0), &RateCriteria{Notified: ptr[int64](10)}}}, nil,
			[]int64{5, 10, 20, 40, 60}, // 5, 5, then 10 (10 told at 5), 20 (10 told at 10), 40
		},
		{
			"thresholds are 10, 20, 30 in all", 60, &RolloutConfig{Exponential: &ExponentialRate{ptr[int64](4), ptr(2.0), &RateCriteria{Notified: ptr[int64](10)}}}, nil,
			[]int64{4, 8, 12, 20, 36},
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

// TestMoreThanOneTransaction makes, cancels and deletes more executions than one transaction does.
func TestMoreThanOneTransaction(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		many(r, chunk+20)
		r.create("j", []string{"g:many"})
		if j := r.job("j"); j.Details.Queued != chunk+20 || j.Concurrent {
			t.Fatalf("%+v", j)
		}
		if _, err := r.CancelJob(t.Context(), "j", CancelJobRequest{}); err != nil {
			t.Fatal(err)
		}
		if j := r.job("j"); j.Details.Canceled != chunk+20 || j.Concurrent {
			t.Fatalf("%+v", j)
		}
		if err := r.DeleteJob(t.Context(), "j", false); err != nil {
			t.Fatal(err)
		}
		l, err := r.ListJobExecutionsForThing(t.Context(), fmt.Sprintf("m%04d", chunk+19), ListExecutionsRequest{})
		if err != nil || len(l.Summaries) != 0 {
			t.Errorf("%+v %v", l, err)
		}
	})
}

// TestOneJobCannotStopTheOthers: a job whose record cannot be read is logged, the rest goes on.
func TestOneJobCannotStopTheOthers(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.create("a", []string{"u1", "u2"}, func(q *CreateJobRequest) { q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)} })
		r.create("b", []string{"u3", "u4"}, func(q *CreateJobRequest) {
			q.Rollout = &RolloutConfig{MaximumPerMinute: ptr[int64](1)}
			q.Timeout = &TimeoutConfig{ptr[int64](1)}
		})
		r.accepted(wire.Jobs("u3").StartNext(), "")
		if err := r.db.ChangeJobs(t.Context(), func(tx *store.JobsTx) error {
			row, err := tx.Job(t.Context(), "a")
			if err != nil {
				return err
			}
			row.Body = []byte("?")
			return tx.UpdateJob(t.Context(), &row)
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if j := r.job("b"); j.Details.TimedOut != 1 || j.Details.Queued != 1 {
			t.Errorf("%+v", j)
		}
	})
}

func TestRatePerMinute(t *testing.T) {
	exponential := &ExponentialRate{BaseRatePerMinute: ptr[int64](5)}
	for _, tc := range []struct {
		name string
		cfg  *RolloutConfig
		rate float64
		want int64
	}{
		{"no limit is AWS's own", nil, 0, 1000},
		{"constant", &RolloutConfig{MaximumPerMinute: ptr[int64](7)}, 0, 7},
		{"exponential", &RolloutConfig{Exponential: exponential}, 7.9, 7},
		{"exponential below a maximum", &RolloutConfig{Exponential: exponential, MaximumPerMinute: ptr[int64](6)}, 7.9, 6},
	} {
		j := &job{rec: record{CreateJobRequest: CreateJobRequest{Settings: Settings{Rollout: tc.cfg}}, Progress: progress{Rate: tc.rate}}}
		if got := j.perMinute(); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
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
				if want := int64(5 - tc.after); j.Details.Canceled != want || j.Details.InProgress != 1 || j.CompletedAt == 0 || j.Comment == "" || j.ReasonCode == "" {
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

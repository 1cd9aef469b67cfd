package jobs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/sync/wire"
)

// TestEvents: who watches the fleet hears of every end, in the shapes of the guide's page on job events.
func TestEvents(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		id := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		want := func(what string, topics ...string) []message {
			t.Helper()
			events := r.happened()
			var got []string
			for _, m := range events {
				got = append(got, m.topic)
				if s, _ := m.body["eventId"].(string); !id.MatchString(s) || m.body["timestamp"] != float64(time.Now().Unix()) {
					t.Errorf("%s: %s", what, m.raw)
				}
				delete(m.body, "eventId")
				delete(m.body, "timestamp")
			}
			if x := cmp.Diff(topics, got); x != "" {
				t.Fatalf("%s: %s", what, x)
			}
			return events
		}
		same := func(m message, format string, args ...any) {
			t.Helper()
			var body map[string]any
			if err := json.Unmarshal(fmt.Appendf(nil, format, args...), &body); err != nil {
				t.Fatal(err)
			}
			if x := cmp.Diff(body, m.body); x != "" {
				t.Errorf("%s: %s", m.topic, x)
			}
		}
		made := time.Now().UnixMilli()
		r.create("j", []string{"u1", "u2"}, func(q *CreateJobRequest) { q.Description = "d" })
		time.Sleep(time.Second)
		r.accepted(wire.Jobs("u1").Update("j"), `{"status":"FAILED","statusDetails":{"why":"x"}}`)
		got := want("a failure", "$aws/events/jobExecution/j/failed")
		same(got[0], `{"eventType":"JOB_EXECUTION","operation":"failed","jobId":"j","thingArn":"%sthing/u1","status":"FAILED","statusDetails":{"why":"x"}}`, arn)
		r.accepted(wire.Jobs("u2").StartNext(), `{"stepTimeoutInMinutes":1}`)
		want("a beginning")
		time.Sleep(time.Minute)
		got = want("the last end", "$aws/events/jobExecution/j/timed_out", "$aws/events/job/j/completed")
		same(got[1], `{"eventType":"JOB","operation":"completed","jobId":"j","status":"COMPLETED","targetSelection":"SNAPSHOT","targets":["%[1]sthing/u1","%[1]sthing/u2"],
			"description":"d","createdAt":%[2]d,"completedAt":%[3]d,"lastUpdatedAt":%[3]d,"jobProcessDetails":{"numberOfCanceledThings":0,"numberOfSucceededThings":0,"numberOfFailedThings":1,
			"numberOfRejectedThings":0,"numberOfQueuedThings":0,"numberOfInProgressThings":0,"numberOfRemovedThings":0,"numberOfTimedOutThings":1}}`, arn, made, time.Now().UnixMilli())

		made = time.Now().UnixMilli()
		r.create("k", []string{"u1"})
		if _, err := r.CancelJob(t.Context(), "k", CancelJobRequest{Comment: "stop"}); err != nil {
			t.Fatal(err)
		}
		got = want("a cancelation", "$aws/events/job/k/cancellation_in_progress", "$aws/events/jobExecution/k/canceled", "$aws/events/job/k/canceled")
		same(got[0], `{"eventType":"JOB","operation":"cancellation_in_progress","jobId":"k","status":"CANCELLATION_IN_PROGRESS","targetSelection":"SNAPSHOT","targets":["%sthing/u1"],
			"createdAt":%[2]d,"lastUpdatedAt":%[2]d,"comment":"stop"}`, arn, made)
		if err := r.DeleteJob(t.Context(), "k", false); err != nil {
			t.Fatal(err)
		}
		want("a deletion", "$aws/events/job/k/deletion_in_progress", "$aws/events/jobExecution/k/deleted", "$aws/events/job/k/deleted")
	})
}

// TestEventsNobodyWants are not published.
func TestEventsNobodyWants(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.deaf = true
		r.create("j", []string{"u1"})
		r.update("u1", "j", wire.JobSucceeded)
		if got := r.happened(); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}

package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJobTopics(t *testing.T) {
	b := Jobs("u1")
	for _, tc := range []struct {
		topic string
		want  JobTopic
		ok    bool
	}{
		{b.GetPending(), JobTopic{"u1", "", JobsGet, ""}, true},
		{b.GetPending() + "/accepted", JobTopic{"u1", "", JobsGet, "accepted"}, true},
		{b.StartNext(), JobTopic{"u1", "", JobStartNext, ""}, true},
		{b.StartNext() + "/rejected", JobTopic{"u1", "", JobStartNext, "rejected"}, true},
		{b.Describe("j1"), JobTopic{"u1", "j1", JobsGet, ""}, true},
		{b.Describe(NextJob) + "/accepted", JobTopic{"u1", NextJob, JobsGet, "accepted"}, true},
		{b.Update("j1") + "/rejected", JobTopic{"u1", "j1", JobUpdate, "rejected"}, true},
		{b.Notify(), JobTopic{"u1", "", "notify", ""}, true},
		{b.NotifyNext(), JobTopic{"u1", "", "notify-next", ""}, true},
		{b.Describe("get"), JobTopic{"u1", "get", JobsGet, ""}, true}, // jobs may be named as operations are
		{b.Update("start-next"), JobTopic{"u1", "start-next", JobUpdate, ""}, true},
		{string(b) + "/j1", JobTopic{}, false},
		{string(b) + "/j1/delete", JobTopic{}, false},
		{string(b) + "/j1/get/accepted/more", JobTopic{}, false},
		{b.Notify() + "/accepted", JobTopic{}, false},
		{string(b), JobTopic{}, false},
		{"$aws/things//jobs/get", JobTopic{}, false},
		{"$aws/things/u1/shadow/get", JobTopic{}, false},
	} {
		got, ok := ParseJobs(tc.topic)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: %+v %v", tc.topic, got, ok)
		}
	}
}

func TestCheckJobID(t *testing.T) {
	for _, good := range []string{"a", "A-1_b", strings.Repeat("j", 64)} {
		if err := CheckJobID(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "a b", "a:b", "a/b", NextJob, strings.Repeat("j", 65)} {
		if err := CheckJobID(bad); !errors.Is(err, ErrLimit) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzJobs: what a decoder takes, it writes back the same; a topic that parses is of one of the forms.
func FuzzJobs(f *testing.F) {
	f.Add([]byte(`{"execution":{"jobId":"j","thingName":"u1","status":"QUEUED","queuedAt":1,"versionNumber":1,"executionNumber":1,"jobDocument":{"a":1}},"timestamp":2,"clientToken":"t"}`))
	f.Add([]byte(`{"executionState":{"status":"FAILED","statusDetails":{"a":"b"},"versionNumber":3},"jobDocument":"{}","timestamp":2}`))
	f.Add([]byte(`{"code":"VersionMismatch","message":"m","timestamp":1,"executionState":{"status":"QUEUED","versionNumber":1}}`))
	f.Add([]byte("$aws/things/u1/jobs/$next/get/accepted"))
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, b, DecodeJobAnswer)
		again(t, b, DecodeUpdatedJob)
		again(t, b, DecodeJobError)
		topic := string(b)
		got, ok := ParseJobs(topic)
		if !ok {
			return
		}
		back := string(Jobs(got.Thing))
		if got.ID != "" {
			back += "/" + got.ID
		}
		back += "/" + got.Op
		if got.Kind != "" {
			back += "/" + got.Kind
		}
		if back != topic {
			t.Fatalf("%q became %q", topic, back)
		}
	})
}

func again[T any](t *testing.T, b []byte, decode func([]byte) (*T, error)) {
	t.Helper()
	v, err := decode(b)
	if err != nil {
		if !errors.Is(err, ErrJobs) {
			t.Fatal(err)
		}
		return
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	w, err := decode(out)
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	more, err := json.Marshal(w)
	if x := cmp.Diff(string(out), string(more)); x != "" || err != nil {
		t.Fatal(x, err)
	}
}

package main

import (
	"testing"
	"time"

	"fountain/agent/api"
)

// TestPlainWords: what a technician reads is neither a code nor bad grammar.
func TestPlainWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Second: "less than a minute ago", 61 * time.Second: "1 minute ago", 5 * time.Minute: "5 minutes ago",
		3 * time.Hour: "3 hours ago", 49 * time.Hour: "2 days ago",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for _, s := range []struct {
		step api.OpStep
		want string
	}{
		{api.OpStep{Name: "dry test", State: stepFailed, Proof: "found"}, "  1/2  failed  dry test: it found what has to be mended"},
		{api.OpStep{Name: "purge", State: stepFailed, Proof: "not_empty"}, "  1/2  failed  purge: not empty"},
		{api.OpStep{Name: "rinse", State: stepDone, Proof: "flow_still counted"}, "  1/2  done    rinse: flow_still counted"},
	} {
		if got := stepLine(0, 2, s.step); got != s.want {
			t.Errorf("%q, want %q", got, s.want)
		}
	}
}

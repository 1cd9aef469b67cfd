package broker

import "testing"

func TestMatchFilter(t *testing.T) {
	for _, tc := range []struct {
		filter, topic string
		want          bool
	}{
		{"x/#", "x", false},
		{"x/#", "x/y", true},
		{"x/#", "x/y/z", true},
		{"x/+", "x/y", true},
		{"x/+", "x/y/z", false},
		{"+", "x", true},
		{"#", "x/y", true},
		{"#", "$aws/x", false},
		{"+/x", "$aws/x", false},
		{"$aws/+", "$aws/x", true},
		{"x", "x", true},
		{"x", "y", false},
	} {
		if got := MatchFilter(tc.filter, tc.topic); got != tc.want {
			t.Errorf("%s on %s: %v", tc.filter, tc.topic, got)
		}
	}
}

package desk

import (
	"slices"
	"testing"
)

func TestUILocale(t *testing.T) {
	english := []string{"LANG=en_US.UTF-8", "LC_MESSAGES=", "LC_ALL="}
	for _, tc := range []struct {
		env  map[string]string
		want []string
	}{
		{nil, english},
		{map[string]string{"LANG": "C"}, english},
		{map[string]string{"LANG": "POSIX"}, english},
		{map[string]string{"LANG": "C.UTF-8"}, english},
		{map[string]string{"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, english},
		{map[string]string{"LANG": "de_DE.UTF-8"}, nil},
		{map[string]string{"LC_ALL": "fr_FR.UTF-8", "LANG": "C"}, nil},
		{map[string]string{"LC_MESSAGES": "Cy_GB", "LANG": "C"}, nil},
	} {
		if got := uiLocale(func(k string) string { return tc.env[k] }); !slices.Equal(got, tc.want) {
			t.Errorf("%v: %q, want %q", tc.env, got, tc.want)
		}
	}
}

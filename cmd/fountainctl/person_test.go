package main

import "testing"

// TestWhoIsAtTheTerminal: who did it is entered even where no variable names the user, as in containers.
func TestWhoIsAtTheTerminal(t *testing.T) {
	for _, tc := range []struct {
		env           map[string]string
		flag, account string
		want          string
	}{
		{account: "root", want: "root"},
		{env: map[string]string{"USER": "ada"}, account: "root", want: "ada"},
		{env: map[string]string{"USER": "root", "SUDO_USER": "ada"}, want: "ada"},
		{env: map[string]string{envPerson: "ruiz", "USER": "ada"}, want: "ruiz"},
		{env: map[string]string{envPerson: "ruiz"}, flag: "eve", want: "eve"},
		{env: map[string]string{"USER": " "}},
	} {
		tool := tool{person: tc.flag, getenv: func(k string) string { return tc.env[k] }, account: func() string { return tc.account }}
		got, err := tool.who()
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%+v: %q, %v", tc, got, err)
		}
	}
}

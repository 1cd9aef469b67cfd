package main

import (
	"strings"
	"testing"
)

// A console passes only when everything that should be there is: most ways to go wrong leave something out.
func TestJudge(t *testing.T) {
	plain := group{tests: []string{"TestA", "TestB"}}
	hang := group{tests: []string{"TestHang"}, resets: true, console: []string{`(?s)stopped.*Initiating`}, never: []string{"still runs"}}
	const passed = "--- PASS: TestA (0.1s)\n--- PASS: TestB (0.2s)\nPASS\n"
	for _, tt := range []struct {
		name    string
		group   group
		console string
		says    string // "" passes
	}{
		{"good", plain, passed + "device: exit 0\n", ""},
		{"kernel died", plain, passed, "stopped before PID 1"},
		{"failed", plain, passed + "device: exit 1\n", "ended with 1"},
		{"a test is missing", plain, "--- PASS: TestA (0.1s)\nPASS\ndevice: exit 0\n", "TestB did not pass"},
		{"skipped is not passed", plain, "--- PASS: TestA (0.1s)\n--- SKIP: TestB (0.2s)\ndevice: exit 0\n", "TestB did not pass"},
		{"a longer name is another test", plain, "--- PASS: TestA (0.1s)\n--- PASS: TestBoth (0.2s)\ndevice: exit 0\n", "TestB did not pass"},
		{"nothing", plain, "", "stopped before PID 1"},
		{"reset by the watchdog", hang, "=== RUN   TestHang\nstopped\nsoftdog: Initiating system reboot\n", ""},
		{"reset by something else", hang, "=== RUN   TestHang\nstopped\n", "no \"(?s)stopped"},
		{"reset too early", hang, "=== RUN   TestHang\nInitiating\nstopped\n", "no \"(?s)stopped"},
		{"no reset", hang, "=== RUN   TestHang\nstopped\nstill runs\ndevice: exit 1\n", "nothing reset the guest"},
		{"never ran", hang, "stopped\nInitiating\n", "before the test"},
	} {
		err := judge(tt.group, tt.console)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

// Every boot has its own tests, and no test runs nowhere twice.
func TestBoots(t *testing.T) {
	seen := map[string]string{}
	for _, b := range boots {
		if b.limit == 0 || len(b.tests) == 0 {
			t.Errorf("%s: limit %v, tests %v", b.name, b.limit, b.tests)
		}
		for _, n := range b.tests {
			if seen[n] != "" {
				t.Errorf("%s is in %s and in %s", n, seen[n], b.name)
			}
			seen[n] = b.name
		}
	}
}

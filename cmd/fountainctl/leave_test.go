package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
)

// TestDecommissionOfALiveUnit: every exit code, by a real agent that has no cloud.
func TestDecommissionOfALiveUnit(t *testing.T) {
	t.Parallel()
	u := newLive(t)
	if code, _, errs := u.steady("pour", "kolvane.zero", "--ml", "100"); code != 0 {
		t.Fatal(code, errs)
	}
	export := filepath.Join(t.TempDir(), "pours.jsonl")
	for _, tc := range []struct {
		stdin, args string
		code        int
		says        string
	}{
		{"", "decommission --undo --offline", 2, "--undo goes with no other choice"},
		{"", "decommission now", 2, "now"},
		{"", "decommission", 2, "--yes"},
		{"n\n", "decommission", 1, "nothing was done"},
		{"", "decommission --yes", 3, "1 pours are on this unit only"},
		{"", "decommission --yes --keep-unsent --export " + export + "/x", 1, "cannot write the file: no such file or directory: " + export + "/x: name another one with --export"},
		{"", "decommission --yes --offline", 3, "--keep-unsent"},
		{"", "decommission --undo", 1, "in service"},
		{"", "decommission --yes --keep-unsent --json --export " + export, 0, ""},
		{"", "decommission --yes", 1, "decommissioned already"},
		{"", "pour kolvane.zero --ml 100", 1, "decommissioned"},
		{"", "decommission --undo", 0, ""},
	} {
		var code int
		var out, errs string
		u.await("the pour has settled", 10*time.Second, func() bool {
			code, out, errs = u.run(strings.NewReader(tc.stdin), strings.Fields(tc.args)...)
			return !strings.Contains(errs, "is under way")
		})
		if code != tc.code || !strings.Contains(errs, tc.says) {
			t.Errorf("fountainctl %s: %d, want %d", tc.args, code, tc.code)
		}
		if strings.Contains(tc.args, "--json") {
			var l api.Leaving
			if err := json.Unmarshal([]byte(out), &l); err != nil || l.State != api.Left || l.By != "ada" || l.Unsent != 1 {
				t.Errorf("%+v %v", l, err)
			}
		}
	}
	if b, err := os.ReadFile(export); err != nil || strings.Count(string(b), "\n") != 1 {
		t.Errorf("exported %q %v", b, err)
	}
	u.await("it is in service again", 10*time.Second, func() bool {
		code, out, _ := u.run(strings.NewReader(""), "status", "--json")
		return code == 0 && strings.Contains(out, `"unit": "ready"`)
	})
	if code, _, errs := u.steady("pour", "kolvane.zero", "--ml", "100"); code != 0 {
		t.Error(code, errs)
	}
}

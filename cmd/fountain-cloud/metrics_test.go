package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// garbage is no record, and would colour a terminal.
const garbage = "\x1b[31mred"

// checkMetrics sends a record that contradicts a stored one, and something that is none, and looks for both.
func checkMetrics(t *testing.T, e Endpoints, thing string, cl paho.Client) {
	t.Helper()
	other := strings.Replace(string(record(thing, 1)), "completed", "stopped", 1)
	payload := wire.AppendBatch(nil, []byte(other), []byte(garbage))
	if tok := cl.Publish(wire.BasicIngest("fountain_consumption", thing), 1, false, payload); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	want := []string{
		"fountain_cloud_conflicts 1", "fountain_cloud_quarantined 1", "fountain_cloud_pours 2", "fountain_cloud_units_connected 1",
		`fountain_cloud_records_total{verdict="new"} 2`, `fountain_cloud_rule_total{metric="Success",rule="fountain_consumption"} 2`,
		"fountain_cloud_store_readable 1", "fountain_cloud_queue_depth 0", "fountain_cloud_dead_letters_total 0",
	}
	var page string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		page = get(t, e.Console+"/metrics")
		missing := ""
		for _, line := range want {
			if !strings.Contains(page, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			checkAside(t, e, other)
			return
		}
	}
	t.Fatalf("want %v in\n%s", want, page)
}

// checkAside reads what was kept aside, whole, and without what a terminal would obey.
func checkAside(t *testing.T, e Endpoints, conflict string) {
	t.Helper()
	aside := func(more ...string) string {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"consumption", "aside", "--dir", filepath.Dir(e.CA)}, more...), os.Getenv, &out, t.Output()); code != 0 {
			t.Fatalf("aside: exit %d", code)
		}
		return out.String()
	}
	if text := aside(); !strings.Contains(text, conflict) || !strings.Contains(text, "conflict a1/1, 1 times") || !strings.Contains(text, "quarantine") || !strings.Contains(text, `\x1b`) || strings.Contains(text, "\x1b") {
		t.Errorf("aside: %s", text)
	}
	bodies := map[string]string{}
	for line := range strings.Lines(aside("--json")) {
		var a store.Aside
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		bodies[a.Kind] = string(a.Body)
	}
	if bodies[store.AsideConflict] != conflict || !strings.HasPrefix(bodies[store.AsideQuarantine], garbage) {
		t.Errorf("aside: %q", bodies)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(fmt.Errorf("%s: %s %w", url, res.Status, err))
	}
	return string(b)
}

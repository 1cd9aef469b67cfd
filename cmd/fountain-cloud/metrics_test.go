package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/sync/wire"
)

// checkMetrics sends a record that contradicts a stored one, and something that is none, and looks for both.
func checkMetrics(t *testing.T, e Endpoints, thing string, cl paho.Client) {
	t.Helper()
	other := strings.Replace(string(record(thing, 1)), "completed", "stopped", 1)
	payload := wire.AppendBatch(nil, []byte(other), []byte(`{"v":1}`))
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
			return
		}
	}
	t.Fatalf("want %v in\n%s", want, page)
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

package ingest

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// What is counted is what happened: each figure would be wrong if its line were missing.
func TestFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &shadows{}
		var told []int
		i := start(t, m, s, func(c *Config) { c.OnCommit = func(ps []store.Pour) { told = append(told, len(ps)) } })
		other := func(r *wire.Record) { r.CountedUL++ }
		i.mustHandle(t, body("u1", record("u1", "a", 1), record("u1", "a", 2), []byte(`{"v":1}`)))
		time.Sleep(time.Second)
		i.mustHandle(t, body("u1", record("u1", "a", 1), record("u1", "a", 2, other)))
		if err := i.HandleDead(t.Context(), []byte("?")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		s.says(wire.LedgerReport{"a": {Last: 9, Acked: 9}})
		i.Connected("u1")
		time.Sleep(time.Minute)
		if !slices.Equal(told, []int{2, 0}) { // the console must show at once what is kept aside
			t.Errorf("OnCommit was told of %v records", told)
		}
		page := scrape(t, i)
		for _, line := range []string{
			`fountain_cloud_records_total{verdict="conflict"} 1`,
			`fountain_cloud_records_total{verdict="new"} 2`,
			`fountain_cloud_records_total{verdict="quarantined"} 2`,
			`fountain_cloud_records_total{verdict="same"} 1`,
			`fountain_cloud_dead_letters_total 1`,
			`fountain_cloud_restores_asked_total 1`,
			`fountain_cloud_ledger_due 0`,
			`fountain_cloud_queue_depth 0`,
			`fountain_cloud_commit_seconds_count 2`,
			`fountain_cloud_commit_failures_total 0`,
			`fountain_cloud_ledger_failures_total 0`,
			fmt.Sprintf(`fountain_cloud_ledger_writes_total %d`, len(s.all())),
		} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("%s is not in\n%s", line, page)
			}
		}
	})
}

// scrape returns what Prometheus would read.
func scrape(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.PanicOnError}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

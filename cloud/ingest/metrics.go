package ingest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fountain/cloud/store"
)

// figures are what an Ingest counts since it was made.
type figures struct {
	records          *prometheus.CounterVec
	deadLetters      prometheus.Counter
	commits          prometheus.Histogram
	commitFailures   prometheus.Counter
	ledgerWrites     prometheus.Counter
	ledgerFailures   prometheus.Counter
	restores         prometheus.Counter
	depth, ledgerDue prometheus.GaugeFunc
}

// verdicts name what became of a record.
var verdicts = map[store.Verdict]string{store.New: "new", store.Same: "same", store.Conflict: "conflict"}

const quarantined = "quarantined"

func newFigures(i *Ingest) *figures {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fountain_cloud", Name: name, Help: help})
	}
	gauge := func(name, help string, f func() float64) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fountain_cloud", Name: name, Help: help}, f)
	}
	f := &figures{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "fountain_cloud", Name: "records_total", Help: "Records committed since start, by what became of them.",
		}, []string{"verdict"}),
		deadLetters: counter("dead_letters_total", "Messages that the topic rule could not make sense of, since start."),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "fountain_cloud", Name: "commit_seconds", Help: "What a group commit took until it was durable.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		commitFailures: counter("commit_failures_total", "Commits that failed and were tried again."),
		ledgerWrites:   counter("ledger_writes_total", "Ledger shadows written."),
		ledgerFailures: counter("ledger_failures_total", "Ledger shadows that could not be written and were tried again."),
		restores:       counter("restores_asked_total", "Logs of which a unit was asked again for what the store no longer had."),
		depth:          gauge("queue_depth", "Messages that wait for a commit.", func() float64 { return float64(len(i.queue)) }),
		ledgerDue:      gauge("ledger_due", "Units whose ledger waits to be looked at or written.", func() float64 { return float64(i.led.waiting()) }),
	}
	for _, v := range verdicts { // there from the start, so that an alarm sees the first one rise
		f.records.WithLabelValues(v)
	}
	f.records.WithLabelValues(quarantined)
	return f
}

func (f *figures) all() []prometheus.Collector {
	return []prometheus.Collector{
		f.records, f.deadLetters, f.commits, f.commitFailures, f.ledgerWrites, f.ledgerFailures, f.restores, f.depth, f.ledgerDue,
	}
}

// committed notes one commit.
func (f *figures) committed(began time.Time, results []store.Result, bad int) {
	f.commits.Observe(time.Since(began).Seconds())
	for _, r := range results {
		f.records.WithLabelValues(verdicts[r.Verdict]).Inc()
	}
	f.records.WithLabelValues(quarantined).Add(float64(bad))
}

// Describe implements prometheus.Collector.
func (i *Ingest) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range i.fig.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (i *Ingest) Collect(ch chan<- prometheus.Metric) {
	for _, c := range i.fig.all() {
		c.Collect(ch)
	}
}

package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fountain/internal/build"
	"fountain/internal/logkey"
)

// scrapeLimit is how long the store may take to count.
const scrapeLimit = 5 * time.Second

// pages are what people and Prometheus look at.
func (s *server) pages() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /metrics", s.metrics())
	m.Handle("/", s.console.Handler())
	return m
}

// metrics is the page for Prometheus, on a registry of its own.
func (s *server) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "fountain_cloud", Name: "build_info", Help: "Version of the cloud.", ConstLabels: prometheus.Labels{"version": build.Version},
	})
	info.Set(1)
	reg.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s.ingest, cloudFigures{s})
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg})
}

// cloudFigures are read when they are asked for: from the store, the rules and the broker.
type cloudFigures struct{ s *server }

var (
	pours         = desc("pours", "Records stored.")
	conflicts     = desc("conflicts", "Records kept aside because another body is stored under their key, each time it came.")
	unseen        = desc("conflicts_unseen", "Of them, those that nobody has seen, each once. Above 0 is an alarm.")
	quarantine    = desc("quarantined", "Messages and records kept aside because they are no pour, each time they came.")
	connected     = desc("units_connected", "Units that are connected now.")
	ruleTotal     = desc("rule_total", "What the topic rules did since start, as AWS/IoT counts it.", "rule", "metric")
	storeReadable = desc("store_readable", "1 when the store could be counted.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fountain_cloud_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (cloudFigures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{pours, conflicts, unseen, quarantine, connected, ruleTotal, storeReadable} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f cloudFigures) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	if c, err := f.s.db.Counts(ctx); err != nil {
		f.s.log.Error("cannot count what is stored", logkey.Err, err)
		gauge(storeReadable, 0)
	} else {
		gauge(storeReadable, 1)
		gauge(pours, float64(c.Pours))
		gauge(conflicts, float64(c.Conflicts))
		gauge(unseen, float64(c.Unseen))
		gauge(quarantine, float64(c.Quarantined))
	}
	gauge(connected, float64(len(f.s.broker.Connected())))
	for rule, c := range f.s.broker.RuleCounts() {
		for metric, n := range map[string]int64{
			"TopicMatch": c.TopicMatch, "ParseError": c.ParseError, "RuleNotFound": c.RuleNotFound, "Success": c.Success, "Failure": c.Failure,
			"ErrorActionSuccess": c.ErrorActionSuccess, "ErrorActionFailure": c.ErrorActionFailure,
		} {
			ch <- prometheus.MustNewConstMetric(ruleTotal, prometheus.CounterValue, float64(n), strings.ToValidUTF8(rule, "?"), metric)
		}
	}
}

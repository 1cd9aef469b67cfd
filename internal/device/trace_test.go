//go:build linux

package device

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const tracing = "/sys/kernel/tracing/"

// edge is one write to a line, as the kernel's own trace saw it.
type edge struct {
	at   time.Duration // CLOCK_MONOTONIC
	line int           // of the chip
	high bool
}

// lineTrace records every level the kernel puts on the lines of a chip, however briefly.
type lineTrace struct {
	t    *testing.T
	base int
}

func traceLines(t *testing.T, base int) *lineTrace {
	t.Helper()
	tr := &lineTrace{t, base}
	tr.put("tracing_on", "0")
	tr.put("trace_clock", "mono")
	tr.put("trace", "")
	tr.put("events/gpio/gpio_value/enable", "1")
	tr.put("tracing_on", "1")
	t.Cleanup(func() { tr.put("events/gpio/gpio_value/enable", "0") })
	return tr
}

func (tr *lineTrace) put(file, s string) {
	if err := os.WriteFile(tracing+file, []byte(s), 0); err != nil {
		tr.t.Errorf("trace: %v", err)
	}
}

// clear forgets what was recorded.
func (tr *lineTrace) clear() { tr.put("trace", "") }

// edges are the writes so far, oldest first. A buffer that ran over would hide some: that fails the test.
func (tr *lineTrace) edges() (out []edge) {
	tr.t.Helper()
	b, err := os.ReadFile(tracing + "trace")
	if err != nil {
		tr.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "LOST") {
			tr.t.Fatalf("the trace is not whole: %s", line)
		}
		head, what, ok := strings.Cut(line, ": gpio_value: ")
		f := strings.Fields(what) // "512 set 1"
		if !ok || len(f) != 3 || f[1] != "set" {
			continue
		}
		stamp := head[strings.LastIndexByte(head, ' ')+1:]
		sec, err := strconv.ParseFloat(stamp, 64)
		n, err2 := strconv.Atoi(f[0])
		if err != nil || err2 != nil {
			tr.t.Fatalf("trace line %q", line)
		}
		out = append(out, edge{time.Duration(sec * 1e9), n - tr.base, f[2] == "1"})
	}
	return out
}

// opened counts how often a line went to its open level, starting shut.
func opened(edges []edge, line int, activeLow bool) (n int) {
	was := false
	for _, e := range edges {
		if e.line != line {
			continue
		}
		open := e.high != activeLow
		if open && !was {
			n++
		}
		was = open
	}
	return n
}

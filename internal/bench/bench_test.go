package bench

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

var (
	figures = flag.Bool("figures", false, "measure and print the figures")
	prefix  = flag.String("prefix", "", "only figures whose name begins with this")
	binDir  = flag.String("bin", "", "directory of the built commands")
)

// figuresTo is the real standard output; everything else that the test binary says goes to standard error.
var figuresTo io.Writer

func TestMain(m *testing.M) {
	if env := os.Getenv(backlogEnv); env != "" {
		if err := backlogFromEnv(env); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if *figures {
		figuresTo, os.Stdout = os.Stdout, os.Stderr
	}
	os.Exit(m.Run())
}

// group is figures that are measured together.
type group struct {
	names   []string
	measure func(*testing.T, func(Figure))
}

var groups = []group{
	{[]string{"pour/accuracy_120..590_mean", "pour/accuracy_120..590_p99", "pour/ratio_240"}, measureAnySize},
	{tableNames(), measureTable},
	{[]string{"stop/api_to_shut", "stop/door_to_shut"}, measureStop},
	{[]string{"guard/last_beat_to_shut"}, measureGuard},
	{[]string{"stop/valves_open_at_end"}, measureOpenAtEnd}, // after all that pour
	{[]string{"stop/busy_p50", "stop/busy_p99", "stop/busy_late"}, measureBusyStop},
	{[]string{"store/append", "store/append_plain"}, measureAppend},
	{backlogFigures, measureBacklog},
	{[]string{"store/open_backlog"}, measureOpen},
	{painterNames(), measurePainter},
	{[]string{"ui/press", "ui/idle_frames", "ui/first_frame", "size/agent_rss", "size/guard_rss", "size/ui_rss"}, measureDesk},
	{[]string{"pour/row_p50", "pour/row_p95"}, measureRow},
	{drainNames(), measureDrain},
	{[]string{"ingest/put", "ingest/put_fleet"}, measureIngest},
	{[]string{"fleet/rss", "fleet/kib_per_unit", "fleet/storm", "fleet/rss_after_storm"}, measureFleet},
	{[]string{"size/agent_arm64", "size/guard_arm64"}, measureSize},
}

// TestFigures prints the figures. A goal that is missed is a result, not a failure: its line says ok:false. It fails
// when something could not be measured.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("measures, proves nothing: make bench runs it")
	}
	found := false
	for _, g := range groups {
		wanted := false
		for _, n := range g.names {
			wanted = wanted || strings.HasPrefix(n, *prefix)
		}
		if !wanted {
			continue
		}
		found = true
		t.Run(g.names[0], func(t *testing.T) {
			missing := map[string]bool{}
			for _, n := range g.names {
				missing[n] = true
			}
			g.measure(t, func(f Figure) {
				if !missing[f.Name] {
					t.Errorf("figure %s is not in the list, or came twice", f.Name)
				}
				delete(missing, f.Name)
				if !strings.HasPrefix(f.Name, *prefix) {
					return
				}
				if err := f.Write(figuresTo); err != nil {
					t.Error(err)
				}
			})
			for n := range missing {
				t.Errorf("%s was not measured", n)
			}
		})
	}
	if !found {
		t.Errorf("no figure begins with %q; there are:", *prefix)
		for _, g := range groups {
			t.Log(strings.Join(g.names, " "))
		}
	}
}

// goBench runs benchmarks that stand beside the code they measure, count times.
func goBench(t *testing.T, pkg, pattern, benchtime string, count int) Results {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", benchtime, "-count", strconv.Itoa(count), pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("benchmarks of %s: %v\n%s", pkg, err, out)
	}
	r, err := ParseBenchmarks(string(out))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// median of a benchmark that has to be there.
func median(t *testing.T, r Results, name, unit string) float64 {
	t.Helper()
	x, ok := r.Median(name, unit)
	if !ok {
		t.Fatalf("benchmark %s reported no %s", name, unit)
	}
	return x
}

func measureAppend(t *testing.T, emit func(Figure)) {
	r := goBench(t, "fountain/agent/store", "^BenchmarkAppend$/^empty$", "1s", 3)
	const empty = "Append/empty"
	f := Figure{Name: "store/append", Value: median(t, r, empty, "append-p50-µs") / 1000, Unit: "ms p50", Goal: "ratio<=1.25"}
	one := short(median(t, r, empty, "x-floor"))
	emit(f.Times("the five pages and two flushes of a commit, bare, in turns ("+one+" times one page and one flush)", median(t, r, empty, "x-commit")))
	f.Name, f.Goal = "store/append_plain", "ratio<=1"
	emit(f.Times("a bbolt file with default options, in turns", median(t, r, empty, "x-plain-bbolt")))
}

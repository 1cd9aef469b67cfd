// Package bench measures the figures of DESIGN 8 and prints each as one JSON line (`make bench`). It is wiring, like
// internal/desk: it puts packages together through their public API and judges what they do. It owns no state.
//
//	machine + guard + plant, virtual time ──┐
//	benchmarks of the packages (go test) ───┼─► Figure ─► Judge (goal) ─► one JSON line on stdout
//	desk: real processes, real screen ──────┘
//
// The measuring lives in this package's tests, because virtual time (testing/synctest) exists in tests only. `go test`
// alone checks the judging and the parsing; `-figures` measures. A figure is compared with a base taken in the same
// run. Goals judge ratios, counts and virtual time, never the milliseconds of the host.
package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Figure is one measured number. Its JSON form is a contract (DESIGN 7): scripts read it.
type Figure struct {
	Name  string   `json:"name"` // area/what, such as "pour/ratio_240"
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Base  string   `json:"base,omitempty"`  // what it is compared with, measured in the same run
	Ratio *float64 `json:"ratio,omitempty"` // value over base, both in Unit; nil without a base
	Goal  string   `json:"goal"`            // "ratio<=0.002", "value<=1.5", "value==0"
	OK    bool     `json:"ok"`
}

// Over sets the base: what it is, and its value in the figure's unit (the first word of Unit).
func (f Figure) Over(what string, base float64) Figure {
	r := f.Value / base
	unit, _, _ := strings.Cut(f.Unit, " ")
	f.Base, f.Ratio = fmt.Sprintf("%s: %s %s", what, short(base), unit), &r
	return f
}

// Times sets the base and a ratio that was measured in pairs, and so is not simply value over base.
func (f Figure) Times(what string, ratio float64) Figure {
	f.Base, f.Ratio = what, &ratio
	return f
}

// Judge sets OK by the goal; a goal it cannot read, and a ratio goal without a ratio, are errors.
func (f Figure) Judge() (Figure, error) {
	for _, op := range []string{"<=", ">=", "=="} {
		what, limit, ok := strings.Cut(f.Goal, op)
		if !ok {
			continue
		}
		want, err := strconv.ParseFloat(limit, 64)
		if err != nil {
			return f, fmt.Errorf("judge %s: goal %q: %w", f.Name, f.Goal, err)
		}
		got := f.Value
		switch {
		case what == "ratio" && f.Ratio != nil:
			got = *f.Ratio
		case what != "value":
			return f, fmt.Errorf("judge %s: goal %q asks for what was not measured", f.Name, f.Goal)
		}
		if math.IsNaN(got) || math.IsInf(got, 0) {
			return f, fmt.Errorf("judge %s: measured %v", f.Name, got)
		}
		f.OK = op == "<=" && got <= want || op == ">=" && got >= want || op == "==" && got == want
		return f, nil
	}
	return f, fmt.Errorf("judge %s: cannot read the goal %q", f.Name, f.Goal)
}

// Write judges f and writes it as one line. Numbers are rounded after judging.
func (f Figure) Write(w io.Writer) error {
	f, err := f.Judge()
	if err != nil {
		return err
	}
	f.Value = round(f.Value)
	if f.Ratio != nil {
		r := round(*f.Ratio)
		f.Ratio = &r
	}
	b := &strings.Builder{}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false) // goals hold < and >
	if err := e.Encode(f); err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// round keeps four significant digits.
func round(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		return x
	}
	return r
}

func short(x float64) string { return strconv.FormatFloat(round(x), 'f', -1, 64) }

// Quantile of xs by nearest rank: the smallest x with at least the share q of xs at or below it. The zero value when xs is empty.
func Quantile[T cmp.Ordered](xs []T, q float64) T {
	var none T
	if len(xs) == 0 {
		return none
	}
	s := slices.Sorted(slices.Values(xs))
	return s[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}

// Mean of xs.
func Mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// Results of Go benchmarks: by name (without "Benchmark" and the number of processors), by unit, one value a run.
type Results map[string]map[string][]float64

// Median of one benchmark's unit; false when it was not measured.
func (r Results) Median(name, unit string) (float64, bool) {
	xs := r[name][unit]
	return Quantile(xs, 0.5), len(xs) > 0
}

// ParseBenchmarks reads what `go test -bench` prints; other lines are skipped.
func ParseBenchmarks(out string) (Results, error) {
	all := Results{}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(words[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		if all[name] == nil {
			all[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(words); i += 2 {
			x, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read benchmark %s: %w", name, err)
			}
			all[name][words[i+1]] = append(all[name][words[i+1]], x)
		}
	}
	return all, nil
}

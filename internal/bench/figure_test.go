package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	half := 0.5
	for _, tc := range []struct {
		f    Figure
		ok   bool
		fail string
	}{
		{f: Figure{Goal: "value<=2", Value: 2}, ok: true},
		{f: Figure{Goal: "value<=2", Value: 2.001}},
		{f: Figure{Goal: "value==0"}, ok: true},
		{f: Figure{Goal: "value==0", Value: 1}},
		{f: Figure{Goal: "ratio>=0.5", Value: 0.1, Ratio: &half}, ok: true},
		{f: Figure{Goal: "ratio<=0.49", Ratio: &half}},
		{f: Figure{Goal: "ratio<=1"}, fail: "not measured"},
		{f: Figure{Goal: "soon", Name: "x"}, fail: "cannot read"},
		{f: Figure{Goal: "value<=two"}, fail: "two"},
		{f: Figure{Goal: "ratio<=1", Value: 1}.Over("nothing", 0), fail: "Inf"},
	} {
		got, err := tc.f.Judge()
		if tc.fail == "" && err != nil || tc.fail != "" && (err == nil || !strings.Contains(err.Error(), tc.fail)) || got.OK != tc.ok {
			t.Errorf("%+v: ok %v, %v", tc.f, got.OK, err)
		}
	}
}

// TestLine holds the form that DESIGN 7 promises.
func TestLine(t *testing.T) {
	var b strings.Builder
	f := Figure{Name: "ui/scroll", Value: 0.91239, Unit: "ms p95", Goal: "ratio<=0.002"}.Over("fyne painter", 525)
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"ui/scroll","value":0.9124,"unit":"ms p95","base":"fyne painter: 525 ms","ratio":0.001738,"goal":"ratio<=0.002","ok":true}` + "\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
	b.Reset()
	if err := (Figure{Name: "ui/idle", Value: 3, Unit: "frames", Goal: "value==0"}).Write(&b); err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"ui/idle","value":3,"unit":"frames","goal":"value==0","ok":false}` + "\n"; b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
}

func TestQuantile(t *testing.T) {
	xs := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.95: 5, 1: 5, 0.2: 1, 0.21: 2} {
		if got := Quantile(xs, q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if !slices.Equal(xs, []float64{5, 1, 4, 2, 3}) {
		t.Error("the input was sorted in place")
	}
}

func TestParseBenchmarks(t *testing.T) {
	r, err := ParseBenchmarks(`goos: linux
some log line of four words
BenchmarkScroll1080x1920-2             	     434	   2807790 ns/op	   11531 B/op	    1441 allocs/op
BenchmarkScroll1080x1920-2             	     434	   3000000 ns/op	   11531 B/op	    1441 allocs/op
BenchmarkAppend/after_50k-2         	    1797	    567854 ns/op	       361.0 append-p50-µs	         2.255 x-floor
PASS
`)
	if err != nil {
		t.Fatal(err)
	}
	if xs := r["Scroll1080x1920"]["ns/op"]; !slices.Equal(xs, []float64{2807790, 3000000}) {
		t.Errorf("%v", xs)
	}
	if x, ok := r.Median("Append/after_50k", "x-floor"); !ok || x != 2.255 {
		t.Errorf("%v %v", x, ok)
	}
	if _, ok := r.Median("Append/after_50k", "x"); ok {
		t.Error("found what was not measured")
	}
}

package bench

import (
	"sync"
	"testing"
)

const paintPackage = "fountain/touchui/kiosk/paint"

// screens are the panels that the painter is measured on.
var screenSizes = []string{"1080x1920", "800x1280", "800x480"}

// The ways to show 120 brands that ours are compared with, in the same run.
const (
	naive = "Fyne's software painter on the naive grid"
	best  = "Fyne's software painter on its best grid (recycled cells, pictures scaled beforehand)"
)

// painterNames are the figures of the painter: for each screen the same widgets and composed tiles, each against both
// bases, and a press.
func painterNames() (names []string) {
	for _, s := range screenSizes {
		for _, what := range []string{"scroll_", "scroll_composed_"} {
			names = append(names, "ui/"+what+s, "ui/"+what+s+"_best")
		}
		names = append(names, "ui/press_"+s, "ui/turned_"+s)
	}
	return append(names, "ui/allocs", "ui/allocs_same", "ui/still")
}

// walls runs the painter's comparison once: all ways in turns, medians over the rounds.
var walls = func() func(*testing.T) Results {
	var once sync.Once
	var r Results
	return func(t *testing.T) Results {
		once.Do(func() { r = goBench(t, paintPackage, "^BenchmarkWall$", "1x", 1) })
		return r
	}
}()

// fyneMS is what a frame of the naive grid takes at 1080x1920.
func fyneMS(t *testing.T) float64 { return median(t, walls(t), "Wall/1080x1920", "naive-ms") }

func measurePainter(t *testing.T, emit func(Figure)) {
	r := walls(t)
	for _, s := range screenSizes {
		ms := func(what string) float64 { return median(t, r, "Wall/"+s, what+"-ms") }
		for _, way := range []struct{ name, metric, unit, naive, best string }{
			{"scroll_", "same", "ms with the widgets of the best grid", "ratio<=0.002", "ratio<=0.008"},
			{"scroll_composed_", "composed", "ms with composed tiles", "ratio<=0.001", "ratio<=0.004"},
		} {
			emit(Figure{Name: "ui/" + way.name + s, Value: ms(way.metric), Unit: way.unit, Goal: way.naive}.Over(naive, ms("naive")))
			emit(Figure{Name: "ui/" + way.name + s + "_best", Value: ms(way.metric), Unit: way.unit, Goal: way.best}.Over(best, ms("best")))
		}
		emit(Figure{Name: "ui/press_" + s, Value: ms("press-p95"), Unit: "ms p95, a tile changes its colour", Goal: "ratio<=0.0019"}.Over(naive, ms("naive")))
		emit(Figure{Name: "ui/turned_" + s, Value: ms("turned"), Unit: "ms with composed tiles on a panel turned by 90 degrees", Goal: "ratio<=2"}.
			Over("the same on a panel that is not turned", ms("composed")))
	}
	a := goBench(t, paintPackage, "^Benchmark(Composed|Same|Unchanged)1080x1920$", "0.5s", 1)
	for _, f := range []struct{ name, bench, unit, goal string }{
		{"ui/allocs", "Composed1080x1920", "allocations per frame, composed tiles scrolling", "value==0"},
		{"ui/allocs_same", "Same1080x1920", "allocations per frame, Fyne's recycled cells scrolling", "value<=40"},
		{"ui/still", "Unchanged1080x1920", "allocations per unchanged frame", "value==0"},
	} {
		emit(Figure{Name: f.name, Value: median(t, a, f.bench, "allocs/op"), Unit: f.unit, Goal: f.goal})
	}
}

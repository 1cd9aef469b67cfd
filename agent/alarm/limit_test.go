package alarm

import (
	"testing"
	"time"
)

func TestGauge(t *testing.T) {
	type sample struct {
		at    time.Duration
		v     float64
		pours bool
		bad   bool
	}
	warm := Limit{Bound: 8, Above: true, Hyst: 0.5, Delay: 10 * time.Second}
	gas := Limit{Bound: 414, Hyst: 21, Delay: 2 * time.Second}
	for _, c := range []struct {
		name string
		l    Limit
		s    []sample
	}{
		{"a short rise", warm, []sample{{0, 9, false, false}, {9, 9, false, false}, {10, 7.9, false, false}, {11, 9, false, false}, {20, 9, false, false}, {21, 9, false, true}}},
		{"a rise while pouring does not count", warm, []sample{{0, 9, true, false}, {30, 9, true, false}, {31, 9, false, false}, {40, 9, false, true}}},
		{"hysteresis", warm, []sample{{0, 9, false, false}, {10, 9, false, true}, {11, 7.6, false, true}, {12, 7.5, false, false}, {13, 7.6, false, false}, {30, 7.9, false, false}}},
		{"at the bound", warm, []sample{{0, 8, false, false}, {60, 8, false, false}}},
		{"below", gas, []sample{{0, 300, false, false}, {2, 300, false, true}, {3, 430, false, true}, {4, 435, false, false}}},
		{"no delay", Limit{Bound: 1, Above: true}, []sample{{5, 2, false, true}, {6, 1, false, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := Gauge{Limit: c.l}
			for i, s := range c.s {
				if got := g.Step(s.at*time.Second, s.v, !s.pours); got != s.bad || g.Bad() != got {
					t.Errorf("sample %d at %d s: %v, want %v", i, s.at, got, s.bad)
				}
			}
		})
	}
}

// Keep replaces what one source says in one change, and leaves alone what other sources say.
func TestKeep(t *testing.T) {
	b := New(nil)
	mine := []Name{ChipGone, BusSlow}
	b.Set(Alarm{Name: StoreFailing})
	b.Keep(mine, []Alarm{{Name: ChipGone, Scope: "x1"}, {Name: BusSlow, Scope: "x2"}})
	rev := b.Rev()
	if b.Keep(mine, []Alarm{{Name: ChipGone, Scope: "x1"}, {Name: BusSlow, Scope: "x2"}}) || b.Rev() != rev {
		t.Error("the same again is a change")
	}
	if !b.Keep(mine, []Alarm{{Name: ChipGone, Scope: "x3"}}) || b.Rev() != rev+1 {
		t.Errorf("rev grew by %d, want 1", b.Rev()-rev)
	}
	if b.Has(ChipGone, "x1") || b.Has(BusSlow, "x2") || !b.Has(ChipGone, "x3") || !b.Has(StoreFailing, "") {
		t.Errorf("stands %+v", b.List())
	}
}

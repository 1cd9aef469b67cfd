package throttle

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestRatePerThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(20, 10)
		passed := 0
		for range 50 {
			if leave, ok := g.Enter("a"); ok {
				leave()
				passed++
			}
		}
		if passed != 20 {
			t.Fatalf("%d of a burst passed, want 20", passed)
		}
		if leave, ok := g.Enter("b"); !ok {
			t.Fatal("one thing's budget is another's")
		} else {
			leave()
		}
		time.Sleep(50 * time.Millisecond)
		if leave, ok := g.Enter("a"); !ok {
			t.Fatal("the budget does not fill again")
		} else {
			leave()
		}
	})
}

func TestTogether(t *testing.T) {
	g := New(1000, 10)
	var leaves []func()
	for range 10 {
		leave, ok := g.Enter("a")
		if !ok {
			t.Fatal("refused below the limit")
		}
		leaves = append(leaves, leave)
	}
	if _, ok := g.Enter("a"); ok {
		t.Fatal("an eleventh request at the same time passed")
	}
	leaves[0]()
	if _, ok := g.Enter("a"); !ok {
		t.Fatal("refused though one left")
	}
}

func TestForgetsIdleThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(20, 10)
		for i := range 3 * sweepAt {
			leave, ok := g.Enter(fmt.Sprint(i))
			if !ok {
				t.Fatal("refused")
			}
			leave()
			time.Sleep(time.Millisecond)
		}
		if n := len(g.things); n > 2*sweepAt {
			t.Fatalf("%d things remembered", n)
		}
	})
}

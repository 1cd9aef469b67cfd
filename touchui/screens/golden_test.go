package screens

import (
	"testing"

	"fountain/agent/api"
	"fountain/internal/golden"
)

func TestGolden(t *testing.T) {
	r := atBeverage(t)
	golden.PNG(t, r.shot("golden-beverage"), "testdata/beverage-800x480.png", 3)
	call := func(f func()) {
		t.Helper()
		if err := r.app.Call(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	call(func() { // a level that stands still, without an agent that moves it
		p := r.ui.page.(*pourPage)
		p.mine = true
		r.ui.pour.hold = hold{state: asking}
		r.ui.pour.live = api.Pour{PouredUL: 286_000}
		p.update(false)
	})
	golden.PNG(t, r.shot("golden-pouring"), "testdata/pouring-800x480.png", 3)
	call(func() { r.ui.pour.hold = hold{} })
}

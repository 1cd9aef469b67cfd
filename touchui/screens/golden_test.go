package screens

import (
	"fmt"
	"testing"
	"time"

	"fountain/internal/golden"
)

// TestGolden compares the pages of one beverage with their masters: on the small panel, and the foam on the large one.
func TestGolden(t *testing.T) {
	for _, s := range []struct {
		w, h  int
		pages []string
	}{{800, 480, []string{"beverage", "pouring", "foam", "sold-out"}}, {1080, 1920, []string{"foam"}}} {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			r := newRig(t, s.w, s.h)
			r.waitPage("home")
			noon := time.Now()
			for _, name := range s.pages {
				if err := r.app.Call(t.Context(), func() {
					r.ui.now = func() time.Time { return noon } // no countdown moves while it is looked at
					drinkPage(name).show(r.ui)
					r.app.RenderNow()
				}); err != nil {
					t.Fatal(err)
				}
				golden.PNG(t, r.mem.Image(), fmt.Sprintf("testdata/%s-%dx%d.png", name, s.w, s.h), 3)
				if err := r.app.Call(t.Context(), func() { atRest(r.ui) }); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

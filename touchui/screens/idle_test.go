package screens

import (
	"testing"
	"time"

	"fountain/agent/api"
)

func TestIdleRule(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1000+int64(s), 0) }
	for name, c := range map[string]struct {
		lastTouch      int
		kept, touching int // seconds until which it is so; 0 never
		busy           int // the last second that counts
	}{
		"nobody came":              {},
		"touched at 30":            {lastTouch: 30, busy: 30},
		"cup or foam until 100":    {kept: 100, busy: 100},
		"finger until 200":         {touching: 200, lastTouch: 1, busy: 200},
		"cup, then a touch":        {kept: 50, lastTouch: 70, busy: 70},
		"touch while it was dim":   {lastTouch: 50, busy: 50},
		"cup while it was dim":     {kept: 59, busy: 59},
		"a finger under the limit": {lastTouch: 44, touching: 44, busy: 44},
	} {
		t.Run(name, func(t *testing.T) {
			var i Idle
			dimAt := 0
			for s := range 400 {
				last := time.Time{}
				if c.lastTouch > 0 && s >= c.lastTouch {
					last = at(c.lastTouch)
				}
				switch i.At(at(s), last, s <= c.kept && c.kept > 0, s <= c.touching && c.touching > 0) {
				case Awake:
					dimAt = 0
				case Dim:
					if dimAt == 0 {
						dimAt = s
					}
				case Away:
					if want := c.busy + 60; s != want {
						t.Errorf("returned after %d s, want %d", s, want)
					}
					if want := c.busy + 45; dimAt != want {
						t.Errorf("dim from %d s on, want %d", dimAt, want)
					}
					return
				}
			}
			t.Error("never returned")
		})
	}
}

// What keeps the screen besides a finger.
func TestWhatKeepsTheScreen(t *testing.T) {
	for name, c := range map[string]struct {
		snap api.Snapshot
		kept bool
	}{
		"nothing":        {},
		"a cup":          {api.Snapshot{Cup: true}, true},
		"foam":           {api.Snapshot{Pour: &api.Pour{FoamMS: 900}}, true},
		"a top-off":      {api.Snapshot{Pour: &api.Pour{TopOffMS: 900}}, true},
		"the last drink": {api.Snapshot{Pour: &api.Pour{Phase: api.PhaseDone}}, false},
	} {
		u := &UI{snap: c.snap}
		if got := u.kept(); got != c.kept {
			t.Errorf("%s: kept %v, want %v", name, got, c.kept)
		}
	}
}

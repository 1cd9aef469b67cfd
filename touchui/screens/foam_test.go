package screens

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/api"
	"fountain/touchui/speech"
)

var noon = time.Unix(1_700_000_000, 0)

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func TestVisitAfterAPour(t *testing.T) {
	foam := &api.Pour{TopOffID: "a", TopOffUL: 71_000, TopOffMS: 30_000, FoamMS: 2_900}
	flat := &api.Pour{TopOffID: "a", TopOffUL: 71_000, TopOffMS: 30_000}
	none := &api.Pour{}
	for _, tc := range []struct {
		name  string
		said  *api.Pour
		after time.Duration
		left  int64
		more  bool
		want  serving
	}{
		{"full", none, 0, 0, true, serving{state: served}},
		{"full with foam", foam, 0, 0, true, serving{state: served}},
		{"a drop less", none, 0, 14_999, true, serving{state: served}},
		{"half full", none, 0, 200_000, true, serving{state: room, ul: 200_000}},
		{"half full and sold out", none, 0, 200_000, false, serving{state: served}},
		{"foam, whole seconds up", foam, 0, 71_000, true, serving{state: settling, seconds: 3, ul: 71_000, topOff: "a"}},
		{"foam, a second later", foam, time.Second, 71_000, true, serving{state: settling, seconds: 2, ul: 71_000, topOff: "a"}},
		{"foam, the last second", foam, ms(2_899), 71_000, true, serving{state: settling, seconds: 1, ul: 71_000, topOff: "a"}},
		{"foam has settled", foam, ms(2_900), 71_000, true, serving{state: last, ul: 71_000, topOff: "a"}},
		{"foam, more room than a top-off", foam, 0, 200_000, true, serving{state: settling, seconds: 3, ul: 200_000}},
		{"then an ordinary pour", foam, ms(3_000), 200_000, true, serving{state: room, ul: 200_000}},
		{"a still drink", flat, 0, 60_000, true, serving{state: last, ul: 60_000, topOff: "a"}},
		{"less than any pour, as a top-off", flat, 0, 5_000, true, serving{state: last, ul: 5_000, topOff: "a"}},
		{"less than a top-off", flat, 0, 1_999, true, serving{state: served}},
		{"the offer is over", flat, 30 * time.Second, 60_000, true, serving{state: room, ul: 60_000}},
		{"the offer is over, little is left", flat, 30 * time.Second, 5_000, true, serving{state: served}},
		{"foam, sold out meanwhile", foam, 0, 71_000, false, serving{state: served}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := visit{}.heard(tc.said, true, false, noon)
			if got := v.at(noon.Add(tc.after), tc.left, tc.more); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestVisitEndsWithTheCup(t *testing.T) {
	v := visit{}.heard(nil, false, false, noon)
	if s := v.at(noon.Add(time.Hour), 0, true); s.state != served {
		t.Errorf("a unit that sees no cups ends the visit: %+v", s)
	}
	v = visit{}.heard(nil, true, false, noon).heard(nil, false, false, noon)
	for _, tc := range []struct {
		after time.Duration
		left  int64
		want  visitState
	}{
		{0, 0, taken}, {awayFull - 1, 0, taken}, {awayFull, 0, over}, {awayFull, 200_000, taken}, {awayRoom - 1, 200_000, taken}, {awayRoom, 200_000, over},
	} {
		if s := v.at(noon.Add(tc.after), tc.left, true); s.state != tc.want {
			t.Errorf("%v after, %d µL left: %d, want %d", tc.after, tc.left, s.state, tc.want)
		}
	}
	if s := v.heard(nil, true, false, noon).at(noon.Add(time.Hour), 200_000, true); s.state != room {
		t.Errorf("the cup is back: %+v", s)
	}
	if v := (visit{}).heard(nil, true, true, noon).heard(nil, false, true, noon); !v.away.IsZero() {
		t.Error("a cup that is away while its drink is poured ends the visit")
	}
}

// TestVisitProperties: whatever the snapshots say and however late they come, a countdown of one offer never goes up, no
// more is asked for than fits, nothing is asked for while foam settles or the cup is away, and a visit with a standing cup
// never ends.
func TestVisitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, now := visit{}, noon
		foamEnds, began := rapid.Int64Range(0, 6_000).Draw(t, "foam"), noon
		shown := 1 << 30
		left := rapid.Int64Range(0, 500_000).Draw(t, "left")
		for range rapid.IntRange(1, 30).Draw(t, "snapshots") {
			now = now.Add(ms(rapid.Int64Range(0, 700).Draw(t, "wait")))
			since := now.Sub(began).Milliseconds()
			late := rapid.Int64Range(0, 400).Draw(t, "late") // the snapshot is as old as that
			p := &api.Pour{TopOffID: "a", TopOffUL: 71_000, TopOffMS: 30_000 - since + late, FoamMS: max(0, foamEnds-since+late)}
			cup := rapid.Bool().Draw(t, "cup")
			v = v.heard(p, cup, false, now)
			s := v.at(now, left, rapid.Bool().Draw(t, "more"))
			switch {
			case s.ul > left:
				t.Fatalf("offers %d of %d µL", s.ul, left)
			case s.state == settling && s.seconds < 1, s.state == settling && s.seconds > shown:
				t.Fatalf("the countdown shows %d after %d", s.seconds, shown)
			case cup && (s.state == taken || s.state == over):
				t.Fatalf("a standing cup is taken for gone: %+v", s)
			case !v.away.IsZero() && (s.state == last || s.state == room || s.state == settling):
				t.Fatalf("pours into a cup that is away: %+v", s)
			case s.topOff != "" && s.ul > 71_000:
				t.Fatalf("tops off %d µL", s.ul)
			}
			if s.state == settling {
				shown = s.seconds
			}
		}
	})
}

// TestHoldProperties: after any sequence of events ends with a release and the agent's answers, nothing is held; a lease is
// beaten exactly while it is held.
func TestHoldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hold{}
		step := func(e holdEvent) holdEffect {
			var fx holdEffect
			h, fx = h.step(e)
			return fx
		}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			e := holdEvent(rapid.IntRange(0, int(evSettled)).Draw(t, "event"))
			was := h
			fx := step(e)
			if (fx == doBeat) != (e == evTick && was.leased() || e == evGranted && was.state == asking && !was.released) {
				t.Fatalf("%+v on %d: effect %d", was, e, fx)
			}
			if was.leased() && !h.leased() && fx != doStop {
				t.Fatalf("%+v on %d: a lease is dropped without a stop", was, e)
			}
		}
		step(evRelease)
		if h.state == asking {
			step(evGranted)
		}
		if h.state == ending {
			step(evSettled)
		}
		if h.active() {
			t.Fatalf("still %+v", h)
		}
	})
}

// The countdown on the page is said: what the narrator follows is there, with its seconds.
func TestFoamIsNarrated(t *testing.T) {
	inBubble(t, 800, 480, func(t *testing.T, r *rig) {
		var said []string
		var n speech.Narrator
		r.at(func() {
			now := noon
			r.ui.now = func() time.Time { return now }
			drinkPage("foam").show(r.ui)
			p := r.ui.page.(*pourPage)
			for range 4 {
				if text := n.Look(r.ui.Words, p.name(), r.app.Elements()); text != "" {
					said = append(said, text)
				}
				now = now.Add(time.Second)
				p.refresh()
			}
			atRest(r.ui)
		})
		if all := strings.Join(said, " "); !strings.Contains(all, "3 seconds.") || !strings.Contains(all, " 2 seconds. 1 second.") {
			t.Errorf("said %q", said)
		}
	})
}

package screens

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// Whatever levels are set, one after the other: 100 together in steps, none negative; whoever had more keeps more; a
// higher level leaves nobody more, the same level everybody what they have.
func TestRebalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, beverage.MixMost).Draw(t, "columns")
		shares := slices.Clone(firstShares[n])
		for range rapid.IntRange(1, 8).Draw(t, "moves") {
			i, to := rapid.IntRange(0, n-1).Draw(t, "column"), rapid.IntRange(-20, 130).Draw(t, "share")
			next := rebalance(shares, i, to)
			sum := 0
			for _, v := range next {
				if v < 0 || v%beverage.MixStep != 0 {
					t.Fatalf("%v, %d to %d: %v", shares, i, to, next)
				}
				sum += v
			}
			if sum != 100 {
				t.Fatalf("%v, %d to %d: %v is %d together", shares, i, to, next, sum)
			}
			if want := (max(0, min(100, to)) + 2) / 5 * 5; n > 1 && next[i] != want {
				t.Fatalf("%v, %d to %d: it goes to %d", shares, i, to, next[i])
			}
			if same := rebalance(shares, i, shares[i]); !slices.Equal(same, shares) {
				t.Fatalf("%v, %d left where it is: %v", shares, i, same)
			}
			more := rebalance(shares, i, to+beverage.MixStep)
			for j := range shares {
				for k := range shares {
					if j != i && k != i && shares[j] > shares[k] && next[j] < next[k] {
						t.Fatalf("%v, %d to %d: %v turns %d and %d around", shares, i, to, next, j, k)
					}
				}
				if j != i && more[j] > next[j] {
					t.Fatalf("%v, %d to %d gives %v, 5 more gives %v: %d gains", shares, i, to, next, more, j)
				}
				if room := (100 - next[i]) / beverage.MixStep; j != i && shares[j] > 0 && next[j] == 0 && room >= 2 {
					t.Fatalf("%v, %d to %d: %v drops %d though there is room", shares, i, to, next, j)
				}
			}
			shares = next
		}
	})
}

func TestRebalanceByHand(t *testing.T) {
	for _, c := range []struct {
		shares []int
		i, to  int
		want   []int
	}{
		{[]int{50, 30, 20}, 0, 60, []int{60, 25, 15}},
		{[]int{50, 30, 20}, 0, 100, []int{100, 0, 0}},
		{[]int{50, 30, 20}, 0, 95, []int{95, 5, 0}},
		{[]int{50, 30, 20}, 2, 0, []int{60, 40, 0}},
		{[]int{100, 0, 0}, 0, 80, []int{80, 10, 10}},
		{[]int{60, 40, 0}, 0, 70, []int{70, 30, 0}},
		{[]int{60, 40}, 1, 43, []int{55, 45}},
		{[]int{100}, 0, 20, []int{100}},
	} {
		if got := rebalance(c.shares, c.i, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%v, %d to %d: %v, want %v", c.shares, c.i, c.to, got, c.want)
		}
	}
}

// Whatever is swapped and moved, the mix stays one that the agent pours.
func TestMixStaysSafe(t *testing.T) {
	c, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	menu := NewMenu(c, api.Snapshot{})
	all := menu.pourable()
	rapid.Check(t, func(t *rapid.T) {
		m := &mixing{}
		m.begin(c, menu)
		if len(m.cols) != beverage.MixMost {
			t.Fatalf("a full menu begins with %d columns", len(m.cols))
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			i := rapid.IntRange(0, len(m.cols)-1).Draw(t, "column")
			if rapid.Bool().Draw(t, "swap") {
				if some := m.swaps(c, i, all); len(some) > 0 {
					m.swap(c, i, some[rapid.IntRange(0, len(some)-1).Draw(t, "with")])
				}
			} else {
				m.move(c, m.shares(), i, rapid.IntRange(0, 100).Draw(t, "share"))
			}
			if _, err := m.drink(c); err != nil {
				t.Fatalf("%v: %v", m.parts(), err)
			}
			still := sparkling(m.cols[0].offer.Beverage)
			for _, p := range m.cols {
				if sparkling(p.offer.Beverage) != still {
					t.Fatalf("still and fizzy together: %v", m.parts())
				}
			}
		}
	})
}

// A level stops where the drink would have more caffeine than a mix may have.
func TestMixStopsAtTooMuchCaffeine(t *testing.T) {
	c, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	var strong, mild *Offer
	menu := NewMenu(c, api.Snapshot{})
	for _, o := range menu.pourable() {
		switch {
		case strong == nil && o.Beverage.Caffeine > beverage.HighCaffeine && !o.Beverage.NoMix:
			strong = &o
		case strong != nil && mild == nil && beverage.Mixable(c, []beverage.ID{strong.Beverage.ID}, o.Beverage.ID) && noCaffeine(o.Beverage):
			mild = &o
		}
	}
	if strong == nil || mild == nil {
		t.Fatal("the catalogue has nothing strong that may be mixed")
	}
	m := &mixing{cols: []part{{*mild, 95}, {*strong, 5}}}
	if m.move(c, m.shares(), 1, 100) && m.shares()[1] == 100 {
		t.Logf("%s alone is the drink itself", strong.Beverage.ID)
	} else if s := m.shares()[1]; s < 5 || s > 95 {
		t.Errorf("%s stops at %d %%", strong.Beverage.ID, s)
	}
	if v, err := m.drink(c); err != nil || len(m.in()) > 1 && v.Caffeine > beverage.HighCaffeine {
		t.Errorf("%v: %v, %v mg", m.parts(), err, v.Caffeine)
	}
}

// openMix shows the mix page.
func openMix(r *rig) {
	r.t.Helper()
	r.waitPage("home")
	if err := r.app.Call(r.t.Context(), func() { r.ui.show(newMix(r.ui)) }); err != nil {
		r.t.Fatal(err)
	}
	r.waitPage("mix")
}

func levels(r *rig) (out []string) {
	for i := range beverage.MixMost {
		out = append(out, r.get(fmt.Sprintf("mix.level.%d", i)).Value)
	}
	return out
}

// A person drags a level, swaps a column, keeps the mix, pours it, and finds it again on the same visit.
func TestMixPage(t *testing.T) {
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			virtual(t, s.w, s.h, func(t *testing.T, r *rig) { mixPour(t, r, fmt.Sprintf("%dx%d-", s.w, s.h)) })
		})
	}
}

func mixPour(t *testing.T, r *rig, tag string) {
	r.agent.set(func(s *api.Snapshot) {
		s.Favourites = []beverage.ID{"zestrel.lemon-lime", "rhubarb-radio.rhubarb", "gingerlock.ginger-ale"}
	})
	r.until("favourites", func() (ok bool) {
		r.call(func() {
			favs, history := r.ui.menu.Favourites()
			ok = history && len(favs) == 3
		})
		return ok
	})
	openMix(r)
	r.shot(tag + "mix")
	if got := levels(r); !slices.Equal(got, []string{"50 %", "30 %", "20 %"}) {
		t.Errorf("begins with %v", got)
	}
	kcal := r.get("beverage.kcal").Name
	e := r.get("mix.level.0")
	x, y := centre(e)
	r.finger.Swipe(1, x, y, x, y-e.Bounds.H/3, 300*time.Millisecond)
	r.until("a higher level", func() bool { return levels(r)[0] > "70 %" })
	if r.get("beverage.kcal").Name == kcal {
		t.Errorf("after dragging to %v it still has %s", levels(r), kcal)
	}
	e = r.get("mix.level.2")
	r.finger.Tap(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/3, 5*time.Millisecond)
	r.until("a tap to set the level", func() bool { return levels(r)[2] > "50 %" })
	r.shot(tag + "mix-moved")

	was := r.get("mix.level.1").Name
	r.tap("mix.swap.1")
	pick := ""
	r.until("something to swap", func() bool {
		els, err := r.app.Tree(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range els {
			if strings.HasPrefix(e.ID, "mix.pick.") && e.Bounds.H > 40 {
				pick = e.ID
				return true
			}
		}
		return false
	})
	r.shot(tag + "mix-pick")
	r.tap(pick)
	r.until("another drink", func() bool { e, ok := r.find("mix.level.1"); return ok && e.Name != was })
	r.tap("mix.keep")
	r.until("kept", func() bool { return r.get("mix.keep").Value == "on" })
	kept := levels(r)

	x, y = r.press("beverage.pour")
	r.waitPage("pouring")
	r.until("100 ml", func() bool { return r.volume() >= 100 })
	r.shot(tag + "mix-pouring")
	r.finger.Up(1, x, y)
	r.until("the end", func() bool { return r.agent.active() == 0 && r.page() != "pouring" })
	if p := r.agent.last(); len(p.Mix) != len(kept) || p.Beverage != "" {
		t.Errorf("the agent was asked for %q, %v", p.Beverage, p.Mix)
	}
	openAgain(r)
	if got := levels(r); !slices.Equal(got, kept) {
		t.Errorf("kept %v, found %v", kept, got)
	}
	// what ran out leaves the mix
	gone := r.agent.last().Mix[0].Beverage
	r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{gone: whySoldOut} })
	r.until("a mix without it", func() (ok bool) {
		r.call(func() { ok = !slices.Contains(idsOf(r.ui.mix.cols, -1), gone) })
		return ok
	})
	if p := r.page(); p != "mix" {
		t.Errorf("it leads to page %s", p)
	}
}

func openAgain(r *rig) {
	r.t.Helper()
	if err := r.app.Call(r.t.Context(), func() { r.ui.goHome() }); err != nil {
		r.t.Fatal(err)
	}
	openMix(r)
}

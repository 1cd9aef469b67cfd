package inventory

import (
	"testing"
	"time"

	"fountain/agent/beverage"
)

func twoSlots(t *testing.T) *Book {
	t.Helper()
	b, err := New(&beverage.Planogram{Slots: []beverage.Slot{
		{Slot: "s1", Ingredient: "syrup.sugar", VolumeML: 1000},
		{Slot: "s2", Ingredient: "syrup.sugar", VolumeML: 1000},
		{Slot: "s3", Ingredient: "juice.lemon", VolumeML: 1000},
	}}, nil, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, b *Book, slot string, c Cartridge) {
	t.Helper()
	if err := b.Put(slot, c); err != nil {
		t.Fatal(err)
	}
}

// First expired, first out; a cartridge without a date comes last, and the planogram decides between equals.
func TestSourceTakesWhatExpiresFirst(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name   string
		one    Cartridge
		two    Cartridge
		need   int64
		want   string
		barred string
	}{
		{"second sooner", Cartridge{ID: "a", LeftUL: -1, Expires: day(9)}, Cartridge{ID: "b", LeftUL: -1, Expires: day(2)}, 1000, "s2", ""},
		{"no date last", Cartridge{ID: "a", LeftUL: -1}, Cartridge{ID: "b", LeftUL: -1, Expires: day(2)}, 1000, "s2", ""},
		{"equal", Cartridge{ID: "a", LeftUL: -1, Expires: day(2)}, Cartridge{ID: "b", LeftUL: -1, Expires: day(2)}, 1000, "s1", ""},
		{"sooner is too little", Cartridge{ID: "a", LeftUL: -1, Expires: day(9)}, Cartridge{ID: "b", LeftUL: 500, Expires: day(2)}, 1000, "s1", ""},
		{"sooner is barred", Cartridge{ID: "a", LeftUL: -1, Expires: day(9)}, Cartridge{ID: "b", LeftUL: -1, Expires: day(2)}, 1000, "s1", "s2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := twoSlots(t)
			c.one.Holds, c.two.Holds = "syrup.sugar", "syrup.sugar"
			put(t, b, "s1", c.one)
			put(t, b, "s2", c.two)
			if c.barred != "" && !b.Bar(map[string]string{c.barred: "expired"}) {
				t.Error("a new bar changed nothing")
			}
			if l, ok := b.Source("syrup.sugar", c.need); !ok || l.Slot != c.want {
				t.Errorf("from %s (%v), want %s", l.Slot, ok, c.want)
			}
		})
	}
}

// One barred slot takes nothing away while another holds the ingredient; all of them give their reason.
func TestBarIsOfTheSlotOnly(t *testing.T) {
	b := twoSlots(t)
	put(t, b, "s1", Cartridge{ID: "a", Holds: "syrup.sugar", LeftUL: -1})
	put(t, b, "s2", Cartridge{ID: "b", Holds: "syrup.sugar", LeftUL: -1})
	put(t, b, "s3", Cartridge{ID: "c", Holds: "juice.lemon", LeftUL: -1})
	needs := map[beverage.IngredientID]int64{"syrup.sugar": 1000}
	b.Bar(map[string]string{"s1": "expired"})
	if why := b.Missing(needs); why != "" {
		t.Errorf("one of two slots barred: %s", why)
	}
	if ul, _ := b.Remaining("syrup.sugar"); ul != 1_000_000 {
		t.Errorf("remaining %d", ul)
	}
	b.Bar(map[string]string{"s1": "expired", "s2": "line_fault"})
	if why := b.Missing(needs); why != "expired" {
		t.Errorf("both barred: %q", why)
	}
	if why := b.Missing(map[beverage.IngredientID]int64{"juice.lemon": 1000}); why != "" {
		t.Errorf("another ingredient is blocked: %s", why)
	}
	b.Bar(nil)
	if why := b.Missing(needs); why != "" {
		t.Errorf("after lifting the bars: %s", why)
	}
	if b.Bar(nil) {
		t.Error("lifting nothing is a change")
	}
}

// A tag that claims more than it did is noted, the level stays, and a restart does not forget it. A tag nobody writes to
// says the same for ever: that is no refill.
func TestRefilledTagIsNoted(t *testing.T) {
	b := twoSlots(t)
	put(t, b, "s1", Cartridge{ID: "a", Holds: "syrup.sugar", LeftUL: 800_000})
	b.Apply(poured(1, "a", 300_000))
	put(t, b, "s1", Cartridge{ID: "a", Holds: "syrup.sugar", LeftUL: 800_000})
	if l, _ := b.Level("s1"); l.Refilled || l.LeftUL != 500_000 {
		t.Errorf("the same tag again: %+v", l)
	}
	put(t, b, "s1", Cartridge{ID: "a", Holds: "syrup.sugar", LeftUL: 1_000_000})
	l, _ := b.Level("s1")
	if !l.Refilled || l.LeftUL != 500_000 {
		t.Errorf("a tag that claims more: %+v", l)
	}
	saved, err := b.Save()
	if err != nil {
		t.Fatal(err)
	}
	again, err := New(&beverage.Planogram{Slots: []beverage.Slot{{Slot: "s1", Ingredient: "syrup.sugar", VolumeML: 1000}}}, saved, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if l, _ := again.Level("s1"); !l.Refilled {
		t.Error("forgotten over a restart")
	}
}

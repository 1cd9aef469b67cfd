package inventory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

func planogram() *beverage.Planogram {
	return &beverage.Planogram{Version: 1, Name: "test", Slots: []beverage.Slot{
		{Slot: "s1", Ingredient: "cola", VolumeML: 1000},
		{Slot: "s2", Ingredient: "cola", VolumeML: 1000},
		{Slot: "s3", Ingredient: "lemon", VolumeML: 500},
	}}
}

func book(t testing.TB, saved []byte) *Book {
	t.Helper()
	b, err := New(planogram(), saved, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func insert(t testing.TB, b *Book, slot, id string, ing beverage.IngredientID, left int64) {
	t.Helper()
	if err := b.Insert(slot, id, ing, left, 0); err != nil {
		t.Fatal(err)
	}
}

func poured(seq uint64, cartridge string, ul int64) *wire.Record {
	return &wire.Record{
		Log: "la", Seq: seq, Started: "2026-03-04T05:06:07.000Z", Clock: "trusted", Beverage: "kolvane.zero", Source: wire.SourceTouch,
		CountedUL: 6 * ul,
		Parts:     []wire.Part{{Ingredient: "water.still", UL: 5 * ul}, {Ingredient: "cola", Cartridge: cartridge, UL: ul}},
	}
}

func left(t testing.TB, b *Book, ing beverage.IngredientID, want int64) {
	t.Helper()
	if got, stocked := b.Remaining(ing); got != want || !stocked {
		t.Errorf("%s: %d left, stocked %v, want %d", ing, got, stocked, want)
	}
}

func TestLevelsFollowRecordsOnce(t *testing.T) {
	b := book(t, nil)
	left(t, b, "cola", 0)
	insert(t, b, "s1", "C1", "cola", -1)
	insert(t, b, "s2", "C2", "cola", 400_000)
	left(t, b, "cola", 1_400_000)
	if !b.Apply(poured(1, "C1", 60_000)) || b.Apply(poured(1, "C1", 60_000)) {
		t.Error("a record counts once")
	}
	left(t, b, "cola", 1_340_000)
	b.Apply(poured(3, "C2", 60_000)) // 2 was lost with its segment
	b.Apply(poured(2, "C2", 60_000))
	left(t, b, "cola", 1_280_000)
	other := poured(1, "C1", 10_000)
	other.Log = "lb" // seq 1 of another log is another record
	if !b.Apply(other) || b.Applied("la") != 3 || b.Applied("lb") != 1 {
		t.Errorf("applied %d, %d", b.Applied("la"), b.Applied("lb"))
	}
	left(t, b, "cola", 1_270_000)
	if !b.Apply(poured(4, "unheard of", 60_000)) {
		t.Error("a record of an unknown cartridge was not taken")
	}
	left(t, b, "cola", 1_270_000)
}

func TestSwapAndReturn(t *testing.T) {
	b := book(t, nil)
	insert(t, b, "s3", "L1", "lemon", -1)
	r := poured(1, "L1", 200_000)
	b.Apply(r)
	left(t, b, "lemon", 300_000)
	insert(t, b, "s3", "L2", "lemon", -1)
	left(t, b, "lemon", 500_000)
	b.Apply(poured(2, "L1", 50_000)) // a late record of the one taken out
	insert(t, b, "s3", "L1", "lemon", -1)
	left(t, b, "lemon", 250_000)
	insert(t, b, "s3", "L1", "lemon", 100_000) // the tag knows of less
	left(t, b, "lemon", 100_000)
	insert(t, b, "s3", "L1", "lemon", 500_000) // a tag that claims more is not believed
	left(t, b, "lemon", 100_000)
	b.Remove("s3")
	left(t, b, "lemon", 0)
	insert(t, b, "s1", "C1", "cola", -1)
	insert(t, b, "s2", "C1", "cola", -1) // moved
	left(t, b, "cola", 1_000_000)
	if l := b.Levels(); l[0].Cartridge != "" || l[1].Cartridge != "C1" || l[1].Slot != "s2" {
		t.Errorf("levels %+v", l)
	}
	if err := b.Insert("s9", "C9", "cola", -1, 0); problem.From(err).Code != problem.CodeNotFound {
		t.Errorf("unknown slot: %v", err)
	}
	if err := b.Insert("s1", "", "cola", -1, 0); problem.From(err).Code != problem.CodeBadRequest {
		t.Errorf("no id: %v", err)
	}
}

func TestEmptyAndForeign(t *testing.T) {
	b := book(t, nil)
	insert(t, b, "s1", "C1", "cola", -1)
	insert(t, b, "s2", "C2", "cola", -1)
	b.SetEmpty("s1")
	left(t, b, "cola", 1_000_000)
	b.SetEmptyCartridge("C2")
	left(t, b, "cola", 0)
	insert(t, b, "s1", "C3", "cola", -1)
	left(t, b, "cola", 1_000_000)
	insert(t, b, "s1", "C1", "cola", -1) // found empty before: it still is
	left(t, b, "cola", 0)
	insert(t, b, "s3", "C4", "cola", -1)
	left(t, b, "lemon", 0)
	if l := b.Levels()[2]; l.Foreign != "cola" || l.Ingredient != "lemon" {
		t.Errorf("level %+v", l)
	}
	b.Apply(poured(1, "C4", 9_000_000))
	if l := b.Levels()[2]; l.LeftUL != 0 {
		t.Errorf("a level below zero: %+v", l)
	}
}

func TestSourceAndMissing(t *testing.T) {
	b := book(t, nil)
	insert(t, b, "s1", "C1", "cola", 30_000)
	insert(t, b, "s2", "C2", "cola", 200_000)
	for need, want := range map[int64]string{20_000: "C1", 30_000: "C1", 30_001: "C2", 200_000: "C2", 210_000: ""} {
		l, ok := b.Source("cola", need)
		if l.Cartridge != want || ok != (want != "") {
			t.Errorf("source of %d: %+v %v, want %q", need, l, ok, want)
		}
	}
	if _, ok := b.Source("lemon", 0); ok {
		t.Error("an empty slot is a source")
	}
	type needs = map[beverage.IngredientID]int64
	for _, c := range []struct {
		needs needs
		want  string
	}{
		{needs{"cola": 100_000}, ""},
		{needs{"cola": 201_000}, SoldOut}, // 230 are there, but in two cartridges
		{needs{"lemon": 1}, SoldOut},
		{needs{"cherry": 1}, NotStocked},
		{needs{"lemon": 1, "cherry": 1}, NotStocked},
		{needs{}, ""},
	} {
		if got := b.Missing(c.needs); got != c.want {
			t.Errorf("missing for %v: %q, want %q", c.needs, got, c.want)
		}
	}
}

// Saving and loading anywhere in a history changes nothing.
func TestSaveAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := New(planogram(), nil, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		b := a
		for seq := uint64(1); seq <= 20; seq++ {
			step := rapid.IntRange(0, 4).Draw(t, "step")
			slot := rapid.SampledFrom([]string{"s1", "s2", "s3"}).Draw(t, "slot")
			id := rapid.SampledFrom([]string{"C1", "C2", "C3"}).Draw(t, "cartridge")
			ul := rapid.Int64Range(0, 400_000).Draw(t, "ul")
			for _, x := range []*Book{a, b} {
				switch step {
				case 0:
					err = x.Insert(slot, id, "cola", -1, 0)
				case 1:
					x.SetEmpty(slot)
				case 2:
					x.Remove(slot)
				default:
					x.Apply(poured(seq, id, ul))
				}
				if err != nil {
					t.Fatal(err)
				}
				if a == b {
					break
				}
			}
			if rapid.Bool().Draw(t, "restart") {
				saved, err := b.Save()
				if err != nil {
					t.Fatal(err)
				}
				if b, err = New(planogram(), saved, time.UTC); err != nil {
					t.Fatal(err)
				}
				b.Apply(poured(seq, id, ul)) // folded again
				a.Apply(poured(seq, id, ul))
			}
			if !slices.Equal(a.Levels(), b.Levels()) {
				t.Fatalf("after %d: %+v, restarted %+v", seq, a.Levels(), b.Levels())
			}
		}
	})
}

func TestStateRefused(t *testing.T) {
	if _, err := New(planogram(), []byte(`{"v":2}`), time.UTC); problem.From(err).Code != problem.CodeNewerSchema {
		t.Errorf("newer state: %v", err)
	}
	if _, err := New(planogram(), []byte(`{`), time.UTC); err == nil {
		t.Error("broken state was taken")
	}
	p := planogram()
	p.Slots = append(p.Slots, p.Slots[0])
	if _, err := New(p, nil, time.UTC); err == nil || !strings.Contains(err.Error(), "s1") {
		t.Errorf("slot twice: %v", err)
	}
}

// Old cartridges are forgotten, those in a slot never.
func TestMemoryIsBounded(t *testing.T) {
	b := book(t, nil)
	insert(t, b, "s3", "stays", "lemon", -1)
	for i := range 3 * maxRemembered {
		insert(t, b, "s1", fmt.Sprintf("C%d", i), "cola", -1)
	}
	if n := len(b.st.Cartridges); n > maxRemembered {
		t.Errorf("%d cartridges remembered", n)
	}
	left(t, b, "lemon", 500_000)
	left(t, b, "cola", 1_000_000)
}

package screens

import (
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

func lookIn(t *testing.T, u sheet.Units) *sheet.Look {
	t.Helper()
	f, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	l := sheet.New(sheet.NewGeo(1080, 1920, 0), f, english(t), 1<<20)
	l.Units = u
	return l
}

func TestReading(t *testing.T) {
	for _, tc := range []struct {
		units        sheet.Units
		ul           int64
		number, unit string
	}{
		{sheet.Millilitres, 0, "0", "ml"},
		{sheet.Millilitres, 292_999, "292", "ml"}, // never more than was measured
		{sheet.BothUnits, 1_500_000, "1500", "ml"},
		{sheet.FluidOunces, 0, "0.0", "fl oz"},
		{sheet.FluidOunces, 292_999, "9.9", "fl oz"},
		{sheet.FluidOunces, 295_800, "10.0", "fl oz"}, // it keeps its width
		{sheet.FluidOunces, 354_882, "12.0", "fl oz"},
	} {
		if n, u := reading(lookIn(t, tc.units), tc.ul); n != tc.number || u != tc.unit {
			t.Errorf("%s, %d µL: %q %q, want %q %q", tc.units, tc.ul, n, u, tc.number, tc.unit)
		}
	}
}

func TestJugScale(t *testing.T) {
	for _, tc := range []struct {
		units sheet.Units
		ml    int
		marks int
		texts string
	}{
		{sheet.Millilitres, 473, 18, "100 200 300 400"},
		{sheet.BothUnits, 400, 15, "100 200 300"}, // no mark on the full line
		{sheet.FluidOunces, 473, 15, "4 8 12"},
		{sheet.FluidOunces, 710, 23, "4 8 12 16 20"}, // 24.01: the full line says it,
	} {
		shares, texts := scaleOf(lookIn(t, tc.units), tc.ml)
		if got := strings.Join(strings.Fields(strings.Join(texts, " ")), " "); len(shares) != tc.marks || got != tc.texts {
			t.Errorf("%s %d ml: %d marks, %q", tc.units, tc.ml, len(shares), got)
		}
		for i, s := range shares {
			if s <= 0 || s >= 1 || i > 0 && s <= shares[i-1] {
				t.Errorf("%s %d ml: mark %d at %v", tc.units, tc.ml, i, s)
			}
		}
	}
}

// TestUnitsFollowTheUnit: what the unit says about volumes is what the pages say, at once.
func TestUnitsFollowTheUnit(t *testing.T) {
	r := atBeverage(t)
	for units, want := range map[string]string{api.UnitsFlOz: "16 fl oz", api.UnitsML: "473 ml", api.UnitsBoth: "473 ml · 16 fl oz"} {
		r.agent.set(func(s *api.Snapshot) { s.Units = units })
		r.until(units, func() bool {
			e, ok := r.find("beverage.size.medium")
			return ok && e.Name == "Medium, "+want
		})
		short, _, _ := strings.Cut(want, " ·")
		if e := r.get("beverage.pour"); !strings.HasSuffix(e.Name, short) {
			t.Errorf("%s: the dome says %q", units, e.Name)
		}
	}
}

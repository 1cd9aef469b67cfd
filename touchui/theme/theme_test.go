package theme

import "testing"

func load(t *testing.T) *Fonts {
	t.Helper()
	f, err := LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFitFillsTheWidth(t *testing.T) {
	f := load(t)
	for _, s := range []string{"Kolvane", "Orangerie Nine", "A", "Maté", "Six o’clock"} {
		for _, c := range []Cut{Display, Condensed, Text, Sans} {
			px := f.Fit([]string{s}, c, -.01, 300, 1000, 1)
			if w := f.Width(s, c, px, -.01); w > 300.5 {
				t.Errorf("%q is %.1f wide at %v px", s, w, px)
			}
			if w := f.Width(s, c, px+2, -.01); w < 300 {
				t.Errorf("%q would fit larger than %v px", s, px)
			}
		}
	}
	if px := f.Fit([]string{"wide enough"}, Display, 0, 10, 100, 24); px != 24 {
		t.Errorf("went below the least size: %v", px)
	}
}

// Every cut draws what European languages need; what it lacks comes from Noto Sans Bold, never an empty box.
func TestEveryCutHasLetters(t *testing.T) {
	f := load(t)
	for c := range cuts {
		for _, r := range "AaZz09äöüßéèçñøåłőİ’·–&%Ωж" {
			ops := 0
			f.Outline(string(r), c, 100, 0, func(Op) { ops++ })
			if ops == 0 {
				t.Errorf("cut %d draws nothing for %q", c, r)
			}
		}
	}
}

func TestKerningCounts(t *testing.T) {
	f := load(t)
	if pair, sum := f.Width("To", Display, 100, 0), f.Width("T", Display, 100, 0)+f.Width("o", Display, 100, 0); pair >= sum {
		t.Errorf("To is %.2f wide, T and o alone %.2f: no kerning", pair, sum)
	}
}

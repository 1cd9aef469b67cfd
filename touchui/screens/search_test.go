package screens

import (
	"fmt"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/words"
)

func searchIn(t testing.TB, tag string, blocked map[beverage.ID]string) (*Search, *beverage.Catalogue) {
	t.Helper()
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	w, err := words.Open(tag)
	if err != nil {
		t.Fatal(err)
	}
	return NewSearch(NewMenu(cat, api.Snapshot{Blocked: blocked}), w), cat
}

// firstScreen is how many results the smallest panel shows without a drag; TestSearchPage holds every panel to it.
const firstScreen = 12

// Three letters bring any beverage to the first screen of results: those its brand, or its name, begins with.
func TestThreeLettersFindAnyDrink(t *testing.T) {
	for _, tag := range []string{"en", "de", "ar", "ja"} {
		s, cat := searchIn(t, tag, nil)
		n := 0
		for i := range cat.Brands {
			b := &cat.Brands[i]
			for j := range b.Beverages {
				v := &b.Beverages[j]
				n++
				if !found(s, v.ID, b.Name, v.Name) {
					t.Errorf("%s: no three letters of %q or %q show %s first", tag, b.Name, v.Name, v.ID)
				}
			}
		}
		if n < 120 {
			t.Errorf("only %d beverages", n)
		}
	}
}

// found tries the beginnings of every word of a brand's and a beverage's name.
func found(s *Search, id beverage.ID, names ...string) bool {
	for _, name := range names {
		for word := range strings.FieldsSeq(fold(name)) {
			q := []rune(word)
			for i, o := range s.Find(string(q[:min(3, len(q))])) {
				if i < firstScreen && o.Beverage.ID == id {
					return true
				}
			}
		}
	}
	return false
}

func TestSearchAnswers(t *testing.T) {
	for _, c := range []struct{ tag, query, first, among string }{
		{"en", "kolv", "kolvane.original", "kolvane.zero"},
		{"en", "KOLVANE  zero", "kolvane.zero", ""},
		{"en", "zero kolv", "kolvane.zero", "kolvane.cherry-zero"},
		{"en", "mate", "", "yerba-loop.mate"},
		{"en", "Maté", "", "yerba-loop.mate"},
		{"en", "ginger", "gingerlock.ginger-ale", "yuzu-ferry.yuzu-ginger"},
		{"en", "lavend", "", "lull.lavender"},
		{"en", "no sugar cola", "", "kolvane.zero"},
		{"en", "tram", "night-tram.black-cherry", ""},
		{"de", "kolv", "kolvane.original", ""},
		{"de", "ohne zucker kolv", "kolvane.zero", ""},
		{"fr", "sans sucre kolv", "kolvane.zero", ""},
		{"ja", "こるう", "", "kolvane.original"},
		{"ja", "せすと", "", "zestrel.lemon-lime"},
		{"ja", "ようなし", "", "pear-orpheum.pear"},
		{"ja", "こうちや", "", "porchlight.black-tea"},
		{"ja", "ないと", "", "night-tram.black-cherry"},
		{"ar", "كولف", "", "kolvane.original"},
		{"ar", "نايت", "", "night-tram.black-cherry"},
	} {
		s, _ := searchIn(t, c.tag, nil)
		var ids []string
		for _, o := range s.Find(c.query) {
			ids = append(ids, string(o.Beverage.ID))
		}
		if c.first != "" && (len(ids) == 0 || ids[0] != c.first) {
			t.Errorf("%s %q: %.5v, want %s first", c.tag, c.query, ids, c.first)
		}
		if c.among != "" && !strings.Contains(" "+strings.Join(ids, " ")+" ", " "+c.among+" ") {
			t.Errorf("%s %q: %.8v (%d), want %s among them", c.tag, c.query, ids, len(ids), c.among)
		}
	}
}

// What more letters find is among what fewer found, a further letter never adds; nothing is found twice; and what cannot
// be poured comes last.
func TestSearchProperties(t *testing.T) {
	blocked := map[beverage.ID]string{"kolvane.original": whySoldOut, "lull.lavender": whySoldOut}
	s, cat := searchIn(t, "en", blocked)
	for i := range cat.Brands {
		name := []rune(fold(cat.Brands[i].Name + " " + cat.Brands[i].Beverages[0].Name))
		var wider map[beverage.ID]bool
		for n := inside; n <= len(name); n++ { // from there on every rank is open
			q := string(name[:n])
			if w := strings.Fields(q); len(w[len(w)-1]) < inside || strings.HasSuffix(q, " ") {
				wider = nil
				continue
			}
			now, gone := map[beverage.ID]bool{}, false
			for _, o := range s.Find(q) {
				if now[o.Beverage.ID] {
					t.Fatalf("%q finds %s twice", q, o.Beverage.ID)
				}
				now[o.Beverage.ID] = true
				if wider != nil && !wider[o.Beverage.ID] {
					t.Errorf("%q finds %s, which less did not", q, o.Beverage.ID)
				}
				if gone && o.Pourable() {
					t.Errorf("%q: %s stands after what cannot be poured", q, o.Beverage.ID)
				}
				gone = !o.Pourable()
			}
			if len(now) == 0 {
				t.Errorf("%q finds nothing", q)
			}
			wider = now
		}
	}
	for _, q := range []string{"", " ", "  ", "-", "zzzqx", "ー"} {
		if got := s.Find(q); len(got) != 0 {
			t.Errorf("%q finds %d", q, len(got))
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Maté": "mate", "Elder & Moth": "elder moth", "Straße": "strasse", "Lemon-Lime": "lemon lime", "Six o’clock": "six oclock", "CAFÉ": "cafe",
		"コーラ": "こら", "ガラナ": "からな", "ちゅーりっぷ": "ちゆりつふ", "紅茶": "こうちや", "شَاي": "شاي", "قهوة": "قهوه", "أناناس": "اناناس",
	} {
		if got := fold(in); got != want {
			t.Errorf("fold(%q) = %q, want %q", in, got, want)
		}
	}
}

// One name, heard and written in three scripts.
func TestSound(t *testing.T) {
	for _, names := range [][]string{
		{"kolvane", "こるへいん"}, {"zestrel", "せすとれる"}, {"porchlight", "ほちらいと"}, {"gingerlock", "しんしろつく"}, {"copperline", "こつはらいん"},
	} {
		want := sound(names[0])
		for _, n := range names[1:] {
			if got := sound(n); got[:3] != want[:3] {
				t.Errorf("%s sounds like %q, %s like %q", n, got, names[0], want)
			}
		}
	}
	if sound("kolvane") != sound("كولفان") {
		t.Errorf("%q and %q", sound("kolvane"), sound("كولفان"))
	}
}

// A keystroke answers within a frame on any device: 5 ms here is a fiftieth of what a person notices.
func BenchmarkSearchKeystroke(b *testing.B) {
	s, _ := searchIn(b, "en", nil)
	queries := []string{"k", "ko", "kol", "s", "zer", "blood or", "zzz"}
	for i := 0; b.Loop(); i++ {
		s.Find(queries[i%len(queries)])
	}
}

func BenchmarkSearchIndex(b *testing.B) {
	cat, err := beverage.Default()
	if err != nil {
		b.Fatal(err)
	}
	w, err := words.Open("ja")
	if err != nil {
		b.Fatal(err)
	}
	m := NewMenu(cat, api.Snapshot{})
	for b.Loop() {
		NewSearch(m, w)
	}
}

func TestKeyRows(t *testing.T) {
	for _, c := range []struct {
		keys      string
		fit, most int
		want      string
	}{
		{latinKeys, 10, 3, "[qwertyuiop asdfghjkl zxcvbnm]"},
		{latinKeys, 7, 5, "[abcdefg hijklmn opqrstu vwxyz]"},
		{"azertyuiop qsdfghjklm wxcvbn", 9, 5, "[abcdefghi jklmnopqr stuvwxyz]"},
		{"あや いゆ う_", 2, 3, "[あや いゆ う_]"},
		{"あや い_ うゆ", 4, 2, "[あいう やゆ]"},
		{"ابت ثجح", 2, 5, "[اب تث جح]"},
	} {
		var got []string
		for _, r := range keyRows(c.keys, c.fit, c.most) {
			got = append(got, string(r))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%q in rows of %d: %v, want %s", c.keys, c.fit, got, c.want)
		}
	}
}

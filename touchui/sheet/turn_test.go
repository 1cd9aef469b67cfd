package sheet

import (
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/theme"
	"fountain/touchui/words"
)

func lookIn(t *testing.T, tag string) *Look {
	t.Helper()
	fonts, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	book, err := words.Open(tag)
	if err != nil {
		t.Fatal(err)
	}
	l := New(NewGeo(800, 480, 0), fonts, book, 1<<20)
	l.SetWords(book)
	return l
}

// Pages say left and right as for English; in Arabic everything comes to lie on the other side, once, but what is fixed.
func TestSheetTurns(t *testing.T) {
	for _, c := range []struct {
		tag                                  string
		box, fixed, left, right, ground, now float32
	}{
		{"en", 20, 700, 20, 620, 0, 30},
		{"ar", 800 - 20 - 100, 700, 600 - 20 - 100, 800 - 20 - 100, 0, 800 - 30 - 50},
	} {
		l := lookIn(t, c.tag)
		root := container.NewWithoutLayout()
		s := l.Sheet(l.Roles.BG, l.Roles.Ink)
		box := s.Box(20, 10, 100, 50, l.Roles.Ink)
		fixed := s.Box(700, 10, 100, 50, l.Roles.Ink)
		s.Fixed(fixed)
		s.Fill(root)
		s.Fill(root) // what has its place keeps it
		if box.Position().X != c.box || fixed.Position().X != c.fixed {
			t.Errorf("%s: the box lies at %v, what is fixed at %v", c.tag, box.Position().X, fixed.Position().X)
		}
		s = l.Sheet(l.Roles.BG, l.Roles.Ink)
		s.Rail(600)
		ground := s.Box(0, 0, 800, 480, l.Roles.BG)
		left, right := s.Box(20, 10, 100, 50, l.Roles.Ink), s.Box(620, 10, 100, 50, l.Roles.Ink)
		s.Fill(root)
		if left.Position().X != c.left || right.Position().X != c.right || ground.Position().X != c.ground {
			t.Errorf("%s: beside a rail they lie at %v and %v, the ground at %v", c.tag, left.Position().X, right.Position().X, ground.Position().X)
		}
		late := s.Look.Sheet(l.Roles.BG, l.Roles.Ink).Box(0, 0, 50, 50, l.Roles.Ink)
		if l.Place(late, 800, 30, 0); late.Position().X != c.now {
			t.Errorf("%s: placed later it lies at %v", c.tag, late.Position().X)
		}
	}
}

// A row that moves sideways begins where reading begins.
func TestFromStart(t *testing.T) {
	for tag, want := range map[string]float32{"en": 0, "ar": 1000 - 300} {
		l := lookIn(t, tag)
		in := l.Sheet(l.Roles.BG, l.Roles.Ink)
		sc := container.NewHScroll(in.Container(1000, 100))
		sc.Resize(fyne.NewSize(300, 100))
		if got := l.FromStart(sc).Offset.X; got != want {
			t.Errorf("%s begins at %v", tag, got)
		}
	}
}

// Large text and high contrast grow what is small, and names by one step.
func TestGrownText(t *testing.T) {
	l := lookIn(t, "en")
	k := l.Geo.K
	if px := l.At(20, 1, theme.Text, 0).PX; px != 20*k {
		t.Errorf("normal: %v", px)
	}
	l.Large = true
	if px := l.At(20, 1, theme.Text, 0).PX; px != 26*k {
		t.Errorf("large: %v", px)
	}
	if ty := l.Type(); ty.Name.PX != ty.Heading.PX || ty.Title.PX != 48*k {
		t.Errorf("large: %+v", ty)
	}
	l.Large = false
	l.SetTheme(theme.HighContrastTheme())
	if px := l.At(20, 1, theme.Text, 0).PX; px != 20*k {
		t.Errorf("high contrast: %v", px)
	}
	if ty := l.Type(); ty.Name.PX != ty.Heading.PX {
		t.Errorf("high contrast: names %v", ty.Name.PX)
	}
}

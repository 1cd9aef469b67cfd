package art

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"fountain/touchui/theme"
)

// Lines are as wide as they may be, lose nothing, and obey the signs of Japanese.
func TestWrap(t *testing.T) {
	f := fonts(t).For("ja", false)
	sz := theme.Size{PX: 20, Line: 1.2, Cut: theme.Text}
	for _, s := range []string{
		"カメラでコードを読み取り、スマホで選んで、ここにカップを置いてください。", "炭酸に使うガスが切れました。（スタッフに連絡済みです）", "The quick brown fox jumps", "Kolvaneを注ぐ", "", "one",
	} {
		for w := 60.0; w < 400; w += 17 {
			lines := Wrap(f, s, sz, w)
			if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(s, " ", "") {
				t.Fatalf("%q became %q", s, lines)
			}
			for i, l := range lines {
				first := []rune(l)[0]
				if i > 0 && strings.ContainsRune(notFirst, first) {
					t.Errorf("a line begins with %c", first)
				}
				if f.Width(l, sz.Cut, sz.PX, 0) > w && len(pieces(l, false)) > 1 {
					t.Errorf("%q is wider than %v", l, w)
				}
			}
		}
	}
}

// A number and its unit stay on one line.
func TestWrapKeepsUnits(t *testing.T) {
	f := fonts(t)
	sz := theme.Size{PX: 20, Line: 1.2, Cut: theme.Text}
	for _, s := range []string{"5 kcal, 0 g Zucker, 45 mg Koffein.", "At 0.5 g sugar or 12,5 mg of it", "473 ml, 16 fl oz"} {
		for w := 90.0; w < 300; w += 7 {
			for _, l := range Wrap(f, s, sz, w) {
				if r, _ := utf8.DecodeLastRuneInString(l); r >= '0' && r <= '9' {
					t.Errorf("%q ends in a number without its unit at %v", l, w)
				}
			}
		}
	}
}

// Names break between words, Japanese ones at the ends of words as far as one can see them.
func TestFitName(t *testing.T) {
	f := fonts(t).For("ja", false)
	sz := theme.Size{PX: 66, Line: .92, Cut: theme.Condensed}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"Black Cherry Zero", []string{"Black", "Cherry Zero"}},
		{"チェリー＆アップル", []string{"チェリー＆", "アップル"}},
		{"シナモンの引き出し", []string{"シナモンの", "引き出し"}},
		{"コーラ", []string{"コーラ"}},
		{"ブラック\u200bチェリー\u200bゼロ", []string{"ブラック", "チェリー\u200bゼロ"}},
	} {
		if got, px := FitName(f, c.name, sz, 200, 130, 10, 2); !slices.Equal(got, c.want) || px < 20 {
			t.Errorf("%q at %v", got, px)
		}
	}
	if got, px := FitName(f, "パッションフルーツゼロ", sz, 120, 130, 10, 3); px < 18 {
		t.Errorf("%q at %v", got, px)
	}
	if got, _ := FitName(f, strings.Repeat("長", 300), sz, 120, 130, 10, 3); len(got) > 3 {
		t.Errorf("%d lines", len(got))
	}
}

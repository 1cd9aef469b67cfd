package speech

import "testing"

func TestJapaneseIsSpelt(t *testing.T) {
	if got := spelt("ja", "桃の紅茶"); got != "もものこうちゃ" {
		t.Errorf("said as %q", got)
	}
	if got := spelt("de", "紅茶"); got != "紅茶" {
		t.Errorf("another voice is given %q", got)
	}
}

package screens

import (
	"testing"

	"fountain/touchui/words"
)

func english(t *testing.T) *words.Book {
	t.Helper()
	b, err := words.Open("en")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

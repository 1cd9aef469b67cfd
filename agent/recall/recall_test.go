package recall

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"fountain/sync/wire"
)

type memory struct {
	m    map[string][]byte
	fail error
	n    int
}

func (s *memory) Setting(k string) ([]byte, bool, error) { b, ok := s.m[k]; return b, ok, nil }

func (s *memory) PutSetting(k string, b []byte) error {
	if s.fail != nil {
		return s.fail
	}
	s.m[k] = b
	s.n++
	return nil
}

func doc(t *testing.T, s string) wire.Recall {
	t.Helper()
	d, err := wire.DecodeRecall([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestListKeepsWhatItWasTold(t *testing.T) {
	s := &memory{m: map[string][]byte{}}
	l, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	say := func(version int64, whole bool, state string, want bool) {
		t.Helper()
		if got, err := l.Take(doc(t, state), version, whole); err != nil || got != want {
			t.Errorf("%s at %d: changed %v, %v", state, version, got, err)
		}
	}
	say(3, false, `{"beverages":{"a":true,"b":true},"ingredients":{"a":true}}`, true)
	say(3, false, `{"beverages":{"a":true}}`, false)
	s.fail = errors.New("disk full")
	if err := l.Save(); err == nil || !l.Beverage("a") {
		t.Error("a list that cannot be saved counts all the same, and says so")
	}
	s.fail = nil
	for range 2 {
		if err := l.Save(); err != nil {
			t.Fatal(err)
		}
	}
	if s.n != 1 {
		t.Errorf("%d writes", s.n)
	}
	for _, silence := range []string{`{}`, ``, `null`, `{"beverages":null}`, `{"beverages":{},"ingredients":{}}`} {
		say(4, true, silence, false)
	}
	say(6, false, `{"beverages":{"a":null}}`, true)
	say(5, false, `{"beverages":{"a":true}}`, false) // came late
	say(6, true, `{"beverages":{"a":true}}`, true)   // the document asked for settles it
	say(7, false, `{"beverages":{"a":false}}`, true)
	say(8, false, `{"beverages":{"a":true}}`, true)
	say(9, false, `{"beverages":{"b":false}}`, true)
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	b, i := again.All()
	if !slices.Equal(b, []string{"a"}) || !slices.Equal(i, []string{"a"}) || again.Beverage("b") || !again.Ingredient("a") {
		t.Errorf("read again: %v %v", b, i)
	}
}

func TestListIsBounded(t *testing.T) {
	l, err := Open(&memory{m: map[string][]byte{}})
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	for n := range 3 {
		d := wire.Recall{Beverages: map[string]*bool{}}
		for i := range wire.MaxRecalled / 2 {
			d.Beverages[fmt.Sprintf("%d-%d", n, i)] = &yes
		}
		if changed, err := l.Take(d, 1, true); changed == (n == 2) || (err != nil) != (n == 2) {
			t.Errorf("part %d: changed %v, %v", n, changed, err)
		}
	}
}

package recall

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	s, file := &memory{m: map[string][]byte{}}, filepath.Join(t.TempDir(), "gone", Name)
	l, err := Open(s, file, nobody)
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
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
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
	again, err := Open(s, file, nobody)
	if err != nil {
		t.Fatal(err)
	}
	b, i := again.All()
	if !slices.Equal(b, []string{"a"}) || !slices.Equal(i, []string{"a"}) || again.Beverage("b") || !again.Ingredient("a") {
		t.Errorf("read again: %v %v", b, i)
	}
}

// nobody knows no name.
func nobody(string, string) bool { return false }

// TestUnknownNamesCrowdNothingOut: names that nobody here knows are bounded; what the unit could pour is forbidden all the
// same, and what is allowed again makes room.
func TestUnknownNamesCrowdNothingOut(t *testing.T) {
	known := func(section, id string) bool { return section == Ingredients && id == "syrup" }
	l, err := Open(&memory{m: map[string][]byte{}}, filepath.Join(t.TempDir(), Name), known)
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for n := range 3 {
		d := wire.Recall{Beverages: map[string]*bool{}}
		for i := range Most / 2 {
			d.Beverages[fmt.Sprintf("%d-%d", n, i)] = &yes
		}
		if changed, err := l.Take(d, 1, true); changed == (n == 2) || (err != nil) != (n == 2) {
			t.Errorf("part %d: changed %v, %v", n, changed, err)
		}
	}
	d := wire.Recall{Beverages: map[string]*bool{"other": &yes}, Ingredients: map[string]*bool{"syrup": &yes}}
	if changed, err := l.Take(d, 2, true); !changed || !errors.Is(err, wire.ErrRecall) || !l.Ingredient("syrup") || l.Beverage("other") {
		t.Errorf("what the unit could pour: changed %v, %v", changed, err)
	}
	d.Beverages["0-0"] = &no
	if changed, err := l.Take(d, 3, true); !changed || err != nil || !l.Beverage("other") || l.Beverage("0-0") {
		t.Errorf("in the room of another: changed %v, %v", changed, err)
	}
}

// TestListIsNotOvertaken: an older word, heard late, allows nothing that a newer one forbids.
func TestListIsNotOvertaken(t *testing.T) {
	l, err := Open(&memory{m: map[string][]byte{}}, filepath.Join(t.TempDir(), Name), nobody)
	if err != nil {
		t.Fatal(err)
	}
	for _, say := range []struct {
		version int64
		state   string
	}{{6, `{"beverages":{"a":true}}`}, {5, `{"beverages":{"a":false}}`}, {4, `{"beverages":{"a":null}}`}} {
		if _, err := l.Take(doc(t, say.state), say.version, false); err != nil || !l.Beverage("a") {
			t.Errorf("%s at %d: allowed, %v", say.state, say.version, err)
		}
	}
	if _, err := l.Take(doc(t, `{"beverages":{"a":false}}`), 1, true); err != nil || l.Beverage("a") {
		t.Errorf("a shadow begun anew settles it: %v", err)
	}
}

// TestListOutlivesItsCopies: of a store that was put back to a backup, or lost, or full, and a file that cannot be
// written, the newer copy counts.
func TestListOutlivesItsCopies(t *testing.T) {
	s, file := &memory{m: map[string][]byte{}}, filepath.Join(t.TempDir(), Name)
	take := func(state string) *List {
		t.Helper()
		l, err := Open(s, file, nobody)
		if err == nil {
			_, err = l.Take(doc(t, state), 1, true)
		}
		if err == nil {
			err = l.Save()
		}
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	holds := func(when string, want ...string) {
		t.Helper()
		l, err := Open(s, file, nobody)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got, _ := l.All(); !slices.Equal(got, want) {
			t.Errorf("%s: %v", when, got)
		}
	}
	take(`{"beverages":{"a":true}}`)
	backup := s.m[setting]
	take(`{"beverages":{"a":null,"b":true}}`)
	for when, old := range map[string][]byte{"put back": backup, "torn": []byte("{")} {
		s.m[setting] = old
		holds(when, "b")
	}
	delete(s.m, setting)
	holds("lost", "b")
	take(`{}`) // the lost copy is written again
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	holds("without the file", "b")
	s.fail = errors.New("disk full")
	take(`{"beverages":{"c":true}}`)
	holds("a full store", "b", "c")
}

package speech

import (
	"strings"
	"testing"

	"fountain/touchui/display"
	"fountain/touchui/words"
)

func book(t *testing.T, tag string) *words.Book {
	t.Helper()
	b, err := words.Open(tag)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func drink(hold, volume string) []display.Element {
	return []display.Element{
		{ID: "beverage.title", Role: "text", Name: "Cherry Zero", Enabled: true},
		{ID: "pour.volume", Role: "value", Name: "In the cup", Value: volume, Enabled: true},
		{ID: "beverage.facts", Role: "text", Name: "No listed allergens.", Enabled: true},
		{ID: "nav.back", Role: "button", Name: "Back", Enabled: true},
		{ID: "beverage.pour", Role: "hold", Name: "Hold to pour. Medium", Value: hold, Enabled: true},
	}
}

func TestPage(t *testing.T) {
	const want = "Cherry Zero. 2 choices. In the cup, 0 millilitres. No listed allergens."
	if got := Page(book(t, "en"), "beverage", drink("ready", "0")); got != want {
		t.Errorf("a page is said as %q, want %q", got, want)
	}
	if got := Title(book(t, "de"), "pouring", []display.Element{{ID: "x", Role: "hold", Name: "Loslassen"}}); got != "Dein Getränk" {
		t.Errorf("a page without a title is called %q", got)
	}
}

func TestElement(t *testing.T) {
	en := book(t, "en")
	for want, e := range map[string]display.Element{
		"Medium, 473 ml, switch, on":      {Role: "switch", Name: "Medium, 473 ml", Value: "on", Enabled: true},
		"Zestrel Lemon-Lime, level, 50 %": {Role: "slider", Name: "Zestrel Lemon-Lime", Value: "50 %", Enabled: true},
		"Cola, choice, sold out":          {Role: "tile", Name: "Cola", Value: "sold_out", Enabled: true},
		"Cola, choice, not available":     {Role: "tile", Name: "Cola", Value: "recalled_77"},
		"Kolvane Cherry Zero, choice":     {Role: "tile", Name: "Kolvane Cherry Zero", Value: "kolvane.cherry-zero", Enabled: true},
		"No listed allergens":             {Role: "text", Name: "No listed allergens", Enabled: true},
		"Something new, button":           {Role: "knob", Name: "Something new", Enabled: true},
		"Hold to pour, pour pad, ready":   {Role: "hold", Name: "Hold to pour", Value: "ready", Enabled: true},
	} {
		if got := Element(en, e); got != want {
			t.Errorf("%+v is said as %q, want %q", e, got, want)
		}
	}
}

// Every role and state has a word of its own in every language.
func TestWordsOfRolesAndStates(t *testing.T) {
	for _, l := range words.Languages() {
		w := book(t, l.Tag)
		seen := map[string]bool{}
		for _, r := range []string{"button", "tile", "hold", "switch", "slider", "key"} {
			if got := Role(w, r); got == "" || strings.Contains(got, "speech.") {
				t.Errorf("%s: the role %s is said as %q", l.Tag, r, got)
			}
			seen[Role(w, r)] = true
		}
		if len(seen) < 5 {
			t.Errorf("%s: roles sound alike: %v", l.Tag, seen)
		}
		for _, v := range []string{"on", "off", "ready", "pouring", "paused", "settling", "rinsing", "full", "gone", "sold_out", "no_fizz"} {
			if got := Value(w, display.Element{Role: "hold", Value: v}); got == "" || strings.Contains(got, "speech.") {
				t.Errorf("%s: the state %s is said as %q", l.Tag, v, got)
			}
		}
	}
}

// A pour is told in steps, its states once each, a problem at once; nothing twice.
func TestNarrator(t *testing.T) {
	en := book(t, "en")
	var n Narrator
	page, els := "", []display.Element(nil)
	step := func(want string) {
		t.Helper()
		if got := n.Look(en, page, els); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	page, els = "beverage", drink("ready", "0")
	step("Cherry Zero. 2 choices. In the cup, 0 millilitres. No listed allergens.")
	step("")
	page, els = "pouring", drink("pouring", "0")
	els[4].Name = "Let go to stop. Pouring"
	if got := n.Look(en, page, els); !strings.HasPrefix(got, "Cherry Zero. 2 choices.") {
		t.Errorf("the pouring page is said as %q", got)
	}
	for ml, want := range map[string]string{"20": "", "49": "", "51": "50 millilitres.", "99": "50 millilitres."} {
		m := n
		els[1].Value = ml
		if got := m.Look(en, page, els); got != want {
			t.Errorf("%s ml: said %q, want %q", ml, got, want)
		}
	}
	els[1].Value = "152"
	step("150 millilitres.")
	els[1].Value = "158"
	step("")
	els[4].Value, els[4].Name = "paused", "Paused. Put the cup back"
	step("Paused. Put the cup back.")
	step("")
	els = append(els, display.Element{ID: "pour.note", Role: "text", Name: "The door was opened, so it stopped."})
	step("The door was opened, so it stopped.")
	step("")
	els[len(els)-1].Name = "The water stopped coming."
	step("The water stopped coming.")
}

func TestNarratorFoam(t *testing.T) {
	en := book(t, "en")
	var n Narrator
	foam := func(s string) []display.Element {
		return []display.Element{
			{ID: "foam.title", Role: "text", Name: "Foam is settling"},
			{ID: "foam.seconds", Role: "value", Name: "Foam is settling", Value: s},
		}
	}
	n.Look(en, "foam", foam("12"))
	var said []string
	for _, s := range []string{"12", "11", "10", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1"} {
		if got := n.Look(en, "foam", foam(s)); got != "" {
			said = append(said, got)
		}
	}
	if got, want := strings.Join(said, " "), "10 seconds. 5 seconds. 3 seconds. 2 seconds. 1 second."; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestFocusOnPadIsSaidOnce(t *testing.T) {
	en := book(t, "en")
	var n Narrator
	els := drink("ready", "0")
	n.Look(en, "beverage", els)
	if got := n.Focus(en, els[4]); got != "Hold to pour. Medium, pour pad, ready." {
		t.Errorf("focus said %q", got)
	}
	if got := n.Look(en, "beverage", els); got != "" {
		t.Errorf("said again: %q", got)
	}
}

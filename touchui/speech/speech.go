// Package speech is the screen for who does not see it: what a page says, and a voice that says it. It imports
// touchui/display for the elements of GET /tree and touchui/words for the words between them.
//
//	GET /tree's elements ─► Narrator (pure: pages, focus, progress ─► sentences) ─► Speaker, a queue of one ─► espeak-ng
//
// Narrator and its sentences belong to the goroutine that shows pages. A Speaker is safe for concurrent use and never
// keeps its callers waiting.
package speech

import (
	"strings"

	"fountain/touchui/display"
	"fountain/touchui/words"
)

// Roles of elements that are read and not chosen.
const (
	roleText  = "text"
	roleValue = "value"
	roleHold  = "hold"
)

// ready is the value of a pad that waits for somebody.
const ready = "ready"

// Title is what a page is called: the element whose id ends in ".title", otherwise the word for the page, otherwise the
// first thing on it.
func Title(w *words.Book, page string, els []display.Element) string {
	for _, e := range els {
		if strings.HasSuffix(e.ID, ".title") && e.Name != "" {
			return e.Name
		}
	}
	for _, key := range []string{page + ".title", "speech.page." + page} {
		if w.Has(key) {
			return w.T(key)
		}
	}
	for _, e := range els {
		if e.Name != "" {
			return e.Name
		}
	}
	return ""
}

// Page is what is said of a page that comes up: its title, how much there is to choose, and what stands there to be read.
func Page(w *words.Book, page string, els []display.Element) string {
	title := Title(w, page, els)
	said := []string{title}
	if n := Choices(els); n > 0 {
		said = append(said, w.N("speech.choices", n))
	}
	for _, e := range els {
		switch {
		case e.Role == roleHold && e.Value != ready:
			said = append(said, e.Name) // what goes on
		case e.Role == roleText && e.Name != title:
			said = append(said, e.Name)
		case e.Role == roleValue:
			said = append(said, Element(w, e))
		}
	}
	return sentences(said...)
}

// Choices counts what can be chosen.
func Choices(els []display.Element) int {
	n := 0
	for _, e := range els {
		if e.Enabled && e.Role != roleText && e.Role != roleValue {
			n++
		}
	}
	return n
}

// Element is what is said of one element: its name, its role, its value and whether it can be chosen.
func Element(w *words.Book, e display.Element) string {
	said := []string{e.Name}
	if r := Role(w, e.Role); r != "" {
		said = append(said, r)
	}
	if v := Value(w, e); v != "" {
		said = append(said, v)
	}
	if !e.Enabled && e.Role != roleText && e.Role != roleValue {
		said = append(said, w.T("speech.disabled"))
	}
	return strings.Join(said, w.T("speech.comma"))
}

// Role is the word for a role; "" for text, which needs none.
func Role(w *words.Book, role string) string {
	if role == roleText || role == roleValue {
		return ""
	}
	if key := "speech.role." + role; w.Has(key) {
		return w.T(key)
	}
	return w.T("speech.role.button")
}

// Value is how a value is said: numbers and shares as they are, states by their word, codes not at all.
func Value(w *words.Book, e display.Element) string {
	if e.Value == "" {
		return ""
	}
	if e.ID == idVolume {
		return w.T("speech.volume", "n", e.Value)
	}
	if key := "speech.value." + e.Value; w.Has(key) {
		return w.T(key)
	}
	switch e.Role {
	case roleValue, "slider", "key", "field":
		return e.Value
	}
	return ""
}

// sentences ends every part as a sentence.
func sentences(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
		if !strings.ContainsAny(p[len(p)-1:], ".?!") && !strings.HasSuffix(p, "。") && !strings.HasSuffix(p, "؟") && !strings.HasSuffix(p, "？") {
			b.WriteByte('.')
		}
	}
	return b.String()
}

package speech

import (
	"strconv"
	"strings"

	"fountain/touchui/display"
	"fountain/touchui/words"
)

// volumeStep is how much more has to be in the cup before it is said again, ml.
const volumeStep = 50

// The elements a narrator follows besides pages and focus.
const (
	idVolume = "pour.volume"
	idFoam   = "foam.seconds"
)

// Narrator follows what the screen shows and says what a person has to know of it, once. Its zero value is ready.
type Narrator struct {
	page   string
	title  string
	volume int             // last said, ml
	foam   int             // last said, s
	hold   string          // value of the pad
	notes  map[string]bool // that stand there, by id and words
}

// Look takes what the screen shows now and returns what is to be said; "" for nothing new.
func (n *Narrator) Look(w *words.Book, page string, els []display.Element) string {
	title := Title(w, page, els)
	if page != n.page || title != n.title && n.hold == "" {
		*n = Narrator{page: page, title: title, notes: map[string]bool{}}
		for _, e := range els {
			n.seen(e)
		}
		return Page(w, page, els)
	}
	n.title = title
	var said []string
	notes := map[string]bool{}
	hold := ""
	for _, e := range els {
		switch {
		case e.Role == roleHold:
			if hold = e.Value; hold != n.hold {
				said = append(said, e.Name)
			}
		case e.ID == idVolume:
			if ml, err := strconv.Atoi(e.Value); err == nil && ml/volumeStep != n.volume/volumeStep {
				n.volume = ml
				said = append(said, w.T("speech.volume", "n", ml/volumeStep*volumeStep))
			}
		case e.ID == idFoam:
			if s, err := strconv.Atoi(e.Value); err == nil && s != n.foam && (s%5 == 0 || s <= 3) {
				n.foam = s
				said = append(said, w.N("speech.seconds", s))
			}
		case isNote(e):
			key := e.ID + "\x00" + e.Name
			notes[key] = true
			if !n.notes[key] {
				said = append(said, e.Name)
			}
		}
	}
	n.hold, n.notes = hold, notes
	return sentences(said...)
}

// seen remembers what the page said already.
func (n *Narrator) seen(e display.Element) {
	switch {
	case e.Role == roleHold:
		n.hold = e.Value
	case e.ID == idVolume:
		n.volume, _ = strconv.Atoi(e.Value) // no number: nothing was said of it
	case e.ID == idFoam:
		n.foam, _ = strconv.Atoi(e.Value) // as above
	case isNote(e):
		n.notes[e.ID+"\x00"+e.Name] = true
	}
}

// isNote finds what tells that something went otherwise.
func isNote(e display.Element) bool {
	return e.Role == roleText && (strings.HasSuffix(e.ID, ".note") || strings.HasSuffix(e.ID, ".problem") || strings.HasSuffix(e.ID, ".hint"))
}

// Focus is what is said when a key moved the focus, or changed what has it.
func (n *Narrator) Focus(w *words.Book, e display.Element) string {
	if e.Role == roleHold {
		n.hold = e.Value // said here
	}
	return sentences(Element(w, e))
}

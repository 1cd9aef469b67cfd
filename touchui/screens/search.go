package screens

import (
	"slices"
	"strings"

	"fountain/agent/beverage"
	"fountain/touchui/words"
)

// Search finds beverages by a few letters of a brand, a name, a kind or a taste, in the language of the screen and in
// English. It never changes after NewSearch.
//
//	offers ─fold─► words with a rank ◄─prefix of each─ folded query ─► best rank first, then the order of the wall
type Search struct {
	docs []doc
}

// doc is one beverage as it is searched.
type doc struct {
	offer Offer
	full  string // brand and name
	name  string
	terms []term
}

type term struct {
	word  string
	sound string // of names: consonants as they sound, for who writes another script
	rank  rank
}

// rank says how well a word answers; lower is better.
type rank int

const (
	byFull   rank = iota // brand and name begin with what was typed
	byName               // the name does
	byWord               // a word of brand or name does
	byKind               // a word of its kind, or of a filter it passes, does
	bySound              // a word of brand or name sounds like it
	byTaste              // an ingredient begins with it
	byInside             // it stands somewhere inside
	noMatch
)

// NewSearch prepares every beverage of a menu, in the order of the wall.
func NewSearch(m *Menu, w *words.Book) *Search {
	s := &Search{}
	in := indexer{book: w, folded: map[string][]string{}}
	for _, b := range m.order {
		for _, o := range m.brands[b.ID] {
			s.docs = append(s.docs, in.doc(o))
		}
	}
	return s
}

// indexer folds every phrase once: kinds, filters and tastes come again and again.
type indexer struct {
	book   *words.Book
	folded map[string][]string
}

func (in *indexer) fold(text string) []string {
	parts, ok := in.folded[text]
	if !ok {
		parts = strings.Fields(fold(text))
		in.folded[text] = parts
	}
	return parts
}

func (in *indexer) doc(o Offer) doc {
	w := in.book
	d := doc{offer: o, full: fold(o.Brand.Name + " " + o.Beverage.Name), name: fold(o.Beverage.Name)}
	add := func(text string, r rank) {
		for _, word := range in.fold(text) {
			t := term{word: word, rank: r}
			if r == byWord {
				t.sound = sound(word)
			}
			d.terms = append(d.terms, t)
		}
	}
	both := func(text string, r rank) {
		add(text, r)
		if local := w.Name(text); local != text {
			add(local, r)
		}
	}
	add(o.Brand.Name, byWord)
	both(o.Beverage.Name, byWord)
	both(o.Brand.Kind, byKind)
	for _, f := range append(Filters[1:], kinds[:]...) {
		if f.Takes(o) {
			add(w.T("filter."+string(f)), byKind)
		}
	}
	for _, p := range o.Beverage.Recipe.Parts {
		if taste := tasteOf(p.Ingredient); taste != "" {
			both(strings.ToUpper(taste[:1])+taste[1:], byTaste)
		}
	}
	return d
}

// tasteOf is the word for what an ingredient tastes of; carriers, sweeteners and a brand's own base say nothing.
func tasteOf(id beverage.IngredientID) string {
	kind, name, _ := strings.Cut(string(id), ".")
	switch kind {
	case "flavour", "juice", "tea":
		return strings.ReplaceAll(name, "-", " ")
	}
	return ""
}

// Find lists what answers a query, the best first, what can be poured before what cannot. An empty query finds nothing.
func (s *Search) Find(query string) []Offer {
	q := fold(query)
	parts := strings.Fields(q)
	if len(parts) == 0 {
		return nil
	}
	sounds := make([]string, len(parts))
	for i, p := range parts {
		if foreign(p) {
			sounds[i] = sound(p)
		}
	}
	var found [2][noMatch][]Offer // pourable or not, by rank
	for i := range s.docs {
		d := &s.docs[i]
		if r := d.match(strings.Join(parts, " "), parts, sounds); r < noMatch {
			out := 0
			if !d.offer.Pourable() {
				out = 1
			}
			found[out][r] = append(found[out][r], d.offer)
		}
	}
	return slices.Concat(slices.Concat(found[0][:]...), slices.Concat(found[1][:]...))
}

func (d *doc) match(q string, parts, sounds []string) rank {
	switch {
	case strings.HasPrefix(d.full, q):
		return byFull
	case strings.HasPrefix(d.name, q):
		return byName
	}
	worst := byFull
	for i, p := range parts {
		best := noMatch
		for _, t := range d.terms {
			best = min(best, t.match(p, sounds[i]))
		}
		worst = max(worst, best)
	}
	return worst
}

// inside is how many letters are needed before they may stand in the middle of a word.
const inside = 3

func (t *term) match(p, s string) rank {
	switch {
	case strings.HasPrefix(t.word, p):
		return t.rank
	case len(s) > 1 && strings.HasPrefix(t.sound, s):
		return bySound
	case len(p) >= inside && strings.Contains(t.word, p):
		return byInside
	}
	return noMatch
}

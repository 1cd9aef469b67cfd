// Package words is what the screen says, in every language it speaks. A language is a file of data; adding one needs no
// code: data/<tag>.json holds the phrases by key, and in its lang.* keys its own name, direction, script, signs of numbers
// and lists. data/catalogue.<tag>.json holds names of the catalogue by the English phrase. A unit may bring files of its
// own, which win over the embedded ones. It imports golang.org/x/text only.
//
//	data/*.json ─embed─┐
//	files on the unit ─┴─► Library ──Open(tag)──► Book ──T, N, Name, Number, List, Volume──► pages
//
// The tags qps and qps-rtl are no languages: they are English, accented, about a third longer and bracketed, for tests.
// A phrase that a language lacks is said in English and logged once. A Book never changes and is safe for concurrent use.
//
// Words that mean one thing everywhere: docs/GLOSSARY.md.
package words

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"fountain/internal/logkey"
)

// English is the language every phrase exists in.
const English = "en"

// Book holds the phrases of one language.
type Book struct {
	lang    Language
	tag     language.Tag // whose plural forms it has
	phrases map[string]phrase
	names   func() map[string]string // of the catalogue, by the English phrase
	english *Book                    // nil for English itself
	library *Library
	log     *slog.Logger
	missing *sync.Map // keys that were logged
}

// phrase is one text, or one for each plural form.
type phrase struct {
	text  string
	forms map[string]string
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *phrase) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		return json.Unmarshal(b, &p.forms)
	}
	return json.Unmarshal(b, &p.text)
}

// Open reads the embedded language tag (BCP 47). An unknown one is an error that names those there are.
func Open(tag string) (*Book, error) {
	l, err := Embedded()
	if err != nil {
		return nil, err
	}
	return l.Open(tag)
}

// Tag is the language, BCP 47.
func (b *Book) Tag() string { return b.lang.Tag }

// Language tells about the book's language.
func (b *Book) Language() Language { return b.lang }

// Other opens another language of the same library.
func (b *Book) Other(tag string) (*Book, error) { return b.library.Open(tag) }

// Languages lists the languages of the book's library, English first, then by tag.
func (b *Book) Languages() []Language { return b.library.Languages() }

// RTL reports whether it is written from right to left.
func (b *Book) RTL() bool { return b.lang.RTL }

// T is the phrase of a key with its placeholders {name} filled from args: names and values in turn. A whole number is
// written as the language does; a key that no language has is its own phrase.
func (b *Book) T(key string, args ...any) string {
	p, ok := b.phrase(key)
	if !ok {
		return key
	}
	if p.forms != nil {
		return b.fill(p.forms["other"], args)
	}
	return b.fill(p.text, args)
}

// N is the phrase of a key in the plural form that the language has for n; {n} is n.
func (b *Book) N(key string, n int, args ...any) string {
	p, ok := b.phrase(key)
	if !ok {
		return key
	}
	s := p.text
	if p.forms != nil {
		if s, ok = p.forms[b.form(n)]; !ok {
			s = p.forms["other"]
		}
	}
	return b.fill(s, append([]any{"n", n}, args...))
}

// Has reports whether the language itself has the key.
func (b *Book) Has(key string) bool { _, ok := b.phrases[key]; return ok }

func (b *Book) phrase(key string) (phrase, bool) {
	if p, ok := b.phrases[key]; ok {
		return p, true
	}
	if _, known := b.missing.LoadOrStore(key, true); !known {
		b.log.Warn("phrase is missing", slog.String(logkey.Key, key), slog.String(logkey.Language, b.lang.Tag))
	}
	if b.english != nil {
		return b.english.phrase(key)
	}
	return phrase{}, false
}

// form is the CLDR category of n.
func (b *Book) form(n int) string {
	if n < 0 {
		n = -n
	}
	switch plural.Cardinal.MatchPlural(b.tag, n, 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	}
	return "other"
}

// Name is a name or kind of the catalogue in this language; one without a translation, such as a brand, stays as it is.
// In a language without spaces it may hold zero width spaces, where a word ends and a line may.
func (b *Book) Name(s string) string {
	if t, ok := b.names()[s]; ok {
		return t
	}
	return s
}

func (b *Book) fill(s string, args []any) string {
	for i := 0; i+1 < len(args); i += 2 {
		v := args[i+1]
		if n, ok := v.(int); ok {
			v = b.Number(float64(n), 0)
		}
		s = strings.ReplaceAll(s, fmt.Sprintf("{%v}", args[i]), fmt.Sprint(v))
	}
	return s
}

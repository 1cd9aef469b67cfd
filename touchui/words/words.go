// Package words is what the screen says, in every language it speaks. A language is one file of data; adding one needs no
// code. It imports golang.org/x/text only.
//
//	data/<tag>.json ──embed──► Open(tag) ──► Book ──T, N, Number──► pages
//
// A Book never changes and is safe for concurrent use.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

//go:embed data/*.json
var files embed.FS

// Book holds the phrases of one language.
type Book struct {
	tag     string
	phrases map[string]json.RawMessage
}

// Open reads the language tag (BCP 47). An unknown one is an error that names those there are.
func Open(tag string) (*Book, error) {
	b, err := files.ReadFile("data/" + tag + ".json")
	if err != nil {
		return nil, fmt.Errorf("open language %q: %w", tag, err)
	}
	out := &Book{tag: tag}
	if err := json.Unmarshal(b, &out.phrases); err != nil {
		return nil, fmt.Errorf("read language %q: %w", tag, err)
	}
	return out, nil
}

// Tag is the language, BCP 47.
func (b *Book) Tag() string { return b.tag }

// RTL reports whether it is written from right to left.
func (b *Book) RTL() bool { return b.tag == "ar" }

// T is the phrase of a key with its placeholders {name} filled from args: names and values in turn.
func (b *Book) T(key string, args ...any) string {
	var s string
	if json.Unmarshal(b.phrases[key], &s) != nil {
		return key
	}
	return fill(s, args)
}

// N is the phrase of a key in the plural form of n; {n} is n.
func (b *Book) N(key string, n int, args ...any) string {
	var forms map[string]string
	if json.Unmarshal(b.phrases[key], &forms) != nil {
		return b.T(key, append(args, "n", n)...)
	}
	s, ok := forms["one"]
	if n != 1 || !ok {
		s = forms["other"]
	}
	return fill(s, append(args, "n", strconv.Itoa(n)))
}

// Name is a name or kind of the catalogue in this language; one without a translation stays as it is.
func (b *Book) Name(s string) string { return s }

// Number writes v with at most digits decimals, as the language does.
func (b *Book) Number(v float64, digits int) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', digits, 64), ".0")
}

func fill(s string, args []any) string {
	for i := 0; i+1 < len(args); i += 2 {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%v}", args[i]), fmt.Sprint(args[i+1]))
	}
	return s
}

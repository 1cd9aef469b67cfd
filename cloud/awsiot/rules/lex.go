package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

type token struct {
	kind byte // i identifier, s string, n number, p punctuation, e end
	text string
	at   int
}

// marks are the punctuation of the language, longer ones first.
var marks = []string{"<>", "<=", ">=", "*", "(", ")", ",", ".", "+", "-", "/", "%", "=", "<", ">", "{", "}", "[", "]", ":"}

// keywords are no names of keys.
var keywords = []string{
	"SELECT", "FROM", "WHERE", "AS", "VALUE", "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "TRUE", "FALSE", "NULL", "UNDEFINED",
	"SET", "IN", "EXISTS", "LIKE", "IS", "BETWEEN", "JOIN", "GROUP", "ORDER", "LIMIT",
}

func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		start := i
		switch {
		case unicode.IsSpace(c):
			i += size
			continue
		case c == '\'' || c == '"':
			end := strings.IndexRune(s[i+1:], c)
			if end < 0 {
				return nil, &SQLError{start + 1, "a text does not end"}
			}
			out = append(out, token{'s', s[i+1 : i+1+end], start + 1})
			i += end + 2
			continue
		case isIdent(c, false):
			for i < len(s) {
				c, size := utf8.DecodeRuneInString(s[i:])
				if !isIdent(c, true) {
					break
				}
				i += size
			}
			out = append(out, token{'i', s[start:i], start + 1})
			continue
		case c >= '0' && c <= '9':
			i += numberLength(s[i:])
			out = append(out, token{'n', s[start:i], start + 1})
			continue
		}
		n := slices.IndexFunc(marks, func(m string) bool { return strings.HasPrefix(s[i:], m) })
		if n < 0 {
			return nil, &SQLError{start + 1, fmt.Sprintf("%q is not understood by the local cloud", c)}
		}
		out = append(out, token{'p', marks[n], start + 1})
		i += len(marks[n])
	}
	return append(out, token{'e', "", len(s) + 1}), nil
}

// numberLength is the length of the digits, points and exponent at the start of s.
func numberLength(s string) int {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		k := j
		for k < len(s) && s[k] >= '0' && s[k] <= '9' {
			k++
		}
		if k > j {
			i = k
		}
	}
	return i
}

func isIdent(c rune, inside bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || inside && c >= '0' && c <= '9'
}

func (t token) is(text string) bool {
	return t.kind == 'p' && t.text == text || t.kind == 'i' && strings.EqualFold(t.text, text)
}

func (t token) keyword() bool {
	return t.kind == 'i' && slices.Contains(keywords, strings.ToUpper(t.text))
}

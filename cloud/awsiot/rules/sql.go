// Package rules runs topic rules: the SQL subset our templates use, actions, error actions and dead letters. It imports
// sync/wire and internal packages only.
package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Query is a topic rule's statement in the subset this cloud runs:
//
//	SELECT item, … [FROM 'filter']
//	item = * | expr AS name
//	expr = topic() | topic(n) | timestamp() | clientid() | encode(*, 'base64') | 'text' | number | key.key…
//
// AWS IoT SQL has much more; whatever else stands there is refused when the template is loaded, never ignored.
type Query struct {
	items []selectItem
	From  string // empty: Basic Ingest only
}

type selectItem struct {
	star  bool
	name  string
	fn    string // topic, timestamp, clientid, encode, const, path
	n     int    // topic(n); 0: the whole topic
	value any    // const
	path  []string
}

// SQLError is what ParseQuery returns: what is wrong at which character, counted from 1.
type SQLError struct {
	At   int
	What string
}

// Error implements error.
func (e *SQLError) Error() string { return fmt.Sprintf("SQL, character %d: %s", e.At, e.What) }

// RuleInput is one message as a rule sees it.
type RuleInput struct {
	Topic    string // without the Basic Ingest prefix
	ClientID string
	Payload  []byte
	At       time.Time
}

type token struct {
	kind byte // i identifier, s string, n number, p punctuation, e end
	text string
	at   int
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
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
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
			for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
				i++
			}
			out = append(out, token{'n', s[start:i], start + 1})
			continue
		case strings.ContainsRune("*(),.", c):
			out = append(out, token{'p', string(c), start + 1})
			i += size
			continue
		}
		return nil, &SQLError{start + 1, fmt.Sprintf("%q is not understood by the local cloud", c)}
	}
	return append(out, token{'e', "", len(s) + 1}), nil
}

func isIdent(c rune, inside bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || inside && c >= '0' && c <= '9'
}

type sqlParser struct {
	toks []token
	pos  int
}

func (p *sqlParser) peek() token { return p.toks[p.pos] }

func (p *sqlParser) next() token {
	t := p.toks[p.pos]
	if t.kind != 'e' {
		p.pos++
	}
	return t
}

func (t token) is(text string) bool {
	return t.kind == 'p' && t.text == text || t.kind == 'i' && strings.EqualFold(t.text, text)
}

func (p *sqlParser) expect(text string) error {
	if t := p.next(); !t.is(text) {
		return &SQLError{t.at, fmt.Sprintf("want %s, have %q", text, t.text)}
	}
	return nil
}

// ParseQuery reads a rule's SQL.
func ParseQuery(sql string) (*Query, error) {
	toks, err := lex(sql)
	if err != nil {
		return nil, err
	}
	p := &sqlParser{toks: toks}
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	q := &Query{}
	names := map[string]bool{}
	for {
		at := p.peek().at
		it, err := p.item()
		if err != nil {
			return nil, err
		}
		if it.star && len(q.items) > 0 {
			return nil, &SQLError{at, "* must come first"}
		}
		if names[it.name] {
			return nil, &SQLError{at, fmt.Sprintf("%s is selected twice", it.name)}
		}
		names[it.name] = true
		q.items = append(q.items, it)
		if !p.peek().is(",") {
			break
		}
		p.next()
	}
	if p.peek().is("FROM") {
		p.next()
		t := p.next()
		if t.kind != 's' || t.text == "" {
			return nil, &SQLError{t.at, "FROM wants a topic filter in quotes"}
		}
		q.From = t.text
	}
	if t := p.peek(); t.kind != 'e' {
		return nil, &SQLError{t.at, fmt.Sprintf("%q is not understood by the local cloud", t.text)}
	}
	return q, nil
}

func (p *sqlParser) item() (selectItem, error) {
	if p.peek().is("*") {
		p.next()
		return selectItem{star: true, name: "*"}, nil
	}
	it, err := p.expr()
	if err != nil {
		return it, err
	}
	if p.peek().is("AS") {
		p.next()
		t := p.next()
		if t.kind != 'i' {
			return it, &SQLError{t.at, "AS wants a name"}
		}
		it.name = t.text
	} else if it.fn == "path" {
		it.name = it.path[len(it.path)-1]
	} else {
		return it, &SQLError{p.peek().at, "AS and a name are missing"}
	}
	return it, nil
}

func (p *sqlParser) expr() (selectItem, error) {
	t := p.next()
	switch t.kind {
	case 's':
		return selectItem{fn: "const", value: t.text}, nil
	case 'n':
		if _, err := strconv.ParseFloat(t.text, 64); err != nil {
			return selectItem{}, &SQLError{t.at, fmt.Sprintf("%q is no number", t.text)}
		}
		if t.text[0] == '0' && len(t.text) > 1 && t.text[1] != '.' || strings.HasSuffix(t.text, ".") {
			return selectItem{}, &SQLError{t.at, fmt.Sprintf("%q is no number", t.text)}
		}
		return selectItem{fn: "const", value: json.Number(t.text)}, nil
	case 'i':
		if p.peek().is("(") {
			return p.call(t)
		}
		switch strings.ToUpper(t.text) {
		case "SELECT", "FROM", "WHERE", "AS", "VALUE", "CASE", "SET":
			return selectItem{}, &SQLError{t.at, fmt.Sprintf("%s is not understood here by the local cloud", t.text)}
		}
		it := selectItem{fn: "path", path: []string{t.text}}
		for p.peek().is(".") {
			p.next()
			k := p.next()
			if k.kind != 'i' {
				return it, &SQLError{k.at, "a key is missing after the dot"}
			}
			it.path = append(it.path, k.text)
		}
		return it, nil
	}
	return selectItem{}, &SQLError{t.at, fmt.Sprintf("%q is not understood by the local cloud", t.text)}
}

func (p *sqlParser) call(name token) (selectItem, error) {
	p.next() // (
	it := selectItem{fn: strings.ToLower(name.text)}
	switch it.fn {
	case "topic":
		if t := p.peek(); t.kind == 'n' {
			p.next()
			n, err := strconv.Atoi(t.text)
			if err != nil || n < 1 {
				return it, &SQLError{t.at, "topic(n) counts from 1"}
			}
			it.n = n
		}
	case "timestamp", "clientid":
	case "encode":
		if err := p.expect("*"); err != nil {
			return it, err
		}
		if err := p.expect(","); err != nil {
			return it, err
		}
		if t := p.next(); t.kind != 's' || t.text != "base64" {
			return it, &SQLError{t.at, "encode knows 'base64' only"}
		}
	default:
		return it, &SQLError{name.at, fmt.Sprintf("function %s is not understood by the local cloud", name.text)}
	}
	return it, p.expect(")")
}

var errNotObject = errors.New("SELECT * and keys need a payload that is a JSON object")

// Run makes the rule's result, a JSON object.
func (q *Query) Run(in RuleInput) ([]byte, error) {
	out := map[string]any{}
	var object map[string]any
	for _, it := range q.items {
		if (it.star || it.fn == "path") && object == nil {
			d := json.NewDecoder(bytes.NewReader(in.Payload))
			d.UseNumber()
			if err := d.Decode(&object); err != nil || object == nil {
				return nil, errNotObject
			}
		}
		if it.star {
			for k, v := range object {
				out[k] = v
			}
			continue
		}
		v, ok := it.eval(in, object)
		if ok { // what is undefined is left out
			out[it.name] = v
		}
	}
	return json.Marshal(out)
}

func (it *selectItem) eval(in RuleInput, object map[string]any) (any, bool) {
	switch it.fn {
	case "const":
		return it.value, true
	case "timestamp":
		return in.At.UnixMilli(), true
	case "clientid":
		return in.ClientID, true
	case "encode":
		return base64.StdEncoding.EncodeToString(in.Payload), true
	case "topic":
		if it.n == 0 {
			return in.Topic, true
		}
		levels := strings.Split(in.Topic, "/")
		if it.n > len(levels) {
			return nil, false
		}
		return levels[it.n-1], true
	}
	var v any = object
	for _, k := range it.path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[k]; !ok {
			return nil, false
		}
	}
	return v, true
}

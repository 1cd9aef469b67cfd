package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fountain/internal/strictjson"
)

// Query is a topic rule's statement in the part of AWS IoT SQL (version 2016-03-23) this cloud runs:
//
//	SELECT [VALUE] item, … [FROM 'filter'] [WHERE expr]
//	item = * | expr [AS name]
//	expr = literals, also {'key': expr} and [expr], key.key…, + - * / %, = <> < <= > >=, NOT AND OR,
//	       CASE expr WHEN expr THEN expr … ELSE expr END, and the functions of the table in functions.go
//
// AWS has more; whatever else stands there is refused when the rule is loaded, with the character, never ignored.
type Query struct {
	items []selectItem
	value bool   // SELECT VALUE
	From  string // empty: Basic Ingest only
	where expr   // nil: none
	parse bool   // the payload is looked into
}

type selectItem struct {
	star bool
	name string
	expr expr
}

// SQLError is what ParseQuery returns: what is wrong at which character, counted from 1.
type SQLError struct {
	At   int
	What string
}

// Error implements error.
func (e *SQLError) Error() string { return fmt.Sprintf("SQL, character %d: %s", e.At, e.What) }

// Input is one message as a rule sees it.
type Input struct {
	Topic    string // without the Basic Ingest prefix
	ClientID string
	Payload  []byte
	At       time.Time
}

// ErrNoMatch is returned by Run when WHERE is not true: the rule does nothing.
var ErrNoMatch = errors.New("WHERE is not true")

// Errors of Run: the message cannot be made into a result.
var (
	errNotJSON   = errors.New("the payload is no JSON, and the statement looks into it")
	errNotObject = errors.New("SELECT * beside other items needs a payload that is a JSON object")
)

// message is an Input with its payload read.
type message struct {
	Input
	payload any // undefined when it is not looked into
}

// Run makes the rule's result: a JSON object, or with SELECT VALUE any JSON value. SELECT * alone hands on a payload that
// is no object byte for byte.
func (q *Query) Run(in Input) ([]byte, error) {
	m := message{Input: in, payload: undefined}
	raw := len(q.items) == 1 && q.items[0].star && q.where == nil
	if q.parse {
		v, err := readJSON(in.Payload)
		switch {
		case err == nil:
			m.payload = v
		case !raw:
			return nil, errNotJSON
		}
	}
	if q.where != nil && q.where.eval(&m) != true {
		return nil, ErrNoMatch
	}
	object, isObject := m.payload.(map[string]any)
	if len(q.items) == 1 && q.items[0].star && !isObject {
		return in.Payload, nil
	}
	if q.value {
		v := m.payload
		if it := q.items[0]; !it.star {
			v = it.expr.eval(&m)
		}
		if v == undefined {
			return nil, nil
		}
		return writeJSON(v)
	}
	out := map[string]any{}
	for _, it := range q.items {
		if it.star {
			if !isObject {
				return nil, errNotObject
			}
			for k, v := range object {
				out[k] = v
			}
			continue
		}
		if v := it.expr.eval(&m); v != undefined { // what is undefined is left out
			out[it.name] = v
		}
	}
	return writeJSON(out)
}

// readJSON reads one JSON value. Whole numbers become integers, as SQL 2016-03-23 has it.
func readJSON(b []byte) (any, error) {
	var v any
	if err := strictjson.Numbers(bytes.NewReader(b), &v); err != nil {
		return nil, err
	}
	return whole(v), nil
}

// whole rewrites numbers such as 10.0 and 1e3.
func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := parseNumber(v.String()); ok && r.IsInt() {
			return numberOf(r)
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

func writeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(clean(v)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// clean leaves what is undefined out of objects and lists.
func clean(v any) any {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, x := range v {
			if x != undefined {
				out = append(out, clean(x))
			}
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if x != undefined {
				out[k] = clean(x)
			}
		}
		return out
	}
	return v
}

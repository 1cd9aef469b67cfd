package rules

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// function is one of AWS IoT SQL's functions. most below 0 means any number of arguments.
type function struct {
	least, most int
	call        func(m *message, args []any) any
	scheme      bool // the last argument must be the text 'base64'
}

func (f *function) takes() string {
	switch {
	case f.most < 0:
		return fmt.Sprintf("%d arguments or more", f.least)
	case f.least == f.most:
		return fmt.Sprintf("%d arguments", f.least)
	}
	return fmt.Sprintf("%d to %d arguments", f.least, f.most)
}

// checkArgs refuses what can be seen to be wrong before a message comes.
func (f *function) checkArgs(name token, at int, x callExpr) error {
	if f.scheme {
		if c, ok := x.args[len(x.args)-1].(constExpr); !ok || c.v != "base64" {
			return &SQLError{at, name.text + " knows 'base64' only"}
		}
	}
	if strings.EqualFold(name.text, "topic") && len(x.args) == 1 {
		c, ok := x.args[0].(constExpr)
		if n, isInt := integer(c.v); !ok || !isInt || n.Sign() < 1 {
			return &SQLError{at, "topic(n) counts from 1"}
		}
	}
	return nil
}

// functions are those that are understood. aws_lambda, get_thing_shadow and the like ask other services and are refused.
var functions = map[string]*function{
	"topic":       {least: 0, most: 1, call: topicLevel},
	"timestamp":   {call: func(m *message, _ []any) any { return numberOf(new(big.Rat).SetInt64(m.At.UnixMilli())) }},
	"clientid":    {call: func(m *message, _ []any) any { return clientOf(m) }},
	"newuuid":     {call: func(*message, []any) any { return uuid.NewString() }},
	"sql_version": {call: func(*message, []any) any { return "2016-03-23" }},

	"encode": {least: 2, most: 2, scheme: true, call: func(_ *message, a []any) any {
		return withText(a[0], func(s string) any { return encodeBase64([]byte(s)) })
	}},
	"decode": {least: 2, most: 2, scheme: true, call: decode},

	"isundefined": {least: 1, most: 1, call: func(_ *message, a []any) any { return a[0] == undefined }},
	"isnull":      {least: 1, most: 1, call: func(_ *message, a []any) any { return a[0] == nil }},
	"get":         {least: 2, most: 2, call: get},
	"concat":      {least: 0, most: -1, call: concat},

	"length": {least: 1, most: 1, call: func(_ *message, a []any) any {
		return withText(a[0], func(s string) any { return count(utf8.RuneCountInString(s)) })
	}},
	"numbytes": {least: 1, most: 1, call: func(_ *message, a []any) any {
		return withText(a[0], func(s string) any { return count(len(s)) })
	}},
	"lower": {least: 1, most: 1, call: func(_ *message, a []any) any {
		return withText(a[0], func(s string) any { return strings.ToLower(s) })
	}},
	"upper": {least: 1, most: 1, call: func(_ *message, a []any) any {
		return withText(a[0], func(s string) any { return strings.ToUpper(s) })
	}},
	"trim": {least: 1, most: 1, call: func(_ *message, a []any) any {
		return withText(a[0], func(s string) any { return strings.TrimSpace(s) })
	}},
	"startswith": {least: 2, most: 2, call: withTexts(func(s []string) any { return strings.HasPrefix(s[0], s[1]) })},
	"endswith":   {least: 2, most: 2, call: withTexts(func(s []string) any { return strings.HasSuffix(s[0], s[1]) })},
	"indexof":    {least: 2, most: 2, call: withTexts(indexOf)},
	"replace":    {least: 3, most: 3, call: withTexts(func(s []string) any { return replace(s[0], s[1], s[2]) })},
	"substring":  {least: 2, most: 3, call: substring},

	"abs":   {least: 1, most: 1, call: withNumber(func(r *big.Rat) *big.Rat { return r.Abs(r) })},
	"floor": {least: 1, most: 1, call: withNumber(floor)},
	"ceil":  {least: 1, most: 1, call: withNumber(func(r *big.Rat) *big.Rat { return r.Neg(floor(r.Neg(r))) })},
	"round": {least: 1, most: 1, call: withNumber(round)},
	"mod":   {least: 2, most: 2, call: func(_ *message, a []any) any { return arithmetic("%", a[0], a[1]) }},
}

// clientOf is the publisher's client id; what did not come over MQTT has none.
func clientOf(m *message) any {
	if m.ClientID == "" {
		return "n/a"
	}
	return m.ClientID
}

func count(n int) any { return numberOf(new(big.Rat).SetInt64(int64(n))) }

// withText calls f with the argument as text; without one the result is Undefined.
func withText(v any, f func(s string) any) any {
	s, ok := textOf(v)
	if !ok {
		return undefined
	}
	return f(s)
}

func withTexts(f func(s []string) any) func(*message, []any) any {
	return func(_ *message, args []any) any {
		var s []string
		for _, a := range args {
			t, ok := textOf(a)
			if !ok {
				return undefined
			}
			s = append(s, t)
		}
		return f(s)
	}
}

func withNumber(f func(r *big.Rat) *big.Rat) func(*message, []any) any {
	return func(_ *message, args []any) any {
		r, ok := decimal(args[0])
		if !ok {
			return undefined
		}
		return numberOf(f(new(big.Rat).Set(r)))
	}
}

func floor(r *big.Rat) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Div(r.Num(), r.Denom())) // Euclidean: downwards, as the denominator is positive
}

// round goes to the nearest integer, from the middle away from 0.
func round(r *big.Rat) *big.Rat {
	half := big.NewRat(1, 2)
	if r.Sign() < 0 {
		return new(big.Rat).Neg(floor(new(big.Rat).Add(new(big.Rat).Neg(r), half)))
	}
	return floor(new(big.Rat).Add(r, half))
}

func topicLevel(m *message, args []any) any {
	if len(args) == 0 {
		return m.Topic
	}
	n, _ := integer(args[0]) // checked when the rule was loaded
	levels := strings.Split(m.Topic, "/")
	if !n.IsInt64() || n.Int64() > int64(len(levels)) {
		return undefined
	}
	return levels[n.Int64()-1]
}

// decode returns an object when what was encoded is JSON, else a text, and Null for what is not base64.
func decode(_ *message, args []any) any {
	return withText(args[0], func(s string) any {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || !utf8.Valid(b) {
			return nil
		}
		if v, err := readJSON(b); err == nil {
			return v
		}
		return string(b)
	})
}

// get takes an item of a list, a value of an object or a character of a text.
func get(_ *message, args []any) any {
	switch of := args[0].(type) {
	case map[string]any:
		if key, ok := args[1].(string); ok { // nothing is converted
			return member(of, key)
		}
	case []any:
		if n, ok := integer(args[1]); ok && n.IsInt64() && n.Sign() >= 0 && n.Int64() < int64(len(of)) {
			return of[n.Int64()]
		}
	case string:
		if n, ok := integer(args[1]); ok && n.IsInt64() && n.Sign() >= 0 {
			if r := []rune(of); n.Int64() < int64(len(r)) {
				return string(r[n.Int64()])
			}
		}
	}
	return undefined
}

// concat joins lists when one argument is a list, else texts when one is a text.
func concat(_ *message, args []any) any {
	switch len(args) {
	case 0:
		return undefined
	case 1:
		return args[0]
	}
	lists, texts := false, false
	for _, a := range args {
		_, isList := a.([]any)
		_, isText := a.(string)
		lists, texts = lists || isList, texts || isText
	}
	if lists {
		out := []any{}
		for _, a := range args {
			if l, ok := a.([]any); ok {
				out = append(out, l...)
			} else {
				out = append(out, a)
			}
		}
		return out
	}
	if !texts {
		return undefined
	}
	return withTexts(func(s []string) any { return strings.Join(s, "") })(nil, args)
}

func indexOf(s []string) any {
	i := strings.Index(s[0], s[1])
	if i < 0 {
		return count(-1)
	}
	return count(utf8.RuneCountInString(s[0][:i]))
}

func replace(s, old, with string) any {
	if old == "" {
		return s
	}
	return strings.ReplaceAll(s, old, with)
}

// substring counts characters from 0; what lies outside the text is brought to its ends.
func substring(_ *message, args []any) any {
	s, ok := textOf(args[0])
	if !ok {
		return undefined
	}
	r := []rune(s)
	bound := [2]int{0, len(r)}
	for i, a := range args[1:] {
		n, ok := integer(a)
		switch {
		case !ok:
			return undefined
		case n.Sign() < 0:
			bound[i] = 0
		case !n.IsInt64() || n.Int64() > int64(len(r)):
			bound[i] = len(r)
		default:
			bound[i] = int(n.Int64())
		}
	}
	if bound[1] < bound[0] {
		return ""
	}
	return string(r[bound[0]:bound[1]])
}

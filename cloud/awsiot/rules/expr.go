package rules

import (
	"reflect"
	"strings"
)

// undef is AWS's Undefined: no value at all.
type undef struct{}

// undefined is the only value of its kind.
var undefined any = undef{}

// expr is evaluated on a message. Values are nil for Null, bool, string, json.Number, []any, map[string]any or undefined.
type expr interface{ eval(m *message) any }

type (
	constExpr  struct{ v any }
	pathExpr   struct{ keys []string }
	memberExpr struct {
		of  expr
		key string
	}
	notExpr    struct{ x expr }
	binaryExpr struct {
		op          string
		left, right expr
	}
	listExpr   struct{ items []expr }
	objectExpr struct {
		keys   []string
		values []expr
	}
	caseExpr struct {
		on         expr
		when, then []expr
		otherwise  expr
	}
	callExpr struct {
		f       *function
		args    []expr
		payload bool // the first argument is *
	}
)

func (x constExpr) eval(*message) any { return x.v }

func (x pathExpr) eval(m *message) any {
	v := m.payload
	for _, k := range x.keys {
		v = member(v, k)
	}
	return v
}

func (x memberExpr) eval(m *message) any { return member(x.of.eval(m), x.key) }

func member(v any, key string) any {
	if object, ok := v.(map[string]any); ok {
		if v, ok := object[key]; ok {
			return v
		}
	}
	return undefined
}

func (x notExpr) eval(m *message) any {
	b, ok := boolOf(x.x.eval(m))
	if !ok {
		return undefined
	}
	return !b
}

func (x listExpr) eval(m *message) any {
	out := []any{}
	for _, it := range x.items {
		out = append(out, it.eval(m))
	}
	return out
}

func (x objectExpr) eval(m *message) any {
	out := map[string]any{}
	for i, k := range x.keys {
		out[k] = x.values[i].eval(m)
	}
	return out
}

func (x caseExpr) eval(m *message) any {
	on := x.on.eval(m)
	if on == undefined {
		return undefined
	}
	for i, w := range x.when {
		if equal(on, w.eval(m)) == true {
			return x.then[i].eval(m)
		}
	}
	return x.otherwise.eval(m)
}

func (x callExpr) eval(m *message) any {
	args := make([]any, len(x.args))
	for i, a := range x.args {
		args[i] = a.eval(m)
	}
	if x.payload {
		return encodeBase64(m.Payload)
	}
	return x.f.call(m, args)
}

func (x binaryExpr) eval(m *message) any {
	a, b := x.left.eval(m), x.right.eval(m)
	switch x.op {
	case "AND", "OR":
		p, ok1 := boolOf(a)
		q, ok2 := boolOf(b)
		switch {
		case !ok1 || !ok2:
			return undefined
		case x.op == "AND":
			return p && q
		}
		return p || q
	case "=":
		return equal(a, b)
	case "<>":
		same, ok := equal(a, b).(bool)
		if !ok {
			return undefined
		}
		return !same
	case "<", "<=", ">", ">=":
		return compare(x.op, a, b)
	}
	if x.op == "+" {
		_, text1 := a.(string)
		_, text2 := b.(string)
		if text1 || text2 {
			s, ok1 := textOf(a)
			t, ok2 := textOf(b)
			if !ok1 || !ok2 {
				return undefined
			}
			return s + t
		}
	}
	return arithmetic(x.op, a, b)
}

// equal compares as = does. Operands of different types are not equal; with Undefined the answer is Undefined.
func equal(a, b any) any {
	if a == undefined || b == undefined {
		return undefined
	}
	p, isNumber1 := numberValue(a)
	q, isNumber2 := numberValue(b)
	if isNumber1 && isNumber2 {
		return p.Cmp(q) == 0
	}
	return reflect.DeepEqual(a, b)
}

func compare(op string, a, b any) any {
	p, ok1 := decimal(a)
	q, ok2 := decimal(b)
	if !ok1 || !ok2 {
		return undefined
	}
	c := p.Cmp(q)
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// boolOf converts to Boolean: texts say true or false.
func boolOf(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		return strings.EqualFold(v, "true"), strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	}
	return false, false
}

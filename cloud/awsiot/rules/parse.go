package rules

import (
	"fmt"
	"slices"
	"strings"

	"fountain/sync/wire"
)

// maxDepth bounds nesting, so that no statement exhausts the stack.
const maxDepth = 100

type sqlParser struct {
	toks  []token
	pos   int
	depth int
	looks bool // into the payload
}

func (p *sqlParser) peek() token { return p.toks[p.pos] }

func (p *sqlParser) next() token {
	t := p.toks[p.pos]
	if t.kind != 'e' {
		p.pos++
	}
	return t
}

// take reads a token when it is there.
func (p *sqlParser) take(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next()
	return true
}

func (p *sqlParser) expect(text string) error {
	if t := p.next(); !t.is(text) {
		return &SQLError{t.at, fmt.Sprintf("want %s, have %q", text, t.text)}
	}
	return nil
}

func unknown(t token) error {
	if t.kind == 'e' {
		return &SQLError{t.at, "the statement ends too early"}
	}
	return &SQLError{t.at, fmt.Sprintf("%q is not understood here by the local cloud", t.text)}
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
	q := &Query{value: p.take("VALUE")}
	names := map[string]bool{}
	for {
		at := p.peek().at
		it, err := p.item(q.value)
		if err != nil {
			return nil, err
		}
		switch {
		case it.star && len(q.items) > 0:
			return nil, &SQLError{at, "* must come first"}
		case q.value && len(q.items) > 0:
			return nil, &SQLError{at, "SELECT VALUE takes one item"}
		case names[it.name]:
			return nil, &SQLError{at, fmt.Sprintf("%s is selected twice", it.name)}
		}
		names[it.name] = true
		q.items = append(q.items, it)
		if !p.take(",") {
			break
		}
	}
	if p.take("FROM") {
		t := p.next()
		if t.kind != 's' || t.text == "" {
			return nil, &SQLError{t.at, "FROM wants a topic filter in quotes"}
		}
		if err := wire.CheckFilter(t.text); err != nil {
			return nil, &SQLError{t.at, err.Error()}
		}
		if _, _, ok := wire.ParseBasicIngest(t.text); ok {
			return nil, &SQLError{t.at, "a rule cannot subscribe to Basic Ingest"}
		}
		q.From = t.text
	}
	if p.take("WHERE") {
		if q.where, err = p.expr(); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != 'e' {
		return nil, unknown(t)
	}
	q.parse = p.looks
	return q, nil
}

func (p *sqlParser) item(value bool) (selectItem, error) {
	if p.take("*") {
		p.looks = true
		return selectItem{star: true, name: "*"}, nil
	}
	x, err := p.expr()
	if err != nil {
		return selectItem{}, err
	}
	it := selectItem{expr: x}
	path, isPath := x.(pathExpr)
	switch {
	case p.take("AS"):
		t := p.next()
		if t.kind != 'i' || t.keyword() {
			return it, &SQLError{t.at, "AS wants a name"}
		}
		it.name = t.text
	case isPath:
		it.name = path.keys[len(path.keys)-1]
	case !value:
		return it, &SQLError{p.peek().at, "AS and a name are missing"}
	}
	return it, nil
}

func (p *sqlParser) expr() (expr, error) {
	return p.nested(func() (expr, error) { return p.binary(0) })
}

func (p *sqlParser) nested(parse func() (expr, error)) (expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, &SQLError{p.peek().at, "it is nested too deeply"}
	}
	return parse()
}

// levels of binary operators, the weakest first. NOT stands between AND and the comparisons.
var levels = [][]string{{"OR"}, {"AND"}, {"=", "<>", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}}

const comparisons = 2

func (p *sqlParser) binary(level int) (expr, error) {
	if level == len(levels) {
		return p.unary()
	}
	if level == comparisons && p.take("NOT") {
		x, err := p.nested(func() (expr, error) { return p.binary(level) })
		return notExpr{x}, err
	}
	left, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		t := p.peek()
		i := slices.IndexFunc(levels[level], t.is)
		switch {
		case i < 0:
			return left, nil
		case level == comparisons && n > 0:
			return nil, &SQLError{t.at, "comparisons cannot be chained"}
		case n > maxDepth:
			return nil, &SQLError{t.at, "it is too long"}
		}
		p.next()
		right, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		left = binaryExpr{op: levels[level][i], left: left, right: right}
	}
}

func (p *sqlParser) unary() (expr, error) {
	if !p.peek().is("-") {
		return p.member()
	}
	p.next()
	x, err := p.nested(p.unary)
	return binaryExpr{op: "-", left: constExpr{numberText("0")}, right: x}, err
}

// member reads a value and the keys after it.
func (p *sqlParser) member() (expr, error) {
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	for p.take(".") {
		k := p.next()
		if k.kind != 'i' {
			return nil, &SQLError{k.at, "a key is missing after the dot"}
		}
		if path, ok := x.(pathExpr); ok {
			x = pathExpr{append(slices.Clone(path.keys), k.text)}
			continue
		}
		x = memberExpr{x, k.text}
	}
	if t := p.peek(); t.is("[") {
		return nil, &SQLError{t.at, "an item of a list is taken by get(list, index)"}
	}
	return x, nil
}

func (p *sqlParser) primary() (expr, error) {
	t := p.next()
	switch {
	case t.kind == 's':
		return constExpr{t.text}, nil
	case t.kind == 'n':
		r, ok := parseNumber(t.text)
		if !ok || t.text[0] == '0' && len(t.text) > 1 && t.text[1] >= '0' && t.text[1] <= '9' || strings.HasSuffix(t.text, ".") {
			return nil, &SQLError{t.at, fmt.Sprintf("%q is no number", t.text)}
		}
		return constExpr{numberOf(r)}, nil
	case t.is("TRUE"):
		return constExpr{true}, nil
	case t.is("FALSE"):
		return constExpr{false}, nil
	case t.is("NULL"):
		return constExpr{nil}, nil
	case t.is("UNDEFINED"):
		return constExpr{undefined}, nil
	case t.is("CASE"):
		return p.caseExpr()
	case t.is("("):
		if n := p.peek(); n.is("SELECT") {
			return nil, unknown(n)
		}
		x, err := p.expr()
		if err != nil {
			return nil, err
		}
		return x, p.expect(")")
	case t.is("["):
		list, err := p.exprs("]")
		return listExpr{list}, err
	case t.is("{"):
		return p.object()
	case t.kind == 'i' && p.peek().is("("):
		return p.call(t)
	case t.kind == 'i' && !t.keyword():
		p.looks = true
		return pathExpr{[]string{t.text}}, nil
	}
	return nil, unknown(t)
}

// exprs reads expressions up to a closing mark.
func (p *sqlParser) exprs(end string) ([]expr, error) {
	var out []expr
	if p.take(end) {
		return nil, nil
	}
	for {
		x, err := p.expr()
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		if !p.take(",") {
			return out, p.expect(end)
		}
	}
}

func (p *sqlParser) object() (expr, error) {
	x := objectExpr{}
	if p.take("}") {
		return x, nil
	}
	for {
		k := p.next()
		if k.kind != 's' {
			return nil, &SQLError{k.at, "a key in quotes is missing"}
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.expr()
		if err != nil {
			return nil, err
		}
		x.keys, x.values = append(x.keys, k.text), append(x.values, v)
		if !p.take(",") {
			return x, p.expect("}")
		}
	}
}

func (p *sqlParser) caseExpr() (expr, error) {
	on, err := p.expr()
	if err != nil {
		return nil, err
	}
	x := caseExpr{on: on, otherwise: constExpr{undefined}}
	if !p.peek().is("WHEN") {
		return nil, &SQLError{p.peek().at, "CASE wants WHEN"}
	}
	for p.take("WHEN") {
		when, err := p.expr()
		if err != nil {
			return nil, err
		}
		if err := p.expect("THEN"); err != nil {
			return nil, err
		}
		then, err := p.expr()
		if err != nil {
			return nil, err
		}
		x.when, x.then = append(x.when, when), append(x.then, then)
	}
	if p.take("ELSE") {
		if x.otherwise, err = p.expr(); err != nil {
			return nil, err
		}
	}
	return x, p.expect("END")
}

func (p *sqlParser) call(name token) (expr, error) {
	p.next() // (
	key := strings.ToLower(name.text)
	f, ok := functions[key]
	if !ok {
		return nil, &SQLError{name.at, fmt.Sprintf("function %s is not understood by the local cloud", name.text)}
	}
	x := callExpr{f: f}
	if key == "encode" && p.take("*") {
		x.payload = true
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	at := p.peek().at
	args, err := p.exprs(")")
	if err != nil {
		return nil, err
	}
	n := len(args)
	if x.payload {
		n++
	}
	if n < f.least || f.most >= 0 && n > f.most {
		return nil, &SQLError{at, fmt.Sprintf("%s takes %s", name.text, f.takes())}
	}
	x.args = args
	return x, f.checkArgs(name, at, x)
}

package rules

import (
	"errors"
	"regexp"
	"strings"
)

// Topic is the topic of a republish action: text with substitution templates, as in "unit/${topic(2)}/state". Two $ at
// the start stand for one: so a reserved topic is written.
type Topic struct {
	text  string
	parts []expr
	looks bool
}

// jobTopic matches the reserved topics of jobs as they are written in a republish action.
var jobTopic = regexp.MustCompile(`^\$\$aws/things/(\$\{[^}]*\}|[^/])+/jobs/`)

// ParseTopic reads the topic of a republish action. Errors are *SQLError, counted within the topic.
func ParseTopic(text string) (*Topic, error) {
	t := &Topic{text: text}
	rest, at := text, 0
	switch {
	case jobTopic.MatchString(text):
		return nil, &SQLError{1, "AWS does not republish to topics of jobs"}
	case strings.HasPrefix(rest, "$$"):
		rest, at = rest[1:], 1
	case strings.HasPrefix(rest, "$") && !strings.HasPrefix(rest, "${"):
		return nil, &SQLError{1, "a reserved topic begins with $$ here"}
	}
	for {
		before, after, found := strings.Cut(rest, "${")
		if before != "" {
			t.parts = append(t.parts, constExpr{before})
		}
		if !found {
			break
		}
		at += len(before) + 2
		inside, next, closed := strings.Cut(after, "}")
		if !closed {
			return nil, &SQLError{at, "${ is not closed"}
		}
		x, looks, err := parseExpr(inside)
		if err != nil {
			var e *SQLError
			if errors.As(err, &e) {
				return nil, &SQLError{at + e.At, e.What}
			}
			return nil, err
		}
		t.parts, t.looks = append(t.parts, x), t.looks || looks
		rest, at = next, at+len(inside)+1
	}
	if len(t.parts) == 0 {
		return nil, &SQLError{1, "the topic is empty"}
	}
	return t, nil
}

func parseExpr(text string) (x expr, looks bool, err error) {
	toks, err := lex(text)
	if err != nil {
		return nil, false, err
	}
	p := &sqlParser{toks: toks}
	if x, err = p.expr(); err != nil {
		return nil, false, err
	}
	if t := p.peek(); t.kind != 'e' {
		return nil, false, unknown(t)
	}
	return x, p.looks, nil
}

// String returns the topic as it was written.
func (t *Topic) String() string { return t.text }

// make fills the templates in. What is undefined leaves nothing.
func (t *Topic) make(in Input) (string, error) {
	m := message{Input: in, payload: undefined}
	if t.looks {
		v, err := readJSON(in.Payload)
		if err != nil {
			return "", errNotJSON
		}
		m.payload = v
	}
	var b strings.Builder
	for _, x := range t.parts {
		s, _ := textOf(x.eval(&m)) // Undefined is the empty text
		b.WriteString(s)
	}
	return b.String(), nil
}

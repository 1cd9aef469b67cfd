package stack

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// schema says what may stand at a place of a resource's properties.
type schema struct {
	kind     schemaKind
	props    map[string]*schema // of an object
	required []string
	item     *schema // of a list
	enum     []string
	lo, hi   float64 // of a number, when hasRange; of a text's length, when hi > 0
	hasRange bool
	pattern  *regexp.Regexp // of a text
}

type schemaKind byte

const (
	kindText schemaKind = iota
	kindInteger
	kindNumber
	kindBool
	kindList
	kindObject
	kindFree // JSON that is looked at elsewhere
)

var (
	text   = &schema{}
	flag   = &schema{kind: kindBool}
	number = &schema{kind: kindNumber}
	free   = &schema{kind: kindFree}
	texts  = listOf(text)
	tags   = listOf(object("Key!", text, "Value!", text))
)

func oneOf(values ...string) *schema { return &schema{enum: values} }

func matching(pattern string, most float64) *schema {
	return &schema{pattern: regexp.MustCompile("^(?:" + pattern + ")$"), hi: most}
}

func integer(lo, hi float64) *schema {
	return &schema{kind: kindInteger, lo: lo, hi: hi, hasRange: true}
}

func within(lo, hi float64) *schema {
	return &schema{kind: kindNumber, lo: lo, hi: hi, hasRange: true}
}

func listOf(item *schema) *schema { return &schema{kind: kindList, item: item} }

// object takes names and schemas in turn; a name with ! is required.
func object(pairs ...any) *schema {
	s := &schema{kind: kindObject, props: map[string]*schema{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, required := strings.CutSuffix(pairs[i].(string), "!")
		s.props[name] = pairs[i+1].(*schema)
		if required {
			s.required = append(s.required, name)
		}
	}
	return s
}

// check compares a value with a schema. path names the place for people, line is that of the owner.
func (r *resolver) check(s *schema, n node, path string, line int) error {
	if n.line > 0 {
		line = n.line
	}
	switch s.kind {
	case kindFree:
		return nil
	case kindList:
		items, ok := n.v.([]node)
		if !ok {
			return r.errorf(line, "%s must be a list", path)
		}
		for i, it := range items {
			if err := r.check(s.item, it, path+"["+strconv.Itoa(i)+"]", line); err != nil {
				return err
			}
		}
		return nil
	case kindObject:
		return r.checkObject(s, n, path, line)
	}
	v, ok := n.v.(string)
	if !ok {
		return r.errorf(line, "%s must be a single value", path)
	}
	return r.checkScalar(s, v, path, line)
}

func (r *resolver) checkObject(s *schema, n node, path string, line int) error {
	m, ok := n.v.(map[string]node)
	if !ok {
		return r.errorf(line, "%s must be a mapping", path)
	}
	for _, k := range n.keys {
		sub := s.props[k]
		if sub == nil {
			return r.errorf(m[k].line, "%s has no property %s", path, k)
		}
		if err := r.check(sub, m[k], path+"."+k, m[k].line); err != nil {
			return err
		}
	}
	for _, k := range s.required {
		if _, ok := m[k]; !ok {
			return r.errorf(line, "%s lacks the property %s", path, k)
		}
	}
	return nil
}

func (r *resolver) checkScalar(s *schema, v, path string, line int) error {
	switch s.kind {
	case kindBool:
		if v != "true" && v != "false" {
			return r.errorf(line, "%s must be true or false, not %q", path, v)
		}
	case kindInteger, kindNumber:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || s.kind == kindInteger && f != float64(int64(f)) {
			return r.errorf(line, "%s must be a number, not %q", path, v)
		}
		if s.hasRange && (f < s.lo || f > s.hi) {
			return r.errorf(line, "%s is %s, must be between %s and %s", path, v, plainNumber(s.lo), plainNumber(s.hi))
		}
	default:
		if len(s.enum) > 0 && !slices.Contains(s.enum, v) {
			return r.errorf(line, "%s is %q, must be one of %s", path, v, strings.Join(s.enum, ", "))
		}
		if s.pattern != nil && !s.pattern.MatchString(v) {
			return r.errorf(line, "%s is %q, which does not match %s", path, v, s.pattern)
		}
		if s.hi > 0 && float64(len([]rune(v))) > s.hi {
			return r.errorf(line, "%s has %d characters, at most %v are allowed", path, len([]rune(v)), s.hi)
		}
	}
	return nil
}

func plainNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

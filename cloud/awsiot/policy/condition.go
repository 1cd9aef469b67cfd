package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// condition is one operator on one key: it holds when the key's values and the wanted ones agree as the operator says.
type condition struct {
	all, any bool // ForAllValues, ForAnyValue
	ifExists bool
	op       operator
	key      string
	want     []string
}

// operator compares one value of the request with one wanted value.
type operator struct {
	name    string
	negated bool // none of the wanted values may agree; an absent key holds
	wild    bool // wanted values hold wildcards
	equal   func(have, want string, pattern []rune) bool
}

func equalText(have, want string, _ []rune) bool   { return have == want }
func equalFold(have, want string, _ []rune) bool   { return strings.EqualFold(have, want) }
func likeText(have, _ string, pattern []rune) bool { return match(pattern, have) }
func inNetwork(have, want string, _ []rune) bool {
	addr, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	if net, err := netip.ParsePrefix(want); err == nil {
		return net.Contains(addr.Unmap())
	}
	one, err := netip.ParseAddr(want)
	return err == nil && one == addr.Unmap()
}

// operators are those of IAM that make sense on the keys IoT has. Others are refused when a document is read.
var operators = map[string]operator{
	"StringEquals":              {equal: equalText},
	"StringNotEquals":           {equal: equalText, negated: true},
	"StringEqualsIgnoreCase":    {equal: equalFold},
	"StringNotEqualsIgnoreCase": {equal: equalFold, negated: true},
	"StringLike":                {equal: likeText, wild: true},
	"StringNotLike":             {equal: likeText, wild: true, negated: true},
	"ArnEquals":                 {equal: likeText, wild: true},
	"ArnLike":                   {equal: likeText, wild: true},
	"ArnNotEquals":              {equal: likeText, wild: true, negated: true},
	"ArnNotLike":                {equal: likeText, wild: true, negated: true},
	"Bool":                      {equal: equalFold},
	"IpAddress":                 {equal: inNetwork},
	"NotIpAddress":              {equal: inNetwork, negated: true},
	"Null":                      {},
}

// parseOperator reads "ForAnyValue:StringEqualsIfExists".
func parseOperator(text string) (c condition, ok bool) {
	name := text
	switch set, rest, found := strings.Cut(text, ":"); {
	case !found:
	case set == "ForAllValues":
		c.all, name = true, rest
	case set == "ForAnyValue":
		c.any, name = true, rest
	default:
		return c, false
	}
	if short, found := strings.CutSuffix(name, "IfExists"); found && short != "Null" {
		c.ifExists, name = true, short
	}
	c.op, ok = operators[name]
	c.op.name = name
	return c, ok
}

func (c *condition) holds(s *statement, who *Principal, act Action) bool {
	have := who.values(c.key, act)
	switch {
	case c.op.name == "Null":
		return slices.ContainsFunc(c.want, func(w string) bool { return strings.EqualFold(w, "true") == (len(have) == 0) })
	case c.all: // of nothing all agree
		return !slices.ContainsFunc(have, func(v string) bool { return !c.agrees(s, who, v) })
	case len(have) == 0:
		return c.ifExists || c.op.negated && !c.any
	case c.any:
		return slices.ContainsFunc(have, func(v string) bool { return c.agrees(s, who, v) })
	}
	return c.agrees(s, who, have[0])
}

// agrees tells whether one value stands with the wanted ones: beside one of them, or, negated, beside none.
func (c *condition) agrees(s *statement, who *Principal, have string) bool {
	found := slices.ContainsFunc(c.want, func(w string) bool {
		if c.op.wild {
			pattern, ok := s.compile(w, who)
			return ok && c.op.equal(have, "", pattern)
		}
		text, ok := s.plain(w, who)
		return ok && c.op.equal(have, text, nil)
	})
	return found != c.op.negated
}

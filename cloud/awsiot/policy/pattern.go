package policy

import "strings"

// Wildcards are runes outside Unicode in a compiled pattern, so that a '*' inside a client id stays a plain character.
const (
	anyRun  = rune(-1)
	anyRune = rune(-2)
)

// compile puts variables and wildcards in. It reports false when a variable has no value: then nothing matches.
func (s *statement) compile(text string, who *Principal) ([]rune, bool) {
	var out []rune
	for len(text) > 0 {
		i := strings.IndexAny(text, "*?$")
		if i < 0 {
			return append(out, []rune(text)...), true
		}
		out = append(out, []rune(text[:i])...)
		text = text[i:]
		switch {
		case text[0] == '*':
			out, text = append(out, anyRun), text[1:]
		case text[0] == '?':
			out, text = append(out, anyRune), text[1:]
		case strings.HasPrefix(text, "${") && !s.literal:
			name, rest, closed := strings.Cut(text[2:], "}")
			v, ok := who.variable(name)
			if !closed || !ok {
				return nil, false
			}
			out, text = append(out, []rune(v)...), rest
		default:
			out, text = append(out, '$'), text[1:]
		}
	}
	return out, true
}

// plainLength is how much of a pattern stands for itself.
func plainLength(text string) int {
	n := len(text)
	if i := strings.IndexAny(text, "*?"); i >= 0 {
		n = i
	}
	if i := strings.Index(text[:n], "${"); i >= 0 {
		n = i
	}
	return n
}

// plain puts variables in and keeps wildcards as characters.
func (s *statement) plain(text string, who *Principal) (string, bool) {
	if s.literal {
		return text, true
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, after, closed := strings.Cut(rest, "}")
		v, ok := who.variable(name)
		if !closed || !ok {
			return "", false
		}
		b.WriteString(v)
		text = after
	}
}

// match tells whether text fits a compiled pattern. It needs no more than len(p)·len(text) steps.
func match(p []rune, text string) bool {
	s := []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == anyRun:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == anyRune || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anyRun {
		i++
	}
	return i == len(p)
}

// matchFold matches without variables and without regard to case, as action names do.
func matchFold(pattern, text string) bool {
	p, _ := (&statement{literal: true}).compile(strings.ToLower(pattern), nil) // no variables, so it compiles
	return match(p, strings.ToLower(text))
}

package stack

import (
	"regexp"
	"strings"

	"fountain/cloud/awsiot/rules"
)

// checkRings refuses rules that would run each other for ever: on AWS such rings run, and cost, until somebody sees it.
func (s *Stack) checkRings(r *resolver) error {
	next := map[string][]string{} // what a rule publishes, these may take
	for _, name := range sortedKeys(s.Rules) {
		for _, said := range published(s.Rules[name]) {
			for _, other := range sortedKeys(s.Rules) {
				if takes(s.Rules[other], said) {
					next[name] = append(next[name], other)
				}
			}
		}
	}
	for _, name := range sortedKeys(s.Rules) {
		if ring := wayBack(next, name, name, map[string]bool{}); ring != nil {
			return r.errorf(0, "rules run each other in a ring: %s", strings.Join(append([]string{name}, ring...), " -> "))
		}
	}
	return nil
}

// wayBack finds a way from one rule to another; nil when there is none.
func wayBack(next map[string][]string, from, to string, been map[string]bool) []string {
	for _, n := range next[from] {
		if n == to {
			return []string{to}
		}
		if been[n] {
			continue
		}
		been[n] = true
		if way := wayBack(next, n, to, been); way != nil {
			return append([]string{n}, way...)
		}
	}
	return nil
}

// topics is a set of topics: bytes, and between them oneLevel and anything.
type topics []rune

const (
	oneLevel rune = -1 // any text without a slash
	anything rune = -2 // any text
)

// filtered is what a topic filter covers.
func filtered(filter string) (out topics) {
	for _, c := range filter {
		switch c {
		case '+':
			c = oneLevel
		case '#':
			c = anything
		}
		out = append(out, c)
	}
	return out
}

// level is a template that can be no more than one level of a topic.
var level = regexp.MustCompile(`^\s*topic\(\s*[0-9]+\s*\)\s*$`)

// filledIn is what a republish action may publish to.
func filledIn(t *rules.Topic) (out topics) {
	rest := t.String()
	if strings.HasPrefix(rest, "$$") {
		rest = rest[1:]
	}
	for {
		before, after, found := strings.Cut(rest, "${")
		out = append(out, []rune(before)...)
		if !found {
			return out
		}
		var inside string
		inside, rest, _ = strings.Cut(after, "}")
		if level.MatchString(inside) {
			out = append(out, oneLevel)
		} else {
			out = append(out, anything)
		}
	}
}

// shadowRequests are answered by the cloud below their own topics, and rules hear the answers.
var shadowRequests = []topics{filtered("$aws/things/+/shadow/+"), filtered("$aws/things/+/shadow/name/+/+")}

// published lists what a rule makes somebody publish.
func published(rule *rules.Rule) (out []topics) {
	actions := rule.Actions
	if rule.ErrorAction != nil {
		actions = append(actions[:len(actions):len(actions)], *rule.ErrorAction)
	}
	for _, a := range actions {
		if a.Topic == nil {
			continue
		}
		to := filledIn(a.Topic)
		out = append(out, to)
		for _, request := range shadowRequests {
			if !meet(to, request) {
				continue
			}
			for _, answer := range []string{"/accepted", "/rejected", "/delta", "/documents"} {
				out = append(out, append(to[:len(to):len(to)], []rune(answer)...))
			}
		}
	}
	return out
}

// takes says whether a rule may take what is said on one of the topics. A wildcard in front covers no reserved topic.
func takes(rule *rules.Rule, said topics) bool {
	if meet(said, filtered("$aws/rules/"+rule.Name+"/#")) {
		return true
	}
	from := filtered(rule.Query.From)
	if len(from) == 0 || from[0] < 0 && said[0] == '$' {
		return false
	}
	return meet(said, from)
}

// meet says whether two sets have a topic in common.
func meet(a, b topics) bool {
	type place struct{ i, j int }
	seen := map[place]bool{}
	var from func(i, j int) bool
	from = func(i, j int) bool {
		if i == len(a) && j == len(b) {
			return true
		}
		if p := (place{i, j}); seen[p] {
			return false
		} else {
			seen[p] = true
		}
		if i < len(a) && a[i] < 0 && (from(i+1, j) || j < len(b) && covers(a[i], b[j]) && from(i, j+1)) {
			return true
		}
		if j < len(b) && b[j] < 0 && (from(i, j+1) || i < len(a) && covers(b[j], a[i]) && from(i+1, j)) {
			return true
		}
		return i < len(a) && j < len(b) && a[i] == b[j] && from(i+1, j+1)
	}
	return from(0, 0)
}

// covers says whether a wildcard may stand for c, a wildcard too: as nothing, it always may.
func covers(wild, c rune) bool { return wild == anything || c != '/' }

package service

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"fountain/touchui/words"
)

// The agent says what an operation does and asks in English. The same sentences stand among the words of the screen, under
// the keys below: what matches one in English is shown in the screen's language, with what stands at its placeholders. A
// sentence nobody translated stays English rather than be left out.

// phrase is one English sentence of the agent as a pattern.
type phrase struct {
	key   string
	match *regexp.Regexp
	names []string
}

var phrasesOnce = sync.OnceValue(func() []phrase {
	en, err := words.Open("en")
	if err != nil {
		return nil
	}
	var out []phrase
	for _, k := range agentKeys {
		if p, ok := pattern(k, en.T(k)); ok {
			out = append(out, p)
		}
	}
	return out
})

var placeholder = regexp.MustCompile(`\{([a-z]+)\}`)

func pattern(key, text string) (phrase, bool) {
	p := phrase{key: key}
	var b strings.Builder
	b.WriteString("(?i)^")
	last := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(regexp.QuoteMeta(text[last:at[0]]))
		b.WriteString("(.+?)")
		p.names = append(p.names, text[at[2]:at[3]])
		last = at[1]
	}
	b.WriteString(regexp.QuoteMeta(strings.TrimSuffix(text[last:], ".")))
	b.WriteString(`\.?$`)
	re, err := regexp.Compile(b.String())
	if err != nil || text == key {
		return p, false
	}
	p.match = re
	return p, true
}

// said is what the agent said, in the language of the screen and as a sentence.
func (s *Service) said(text string) string { return sentence(s.say(strings.TrimSpace(text))) }

// say is said of a part of a sentence.
func (s *Service) say(text string) string {
	for _, p := range phrasesOnce() {
		m := p.match.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		args := make([]any, 0, 2*len(p.names))
		for i, n := range p.names {
			args = append(args, n, s.filled(n, m[i+1]))
		}
		return s.look.T(p.key, args...)
	}
	return text
}

// figure is a volume, a time or another measurement as the agent writes it.
var figure = regexp.MustCompile(`^(\d+\.(\d+))( .*)?$`)

// filled is what stands at a placeholder: a figure with the decimal sign of the language, a list that may go on, or what it was.
func (s *Service) filled(name, text string) string {
	if name == "list" {
		return s.say(text)
	}
	m := figure.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return text
	}
	return s.num(v, len(m[2])) + m[3]
}

// known is a word for a code under prefix, or the code itself, readable.
func (s *Service) known(prefix, code string) string {
	if key := prefix + "." + code; s.look.Words.Has(key) {
		return s.look.T(key)
	}
	return strings.ReplaceAll(code, "_", " ")
}

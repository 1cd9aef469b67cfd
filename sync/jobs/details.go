package jobs

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fountain/sync/wire"
)

// clip makes details that the service takes: 10 pairs, room left for the reason, of 128 characters, none of them a control
// character, nothing empty, keys of letters, digits, ':', '_' and '-'.
func clip(details map[string]string) map[string]string {
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(details)) {
		v := cut(details[k])
		if k = cut(strings.Map(inKey, k)); k == "" || v == "" {
			continue
		}
		if len(out) == wire.MaxStatusDetails-1 {
			break
		}
		out[k] = v
	}
	return out
}

func inKey(r rune) rune {
	if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == ':' || r == '-' {
		return r
	}
	return '_'
}

func cut(s string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) {
			return ' '
		}
		return r
	}, s))
	if len(r) > wire.MaxDetailKey {
		r = append(r[:wire.MaxDetailKey-1], '…')
	}
	return string(r)
}

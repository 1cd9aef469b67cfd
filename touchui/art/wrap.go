package art

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"fountain/touchui/theme"
)

// Wrap breaks s into lines of at most width: between words, and in Japanese and Chinese between letters, but never before
// a closing sign, after an opening one, or between a number and its unit.
func Wrap(f *theme.Fonts, s string, sz theme.Size, width float64) []string {
	var lines []string
	cur := ""
	for _, p := range pieces(s, false) {
		next := cur + p
		if cur != "" && f.Width(strings.TrimRight(next, space), sz.Cut, sz.PX, sz.Track) > width {
			lines = append(lines, strings.TrimRight(cur, space))
			next = p
		}
		cur = next
	}
	if cur = strings.TrimRight(cur, space); cur != "" {
		lines = append(lines, cur)
	}
	return lines
}

// FitName breaks a name into at most maxLines lines so that it can be set as large as possible, and returns the lines and
// the size. A further line has to gain 3 %. Names break between words; Japanese ones where a word is marked to end, the
// kind of letter changes or a long vowel ends, and elsewhere only if that makes them much larger.
func FitName(f *theme.Fonts, name string, sz theme.Size, width, height, minPX float64, maxLines int) ([]string, float64) {
	lines, px := fit(f, pieces(name, true), sz, width, height, maxLines)
	if strings.IndexFunc(name, breakable) >= 0 {
		if l, p := fit(f, limit(pieces(name, false), maxPieces), sz, width, height, maxLines); p > px*1.5 {
			lines, px = l, p
		}
	}
	if lines == nil {
		lines = []string{name}
	}
	return lines, max(float64(int(px)), minPX)
}

// maxPieces bounds the ways to break a name: their number grows with the square of it.
const maxPieces = 14

// limit joins pieces evenly until there are at most n.
func limit(p []string, n int) []string {
	if len(p) <= n {
		return p
	}
	out := make([]string, n)
	for i, s := range p {
		out[i*n/len(p)] += s
	}
	return out
}

func fit(f *theme.Fonts, words []string, sz theme.Size, width, height float64, maxLines int) (best []string, bestPX float64) {
	for k := 1; k <= min(len(words), maxLines); k++ {
		for _, lines := range splits(words, k) {
			px := f.Fit(lines, sz.Cut, sz.Track, width, min(sz.PX, height/(float64(k)*sz.Line)), 1)
			if px > bestPX && (len(lines) == len(best) || px > bestPX*1.03) {
				best, bestPX = lines, px
			}
		}
	}
	return best, bestPX
}

// splits lists the ways to set pieces on k lines.
func splits(words []string, k int) [][]string {
	if k == 1 {
		return [][]string{{strings.Trim(strings.Join(words, ""), space)}}
	}
	var out [][]string
	for i := 1; i <= len(words)-k+1; i++ {
		for _, rest := range splits(words[i:], k-1) {
			out = append(out, append([]string{strings.Trim(strings.Join(words[:i], ""), space)}, rest...))
		}
	}
	return out
}

// pieces cuts s where a line may end. A word keeps the space after it. With whole, runs of Japanese letters of one kind
// stay together.
func pieces(s string, whole bool) []string {
	marked := strings.ContainsRune(s, wordEnd)
	var out []string
	start := 0
	prev := rune(0)
	for i, r := range s {
		if prev == ' ' && !whole && measured(s[start:i], s[i:]) {
			prev = r
			continue
		}
		if i > 0 && r != ' ' && (prev == wordEnd || canBreak(prev, r, whole) && !(whole && marked && prev == 'ー')) {
			out = append(out, s[start:i])
			start = i
		}
		prev = r
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

// unitLetters is how long what is measured in is at most.
const unitLetters = 4

// measured reports whether before ends in a number and after begins with its unit: 0 g stays on one line.
func measured(before, after string) bool {
	n := strings.TrimRight(before, space)
	n = n[strings.LastIndexByte(n, ' ')+1:]
	if n == "" || strings.IndexFunc(n, func(r rune) bool { return !unicode.IsDigit(r) && r != '.' && r != ',' }) >= 0 || !unicode.IsDigit(lastRune(n)) {
		return false
	}
	unit, _, _ := strings.Cut(after, " ")
	return utf8.RuneCountInString(strings.TrimRight(unit, ".,;")) <= unitLetters
}

func lastRune(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

// space is what does not stand at the end of a line.
const space = " \u200b"

// wordEnd marks, in the words of a language without spaces, where a word ends. It is not drawn.
const wordEnd = '\u200b'

// Signs that do not begin, and that do not end a line (JIS X 4051).
const (
	notFirst = "、。，．・：；？！）」』】〉》ーァィゥェォッャュョヮぁぃぅぇぉっゃゅょゎ％…‥,.:;?!)]}’”"
	notLast  = "（「『【〈《([{‘“"
)

// canBreak reports whether a line may end between a and b.
func canBreak(a, b rune, whole bool) bool {
	if a == ' ' {
		return true
	}
	if !breakable(a) && !breakable(b) || strings.ContainsRune(notFirst, b) || strings.ContainsRune(notLast, a) {
		return false
	}
	if !whole {
		return true
	}
	if kind(b) == hiragana || kind(b) == joint {
		return false // a particle stays with its word
	}
	return kind(a) != kind(b) || a == 'ー'
}

// breakable are the letters of scripts that put no spaces between words.
func breakable(r rune) bool {
	return r >= 0x2E80 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r >= 0x3000 && r < 0x3100 || r >= 0xFF00 && r < 0xFFF0)
}

// Kinds of letters: where they change, a word may end.
const (
	latin = iota
	kanji
	hiragana
	katakana
	joint // between words
)

func kind(r rune) int {
	switch {
	case r < utf8.RuneSelf || unicode.Is(unicode.Latin, r):
		return latin
	case unicode.Is(unicode.Han, r):
		return kanji
	case unicode.Is(unicode.Hiragana, r):
		return hiragana
	case r == '＆' || r == '・':
		return joint
	}
	return katakana
}

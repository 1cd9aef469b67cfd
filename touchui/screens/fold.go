package screens

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"fountain/touchui/words"
)

// fold makes texts that a person would call the same the same: case, accents, voicing marks and the shapes of letters do
// not count, and everything that is no letter or digit parts words.
func fold(s string) string {
	var b strings.Builder
	s = strings.ToLower(s)
	if !ascii(s) {
		s = norm.NFKD.String(words.Kana(s))
	}
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r), r == 'ー', r == 'ـ', r == '\'', r == '’':
		case plainLetters[r] != "":
			b.WriteString(plainLetters[r])
		case r >= 'ァ' && r <= 'ヶ': // katakana
			b.WriteRune(largeKana(r - 'ァ' + 'ぁ'))
		case r >= 'ぁ' && r <= 'ゖ':
			b.WriteRune(largeKana(r))
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainLetters are letters that no decomposition makes plain.
var plainLetters = map[rune]string{'ß': "ss", 'ø': "o", 'ł': "l", 'đ': "d", 'æ': "ae", 'œ': "oe", 'ı': "i", 'ة': "ه", 'ى': "ي"}

// largeKana is a small kana as the large one it belongs to; the keyboard has only those.
func largeKana(r rune) rune {
	switch r {
	case 'ぁ', 'ぃ', 'ぅ', 'ぇ', 'ぉ', 'っ', 'ゃ', 'ゅ', 'ょ', 'ゎ':
		return r + 1
	}
	return r
}

// foreign reports whether a word is written in a script whose letters stand for sounds that brand names have in Latin.
func foreign(s string) bool {
	for _, r := range s {
		return unicode.In(r, unicode.Hiragana, unicode.Arabic)
	}
	return false
}

// sound is a folded word as the consonants one hears, in classes that Latin, kana and Arabic letters share: k s t n h m y r
// w, an initial vowel a. It is meant to find a brand's name that was heard or is written another way.
func sound(s string) string {
	if foreign(s) {
		return kanaOrArabic(s)
	}
	return latin(s)
}

func kanaOrArabic(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == 'つ' && i > 0 {
			continue // most often the small one, which is not heard
		}
		for _, c := range soundClasses {
			if strings.ContainsRune(c.letters, r) && (c.class != 'a' || i == 0) {
				b.WriteByte(c.class)
			}
		}
	}
	return b.String()
}

// soundClasses are the kana and Arabic letters of each class.
var soundClasses = [...]struct {
	class   byte
	letters string
}{
	{'a', "あいうえおを" + "اعوي"},
	{'k', "かきくけこ" + "كقغخ"},
	{'s', "さしすせそ" + "سشصزج"},
	{'t', "たちつてと" + "تطدضذظث"},
	{'n', "なにぬねのん" + "ن"},
	{'h', "はひふへほ" + "بفحه"},
	{'m', "まみむめも" + "م"},
	{'y', "やゆよ"},
	{'r', "らりるれろ" + "رل"},
	{'w', "わ"},
}

// latin is the sound of a word in Latin letters, roughly as English speakers read it.
func latin(s string) string {
	var b strings.Builder
	last := byte(0)
	put := func(c byte) {
		if c != last {
			b.WriteByte(c)
		}
		last = c
	}
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	vowel := func(c byte) bool { return c != 0 && strings.IndexByte("aeiouy", c) >= 0 }
	for i := 0; i < len(s); i++ {
		c, next := s[i], at(i+1)
		soft := next == 'e' || next == 'i' || next == 'y'
		switch {
		case vowel(c):
			if i == 0 && c != 'y' {
				put('a')
			} else if i == 0 {
				put('y')
			}
			last = 0
		case c == 'c' && next == 'h', c == 't' && next == 'c':
			put('t')
			i++
		case c == 'g' && next == 'h', c == 'h' && i > 0:
			if c == 'g' {
				i++
			}
		case c == 'p' && next == 'h':
			put('h')
			i++
		case c == 's' && next == 'h', c == 't' && next == 'h':
			put('s')
			i++
		case (c == 'c' || c == 'g') && soft:
			put('s')
		case c == 'r' && i > 0 && !vowel(next): // not heard before a consonant
		default:
			put(latinSounds[c])
		}
	}
	return strings.ReplaceAll(b.String(), "\x00", "")
}

// latinSounds is the class of each Latin consonant that needs no look at its neighbours.
var latinSounds = [256]byte{
	'b': 'h', 'p': 'h', 'f': 'h', 'v': 'h', 'h': 'h', 'c': 'k', 'g': 'k', 'k': 'k', 'q': 'k', 'd': 't', 't': 't', 'j': 's', 's': 's', 'x': 's', 'z': 's',
	'l': 'r', 'r': 'r', 'm': 'm', 'n': 'n', 'w': 'w',
}

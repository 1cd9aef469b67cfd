package words

import (
	"maps"
	"strings"
	"sync"
	"unicode/utf8"
)

// Pseudo and PseudoRTL are English made longer, accented and bracketed: what does not fit in them will not fit in some
// language, and what stands there without brackets was not translated. The second is laid out from right to left.
const (
	Pseudo    = "qps"
	PseudoRTL = "qps-rtl"
)

// pseudo makes a pseudo language of English. Its letters stay Latin, so that it can be read.
func pseudo(en *Book, tag string) *Book {
	b := *en
	b.lang = Language{Tag: tag, Name: lengthen("Pseudo"), RTL: tag == PseudoRTL, Script: "Latn"}
	b.english, b.missing = nil, new(sync.Map)
	b.phrases = make(map[string]phrase, len(en.phrases))
	for k, p := range en.phrases {
		if !strings.HasPrefix(k, "lang.") && !strings.HasPrefix(k, "unit.") {
			p.text = lengthen(p.text)
			forms := maps.Clone(p.forms)
			for f, s := range forms {
				forms[f] = lengthen(s)
			}
			p.forms = forms
		}
		b.phrases[k] = p
	}
	return &b
}

var accents = strings.NewReplacer(
	"a", "á", "c", "č", "e", "é", "i", "î", "n", "ñ", "o", "ö", "s", "š", "u", "ü", "y", "ý", "z", "ž",
	"A", "Å", "C", "Č", "E", "É", "I", "Î", "N", "Ñ", "O", "Ö", "S", "Š", "U", "Ü", "Y", "Ý", "Z", "Ž",
)

// lengthen makes s about 35 % longer, as translations are, in words of the length words have. Placeholders stay.
func lengthen(s string) string {
	if s == "" {
		return ""
	}
	var out strings.Builder
	for rest := s; rest != ""; {
		text, tail, open := strings.Cut(rest, "{")
		out.WriteString(accents.Replace(text))
		if !open {
			break
		}
		name, after, _ := strings.Cut(tail, "}")
		out.WriteString("{" + name + "}")
		rest = after
	}
	const filler = "lorem ipsum dolor sit amet con sec tetur "
	more := max(utf8.RuneCountInString(s)*35/100-2, 0) // the brackets count
	pad := ""
	if more > 0 {
		pad = strings.TrimSpace(strings.Repeat(filler, more/len(filler)+1)[:more])
		if more > 4 {
			pad = " " + pad
		}
	}
	return "[" + out.String() + pad + "]"
}

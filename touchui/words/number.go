package words

import (
	"strconv"
	"strings"
)

// Units says how volumes are written.
type Units string

// Units of volume on the screen.
const (
	Millilitres Units = "ml"
	FluidOunces Units = "fl_oz"
	BothUnits   Units = "both"
)

// mlPerFlOz is the US fluid ounce.
const mlPerFlOz = 29.5735

// Number writes v with at most digits decimals, as the language does. Digits are Latin in every language: those of the
// measuring cup and of the nutrition table.
func (b *Book) Number(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	whole, part, _ := strings.Cut(s, ".")
	part = strings.TrimRight(part, "0")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if len(whole) > 4 { // four digits are read at a glance
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + b.phrases["lang.group"].text + whole[i:]
		}
	}
	if whole == "0" && part == "" {
		sign = ""
	}
	if part != "" {
		part = b.phrases["lang.decimal"].text + part
	}
	return sign + whole + part
}

// Volume writes ml millilitres in the units of the screen; fluid ounces are whole from 3 on.
func (b *Book) Volume(ml int, u Units) string {
	oz, digits := float64(ml)/mlPerFlOz, 0
	if oz < 3 {
		digits = 1
	}
	metric := b.T("unit.ml", "v", ml)
	us := b.T("unit.floz", "v", b.Number(oz, digits))
	switch u {
	case FluidOunces:
		return us
	case Millilitres:
		return metric
	}
	return b.T("unit.both", "ml", metric, "floz", us)
}

// List joins items as a sentence does: a, b and c.
func (b *Book) List(items ...string) string {
	f := b.phrases["lang.list"].forms
	join := func(form, x, y string) string { return b.fill(f[form], []any{"a", x, "b", y}) }
	switch len(items) {
	case 0:
		return ""
	case 1:
		return items[0]
	case 2:
		return join("two", items[0], items[1])
	}
	out := items[0]
	for _, s := range items[1 : len(items)-1] {
		out = join("middle", out, s)
	}
	return join("last", out, items[len(items)-1])
}

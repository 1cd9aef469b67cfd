package rules

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Numbers are decimal with 34 digits and magnitudes from 1E-999 to 1E999, as AWS has them.
const (
	maxDigits   = 34
	maxExponent = 999
)

func numberText(s string) json.Number { return json.Number(s) }

// numberForm is what a text must look like to be a number.
var numberForm = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// parseNumber reads a number; ok is false when it is none or out of range.
func parseNumber(s string) (r *big.Rat, ok bool) {
	if !numberForm.MatchString(s) || len(s) > 2*maxExponent {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > maxExponent || e < -maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

// numberOf writes a number with 34 digits at most.
func numberOf(r *big.Rat) any {
	if r.IsInt() {
		if s := r.Num().String(); len(strings.TrimPrefix(s, "-")) <= maxDigits {
			return json.Number(s)
		}
	}
	s := new(big.Float).SetPrec(256).SetRat(r).Text('g', maxDigits)
	if i := strings.IndexByte(s, 'e'); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e > maxExponent || e < -maxExponent {
			return undefined
		}
	}
	return json.Number(s)
}

// numberValue is the value of a number.
func numberValue(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	return parseNumber(n.String())
}

// decimal converts to Decimal: numbers, and texts that look like numbers.
func decimal(v any) (*big.Rat, bool) {
	if s, ok := v.(string); ok {
		return parseNumber(s)
	}
	return numberValue(v)
}

// arithmetic does + - * / % on numbers and texts that look like numbers. Between integers / and % are of integers.
func arithmetic(op string, a, b any) any {
	p, ok1 := decimal(a)
	q, ok2 := decimal(b)
	if !ok1 || !ok2 {
		return undefined
	}
	_, text1 := a.(string)
	_, text2 := b.(string)
	integers := p.IsInt() && q.IsInt() && !text1 && !text2
	z := new(big.Rat)
	switch op {
	case "+":
		z.Add(p, q)
	case "-":
		z.Sub(p, q)
	case "*":
		z.Mul(p, q)
	default:
		if q.Sign() == 0 {
			return undefined
		}
		z.Quo(p, q)
		whole := new(big.Rat).SetInt(new(big.Int).Quo(z.Num(), z.Denom())) // toward 0
		switch {
		case op == "%":
			z.Sub(p, whole.Mul(whole, q))
		case integers:
			z = whole
		}
	}
	return numberOf(z)
}

// textOf converts to String. Null and Undefined have none.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case []any, map[string]any:
		b, err := writeJSON(v)
		return string(b), err == nil
	}
	return "", false
}

// integer converts to Int: a number is cut toward 0, a text that looks like one too.
func integer(v any) (*big.Int, bool) {
	r, ok := decimal(v)
	if !ok {
		return nil, false
	}
	return new(big.Int).Quo(r.Num(), r.Denom()), true
}

func encodeBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

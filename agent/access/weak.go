package access

import (
	"fmt"
	"strings"
)

// Length of a PIN: six random digits are what NIST SP 800-63B asks of a PIN at least.
const (
	MinDigits = 6
	maxDigits = 12
)

const advice = "choose 6 to 12 digits that nobody guesses: no series, no repetition, no date, nothing from the name plate"

// common PINs of six digits that no rule below catches (from public lists of leaked PINs, in no order).
var common = []string{"112358", "131452", "147258", "147896", "159357", "159753", "258456", "314159", "520131", "789456", "456789", "741852", "951753"}

// Weak says why pin is no good PIN of the unit with this serial number; "" when it is one.
func Weak(pin, serial string) string {
	switch n := len(pin); {
	case strings.Trim(pin, "0123456789") != "":
		return "a PIN has digits only"
	case n < MinDigits:
		return fmt.Sprintf("the PIN is too short: %d of at least %d digits", n, MinDigits)
	case n > maxDigits:
		return fmt.Sprintf("the PIN is too long: at most %d digits", maxDigits)
	case repeats(pin):
		return "the PIN repeats itself"
	case distinct(pin) < 3:
		return "the PIN has fewer than three different digits"
	case series(pin):
		return "the PIN is a series"
	case mirrored(pin) && series(pin[:(len(pin)+1)/2]):
		return "the PIN is a series, there and back"
	case date(pin):
		return "the PIN is a date"
	case plate(pin, serial):
		return "the PIN is part of the serial number"
	}
	for _, c := range common {
		if strings.Contains(pin, c) {
			return "the PIN is one that many people choose"
		}
	}
	return ""
}

// repeats tells whether pin is one piece again and again, or its digits come in pairs in a series (112233).
func repeats(pin string) bool {
	for k := 1; k <= len(pin)/2; k++ {
		if strings.HasPrefix(strings.Repeat(pin[:k], len(pin)/k+1), pin) {
			return true
		}
	}
	var once []byte
	for i := 0; i+1 < len(pin); i += 2 {
		if pin[i] != pin[i+1] {
			return false
		}
		once = append(once, pin[i])
	}
	return len(pin)%2 == 0 && series(string(once))
}

func distinct(pin string) int {
	seen := map[rune]bool{}
	for _, r := range pin {
		seen[r] = true
	}
	return len(seen)
}

// series tells whether every digit is the one before plus the same step, 9 followed by 0.
func series(pin string) bool {
	for i := 2; i < len(pin); i++ {
		if (int(pin[i])-int(pin[i-1])-int(pin[1])+int(pin[0]))%10 != 0 {
			return false
		}
	}
	return true
}

func mirrored(pin string) bool {
	for i := range len(pin) / 2 {
		if pin[i] != pin[len(pin)-1-i] {
			return false
		}
	}
	return true
}

// date tells whether pin is a day as people write one: DDMMYYYY, MMDDYYYY or YYYYMMDD. Six digits look too much like
// any number.
func date(pin string) bool {
	if len(pin) != 8 {
		return false
	}
	num := func(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }
	day := func(a, b string) bool {
		x, y := num(a), num(b)
		return x >= 1 && x <= 31 && y >= 1 && y <= 12 || y >= 1 && y <= 31 && x >= 1 && x <= 12
	}
	year := func(s string) bool { return s == "19" || s == "20" }
	return year(pin[:2]) && day(pin[4:6], pin[6:]) || year(pin[4:6]) && day(pin[:2], pin[2:4])
}

// plate tells whether pin and the serial number's digits hold one another.
func plate(pin, serial string) bool {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, serial)
	return strings.Contains(digits, pin) || len(digits) >= 4 && strings.Contains(pin, digits)
}

// Package clocale lets a program that links Fyne start in the C locale. Fyne parses the locale when its package lang is
// initialised and prints an error for C and POSIX, which have no language tag; a unit's services and most containers run
// in them. It imports only the standard library and keeps no state.
//
// Go initialises packages that are ready in the order of their import paths, and fountain/… stands before fyne.io/…, so
// importing this package is enough.
package clocale

import (
	"os"
	"strings"
)

// english is what the C locale speaks.
const english = "en_US.UTF-8"

func init() { // it has to come before the init of another module
	for _, key := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} { // the first that is set counts
		value := os.Getenv(key)
		if value == "" {
			continue
		}
		if hasNoLanguage(value) {
			_ = os.Setenv(key, english) // a valid key; without it there is one more line on standard error
		}
		return
	}
	_ = os.Setenv("LANG", english)
}

func hasNoLanguage(locale string) bool {
	name, _, _ := strings.Cut(locale, ".")
	return name == "C" || name == "POSIX"
}

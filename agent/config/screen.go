package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Live tells whether a key counts as soon as a technician or the cloud has set it: those of the screen do, the pace of
// the uplink and the level of the log, all others from the next start on.
func Live(key string) bool {
	return (&Unit{}).field(key) != nil || key == "sync.drain_rate" || key == "log.level" || key == "cloud.mqtt"
}

// field is where a key of the screen is kept; nil: it is none.
func (u *Unit) field(key string) any {
	switch key {
	case "unit.language":
		return &u.Language
	case "unit.languages":
		return &u.Languages
	case "unit.units":
		return &u.Units
	case "unit.panel_mm":
		return &u.PanelMM
	case "unit.phone_url":
		return &u.PhoneURL
	case "unit.mixes":
		return &u.Mixes
	case "unit.speech":
		return &u.Speech
	}
	return nil
}

// What the keys of the screen and of the proxy are checked by.

var languageTag = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)

func language(v any) string {
	if !languageTag.MatchString(v.(string)) {
		return "must be a language tag such as en, de or pt-BR"
	}
	return ""
}

// mostLanguages is more than a screen has words for.
const mostLanguages = 32

func languages(v any) string {
	list := v.([]string)
	if len(list) > mostLanguages {
		return fmt.Sprintf("must not list more than %d languages", mostLanguages)
	}
	for i, l := range list {
		if why := language(l); why != "" {
			return fmt.Sprintf("%q %s", l, why)
		}
		if slices.Contains(list[:i], l) {
			return fmt.Sprintf("%q appears twice", l)
		}
	}
	return ""
}

// Bounds of a panel's side, mm: a phone's and a wall's.
const (
	leastPanel = 40
	mostPanel  = 3000
)

// panel reads WIDTHxHEIGHT; nothing is a panel of unknown size.
func panel(s string) (w, h float64, ok bool) {
	if s == "" {
		return 0, 0, true
	}
	a, b, _ := strings.Cut(s, "x")
	w, err := strconv.ParseFloat(a, 64)
	h, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil || !(w >= leastPanel && w <= mostPanel && h >= leastPanel && h <= mostPanel) {
		return 0, 0, false
	}
	return w, h, true
}

func panelSize(v any) string {
	if _, _, ok := panel(v.(string)); !ok {
		return fmt.Sprintf("must be width x height in mm, such as 398x708, each %d to %d", leastPanel, mostPanel)
	}
	return ""
}

// longestAddress is what a QR code that a phone reads across a counter holds.
const longestAddress = 200

func webAddress(v any) string {
	s := v.(string)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "must be a web address such as https://example.com/u/417"
	case u.User != nil:
		return "must not hold a user or a password: everybody sees it"
	case len(s) > longestAddress:
		return fmt.Sprintf("must not be longer than %d bytes", longestAddress)
	}
	return ""
}

func proxyAddress(v any) string {
	s := v.(string)
	if s == "" {
		return ""
	}
	const want = "must be http://host:port, with user:password@ before the host if the proxy asks for it"
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return want
	}
	host, port, err := net.SplitHostPort(u.Host)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
		return want
	}
	return ""
}

// MaskProxy is a proxy's address without its password.
func MaskProxy(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(secret)" // nobody knows what it holds
	}
	if u.User == nil {
		return s
	}
	u.User = url.User(u.User.Username())
	return u.String()
}

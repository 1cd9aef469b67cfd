package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Quotas of AWS IoT Core (spec/awsiot.md 3). Breaking most of them closes the connection without a word, so a unit
// checks before it sends.
const (
	MaxPayload       = 128 * 1024 // bytes of one PUBLISH payload
	MeterStep        = 5 * 1024   // bytes of topic and payload that are billed as one message
	MaxTopic         = 256        // bytes of a topic or filter; Basic Ingest counts only what follows the rule's name
	MaxSlashes       = 7          // in a topic or filter; same exemption
	MaxFilters       = 8          // per SUBSCRIBE
	MaxSubscriptions = 50         // per connection
	MaxClientID      = 128        // bytes
	MaxThing         = 128        // bytes of a thing's name
	MaxShadowName    = 64         // bytes
	MaxClientToken   = 64         // bytes
	MaxShadowState   = 8 * 1024   // bytes of a shadow's desired and reported state
	MaxInFlight      = 100        // unacknowledged QoS 1 messages, each way
	MaxMessageRate   = 100        // messages a second, both ways together
	MaxByteRate      = 512 * 1024 // bytes a second
)

// ErrLimit is wrapped by every error of the Check functions.
var ErrLimit = errors.New("outside the limits of the cloud")

func limit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
}

// CheckTopic says whether one may publish to topic.
func CheckTopic(topic string) error {
	if strings.ContainsAny(topic, "+#") {
		return limit("topic %q holds a wildcard", topic)
	}
	return checkName("topic", topic)
}

// CheckFilter says whether one may subscribe to filter.
func CheckFilter(filter string) error {
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		switch {
		case l == "+":
		case l == "#" && i == len(levels)-1:
		case strings.ContainsAny(l, "+#"):
			return limit("filter %q has a misplaced wildcard", filter)
		}
	}
	return checkName("filter", filter)
}

func checkName(kind, s string) error {
	rest := s
	if r, ok := strings.CutPrefix(s, rulePrefix); ok { // $aws/rules/NAME/ is exempt
		if _, after, ok := strings.Cut(r, "/"); ok {
			rest = after
		}
	}
	switch {
	case s == "":
		return limit("%s is empty", kind)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return limit("%s %q is not plain UTF-8", kind, s)
	case len(rest) > MaxTopic:
		return limit("%s has %d bytes, at most %d", kind, len(rest), MaxTopic)
	case len(s) > 65535:
		return limit("%s has %d bytes, MQTT allows 65535", kind, len(s))
	case strings.Count(rest, "/") > MaxSlashes:
		return limit("%s %q has %d slashes, at most %d", kind, s, strings.Count(rest, "/"), MaxSlashes)
	}
	return nil
}

// CheckPayload says whether a payload may be published.
func CheckPayload(payload []byte) error {
	if len(payload) > MaxPayload {
		return limit("payload has %d bytes, at most %d", len(payload), MaxPayload)
	}
	return nil
}

// CheckSubscribe checks the filters of one SUBSCRIBE packet.
func CheckSubscribe(filters []string) error {
	if len(filters) == 0 || len(filters) > MaxFilters {
		return limit("SUBSCRIBE has %d filters, 1 to %d are allowed", len(filters), MaxFilters)
	}
	for _, f := range filters {
		if err := CheckFilter(f); err != nil {
			return err
		}
	}
	return nil
}

// CheckClientID checks an MQTT client id.
func CheckClientID(id string) error {
	switch {
	case id == "" || len(id) > MaxClientID:
		return limit("client id has %d bytes, 1 to %d are allowed", len(id), MaxClientID)
	case id[0] == '$':
		return limit("client id %q starts with $", id)
	case !utf8.ValidString(id) || strings.ContainsRune(id, 0):
		return limit("client id %q is not plain UTF-8", id)
	}
	return nil
}

// CheckThing checks the name of a thing: letters, digits, '_', ':' and '-'.
func CheckThing(name string) error { return checkIdent("thing name", name, MaxThing) }

// CheckShadowName checks the name of a named shadow; empty means the classic shadow and passes.
func CheckShadowName(name string) error {
	if name == "" {
		return nil
	}
	return checkIdent("shadow name", name, MaxShadowName)
}

// CheckClientToken checks the token that pairs an answer with its request.
func CheckClientToken(t string) error {
	if len(t) > MaxClientToken {
		return limit("client token has %d bytes, at most %d", len(t), MaxClientToken)
	}
	return nil
}

func checkIdent(kind, s string, most int) error {
	if s == "" || len(s) > most {
		return limit("%s has %d bytes, 1 to %d are allowed", kind, len(s), most)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == ':', c == '-':
		default:
			return limit("%s %q may hold letters, digits, '_', ':' and '-' only", kind, s)
		}
	}
	return nil
}

package shadow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"fountain/internal/strictjson"
	"fountain/sync/wire"
)

// maxShadowDepth is how deep a section may nest: the most that any of AWS's pages allows (they say 5, 6 and 8). What we
// write ourselves stays at 4 (spec/awsiot.md 14).
const maxShadowDepth = 8

// The wordings of refusals are those of the guide's list of shadow error messages.

func refuse(code int, token, format string, args ...any) *wire.ShadowError {
	return &wire.ShadowError{Code: code, Message: fmt.Sprintf(format, args...), ClientToken: token}
}

// parseBody parses what is common to all requests. An empty body is an empty object when it may be.
func parseBody(payload []byte, mayBeEmpty bool) (body map[string]any, token string, refusal *wire.ShadowError) {
	if !utf8.Valid(payload) {
		return nil, "", refuse(415, "", "Unsupported documented encoding; supported encoding is UTF-8")
	}
	if len(payload) == 0 && mayBeEmpty {
		return nil, "", nil
	}
	if err := strictjson.Numbers(bytes.NewReader(payload), &body); err != nil || body == nil {
		return nil, "", refuse(400, "", "Invalid JSON")
	}
	switch t := body["clientToken"].(type) {
	case nil:
	case string:
		if wire.CheckClientToken(t) != nil {
			return nil, "", refuse(400, "", "Invalid clientToken")
		}
		token = t
	default:
		return nil, "", refuse(400, "", "Invalid clientToken")
	}
	return body, token, nil
}

// change is a checked update request.
type change struct {
	state    any                       // as requested, for the answer
	sections map[string]map[string]any // a nil map removes the section
	version  *int64
	token    string
}

// sectionNames are the sections a request may hold, as messages write them.
var sectionNames = map[string]string{"desired": "Desired", "reported": "Reported"}

// parseChange checks an update request.
func parseChange(payload []byte) (*change, *wire.ShadowError) {
	req, token, refusal := parseBody(payload, false)
	if refusal != nil {
		return nil, refusal
	}
	c := &change{sections: map[string]map[string]any{}, token: token}
	if v, ok := req["version"]; ok && v != nil {
		n, ok := v.(json.Number)
		if !ok {
			return nil, refuse(400, token, "Invalid version")
		}
		i, err := n.Int64()
		if err != nil || i < 0 {
			return nil, refuse(400, token, "Invalid version")
		}
		c.version = &i
	}
	state, ok := req["state"]
	if !ok {
		return nil, refuse(400, token, "Missing required node: state")
	}
	c.state = state
	if state == nil { // removes both
		c.sections["desired"], c.sections["reported"] = nil, nil
		return c, nil
	}
	sections, ok := state.(map[string]any)
	if !ok {
		return nil, refuse(400, token, "State node must be an object")
	}
	for name, sec := range sections {
		title, ok := sectionNames[name]
		if !ok {
			return nil, refuse(400, token, "State contains an invalid node: '%s'", name)
		}
		m, ok := sec.(map[string]any)
		if !ok && sec != nil {
			return nil, refuse(400, token, "%s node must be an object", title)
		}
		if depth(sec) > maxShadowDepth {
			return nil, refuse(400, token, "JSON contains too many levels of nesting; maximum is %d", maxShadowDepth)
		}
		if arrayNull(sec, false) {
			return nil, refuse(400, token, "Invalid JSON: an array holds null")
		}
		c.sections[name] = m
	}
	return c, nil
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			deepest = max(deepest, depth(x))
		}
	case []any:
		for _, x := range v {
			deepest = max(deepest, depth(x))
		}
	default:
		return 0
	}
	return deepest + 1
}

func arrayNull(v any, inside bool) bool {
	switch v := v.(type) {
	case nil:
		return inside
	case []any:
		for _, x := range v {
			if arrayNull(x, true) {
				return true
			}
		}
	case map[string]any:
		for _, x := range v {
			if arrayNull(x, inside) {
				return true
			}
		}
	}
	return false
}

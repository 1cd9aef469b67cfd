package shadow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"

	"fountain/sync/wire"
)

// maxShadowDepth is how deep a section may nest (sources disagree between 5 and 8, spec/awsiot.md 14).
const maxShadowDepth = 8

// shadowDoc is one shadow's document. The zero value is a shadow that does not exist.
type shadowDoc struct {
	State   map[string]map[string]any `json:"state"` // desired, reported
	Meta    map[string]map[string]any `json:"metadata"`
	Version int64                     `json:"-"`
	Stamp   int64                     `json:"timestamp"` // seconds
	exists  bool
}

// decodeJSON keeps numbers as they were written and refuses anything after the value.
func decodeJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the document")
	}
	return nil
}

func decodeShadowDoc(blob []byte, version int64) (*shadowDoc, error) {
	d := &shadowDoc{}
	if blob != nil {
		if err := decodeJSON(blob, d); err != nil {
			return nil, fmt.Errorf("stored shadow: %w", err)
		}
		d.exists = true
	}
	d.Version = version
	if d.State == nil {
		d.State, d.Meta = map[string]map[string]any{}, map[string]map[string]any{}
	}
	return d, nil
}

// change is a checked update request.
type change struct {
	sections map[string]map[string]any // a nil map removes the section
	version  *int64
	token    string
}

func bad(format string, args ...any) *wire.ShadowError {
	return &wire.ShadowError{Code: 400, Message: fmt.Sprintf(format, args...)}
}

// parseChange checks an update request.
func parseChange(payload []byte) (*change, *wire.ShadowError) {
	var req map[string]any
	if err := decodeJSON(payload, &req); err != nil || req == nil {
		return nil, bad("Payload is not valid JSON")
	}
	c := &change{sections: map[string]map[string]any{}}
	if t, ok := req["clientToken"]; ok {
		s, ok := t.(string)
		if !ok || wire.CheckClientToken(s) != nil {
			return nil, bad("Invalid clientToken")
		}
		c.token = s
	}
	fail := func(format string, args ...any) (*change, *wire.ShadowError) {
		e := bad(format, args...)
		e.ClientToken = c.token
		return nil, e
	}
	if v, ok := req["version"]; ok {
		n, ok := v.(json.Number)
		if !ok {
			return fail("Invalid version")
		}
		i, err := n.Int64()
		if err != nil || i < 0 {
			return fail("Invalid version")
		}
		c.version = &i
	}
	state, ok := req["state"]
	if !ok {
		return fail("Missing required node: state")
	}
	sections, ok := state.(map[string]any)
	if !ok {
		return fail("State node must be an object")
	}
	for name, sec := range sections {
		if name != "desired" && name != "reported" {
			return fail("State contains an invalid node: '%s'", name)
		}
		m, ok := sec.(map[string]any)
		if !ok && sec != nil {
			return fail("%s node must be an object", name)
		}
		if depth(sec) > maxShadowDepth {
			return fail("JSON contains too many levels of nesting; maximum is %d", maxShadowDepth)
		}
		if arrayNull(sec, false) {
			return fail("Payload contains an array with a null element")
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

// apply changes the document. It returns the metadata of the request's fields.
func (d *shadowDoc) apply(c *change, now int64) (map[string]any, *wire.ShadowError) {
	if c.version != nil && *c.version != d.Version {
		return nil, &wire.ShadowError{Code: wire.ShadowConflict, Message: "Version conflict", ClientToken: c.token}
	}
	meta := map[string]any{}
	for name, patch := range c.sections {
		if patch == nil {
			delete(d.State, name)
			delete(d.Meta, name)
			continue
		}
		if d.State[name] == nil {
			d.State[name], d.Meta[name] = map[string]any{}, map[string]any{}
		}
		meta[name] = merge(d.State[name], d.Meta[name], patch, now)
		if len(d.State[name]) == 0 {
			delete(d.State, name)
			delete(d.Meta, name)
		}
	}
	size := 0
	for _, sec := range d.State {
		size += len(mustJSON(sec))
	}
	if size > wire.MaxShadowState {
		return nil, &wire.ShadowError{
			Code:    413,
			Message: fmt.Sprintf("Json document too large. Size is %d, max allowed: %d", size, wire.MaxShadowState), ClientToken: c.token,
		}
	}
	d.Version++
	d.Stamp, d.exists = now, true
	return meta, nil
}

// merge puts patch into state key by key and returns the stamps of the keys it touched.
func merge(state, meta, patch map[string]any, now int64) map[string]any {
	touched := map[string]any{}
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(state, k)
			delete(meta, k)
			touched[k] = stamp(nil, now)
		case map[string]any:
			sub, ok := state[k].(map[string]any)
			if !ok {
				sub = map[string]any{}
				state[k], meta[k] = sub, map[string]any{}
			}
			subMeta, ok := meta[k].(map[string]any)
			if !ok {
				subMeta = map[string]any{}
				meta[k] = subMeta
			}
			touched[k] = merge(sub, subMeta, v, now)
		default:
			state[k], meta[k] = v, stamp(v, now)
			touched[k] = stamp(v, now)
		}
	}
	return touched
}

func stamp(v any, now int64) any {
	if list, ok := v.([]any); ok {
		out := make([]any, len(list))
		for i := range list {
			out[i] = stamp(list[i], now)
		}
		return out
	}
	return map[string]any{"timestamp": now}
}

// delta returns what desired has and reported has not, with desired's stamps; nil when there is no difference.
func (d *shadowDoc) delta() (state, meta map[string]any) {
	return difference(d.State["desired"], d.State["reported"], d.Meta["desired"])
}

func difference(want, have, stamps map[string]any) (state, meta map[string]any) {
	for k, w := range want {
		h, ok := have[k]
		var v, m any = w, stamps[k]
		if ok {
			wm, ok1 := w.(map[string]any)
			hm, ok2 := h.(map[string]any)
			if ok1 && ok2 {
				sm, _ := stamps[k].(map[string]any)
				sub, subMeta := difference(wm, hm, sm)
				if sub == nil {
					continue
				}
				v, m = sub, subMeta
			} else if reflect.DeepEqual(w, h) {
				continue
			}
		}
		if state == nil {
			state, meta = map[string]any{}, map[string]any{}
		}
		state[k], meta[k] = v, m
	}
	return state, meta
}

// get is the answer to a get request.
func (d *shadowDoc) get(now int64, token string) map[string]any {
	state, meta := map[string]any{}, map[string]any{}
	for name := range d.State {
		state[name], meta[name] = d.State[name], d.Meta[name]
	}
	if diff, _ := d.delta(); diff != nil {
		state["delta"] = diff
	}
	return withToken(map[string]any{"state": state, "metadata": meta, "version": d.Version, "timestamp": now}, token)
}

// document is one side of update/documents.
func (d *shadowDoc) document() map[string]any {
	return map[string]any{"state": maps.Clone(d.State), "metadata": maps.Clone(d.Meta), "version": d.Version}
}

func withToken(m map[string]any, token string) map[string]any {
	if token != "" {
		m["clientToken"] = token
	}
	return m
}

package shadow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"

	"fountain/internal/strictjson"
	"fountain/sync/wire"
)

// shadowDoc is one shadow's document. The zero value is a shadow that does not exist.
type shadowDoc struct {
	State   map[string]map[string]any `json:"state"` // desired, reported
	Meta    map[string]map[string]any `json:"metadata"`
	Version int64                     `json:"-"`
	Stamp   int64                     `json:"timestamp"` // seconds
	exists  bool
}

func decodeShadowDoc(blob []byte, version int64) (*shadowDoc, error) {
	d := &shadowDoc{}
	if blob != nil {
		if err := strictjson.Numbers(bytes.NewReader(blob), d); err != nil {
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

// clone is for changing a document and still knowing it as it was.
func (d *shadowDoc) clone() *shadowDoc {
	c, err := decodeShadowDoc(mustJSON(d), d.Version)
	if err != nil {
		panic(err) // impossible: it was just encoded
	}
	c.exists = d.exists
	return c
}

// apply changes the document.
func (d *shadowDoc) apply(c *change, now int64) *wire.ShadowError {
	if c.version != nil && *c.version != d.Version {
		return refuse(wire.ShadowConflict, c.token, "Version conflict")
	}
	for name, patch := range c.sections {
		if patch == nil {
			delete(d.State, name)
			delete(d.Meta, name)
			continue
		}
		if d.State[name] == nil {
			d.State[name], d.Meta[name] = map[string]any{}, map[string]any{}
		}
		merge(d.State[name], d.Meta[name], patch, now)
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
		return refuse(413, c.token, "Json document too large. Size is %d, max allowed: %d", size, wire.MaxShadowState)
	}
	d.Version++
	d.Stamp, d.exists = now, true
	return nil
}

// merge puts patch into state key by key. A new object of nulls only is nothing, and one that loses its last key stays, empty,
// in state and metadata: AWS's own shadow manager for Greengrass does both, the latter to match the service (its pull request 213).
func merge(state, meta, patch map[string]any, now int64) {
	for k, v := range patch {
		object, isObject := v.(map[string]any)
		switch {
		case v == nil:
			delete(state, k)
			delete(meta, k)
		case isObject:
			sub, there := state[k].(map[string]any)
			subMeta, _ := meta[k].(map[string]any)
			if !there {
				sub, subMeta = map[string]any{}, map[string]any{}
			}
			merge(sub, subMeta, object, now)
			if state[k], meta[k] = sub, subMeta; !there && len(sub) == 0 && len(object) > 0 {
				delete(state, k)
				delete(meta, k)
			}
		default:
			state[k], meta[k] = v, stamp(v, now)
		}
	}
}

// stamp makes the metadata of a request's value: a stamp for each leaf, nulls and what is in lists too.
func stamp(v any, now int64) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = stamp(v[i], now)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = stamp(v[k], now)
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
			} else if same(w, h) {
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

// same compares values as JSON means them: 1 and 1.0 are the same number.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || sameNumber(string(a), string(b)))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if v, ok := b[k]; !ok || !same(a[k], v) {
				return false
			}
		}
		return true
	}
	return a == b
}

// sameNumber compares without losing digits; 53 bits of float64 would call different ids the same.
func sameNumber(a, b string) bool {
	x, _, err1 := big.ParseFloat(a, 10, 512, big.ToNearestEven)
	y, _, err2 := big.ParseFloat(b, 10, 512, big.ToNearestEven)
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
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

// mustJSON encodes what is made of plain structs, maps and numbers, as short as it can be.
func mustJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // impossible: no channels, functions or cycles
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// MaxRecallID is the longest id in a recall document, bytes.
const MaxRecallID = 128

// ErrRecall is wrapped by every error of DecodeRecall.
var ErrRecall = errors.New("bad recall document")

// Recall is what the desired state of the recall shadow says, or a part of it: {"beverages":{"<id>":true},
// "ingredients":{"<id>":true}}. True forbids, false allows again, and nil (JSON null, in what was written to the
// shadow) too. What it does not name it says nothing about.
type Recall struct {
	Beverages   map[string]*bool
	Ingredients map[string]*bool
}

// DecodeRecall reads a recall document. Whatever is in it that is not understood makes it an error, with the place; the
// Recall then holds what is legible of it and forbids: a slip in one line must not keep a drink on offer that another line
// recalls, and allows nothing.
func DecodeRecall(state []byte) (Recall, error) {
	var r Recall
	if len(state) == 0 {
		return r, nil
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(state, &sections); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRecall, err)
	}
	var bad error
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		said, err := decodeRecalled(name, sections[name])
		switch name {
		case "beverages":
			r.Beverages = said
		case "ingredients":
			r.Ingredients = said
		default:
			err = fmt.Errorf("%w: %s: it is neither beverages nor ingredients", ErrRecall, name)
		}
		if bad == nil {
			bad = err
		}
	}
	if bad != nil {
		allows := func(_ string, v *bool) bool { return v == nil || !*v }
		maps.DeleteFunc(r.Beverages, allows)
		maps.DeleteFunc(r.Ingredients, allows)
	}
	return r, bad
}

// decodeRecalled reads a section: what is legible of it, and the first thing that is not.
func decodeRecalled(name string, raw json.RawMessage) (said map[string]*bool, bad error) {
	var ids map[string]json.RawMessage
	if err := json.Unmarshal(raw, &ids); err != nil {
		return nil, fmt.Errorf("%w: %s: it must hold ids with true, false or null", ErrRecall, name)
	}
	said = make(map[string]*bool, len(ids))
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		var b *bool
		err := json.Unmarshal(ids[id], &b)
		switch {
		case id == "" || len(id) > MaxRecallID:
			err = fmt.Errorf("%w: %s: an id of %d bytes", ErrRecall, name, len(id))
		case err != nil:
			err = fmt.Errorf("%w: %s.%s: it must be true, false or null", ErrRecall, name, id)
		default:
			said[id] = b
		}
		if bad == nil {
			bad = err
		}
	}
	return said, bad
}

// RecallReport is the reported state of the recall shadow. Beverages and Ingredients mirror what the cloud desires, so
// that there is no delta, and what is forbidden although the cloud names it no more: true is forbidden, durably.
type RecallReport struct {
	Beverages   map[string]bool `json:"beverages,omitempty"`
	Ingredients map[string]bool `json:"ingredients,omitempty"`
	Unknown     []string        `json:"unknown,omitempty"` // forbidden, and in no catalogue of this unit: "beverages.<id>"
	Refused     string          `json:"refused,omitempty"` // why the desired state counts only as far as it forbids
	More        int             `json:"more,omitempty"`    // forbidden and not listed for want of room
}
